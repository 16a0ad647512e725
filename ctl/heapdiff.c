/* See heapdiff.h. The format: jemalloc's prof_data.c; how samples are scaled: its jeprof. */
#include "ctl/heapdiff.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/symbols.h"
#include "shared/outcome.h"

#define DUMP_BYTES_MAX ((size_t)64 * 1024 * 1024) /* a dump of authd has some hundred KiB */
#define SITES_MAX 100000
#define FRAMES_SHOWN 5 /* of those behind the allocator */
#define STACK_BYTES 1024
#define ROWS_DEFAULT 20

struct site {
	struct str stack; /* "0x5f86da8 0x5f5a1dc ...", the allocator first */
	double objects, bytes;
};

struct dump {
	struct buf text;
	double period; /* bytes between two samples, in the mean */
	struct site *sites;
	unsigned count;
	struct str maps;
};

static void dump_deinit(struct dump *dump)
{
	buf_deinit(&dump->text);
	free(dump->sites);
}

static int complain(const char *path, const char *why)
{
	(void)fprintf(stderr, "authctl: mem diff: %s: %s\n", path, why);
	return EXIT_USAGE;
}

/* --- reading --- */

static int text_read(struct dump *dump, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t n = 1;
	int r = 0;

	if (!file)
		return complain(path, strerror(errno));
	dump->text = buf_init(DUMP_BYTES_MAX);
	while (n && r == 0) {
		r = buf_reserve(&dump->text, 65536);
		n = r == 0 ? fread(dump->text.data + dump->text.len, 1, 65536, file) : 0;
		dump->text.len += n;
	}
	(void)fclose(file);
	return r < 0 ? complain(path, "it is too long for a dump") : EXIT_DONE;
}

/* "  t*: 13: 6688 [0: 0]": what all threads together hold. */
static bool counts_read(struct str line, double period, struct site *site)
{
	char text[128];
	double objects, bytes, scale;

	(void)snprintf(text, sizeof(text), STR_FORMAT, STR_ARGS(line));
	if (sscanf(text, " t*: %lf: %lf", &objects, &bytes) != 2 || objects <= 0 || bytes <= 0)
		return false;
	/* An allocation is seen with a likelihood that grows with its size (a Poisson process). */
	scale = 1 / (1 - exp(-(bytes / objects) / period));
	site->objects = objects * scale;
	site->bytes = bytes * scale;
	return true;
}

static int by_stack(const void *a, const void *b)
{
	const struct site *left = a, *right = b;
	size_t len = MIN(left->stack.len, right->stack.len);
	int order = memcmp(left->stack.data, right->stack.data, len);

	return order ? order
		     : (left->stack.len > right->stack.len) - (left->stack.len < right->stack.len);
}

static void sites_read(struct dump *dump, struct str rest)
{
	struct str line, stack = {};

	while (rest.len && str_split(&rest, '\n', &line)) {
		struct site site = {};

		if (str_starts(line, STR("MAPPED_LIBRARIES:"))) {
			dump->maps = rest;
			break;
		}
		if (str_starts(line, STR("@ ")))
			stack = str_skip(line, 2);
		else if (stack.len && dump->count < SITES_MAX &&
			 counts_read(line, dump->period, &site)) {
			site.stack = stack;
			dump->sites[dump->count++] = site;
			stack = (struct str){};
		}
	}
	qsort(dump->sites, dump->count, sizeof(*dump->sites), by_stack);
}

static int dump_read(struct dump *dump, const char *path)
{
	int r = text_read(dump, path);
	struct str rest, line;
	char head[64];

	if (r != EXIT_DONE)
		return r;
	rest = buf_str(&dump->text);
	(void)str_split(&rest, '\n', &line);
	(void)snprintf(head, sizeof(head), STR_FORMAT, STR_ARGS(line));
	if (sscanf(head, "heap_v2/%lf", &dump->period) != 1 || dump->period <= 0)
		return complain(path, "this is no dump of authctl mem profile dump");
	dump->sites = calloc(SITES_MAX, sizeof(*dump->sites));
	if (!dump->sites)
		return complain(path, strerror(ENOMEM));
	sites_read(dump, rest);
	return EXIT_DONE;
}

/* --- comparing --- */

struct growth {
	struct str stack;
	double before, after, objects;
};

struct growths {
	unsigned count;
	struct growth *rows; /* room for all sites of both */
};

static void growth_add(struct growths *growths, const struct site *before, const struct site *after)
{
	growths->rows[growths->count++] = (struct growth){ .stack = (after ? after : before)->stack,
		.before = before ? before->bytes : 0,
		.after = after ? after->bytes : 0,
		.objects = (after ? after->objects : 0) - (before ? before->objects : 0) };
}

static int by_size(const void *a, const void *b)
{
	const struct growth *left = a, *right = b;
	double l = fabs(left->after - left->before), r = fabs(right->after - right->before);

	return (l < r) - (l > r);
}

/* Both are sorted by their stacks. */
static void dumps_merge(
	const struct dump *before, const struct dump *after, struct growths *growths)
{
	unsigned i = 0, j = 0;

	while (i < before->count || j < after->count) {
		const struct site *left = i < before->count ? &before->sites[i] : NULL;
		const struct site *right = j < after->count ? &after->sites[j] : NULL;
		int order = !left ? 1 : !right ? -1 : by_stack(left, right);

		growth_add(growths, order <= 0 ? left : NULL, order >= 0 ? right : NULL);
		i += order <= 0;
		j += order >= 0;
	}
	qsort(growths->rows, growths->count, sizeof(*growths->rows), by_size);
}

/* --- telling --- */

/* The allocator's own frames say nothing: everything goes through them. */
static bool is_allocator(const struct symbols *symbols, uint64_t address)
{
	return str_starts(symbols_file(symbols, address), STR("libjemalloc"));
}

/* "hash_make < account_add_await < ...": who asked for it, the nearest first. */
static void stack_print(struct symbols *symbols, struct str stack, char text[static STACK_BYTES])
{
	unsigned shown = 0;
	struct str word;
	size_t used = 0;

	*text = '\0';
	while (stack.len && shown < FRAMES_SHOWN && str_split(&stack, ' ', &word)) {
		char number[32], name[SYMBOL_BYTES];
		uint64_t address;

		(void)snprintf(number, sizeof(number), STR_FORMAT, STR_ARGS(word));
		address = strtoull(number, NULL, 16);
		if (!address || is_allocator(symbols, address))
			continue;
		/* A return address: the call is before it. */
		used += (size_t)snprintf(text + used, STACK_BYTES - used, "%s%s",
			shown ? " < " : "", symbols_name(symbols, address - 1, name));
		used = MIN(used, (size_t)STACK_BYTES - 1);
		shown++;
	}
}

static void row_print(struct output *output, struct symbols *symbols, const struct growth *growth)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(8 * STACK_BYTES);
	struct json_writer w = json_writer_init(&text);
	const struct json *row;
	struct arena arena;
	char stack[STACK_BYTES];

	stack_print(symbols, growth->stack, stack);
	json_begin_object(&w, NULL);
	json_put_i64(&w, "growth", llround(growth->after - growth->before));
	json_put_i64(&w, "objects", llround(growth->objects));
	json_put_i64(&w, "before", llround(growth->before));
	json_put_i64(&w, "after", llround(growth->after));
	json_put_str(&w, "stack", str_cstr(stack));
	json_end_object(&w);
	arena_init(&arena, 4096, 16 * STACK_BYTES);
	if (json_writer_finish(&w) == 0 &&
		json_parse(&arena, buf_str(&text), &json_limits_frame, &row) == 0)
		output_row(row, output);
	arena_deinit(&arena);
}

static struct str first_line(struct str text)
{
	struct str line = {};

	(void)str_split(&text, '\n', &line);
	return line;
}

static int dumps_compare(const struct settings *settings, const struct invocation *invocation,
	const struct dump *before, const struct dump *after)
{
	struct output output = { .settings = settings, .command = invocation->command };
	struct symbols *symbols = symbols_new(after->maps);
	struct growths growths = { .rows = calloc((size_t)before->count + after->count + 1,
					   sizeof(*growths.rows)) };
	double total = 0;

	if (symbols && growths.rows) {
		dumps_merge(before, after, &growths);
		output_begin(&output);
		for (unsigned i = 0; i < growths.count; i++) {
			total += growths.rows[i].after - growths.rows[i].before;
			if (i < ROWS_DEFAULT)
				row_print(&output, symbols, &growths.rows[i]);
		}
		output_end(&output);
		if (!settings->is_quiet)
			(void)fprintf(stderr, "%+.1f MiB in all, of %u places%s\n", total / 1048576,
				growths.count,
				growths.count > ROWS_DEFAULT ? "; the largest are shown" : "");
	}
	free(growths.rows);
	symbols_free(symbols);
	return EXIT_DONE;
}

int heapdiff_run(const struct settings *settings, const struct invocation *invocation)
{
	_cleanup_(dump_deinit) struct dump before = {}, after = {};
	const char *from = invocation->locals[0], *to = invocation->locals[1];
	int r = dump_read(&before, from);

	if (r == EXIT_DONE)
		r = dump_read(&after, to);
	if (r != EXIT_DONE)
		return r;
	/* Another start has other addresses. */
	if (!str_equal(first_line(before.maps), first_line(after.maps)))
		return complain(to, "it is of another process than the first: nothing to compare");
	return dumps_compare(settings, invocation, &before, &after);
}
