/*
 * Fuzzing Accept-Encoding: whatever comes, weights stay in their bounds, what is chosen is wanted,
 * and a list means the same in one field and in a field for each member.
 */
#include "http/accept.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_weight(int weight)
{
	assert(weight >= ACCEPT_UNSAID && weight <= ACCEPT_WEIGHT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str value = str_of((const char *)data, size), rest = value, member;
	struct accept_codings whole, parts;
	enum coding coding;

	accept_init(&whole);
	accept_add(&whole, value);
	accept_init(&parts);
	while (str_split(&rest, ',', &member))
		accept_add(&parts, member);
	assert(memcmp(&whole, &parts, sizeof(whole)) == 0);

	check_weight(whole.others);
	for (unsigned i = 0; i < CODINGS; i++)
		check_weight(whole.weights[i]);
	coding = accept_choose(&whole);
	assert(coding < CODINGS);
	if (coding != CODING_IDENTITY)
		assert(whole.weights[coding] > 0 ||
			(whole.weights[coding] == ACCEPT_UNSAID && whole.others > 0));
	return 0;
}
