/*
 * Fuzzing mails as bytes: whatever the texts, nothing of them breaks out of its place. The input is
 * five texts with NULs between: subject, body, recipient, sender, name of the sender.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mail/message.h"
#include "shared/err.h"
#include "shared/macros.h"

#define INPUT_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines are short, of printable ASCII but for the recipient's, and end with CRLF; the header is the
 * fields that we wrote and their continuations. */
static void check(struct str message, bool is_ascii)
{
	static const char *const names[] = { "From: ", "To: ", "Subject: ", "Date: ",
		"Message-ID: ", "Auto-Submitted: ", "MIME-Version: ", "Content-Type: ",
		"Content-Transfer-Encoding: " };
	struct str line;
	unsigned fields = 0;
	bool is_header = true;

	assert(message.len > 2 && memcmp(message.data + message.len - 2, "\r\n", 2) == 0);
	message.len -= 1; /* so that the last line is no empty one behind it */
	while (str_split(&message, '\n', &line)) {
		assert(line.len && line.data[line.len - 1] == '\r' && line.len <= 999);
		line.len--;
		for (size_t i = 0; i < line.len; i++)
			assert((line.data[i] >= ' ' && line.data[i] != 0x7f) ||
				(!is_header && line.data[i] == '\t') ||
				(!is_ascii && is_header && line.data[i] < 0));
		if (is_header && !line.len) {
			is_header = false;
		} else if (is_header && line.data[0] != ' ') {
			assert(fields < ARRAY_SIZE(names));
			assert(str_starts(line, str_cstr(names[fields++])));
		} else {
			assert(is_header || line.len <= 76);
		}
	}
	assert(!is_header && fields == ARRAY_SIZE(names));
}

static bool is_ascii(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(16 * INPUT_BYTES_MAX + 4096);
	struct str rest = str_of((const char *)data, size), parts[5] = {};
	struct letter letter;
	int r;

	if (size > INPUT_BYTES_MAX)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts) && str_split(&rest, '\0', &parts[i]); i++)
		;
	letter = (struct letter){ .subject = parts[0],
		.body = parts[1],
		.to = parts[2],
		.from = parts[3].len ? parts[3] : STR("authd@localhost"),
		.from_name = parts[4],
		.wall_ms = INT64_C(1795495180120) };
	r = message_write(&letter, &out);
	assert(r == 0 || r == -ERR_MALFORMED);
	if (r == 0)
		check(buf_str(&out), is_ascii(letter.to) && is_ascii(letter.from));
	return 0;
}
