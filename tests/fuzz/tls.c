/*
 * Fuzzing what a client may send to a port with TLS: the handshake from nothing, a real client's
 * hello with some bytes changed, and, when the handshake is done, any text in records of any size,
 * of which one may be changed on its way. The first byte chooses. What is decrypted must be what
 * was said, and goes into the request parser.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "http/parser.h"
#include "shared/macros.h"
#include "support/certificates.h"
#include "tls/tls.h"
#include "tls/tls_settings.h"

#define INPUT_BYTES_MAX 4096
#define WIRE_BYTES_MAX (64 * 1024)
#define OUT_BYTES_MAX (256 * 1024)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static SSL_CTX *context;

static struct scene {
	SSL *client;
	BIO *to_client, *from_client;
	struct tls tls;
	struct buf out;
	_Atomic int64_t account;
	char wire[WIRE_BYTES_MAX];
	size_t len;
} s;

int LLVMFuzzerInitialize(_unused_ int *argc, _unused_ char ***argv)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(TLS_ERRORS_BYTES_MAX);
	char folder[] = "/tmp/authd-fuzz-XXXXXX", crt[64], key[64];
	struct tls_options options = { .certificates = 1,
		.keys = 1,
		.certificate_files[0] = crt,
		.key_files[0] = key,
		.ciphers = "",
		.ciphersuites = "",
		.client_ca_file = crt,
		.clients = TLS_CLIENTS_OPTIONAL,
		.has_tickets = true };

	if (!tls_account_init() || !mkdtemp(folder))
		abort();
	(void)snprintf(crt, sizeof(crt), "%s/a", folder);
	certificate_write(
		&(struct certificate_wish){ .path = crt, .common = "a", .names = "DNS:a" });
	(void)snprintf(crt, sizeof(crt), "%s/a.crt", folder);
	(void)snprintf(key, sizeof(key), "%s/a.key", folder);
	if (tls_settings_use(&options, &errors) < 0)
		abort();
	(void)unlink(crt);
	(void)unlink(key);
	(void)rmdir(folder);
	context = SSL_CTX_new(TLS_client_method());
	return context ? 0 : 1;
}

/* --- both sides --- */

static void scene_begin(bool is_1_2)
{
	s.client = SSL_new(context);
	s.to_client = BIO_new(BIO_s_mem());
	s.from_client = BIO_new(BIO_s_mem());
	if (!s.client || !s.to_client || !s.from_client)
		abort();
	BIO_set_mem_eof_return(s.to_client, -1);
	SSL_set_bio(s.client, s.to_client, s.from_client);
	SSL_set_connect_state(s.client);
	SSL_set_tlsext_host_name(s.client, "a");
	if (is_1_2)
		SSL_set_max_proto_version(s.client, TLS1_2_VERSION);
	s.out = buf_init(OUT_BYTES_MAX);
	if (tls_begin(&s.tls, &s.out, &s.account) < 0)
		abort();
}

static void scene_end(void)
{
	SSL_free(s.client);
	tls_finish(&s.tls);
	tls_end(&s.tls);
	buf_deinit(&s.out);
}

/* What the client has written. */
static struct str client_wire(void)
{
	int n = BIO_read(s.from_client, s.wire, sizeof(s.wire));

	return str_of(s.wire, n > 0 ? (size_t)n : 0);
}

static void client_hear(void)
{
	if (s.out.len && BIO_write(s.to_client, s.out.data, (int)s.out.len) != (int)s.out.len)
		abort();
	buf_clear(&s.out);
}

static void handshake_finish(void)
{
	int r = 0;

	for (unsigned i = 0; i < 4 && r == 0; i++) {
		(void)SSL_do_handshake(s.client);
		tls_feed(&s.tls, client_wire());
		r = tls_handshake(&s.tls);
		client_hear();
	}
	(void)SSL_do_handshake(s.client);
	assert(r == 1);
}

/* --- what is tried --- */

static void any_bytes(struct str input, size_t step)
{
	while (input.len && !s.tls.is_established) {
		struct str piece = str_of(input.data, MIN(step, input.len));

		tls_feed(&s.tls, piece);
		if (tls_handshake(&s.tls) < 0)
			return;
		input = str_skip(input, piece.len);
	}
}

/* Three bytes of the input change one of the hello. */
static void changed_hello(struct str input)
{
	struct str hello;

	(void)SSL_do_handshake(s.client);
	hello = client_wire();
	for (size_t i = 0; i + 2 < input.len; i += 3) {
		size_t at = (size_t)(unsigned char)input.data[i] << 8 |
			    (unsigned char)input.data[i + 1];

		s.wire[at % hello.len] = input.data[i + 2];
	}
	any_bytes(hello, hello.len);
}

static void parse(struct str plain)
{
	static struct http_header headers[HTTP_HEADERS_MAX];
	struct parser *parser = parser_new();
	enum parse_event event = PARSE_COMPLETE;
	struct request request;
	struct arena arena;
	size_t used;

	if (!parser)
		abort();
	arena_init(&arena, 8192, 1024 * 1024);
	while (plain.len && event != PARSE_PROBLEM) {
		if (event == PARSE_COMPLETE) {
			arena_reset(&arena);
			request = (struct request){
				.arena = &arena, .headers = headers, .body_bytes_max = 512
			};
			parser_start(parser, &request);
		}
		event = parser_feed(parser, plain, &used);
		assert(used <= plain.len);
		plain = str_skip(plain, used);
		if (!used && event == PARSE_MORE)
			break;
	}
	arena_deinit(&arena);
	parser_free(parser);
}

/* The input in records of `step` bytes; `flip` not 0: that byte of the wire is another one. */
static void any_text(struct str input, size_t step, size_t flip)
{
	static char plain[TLS_PLAIN_BYTES], all[INPUT_BYTES_MAX];
	size_t heard = 0;
	struct str wire;
	int n = 0;

	for (size_t at = 0; at < input.len; at += step)
		if (SSL_write(s.client, input.data + at, (int)MIN(step, input.len - at)) <= 0)
			abort();
	wire = client_wire();
	if (flip && wire.len)
		s.wire[flip % wire.len] ^= 1;
	while (wire.len && n >= 0) {
		struct str piece = str_of(wire.data, MIN(wire.len, step * 7));

		tls_feed(&s.tls, piece);
		while ((n = tls_read(&s.tls, plain, sizeof(plain))) > 0) {
			assert(heard + (size_t)n <= input.len);
			memcpy(all + heard, plain, (size_t)n);
			heard += (size_t)n;
		}
		s.tls.wire = (struct str){};
		wire = str_skip(wire, piece.len);
	}
	assert(flip || heard == input.len);
	assert(memcmp(all, input.data, heard) == 0); /* as far as it came, also then */
	parse(str_of(all, heard));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input;
	size_t step;

	if (size < 4 || size > INPUT_BYTES_MAX)
		return 0;
	input = str_of((const char *)data + 4, size - 4);
	step = (size_t)data[1] + 1;
	scene_begin(data[0] & 4);
	switch (data[0] & 3) {
	case 0:
		any_bytes(input, step);
		break;
	case 1:
		changed_hello(input);
		break;
	default:
		handshake_finish();
		any_text(input, MAX(step, 16), data[0] & 1 ? (size_t)data[2] << 8 | data[3] : 0);
		break;
	}
	scene_end();
	return 0;
}
