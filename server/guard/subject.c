/* Keys of limits: see subject.h. */
#include "guard/subject.h"

#include <errno.h>
#include <stdio.h>

#include "core/network.h"
#include "shared/siphash.h"

#define V4_AT 12 /* in an IPv4-mapped address */
#define V6_NETWORK_BITS 64
#define V4_NETWORK_BITS 24

static struct siphash_key secret;

__attribute__((constructor)) static void secret_make(void)
{
	secret = siphash_key_new();
}

static uint64_t big_endian(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

struct subject subject_of_address(const struct address *address)
{
	uint8_t bytes[ADDRESS_BYTES];

	if (!address_bytes(address, bytes))
		return (struct subject){ .kind = SUBJECT_UNKNOWN };
	if (address->storage.ss_family == AF_INET)
		return (struct subject){ big_endian(bytes + V4_AT, 4), SUBJECT_V4 };
	return (struct subject){ big_endian(bytes, 8), SUBJECT_V6_NETWORK };
}

struct subject subject_of_network(const struct address *address)
{
	struct subject subject = subject_of_address(address);

	if (subject.kind == SUBJECT_V4)
		subject = (struct subject){ subject.key & ~UINT64_C(0xff), SUBJECT_V4_NETWORK };
	return subject;
}

struct subject subject_of_account(struct str email_key)
{
	return (struct subject){ siphash(&secret, email_key.data, email_key.len), SUBJECT_ACCOUNT };
}

static struct str v6_text(uint64_t key, char text[static SUBJECT_TEXT_BYTES])
{
	uint8_t bytes[ADDRESS_BYTES] = {};
	struct address address;
	struct str host;

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(key >> (56 - 8 * i));
	address = address_of_v6(bytes, 0);
	host = address_host(&address, text);
	return str_of(
		text, host.len + (size_t)snprintf(text + host.len, 4, "/%d", V6_NETWORK_BITS));
}

static struct str v4_text(const struct subject *subject, char text[static SUBJECT_TEXT_BYTES])
{
	uint8_t bytes[4] = { (uint8_t)(subject->key >> 24), (uint8_t)(subject->key >> 16),
		(uint8_t)(subject->key >> 8), (uint8_t)subject->key };
	struct address address = address_of_v4(bytes, 0);
	struct str host = address_host(&address, text);

	if (subject->kind == SUBJECT_V4)
		return host;
	return str_of(
		text, host.len + (size_t)snprintf(text + host.len, 4, "/%d", V4_NETWORK_BITS));
}

struct str subject_text(const struct subject *subject, char text[static SUBJECT_TEXT_BYTES])
{
	switch (subject->kind) {
	case SUBJECT_V4:
	case SUBJECT_V4_NETWORK:
		return v4_text(subject, text);
	case SUBJECT_V6_NETWORK:
		return v6_text(subject->key, text);
	case SUBJECT_ACCOUNT:
		return str_of(text, (size_t)snprintf(text, SUBJECT_TEXT_BYTES, "account:%016llx",
					    (unsigned long long)subject->key));
	default:
		return str_of(text, (size_t)snprintf(text, SUBJECT_TEXT_BYTES, "unknown"));
	}
}

static int account_parse(struct str digits, uint64_t *ret_key)
{
	uint64_t key = 0;

	if (digits.len != 16)
		return -EINVAL;
	for (size_t i = 0; i < digits.len; i++) {
		char c = ascii_lower(digits.data[i]);
		bool is_letter = c >= 'a' && c <= 'f';

		if (!is_letter && (c < '0' || c > '9'))
			return -EINVAL;
		key = key << 4 | (uint64_t)(is_letter ? c - 'a' + 10 : c - '0');
	}
	*ret_key = key;
	return 0;
}

/* "192.0.2.0/24": the network alone; "192.0.2.7": itself and the network that it is in. */
static int address_meanings(
	struct str text, struct subject ret_subjects[static SUBJECT_MEANINGS_MAX])
{
	ptrdiff_t slash = str_index(text, '/');
	struct network network;
	struct address address;
	bool is_v4;

	if (address_parse_host(slash < 0 ? text : str_of(text.data, (size_t)slash), &address) < 0)
		return -EINVAL;
	is_v4 = address.storage.ss_family == AF_INET;
	ret_subjects[0] = subject_of_network(&address);
	if (slash >= 0) {
		unsigned bits = is_v4 ? 96 + V4_NETWORK_BITS : V6_NETWORK_BITS;

		return network_parse(text, &network) < 0 || network.bits != bits ? -EINVAL : 1;
	}
	ret_subjects[1] = subject_of_address(&address);
	return is_v4 ? 2 : 1;
}

int subject_parse(struct str text, struct subject ret_subjects[static SUBJECT_MEANINGS_MAX])
{
	static const struct str account = STR("account:");

	ret_subjects[0] = (struct subject){ .kind = SUBJECT_UNKNOWN };
	if (str_equal(text, STR("unknown")))
		return 1;
	if (str_starts(text, account)) {
		ret_subjects[0].kind = SUBJECT_ACCOUNT;
		return account_parse(str_skip(text, account.len), &ret_subjects[0].key) < 0
			       ? -EINVAL
			       : 1;
	}
	if (str_index(text, '@') > 0) {
		ret_subjects[0] = subject_of_account(text);
		return 1;
	}
	return address_meanings(text, ret_subjects);
}
