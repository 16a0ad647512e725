/* config set, config unset, log level, pool resize, trace sample: values that end by themselves. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "control/configs.h"
#include "control/handlers.h"
#include "control/reload.h"
#include "control/traces.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

static void override_failed(struct control_request *request, const struct option *option, int error)
{
	_cleanup_(buf_deinit) struct buf allowed = buf_init(VALUE_BYTES_MAX);

	if (error == -EPERM) {
		request_fail(request, OUTCOME_CONFLICT, "change the file and restart",
			"%s.%s needs a restart", option->section, option->key);
	} else if (error == -EBUSY) {
		request_fail(request, OUTCOME_BUSY, "authctl config unset",
			"%d temporary values are in force already", OVERRIDES_MAX);
	} else {
		(void)!option_print_allowed(option, &allowed);
		request_fail_argument(request, "value", "%s.%s: allowed " STR_FORMAT,
			option->section, option->key, STR_ARGS(buf_str(&allowed)));
	}
}

/* 0, or the failure is set. A dry run sets nothing, but checks the same. */
static int override_try(
	struct control_request *request, const struct option *option, struct str value, uint64_t ms)
{
	struct config tried = *reload_running();
	int r;

	if (!ms || ms > OVERRIDE_MS_MAX) {
		request_fail_argument(request, "for", "for how long? 1s..24h");
		return -EINVAL;
	}
	if (request->is_dry_run) {
		r = option_set(option, value, &tried);
		if (r == 0 && option->needs_restart)
			r = -EPERM;
	} else {
		r = override_set(option, value, ms, request->peer->uid, clock_now_ns());
	}
	if (r < 0)
		override_failed(request, option, r);
	return r;
}

void handle_config_set(struct control_request *request)
{
	struct str key = request_text(request, "key");
	const struct option *option = option_find_name(key);

	if (!option) {
		option_unknown(request, key);
		return;
	}
	if (override_try(request, option, request_text(request, "value"),
		    request_number(request, "for", 0)) < 0)
		return;
	request_notice(request, "undo: authctl config unset " STR_FORMAT, STR_ARGS(key));
	option_row(request, option);
}

void handle_config_unset(struct control_request *request)
{
	struct str key = request_text(request, "key");
	const struct option *option = option_find_name(key);

	if (!option)
		option_unknown(request, key);
	else if (!override_find(option) || (!request->is_dry_run && override_end(option) < 0))
		request_fail(request, OUTCOME_NOT_FOUND, "authctl status",
			STR_FORMAT " has no temporary value", STR_ARGS(key));
	else
		option_row(request, option);
}

static void level_row(
	struct control_request *request, struct str module, enum log_level level, uint64_t until_ns)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "module", module);
	json_put_str(w, "level", str_cstr(log_level_name(level)));
	if (until_ns)
		json_put_u64(w, "until", (until_ns - clock_now_ns()) / NS_PER_S);
	else
		json_put_null(w, "until");
	request_row_end(request);
}

/* 0, or the failure is set. */
static int module_level_try(
	struct control_request *request, struct str module, enum log_level level)
{
	uint64_t ms = request_number(request, "for", OVERRIDE_MS_MAX);
	int r = 0;

	if (!ms || ms > OVERRIDE_MS_MAX) {
		request_fail_argument(request, "for", "for how long? 1s..24h");
		return -EINVAL;
	}
	if (!request->is_dry_run)
		r = log_module_set(module, level, ms);
	if (r == -EINVAL)
		request_fail_argument(request, "module",
			"the first word of an event, such as 'request' or 'breaker'");
	else if (r < 0)
		request_fail(request, OUTCOME_BUSY, "authctl log level",
			"%d modules have a level of their own already", LOG_MODULES_MAX);
	return r;
}

/*
 * For all: a temporary value of the option. For a module: the log's own, until its time is over.
 * Without a time it is for as long as one may be.
 */
void handle_log_level(struct control_request *request)
{
	const struct option *option = option_find(STR("log"), STR("level"));
	struct str level = request_text(request, "level"), module = request_text(request, "module");
	struct log_module modules[LOG_MODULES_MAX];
	enum log_level parsed = LOG_LEVEL_INFO;
	const struct override *override;
	unsigned count;

	(void)log_level_parse(level, &parsed); /* the table of commands has checked it */
	if (level.len && module.len && module_level_try(request, module, parsed) < 0)
		return;
	if (level.len && !module.len &&
		override_try(request, option, level,
			request_number(request, "for", OVERRIDE_MS_MAX)) < 0)
		return;
	override = override_find(option);
	level_row(request, STR("all"), log_level_get(), override ? override->until_ns : 0);
	count = log_modules(modules);
	for (unsigned i = 0; i < count; i++)
		level_row(
			request, str_cstr(modules[i].name), modules[i].least, modules[i].until_ns);
	if (level.len && !module.len)
		request_notice(request, "undo: authctl config unset log.level");
}

struct resizing {
	struct str name;
	bool is_known;
	unsigned connections; /* now */
};

static void pool_find(const struct store_pool *pool, void *arg)
{
	struct resizing *resizing = arg;

	if (!str_equal(resizing->name, str_cstr(pool->name)))
		return;
	resizing->is_known = true;
	resizing->connections = pool->connections_max;
}

static void resize_row(struct control_request *request, const struct resizing *resizing)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "pool", resizing->name);
	json_put_u64(w, "connections", resizing->connections);
	json_put_u64(w, "until", request_number(request, "for", 0) / 1000);
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}

/* The option counts those that are kept for other work, too. */
void handle_pool_resize(struct control_request *request)
{
	const struct option *option = option_find(STR("store"), STR("pool_max"));
	struct resizing resizing = { .name = request_text(request, "name") };
	uint64_t wanted = request_number(request, "connections", 0);
	char text[24]; /* a number */

	store_pools_each(pool_find, &resizing);
	if (!resizing.is_known || !store_pool_is_sizable()) {
		request_fail(request, OUTCOME_CONFLICT, "authctl config show",
			"only pools of connections to a server can: '" STR_FORMAT "' is none",
			STR_ARGS(resizing.name));
		return;
	}
	if (wanted < reload_running()->store.pool_min || wanted > option->max - STORE_POOL_KEPT) {
		request_fail_argument(request, "connections",
			"between %llu, which is store.pool_min, and %llu",
			(unsigned long long)reload_running()->store.pool_min,
			(unsigned long long)option->max - STORE_POOL_KEPT);
		return;
	}
	(void)snprintf(text, sizeof(text), "%" PRIu64, wanted + STORE_POOL_KEPT);
	if (override_try(request, option, str_cstr(text), request_number(request, "for", 0)) < 0)
		return;
	if (!request->is_dry_run)
		store_pools_each(pool_find, &resizing);
	resize_row(request, &resizing);
	request_notice(request, "undo: authctl config unset store.pool_max");
}

void handle_trace_sample(struct control_request *request)
{
	const struct option *option = option_find(STR("trace"), STR("sample"));
	uint64_t ms = request_number(request, "for", 0);
	struct json_writer *w;
	char text[24]; /* a number */

	(void)snprintf(text, sizeof(text), "%" PRIu64, request_number(request, "percent", 0));
	if (!traces_are_on(request) || override_try(request, option, str_cstr(text), ms) < 0)
		return;
	w = request_row_begin(request);
	json_put_u64(w, "percent", request_number(request, "percent", 0));
	json_put_u64(w, "until", ms / 1000);
	request_row_end(request);
	request_notice(
		request, "undo: authctl config unset trace.sample; look: authctl trace list");
}
