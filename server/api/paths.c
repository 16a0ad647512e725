/* Path patterns: see paths.h. */
#include "api/paths.h"

static bool is_id_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

static bool is_id(struct str text)
{
	if (!text.len || text.len > PATH_ID_BYTES_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!is_id_char(text.data[i]))
			return false;
	return true;
}

bool path_match(struct str pattern, struct str path, struct str *ret_id)
{
	static const struct str mark = STR("{id}");
	ptrdiff_t at = str_index(pattern, '{');
	struct str head, tail, id;

	if (at < 0) {
		*ret_id = (struct str){};
		return str_equal(pattern, path);
	}
	head = str_of(pattern.data, (size_t)at);
	tail = str_skip(pattern, head.len + mark.len);
	if (path.len <= head.len + tail.len || !str_starts(path, head))
		return false;
	/* Ids have no slash: between head and tail there is the id or no match. */
	id = str_of(path.data + head.len, path.len - head.len - tail.len);
	if (!str_equal(str_skip(path, head.len + id.len), tail) || !is_id(id))
		return false;
	*ret_id = id;
	return true;
}
