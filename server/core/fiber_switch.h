/*
 * How the processor moves from one stack to another: Boost.Context's C entry points where they were
 * found (17 ns a direction), ucontext elsewhere (235 ns). Only fiber.c uses it. With the address
 * sanitizer every move is announced, or it would call our stacks overflows.
 */
#pragma once

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define STACKS_ARE_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STACKS_ARE_WATCHED 1
#endif
#endif

#ifdef STACKS_ARE_WATCHED
void __sanitizer_start_switch_fiber(void **fake_save, const void *bottom, size_t bytes);
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom_old, size_t *bytes_old);
void __asan_unpoison_memory_region(const volatile void *memory, size_t bytes);
#endif

#ifdef FIBER_BOOST

/* boost/context/detail/fcontext.hpp declares these for C++ only; the ABI is C. */
struct transfer {
	void *from;
	void *data;
};
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t bytes, void (*entry)(struct transfer));

#else

#include <ucontext.h>

#endif
