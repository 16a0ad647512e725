/*
 * What surrounds the kernel in bcrypt: settings, key and salt setup, the last encryptions and the
 * text of the result (Provos and Mazieres, "A Future-Adaptable Password Scheme", 1999). All of it
 * is done once for a hash, one lane at a time; the costly loop is bcrypt_batch_run().
 */
#include "crypt/bcrypt.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/claims.h"
#include "shared/macros.h"
#include "shared/secret.h"

#define SALT_OFFSET 7 /* behind "$2b$12$" */
#define SALT_CHARS 22
#define SALT_WORDS (BCRYPT_SALT_BYTES / 4)
#define DIGEST_WORDS 6
#define DIGEST_BYTES 23 /* of 24: bcrypt never wrote the last one */

static_assert(SALT_OFFSET + SALT_CHARS == BCRYPT_SETTING_CHARS, "a setting ends with its salt");
static_assert(BLOWFISH_SUBKEYS * 4 == BCRYPT_PASSWORD_BYTES, "the key is read once around");
static_assert(BCRYPT_LANES_MAX == 6, "vectors_run() knows how");

const char bcrypt_digits[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* The digits of pi, which the build has computed (pi_words.c). */
static const uint32_t pi_words[BLOWFISH_WORDS] = {
#include "pi_words.inc"
};

/* --- base64 as bcrypt writes it --- */

/* 0..63, or -EINVAL. */
static int digit_value(char digit)
{
	const char *found = digit ? strchr(bcrypt_digits, digit) : NULL;

	return found ? (int)(found - bcrypt_digits) : -EINVAL;
}

/* The last of 22 digits has two bits for the 16th byte; the others do not count. */
static int salt_decode(const char *text, unsigned char salt[static BCRYPT_SALT_BYTES])
{
	unsigned bits = 0, pending = 0;
	size_t bytes = 0;

	for (size_t i = 0; i < SALT_CHARS; i++) {
		int value = digit_value(text[i]);

		if (value < 0)
			return value;
		bits = bits << 6 | (unsigned)value;
		pending += 6;
		if (pending >= 8) {
			pending -= 8;
			salt[bytes++] = (unsigned char)(bits >> pending);
		}
	}
	assert(bytes == BCRYPT_SALT_BYTES);
	return 0;
}

static void digest_encode(const unsigned char *digest, char *text)
{
	unsigned bits = 0, pending = 0;

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		bits = bits << 8 | digest[i];
		for (pending += 8; pending >= 6; pending -= 6)
			*text++ = bcrypt_digits[bits >> (pending - 6) & 63];
	}
	*text++ = bcrypt_digits[bits << (6 - pending) & 63];
	*text = '\0';
}

/* --- one lane --- */

static uint32_t rounds_function(const union blowfish *state, uint32_t x)
{
	uint32_t sum = state->tables[0][x >> 24] + state->tables[1][x >> 16 & 255];

	return (sum ^ state->tables[2][x >> 8 & 255]) + state->tables[3][x & 255];
}

static void encrypt(const union blowfish *state, uint32_t block[static 2])
{
	uint32_t left = block[0] ^ state->subkeys[0], right = block[1];

	for (int round = 1; round <= 16; round += 2) {
		right ^= rounds_function(state, left) ^ state->subkeys[round];
		left ^= rounds_function(state, right) ^ state->subkeys[round + 1];
	}
	block[0] = right ^ state->subkeys[17];
	block[1] = left;
}

/* The password and its terminator, as often as they fit into the key. */
static void key_set(struct bcrypt_lane *lane, const char *password)
{
	const char *next = password;

	for (size_t i = 0; i < BLOWFISH_SUBKEYS; i++) {
		uint32_t word = 0;

		for (int byte = 0; byte < 4; byte++) {
			word = word << 8 | (unsigned char)*next;
			next = *next ? next + 1 : password;
		}
		lane->key[i] = word;
	}
}

/*
 * An old implementation took characters above 127 for negative numbers, which overwrote those
 * before them in the same word. Some passwords have the same key with and without this error
 * although it touched them, and for these libxcrypt's $2a$ answers 1 << 16 to be xored into the
 * first subkey, so that no short password shares its hash with what the error made of another. 0
 * for all others. Without branches: the password must not show in the time.
 */
static uint32_t sign_error_mark(const struct bcrypt_lane *lane)
{
	uint32_t difference = 0, high = 0;

	for (size_t i = 0; i < BLOWFISH_SUBKEYS; i++) {
		uint32_t wrong = 0;

		for (int shift = 24; shift >= 0; shift -= 8) {
			wrong = wrong << 8 | (uint32_t)(int32_t)(int8_t)(lane->key[i] >> shift);
			/* The first byte of a word has none before it to overwrite. */
			high |= shift < 24 ? wrong : 0;
		}
		difference |= wrong ^ lane->key[i];
	}
	/* Bit 31 is set now when any bit was. */
	difference |= -difference;
	return (high >> 7 & 1 & ~(difference >> 31)) << 16;
}

static void salt_set(struct bcrypt_lane *lane, const unsigned char salt[static BCRYPT_SALT_BYTES])
{
	for (size_t i = 0; i < BLOWFISH_SUBKEYS; i++) {
		const unsigned char *word = salt + 4 * (i % SALT_WORDS);

		lane->salt[i] = (uint32_t)word[0] << 24 | (uint32_t)word[1] << 16 |
				(uint32_t)word[2] << 8 | word[3];
	}
}

static void subkeys_xor(union blowfish *state, const uint32_t words[static BLOWFISH_SUBKEYS])
{
	for (size_t i = 0; i < BLOWFISH_SUBKEYS; i++)
		state->subkeys[i] ^= words[i];
}

/* The first key schedule: the only one that the salt goes into block by block. */
static void expand_salted(struct bcrypt_lane *lane)
{
	uint32_t block[2] = {};

	for (size_t word = 0; word < BLOWFISH_WORDS; word += 2) {
		block[0] ^= lane->salt[word % SALT_WORDS];
		block[1] ^= lane->salt[word % SALT_WORDS + 1];
		encrypt(&lane->state, block);
		lane->state.words[word] = block[0];
		lane->state.words[word + 1] = block[1];
	}
	secret_wipe(block, sizeof(block));
}

static void lane_set(struct bcrypt_lane *lane, const char *setting,
	const unsigned char salt[static BCRYPT_SALT_BYTES], unsigned cost, const char *password)
{
	memcpy(lane->state.words, pi_words, sizeof(pi_words));
	key_set(lane, password);
	salt_set(lane, salt);
	subkeys_xor(&lane->state, lane->key);
	if (setting[2] == 'a')
		lane->state.subkeys[0] ^= sign_error_mark(lane);
	expand_salted(lane);
	lane->iterations = UINT32_C(1) << cost;
}

/* --- batches --- */

struct bcrypt_batch *bcrypt_batch_new(void)
{
	struct bcrypt_batch *batch =
		aligned_alloc(alignof(struct bcrypt_batch), sizeof(struct bcrypt_batch));

	if (batch)
		batch->count = 0;
	claim(CLAIM_HASHING, CLAIM_FROM_HEAP, batch, sizeof(*batch));
	return batch;
}

void bcrypt_batch_free(struct bcrypt_batch *batch)
{
	while (batch && batch->count)
		bcrypt_batch_remove(batch, batch->count - 1);
	claim_end(batch);
	free(batch);
}

int bcrypt_setting_cost(const char *setting)
{
	int cost;

	if (strnlen(setting, BCRYPT_SETTING_CHARS) < BCRYPT_SETTING_CHARS || setting[0] != '$' ||
		setting[1] != '2' || !strchr("aby", setting[2]) || setting[3] != '$' ||
		setting[6] != '$')
		return -EINVAL;
	if (setting[4] < '0' || setting[4] > '9' || setting[5] < '0' || setting[5] > '9')
		return -EINVAL;
	cost = (setting[4] - '0') * 10 + setting[5] - '0';
	return cost < BCRYPT_COST_MIN || cost > BCRYPT_COST_MAX ? -EINVAL : cost;
}

int bcrypt_batch_add(
	struct bcrypt_batch *batch, const char *setting, const char *password, void *owner)
{
	unsigned char salt[BCRYPT_SALT_BYTES];
	unsigned lane = batch->count;
	int cost = bcrypt_setting_cost(setting), r;

	if (cost < 0)
		return cost;
	r = salt_decode(setting + SALT_OFFSET, salt);
	if (r < 0)
		return r;
	if (lane == BCRYPT_LANES_MAX)
		return -EBUSY;
	lane_set(&batch->lanes[lane], setting, salt, (unsigned)cost, password);
	memcpy(batch->settings[lane], setting, BCRYPT_SETTING_CHARS);
	/* Like libxcrypt, write the last digit of the salt without the bits that do not count. */
	batch->settings[lane][BCRYPT_SETTING_CHARS - 1] =
		bcrypt_digits[digit_value(setting[BCRYPT_SETTING_CHARS - 1]) & ~15];
	batch->settings[lane][BCRYPT_SETTING_CHARS] = '\0';
	batch->owners[lane] = owner;
	batch->count++;
	return 0;
}

/* No lane is done before. */
static void lanes_run(struct bcrypt_lane *lanes, unsigned count, unsigned iterations)
{
	for (unsigned i = 0; i < iterations; i++) {
		for (unsigned lane = 0; lane < count; lane++)
			subkeys_xor(&lanes[lane].state, lanes[lane].key);
		bcrypt_expand(lanes, count);
		for (unsigned lane = 0; lane < count; lane++)
			subkeys_xor(&lanes[lane].state, lanes[lane].salt);
		bcrypt_expand(lanes, count);
	}
	for (unsigned lane = 0; lane < count; lane++)
		lanes[lane].iterations -= iterations;
}

void bcrypt_batch_run(struct bcrypt_batch *batch, unsigned iterations)
{
	for (unsigned lane = 0; lane < batch->count; lane++)
		iterations = MIN(iterations, batch->lanes[lane].iterations);
	if (batch->count)
		lanes_run(batch->lanes, batch->count, iterations);
}

void bcrypt_batch_hash(
	struct bcrypt_batch *batch, unsigned lane, char ret_hash[static BCRYPT_HASH_CHARS + 1])
{
	static const char text[DIGEST_WORDS * 4 + 1] = "OrpheanBeholderScryDoubt";
	unsigned char digest[DIGEST_WORDS * 4];

	assert(lane < batch->count && bcrypt_batch_is_done(batch, lane));
	for (size_t i = 0; i < sizeof(digest); i += 8) {
		uint32_t block[2] = {};

		for (size_t byte = 0; byte < 8; byte++)
			block[byte / 4] = block[byte / 4] << 8 | (unsigned char)text[i + byte];
		for (int again = 0; again < 64; again++)
			encrypt(&batch->lanes[lane].state, block);
		for (size_t byte = 0; byte < 8; byte++)
			digest[i + byte] =
				(unsigned char)(block[byte / 4] >> (24 - 8 * (byte % 4)));
	}
	memcpy(ret_hash, batch->settings[lane], BCRYPT_SETTING_CHARS);
	digest_encode(digest, ret_hash + BCRYPT_SETTING_CHARS);
	secret_wipe(digest, sizeof(digest));
}

void bcrypt_batch_remove(struct bcrypt_batch *batch, unsigned lane)
{
	unsigned last = batch->count - 1;

	assert(lane < batch->count);
	if (lane != last) {
		batch->lanes[lane] = batch->lanes[last];
		memcpy(batch->settings[lane], batch->settings[last], BCRYPT_SETTING_CHARS + 1);
		batch->owners[lane] = batch->owners[last];
	}
	secret_wipe(&batch->lanes[last], sizeof(batch->lanes[last]));
	secret_wipe(batch->settings[last], sizeof(batch->settings[last]));
	batch->owners[last] = NULL;
	batch->count = last;
}

/* --- self-test --- */

/* Of the least cost, so that the start does not wait. From the tests of pyca/bcrypt and
 * bcrypt-java. */
static const struct {
	const char *password, *hash;
} vectors[BCRYPT_LANES_MAX] = {
	{ "", "$2a$04$zVHmKQtGGQob.b/Nc7l9NO8UlrYcW05FiuCj/SxsFO/ZtiN9.mNzy" },
	{ "Kk4DQuMMfZL9o", "$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm" },
	{ "9IeRXmnGxMYbs", "$2b$04$pQ7gRO7e6wx/936oXhNjrOUNOHL1D0h1N2IDbJZYs.1ppzSof6SPy" },
	{ "xVQVbwa1S0M8r", "$2b$04$SQe9knOzepOVKoYXo9xTteNYr6MBwVz4tpriJVe3PNgYufGIsgKcW" },
	{ "Zfgr26LWd22Za", "$2b$04$eH8zX.q5Q.j2hO1NkVYJQOM6KxntS/ow3.YzVmFrE4t//CoF4fvne" },
	{ "Tg4daC27epFBE", "$2b$04$ahiTdwRXpUG2JLRcIznxc.s1.ydaPGD372bsGs8NqyYjLY1inG5n2" },
};

/*
 * Six hashes, of which every number of lanes does a part: all must be right for any to be. Each
 * number gets at least a quarter of the least cost.
 */
static void vectors_run(struct bcrypt_lane *lanes)
{
	static const unsigned parts[][2] = { { 6, 0 }, { 5, 1 }, { 4, 2 }, { 3, 3 } };
	const unsigned iterations = (1 << BCRYPT_COST_MIN) / ARRAY_SIZE(parts);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		lanes_run(lanes, parts[i][0], iterations);
		if (parts[i][1])
			lanes_run(lanes + parts[i][0], parts[i][1], iterations);
	}
}

int bcrypt_self_test(void)
{
	struct bcrypt_batch *batch = bcrypt_batch_new();
	char hash[BCRYPT_HASH_CHARS + 1];
	bool is_right = true;

	if (!batch)
		return -ENOMEM;
	for (unsigned i = 0; i < BCRYPT_LANES_MAX && is_right; i++)
		is_right = bcrypt_batch_add(batch, vectors[i].hash, vectors[i].password, NULL) == 0;
	if (is_right)
		vectors_run(batch->lanes);
	for (unsigned i = 0; i < BCRYPT_LANES_MAX && is_right; i++) {
		bcrypt_batch_hash(batch, i, hash);
		is_right = strcmp(hash, vectors[i].hash) == 0;
	}
	bcrypt_batch_free(batch);
	return is_right ? 0 : -EOPNOTSUPP;
}
