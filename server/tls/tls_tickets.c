/*
 * The keys of session tickets (RFC 5077 section 4): drawn at random, the same for every core and
 * every certificate, never written anywhere. Whoever has one can read sessions of TLS 1.2 that were
 * resumed with it, so a key makes tickets for two hours, opens them for two more, and is wiped.
 */
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
#include "tls/tls_parts.h"

#define NAME_BYTES 16 /* OpenSSL's layout of a ticket */
#define CIPHER_KEY_BYTES 32
#define MAC_KEY_BYTES 32
#define KEYS 2 /* the one that makes tickets, and the one before */

struct ticket_key {
	unsigned char name[NAME_BYTES], cipher[CIPHER_KEY_BYTES], mac[MAC_KEY_BYTES];
	uint64_t made_ns; /* 0: there is none */
};

static struct {
	/* Guards the keys: taken once or twice for a handshake, and nothing else under it. */
	pthread_mutex_t lock;
	struct ticket_key keys[KEYS]; /* the newest first */
} tickets = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* 0, or -EIO: nothing random can be had. */
static int rotate(uint64_t now_ns)
{
	struct ticket_key next = { .made_ns = now_ns };
	int r = RAND_bytes(next.name, sizeof(next.name)) == 1 &&
				RAND_priv_bytes(next.cipher, sizeof(next.cipher)) == 1 &&
				RAND_priv_bytes(next.mac, sizeof(next.mac)) == 1
			? 0
			: -EIO;

	if (r == 0) {
		tickets.keys[1] = tickets.keys[0];
		tickets.keys[0] = next;
	}
	secret_wipe(&next, sizeof(next));
	return r;
}

static void forget_old(uint64_t now_ns)
{
	for (unsigned i = 0; i < KEYS; i++)
		if (tickets.keys[i].made_ns &&
			now_ns >= clock_after_ms(tickets.keys[i].made_ns, 2 * TLS_TICKET_MS))
			secret_wipe(&tickets.keys[i], sizeof(tickets.keys[i]));
}

static int newest_locked(uint64_t now_ns, struct ticket_key *ret_key)
{
	const struct ticket_key *newest = &tickets.keys[0];
	int r = 0;

	if (!newest->made_ns || now_ns >= clock_after_ms(newest->made_ns, TLS_TICKET_MS))
		r = rotate(now_ns);
	if (r == 0)
		*ret_key = *newest;
	return r;
}

/* Its place, the newest is 0; -ENOENT. */
static int find_locked(const unsigned char *name, struct ticket_key *ret_key)
{
	for (int i = 0; i < KEYS; i++)
		if (tickets.keys[i].made_ns &&
			memcmp(tickets.keys[i].name, name, NAME_BYTES) == 0) {
			*ret_key = tickets.keys[i];
			return i;
		}
	return -ENOENT;
}

static bool key_use(const struct ticket_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int is_encrypting)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
					      (void *)key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end() };

	return EVP_MAC_CTX_set_params(mac, params) == 1 &&
	       EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, is_encrypting) ==
		       1;
}

/* OpenSSL's rules for what to return: -1 failed; 0 no such key, a full handshake follows; 1 good; 2
 * good, and the client should get a new ticket. */
int tls_ticket_key(_unused_ SSL *ssl, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_encrypting)
{
	struct ticket_key key;
	uint64_t now_ns = clock_now_ns();
	int r;

	pthread_mutex_lock(&tickets.lock);
	forget_old(now_ns);
	r = is_encrypting ? newest_locked(now_ns, &key) : find_locked(name, &key);
	pthread_mutex_unlock(&tickets.lock);
	if (r < 0)
		return is_encrypting ? -1 : 0;
	if (is_encrypting) {
		memcpy(name, key.name, NAME_BYTES);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			r = -1;
	}
	if (r >= 0)
		r = key_use(&key, iv, cipher, mac, is_encrypting) ? (r > 0 ? 2 : 1) : -1;
	secret_wipe(&key, sizeof(key));
	return r;
}
