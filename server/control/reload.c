/* Changing the configuration of a running daemon: see reload.h. */
#include "control/reload.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/options.h"
#include "control/metering.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"

static struct {
	struct reload_options options;
	struct config running;
	uint64_t undo_ns; /* CLOCK_NEVER: nothing waits for confirmation */
	struct override overrides[OVERRIDES_MAX];
} reload = { .undo_ns = CLOCK_NEVER };

uint64_t reload_generation(void)
{
	const struct generation *current = generation_current();

	return current ? current->number : 0;
}

const struct config *reload_running(void)
{
	return &reload.running;
}

/* --- putting it into force --- */

/* A generation's values where no restart is needed, then the temporary ones. */
static void running_of(const struct generation *generation, struct config *config)
{
	*config = reload.running;
	for (size_t i = 0; i < options_count; i++)
		if (!options[i].needs_restart)
			option_copy(&options[i], &generation->config, config);
	for (unsigned i = 0; i < OVERRIDES_MAX; i++) {
		const struct override *override = &reload.overrides[i];

		/* It was good when it was set, and the table does not change. */
		if (override->option)
			(void)option_set(override->option, str_cstr(override->text), config);
	}
}

/* For who is not the control thread. */
static void publish(void)
{
	const struct generation *current = generation_current();
	unsigned overrides = 0;

	for (unsigned i = 0; i < OVERRIDES_MAX; i++)
		overrides += reload.overrides[i].option != NULL;
	metering_config(reload_generation(), current ? current->made_ms : 0, overrides);
	log_generation_set(reload_generation());
}

static int enforce(const struct generation *generation)
{
	struct config config;
	int r;

	running_of(generation, &config);
	r = reload.options.apply(&config);
	if (r == 0)
		reload.running = config;
	publish();
	return r;
}

static void tell(const char *event, const char *what, int64_t uid)
{
	log_event(LOG_LEVEL_INFO, event, str_cstr(what), LOG_NUMBER("user.uid", uid));
}

int reload_start(const struct reload_options *setup)
{
	struct generation first = { .made_ms = clock_wall_ms(),
		.uid = GENERATION_NOBODY,
		.cause = "start",
		.config = *setup->config };
	uint64_t number;
	int r;

	if (setup->origins)
		first.origins = *setup->origins;
	reload.options = *setup;
	reload.running = *setup->config;
	reload.undo_ns = CLOCK_NEVER;
	r = generation_add(&first, &number);
	publish();
	return r;
}

void reload_stop(void)
{
	memset(reload.overrides, 0, sizeof(reload.overrides));
	generations_deinit();
}

/* --- reading --- */

/* in_force: NULL for what comes from a file, which names other files. */
static int check(const char *name, const struct config *config, const struct config *in_force,
	struct buf *errors)
{
	int r = config_check(name, config, errors);

	return r < 0 ? r : reload.options.check(config, in_force, errors);
}

int reload_read(struct config *ret_config, struct config_origins *ret_origins, struct buf *errors)
{
	int r;

	*ret_origins = (struct config_origins){};
	if (!reload.options.path[0]) {
		config_defaults(ret_config);
		return 0;
	}
	r = config_load_traced(reload.options.path, ret_config, ret_origins, errors);
	return r < 0 ? r : check(reload.options.path, ret_config, NULL, errors);
}

int reload_parse(const char *name, struct str text, struct config *ret_config, struct buf *errors)
{
	int r;

	config_defaults(ret_config);
	r = config_parse(name, text, ret_config, errors);
	return r < 0 ? r : check(name, ret_config, NULL, errors);
}

/* --- generations --- */

int reload_apply(const struct reload_wish *wish)
{
	struct generation next = { .made_ms = clock_wall_ms(),
		.uid = wish->uid,
		.cause = wish->cause,
		.config = *wish->config,
		.origins = *wish->origins };
	uint64_t number;
	int r;

	if (reload.undo_ns != CLOCK_NEVER)
		return -EBUSY;
	r = enforce(&next);
	if (r == 0)
		r = generation_add(&next, &number);
	if (r < 0) {
		(void)enforce(generation_current());
		return r;
	}
	publish();
	metering_count(METERING_RELOAD_OK);
	if (wish->confirm_ms)
		reload.undo_ns = clock_after_ms(clock_now_ns(), wish->confirm_ms);
	tell("config.reloaded", wish->cause, wish->uid);
	return 0;
}

int reload_confirm(void)
{
	if (reload.undo_ns == CLOCK_NEVER)
		return -ENOENT;
	reload.undo_ns = CLOCK_NEVER;
	return 0;
}

int reload_undo(void)
{
	int r = generation_undo();

	if (r < 0)
		return r;
	reload.undo_ns = CLOCK_NEVER;
	r = enforce(generation_current());
	metering_count(METERING_RELOAD_UNDONE);
	tell("config.undone", "back to the generation before", GENERATION_NOBODY);
	return r;
}

uint64_t reload_unconfirmed_ms(uint64_t now_ns)
{
	if (reload.undo_ns == CLOCK_NEVER)
		return 0;
	return reload.undo_ns > now_ns ? (reload.undo_ns - now_ns) / NS_PER_MS + 1 : 1;
}

/* --- temporary values --- */

/* option NULL: a free one. */
static struct override *slot_find(const struct option *option)
{
	for (unsigned i = 0; i < OVERRIDES_MAX; i++)
		if (reload.overrides[i].option == option)
			return &reload.overrides[i];
	return NULL;
}

const struct override *override_find(const struct option *option)
{
	return slot_find(option);
}

const struct override *override_at(unsigned i)
{
	return i < OVERRIDES_MAX ? &reload.overrides[i] : NULL;
}

int override_set(
	const struct option *option, struct str text, uint64_t ms, int64_t uid, uint64_t now_ns)
{
	struct override *slot = slot_find(option);
	struct override before;
	struct config tried = reload.running;
	struct buf none = buf_init(CONFIG_ERRORS_BYTES_MAX);
	int r = option_set(option, text, &tried);

	if (r == 0 && option->needs_restart)
		r = -EPERM;
	if (r == 0)
		r = check("", &tried, &reload.running, &none);
	buf_deinit(&none);
	if (r < 0)
		return r;
	if (!slot)
		slot = slot_find(NULL);
	if (!slot || text.len >= sizeof(slot->text))
		return -EBUSY;
	before = *slot;
	*slot = (struct override){
		.option = option, .until_ns = clock_after_ms(now_ns, ms), .uid = uid
	};
	memcpy(slot->text, text.data, text.len);
	r = enforce(generation_current());
	if (r < 0)
		*slot = before;
	return r;
}

int override_end(const struct option *option)
{
	struct override *slot = slot_find(option);

	assert(option);
	if (!slot)
		return -ENOENT;
	*slot = (struct override){};
	return enforce(generation_current());
}

/* --- time --- */

uint64_t reload_tick(uint64_t now_ns)
{
	uint64_t next_ns = CLOCK_NEVER;

	if (now_ns >= reload.undo_ns)
		(void)reload_undo();
	for (unsigned i = 0; i < OVERRIDES_MAX; i++) {
		struct override *override = &reload.overrides[i];

		if (override->option && now_ns >= override->until_ns) {
			log_event(LOG_LEVEL_INFO, "config.override_ended",
				STR("a temporary value ended"),
				LOG_TEXT("authd.option", str_cstr(override->option->key)));
			(void)override_end(override->option);
		} else if (override->option) {
			next_ns = MIN(next_ns, override->until_ns);
		}
	}
	return MIN(next_ns, reload.undo_ns);
}
