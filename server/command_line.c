/* Options of the command line: see command_line.h. */
#include "command_line.h"

#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#include "observe/metrics.h"
#include "offline/adopt.h"
#include "offline/make_admin.h"
#include "offline/transfer.h"
#include "shared/buf.h"

/* For the documents. */
static void metrics_tell(void)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(METRICS_DOCUMENT_BYTES_MAX);

	if (metrics_document(&text) == 0)
		(void)printf(STR_FORMAT, STR_ARGS(buf_str(&text)));
}

void command_line_usage(FILE *out)
{
	(void)fprintf(out,
		"usage: authd [-c FILE] [--check | --export FILE | --import FILE | --adopt-check\n"
		"                        | --create-indexes | --make-admin EMAIL]\n"
		"  -c, --config FILE  read this configuration (default: none, all defaults)\n"
		"      --check        read it, say what is wrong, and end\n"
		"      --export FILE  write all that the store has to a file, or go on with it\n"
		"      --import FILE  add what a file has to the store\n"
		"      --adopt-check  tell what an application's users are to authd\n"
		"      --create-indexes  build those that are missing in MongoDB\n"
		"      --metrics-table  tell what is measured, as Markdown\n"
		"      --make-admin EMAIL  give this account the role of administrators\n"
		"      --version      tell which one this is\n");
}

int command_line_parse(int argc, char **argv, struct command_line *line)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' }, { "version", no_argument, NULL, 'v' },
		{ "metrics-table", no_argument, NULL, 'm' },
		{ "export", required_argument, NULL, 'e' },
		{ "import", required_argument, NULL, 'i' },
		{ "adopt-check", no_argument, NULL, 'a' },
		{ "create-indexes", no_argument, NULL, 'x' },
		{ "make-admin", required_argument, NULL, 'A' }, { "help", no_argument, NULL, 'h' },
		{} };
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			line->config = optarg;
			break;
		case 'k':
			line->is_check = true;
			break;
		case 'e':
		case 'i':
			line->run = option == 'e' ? transfer_export : transfer_import;
			line->argument = optarg;
			break;
		case 'a':
			line->run = adopt_check;
			break;
		case 'x':
			line->run = indexes_create;
			break;
		case 'A':
			line->run = make_admin;
			line->argument = optarg;
			break;
		case 'm':
			metrics_tell();
			return 1;
		case 'v':
			(void)printf("authd %s\n", AUTHD_VERSION);
			return 1;
		case 'h':
			command_line_usage(stdout);
			return 1;
		default:
			return -EINVAL;
		}
	}
	return optind < argc ? -EINVAL : 0;
}
