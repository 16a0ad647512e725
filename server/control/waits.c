/*
 * wait COND: looks several times a second, on the control thread, until something is so. It
 * replaces sleeping in scripts; the client's --timeout ends it.
 */
#include <errno.h>
#include <stdlib.h>

#include "control/control.h"
#include "control/databases.h"
#include "control/handlers.h"
#include "control/reload.h"
#include "core/core.h"
#include "core/job.h"
#include "core/pool.h"
#include "guard/breaker.h"
#include "http/server.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

#define LOOK_MS 50
#define ASK_MS 500 /* for what costs the store a connection */
#define FORMS_BYTES_MAX 512
#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

#define WORDS_MAX 2

/* The words in the place of capitals. */
struct condition_words {
	unsigned count;
	struct str at[WORDS_MAX];
};

struct condition {
	const char *form; /* capitals stand for a word */
	/* 1 it is so, 0 not yet; -ENOENT: the first word names nothing; -EINVAL: the second is
	 * wrong; or an error of the store. */
	int (*is_met)(const struct control_request *request, const struct condition_words *words);
	/* Asks what may block; NULL: there is nothing to ask. */
	void (*ask)(struct control_request *request, const struct condition_words *words);
};

static int is_ready(
	const struct control_request *request, _unused_ const struct condition_words *words)
{
	struct store_health store;

	store_health(&store);
	return store.is_up && !request->context->is_draining();
}

static int is_drained(_unused_ const struct control_request *request,
	_unused_ const struct condition_words *words)
{
	for (unsigned i = 0; i < cores_count(); i++)
		if (!READ(core_at(i)->is_ended))
			return 0;
	return 1;
}

static int is_confirmed(_unused_ const struct control_request *request,
	_unused_ const struct condition_words *words)
{
	return !reload_unconfirmed_ms(clock_now_ns());
}

static int is_generation(
	_unused_ const struct control_request *request, const struct condition_words *words)
{
	uint64_t number;

	if (str_to_u64(words->at[0], &number) < 0)
		return -ENOENT;
	return reload_generation() >= number;
}

struct idle {
	struct str name;
	bool is_known, is_busy;
};

static void pool_look(const struct pool *pool, void *arg)
{
	struct idle *idle = arg;

	if (!str_equal(idle->name, str_cstr(pool->options.name)))
		return;
	idle->is_known = true;
	idle->is_busy |= READ(pool->in_use) > 0;
}

static void queue_look(const struct job_queue *queue, void *arg)
{
	struct idle *idle = arg;

	if (!str_equal(idle->name, str_cstr(queue->name)))
		return;
	idle->is_known = true;
	idle->is_busy |= READ(queue->running) || READ(queue->queued);
}

static int is_pool_idle(
	_unused_ const struct control_request *request, const struct condition_words *words)
{
	struct idle idle = { .name = words->at[0] };

	pool_each(pool_look, &idle);
	job_queue_each(queue_look, &idle);
	return idle.is_known ? !idle.is_busy : -ENOENT;
}

struct breaker_wish {
	struct str name;
	bool is_known;
	struct breaker_view view;
};

static void breaker_look(struct breaker *breaker, void *arg)
{
	struct breaker_wish *wish = arg;
	struct breaker_view view;

	breaker_view(breaker, &view);
	if (!str_equal(wish->name, str_cstr(view.name)))
		return;
	wish->is_known = true;
	wish->view = view;
}

static int is_breaker(
	_unused_ const struct control_request *request, const struct condition_words *words)
{
	struct breaker_wish wish = { .name = words->at[0] };
	bool is_state = false;

	for (enum breaker_state state = BREAKER_CLOSED; state <= BREAKER_HALF_OPEN; state++)
		is_state |= str_equal(words->at[1], str_cstr(breaker_state_name(state)));
	if (!is_state)
		return -EINVAL;
	breaker_each(breaker_look, &wish);
	return wish.is_known
		       ? str_equal(words->at[1], str_cstr(breaker_state_name(wish.view.state)))
		       : -ENOENT;
}

static void index_ask(struct control_request *request, const struct condition_words *words)
{
	index_look_ask(request, words->at[0]);
}

static int is_index_built(
	const struct control_request *request, _unused_ const struct condition_words *words)
{
	return index_look_result(request);
}

static const struct condition conditions[] = {
	{ "ready", is_ready, NULL },
	{ "drained", is_drained, NULL },
	{ "confirmed", is_confirmed, NULL },
	{ "generation N", is_generation, NULL },
	{ "pool NAME idle", is_pool_idle, NULL },
	{ "breaker NAME STATE", is_breaker, NULL },
	{ "index NAME built", is_index_built, index_ask },
};

/* --- waiting --- */

static bool form_matches(const char *form, struct str text, struct condition_words *ret_words)
{
	struct str rest = str_cstr(form), want, have;

	*ret_words = (struct condition_words){};
	while (str_split(&rest, ' ', &want)) {
		if (!str_split(&text, ' ', &have))
			return false;
		if (want.data[0] >= 'A' && want.data[0] <= 'Z')
			ret_words->at[ret_words->count++] = have;
		else if (!str_equal(want, have))
			return false;
	}
	return !text.len;
}

static const struct condition *condition_find(struct str text, struct condition_words *ret_words)
{
	for (unsigned i = 0; i < ARRAY_SIZE(conditions); i++)
		if (form_matches(conditions[i].form, text, ret_words))
			return &conditions[i];
	return NULL;
}

struct waiting {
	bool is_looked_at; /* the answer to what was asked: ask again */
};

static void forms_print(struct buf *text)
{
	for (unsigned i = 0; i < ARRAY_SIZE(conditions); i++)
		(void)!buf_printf(text, "%s%s", i ? ", " : "", conditions[i].form);
}

void wait_begin(struct control_request *request)
{
	_cleanup_(buf_deinit) struct buf forms = buf_init(FORMS_BYTES_MAX);
	const struct condition *condition;
	struct condition_words words;

	condition = condition_find(request_text(request, "condition"), &words);
	if (!condition) {
		forms_print(&forms);
		request_fail_argument(request, "condition", "wait for what? " STR_FORMAT,
			STR_ARGS(buf_str(&forms)));
		return;
	}
	request->state = calloc(1, sizeof(struct waiting));
	if (!request->state)
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
	else if (condition->ask)
		condition->ask(request, &words);
}

static void wait_failed(
	struct control_request *request, const struct condition_words *words, int error)
{
	if (error == -ENOENT)
		request_fail(request, OUTCOME_NOT_FOUND, NULL, "nothing is named '" STR_FORMAT "'",
			STR_ARGS(words->at[0]));
	else if (error == -EINVAL)
		request_fail_argument(request, "condition",
			"'" STR_FORMAT "' is no state: closed, open, half-open",
			STR_ARGS(words->at[1]));
	else
		database_failed(request, error);
}

/* True: it was asked once more, and the answer is not there yet. */
static bool is_asked_again(struct control_request *request, const struct condition *condition,
	const struct condition_words *words)
{
	struct waiting *waiting = request->state;

	if (!condition->ask || !waiting->is_looked_at)
		return false;
	waiting->is_looked_at = false;
	condition->ask(request, words);
	request->step_ns = 0;
	return true;
}

bool wait_step(struct control_request *request, uint64_t now_ns)
{
	struct str text = request_text(request, "condition");
	struct waiting *waiting = request->state;
	bool is_late = now_ns >= request->deadline_ns;
	struct condition_words words;
	const struct condition *condition = condition_find(text, &words);
	struct json_writer *w;
	int r;

	if (!is_late && is_asked_again(request, condition, &words))
		return request->failure.outcome != OUTCOME_OK;
	waiting->is_looked_at = true;
	r = condition->is_met(request, &words);
	if (r < 0)
		wait_failed(request, &words, r);
	else if (r == 0 && is_late)
		request_fail(request, OUTCOME_TIMEOUT, NULL, "'" STR_FORMAT "' is not so yet",
			STR_ARGS(text));
	if (request->failure.outcome != OUTCOME_OK)
		return true;
	if (r == 0) {
		request->step_ns = MIN(clock_after_ms(now_ns, condition->ask ? ASK_MS : LOOK_MS),
			request->deadline_ns);
		return false;
	}
	(void)request_head(request);
	w = request_row_begin(request);
	json_put_str(w, "condition", text);
	json_put_double(w, "waited", (double)(now_ns - request->started_ns) / NS_PER_S);
	request_row_end(request);
	return true;
}
