/* What the daemon says of its own commands: names, schemas, versions; and the level of a client. */
#include <unistd.h>

#include "control/control.h"
#include "control/dialog.h"
#include "control/handlers.h"
#include "shared/macros.h"

#define TEXT_BYTES_MAX 1024 /* a few words of our own table */

static void arguments_print(struct buf *text, const struct command *command)
{
	for (const struct command_argument *arg = command->arguments; arg && arg->name; arg++) {
		bool is_required = arg->flags & ARGUMENT_REQUIRED;

		if (!command_argument_is_word(arg))
			continue; /* the schema tells */
		(void)!buf_printf(text, "%s%s%s%s%s", text->len ? " " : "", is_required ? "" : "[",
			arg->flags & ARGUMENT_POSITIONAL ? "" : "--", arg->name,
			is_required ? "" : "]");
	}
}

void handle_meta_commands(struct control_request *request)
{
	for (unsigned i = 0; i < command_count; i++) {
		_cleanup_(buf_deinit) struct buf arguments = buf_init(TEXT_BYTES_MAX);
		const struct command *command = &commands[i];
		struct json_writer *w = request_row_begin(request);

		arguments_print(&arguments, command);
		json_put_str(w, "command", str_cstr(command->name));
		json_put_str(w, "level", str_cstr(command_level_name(command->level)));
		json_put_str(w, "schema", str_cstr(command->schema));
		json_put_str(w, "arguments", buf_str(&arguments));
		json_put_bool(w, "changes", command->flags & COMMAND_MUTATES);
		json_put_str(w, "help", str_cstr(command->help));
		request_row_end(request);
	}
}

/* flags: of an argument; 0 for fields. */
static void schema_row(struct control_request *request, const char *part, const char *name,
	const char *type, const char *unit, unsigned flags, const char *help)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "part", str_cstr(part));
	json_put_str(w, "name", str_cstr(name));
	json_put_str(w, "type", str_cstr(type));
	json_put_str(w, "unit", str_cstr(unit));
	json_put_bool(w, "required", flags & ARGUMENT_REQUIRED);
	json_put_bool(w, "secret", flags & ARGUMENT_SECRET);
	json_put_bool(w, "admin", flags & ARGUMENT_ADMIN);
	json_put_bool(w, "asks", flags & ARGUMENT_ASKS);
	json_put_str(w, "help", str_cstr(help));
	request_row_end(request);
}

/* "pool list" as well as "pool.list". */
static const struct command *command_of(struct str words)
{
	char name[64];

	if (words.len >= sizeof(name))
		return NULL;
	for (size_t i = 0; i < words.len; i++)
		name[i] = words.data[i] == ' ' ? '.' : words.data[i];
	return command_find(str_of(name, words.len));
}

void handle_meta_schema(struct control_request *request)
{
	struct str words = request_text(request, "command");
	const struct command *command = command_of(words);

	if (!command) {
		request_fail(request, OUTCOME_NOT_FOUND, "authctl help",
			"no command '" STR_FORMAT "'", STR_ARGS(words));
		return;
	}
	for (const struct command_argument *a = command->arguments; a && a->name; a++)
		schema_row(request, "argument", a->name,
			a->choices ? a->choices : argument_type_name(a->type), "", a->flags,
			a->help);
	for (const struct command_column *c = command->columns; c->name; c++)
		schema_row(request, "field", c->name, column_type_name(c->type),
			column_type_unit(c->type), 0, c->help);
}

void handle_meta_version(struct control_request *request)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "version", str_cstr(request->context->version));
	json_put_i64(w, "proto_min", FRAME_PROTOCOL_MIN);
	json_put_i64(w, "proto_max", FRAME_PROTOCOL_MAX);
	json_put_i64(w, "pid", getpid());
	request_row_end(request);
}

/* Down, never up: what a careful operator, or a script, gives away for this connection. */
void handle_meta_level(struct control_request *request)
{
	struct peer *peer = &request->dialog->peer;
	enum command_level level = LEVEL_NONE;
	struct json_writer *w;

	(void)command_level_parse(request_text(request, "level"), &level);
	if (level > peer->level) {
		request_fail(request, OUTCOME_FORBIDDEN, control_group_hint(level),
			"your level is %s, and it cannot be raised",
			command_level_name(peer->level));
		return;
	}
	peer->level = level;
	peer->is_self = false;
	w = request_row_begin(request);
	json_put_str(w, "level", str_cstr(command_level_name(level)));
	request_row_end(request);
}

/* It is in the table for help, completion and manual alone. */
void handle_local(struct control_request *request)
{
	request_fail(request, OUTCOME_UNAVAILABLE, NULL, "authctl does this itself");
}
