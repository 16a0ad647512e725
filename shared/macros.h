/*
 * The few macros that every file may use: scope-end cleanup, ownership transfer, array and
 * container arithmetic. Nothing here allocates or has state.
 */
#pragma once

#include <stddef.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(text, first) __attribute__((format(printf, text, first)))
#define _unused_ __attribute__((unused))
#define _must_check_ __attribute__((warn_unused_result))
#define _noinline_ __attribute__((noinline))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Moves ownership out of a variable that has a cleanup: yields its value and leaves NULL behind. */
#define TAKE(pointer)                                                                              \
	({                                                                                         \
		__auto_type _taken = (pointer);                                                    \
		(pointer) = NULL;                                                                  \
		_taken;                                                                            \
	})

/*
 * Defines NAME_p(), the cleanup form of a free function that accepts NULL:
 *   CLEANUP_P(key_free, struct key)   ->   _cleanup_(key_free_p) struct key *key = NULL;
 */
#define CLEANUP_P(function, type)                                                                  \
	_unused_ static inline void function##_p(type **pointer)                                   \
	{                                                                                          \
		function(*pointer);                                                                \
	}
