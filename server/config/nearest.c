/* Which option a misspelt name was meant to be. */
#include <assert.h>

#include "config/options.h"
#include "shared/macros.h"

/* Longer than every "section.key" of the table; what is longer resembles none of them. */
#define NAME_MAX_BYTES 48

/* Levenshtein's distance: insertions, removals and replacements that make a into b. */
static unsigned distance(struct str a, struct str b)
{
	unsigned row[NAME_MAX_BYTES + 1];

	assert(b.len <= NAME_MAX_BYTES);
	for (size_t j = 0; j <= b.len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; i < a.len; i++) {
		unsigned diagonal = row[0];

		row[0]++;
		for (size_t j = 0; j < b.len; j++) {
			unsigned replaced = diagonal + (a.data[i] != b.data[j]);

			diagonal = row[j + 1];
			row[j + 1] = MIN(replaced, MIN(row[j], diagonal) + 1);
		}
	}
	return row[b.len];
}

const struct option *option_nearest(struct str section, struct str key)
{
	const struct option *nearest = NULL;
	unsigned best = (unsigned)key.len / 3 + 3; /* further away is another word, not a slip */

	if (section.len > NAME_MAX_BYTES || key.len > NAME_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < options_count; i++) {
		/* A right key in a wrong section is a likely slip, so the section counts once. */
		unsigned far = distance(key, str_cstr(options[i].key)) +
			       !str_equal(section, str_cstr(options[i].section));

		if (far < best) {
			best = far;
			nearest = &options[i];
		}
	}
	return nearest;
}
