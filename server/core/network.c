/* Networks: see network.h. */
#include "core/network.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/macros.h"

#define V4_BITS_BEFORE 96 /* of ::ffff:0:0/96 */
#define BITS_MAX (ADDRESS_BYTES * 8)

/* Is everything behind the prefix zero? */
static bool bits_are_zero_from(const uint8_t *bytes, unsigned first)
{
	for (unsigned bit = first; bit < BITS_MAX; bit++)
		if (bytes[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}

int network_parse(struct str text, struct network *ret_network)
{
	struct network network = {};
	ptrdiff_t slash = str_index(text, '/');
	struct str host = slash < 0 ? text : str_of(text.data, (size_t)slash);
	unsigned before;
	struct address address;
	uint64_t bits;

	if (address_parse_host(host, &address) < 0 || !address_bytes(&address, network.bytes))
		return -EINVAL;
	before = address.storage.ss_family == AF_INET ? V4_BITS_BEFORE : 0;
	bits = BITS_MAX - before;
	if (slash >= 0 && (str_to_u64(str_skip(text, (size_t)slash + 1), &bits) < 0 ||
				  bits > BITS_MAX - before))
		return -EINVAL;
	network.bits = (uint8_t)(before + bits);
	if (!bits_are_zero_from(network.bytes, network.bits))
		return -EINVAL;
	*ret_network = network;
	return 0;
}

int networks_add(struct networks *networks, struct str text)
{
	struct network network;
	int r = network_parse(text, &network);

	if (r < 0)
		return r;
	if (networks->count == NETWORKS_MAX)
		return -ENOBUFS;
	networks->items[networks->count++] = network;
	return 0;
}

static int line_add(struct networks *networks, struct str line)
{
	ptrdiff_t comment = str_index(line, '#');

	if (comment >= 0)
		line.len = (size_t)comment;
	line = str_trim(line);
	return line.len ? networks_add(networks, line) : 0;
}

static void file_close(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

int networks_add_file(struct networks *networks, const char *path, unsigned *ret_line)
{
	_cleanup_(file_close) FILE *file = fopen(path, "re");
	char text[1024]; /* a line that is longer is no list of networks */
	int r = 0;

	*ret_line = 0;
	if (!file)
		return -errno;
	while (r == 0 && fgets(text, sizeof(text), file)) {
		struct str line = str_cstr(text);

		++*ret_line;
		if (line.len == sizeof(text) - 1 && line.data[line.len - 1] != '\n')
			return -EINVAL;
		r = line_add(networks, line);
	}
	return r == 0 && ferror(file) ? -EIO : r;
}

struct str network_text(const struct address *address, char text[static NETWORK_TEXT_BYTES])
{
	bool is_v4 = address->storage.ss_family == AF_INET;
	uint8_t bytes[ADDRESS_BYTES];
	struct address network;
	size_t kept = is_v4 ? 3 : 6, first = is_v4 ? V4_BITS_BEFORE / 8 : 0;
	char host[ADDRESS_TEXT_BYTES];
	int n;

	text[0] = '\0';
	if (!address_bytes(address, bytes))
		return str_cstr(text);
	memset(bytes + first + kept, 0, ADDRESS_BYTES - first - kept);
	network = is_v4 ? address_of_v4(bytes + first, 0) : address_of_v6(bytes, 0);
	n = snprintf(
		text, NETWORK_TEXT_BYTES, "%s/%zu", address_host(&network, host).data, kept * 8);
	return str_of(text, (size_t)n);
}

static bool network_has(const struct network *network, const uint8_t bytes[static ADDRESS_BYTES])
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;

	if (memcmp(network->bytes, bytes, whole) != 0)
		return false;
	return rest == 0 || (network->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

bool networks_have(const struct networks *networks, const struct address *address)
{
	uint8_t bytes[ADDRESS_BYTES];

	if (!networks->count || !address_bytes(address, bytes))
		return false;
	for (unsigned i = 0; i < networks->count; i++)
		if (network_has(&networks->items[i], bytes))
			return true;
	return false;
}
