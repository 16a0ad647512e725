/*
 * The keys of session tickets (RFC 5077 section 4): drawn at random, the same for every core and
 * every certificate, written nowhere and handed to the next daemon alone. Whoever has one can read
 * sessions of TLS 1.2 that were resumed with it, so a key makes tickets for two hours, opens them
 * for two more, and is wiped. Or they come from files, which nodes can share; then their age is
 * the operator's business.
 */
#include "tls/tls_tickets.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "tls/tls.h"
#include "tls/tls_parts.h"

#define AES_128_KEY_BYTES 16
#define KEYS 2 /* the one that makes tickets, and the one before */

static struct {
	/* Guards the keys: taken once or twice for a handshake, and nothing else under it. */
	pthread_mutex_t lock;
	struct tls_ticket_key keys[KEYS]; /* the newest first */
} tickets = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void key_wipe(struct tls_ticket_key *key)
{
	secret_wipe(key, sizeof(*key));
}

/* --- drawn at random --- */

/* 0, or -EIO: nothing random can be had. */
static int rotate(uint64_t now_ns)
{
	_cleanup_(key_wipe) struct tls_ticket_key next = { .secret_bytes = TLS_TICKET_SECRET_BYTES,
		.made_ns = now_ns };

	if (RAND_bytes(next.name, sizeof(next.name)) != 1 ||
		RAND_priv_bytes(next.cipher, sizeof(next.cipher)) != 1 ||
		RAND_priv_bytes(next.mac, sizeof(next.mac)) != 1)
		return -EIO;
	tickets.keys[1] = tickets.keys[0];
	tickets.keys[0] = next;
	return 0;
}

static void forget_old(uint64_t now_ns)
{
	for (unsigned i = 0; i < KEYS; i++)
		if (tickets.keys[i].secret_bytes &&
			now_ns >= clock_after_ms(tickets.keys[i].made_ns, 2 * TLS_TICKET_MS))
			key_wipe(&tickets.keys[i]);
}

static int newest_locked(uint64_t now_ns, struct tls_ticket_key *ret_key)
{
	const struct tls_ticket_key *newest = &tickets.keys[0];
	int r = 0;

	if (!newest->secret_bytes || now_ns >= clock_after_ms(newest->made_ns, TLS_TICKET_MS))
		r = rotate(now_ns);
	if (r == 0)
		*ret_key = *newest;
	return r;
}

/* Its place, the newest is 0; -ENOENT. */
static int find(const struct tls_ticket_key *keys, unsigned count, const unsigned char *name,
	struct tls_ticket_key *ret_key)
{
	for (unsigned i = 0; i < count; i++)
		if (keys[i].secret_bytes &&
			memcmp(keys[i].name, name, TLS_TICKET_NAME_BYTES) == 0) {
			*ret_key = keys[i];
			return (int)i;
		}
	return -ENOENT;
}

static int drawn(bool is_encrypting, const unsigned char *name, struct tls_ticket_key *ret_key)
{
	uint64_t now_ns = clock_now_ns();
	int r;

	pthread_mutex_lock(&tickets.lock);
	forget_old(now_ns);
	r = is_encrypting ? newest_locked(now_ns, ret_key)
			  : find(tickets.keys, KEYS, name, ret_key);
	pthread_mutex_unlock(&tickets.lock);
	return r;
}

/* --- from files --- */

/* nginx's ssl_session_ticket_key: name, then cipher and MAC with 16 bytes each, or MAC and cipher
 * with 32 each. */
int tls_ticket_key_read(const char *path, struct tls_ticket_key *ret_key, struct buf *errors)
{
	_cleanup_(buf_wipe) struct buf text = buf_init(TLS_FILE_BYTES_MAX);
	struct tls_ticket_key key = {};
	const char *secrets;
	bool is_long;
	int r = tls_file_read(path, true, &text, errors);

	if (r < 0)
		return r;
	is_long = text.len == TLS_TICKET_NAME_BYTES + 2 * TLS_TICKET_SECRET_BYTES;
	if (!is_long && text.len != TLS_TICKET_NAME_BYTES + 2 * AES_128_KEY_BYTES)
		return tls_file_wrong(errors, path,
			"is no key of tickets: 80 random bytes (openssl rand 80), or 48");
	key.secret_bytes = is_long ? TLS_TICKET_SECRET_BYTES : AES_128_KEY_BYTES;
	secrets = text.data + TLS_TICKET_NAME_BYTES;
	memcpy(key.name, text.data, TLS_TICKET_NAME_BYTES);
	memcpy(is_long ? key.mac : key.cipher, secrets, key.secret_bytes);
	memcpy(is_long ? key.cipher : key.mac, secrets + key.secret_bytes, key.secret_bytes);
	*ret_key = key;
	key_wipe(&key);
	return 0;
}

/* --- from one daemon to the next --- */

#define PACKED_FRONT "tickets1"
#define PACKED_KEY_BYTES (TLS_TICKET_NAME_BYTES + 2 * TLS_TICKET_SECRET_BYTES + sizeof(uint64_t))

static_assert(sizeof(PACKED_FRONT) - 1 + KEYS * PACKED_KEY_BYTES <= TLS_TICKETS_PACKED_BYTES_MAX,
	"all keys have room");

static void put(unsigned char **at, const void *bytes, size_t count)
{
	memcpy(*at, bytes, count);
	*at += count;
}

static void get(const char **at, void *ret_bytes, size_t count)
{
	memcpy(ret_bytes, *at, count);
	*at += count;
}

size_t tls_tickets_pack(unsigned char packed[static TLS_TICKETS_PACKED_BYTES_MAX])
{
	unsigned char *at = packed;

	put(&at, PACKED_FRONT, sizeof(PACKED_FRONT) - 1);
	pthread_mutex_lock(&tickets.lock);
	forget_old(clock_now_ns());
	for (unsigned i = 0; i < KEYS; i++) {
		const struct tls_ticket_key *key = &tickets.keys[i];

		if (!key->secret_bytes)
			continue;
		put(&at, key->name, sizeof(key->name));
		put(&at, key->cipher, sizeof(key->cipher));
		put(&at, key->mac, sizeof(key->mac));
		put(&at, &key->made_ns, sizeof(key->made_ns));
	}
	pthread_mutex_unlock(&tickets.lock);
	return at == packed + sizeof(PACKED_FRONT) - 1 ? 0 : (size_t)(at - packed);
}

int tls_tickets_unpack(struct str packed)
{
	const char *at = packed.data + sizeof(PACKED_FRONT) - 1;
	uint64_t now_ns = clock_now_ns();
	size_t count;

	if (!str_starts(packed, STR(PACKED_FRONT)))
		return -EBADMSG;
	packed = str_skip(packed, sizeof(PACKED_FRONT) - 1);
	count = packed.len / PACKED_KEY_BYTES;
	if (packed.len % PACKED_KEY_BYTES || !count || count > KEYS)
		return -EBADMSG;
	pthread_mutex_lock(&tickets.lock);
	for (size_t i = 0; i < count; i++) {
		struct tls_ticket_key *key = &tickets.keys[i];

		get(&at, key->name, sizeof(key->name));
		get(&at, key->cipher, sizeof(key->cipher));
		get(&at, key->mac, sizeof(key->mac));
		get(&at, &key->made_ns, sizeof(key->made_ns));
		key->secret_bytes = TLS_TICKET_SECRET_BYTES;
		key->made_ns = MIN(key->made_ns, now_ns); /* the clock is of this boot */
	}
	pthread_mutex_unlock(&tickets.lock);
	return 0;
}

/* --- using them --- */

static bool key_use(const struct tls_ticket_key *key, const EVP_CIPHER *kind,
	const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_encrypting)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
					      (void *)key->mac, key->secret_bytes),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end() };

	return EVP_MAC_CTX_set_params(mac, params) == 1 &&
	       EVP_CipherInit_ex(cipher, kind, NULL, key->cipher, iv, is_encrypting) == 1;
}

/* Its place: 0 makes tickets now, others only open them; -ENOENT, -EIO. */
static int choose(const struct tls_settings *settings, bool is_encrypting,
	const unsigned char *name, struct tls_ticket_key *ret_key)
{
	unsigned count;
	const struct tls_ticket_key *shared = tls_settings_ticket_keys(settings, &count);
	int r;

	if (!count)
		return drawn(is_encrypting, name, ret_key);
	if (is_encrypting) {
		*ret_key = shared[0];
		return 0;
	}
	r = find(shared, count, name, ret_key);
	if (r == -ENOENT && drawn(false, name, ret_key) >= 0) /* from before there were files */
		r = 1;
	return r;
}

/* OpenSSL's rules for what to return: -1 failed; 0 no such key, a full handshake follows; 1 good; 2
 * good, and the client should get a new ticket. */
int tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int is_encrypting)
{
	const struct tls *tls = SSL_get_app_data(ssl);
	_cleanup_(key_wipe) struct tls_ticket_key key = {};
	const EVP_CIPHER *kind;
	int r = choose(tls->settings, is_encrypting, name, &key);

	if (r < 0)
		return is_encrypting ? -1 : 0;
	kind = key.secret_bytes == AES_128_KEY_BYTES ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
	if (is_encrypting) {
		memcpy(name, key.name, TLS_TICKET_NAME_BYTES);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1)
			return -1;
	}
	if (!key_use(&key, kind, iv, cipher, mac, is_encrypting))
		return -1;
	return r > 0 ? 2 : 1;
}
