/*
 * Is this exactly one RFC 8259 value? A pushdown automaton over the bytes with a stack of named
 * depth; it builds nothing. Member names are compared by a keyed hash of their unescaped form, so
 * a duplicate is found in constant time and a sender cannot make names collide.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "shared/err.h"
#include "shared/json.h"
#include "shared/macros.h"
#include "shared/random.h"

const struct json_limits json_limits_body = { .depth_max = 32, .keys_max = 1000 };
const struct json_limits json_limits_frame = { .depth_max = 8, .keys_max = 64 };

#define DEPTH_MAX 64  /* above every limit in use */
#define KEYS_MAX 1024 /* likewise; a power of two */
#define SLOTS (2 * KEYS_MAX)

/* Names seen so far: a hash of object number and name. 64 random bits of key make accidents with
 * 1000 names as likely as 2^-44; refusing such a text would be the only harm. */
struct names {
	uint64_t slots[SLOTS];
	uint64_t seed;
	unsigned count;
};

struct checker {
	const struct json_limits *limits;
	const char *at, *end;
	unsigned depth;
	bool is_object[DEPTH_MAX + 1];
	uint32_t object[DEPTH_MAX + 1]; /* number of the object on each level */
	uint32_t objects;
	struct names *names;
};

static bool take(struct checker *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static void skip_space(struct checker *c)
{
	while (c->at < c->end &&
		(*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
		c->at++;
}

static uint64_t hash_byte(uint64_t hash, unsigned char byte)
{
	hash = (hash ^ byte) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* Four hexadecimal digits: the code unit, or negative. */
static int code_unit(struct checker *c)
{
	int unit = 0;

	if (c->end - c->at < 4)
		return -ERR_MALFORMED;
	for (int i = 0; i < 4; i++) {
		char digit = ascii_lower(*c->at++);

		if (digit >= '0' && digit <= '9')
			unit = unit * 16 + digit - '0';
		else if (digit >= 'a' && digit <= 'f')
			unit = unit * 16 + digit - 'a' + 10;
		else
			return -ERR_MALFORMED;
	}
	return unit;
}

/* Behind "\u": a code point; no lone surrogates and no NUL. */
static int escaped_point(struct checker *c)
{
	int unit = code_unit(c), low;

	if (unit <= 0)
		return -ERR_MALFORMED;
	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	if (unit > 0xdbff || !take(c, '\\') || !take(c, 'u'))
		return -ERR_MALFORMED;
	low = code_unit(c);
	if (low < 0xdc00 || low > 0xdfff)
		return -ERR_MALFORMED;
	return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static uint64_t hash_point(uint64_t hash, unsigned point)
{
	if (point < 0x80)
		return hash_byte(hash, (unsigned char)point);
	if (point < 0x800)
		hash = hash_byte(hash, (unsigned char)(0xc0 | point >> 6));
	else if (point < 0x10000)
		hash = hash_byte(hash, (unsigned char)(0xe0 | point >> 12));
	else
		hash = hash_byte(hash, (unsigned char)(0xf0 | point >> 18));
	if (point >= 0x10000)
		hash = hash_byte(hash, (unsigned char)(0x80 | (point >> 12 & 63)));
	if (point >= 0x800)
		hash = hash_byte(hash, (unsigned char)(0x80 | (point >> 6 & 63)));
	return hash_byte(hash, (unsigned char)(0x80 | (point & 63)));
}

static int check_escape(struct checker *c, uint64_t *hash)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *known;
	int point;

	if (c->at == c->end)
		return -ERR_MALFORMED;
	if (take(c, 'u')) {
		point = escaped_point(c);
		if (point < 0)
			return point;
		*hash = hash_point(*hash, (unsigned)point);
		return 0;
	}
	known = *c->at ? strchr(from, *c->at) : NULL;
	if (!known)
		return -ERR_MALFORMED;
	*hash = hash_byte(*hash, (unsigned char)to[known - from]);
	c->at++;
	return 0;
}

/* From behind the opening quote to behind the closing one. UTF-8 was checked before. */
static int check_string(struct checker *c, uint64_t *hash)
{
	int r;

	while (c->at < c->end) {
		unsigned char byte = (unsigned char)*c->at++;

		if (byte == '"')
			return 0;
		if (byte < ' ')
			break;
		if (byte != '\\') {
			*hash = hash_byte(*hash, byte);
			continue;
		}
		r = check_escape(c, hash);
		if (r < 0)
			return r;
	}
	return -ERR_MALFORMED;
}

static bool take_digits(struct checker *c)
{
	const char *from = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return c->at > from;
}

/* cJSON copies a number into 64 bytes, its terminator included; RFC 8259 section 9 allows a limit.
 */
#define NUMBER_BYTES_MAX 63

static int check_number(struct checker *c)
{
	const char *from = c->at;

	(void)take(c, '-');
	if (!take(c, '0') && !take_digits(c))
		return -ERR_MALFORMED;
	if (take(c, '.') && !take_digits(c))
		return -ERR_MALFORMED;
	if (take(c, 'e') || take(c, 'E')) {
		if (!take(c, '+'))
			(void)take(c, '-');
		if (!take_digits(c))
			return -ERR_MALFORMED;
	}
	return c->at - from <= NUMBER_BYTES_MAX ? 0 : -ERR_MALFORMED;
}

static int check_word(struct checker *c, struct str word)
{
	if (!str_starts(str_of(c->at, (size_t)(c->end - c->at)), word))
		return -ERR_MALFORMED;
	c->at += word.len;
	return 0;
}

static int name_add(struct checker *c, uint64_t hash)
{
	struct names *names = c->names;
	size_t slot;

	if (names->count == c->limits->keys_max)
		return -ERR_MALFORMED;
	if (hash == 0)
		hash = 1; /* 0 is an empty slot */
	for (slot = hash % SLOTS; names->slots[slot]; slot = (slot + 1) % SLOTS)
		if (names->slots[slot] == hash)
			return -ERR_MALFORMED;
	names->slots[slot] = hash;
	names->count++;
	return 0;
}

/* A member's name and its colon. */
static int check_name(struct checker *c)
{
	uint64_t hash = c->names->seed ^ c->object[c->depth] * UINT64_C(0xd6e8feb86659fd93);
	int r;

	skip_space(c);
	if (!take(c, '"'))
		return -ERR_MALFORMED;
	r = check_string(c, &hash);
	if (r == 0)
		r = name_add(c, hash);
	skip_space(c);
	return r < 0 ? r : take(c, ':') ? 0 : -ERR_MALFORMED;
}

/* Enters an array or object. 1: it is not empty, a value comes next; 0: it was empty. */
static int enter(struct checker *c, bool is_object)
{
	int r;

	if (c->depth == c->limits->depth_max)
		return -ERR_MALFORMED;
	skip_space(c);
	if (take(c, is_object ? '}' : ']'))
		return 0;
	c->depth++;
	c->is_object[c->depth] = is_object;
	c->object[c->depth] = ++c->objects;
	r = is_object ? check_name(c) : 0;
	return r < 0 ? r : 1;
}

/* The start of a value: 1 when another value follows inside it, 0 when it is complete. */
static int check_value(struct checker *c)
{
	uint64_t unused = 0;

	skip_space(c);
	if (c->at == c->end)
		return -ERR_MALFORMED;
	switch (*c->at) {
	case '{':
	case '[':
		c->at++;
		return enter(c, c->at[-1] == '{');
	case '"':
		c->at++;
		return check_string(c, &unused);
	case 't':
		return check_word(c, STR("true"));
	case 'f':
		return check_word(c, STR("false"));
	case 'n':
		return check_word(c, STR("null"));
	default:
		return check_number(c);
	}
}

/* Behind a value: closes what ends here. 1: another value follows; 0: the text is complete. */
static int check_behind(struct checker *c)
{
	while (c->depth > 0) {
		skip_space(c);
		if (take(c, ',')) {
			int r = c->is_object[c->depth] ? check_name(c) : 0;

			return r < 0 ? r : 1;
		}
		if (!take(c, c->is_object[c->depth] ? '}' : ']'))
			return -ERR_MALFORMED;
		c->depth--;
	}
	return 0;
}

static int check(struct checker *c)
{
	int r;

	do {
		r = check_value(c);
		if (r == 0)
			r = check_behind(c);
	} while (r == 1);
	skip_space(c);
	return r < 0 ? r : c->at == c->end ? 0 : -ERR_MALFORMED;
}

/* Each thread's table of names: 16 KiB, too much for a fiber's stack; freed with the thread. */
static pthread_key_t names_key;
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static void names_key_make(void)
{
	if (pthread_key_create(&names_key, free) != 0)
		abort(); /* more than 1024 keys: not in this program */
}

/* An empty table; NULL: no memory. */
static struct names *names_take(void)
{
	struct names *names;

	pthread_once(&names_once, names_key_make);
	names = pthread_getspecific(names_key);
	if (!names) {
		names = calloc(1, sizeof(*names));
		if (!names || pthread_setspecific(names_key, names) != 0) {
			free(names);
			return NULL;
		}
	}
	if (names->count || !names->seed) {
		*names = (struct names){};
		random_bytes(&names->seed, sizeof(names->seed));
	}
	return names;
}

int json_check(struct str text, const struct json_limits *limits, size_t *ret_offset)
{
	struct checker c = { .limits = limits, .at = text.data, .end = text.data + text.len };
	int r;

	assert(limits->depth_max <= DEPTH_MAX && limits->keys_max < KEYS_MAX);
	c.names = names_take();
	if (!c.names)
		return -ENOMEM;
	r = str_is_utf8(text) && text.len ? check(&c) : -ERR_MALFORMED;
	if (r < 0 && ret_offset)
		*ret_offset = (size_t)(c.at - text.data);
	return r;
}
