/* Runs what TEST() registered: see test.h. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#define TESTS_MAX 256 /* per program; one file of tests is far below */

static struct CMUnitTest tests[TESTS_MAX];
static size_t test_count;

void test_register(const char *name, void (*run)(void **state))
{
	if (test_count == TESTS_MAX)
		abort();
	tests[test_count++] = (struct CMUnitTest){ .name = name, .test_func = run };
}

static int run_all(void)
{
	return _cmocka_run_group_tests("tests", tests, test_count, NULL, NULL);
}

__attribute__((weak)) int test_around(int (*run)(void))
{
	return run();
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return test_around(run_all);
}
