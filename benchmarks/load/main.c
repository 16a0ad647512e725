/*
 * load: sends HTTP/1.1 requests to a server on this machine after a plan (plan.h) and says what
 * came of them (report.c). Read stream.c for when requests start and how latency is measured.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "load/load.h"
#include "shared/err.h"
#include "shared/macros.h"

#define JSON_BYTES_MAX (16u << 20) /* a few kilobytes for each histogram */

/* Too large for the stack: each stream has histograms. */
static struct plan plan;
static struct load load;

static int usage(FILE *out)
{
	(void)fputs("usage: load [-o FILE] PLAN\n"
		    "  PLAN               what to send, as JSON: see benchmarks/load/plan.h\n"
		    "  -o, --output FILE  write all results there as JSON\n",
		out);
	return out == stderr ? 2 : 0;
}

static int fail(const char *what, int error)
{
	(void)fprintf(stderr, "load: %s: %s\n", what, err_text(error));
	return 1;
}

static int json_write(const char *path)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(JSON_BYTES_MAX);
	int r = report_json(&load, &text);
	FILE *file;

	if (r < 0)
		return fail(path, r);
	file = fopen(path, "we");
	if (!file || fwrite(text.data, 1, text.len, file) != text.len || fclose(file) != 0)
		return fail(path, -EIO);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' }, {} };
	const char *output = NULL;
	int option, r;

	while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		if (option != 'o')
			return usage(option == 'h' ? stdout : stderr);
		output = optarg;
	}
	if (optind + 1 != argc)
		return usage(stderr);
	(void)prctl(PR_SET_TIMERSLACK, 1); /* nanosecond: 50 microseconds are the default */
	r = plan_load(argv[optind], &plan);
	if (r == 0) {
		r = load_run(&plan, &load);
		if (r < 0)
			return fail("the load", r);
		report_table(&load, stdout);
		if (output)
			r = json_write(output);
	}
	plan_deinit(&plan);
	return r ? 1 : 0;
}
