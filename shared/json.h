/*
 * JSON in and out. Reading: strict RFC 8259 first (see json_check), then cJSON builds the tree in
 * the caller's arena. Writing: a small appender to a buf that always makes valid UTF-8 JSON. cJSON
 * is included in json.c only; a `struct json` is one of its nodes and lives as long as the arena.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/str.h"

struct json;

/* What a text may be at most; larger is refused as malformed, never cut. */
struct json_limits {
	unsigned depth_max; /* nested arrays and objects */
	unsigned keys_max;  /* members of all objects together */
};

/* API.md: request bodies; AUTHCTL.md 2.2 (h): frames. */
extern const struct json_limits json_limits_body;  /* depth 32, 1000 keys */
extern const struct json_limits json_limits_frame; /* depth 8, 64 keys */

/*
 * Is text exactly one RFC 8259 value: valid UTF-8, no byte order mark, no control characters in
 * strings, no lone surrogate escapes, no \u0000, strict numbers, no duplicate keys (after
 * unescaping), nothing behind the value but white space? No number of more than 63 characters.
 * Does not recurse. 0, -ERR_MALFORMED,
 * -ENOMEM. When it fails *ret_offset (may be NULL) is the byte where.
 */
int json_check(struct str text, const struct json_limits *limits, size_t *ret_offset);

/* Checks as above, then parses into arena. 0, -ERR_MALFORMED, -ENOMEM. */
int json_parse(struct arena *arena, struct str text, const struct json_limits *limits,
	const struct json **ret_root);

/*
 * Reading a tree. The node may be NULL (a missing member), so that calls nest. json_member() gives
 * NULL when node is no object or has no such member. The others give 0, -ENOENT (NULL or JSON null)
 * or -EINVAL (another type, a number that is no integer or does not fit).
 */
const struct json *json_member(const struct json *node, const char *key);
int json_get_str(const struct json *node, struct str *ret_value);
int json_get_i64(const struct json *node, int64_t *ret_value); /* up to 2^53-1 either way */
int json_get_double(const struct json *node, double *ret_value);
int json_get_bool(const struct json *node, bool *ret_value);
bool json_is_object(const struct json *node);
bool json_is_array(const struct json *node);
bool json_is_null(const struct json *node); /* also when there is none */

/* Iteration over the items of an array or members of an object: first child, next sibling, own key.
 */
const struct json *json_first(const struct json *node);
const struct json *json_next(const struct json *node);
struct str json_key(const struct json *node);

/* The JSON text of a node, appended; without its own key. 0, -ENOBUFS (the buffer is full, or it is
 * nested deeper than a writer), -ENOMEM. */
int json_print(const struct json *node, struct buf *out);

/*
 * Writing. The writer puts commas and quotes; errors stick (the first is kept in .error and what
 * follows does nothing), so a caller checks once at the end with json_writer_finish().
 *   json_begin_object(&w, NULL); json_put_str(&w, "email", email); json_end_object(&w);
 * key is NULL inside arrays and for the root.
 */
#define JSON_WRITER_DEPTH_MAX 16

struct json_writer {
	struct buf *out;
	int error;
	unsigned depth;
	bool has_item[JSON_WRITER_DEPTH_MAX + 1];
};

struct json_writer json_writer_init(struct buf *out);
void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
/* Invalid UTF-8 in value is written as U+FFFD: output is always valid. */
void json_put_str(struct json_writer *w, const char *key, struct str value);
void json_put_i64(struct json_writer *w, const char *key, int64_t value);
void json_put_u64(struct json_writer *w, const char *key, uint64_t value);
/* Shortest text that reads back equal; not-a-number and infinities are written as null. */
void json_put_double(struct json_writer *w, const char *key, double value);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_null(struct json_writer *w, const char *key);
/* Text that is JSON already. */
void json_put_raw(struct json_writer *w, const char *key, struct str json);

/* 0 when everything was written and every begin has its end; else the first error. */
_must_check_ int json_writer_finish(struct json_writer *w);
