/*
 * Fuzzing JSON: what json_check() accepts must be parsed, must be what cJSON by itself accepts too,
 * and comes through printing unchanged. What it refuses is never parsed.
 */
#include "shared/json.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "shared/err.h"

#define INPUT_BYTES_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Visits every node without recursion deeper than json_check() allows. */
static unsigned count_nodes(const struct json *node)
{
	unsigned count = 1;
	struct str text;
	int64_t number;
	bool flag;

	assert(node);
	if (json_get_str(node, &text) == 0)
		assert(str_is_utf8(text));
	if (json_get_i64(node, &number) == 0)
		assert(number > -(INT64_C(1) << 53) && number < INT64_C(1) << 53);
	(void)json_get_bool(node, &flag);
	for (const struct json *child = json_first(node); child; child = json_next(child)) {
		struct str key = json_key(child);

		assert(str_is_utf8(key));
		count += count_nodes(child);
	}
	return count;
}

static void check_round_trip(struct arena *arena, const struct json *root)
{
	struct buf out = buf_init(16 * INPUT_BYTES_MAX), again = buf_init(16 * INPUT_BYTES_MAX);
	const struct json *copy;
	int r = json_print(root, &out);

	if (r == 0) {
		assert(json_check(buf_str(&out), &json_limits_body, NULL) == 0);
		assert(json_parse(arena, buf_str(&out), &json_limits_body, &copy) == 0);
		assert(count_nodes(copy) == count_nodes(root));
		assert(json_print(copy, &again) == 0);
		assert(str_equal(buf_str(&out), buf_str(&again)));
	} else {
		assert(r == -ENOBUFS); /* deeper than a writer goes */
	}
	buf_deinit(&out);
	buf_deinit(&again);
}

/* Any bytes are a string to the writer, and a valid one. */
static void check_writer(struct arena *arena, struct str bytes)
{
	struct buf out = buf_init(8 * INPUT_BYTES_MAX);
	struct json_writer w = json_writer_init(&out);
	const struct json *root;
	struct str value;

	json_begin_object(&w, NULL);
	json_put_str(&w, "s", bytes);
	json_end_object(&w);
	assert(json_writer_finish(&w) == 0);
	assert(str_is_utf8(buf_str(&out)));
	if (!bytes.len || !memchr(bytes.data, '\0', bytes.len)) { /* \u0000 is refused when read */
		assert(json_parse(arena, buf_str(&out), &json_limits_body, &root) == 0);
		assert(json_get_str(json_member(root, "s"), &value) == 0);
		assert(!str_is_utf8(bytes) || str_equal(value, bytes));
	}
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);
	const struct json *root = NULL;
	struct arena arena;
	size_t at = SIZE_MAX;
	int checked;

	if (size > INPUT_BYTES_MAX)
		return 0;
	arena_init(&arena, 65536, 16 * 1024 * 1024);
	checked = json_check(text, &json_limits_body, &at);
	assert(checked == 0 || checked == -ERR_MALFORMED);
	assert(checked == 0 || at <= size);
	assert(json_parse(&arena, text, &json_limits_body, &root) == checked);
	if (checked == 0) {
		assert(str_is_utf8(text));
		(void)count_nodes(root);
		check_round_trip(&arena, root);
	}
	check_writer(&arena, text);
	arena_deinit(&arena);
	return 0;
}
