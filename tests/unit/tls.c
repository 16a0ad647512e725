/*
 * TLS without sockets: OpenSSL's client and our side hand each other bytes. What a client may get,
 * what it is refused, and that wrong files change nothing.
 */
#include "support/test.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "shared/clock.h"
#include "shared/macros.h"
#include "support/certificates.h"
#include "tls/tls.h"
#include "tls/tls_settings.h"
#include "tls/tls_tickets.h"

#define OUT_BYTES_MAX (256 * 1024)
/* What an idle session of OpenSSL 3.0 may hold of the heap; 10 000 of them are what we promise. */
#define IDLE_BYTES_MAX (16 * 1024)

static struct {
	char folder[64];
	SSL_CTX *context; /* the client's */
	SSL *client;
	BIO *to_client, *from_client;
	struct tls tls;
	struct buf out;
	_Atomic int64_t account;
	char text[TLS_PLAIN_BYTES];
} t;

/* --- the scene --- */

static const char *path(const char *name)
{
	static char paths[8][128];
	static unsigned next;
	char *text = paths[next++ % ARRAY_SIZE(paths)];

	(void)snprintf(text, sizeof(paths[0]), "%s/%s", t.folder, name);
	return text;
}

static struct tls_options options_of(const char *first, const char *second)
{
	struct tls_options options = { .certificates = 1,
		.keys = 1,
		.ciphers = "",
		.ciphersuites = "",
		.client_ca_file = "",
		.has_tickets = true };
	static char names[4][128];

	(void)snprintf(names[0], sizeof(names[0]), "%s/%s.crt", t.folder, first);
	(void)snprintf(names[1], sizeof(names[1]), "%s/%s.key", t.folder, first);
	options.certificate_files[0] = names[0];
	options.key_files[0] = names[1];
	if (!second)
		return options;
	(void)snprintf(names[2], sizeof(names[2]), "%s/%s.crt", t.folder, second);
	(void)snprintf(names[3], sizeof(names[3]), "%s/%s.key", t.folder, second);
	options.certificate_files[1] = names[2];
	options.key_files[1] = names[3];
	options.certificates = options.keys = 2;
	return options;
}

static void use(const struct tls_options *options)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(TLS_ERRORS_BYTES_MAX);

	if (tls_settings_use(options, &errors) < 0)
		fail_msg("%.*s", (int)errors.len, errors.data);
}

static void refuses(const struct tls_options *options, const char *why)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(TLS_ERRORS_BYTES_MAX);

	assert_int_equal(tls_settings_try(options, &errors), -EINVAL);
	assert_int_equal(buf_append_char(&errors, '\0'), 0);
	if (!strstr(errors.data, why))
		fail_msg("'%s' is not in '%s'", why, errors.data);
}

static void client_end(void)
{
	if (t.client) /* or its session could not go on */
		SSL_set_shutdown(t.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t.client);
	t.client = NULL;
	tls_end(&t.tls);
	buf_deinit(&t.out);
}

/* A client that offers what its context says. */
static void client_begin(const char *name, SSL_SESSION *session)
{
	client_end();
	t.client = SSL_new(t.context);
	t.to_client = BIO_new(BIO_s_mem());
	t.from_client = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(t.to_client, -1);
	SSL_set_bio(t.client, t.to_client, t.from_client);
	SSL_set_connect_state(t.client);
	if (name)
		assert_int_equal(SSL_set_tlsext_host_name(t.client, name), 1);
	if (session)
		assert_int_equal(SSL_set_session(t.client, session), 1);
	t.out = buf_init(OUT_BYTES_MAX);
	assert_int_equal(tls_begin(&t.tls, &t.out, &t.account), 0);
}

/* All that the client has written, in our hands until the next call. */
static struct str from_client(void)
{
	char *data;
	long n = BIO_get_mem_data(t.from_client, &data);
	static char copy[OUT_BYTES_MAX];

	assert_true(n >= 0 && (size_t)n <= sizeof(copy));
	memcpy(copy, data ? data : "", (size_t)n);
	(void)BIO_reset(t.from_client);
	return str_of(copy, (size_t)n);
}

static void to_client(void)
{
	if (t.out.len)
		assert_int_equal(BIO_write(t.to_client, t.out.data, (int)t.out.len), t.out.len);
	buf_clear(&t.out);
}

/* 1; -EPROTO: ours refused; -ECONNABORTED: the client did. */
static int shake_hands(void)
{
	int ours = 0, theirs = 0;

	for (unsigned i = 0; i < 10 && (ours != 1 || theirs != 1); i++) {
		theirs = SSL_do_handshake(t.client);
		if (theirs != 1 && SSL_get_error(t.client, theirs) != SSL_ERROR_WANT_READ)
			return -ECONNABORTED;
		if (ours != 1) {
			tls_feed(&t.tls, from_client());
			ours = tls_handshake(&t.tls);
		}
		to_client();
		if (ours < 0)
			return ours;
	}
	assert_int_equal(ours, 1);
	return theirs == 1 ? 1 : -ECONNABORTED;
}

static void connects(const char *name)
{
	client_begin(name, NULL);
	assert_int_equal(shake_hands(), 1);
}

static const char *shown(void)
{
	static char text[64];

	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(t.client)),
		NID_commonName, text, sizeof(text));
	return text;
}

/* What the client says, as our side reads it. */
static struct str hears(const char *said)
{
	int n;

	assert_int_equal(SSL_write(t.client, said, (int)strlen(said)), strlen(said));
	tls_feed(&t.tls, from_client());
	n = tls_read(&t.tls, t.text, sizeof(t.text));
	assert_true(n > 0);
	return str_of(t.text, (size_t)n);
}

/* The session that the client would go on with; it comes with data in 1.3. */
static SSL_SESSION *ticket(void)
{
	char c;

	assert_int_equal(tls_write(&t.tls, STR("x")), 0);
	to_client();
	assert_int_equal(SSL_read(t.client, &c, 1), 1);
	return SSL_get1_session(t.client);
}

static void version_only(int version)
{
	SSL_CTX_set_min_proto_version(t.context, version);
	SSL_CTX_set_max_proto_version(t.context, version);
}

int test_around(int (*run)(void))
{
	int failed;

	assert(tls_account_init());
	(void)snprintf(t.folder, sizeof(t.folder), "/tmp/authd-tls-XXXXXX");
	if (!mkdtemp(t.folder))
		return 1;
	certificate_write(&(struct certificate_wish){
		.path = path("a"), .common = "first", .names = "DNS:a.example,DNS:*.a.example" });
	certificate_write(&(struct certificate_wish){ .path = path("b"),
		.common = "second",
		.names = "DNS:B.example,DNS:www.a.example,IP:192.0.2.1" });
	certificate_write(&(struct certificate_wish){ .path = path("rsa"),
		.common = "rsa",
		.names = "DNS:a.example,DNS:*.a.example",
		.key = "2048" });
	certificate_write(&(struct certificate_wish){
		.path = path("weak"), .common = "weak", .key = "1024" });
	certificate_write(&(struct certificate_wish){
		.path = path("locked"), .common = "locked", .password = "secret" });
	certificate_write(
		&(struct certificate_wish){ .path = path("client"), .common = "robot\x1b[1m" });
	certificate_write(
		&(struct certificate_wish){ .path = path("over"), .common = "over", .days = -1 });
	failed = run();
	client_end();
	SSL_CTX_free(t.context);
	tls_settings_drop();
	clock_fake_off();
	(void)snprintf(t.text, sizeof(t.text), "rm -r %s", t.folder);
	return system(t.text) == 0 ? failed : 1;
}

/* What each test begins with. */
static void scene(void)
{
	struct tls_options options = options_of("a", "b");

	client_end();
	clock_fake(NS_PER_S, clock_wall_ms());
	SSL_CTX_free(t.context);
	t.context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(t.context, SSL_SESS_CACHE_CLIENT);
	use(&options);
}

/* --- handshakes --- */

TEST(both_versions_are_spoken)
{
	scene();
	connects("a.example");
	assert_int_equal(tls_version(&t.tls), TLS_VERSION_1_3);
	assert_string_equal(tls_version_name(tls_version(&t.tls)), "1.3");
	assert_false(tls_is_resumed(&t.tls));
	version_only(TLS1_2_VERSION);
	connects("a.example");
	assert_int_equal(tls_version(&t.tls), TLS_VERSION_1_2);
}

TEST(older_versions_are_refused)
{
	scene();
	SSL_CTX_set_security_level(t.context, 0);
	version_only(TLS1_1_VERSION);
	client_begin(NULL, NULL);
	assert_int_equal(shake_hands(), -EPROTO);
	assert_string_equal(t.tls.error, "unsupported_protocol");
	assert_int_equal(tls_version(&t.tls), TLS_VERSION_NONE);
}

TEST(the_oldest_version_can_be_1_3)
{
	struct tls_options options;

	scene();
	options = options_of("a", NULL);
	options.is_1_3_only = true;
	use(&options);
	connects(NULL);
	version_only(TLS1_2_VERSION);
	client_begin(NULL, NULL);
	assert_int_equal(shake_hands(), -EPROTO);
}

TEST(a_handshake_that_comes_byte_by_byte_is_the_same)
{
	int r = 0;

	scene();
	client_begin("a.example", NULL);
	for (unsigned round = 0; round < 5 && r == 0; round++) {
		struct str wire;

		(void)SSL_do_handshake(t.client);
		wire = from_client();
		for (size_t i = 0; i < wire.len; i++) {
			assert_int_equal(r, 0);
			tls_feed(&t.tls, str_of(wire.data + i, 1));
			r = tls_handshake(&t.tls);
		}
		to_client();
	}
	assert_int_equal(r, 1);
}

TEST(only_http_1_1_is_agreed_on)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1", other[] = "\x02h2";
	const unsigned char *chosen;
	unsigned len;

	scene();
	SSL_CTX_set_alpn_protos(t.context, both, sizeof(both) - 1);
	connects(NULL);
	SSL_get0_alpn_selected(t.client, &chosen, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(chosen, "http/1.1", 8);
	SSL_CTX_set_alpn_protos(t.context, other, sizeof(other) - 1);
	client_begin(NULL, NULL);
	assert_int_equal(shake_hands(), -EPROTO);
	assert_string_equal(t.tls.error, "no_application_protocol");
}

TEST(a_client_without_any_of_our_ciphers_is_refused)
{
	scene();
	version_only(TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(t.context, "AES128-SHA:ECDHE-ECDSA-AES256-SHA");
	client_begin(NULL, NULL);
	assert_int_equal(shake_hands(), -EPROTO);
	assert_string_equal(t.tls.error, "no_shared_cipher");
}

TEST(what_is_no_tls_is_refused)
{
	scene();
	client_begin(NULL, NULL);
	tls_feed(&t.tls, STR("GET / HTTP/1.1\r\n\r\n"));
	assert_int_equal(tls_handshake(&t.tls), -EPROTO);
	assert_true(tls_is_plain_http(&t.tls));
	assert_int_equal(t.out.len, 0);
	client_begin(NULL, NULL);
	tls_feed(&t.tls, STR("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"));
	assert_int_equal(tls_handshake(&t.tls), -EPROTO);
	assert_false(tls_is_plain_http(&t.tls));
}

/* What a hello of so many bytes begins with, in a record of its own. */
static int begins_with_hello_of(size_t bytes, size_t step)
{
	const char front[] = { 22, 3, 1, 0, 4, 1, (char)(bytes >> 16), (char)(bytes >> 8),
		(char)bytes };
	int r = 0;

	client_begin(NULL, NULL);
	for (size_t i = 0; r == 0 && i < sizeof(front); i += step) {
		tls_feed(&t.tls, str_of(front + i, MIN(step, sizeof(front) - i)));
		r = tls_handshake(&t.tls);
	}
	return r;
}

TEST(no_room_is_made_for_a_hello_that_is_too_long)
{
	int64_t longest;

	scene();
	assert_int_equal(begins_with_hello_of(TLS_HELLO_BYTES_MAX, 9), 0);
	longest = t.account;
	assert_int_equal(begins_with_hello_of(TLS_HELLO_BYTES_MAX + 1, 9), -EPROTO);
	assert_string_equal(t.tls.error, "length_too_long");
	assert_int_equal(begins_with_hello_of(128 * 1024, 1), -EPROTO);
	assert_true(t.account < longest + 32 * 1024); /* it has an alert to send */
}

TEST(the_front_of_a_hello_is_in_one_record)
{
	scene();
	client_begin(NULL, NULL);
	tls_feed(&t.tls, STR("\x16\x03\x01\0\x02\x01\0\x16\x03\x01\0\x02\xff\xff"));
	assert_int_equal(tls_handshake(&t.tls), -EPROTO);
}

/* --- certificates by name --- */

TEST(a_name_chooses_its_certificate)
{
	scene();
	connects("a.example");
	assert_string_equal(shown(), "first");
	connects("b.example");
	assert_string_equal(shown(), "second");
	connects("B.EXAMPLE");
	assert_string_equal(shown(), "second");
	connects("any.a.example");
	assert_string_equal(shown(), "first");
}

TEST(an_exact_name_is_better_than_a_wildcard_before_it)
{
	scene();
	connects("www.a.example");
	assert_string_equal(shown(), "second");
}

TEST(a_wildcard_is_one_label)
{
	scene();
	connects("x.y.a.example");
	assert_string_equal(shown(), "first"); /* the default, so look at one that is not */
	use(&(struct tls_options[]){ options_of("b", "a") }[0]);
	connects("x.y.a.example");
	assert_string_equal(shown(), "second");
	connects("x.a.example");
	assert_string_equal(shown(), "first");
}

TEST(an_unknown_name_and_none_get_the_first)
{
	scene();
	connects("c.example");
	assert_string_equal(shown(), "first");
	connects(NULL);
	assert_string_equal(shown(), "first");
}

static void count_served(const struct tls_certificate_info *info, void *arg)
{
	uint64_t *served = arg;

	served[info->is_first ? 0 : 1] = info->served;
}

TEST(handshakes_that_show_a_certificate_are_counted)
{
	uint64_t served[2] = {};

	scene();
	tls_settings_drop();
	scene();
	connects("a.example");
	connects("b.example");
	connects("b.example");
	tls_certificates_each(count_served, served);
	assert_int_equal(served[0], 1);
	assert_int_equal(served[1], 2);
}

TEST(the_kind_of_key_is_the_clients_choice)
{
	struct tls_options options;

	scene();
	options = options_of("a", "rsa");
	use(&options);
	version_only(TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(t.context, "ECDHE-RSA-AES128-GCM-SHA256");
	connects("a.example");
	assert_string_equal(shown(), "rsa");
	SSL_CTX_set_cipher_list(t.context, "ECDHE-ECDSA-AES128-GCM-SHA256");
	connects("x.a.example");
	assert_string_equal(shown(), "first");
}

/* --- resumption --- */

static void resumes(int version, bool is_expected)
{
	SSL_SESSION *session;

	version_only(version);
	connects("a.example");
	session = ticket();
	client_begin("a.example", session);
	assert_int_equal(shake_hands(), 1);
	assert_int_equal(tls_is_resumed(&t.tls), is_expected);
	SSL_SESSION_free(session);
}

TEST(a_session_goes_on_with_a_ticket)
{
	scene();
	resumes(TLS1_3_VERSION, true);
	resumes(TLS1_2_VERSION, true);
}

TEST(without_tickets_no_session_goes_on)
{
	struct tls_options options;

	scene();
	options = options_of("a", NULL);
	options.has_tickets = false;
	use(&options);
	resumes(TLS1_3_VERSION, false);
	resumes(TLS1_2_VERSION, false);
}

/* Makes a ticket now and tries it after some time, by our keys' clock. */
static bool is_good_after(uint64_t ms)
{
	SSL_SESSION *session;
	bool is_resumed;

	connects("a.example");
	session = ticket();
	clock_fake_advance_ms(ms);
	client_begin("a.example", session);
	assert_int_equal(shake_hands(), 1);
	is_resumed = tls_is_resumed(&t.tls);
	SSL_SESSION_free(session);
	return is_resumed;
}

TEST(the_key_of_a_ticket_is_forgotten)
{
	scene();
	version_only(TLS1_2_VERSION);
	assert_true(is_good_after(TLS_TICKET_MS)); /* replaced, and still known */
	assert_false(is_good_after(2 * TLS_TICKET_MS));
}

TEST(tickets_survive_new_certificates)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(TLS_ERRORS_BYTES_MAX);
	SSL_SESSION *session;

	scene();
	connects("a.example");
	session = ticket();
	assert_int_equal(tls_settings_reload(false, &errors), 0);
	client_begin("a.example", session);
	assert_int_equal(shake_hands(), 1);
	assert_true(tls_is_resumed(&t.tls));
	SSL_SESSION_free(session);
}

TEST(keys_of_tickets_can_be_handed_over)
{
	unsigned char packed[TLS_TICKETS_PACKED_BYTES_MAX], again[TLS_TICKETS_PACKED_BYTES_MAX];
	struct str keys;
	SSL_SESSION *session;

	scene();
	connects("a.example");
	session = ticket();
	keys = str_of((char *)packed, tls_tickets_pack(packed));
	assert_true(keys.len > 80);
	assert_int_equal(tls_tickets_unpack((struct str){}), -EBADMSG);
	assert_int_equal(tls_tickets_unpack(str_of(keys.data, keys.len - 1)), -EBADMSG);
	assert_int_equal(tls_tickets_unpack(str_skip(keys, 1)), -EBADMSG);
	clock_fake_advance_ms(100 * TLS_TICKET_MS);
	assert_int_equal(tls_tickets_pack(again), 0); /* all are forgotten */
	clock_fake_advance_ms(-100 * TLS_TICKET_MS);
	assert_int_equal(tls_tickets_unpack(keys), 0);
	client_begin("a.example", session);
	assert_int_equal(shake_hands(), 1);
	assert_true(tls_is_resumed(&t.tls));
	SSL_SESSION_free(session);
}

/* --- clients' certificates --- */

static struct tls_options asking(enum tls_clients clients, const char *ca)
{
	struct tls_options options = options_of("a", NULL);

	options.clients = clients;
	options.client_ca_file = path(ca);
	return options;
}

static void client_shows(const char *certificate, const char *key)
{
	assert_int_equal(
		SSL_CTX_use_certificate_file(t.context, path(certificate), SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(t.context, path(key), SSL_FILETYPE_PEM), 1);
}

TEST(a_client_may_be_asked_who_it_is)
{
	struct tls_options options;

	scene();
	options = asking(TLS_CLIENTS_OPTIONAL, "client.crt");
	use(&options);
	connects(NULL);
	assert_null(t.tls.subject);
	client_shows("client.crt", "client.key");
	connects(NULL);
	assert_string_equal(t.tls.subject, "CN=robot\\1B[1m"); /* no byte that a terminal obeys */
	client_shows("b.crt", "b.key");                        /* nobody vouches for it */
	client_begin(NULL, NULL);
	assert_int_equal(shake_hands(), -EPROTO);
}

TEST(a_client_must_say_who_it_is)
{
	struct tls_options options;

	scene();
	options = asking(TLS_CLIENTS_REQUIRED, "client.crt");
	use(&options);
	client_begin(NULL, NULL);
	assert_int_equal(shake_hands(), -EPROTO);
	assert_string_equal(t.tls.error, "peer_did_not_return_a_certificate");
	client_shows("client.crt", "client.key");
	connects(NULL);
	assert_non_null(t.tls.subject);
}

TEST(a_session_with_a_certificate_goes_on_with_it)
{
	struct tls_options options;
	SSL_SESSION *session;

	scene();
	options = asking(TLS_CLIENTS_REQUIRED, "client.crt");
	use(&options);
	client_shows("client.crt", "client.key");
	connects(NULL);
	session = ticket();
	client_begin(NULL, session);
	assert_int_equal(shake_hands(), 1);
	assert_true(tls_is_resumed(&t.tls));
	assert_non_null(t.tls.subject);
	SSL_SESSION_free(session);
}

TEST(a_ticket_from_before_other_rules_is_not_taken)
{
	struct tls_options options;
	SSL_SESSION *session;

	scene();
	options = asking(TLS_CLIENTS_OPTIONAL, "client.crt");
	use(&options);
	connects(NULL);
	session = ticket();
	options = asking(TLS_CLIENTS_REQUIRED, "client.crt");
	use(&options);
	client_begin(NULL, session);
	assert_int_equal(shake_hands(), -EPROTO);
	SSL_SESSION_free(session);
}

/* --- data --- */

TEST(what_is_said_is_heard)
{
	char text[32];

	scene();
	connects(NULL);
	assert_true(str_equal(hears("hello"), STR("hello")));
	assert_int_equal(tls_read(&t.tls, t.text, sizeof(t.text)), 0);
	assert_int_equal(tls_write(&t.tls, STR("and you")), 0);
	to_client();
	assert_int_equal(SSL_read(t.client, text, sizeof(text)), 7);
	assert_memory_equal(text, "and you", 7);
}

TEST(a_large_text_is_many_records)
{
	size_t bytes = (size_t)100 * 1024, got = 0;
	char *text = calloc(1, bytes), *back = calloc(1, bytes);
	int n;

	scene();
	connects(NULL);
	memset(text, 'x', bytes);
	assert_int_equal(tls_write(&t.tls, str_of(text, bytes)), 0);
	to_client();
	while (got < bytes && (n = SSL_read(t.client, back + got, (int)(bytes - got))) > 0)
		got += (size_t)n;
	assert_int_equal(got, bytes);
	assert_memory_equal(text, back, bytes);
	free(text);
	free(back);
}

TEST(half_a_record_waits_for_the_rest)
{
	struct str wire;

	scene();
	connects(NULL);
	assert_int_equal(SSL_write(t.client, "hello", 5), 5);
	wire = from_client();
	tls_feed(&t.tls, str_of(wire.data, wire.len / 2));
	assert_int_equal(tls_read(&t.tls, t.text, sizeof(t.text)), 0);
	tls_feed(&t.tls, str_skip(wire, wire.len / 2));
	assert_int_equal(tls_read(&t.tls, t.text, sizeof(t.text)), 5);
}

TEST(a_changed_byte_ends_the_session)
{
	_cleanup_(buf_deinit) struct buf wire = buf_init(OUT_BYTES_MAX);

	scene();
	connects(NULL);
	assert_int_equal(SSL_write(t.client, "hello", 5), 5);
	assert_int_equal(buf_append(&wire, from_client()), 0);
	wire.data[wire.len - 1] ^= 1;
	tls_feed(&t.tls, buf_str(&wire));
	assert_int_equal(tls_read(&t.tls, t.text, sizeof(t.text)), -EPROTO);
	assert_true(t.out.len > 0); /* the alert */
	assert_int_equal(tls_write(&t.tls, STR("x")), -EPROTO);
}

TEST(both_sides_say_that_they_have_finished)
{
	scene();
	connects(NULL);
	tls_finish(&t.tls);
	assert_true(t.out.len > 0);
	to_client();
	tls_finish(&t.tls);
	assert_int_equal(t.out.len, 0);
	assert_int_equal(SSL_read(t.client, t.text, 1), 0);
	assert_int_equal(SSL_get_error(t.client, 0), SSL_ERROR_ZERO_RETURN);
	(void)SSL_shutdown(t.client);
	tls_feed(&t.tls, from_client());
	assert_int_equal(tls_read(&t.tls, t.text, sizeof(t.text)), -ESHUTDOWN);
}

TEST(nothing_is_said_at_the_end_of_what_never_began)
{
	scene();
	client_begin(NULL, NULL);
	tls_finish(&t.tls);
	assert_int_equal(t.out.len, 0);
}

TEST(a_renegotiation_is_refused_and_the_session_goes_on)
{
	scene();
	version_only(TLS1_2_VERSION);
	connects(NULL);
	assert_int_equal(SSL_renegotiate(t.client), 1);
	(void)SSL_do_handshake(t.client);
	tls_feed(&t.tls, from_client());
	assert_int_equal(tls_read(&t.tls, t.text, sizeof(t.text)), 0);
	to_client();
	assert_int_not_equal(SSL_do_handshake(t.client), 1);
}

TEST(a_full_buffer_ends_the_session)
{
	scene();
	connects(NULL);
	buf_deinit(&t.out);
	t.out = buf_init(16);
	assert_int_equal(tls_write(&t.tls, STR("more than sixteen bytes")), -EPROTO);
	assert_true(t.tls.is_broken);
}

/* --- memory --- */

TEST(an_idle_session_holds_little_and_an_ended_one_nothing)
{
	int64_t before, held;

	scene();
	connects("a.example"); /* OpenSSL keeps something for the thread */
	client_end();
	before = t.account;
	for (unsigned i = 0; i < 20; i++) {
		connects("a.example");
		(void)hears("hello");
		assert_int_equal(tls_read(&t.tls, t.text, sizeof(t.text)), 0);
		held = t.account - before;
		assert_true(held > 0);
		if (held > IDLE_BYTES_MAX)
			fail_msg("an idle session holds %lld bytes", (long long)held);
		client_end();
		assert_int_equal(t.account, before);
	}
}

/* How often these bytes are in the heap; 0 where it is elsewhere (sanitizers). */
static unsigned heap_has(const char *bytes, size_t len)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char *begin = NULL, *end = NULL, line[512];
	unsigned count = 0;

	assert_non_null(maps);
	while (!end && fgets(line, sizeof(line), maps))
		if (strstr(line, "[heap]"))
			assert_int_equal(sscanf(line, "%p-%p", (void **)&begin, (void **)&end), 2);
	fclose(maps);
	while (end && (begin = memmem(begin, (size_t)(end - begin), bytes, len))) {
		begin += len;
		count++;
	}
	return count;
}

TEST(what_was_decrypted_does_not_stay_in_freed_memory)
{
	char secret[2049] = ""; /* its end: the heap writes into the beginning of what is free */
	const size_t looked_for = 64;

	scene();
	connects(NULL);
	for (size_t i = 0; i < sizeof(secret) - 1; i++)
		secret[i] = (char)('a' + (i * i + i / 26 + (size_t)getpid()) % 26);
	assert_true(str_equal(hears(secret), str_cstr(secret)));
	memset(t.text, 0, sizeof(t.text)); /* as conn.c does with its own */
	assert_int_equal(heap_has(secret + sizeof(secret) - 1 - looked_for, looked_for), 0);
}

/* --- files --- */

TEST(files_that_are_wrong_are_refused_with_a_reason)
{
	struct tls_options options;

	scene();
	options = options_of("none", NULL);
	refuses(&options, "none.crt: No such file");
	options = options_of("a", NULL);
	options.key_files[0] = path("b.key");
	refuses(&options, "b.key: is not the key of this certificate");
	options.key_files[0] = path("a.crt");
	refuses(&options, "a.crt: has no private key");
	options = options_of("a", NULL);
	options.certificate_files[0] = path("a.key");
	refuses(&options, "a.key: has no certificate");
	options = options_of("locked", NULL);
	refuses(&options, "locked.key: has no private key in PEM that needs no passphrase");
	options = options_of("weak", NULL);
	refuses(&options, "weak.crt: the certificate is not accepted (ee key too small)");
	options = options_of("a", "a");
	refuses(&options, "another certificate has the same names");
	options = options_of("a", NULL);
	options.certificate_files[0] = t.folder;
	refuses(&options, "is no file");
}

TEST(options_that_openssl_does_not_know_are_refused)
{
	struct tls_options options;

	scene();
	options = options_of("a", NULL);
	options.ciphers = "NO-SUCH-CIPHER";
	refuses(&options, "tls.ciphers");
	options = options_of("a", NULL);
	options.ciphersuites = "TLS_NONE";
	refuses(&options, "tls.ciphersuites");
	options = asking(TLS_CLIENTS_REQUIRED, "a.key");
	refuses(&options, "a.key: has no certificate");
}

TEST(a_key_that_everybody_may_read_is_refused)
{
	struct tls_options options;

	scene();
	options = options_of("a", NULL);
	assert_int_equal(chmod(options.key_files[0], 0644), 0);
	refuses(&options, "chmod o=");
	assert_int_equal(chmod(options.key_files[0], 0640), 0);
	use(&options);
}

TEST(certificate_and_key_may_be_one_file)
{
	struct tls_options options;
	char command[512];

	scene();
	(void)snprintf(command, sizeof(command), "cd %s && umask 077 && cat b.crt b.key > one.pem",
		t.folder);
	assert_int_equal(system(command), 0);
	options = options_of("b", NULL);
	options.keys = 0;
	options.certificate_files[0] = path("one.pem");
	use(&options);
	connects(NULL);
	assert_string_equal(shown(), "second");
	assert_int_equal(chmod(path("one.pem"), 0644), 0);
	refuses(&options, "chmod o=");
}

TEST(a_wrong_file_leaves_what_is_in_force)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(TLS_ERRORS_BYTES_MAX);
	struct tls_options options;

	scene();
	options = options_of("b", NULL);
	options.key_files[0] = path("a.key");
	assert_int_equal(tls_settings_use(&options, &errors), -EINVAL);
	connects(NULL);
	assert_string_equal(shown(), "first");
}

TEST(sessions_outlive_the_certificates_that_they_began_with)
{
	struct tls_options options;

	scene();
	client_begin("a.example", NULL);
	options = options_of("b", NULL);
	use(&options);
	assert_int_equal(shake_hands(), 1);
	assert_string_equal(shown(), "first");
	assert_true(str_equal(hears("hello"), STR("hello")));
	connects("a.example");
	assert_string_equal(shown(), "second");
}

static void info_take(const struct tls_certificate_info *info, void *arg)
{
	struct tls_certificate_info *first = arg;

	if (info->is_first)
		*first = *info;
}

TEST(a_certificate_tells_what_it_is)
{
	struct tls_certificate_info info = {};
	struct tls_options options;
	int64_t days;

	scene();
	options = options_of("over", NULL); /* it has ended: said, but served */
	use(&options);
	tls_certificates_each(info_take, &info);
	assert_int_equal(tls_days_left(info.not_after_ms, clock_wall_ms()), -2);
	options = options_of("a", NULL);
	use(&options);
	tls_certificates_each(info_take, &info);
	assert_string_equal(info.name, "a.example");
	assert_string_equal(info.issuer, "CN=first");
	assert_string_equal(info.key_type, "EC P-256");
	days = tls_days_left(info.not_after_ms, clock_wall_ms());
	assert_true(days == 29 || days == 30);
	options = options_of("rsa", NULL);
	use(&options);
	tls_certificates_each(info_take, &info);
	assert_string_equal(info.key_type, "RSA 2048");
}

TEST(without_settings_there_is_no_session)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(TLS_ERRORS_BYTES_MAX);

	scene();
	client_end();
	tls_settings_drop();
	assert_int_equal(tls_begin(&t.tls, &t.out, &t.account), -ENOENT);
	assert_int_equal(tls_settings_reload(false, &errors), -ENOENT);
}
