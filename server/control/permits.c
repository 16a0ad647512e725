/* What must be so before a command runs: see permits.h. */
#include "control/permits.h"

#include <stdio.h>

#include "control/control.h"
#include "control/dialog.h"
#include "control/reload.h"

void permit_level(struct control_request *request)
{
	const struct command *command = request->command;

	if (command->level <= request->peer->level ||
		(request->peer->is_self && (command->flags & COMMAND_SELF)))
		return;
	request_fail(request, OUTCOME_FORBIDDEN, control_group_hint(command->level),
		"%s needs the level %s; yours is %s", command->name,
		command_level_name(command->level), command_level_name(request->peer->level));
	request->failure.need = command->level;
}

/* Is an argument given that has this flag (enum argument_flag)? NULL: none is. */
static const struct command_argument *argument_with(
	const struct control_request *request, unsigned flag)
{
	const struct command_argument *argument = request->command->arguments;

	for (unsigned i = 0; argument && argument[i].name; i++)
		if ((argument[i].flags & flag) && request->values[i].is_set)
			return &argument[i];
	return NULL;
}

void permit_arguments(struct control_request *request)
{
	const struct command_argument *argument = argument_with(request, ARGUMENT_ADMIN);

	if (!argument || request->peer->level >= LEVEL_ADMIN)
		return;
	request_fail(request, OUTCOME_FORBIDDEN, control_group_hint(LEVEL_ADMIN),
		"%s --%s needs the level %s; yours is %s", request->command->name, argument->name,
		command_level_name(LEVEL_ADMIN), command_level_name(request->peer->level));
	request->failure.need = LEVEL_ADMIN;
}

/* The first argument: what the command is done to. */
static struct str subject_of(const struct control_request *request)
{
	const struct command_argument *first = request->command->arguments;

	return first && first->type == ARGUMENT_TEXT ? request->values[0].text : (struct str){};
}

void permit_unasked(struct control_request *request)
{
	unsigned flags = request->command->flags;

	if (argument_with(request, ARGUMENT_ASKS))
		flags |= COMMAND_ASKS;
	if (request->is_dry_run || !(flags & (COMMAND_ASKS | COMMAND_ASKS_NAME)))
		return;
	if ((flags & COMMAND_ASKS) && request->yes.len)
		return;
	if ((flags & COMMAND_ASKS_NAME) && str_equal(request->yes, subject_of(request)))
		return;
	if (flags & COMMAND_ASKS_NAME)
		request_fail(request, OUTCOME_UNCONFIRMED, NULL,
			"wants confirmation: --yes=" STR_FORMAT "  (%s)",
			STR_ARGS(subject_of(request)), command_warning(request->command));
	else
		request_fail(request, OUTCOME_UNCONFIRMED, NULL, "wants confirmation: --yes");
}

void permit_generation(struct control_request *request)
{
	uint64_t now = reload_generation();
	char who[64] = "";

	if (request->generation < 0 || (uint64_t)request->generation == now)
		return;
	if (generation_current()->uid != GENERATION_NOBODY)
		(void)snprintf(
			who, sizeof(who), ", by uid %lld", (long long)generation_current()->uid);
	request_fail(request, OUTCOME_CONFLICT, "authctl config history",
		"the configuration is generation %llu now%s", (unsigned long long)now, who);
}
