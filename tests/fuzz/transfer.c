/* A line of an export (transfer_lines.h) from anywhere: whatever it says, what is accepted prints.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "offline/transfer_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read prints, is read again, and is then the same to the byte. */
static void again(struct transfer_line *line)
{
	_cleanup_(buf_wipe) struct buf first = buf_init(TRANSFER_LINE_BYTES_MAX);
	_cleanup_(buf_wipe) struct buf second = buf_init(TRANSFER_LINE_BYTES_MAX);
	static struct transfer_line read;
	int r;

	if (line->type == TRANSFER_ACCOUNT)
		r = transfer_account_print(&line->account, &first);
	else if (line->type == TRANSFER_SESSION)
		r = transfer_session_print(&line->session, &first);
	else if (line->type == TRANSFER_KEY)
		r = transfer_key_print(&line->key, &first);
	else
		return;
	if (r < 0)
		return; /* escapes may make it longer than a line */
	if (transfer_line_parse(buf_str(&first), &read) < 0 || read.type != line->type)
		abort();
	if (line->type == TRANSFER_ACCOUNT)
		r = transfer_account_print(&read.account, &second);
	else if (line->type == TRANSFER_SESSION)
		r = transfer_session_print(&read.session, &second);
	else
		r = transfer_key_print(&read.key, &second);
	if (r < 0 || !str_equal(buf_str(&first), buf_str(&second)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct transfer_line line;
	struct transfer_sum sum = {};
	struct str text = str_of((const char *)data, size);

	if (size > TRANSFER_LINE_BYTES_MAX)
		return 0;
	transfer_sum_add(&sum, text);
	if (transfer_line_parse(text, &line) == 0)
		again(&line);
	return 0;
}
