/*
 * Common passwords: see common.h. A list is one text, its lines sorted by their bytes, and is
 * searched by halves where it lies: no table beside it, and the built-in one is never copied.
 */
#include "auth/common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/unicode.h"
#include "shared/err.h"
#include "shared/macros.h"

static const char built_in[] = {
#include "common_passwords.inc"
};

static struct buf own; /* the operator's */

/* --- searching --- */

static int compare(struct str a, struct str b)
{
	int order = memcmp(a.data, b.data, MIN(a.len, b.len));

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The line that the byte `at` belongs to, its end included. */
static struct str line_at(struct str list, size_t at)
{
	size_t start = at, end = at;

	while (start > 0 && list.data[start - 1] != '\n')
		start--;
	while (end < list.len && list.data[end] != '\n')
		end++;
	return str_of(list.data + start, end - start);
}

static bool list_has(struct str list, struct str word)
{
	size_t low = 0, high = list.len; /* both begin a line, or are its end */

	while (low < high) {
		struct str line = line_at(list, low + (high - low) / 2);
		int order = compare(word, line);

		if (order == 0)
			return true;
		if (order < 0)
			high = (size_t)(line.data - list.data);
		else
			low = (size_t)(line.data - list.data) + line.len + 1;
	}
	return false;
}

bool common_has(struct str folded)
{
	return folded.len && (list_has(str_of(built_in, sizeof(built_in)), folded) ||
				     list_has(buf_str(&own), folded));
}

/* --- reading the operator's list --- */

struct lines {
	struct str *items;
	size_t count;
};

static void lines_free(struct lines *lines)
{
	free(lines->items);
}

static int line_compare(const void *a, const void *b)
{
	return compare(*(const struct str *)a, *(const struct str *)b);
}

/* Every line folded, each with its end, into `text`. */
static int fold_all(struct str list, struct buf *text, unsigned *ret_line)
{
	struct str line;
	int r = 0;

	for (unsigned number = 1; r == 0 && str_split(&list, '\n', &line); number++) {
		if (line.len && line.data[line.len - 1] == '\r')
			line.len--;
		if (!line.len)
			continue;
		r = unicode_fold(line, text);
		if (r == 0)
			r = buf_append_char(text, '\n');
		if (r == -ERR_MALFORMED) {
			*ret_line = number;
			return -EINVAL;
		}
	}
	return r == -ENOBUFS ? -EFBIG : r;
}

static int lines_sort(struct str text, struct lines *lines)
{
	struct str line;
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == '\n';
	lines->items = calloc(count + 1, sizeof(*lines->items));
	if (!lines->items)
		return -ENOMEM;
	while (lines->count < count && str_split(&text, '\n', &line))
		lines->items[lines->count++] = line;
	qsort(lines->items, lines->count, sizeof(*lines->items), line_compare);
	return 0;
}

static int lines_join(const struct lines *lines, struct buf *text)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < lines->count; i++) {
		if (i && compare(lines->items[i - 1], lines->items[i]) == 0)
			continue;
		r = buf_append(text, lines->items[i]);
		if (r == 0)
			r = buf_append_char(text, '\n');
	}
	return r;
}

static int file_read(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "re");
	size_t n = 1;
	int r = 0;

	if (!file)
		return -errno;
	while (r == 0 && n > 0) {
		r = buf_reserve(text, 4096);
		if (r == 0) {
			n = fread(text->data + text->len, 1, 4096, file);
			text->len += n;
		}
	}
	if (r == 0 && ferror(file))
		r = -EIO;
	(void)fclose(file);
	return r == -ENOBUFS ? -EFBIG : r;
}

int common_load(const char *path, unsigned *ret_line)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(COMMON_LIST_BYTES_MAX);
	/* Folding may make a text longer: the sharp s becomes two letters. */
	_cleanup_(buf_deinit) struct buf folded = buf_init(2 * (size_t)COMMON_LIST_BYTES_MAX);
	_cleanup_(lines_free) struct lines lines = {};
	int r;

	*ret_line = 0;
	common_unload();
	if (!*path)
		return 0;
	r = file_read(path, &text);
	if (r == 0)
		r = fold_all(buf_str(&text), &folded, ret_line);
	if (r == 0)
		r = lines_sort(buf_str(&folded), &lines);
	own = buf_init(folded.len);
	return r < 0 ? r : lines_join(&lines, &own);
}

void common_unload(void)
{
	buf_deinit(&own);
	own = buf_init(0);
}
