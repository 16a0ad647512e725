/* config ...: looking at the configuration and changing it, over reload.c. Temporary values are in
 * overrides.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/configs.h"
#include "control/control.h"
#include "control/handlers.h"
#include "control/metering.h"
#include "control/reload.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define NAME_BYTES 96 /* section.key */

static struct str name_of(const struct option *option, char text[static NAME_BYTES])
{
	int n = snprintf(text, NAME_BYTES, "%s.%s", option->section, option->key);

	return str_of(text, (size_t)n);
}

void option_put_value(struct json_writer *w, const char *key, const struct option *option,
	const struct config *config)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(VALUE_BYTES_MAX);

	/* The largest list fits; what did not would show as cut. */
	(void)!option_print(option, config, &text);
	json_put_str(w, key, buf_str(&text));
}

/* "default", "authd.conf:7", or how long a temporary value is still in force. */
static void put_origin(struct json_writer *w, const struct option *option,
	const struct config_origins *origins, const struct override *override)
{
	const struct config_origin *origin = &origins->of[option - options];
	char text[CONFIG_FILE_BYTES + 64];

	if (override)
		(void)snprintf(text, sizeof(text), "set by uid %lld, for %llus more",
			(long long) override->uid,
			(unsigned long long)((override->until_ns - clock_now_ns()) / NS_PER_S));
	else if (origin->line)
		(void)snprintf(text, sizeof(text), "%s:%u", origin->file, origin->line);
	else
		(void)snprintf(text, sizeof(text), "default");
	json_put_str(w, "origin", str_cstr(text));
}

/* --- looking --- */

void option_row(struct control_request *request, const struct option *option)
{
	_cleanup_(buf_deinit) struct buf allowed = buf_init(VALUE_BYTES_MAX);
	const struct generation *current = generation_current();
	const struct override *override = override_find(option);
	struct json_writer *w = request_row_begin(request);
	char name[NAME_BYTES];

	(void)!option_print_allowed(option, &allowed);
	json_put_str(w, "option", name_of(option, name));
	option_put_value(w, "value", option, reload_running());
	put_origin(w, option, &current->origins, override);
	if (!override && !option_is_equal(option, reload_running(), &current->config))
		option_put_value(w, "pending", option, &current->config);
	else
		json_put_null(w, "pending");
	json_put_str(w, "default", str_cstr(option->fallback));
	json_put_str(w, "allowed", buf_str(&allowed));
	json_put_bool(w, "restart", option->needs_restart);
	json_put_str(w, "help", str_cstr(option->help));
	request_row_end(request);
}

static bool is_named(const struct option *option, struct str wanted)
{
	char name[NAME_BYTES];

	return !wanted.len || str_equal(wanted, str_cstr(option->section)) ||
	       str_equal(wanted, name_of(option, name));
}

void option_unknown(struct control_request *request, struct str name)
{
	ptrdiff_t dot = str_index(name, '.');
	struct str section = dot < 0 ? STR("") : str_of(name.data, (size_t)dot);
	const struct option *near =
		option_nearest(section, dot < 0 ? name : str_skip(name, (size_t)dot + 1));
	char hint[2 * NAME_BYTES] = "authctl config show";

	if (near)
		(void)snprintf(hint, sizeof(hint), "did you mean %s.%s?", near->section, near->key);
	request_fail(
		request, OUTCOME_NOT_FOUND, hint, "no option '" STR_FORMAT "'", STR_ARGS(name));
}

void handle_config_show(struct control_request *request)
{
	struct str wanted = request_text(request, "name");
	uint64_t number = request_number(request, "diff", 0);
	const struct generation *other = generation_find(number);
	struct config defaults;

	config_defaults(&defaults);
	if (request_has(request, "diff") && !other) {
		request_fail(request, OUTCOME_NOT_FOUND, "authctl config history",
			"generation %llu is not kept", (unsigned long long)number);
		return;
	}
	for (size_t i = 0; i < options_count; i++) {
		if (!is_named(&options[i], wanted))
			continue;
		if (request_has(request, "changed") &&
			option_is_equal(&options[i], reload_running(), &defaults))
			continue;
		if (other && option_is_equal(&options[i], reload_running(), &other->config))
			continue;
		option_row(request, &options[i]);
	}
	if (wanted.len && !request->rows && !other && !request_has(request, "changed"))
		option_unknown(request, wanted);
}

void handle_config_get(struct control_request *request)
{
	struct str key = request_text(request, "key");
	const struct option *option = option_find_name(key);

	if (option)
		option_row(request, option);
	else
		option_unknown(request, key);
}

/* Cheap: a shell's prompt asks for it. */
void handle_config_state(struct control_request *request)
{
	uint64_t left_ms = reload_unconfirmed_ms(clock_now_ns());
	struct json_writer *w = request_row_begin(request);
	const struct override *override;
	unsigned overrides = 0;

	for (unsigned i = 0; (override = override_at(i)); i++)
		overrides += override->option != NULL;
	json_put_u64(w, "generation", reload_generation());
	if (left_ms)
		json_put_u64(w, "left", (left_ms + 999) / 1000);
	else
		json_put_null(w, "left");
	json_put_u64(w, "overrides", overrides);
	request_row_end(request);
}

/* From the generation that was in force before it. */
static unsigned changes_count(const struct generation *generation, unsigned index)
{
	const struct generation *before = generation_at(index + 1);
	unsigned count = 0;

	for (size_t i = 0; before && i < options_count; i++)
		count += !option_is_equal(&options[i], &before->config, &generation->config);
	return count;
}

void handle_config_history(struct control_request *request)
{
	bool is_waiting = reload_unconfirmed_ms(clock_now_ns()) > 0;
	const struct generation *generation;

	for (unsigned i = 0; (generation = generation_at(i)); i++) {
		bool is_current = generation == generation_current();
		struct json_writer *w = request_row_begin(request);
		char time[CLOCK_RFC3339_BYTES];

		json_put_u64(w, "generation", generation->number);
		json_put_str(w, "time", clock_rfc3339(generation->made_ms, time));
		if (generation->uid == GENERATION_NOBODY)
			json_put_null(w, "uid");
		else
			json_put_i64(w, "uid", generation->uid);
		json_put_str(w, "cause", str_cstr(generation->cause));
		json_put_str(w, "state",
			is_current && is_waiting ? STR("unconfirmed")
			: is_current             ? STR("current")
			: generation->is_undone  ? STR("undone")
						 : STR(""));
		json_put_i64(w, "changes", changes_count(generation, i));
		request_row_end(request);
	}
}

/* --- changing --- */

struct change_state {
	struct config before; /* in force, temporary values included */
	struct config file;   /* the generation's */
	struct config after;
	struct config_origins origins;
};

/* A temporary value differs from the file, but that is no change of the file's. */
static bool is_changed(const struct change_state *state, const struct option *option)
{
	if (option_is_equal(option, &state->before, &state->after))
		return false;
	return !override_find(option) || !option_is_equal(option, &state->file, &state->after);
}

/* What a configuration would change, or has changed: against what was in force. */
static void change_rows(struct control_request *request, const struct change_state *state)
{
	for (size_t i = 0; i < options_count; i++) {
		const struct option *option = &options[i];
		struct json_writer *w;
		char name[NAME_BYTES];

		if (!is_changed(state, option))
			continue;
		w = request_row_begin(request);
		json_put_str(w, "option", name_of(option, name));
		option_put_value(w, "before", option, &state->before);
		option_put_value(w, "after", option, &state->after);
		put_origin(w, option, &state->origins, NULL);
		json_put_str(w, "effect",
			option->needs_restart   ? STR("needs restart")
			: override_find(option) ? STR("when its temporary value ends")
						: STR("now"));
		request_row_end(request);
	}
}

static struct change_state *change_new(struct control_request *request)
{
	struct change_state *state = calloc(1, sizeof(*state));

	if (state) {
		state->before = *reload_running();
		state->file = generation_current()->config;
	} else {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
	}
	request->state = state;
	return state;
}

/* The whole text of the errors, which may be long, is the message. */
static void bad_config(struct control_request *request, struct buf *errors, int error)
{
	struct str text = str_trim(buf_str(errors));

	if (!text.len)
		text = str_cstr(strerror(-error));
	request_fail(request, OUTCOME_BAD_CONFIG, NULL, "the configuration is wrong");
	text = arena_str(&request->arena, text);
	if (text.data)
		request->failure.message = text;
}

void config_check_begin(struct control_request *request)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(CONFIG_ERRORS_BYTES_MAX);
	struct change_state *state = change_new(request);
	struct str name = request_text(request, "name");
	int r;

	if (!state)
		return;
	if (request_has(request, "file"))
		r = reload_parse(name.len ? name.data : "file", request_text(request, "file"),
			&state->after, &errors);
	else
		r = reload_read(&state->after, &state->origins, &errors);
	if (r < 0)
		bad_config(request, &errors, r);
}

void handle_config_check(struct control_request *request)
{
	struct change_state *state = request->state;

	change_rows(request, state);
	request_notice(request, "ok, %llu changes against what is in force",
		(unsigned long long)request->rows);
}

/* Refuses what reload_apply() would. */
static bool is_free(struct control_request *request)
{
	uint64_t left_ms = reload_unconfirmed_ms(clock_now_ns());

	if (request_number(request, "confirm-within", 0) > CONFIRM_MS_MAX)
		request_fail_argument(request, "confirm-within", "at most 1h");
	else if (left_ms)
		request_fail(request, OUTCOME_CONFLICT, "authctl config confirm, or config undo",
			"generation %llu by uid %lld waits for confirmation, for %llu s more",
			(unsigned long long)reload_generation(),
			(long long)generation_current()->uid, (unsigned long long)(left_ms / 1000));
	return request->failure.outcome == OUTCOME_OK;
}

static void take_over(struct control_request *request, const char *cause)
{
	struct change_state *state = request->state;
	int r = 0;

	if (!request->is_dry_run)
		r = reload_apply(&(struct reload_wish){ .config = &state->after,
			.origins = &state->origins,
			.cause = cause,
			.uid = request->peer->uid,
			.confirm_ms = request_number(request, "confirm-within", 0) });
	if (r < 0)
		request_fail(request, OUTCOME_FAILED, NULL, "not applied: %s", strerror(-r));
	else
		handle_ping(request); /* behind the news: whoever answers has it */
}

void config_reload_begin(struct control_request *request)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(CONFIG_ERRORS_BYTES_MAX);
	struct change_state *state = change_new(request);
	int r;

	if (!state || !is_free(request))
		return;
	r = reload_read(&state->after, &state->origins, &errors);
	if (r < 0) {
		metering_count(METERING_RELOAD_INVALID);
		bad_config(request, &errors, r);
	} else {
		take_over(request, "reload");
	}
}

void config_rollback_begin(struct control_request *request)
{
	const struct generation *generation =
		generation_find(request_number(request, "generation", 0));
	struct change_state *state = change_new(request);

	if (!state || !is_free(request))
		return;
	if (!generation) {
		request_fail(request, OUTCOME_NOT_FOUND, "authctl config history",
			"that generation is not kept");
		return;
	}
	state->after = generation->config;
	state->origins = generation->origins;
	take_over(request, "rollback");
}

void handle_config_change(struct control_request *request)
{
	struct change_state *state = request->state;
	uint64_t left_ms = reload_unconfirmed_ms(clock_now_ns());
	double took_ms = (double)(clock_now_ns() - request->started_ns) / NS_PER_MS;

	change_rows(request, state);
	if (request->is_dry_run)
		request_notice(request, "nothing was applied: %llu changes",
			(unsigned long long)request->rows);
	else if (left_ms)
		request_notice(request,
			"generation %llu active on %u of %u cores in %.1f ms; returns in %llu s "
			"unless 'authctl config confirm'",
			(unsigned long long)reload_generation(), gather_answered(request->gather),
			cores_count(), took_ms, (unsigned long long)((left_ms + 500) / 1000));
	else
		request_notice(request, "generation %llu active on %u of %u cores in %.1f ms",
			(unsigned long long)reload_generation(), gather_answered(request->gather),
			cores_count(), took_ms);
}

static void generation_row(struct control_request *request)
{
	struct json_writer *w = request_row_begin(request);

	json_put_u64(w, "generation", reload_generation());
	request_row_end(request);
}

void handle_config_confirm(struct control_request *request)
{
	if (!reload_unconfirmed_ms(clock_now_ns()) ||
		(!request->is_dry_run && reload_confirm() < 0))
		request_fail(request, OUTCOME_CONFLICT, "authctl config history",
			"nothing waits for confirmation");
	else
		generation_row(request);
}

void handle_config_undo(struct control_request *request)
{
	int r = generation_at(1) ? 0 : -ENOENT;

	if (r == 0 && !request->is_dry_run)
		r = reload_undo();
	if (r < 0)
		request_fail(request, OUTCOME_CONFLICT, "authctl config history",
			r == -ENOENT ? "there is no generation before this one" : "not applied");
	else
		generation_row(request);
}
