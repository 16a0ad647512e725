/* What an answer gives for the next request: see renewal.h. */
#include "load/renewal.h"

void renewal_init(struct renewal *renewal)
{
	renewal->matched = renewal->len = 0;
	renewal->is_taking = renewal->is_done = false;
}

static void take(struct renewal *renewal, char c)
{
	if (c == '"') {
		renewal->is_taking = false;
		renewal->is_done = true;
	} else if (renewal->len == RENEWAL_BYTES_MAX) {
		renewal_init(renewal);
	} else {
		renewal->text[renewal->len++] = c;
	}
}

/* A pattern begins with the only quote that may follow anything but a key: no need to look back. */
static void match(struct renewal *renewal, struct str pattern, char c)
{
	if (c != pattern.data[renewal->matched])
		renewal->matched = 0;
	if (c == pattern.data[renewal->matched])
		renewal->matched++;
	renewal->is_taking = renewal->matched == pattern.len;
}

void renewal_feed(struct renewal *renewal, struct str pattern, struct str bytes)
{
	for (size_t i = 0; i < bytes.len && !renewal->is_done; i++) {
		if (renewal->is_taking)
			take(renewal, bytes.data[i]);
		else
			match(renewal, pattern, bytes.data[i]);
	}
}

struct str renewal_text(const struct renewal *renewal)
{
	return renewal->is_done ? str_of(renewal->text, renewal->len) : (struct str){};
}
