/* Compressing public documents: see compress.h. */
#include "http/compress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/codings.h"

/* A document and what it became: nothing, when that would not have been smaller. */
struct kept {
	enum coding coding;
	struct buf plain, coded;
};

struct compressor {
	struct compress_options options;
	struct codings codings;
	struct kept kept[COMPRESS_KEPT_MAX];
	unsigned next; /* the one to be replaced next */
	struct compress_stats stats;
};

int compressor_new(const struct compress_options *options, struct compressor **ret_compressor)
{
	struct compressor *compressor = calloc(1, sizeof(*compressor));

	if (!compressor)
		return -ENOMEM;
	compressor->options = *options;
	compressor->codings.level = options->level;
	for (unsigned i = 0; i < COMPRESS_KEPT_MAX; i++)
		compressor->kept[i] = (struct kept){ .plain = buf_init(COMPRESS_KEPT_BYTES_MAX),
			.coded = buf_init(COMPRESS_KEPT_BYTES_MAX) };
	*ret_compressor = compressor;
	return 0;
}

void compressor_free(struct compressor *compressor)
{
	if (!compressor)
		return;
	for (unsigned i = 0; i < COMPRESS_KEPT_MAX; i++) {
		buf_deinit(&compressor->kept[i].plain);
		buf_deinit(&compressor->kept[i].coded);
	}
	codings_deinit(&compressor->codings);
	free(compressor);
}

const struct compress_stats *compress_stats(const struct compressor *compressor)
{
	return &compressor->stats;
}

/* --- whether --- */

/* Text, in short. What is compressed already only grows. */
static bool is_text(struct str type)
{
	static const struct str exact[] = { STR("application/json"), STR("application/yaml"),
		STR("application/javascript"), STR("application/openmetrics-text") };
	static const struct str endings[] = { STR("+json"), STR("+xml"), STR("+yaml") };
	struct str rest = type, media;

	if (!str_split(&rest, ';', &media))
		return false;
	media = str_trim(media);
	if (str_starts(media, STR("text/")))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
		if (str_equal_nocase(media, exact[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (media.len > endings[i].len &&
			str_equal_nocase(str_skip(media, media.len - endings[i].len), endings[i]))
			return true;
	return false;
}

/* Does a comma-separated field have this word? */
static bool list_has(struct str value, struct str word)
{
	struct str member;

	while (str_split(&value, ',', &member))
		if (str_equal_nocase(str_trim(member), word))
			return true;
	return false;
}

/* A handler's response_public() must not stand against what its own fields say. */
static bool is_withdrawn(const struct response *response)
{
	for (unsigned i = 0; i < response->header_count; i++) {
		struct str name = response->headers[i].name, value = response->headers[i].value;

		if (str_equal_nocase(name, STR("Cache-Control")) &&
			(list_has(value, STR("no-store")) || list_has(value, STR("private")) ||
				list_has(value, STR("no-transform"))))
			return true;
		if (str_equal_nocase(name, STR("Set-Cookie")) ||
			str_equal_nocase(name, STR("Content-Encoding")))
			return true;
	}
	return false;
}

static bool is_eligible(const struct compressor *compressor, const struct response *response)
{
	return compressor->options.is_on && response->is_public && response->status == 200 &&
	       response->body.len >= MAX(compressor->options.threshold_bytes, 1) &&
	       response->header_count + 2 <= RESPONSE_HEADERS_MAX &&
	       is_text(response->content_type) && !is_withdrawn(response);
}

static enum coding coding_wanted(const struct request *request)
{
	struct accept_codings accept;

	if (request_header(request, STR("X-No-Compression")).data)
		return CODING_IDENTITY;
	accept_init(&accept);
	for (unsigned i = 0; i < request->header_count; i++)
		if (str_equal_nocase(request->headers[i].name, STR("Accept-Encoding")))
			accept_add(&accept, request->headers[i].value);
	return accept_choose(&accept);
}

/* --- doing it --- */

static const struct kept *kept_find(
	const struct compressor *compressor, enum coding coding, struct str plain)
{
	for (unsigned i = 0; i < COMPRESS_KEPT_MAX; i++) {
		const struct kept *kept = &compressor->kept[i];

		if (kept->coding == coding && str_equal(buf_str(&kept->plain), plain))
			return kept;
	}
	return NULL;
}

/* Codes anew, in the place of the oldest: NULL when that fails. */
static const struct kept *kept_make(
	struct compressor *compressor, enum coding coding, struct str plain)
{
	struct kept *kept = &compressor->kept[compressor->next];

	kept->coding = CODING_IDENTITY; /* nobody's until it is whole */
	buf_clear(&kept->plain);
	buf_clear(&kept->coded);
	if (codings_encode(&compressor->codings, coding, plain, &kept->coded) < 0 ||
		buf_append(&kept->plain, plain) < 0)
		return NULL;
	kept->coding = coding;
	compressor->next = (compressor->next + 1) % COMPRESS_KEPT_MAX;
	return kept;
}

/* Replaces the body, which is larger. */
static void body_replace(struct compressor *compressor, struct buf *body, struct str coded)
{
	struct compress_stats *stats = &compressor->stats;

	atomic_fetch_add_explicit(&stats->responses, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&stats->bytes_before, body->len, memory_order_relaxed);
	atomic_fetch_add_explicit(&stats->bytes_after, coded.len, memory_order_relaxed);
	memcpy(body->data, coded.data, coded.len);
	body->len = coded.len;
}

static bool body_encode(struct compressor *compressor, enum coding coding, struct buf *body)
{
	struct str plain = buf_str(body);
	struct buf coded = buf_init(RESPONSE_BODY_BYTES_MAX);
	const struct kept *kept;
	int r;

	if (plain.len > COMPRESS_KEPT_BYTES_MAX) {
		r = codings_encode(&compressor->codings, coding, plain, &coded);
		if (r > 0)
			body_replace(compressor, body, buf_str(&coded));
		buf_deinit(&coded);
		return r > 0;
	}
	kept = kept_find(compressor, coding, plain);
	if (kept)
		atomic_fetch_add_explicit(&compressor->stats.reused, 1, memory_order_relaxed);
	else
		kept = kept_make(compressor, coding, plain);
	if (!kept || !kept->coded.len)
		return false;
	body_replace(compressor, body, buf_str(&kept->coded));
	return true;
}

/*
 * A strong ETag promises the same bytes, and these are others now. As a weak one it still serves
 * If-None-Match, which compares weakly (RFC 9110 section 13.1.2).
 */
static void etag_weaken(struct response *response)
{
	for (unsigned i = 0; i < response->header_count; i++) {
		struct http_header *header = &response->headers[i];
		struct str weak;

		if (!str_equal_nocase(header->name, STR("ETag")) ||
			str_starts(header->value, STR("W/")))
			continue;
		weak = arena_printf(
			response->request->arena, "W/" STR_FORMAT, STR_ARGS(header->value));
		if (weak.data)
			header->value = weak;
		else
			*header = response->headers[--response->header_count];
		return;
	}
}

/* The names and values are static: they need no copies, so that nothing can fail from here on. */
static void field_add(struct response *response, struct str name, struct str value)
{
	response->headers[response->header_count++] = (struct http_header){ name, value };
}

void compress_response(struct compressor *compressor, struct response *response)
{
	enum coding coding;

	if (!is_eligible(compressor, response))
		return;
	/* Also where it stays as it is: a cache must know that another client gets another. */
	field_add(response, STR("Vary"), STR("Accept-Encoding"));
	coding = coding_wanted(response->request);
	if (coding == CODING_IDENTITY || !body_encode(compressor, coding, &response->body))
		return;
	field_add(response, STR("Content-Encoding"), coding_name(coding));
	etag_weaken(response);
}
