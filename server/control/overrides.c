/* config set, config unset, log level: values that end by themselves. */
#include <errno.h>

#include "control/configs.h"
#include "control/handlers.h"
#include "control/reload.h"
#include "shared/clock.h"
#include "shared/macros.h"

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

/* A temporary value of log.level; without a time it is for as long as one may be. */
void handle_log_level(struct control_request *request)
{
	const struct option *option = option_find(STR("log"), STR("level"));
	struct str level = request_text(request, "level");
	const struct override *override;
	struct json_writer *w;

	if (level.len && override_try(request, option, level,
				 request_number(request, "for", OVERRIDE_MS_MAX)) < 0)
		return;
	override = override_find(option);
	w = request_row_begin(request);
	option_put_value(w, "level", option, reload_running());
	if (override)
		json_put_u64(w, "until", (override->until_ns - clock_now_ns()) / NS_PER_S);
	else
		json_put_null(w, "until");
	request_row_end(request);
	if (level.len)
		request_notice(request, "undo: authctl config unset log.level");
}
