/*
 * Unit tests: TEST(name_of_a_behaviour) { ... } registers itself and main() in test.c runs them all
 * with cmocka, whose assert_* are used inside. An argument on the command line runs only the tests
 * whose names contain it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A program may define this to run its tests in some surroundings: it returns what run() does. */
int test_around(int (*run)(void));

void test_register(const char *name, void (*run)(void **state));

#define TEST(name)                                                                                 \
	static void name(void **state);                                                            \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		test_register(#name, name);                                                        \
	}                                                                                          \
	static void name(__attribute__((unused)) void **state)
