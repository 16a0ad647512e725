/* Mails as bytes: see message.h. */
#include "mail/message.h"

#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/random.h"

#define ADDRESS_BYTES_MAX 254 /* RFC 5321 section 4.5.3.1.3, without the brackets */
#define LINE_BYTES_MAX 76     /* of quoted-printable (RFC 2045 section 6.7) and encoded words */
#define WORD_BYTES_MAX 45     /* of text in an encoded word: 60 of base64, and 12 around them */
#define PLAIN_SUBJECT_BYTES_MAX 60 /* longer subjects are folded, so they are encoded */

bool address_is_safe(struct str address)
{
	ptrdiff_t at = str_index(address, '@');

	if (at <= 0 || (size_t)at + 1 >= address.len || address.len > ADDRESS_BYTES_MAX ||
		!str_is_utf8(address) || str_index(str_skip(address, (size_t)at + 1), '@') >= 0)
		return false;
	for (size_t i = 0; i < address.len; i++) {
		unsigned char c = (unsigned char)address.data[i];

		if (c <= ' ' || c == 0x7f || memchr("<>\"(),:;\\[]", c, 11))
			return false;
	}
	return true;
}

/* --- header fields (RFC 2047) --- */

static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < ' ' || text.data[i] > '~')
			return false;
	return !text.len || !memmem(text.data, text.len, "=?", 2);
}

static int base64_append(struct buf *out, struct str bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	int r = buf_reserve(out, (bytes.len + 2) / 3 * 4);

	for (size_t i = 0; r == 0 && i < bytes.len; i += 3) {
		unsigned left = (unsigned)MIN(bytes.len - i, 3u), bits = 0;

		for (unsigned j = 0; j < 3; j++)
			bits = bits << 8 | (j < left ? (unsigned char)bytes.data[i + j] : 0u);
		for (unsigned j = 0; j < 4; j++)
			out->data[out->len++] = j <= left ? digits[bits >> (18 - 6 * j) & 63] : '=';
	}
	return r;
}

/* Encoded words on lines of their own; a character is never cut. */
static int words_append(struct buf *out, struct str text)
{
	int r = 0;

	for (bool is_first = true; r == 0 && text.len; is_first = false) {
		size_t taken = MIN(text.len, WORD_BYTES_MAX);

		while (taken < text.len && ((unsigned char)text.data[taken] & 0xc0) == 0x80)
			taken--;
		r = buf_append(out, is_first ? STR("=?utf-8?B?") : STR("\r\n =?utf-8?B?"));
		if (r == 0)
			r = base64_append(out, str_of(text.data, taken));
		if (r == 0)
			r = buf_append(out, STR("?="));
		text = str_skip(text, taken);
	}
	return r;
}

/* Text of people in a header field: never anything that could end it. */
static int text_append(struct buf *out, struct str text)
{
	if (is_plain(text) && text.len <= PLAIN_SUBJECT_BYTES_MAX)
		return buf_append(out, text);
	return words_append(out, text);
}

/* A display name: a quoted string, or encoded words, which must not stand in quotes. */
static int name_append(struct buf *out, struct str name)
{
	int r;

	if (!is_plain(name) || name.len > PLAIN_SUBJECT_BYTES_MAX)
		return words_append(out, name);
	r = buf_append_char(out, '"');
	for (size_t i = 0; r == 0 && i < name.len; i++) {
		if (name.data[i] == '"' || name.data[i] == '\\')
			r = buf_append_char(out, '\\');
		if (r == 0)
			r = buf_append_char(out, name.data[i]);
	}
	return r < 0 ? r : buf_append_char(out, '"');
}

static int from_append(struct buf *out, const struct letter *letter)
{
	int r;

	if (!letter->from_name.len)
		return buf_printf(out, "From: <" STR_FORMAT ">\r\n", STR_ARGS(letter->from));
	r = buf_append(out, STR("From: "));
	if (r == 0)
		r = name_append(out, letter->from_name);
	if (r < 0)
		return r;
	/* On a line of its own, so that no line gets too long. */
	return buf_printf(out, "\r\n <" STR_FORMAT ">\r\n", STR_ARGS(letter->from));
}

static int head_append(struct buf *out, const struct letter *letter)
{
	struct str domain = str_skip(letter->from, (size_t)str_index(letter->from, '@') + 1);
	char date[CLOCK_HTTP_BYTES], id[UUID_BYTES];
	struct str day = clock_http(letter->wall_ms, date);
	int r;

	r = from_append(out, letter);
	if (r == 0)
		r = buf_printf(out, "To: <" STR_FORMAT ">\r\nSubject: ", STR_ARGS(letter->to));
	if (r == 0)
		r = text_append(out, letter->subject);
	if (r < 0)
		return r;
	return buf_printf(out,
		"\r\nDate: " STR_FORMAT "+0000\r\n" /* "GMT" is for HTTP */
		"Message-ID: <" STR_FORMAT "@" STR_FORMAT ">\r\n"
		"Auto-Submitted: auto-generated\r\n" /* no holiday notes, please (RFC 3834) */
		"MIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		STR_ARGS(str_of(day.data, day.len - 3)), STR_ARGS(uuid_new(id)), STR_ARGS(domain));
}

/* --- the body (RFC 2045 section 6.7) --- */

static bool is_literal(struct str line, size_t at)
{
	unsigned char c = (unsigned char)line.data[at];

	if (c == ' ' || c == '\t') /* not at the end, where mailers lose it */
		return at + 1 < line.len;
	return c > ' ' && c <= '~' && c != '=';
}

static int line_append(struct buf *out, struct str line)
{
	size_t column = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < line.len; i++) {
		bool literal = is_literal(line, i);
		size_t width = literal ? 1 : 3;

		/* One place is kept for the "=" of a soft line end. */
		if (column + width > LINE_BYTES_MAX - 1) {
			r = buf_append(out, STR("=\r\n"));
			column = 0;
		}
		if (r == 0 && literal)
			r = buf_append_char(out, line.data[i]);
		else if (r == 0)
			r = buf_printf(out, "=%02X", (unsigned char)line.data[i]);
		column += width;
	}
	return r < 0 ? r : buf_append(out, STR("\r\n"));
}

static int body_append(struct buf *out, struct str body)
{
	struct str line;
	int r = 0;

	while (r == 0 && str_split(&body, '\n', &line)) {
		if (!body.data && !line.len) /* what ends with a line end has no line behind it */
			break;
		if (line.len && line.data[line.len - 1] == '\r')
			line.len--;
		r = line_append(out, line);
	}
	return r;
}

int message_write(const struct letter *letter, struct buf *out)
{
	int r;

	if (!address_is_safe(letter->from) || !address_is_safe(letter->to) ||
		!str_is_utf8(letter->from_name) || !str_is_utf8(letter->subject) ||
		!str_is_utf8(letter->body))
		return -ERR_MALFORMED;
	r = head_append(out, letter);
	return r < 0 ? r : body_append(out, letter->body);
}
