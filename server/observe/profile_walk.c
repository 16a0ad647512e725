/* The machine's part of a profile: see profile_walk.h. */
#include "observe/profile_walk.h"

#include "core/fiber.h"
#include "core/thread.h"

#define PAGE_MASK 4095 /* of the smallest pages */

struct place {
	uintptr_t pc, frame, stack;
};

static struct place place_of(const ucontext_t *context)
{
#if defined(__x86_64__)
	const greg_t *registers = context->uc_mcontext.gregs;

	return (struct place){ .pc = (uintptr_t)registers[REG_RIP],
		.frame = (uintptr_t)registers[REG_RBP],
		.stack = (uintptr_t)registers[REG_RSP] };
#elif defined(__aarch64__)
	return (struct place){ .pc = context->uc_mcontext.pc,
		.frame = context->uc_mcontext.regs[29],
		.stack = context->uc_mcontext.sp };
#else
	return (struct place){};
#endif
}

/* Arm64 signs return addresses, in bits that no address has. */
static uintptr_t address_of(uintptr_t signed_address)
{
#if defined(__aarch64__)
	return signed_address & ((UINT64_C(1) << 48) - 1);
#else
	return signed_address;
#endif
}

/* 0: this stack is not known, and not looked into. */
static uintptr_t stack_end(const struct thread *thread, uintptr_t address)
{
	uintptr_t end = fiber_stack_end(address);

	if (!end && address >= thread->stack_begin && address < thread->stack_end)
		end = thread->stack_end;
	return end;
}

/*
 * A frame is the caller's frame and the return address. A library that keeps no frames has anything
 * else in that register: then the chain ends when it leaves the stack, or goes back. What is read
 * may be marked as nobody's by a sanitizer.
 */
__attribute__((no_sanitize("address"))) unsigned profile_walk(const struct thread *thread,
	const ucontext_t *context, uintptr_t *frames, unsigned frames_max)
{
	const struct place place = place_of(context);
	uintptr_t end = stack_end(thread, place.stack), at = place.frame, least = place.stack;
	unsigned depth = 0;

	frames[depth++] = place.pc;
	while (depth < frames_max && end && at >= least && at % sizeof(at) == 0 && at < end &&
		end - at >= 2 * sizeof(at)) {
		const uintptr_t *frame = (const uintptr_t *)at;

		if (!frame[1])
			break;
		frames[depth++] = address_of(frame[1]);
		least = at + 2 * sizeof(at);
		at = frame[0];
	}
	return depth;
}

/*
 * The processor was in the kernel when the timer ended, if the program goes on behind the
 * instruction that calls it. Nothing is read that may not be mapped: a call that ends a page counts
 * as the program's.
 */
__attribute__((no_sanitize("address"))) bool profile_is_kernel(const ucontext_t *context)
{
	uintptr_t pc = place_of(context).pc;
#if defined(__x86_64__)
	const unsigned char *code = (const unsigned char *)pc;

	return (pc & PAGE_MASK) >= 2 && code[-2] == 0x0f && code[-1] == 0x05;
#elif defined(__aarch64__)
	return (pc & PAGE_MASK) >= 4 && ((const uint32_t *)pc)[-1] == 0xd4000001;
#else
	(void)pc;
	return false;
#endif
}
