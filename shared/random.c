/* Random bytes and UUIDs: see random.h. */
#include "shared/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "shared/clock.h"
#include "shared/macros.h"

/* One system call for 256 request ids. */
#define RANDOM_BLOCK_BYTES 4096

static _Thread_local struct {
	unsigned char bytes[RANDOM_BLOCK_BYTES];
	size_t used;
	bool is_filled;
} block;

static void kernel_bytes(void *memory, size_t bytes)
{
	char *at = memory;

	while (bytes) {
		ssize_t n = getrandom(at, bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort();
		at += n;
		bytes -= (size_t)n;
	}
}

_noinline_ static void block_fill(void)
{
	kernel_bytes(block.bytes, sizeof(block.bytes));
	block.used = 0;
	block.is_filled = true;
}

/* Inline: for a size that is known there is nothing to call. */
static inline void block_take(void *memory, size_t bytes)
{
	if (!block.is_filled || bytes > sizeof(block.bytes) - block.used)
		block_fill();
	memcpy(memory, block.bytes + block.used, bytes);
	for (size_t i = 0; i < bytes; i++)
		block.bytes[block.used + i] = 0;
	/* The block is read again only where it has been filled: without this nothing is cleared.
	 */
	__asm__ volatile("" : : : "memory");
	block.used += bytes;
}

void random_bytes(void *memory, size_t bytes)
{
	if (bytes > sizeof(block.bytes))
		kernel_bytes(memory, bytes);
	else
		block_take(memory, bytes);
}

uint64_t random_u64(void)
{
	uint64_t value;

	block_take(&value, sizeof(value));
	return value;
}

static const char hex[] = "0123456789abcdef";

struct str uuid_new(char text[static UUID_BYTES])
{
	uint64_t now_ms = (uint64_t)clock_wall_ms();
	unsigned char bytes[16];
	char *at = text;

	block_take(bytes, sizeof(bytes));
	for (int i = 0; i < 6; i++)
		bytes[i] = (unsigned char)(now_ms >> (40 - 8 * i));
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x70);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = hex[bytes[i] >> 4];
		*at++ = hex[bytes[i] & 15];
	}
	*at = '\0';
	return str_of(text, UUID_BYTES - 1);
}

bool uuid_is_valid(struct str s)
{
	if (s.len != UUID_BYTES - 1)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? s.data[i] != '-' : !s.data[i] || !strchr(hex, s.data[i]))
			return false;
	}
	return true;
}
