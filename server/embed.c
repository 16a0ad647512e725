/*
 * A tool of the build: writes a file as the bytes of a C array, for data that is part of authd.
 * Nothing in authd itself.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
	int c;

	if (!file)
		return 1;
	for (unsigned i = 1; (c = getc(file)) != EOF; i++)
		(void)printf("%d,%s", c, i % 32 ? "" : "\n");
	return ferror(file) || fflush(stdout);
}
