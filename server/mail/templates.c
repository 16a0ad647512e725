/* The texts of mails: see templates.h. */
#include "mail/templates.h"

#include <errno.h>
#include <stdio.h>

#include "shared/macros.h"

static const char reset_text[] = {
#include "reset.inc"
};
static const char verify_text[] = {
#include "verify.inc"
};
static const char exists_text[] = {
#include "exists.inc"
};

static const struct built_in {
	const char *file;
	struct str text;
} built_in[MAIL_KINDS] = {
	[MAIL_RESET] = { "reset.txt", { reset_text, sizeof(reset_text) } },
	[MAIL_VERIFY] = { "verify.txt", { verify_text, sizeof(verify_text) } },
	[MAIL_EXISTS] = { "exists.txt", { exists_text, sizeof(exists_text) } },
};

static struct {
	struct buf own[MAIL_KINDS]; /* the operator's; empty: built in */
	char why[512];
} templates;

/* --- fields --- */

enum field { FIELD_NAME, FIELD_EMAIL, FIELD_BASE, FIELD_TOKEN, FIELD_VALID, FIELDS };

static const struct str field_names[FIELDS] = { STR("name"), STR("email"), STR("base"),
	STR("token"), STR("valid") };

/* Takes the text before the next {{field}} off *rest: true and the field, or false when there is
 * none; then *ret_text is all that was left. -1 as the field: there is none of that name. */
static bool field_next(struct str *rest, struct str *ret_text, int *ret_field)
{
	const char *open = rest->len ? memmem(rest->data, rest->len, "{{", 2) : NULL;
	const char *close =
		open ? memmem(open, (size_t)(rest->data + rest->len - open), "}}", 2) : NULL;
	struct str name;

	*ret_text = *rest;
	if (!close)
		return false;
	*ret_text = str_of(rest->data, (size_t)(open - rest->data));
	name = str_trim(str_of(open + 2, (size_t)(close - open - 2)));
	*ret_field = -1;
	for (int i = 0; i < FIELDS; i++)
		if (str_equal(name, field_names[i]))
			*ret_field = i;
	*rest = str_skip(*rest, (size_t)(close + 2 - rest->data));
	return true;
}

static int value_append(struct buf *out, struct str value)
{
	int r = buf_reserve(out, value.len);

	for (size_t i = 0; r == 0 && i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		out->data[out->len++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
	return r;
}

static int valid_append(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = { { 86400000, "day" }, { 3600000, "hour" }, { 60000, "minute" } };
	size_t i = 0;

	while (i < ARRAY_SIZE(units) - 1 && (ms % units[i].ms || ms < units[i].ms))
		i++;
	return buf_printf(out, "%lld %s%s", (long long)(ms / units[i].ms), units[i].name,
		ms / units[i].ms == 1 ? "" : "s");
}

static int field_append(struct buf *out, enum field field, const struct template_values *values)
{
	int r = 0;

	switch (field) {
	case FIELD_NAME:
		if (values->name.len)
			r = buf_append(out, STR(", "));
		return r < 0 ? r : value_append(out, values->name);
	case FIELD_EMAIL:
		return value_append(out, values->email);
	case FIELD_BASE:
		return value_append(out, values->base);
	case FIELD_TOKEN:
		return value_append(out, values->token);
	default:
		return valid_append(out, values->valid_ms);
	}
}

static int fill(struct str text, const struct template_values *values, struct buf *out)
{
	struct str before;
	int field, r = 0;

	while (r == 0 && field_next(&text, &before, &field)) {
		r = buf_append(out, before);
		if (r == 0)
			r = field_append(out, (enum field)field, values);
	}
	return r < 0 ? r : buf_append(out, text);
}

/* --- a template --- */

/* Into its two parts: 0, or a sentence about what is wrong. */
static const char *template_split(struct str text, struct str *ret_subject, struct str *ret_body)
{
	struct str line, rest = text, before;
	int field;

	if (!str_is_utf8(text) || str_index(text, '\0') >= 0)
		return "is no UTF-8 text";
	if (!str_split(&rest, '\n', &line) || !str_starts(line, STR("Subject:")))
		return "does not begin with \"Subject: \"";
	*ret_subject = str_trim(str_skip(line, sizeof("Subject:") - 1));
	if (!ret_subject->len)
		return "has an empty subject";
	if (!str_split(&rest, '\n', &line) || str_trim(line).len)
		return "has no empty line after its subject";
	*ret_body = rest;
	for (rest = text; field_next(&rest, &before, &field);)
		if (field < 0)
			return "has a {{field}} that is not name, email, base, token or valid";
	return NULL;
}

int template_fill(enum mail_kind kind, const struct template_values *values, struct buf *subject,
	struct buf *body)
{
	const struct buf *own = &templates.own[kind];
	struct str head, text;
	int r;

	/* It was looked at when it was read. */
	(void)template_split(own->len ? buf_str(own) : built_in[kind].text, &head, &text);
	r = fill(head, values, subject);
	return r < 0 ? r : fill(text, values, body);
}

/* --- reading --- */

static int file_read(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "re");
	int r;

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	r = buf_reserve(text, TEMPLATE_BYTES_MAX + 1);
	if (r == 0)
		text->len = fread(text->data, 1, TEMPLATE_BYTES_MAX + 1, file);
	if (r == 0 && ferror(file))
		r = -EIO;
	(void)fclose(file);
	return r == 0 && text->len > TEMPLATE_BYTES_MAX ? -EFBIG : r;
}

static int own_load(const char *folder, enum mail_kind kind)
{
	struct buf *own = &templates.own[kind];
	const char *what = NULL;
	struct str subject, body;
	char path[512];
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, built_in[kind].file);
	r = file_read(path, own);
	if (r == 0 && own->len)
		what = template_split(buf_str(own), &subject, &body);
	if (r < 0 || what)
		(void)snprintf(templates.why, sizeof(templates.why), "%.380s %s", path,
			what          ? what
			: r == -EFBIG ? "is longer than 64 KiB"
				      : strerror(-r));
	return what ? -EINVAL : r;
}

int templates_load(const char *folder, const char **ret_why)
{
	int r = 0;

	templates_unload();
	*ret_why = templates.why;
	for (int kind = 0; *folder && r == 0 && kind < MAIL_KINDS; kind++)
		r = own_load(folder, (enum mail_kind)kind);
	return r;
}

void templates_unload(void)
{
	for (int kind = 0; kind < MAIL_KINDS; kind++) {
		buf_deinit(&templates.own[kind]);
		templates.own[kind] = buf_init(TEMPLATE_BYTES_MAX + 1);
	}
}
