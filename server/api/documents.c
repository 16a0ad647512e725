/*
 * Serving what was made at the start: see documents.h. What /openapi.json says is openapi.c's
 * business; the page is docs/, which asks for it.
 */
#include "api/documents.h"

#include <errno.h>
#include <stdio.h>

#include "api/routes.h"
#include "crypt/signing.h"
#include "shared/base64url.h"
#include "shared/macros.h"

static const char page[] = {
#include "page.inc"
};
static const char style[] = {
#include "style.inc"
};
static const char script[] = {
#include "script.inc"
};

/* Twelve bytes of a hash tell two versions of a document apart. */
#define ETAG_BYTES 12
#define DIGEST_BYTES BASE64URL_BYTES(SHA256_BYTES)

struct document {
	struct buf text;
	const char *type;
	char etag[BASE64URL_BYTES(ETAG_BYTES) + 3]; /* with quotes */
};

static struct document openapi = { .type = "application/json" };
static struct document docs = { .type = "text/html; charset=utf-8" };
static char policy[512]; /* Content-Security-Policy of the page */

/* --- making --- */

static void etag_make(struct document *document)
{
	unsigned char digest[SHA256_BYTES];
	char *end = document->etag;

	sha256(buf_str(&document->text), digest);
	*end++ = '"';
	end += base64url_encode(digest, ETAG_BYTES, end);
	*end++ = '"';
	*end = '\0';
}

/* Of a style or a script in the page, as CSP wants it. */
static struct str hash_text(struct str source, char text[static DIGEST_BYTES])
{
	unsigned char digest[SHA256_BYTES];

	sha256(source, digest);
	return str_of(text, base64url_encode(digest, sizeof(digest), text));
}

/* Nothing runs, and nothing styles, but what was built in; and it talks to nobody but us. */
static void policy_make(void)
{
	char style_hash[DIGEST_BYTES], script_hash[DIGEST_BYTES];
	struct str styled = hash_text(str_of(style, sizeof(style)), style_hash);
	struct str scripted = hash_text(str_of(script, sizeof(script)), script_hash);

	(void)snprintf(policy, sizeof(policy),
		"default-src 'none'; style-src 'sha256-" STR_FORMAT
		"='; script-src 'sha256-" STR_FORMAT
		"='; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		STR_ARGS(styled), STR_ARGS(scripted));
}

/* The page has a place for each. */
static int page_make(struct buf *out)
{
	const struct {
		struct str mark, text;
	} parts[] = {
		{ STR("@STYLE@"), str_of(style, sizeof(style)) },
		{ STR("@SCRIPT@"), str_of(script, sizeof(script)) },
	};
	struct str rest = str_of(page, sizeof(page));

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *at = memmem(rest.data, rest.len, parts[i].mark.data, parts[i].mark.len);
		size_t before = at ? (size_t)(at - rest.data) : 0;
		int r = at ? buf_append(out, str_of(rest.data, before)) : -EINVAL;

		if (r == 0)
			r = buf_append(out, parts[i].text);
		if (r < 0)
			return r;
		rest = str_skip(rest, before + parts[i].mark.len);
	}
	return buf_append(out, rest);
}

int documents_make(const struct openapi_options *options, bool has_page)
{
	int r;

	openapi.text = buf_init(OPENAPI_BYTES_MAX);
	r = openapi_write(options, &openapi.text);
	if (r < 0)
		return r;
	etag_make(&openapi);
	if (!has_page)
		return 0;
	docs.text = buf_init(sizeof(page) + sizeof(style) + sizeof(script));
	r = page_make(&docs.text);
	if (r < 0)
		return r;
	etag_make(&docs);
	policy_make();
	return 0;
}

void documents_free(void)
{
	buf_deinit(&openapi.text);
	buf_deinit(&docs.text);
}

/* --- serving --- */

/* If-None-Match (RFC 9110 section 13.1.2) compares weakly: W/ does not count. */
static bool is_known(const struct request *request, struct str etag)
{
	struct str tags = request_header(request, STR("If-None-Match")), tag;

	while (str_split(&tags, ',', &tag)) {
		tag = str_trim(tag);
		if (str_equal(tag, STR("*")))
			return true;
		if (str_starts(tag, STR("W/")))
			tag = str_skip(tag, 2);
		if (str_equal(tag, etag))
			return true;
	}
	return false;
}

static int respond_document(
	const struct call *call, struct response *response, const struct document *document)
{
	struct str etag = str_cstr(document->etag);
	int r;

	/* Another version of authd may say something else: ask each time, and mostly get 304. */
	r = response_header(response, "Cache-Control", STR("public, no-cache"));
	if (r == 0)
		r = response_header(response, "ETag", etag);
	if (r < 0)
		return r;
	if (is_known(call->request, etag))
		return response_empty(response, 304);
	response_public(response);
	return response_body(response, 200, str_cstr(document->type), buf_str(&document->text));
}

int api_openapi(struct call *call, struct response *response)
{
	return respond_document(call, response, &openapi);
}

int api_docs(struct call *call, struct response *response)
{
	int r;

	if (!docs.text.len)
		return response_problem(response, PROBLEM_NOT_FOUND);
	r = response_header(response, "Content-Security-Policy", str_cstr(policy));
	return r < 0 ? r : respond_document(call, response, &docs);
}
