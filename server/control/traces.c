/*
 * trace ...: the last requests that were traced, and where the time of one went. What is sampled is
 * an option: overrides.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/handlers.h"
#include "control/traces.h"
#include "observe/trace_recent.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define BAR_CHARS 30 /* beside the other columns of a terminal of 80 */
#define DETAIL_BYTES_MAX 1024
#define NAME_BYTES 128
#define ID_HEX_MIN 4 /* as many digits of an id as somebody may type */

bool traces_are_on(struct control_request *request)
{
	if (!trace_is_on())
		request_fail(request, OUTCOME_UNAVAILABLE,
			"authctl config get trace.endpoint: with one, requests are traced",
			"traces are off");
	return trace_is_on();
}

static const char *name_print(const struct span *span, char text[static NAME_BYTES])
{
	(void)snprintf(text, NAME_BYTES, "%s%s%s", span->name, span->name_rest ? " " : "",
		span->name_rest ? span->name_rest : "");
	return text;
}

static bool is_root(const struct trace_item *item)
{
	return item->span.kind == SPAN_SERVER;
}

static bool is_same(const struct trace_item *a, const struct trace_item *b)
{
	return memcmp(a->ids.trace, b->ids.trace, sizeof(a->ids.trace)) == 0 &&
	       memcmp(a->ids.span, b->ids.span, sizeof(a->ids.span)) == 0;
}

/* --- trace list --- */

#define TRACES_MAX (TRACE_RECENT_RINGS * TRACE_RECENT_SPANS)
#define TRACES_USUAL 20

struct traces {
	unsigned count;
	struct listed {
		struct trace_item root;
		unsigned spans;
	} rows[TRACES_MAX];
};

/* The spans of a trace follow its root. One whose root was forgotten is left out. */
static void root_take(const struct trace_item *item, void *arg)
{
	struct traces *traces = arg;

	if (is_root(item))
		traces->rows[traces->count++].root = *item;
	if (traces->count && is_same(&traces->rows[traces->count - 1].root, item))
		traces->rows[traces->count - 1].spans++;
}

static int by_start(const void *a, const void *b)
{
	const struct listed *left = a, *right = b;

	return (left->root.start_ns > right->root.start_ns) -
	       (left->root.start_ns < right->root.start_ns);
}

static bool is_wanted(const struct control_request *request, const struct trace_item *root)
{
	uint64_t took_ns = (uint64_t)(root->end_ns - root->start_ns);

	return (root->span.error || !request_has(request, "failed")) &&
	       took_ns >= request_number(request, "slower", 0) * NS_PER_MS;
}

/* The latest of those that are wanted, in their order. */
static void traces_choose(const struct control_request *request, struct traces *traces)
{
	unsigned max = (unsigned)MIN(request_number(request, "limit", TRACES_USUAL), TRACES_MAX);
	unsigned kept = 0;

	for (unsigned i = 0; i < traces->count; i++)
		if (is_wanted(request, &traces->rows[i].root))
			traces->rows[kept++] = traces->rows[i];
	qsort(traces->rows, kept, sizeof(traces->rows[0]), by_start);
	traces->count = MIN(kept, max);
	memmove(traces->rows, traces->rows + kept - traces->count,
		traces->count * sizeof(traces->rows[0]));
}

static void trace_row(struct control_request *request, const struct listed *listed)
{
	const struct trace_item *root = &listed->root;
	struct json_writer *w = request_row_begin(request);
	char id[SPAN_TRACE_HEX], time[CLOCK_RFC3339_BYTES], name[NAME_BYTES];

	json_put_str(w, "trace", span_hex(root->ids.trace, sizeof(root->ids.trace), id));
	json_put_str(w, "time", clock_rfc3339(root->start_ns / (int64_t)NS_PER_MS, time));
	json_put_str(w, "route", str_cstr(name_print(&root->span, name)));
	json_put_double(w, "took", (double)(root->end_ns - root->start_ns) / NS_PER_S);
	json_put_str(w, "error", str_cstr(root->span.error ? root->span.error : ""));
	json_put_u64(w, "spans", listed->spans);
	json_put_bool(w, "sampled", root->ids.is_sampled);
	request_row_end(request);
}

void handle_trace_list(struct control_request *request)
{
	struct traces *traces;

	if (!traces_are_on(request))
		return;
	traces = calloc(1, sizeof(*traces));
	if (!traces) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return;
	}
	trace_recent_each(root_take, traces);
	traces_choose(request, traces);
	for (unsigned i = 0; i < traces->count; i++)
		trace_row(request, &traces->rows[i]);
	free(traces);
}

/* --- trace show --- */

struct shown {
	struct str prefix; /* of the id */
	bool is_ambiguous;
	unsigned count;
	struct trace_item items[SPANS_MAX];
};

static void span_take(const struct trace_item *item, void *arg)
{
	struct shown *shown = arg;
	char hex[SPAN_TRACE_HEX];
	struct str id = span_hex(item->ids.trace, sizeof(item->ids.trace), hex);

	if (!str_starts(id, shown->prefix))
		return;
	if (shown->count && !is_same(&shown->items[0], item)) {
		/* A caller's trace may have several requests here: the latest is shown. */
		shown->is_ambiguous |= memcmp(shown->items[0].ids.trace, item->ids.trace,
					       sizeof(item->ids.trace)) != 0;
		shown->count = 0;
	}
	if (shown->count < SPANS_MAX && (shown->count || is_root(item)))
		shown->items[shown->count++] = *item;
}

/* "      ####        ": when, within the whole. */
static void bar_print(const struct trace_item *root, const struct trace_item *item,
	char bar[static BAR_CHARS + 1])
{
	double whole = (double)MAX(root->end_ns - root->start_ns, 1);
	double from = (double)(item->start_ns - root->start_ns) / whole;
	double to = (double)(item->end_ns - root->start_ns) / whole;

	for (int i = 0; i < BAR_CHARS; i++) {
		double begin = (double)i / BAR_CHARS, end = (double)(i + 1) / BAR_CHARS;
		/* However short, it has its place. */
		bool is_in = begin < to && end > from;
		bool is_point = from >= begin && from < end;

		bar[i] = is_in || is_point ? '#' : ' ';
	}
	bar[BAR_CHARS] = '\0';
}

static void detail_print(const struct span_details *details, struct buf *text)
{
	for (unsigned i = 0; i < details->attribute_count; i++) {
		const struct span_attribute *attribute = &details->attributes[i];

		if (attribute->text)
			(void)!buf_printf(text, "%s%s=%s", text->len ? " " : "", attribute->key,
				attribute->text);
		else
			(void)!buf_printf(text, "%s%s=%lld", text->len ? " " : "", attribute->key,
				(long long)attribute->number);
	}
	if (details->label_key)
		(void)!buf_printf(
			text, "%s%s=%s", text->len ? " " : "", details->label_key, details->label);
}

static const struct trace_item *outer_of(const struct shown *shown, unsigned index)
{
	for (unsigned i = 0; i < index; i++)
		if (memcmp(shown->items[i].span.id, shown->items[index].span.parent,
			    sizeof(shown->items[i].span.id)) == 0)
			return &shown->items[i];
	return NULL;
}

static void span_row(struct control_request *request, const struct shown *shown, unsigned index)
{
	_cleanup_(buf_deinit) struct buf detail = buf_init(DETAIL_BYTES_MAX);
	const struct trace_item *root = &shown->items[0], *item = &shown->items[index];
	const struct trace_item *outer = index ? outer_of(shown, index) : NULL;
	struct json_writer *w = request_row_begin(request);
	char name[NAME_BYTES], bar[BAR_CHARS + 1];

	json_put_str(w, "span", str_cstr(name_print(&item->span, name)));
	bar_print(root, item, bar);
	json_put_str(w, "bar", str_cstr(bar));
	json_put_double(w, "start", (double)(item->start_ns - root->start_ns) / NS_PER_S);
	json_put_double(w, "took", (double)(item->end_ns - item->start_ns) / NS_PER_S);
	json_put_str(w, "error", str_cstr(item->span.error ? item->span.error : ""));
	json_put_str(w, "inside", str_cstr(outer ? name_print(&outer->span, name) : ""));
	detail_print(&item->details, &detail);
	json_put_str(w, "detail", buf_str(&detail));
	request_row_end(request);
}

void handle_trace_show(struct control_request *request)
{
	struct shown shown = { .prefix = request_text(request, "id") };

	if (!traces_are_on(request))
		return;
	if (shown.prefix.len < ID_HEX_MIN) {
		request_fail_argument(
			request, "id", "at least %d digits of a trace's id", ID_HEX_MIN);
		return;
	}
	trace_recent_each(span_take, &shown);
	if (shown.is_ambiguous)
		request_fail(request, OUTCOME_CONFLICT, "authctl trace list",
			"several traces begin with " STR_FORMAT, STR_ARGS(shown.prefix));
	else if (!shown.count)
		request_fail(request, OUTCOME_NOT_FOUND, "authctl trace list",
			"no such trace is kept here (any more)");
	for (unsigned i = 0; !shown.is_ambiguous && i < shown.count; i++)
		span_row(request, &shown, i);
	if (shown.count && shown.items[0].dropped)
		request_notice(request, "%u more spans had no room", shown.items[0].dropped);
}
