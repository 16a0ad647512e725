/*
 * Reading JSON: checked first (json_check.c), then cJSON builds its tree in the caller's arena. The
 * only file that includes cJSON; a struct json is one of its nodes.
 */
#include "shared/json.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>

#include <cjson/cJSON.h>

#include "shared/err.h"
#include "shared/macros.h"

/* cJSON's hooks are for the process; the arena in use is for the thread. */
static _Thread_local struct arena *parsing;
static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;

static void *hook_alloc(size_t bytes)
{
	assert(parsing);
	return arena_alloc(parsing, bytes);
}

static void hook_free(void *memory)
{
	(void)memory; /* goes with the arena */
}

static void hooks_install(void)
{
	cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = hook_alloc, .free_fn = hook_free });
}

static const cJSON *node_of(const struct json *node)
{
	return (const cJSON *)node;
}

int json_parse(struct arena *arena, struct str text, const struct json_limits *limits,
	const struct json **ret_root)
{
	cJSON *root;
	int r = json_check(text, limits, NULL);

	if (r < 0)
		return r;
	pthread_once(&hooks_once, hooks_install);
	parsing = arena;
	root = cJSON_ParseWithLength(text.data, text.len);
	parsing = NULL;
	if (!root)
		return -ENOMEM; /* its grammar was checked */
	*ret_root = (const struct json *)root;
	return 0;
}

const struct json *json_member(const struct json *node, const char *key)
{
	if (!cJSON_IsObject(node_of(node)))
		return NULL;
	return (const struct json *)cJSON_GetObjectItemCaseSensitive(node_of(node), key);
}

static bool is_missing(const struct json *node)
{
	return !node || cJSON_IsNull(node_of(node));
}

int json_get_str(const struct json *node, struct str *ret_value)
{
	if (is_missing(node))
		return -ENOENT;
	if (!cJSON_IsString(node_of(node)))
		return -EINVAL;
	*ret_value = str_cstr(node_of(node)->valuestring); /* U+0000 was refused */
	return 0;
}

int json_get_i64(const struct json *node, int64_t *ret_value)
{
	const double exact = 9007199254740991.0; /* 2^53-1: what is read as 2^53 may be 2^53+1 */
	double value;

	if (is_missing(node))
		return -ENOENT;
	if (!cJSON_IsNumber(node_of(node)))
		return -EINVAL;
	value = node_of(node)->valuedouble;
	if (!(value >= -exact && value <= exact) || value != floor(value))
		return -EINVAL;
	*ret_value = (int64_t)value;
	return 0;
}

int json_get_double(const struct json *node, double *ret_value)
{
	if (is_missing(node))
		return -ENOENT;
	if (!cJSON_IsNumber(node_of(node)))
		return -EINVAL;
	*ret_value = node_of(node)->valuedouble;
	return 0;
}

int json_get_bool(const struct json *node, bool *ret_value)
{
	if (is_missing(node))
		return -ENOENT;
	if (!cJSON_IsBool(node_of(node)))
		return -EINVAL;
	*ret_value = cJSON_IsTrue(node_of(node));
	return 0;
}

bool json_is_object(const struct json *node)
{
	return cJSON_IsObject(node_of(node));
}

bool json_is_array(const struct json *node)
{
	return cJSON_IsArray(node_of(node));
}

bool json_is_null(const struct json *node)
{
	struct str text;

	return json_get_str(node, &text) == -ENOENT;
}

const struct json *json_first(const struct json *node)
{
	return node ? (const struct json *)node_of(node)->child : NULL;
}

const struct json *json_next(const struct json *node)
{
	return node ? (const struct json *)node_of(node)->next : NULL;
}

struct str json_key(const struct json *node)
{
	return node ? str_cstr(node_of(node)->string) : (struct str){};
}

/* --- printing a tree --- */

static void put_leaf(struct json_writer *w, const char *key, const cJSON *node)
{
	double value = node->valuedouble;

	if (cJSON_IsString(node))
		json_put_str(w, key, str_cstr(node->valuestring));
	else if (cJSON_IsBool(node))
		json_put_bool(w, key, cJSON_IsTrue(node));
	else if (!cJSON_IsNumber(node))
		json_put_null(w, key);
	else if (value == floor(value) && fabs(value) <= 9007199254740992.0)
		json_put_i64(w, key, (int64_t)value);
	else
		json_put_double(w, key, value);
}

/* Walks without recursion: the way back up is kept, its depth is the writer's. */
int json_print(const struct json *root, struct buf *out)
{
	const cJSON *up[JSON_WRITER_DEPTH_MAX + 1], *node = node_of(root);
	struct json_writer w = json_writer_init(out);
	unsigned depth = 0;

	while (node) {
		const char *key = depth ? node->string : NULL;

		if (cJSON_IsObject(node) || cJSON_IsArray(node)) {
			if (depth == JSON_WRITER_DEPTH_MAX)
				return -ENOBUFS;
			if (cJSON_IsObject(node))
				json_begin_object(&w, key);
			else
				json_begin_array(&w, key);
			up[depth++] = node;
			node = node->child;
		} else {
			put_leaf(&w, key, node);
			node = depth ? node->next : NULL;
		}
		while (!node && depth > 0) {
			const cJSON *parent = up[--depth];

			if (cJSON_IsObject(parent))
				json_end_object(&w);
			else
				json_end_array(&w);
			node = depth ? parent->next : NULL;
		}
	}
	return json_writer_finish(&w);
}
