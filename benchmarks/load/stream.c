/*
 * When requests start, and how their ends are counted. Latency is measured from the moment a
 * request *should* have started: an answer that comes late delays nobody's clock but its own, and
 * requests that had to wait for us or for the server are not forgotten (no coordinated omission).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "load/load.h"
#include "shared/clock.h"
#include "shared/macros.h"

/* A closed stream whose connection failed tries again after this, so as not to spin. */
#define RETRY_NS (10 * NS_PER_MS)

const char *const outcome_names[OUTCOMES] = { "ok", "client_error", "limited", "overloaded",
	"other", "timeout", "unconnected", "broken" };

/* --- the schedule --- */

/* Uniform in (0, 1]: xorshift64*. */
static double random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (double)((*state * 2685821657736338717u >> 11) + 1) / 9007199254740992.0;
}

static void next_advance(struct stream *stream)
{
	const struct stream_plan *plan = stream->plan;
	double step_ns = plan->kind == STREAM_SLOW ? (double)plan->interval_ns / plan->connections
						   : (double)NS_PER_S / plan->rate;

	if (plan->kind == STREAM_OPEN && plan->is_poisson)
		step_ns *= -log(random_next(&stream->random));
	/* Less than a nanosecond would never come to an end. */
	stream->next_ns += MAX((uint64_t)step_ns, 1);
	if (stream->next_ns >= stream->load->end_ns)
		stream->next_ns = CLOCK_NEVER;
}

int stream_init(struct load *load, unsigned index, uint64_t start_ns)
{
	struct stream *stream = &load->streams[index];

	*stream = (struct stream){ .plan = &load->plan->streams[index],
		.load = load,
		/* The odd constant spreads neighbours over all 64 bits, and never gives 0. */
		.random = (load->plan->seed * STREAMS_MAX + index + 1) * 0x9e3779b97f4a7c15u,
		.next_ns = start_ns };
	if (stream->plan->is_exclusive && stream->plan->line_count) {
		stream->lines_used = calloc(stream->plan->line_count, sizeof(bool));
		if (!stream->lines_used)
			return -ENOMEM;
	}
	if (stream->plan->renewal.len && stream->plan->line_count) {
		stream->renewed = calloc(stream->plan->line_count, sizeof(*stream->renewed));
		if (!stream->renewed)
			return -ENOMEM;
		for (size_t i = 0; i < stream->plan->line_count; i++)
			stream->renewed[i] = buf_init(RENEWAL_BYTES_MAX);
	}
	if (stream->plan->kind == STREAM_OPEN)
		next_advance(stream);
	return 0;
}

uint64_t stream_next_ns(const struct stream *stream)
{
	const struct conn *oldest = conn_of(stream->busy.first);

	return MIN(stream->next_ns,
		oldest ? oldest->scheduled_ns + stream->plan->timeout_ns : CLOCK_NEVER);
}

/* --- one request --- */

static bool *line_of(struct stream *stream, uint64_t number)
{
	return &stream->lines_used[number % stream->plan->line_count];
}

/* The line of a request: the plan's, or what an answer gave in its place. */
static struct str line_text(const struct stream *stream, uint64_t number)
{
	const struct buf *renewed =
		stream->renewed ? &stream->renewed[number % stream->plan->line_count] : NULL;

	return renewed && renewed->len ? buf_str(renewed) : request_line(stream->plan, number);
}

/*
 * After a request: its line may be in another one. Not where the answer should have brought a new
 * text and did not: the server may have taken the old one.
 */
static void line_free(struct stream *stream, const struct conn *conn, enum outcome outcome)
{
	struct buf *renewed;
	struct str text;

	if (!stream->lines_used)
		return;
	if (stream->renewed) {
		renewed = &stream->renewed[conn->number % stream->plan->line_count];
		text = renewal_text(conn->renewal);
		if (outcome != OUTCOME_OK || !text.data)
			return;
		buf_clear(renewed);
		if (buf_append(renewed, text) < 0)
			return;
	}
	*line_of(stream, conn->number) = false;
}

/* The next number whose line is free; false when every line is in a request under way. */
static bool number_take(struct stream *stream, uint64_t *ret_number)
{
	for (size_t i = 0; stream->lines_used && *line_of(stream, stream->number); i++) {
		if (i == stream->plan->line_count)
			return false;
		stream->number++;
	}
	*ret_number = stream->number++;
	return true;
}

static void count_end(
	struct stream *stream, enum outcome outcome, uint64_t scheduled_ns, bool is_measured)
{
	const struct load *load = stream->load;
	uint64_t taken_ns = load->now_ns - scheduled_ns;

	if (outcome == OUTCOME_OK && load->now_ns >= load->measured_ns &&
		load->now_ns < load->end_ns)
		stream->ok_in_window++;
	if (!is_measured)
		return;
	stream->outcomes[outcome]++;
	histogram_record(outcome == OUTCOME_OK        ? &stream->ok
			 : outcome >= OUTCOME_TIMEOUT ? &stream->lost
						      : &stream->refused,
		taken_ns);
}

void request_end(struct conn *conn, enum outcome outcome, bool is_usable)
{
	struct stream *stream = conn->stream;

	list_remove(&stream->busy, &conn->link);
	conn->is_busy = false;
	stream->outstanding--;
	stream->load->outstanding--;
	line_free(stream, conn, outcome);
	count_end(stream, outcome, conn->scheduled_ns, conn->is_measured);
	if (is_usable && stream->plan->is_reusing) {
		list_append(&stream->idle, &conn->link);
	} else {
		stream->connections--;
		conn_close(conn);
	}
	if (stream->plan->kind == STREAM_CLOSED)
		stream->next_ns = MIN(stream->next_ns,
			stream->load->now_ns + (outcome >= OUTCOME_UNCONNECTED ? RETRY_NS : 0));
}

void stream_conn_lost(struct conn *conn)
{
	struct stream *stream = conn->stream;

	list_remove(&stream->idle, &conn->link);
	stream->connections--;
	stream->closed_by_peer++;
	conn_close(conn);
}

static struct conn *conn_take(struct stream *stream)
{
	struct conn *conn = conn_of(stream->idle.last);

	if (conn) {
		list_remove(&stream->idle, &conn->link);
		return conn;
	}
	conn = conn_open(stream);
	if (conn)
		stream->connections++;
	return conn;
}

static void request_start(struct stream *stream, uint64_t scheduled_ns)
{
	struct load *load = stream->load;
	bool is_measured = scheduled_ns >= load->measured_ns;
	struct conn *conn;
	uint64_t number;

	if (!number_take(stream, &number)) {
		stream->unsent += is_measured;
		return;
	}
	conn = conn_take(stream);
	if (is_measured) {
		stream->sent++;
		histogram_record(&stream->late, load->now_ns - scheduled_ns);
	}
	if (!conn) {
		count_end(stream, OUTCOME_UNCONNECTED, scheduled_ns, is_measured);
		return;
	}
	conn->is_busy = true;
	conn->is_measured = is_measured;
	conn->scheduled_ns = scheduled_ns;
	conn->number = number;
	if (stream->lines_used)
		*line_of(stream, number) = true;
	conn->sent = 0;
	list_append(&stream->busy, &conn->link);
	stream->outstanding++;
	load->outstanding++;
	answer_init(&conn->answer, stream->plan->is_head);
	if (conn->renewal)
		renewal_init(conn->renewal);
	buf_clear(&conn->out);
	if (request_render(stream->plan, number, line_text(stream, number), &conn->out) < 0 ||
		conn_write(conn, SIZE_MAX) < 0)
		request_end(conn, OUTCOME_BROKEN, false);
}

/* --- a turn of each kind --- */

static void open_turn(struct stream *stream)
{
	while (stream->next_ns <= stream->load->now_ns) {
		if (stream->outstanding < stream->plan->outstanding_max)
			request_start(stream, stream->next_ns);
		else if (stream->next_ns >= stream->load->measured_ns)
			stream->unsent++;
		next_advance(stream);
	}
}

static void closed_turn(struct stream *stream)
{
	struct load *load = stream->load;
	unsigned tries = stream->plan->connections - stream->outstanding;

	if (load->now_ns >= load->end_ns) {
		stream->next_ns = CLOCK_NEVER;
		return;
	}
	if (stream->next_ns > load->now_ns)
		return;
	stream->next_ns = CLOCK_NEVER; /* until a request ends */
	while (tries--)
		request_start(stream, load->now_ns);
	if (stream->outstanding < stream->plan->connections)
		stream->next_ns = load->now_ns + RETRY_NS;
}

/* The next bytes of an endless row of requests. */
static int slow_write(struct conn *conn)
{
	struct stream *stream = conn->stream;

	if (conn->sent == conn->out.len) {
		buf_clear(&conn->out);
		conn->sent = 0;
		if (request_render(stream->plan, stream->number, line_text(stream, stream->number),
			    &conn->out) < 0)
			return -ENOMEM;
		stream->number++;
	}
	return conn_write(conn, stream->plan->bytes);
}

/* One connection at a time, so that their writes are spread over the interval. */
static void slow_turn(struct stream *stream)
{
	while (stream->next_ns <= stream->load->now_ns) {
		struct conn *conn = conn_of(stream->idle.first);

		next_advance(stream);
		if (stream->connections < stream->plan->connections) {
			conn = conn_open(stream);
			if (!conn)
				continue;
			stream->connections++;
			list_append(&stream->idle, &conn->link);
		}
		list_remove(&stream->idle, &conn->link);
		list_append(&stream->idle, &conn->link);
		if (stream->plan->bytes && slow_write(conn) < 0)
			stream_conn_lost(conn);
	}
}

static void expire(struct stream *stream)
{
	uint64_t now_ns = stream->load->now_ns;
	struct conn *conn;

	while ((conn = conn_of(stream->busy.first)) &&
		conn->scheduled_ns + stream->plan->timeout_ns <= now_ns)
		request_end(conn, OUTCOME_TIMEOUT, false);
}

void stream_turn(struct stream *stream)
{
	static void (*const turns[])(struct stream *) = {
		[STREAM_OPEN] = open_turn, [STREAM_CLOSED] = closed_turn, [STREAM_SLOW] = slow_turn
	};

	expire(stream);
	turns[stream->plan->kind](stream);
}

int stream_lines_write(const struct stream *stream)
{
	FILE *file;
	int r = 0;

	if (!stream->renewed)
		return 0;
	file = fopen(stream->plan->lines_path.data, "we");
	if (!file)
		return -errno;
	for (size_t i = 0; i < stream->plan->line_count && r >= 0; i++)
		if (!stream->lines_used[i])
			r = fprintf(file, STR_FORMAT "\n", STR_ARGS(line_text(stream, i)));
	return fclose(file) < 0 || r < 0 ? -EIO : 0;
}

void stream_deinit(struct stream *stream)
{
	struct list *lists[] = { &stream->busy, &stream->idle };
	struct conn *conn;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		while ((conn = conn_of(lists[i]->first))) {
			list_remove(lists[i], &conn->link);
			conn_close(conn);
		}
	free(stream->lines_used);
	stream->lines_used = NULL;
	for (size_t i = 0; stream->renewed && i < stream->plan->line_count; i++)
		buf_deinit(&stream->renewed[i]);
	free(stream->renewed);
	stream->renewed = NULL;
}
