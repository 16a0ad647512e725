/* Compressing responses, through the real libraries and back. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "http/codings.h"
#include "http/compress.h"
#include "shared/macros.h"

#define THRESHOLD 1024

static struct arena arena;
static struct http_header request_headers[4];
static struct request request;
static struct response response;
static struct compressor *compressor;

static void begin(void)
{
	const struct compress_options options = {
		.is_on = true, .level = 6, .threshold_bytes = THRESHOLD
	};

	arena_init(&arena, 4096, 1 << 20);
	request = (struct request){ .headers = request_headers, .arena = &arena };
	response_init(&response, &request);
	assert_int_equal(compressor_new(&options, &compressor), 0);
}

static void end(void)
{
	response_deinit(&response);
	response = (struct response){};
	compressor_free(compressor);
	arena_deinit(&arena);
}

static void ask(const char *name, const char *value)
{
	request_headers[request.header_count++] =
		(struct http_header){ str_cstr(name), str_cstr(value) };
}

/* JSON of that many bytes, which compresses well; another seed is another document. */
static void say(size_t bytes, unsigned seed)
{
	struct buf *body = &response.body;
	char item[64];

	response.status = 200;
	buf_clear(body);
	assert_int_equal(buf_reserve(body, bytes), 0);
	while (body->len < bytes) {
		int n = snprintf(item, sizeof(item), "{\"kty\":\"EC\",\"n\":%u},", seed++);
		size_t part = MIN((size_t)n, bytes - body->len);

		memcpy(body->data + body->len, item, part);
		body->len += part;
	}
}

static void say_public(size_t bytes, unsigned seed)
{
	say(bytes, seed);
	response_public(&response);
}

static struct str field(const char *name)
{
	for (unsigned i = 0; i < response.header_count; i++)
		if (str_equal_nocase(response.headers[i].name, str_cstr(name)))
			return response.headers[i].value;
	return (struct str){};
}

static void finish(void)
{
	compress_response(compressor, &response);
}

static void assert_field(const char *name, const char *value)
{
	struct str is = field(name);

	if (!str_equal(is, str_cstr(value)))
		fail_msg("%s is \"" STR_FORMAT "\"", name, STR_ARGS(is));
}

static void assert_plain(size_t bytes)
{
	assert_null(field("Content-Encoding").data);
	assert_int_equal(response.body.len, bytes);
}

static size_t gunzip(struct str coded, char *plain, size_t room)
{
	z_stream stream = { .next_in = (unsigned char *)coded.data,
		.avail_in = (unsigned)coded.len,
		.next_out = (unsigned char *)plain,
		.avail_out = (unsigned)room };

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	assert_int_equal(inflateEnd(&stream), Z_OK);
	return room - stream.avail_out;
}

static size_t decode(struct str coding, struct str coded, char *plain, size_t room)
{
	if (str_equal(coding, STR("gzip")))
		return gunzip(coded, plain, room);
	return ZSTD_decompress(plain, room, coded.data, coded.len);
}

TEST(what_is_compressed_is_the_same_afterwards)
{
	static const char *const codings[] = { "gzip", "zstd" };
	static const size_t sizes[] = { THRESHOLD, 5000, COMPRESS_KEPT_BYTES_MAX,
		COMPRESS_KEPT_BYTES_MAX + 1, RESPONSE_BODY_BYTES_MAX };
	static char before[RESPONSE_BODY_BYTES_MAX], after[RESPONSE_BODY_BYTES_MAX];

	begin();
	for (unsigned i = 0; i < ARRAY_SIZE(codings); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(sizes) * 2; j++) {
			size_t bytes = sizes[j / 2]; /* each twice: coded, and kept */

			response_reset(&response);
			request.header_count = 0;
			ask("Accept-Encoding", codings[i]);
			say_public(bytes, 1);
			memcpy(before, response.body.data, bytes);
			finish();
			assert_field("Content-Encoding", codings[i]);
			assert_field("Vary", "Accept-Encoding");
			assert_true(response.body.len < bytes / 2);
			assert_int_equal(decode(field("Content-Encoding"), buf_str(&response.body),
						 after, sizeof(after)),
				bytes);
			assert_memory_equal(before, after, bytes);
		}
	assert_int_equal(compress_stats(compressor)->responses, 20);
	assert_int_equal(compress_stats(compressor)->reused, 6);
	end();
}

TEST(nothing_is_compressed_that_was_not_said_to_be_public)
{
	begin();
	ask("Accept-Encoding", "gzip");
	say(THRESHOLD, 1);
	finish();
	assert_plain(THRESHOLD);
	assert_null(field("Vary").data);
	end();
}

TEST(what_is_not_to_be_stored_or_sets_a_cookie_is_never_public)
{
	static const struct {
		const char *name, *value;
	} rows[] = { { "Cache-Control", "no-store" }, { "cache-control", "max-age=1, NO-STORE" },
		{ "Cache-Control", "private" }, { "Cache-Control", "public,no-transform" },
		{ "Set-Cookie", "a=b" }, { "Content-Encoding", "br" } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		begin();
		ask("Accept-Encoding", "gzip");
		say_public(THRESHOLD, 1);
		assert_int_equal(
			response_header(&response, rows[i].name, str_cstr(rows[i].value)), 0);
		finish();
		assert_int_equal(response.body.len, THRESHOLD);
		assert_null(field("Vary").data);
		end();
	}
}

TEST(a_problem_takes_the_publicity_back)
{
	begin();
	ask("Accept-Encoding", "gzip");
	say_public(THRESHOLD, 1);
	response_problem(&response, PROBLEM_NOT_FOUND);
	assert_false(response.is_public);
	say_public(THRESHOLD, 1);
	response_reset(&response);
	assert_false(response.is_public);
	end();
}

TEST(only_whole_answers_from_the_threshold_on_are_compressed)
{
	begin();
	ask("Accept-Encoding", "gzip");
	say_public(THRESHOLD - 1, 1);
	finish();
	assert_plain(THRESHOLD - 1);
	assert_null(field("Vary").data);
	say_public(THRESHOLD, 1);
	response.status = 404;
	finish();
	assert_plain(THRESHOLD);
	say_public(THRESHOLD, 1);
	finish();
	assert_field("Content-Encoding", "gzip");
	end();
}

TEST(only_text_is_compressed)
{
	static const struct {
		const char *type;
		bool is_text;
	} rows[] = { { "application/json", true }, { "application/json; charset=utf-8", true },
		{ "application/jwk-set+json", true }, { "text/html;charset=utf-8", true },
		{ "application/openmetrics-text; version=1.0.0", true }, { "image/png", false },
		{ "application/octet-stream", false }, { "application/zip", false },
		{ "+json", false }, { "", false } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		begin();
		ask("Accept-Encoding", "zstd");
		say_public(THRESHOLD, 1);
		response.content_type = str_cstr(rows[i].type);
		finish();
		assert_int_equal(response.body.len < THRESHOLD, rows[i].is_text);
		end();
	}
}

TEST(a_client_may_decline)
{
	begin();
	ask("Accept-Encoding", "gzip");
	ask("X-No-Compression", "1");
	say_public(THRESHOLD, 1);
	finish();
	assert_plain(THRESHOLD);
	assert_field("Vary", "Accept-Encoding");
	end();
}

TEST(who_accepts_no_coding_is_told_that_others_get_another)
{
	begin();
	say_public(THRESHOLD, 1);
	finish();
	assert_plain(THRESHOLD);
	assert_field("Vary", "Accept-Encoding");
	end();
}

TEST(an_operator_may_switch_it_off)
{
	struct compressor *off;

	begin();
	assert_int_equal(compressor_new(&(struct compress_options){ .level = 6 }, &off), 0);
	ask("Accept-Encoding", "gzip");
	say_public(THRESHOLD, 1);
	compress_response(off, &response);
	assert_plain(THRESHOLD);
	assert_null(field("Vary").data);
	compressor_free(off);
	end();
}

TEST(head_has_the_fields_of_get)
{
	size_t bytes;

	begin();
	ask("Accept-Encoding", "gzip");
	say_public(THRESHOLD, 1);
	finish();
	bytes = response.body.len;
	response_reset(&response);
	request.method = METHOD_HEAD;
	say_public(THRESHOLD, 1);
	finish();
	assert_field("Content-Encoding", "gzip");
	assert_int_equal(response.body.len, bytes);
	end();
}

TEST(a_strong_etag_becomes_weak_where_the_bytes_are_others)
{
	begin();
	say_public(THRESHOLD, 1);
	assert_int_equal(response_header(&response, "ETag", STR("\"v1\"")), 0);
	finish();
	assert_field("ETag", "\"v1\"");
	ask("Accept-Encoding", "gzip");
	response_reset(&response);
	say_public(THRESHOLD, 1);
	assert_int_equal(response_header(&response, "ETag", STR("\"v1\"")), 0);
	finish();
	assert_field("ETag", "W/\"v1\"");
	response_reset(&response);
	say_public(THRESHOLD, 1);
	assert_int_equal(response_header(&response, "ETag", STR("W/\"v1\"")), 0);
	finish();
	assert_field("ETag", "W/\"v1\"");
	end();
}

TEST(what_would_not_be_smaller_goes_as_it_is)
{
	unsigned noise = 1;

	begin();
	ask("Accept-Encoding", "gzip");
	say_public(THRESHOLD, 1);
	for (size_t i = 0; i < THRESHOLD; i++) {
		noise = noise * 1103515245 + 12345;
		response.body.data[i] = (char)(noise >> 24);
	}
	finish();
	assert_plain(THRESHOLD);
	assert_field("Vary", "Accept-Encoding");
	response.header_count = 0;
	finish(); /* known by now */
	assert_plain(THRESHOLD);
	assert_int_equal(compress_stats(compressor)->reused, 1);
	assert_int_equal(compress_stats(compressor)->responses, 0);
	end();
}

TEST(a_document_that_changes_is_coded_anew_and_old_ones_make_room)
{
	static char before[4000], after[4000];

	begin();
	ask("Accept-Encoding", "gzip");
	for (unsigned round = 0; round < 2; round++)
		for (unsigned seed = 0; seed < COMPRESS_KEPT_MAX * 2; seed++) {
			response_reset(&response);
			say_public(sizeof(before), seed * 1000);
			memcpy(before, response.body.data, sizeof(before));
			finish();
			assert_int_equal(gunzip(buf_str(&response.body), after, sizeof(after)),
				sizeof(before));
			assert_memory_equal(before, after, sizeof(before));
		}
	assert_int_equal(compress_stats(compressor)->reused, 0);
	end();
}

TEST(the_contexts_stay_within_what_is_said)
{
	_cleanup_(codings_deinit) struct codings codings = { .level = CODINGS_LEVEL_MAX };
	_cleanup_(buf_deinit) struct buf out = buf_init(RESPONSE_BODY_BYTES_MAX);

	begin();
	assert_int_equal(codings_bytes(&codings), 0);
	say_public(RESPONSE_BODY_BYTES_MAX, 1);
	for (unsigned i = 0; i < 3; i++) {
		buf_clear(&out);
		assert_int_equal(
			codings_encode(&codings, CODING_ZSTD, buf_str(&response.body), &out), 1);
		buf_clear(&out);
		assert_int_equal(
			codings_encode(&codings, CODING_GZIP, buf_str(&response.body), &out), 1);
	}
	assert_true(codings_bytes(&codings) <= CODINGS_BYTES_MAX);
	end();
}
