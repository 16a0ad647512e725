/* Reading Accept-Encoding: see accept.h. */
#include "http/accept.h"

#include <assert.h>

#include "shared/macros.h"

struct str coding_name(enum coding coding)
{
	static const struct str names[] = { STR("identity"), STR("gzip"), STR("zstd") };

	static_assert(ARRAY_SIZE(names) == CODINGS, "a name for each");
	return names[coding];
}

void accept_init(struct accept_codings *accept)
{
	accept->others = ACCEPT_UNSAID;
	for (unsigned i = 0; i < CODINGS; i++)
		accept->weights[i] = ACCEPT_UNSAID;
}

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ): thousandths, or 0 for all else. */
static int qvalue_parse(struct str text)
{
	int weight, unit = ACCEPT_WEIGHT_MAX / 10;

	if (!text.len || text.len > STR("0.123").len || text.data[0] < '0' || text.data[0] > '1')
		return 0;
	weight = text.data[0] == '1' ? ACCEPT_WEIGHT_MAX : 0;
	if (text.len > 1 && text.data[1] != '.')
		return 0;
	for (size_t i = 2; i < text.len; i++, unit /= 10) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		weight += (text.data[i] - '0') * unit;
	}
	return weight <= ACCEPT_WEIGHT_MAX ? weight : 0;
}

/* weight = OWS ";" OWS "q=" qvalue, without the ";". */
static int weight_parse(struct str text)
{
	const struct str name = STR("q=");

	text = str_trim(text);
	if (text.len < name.len || !str_equal_nocase(str_of(text.data, name.len), name))
		return 0;
	return qvalue_parse(str_skip(text, name.len));
}

static int *weight_of(struct accept_codings *accept, struct str name)
{
	if (str_equal(name, STR("*")))
		return &accept->others;
	if (str_equal_nocase(name, STR("x-gzip"))) /* section 8.4.1.3: the same */
		return &accept->weights[CODING_GZIP];
	for (enum coding i = 0; i < CODINGS; i++)
		if (str_equal_nocase(name, coding_name(i)))
			return &accept->weights[i];
	return NULL;
}

void accept_add(struct accept_codings *accept, struct str value)
{
	struct str member;

	while (str_split(&value, ',', &member)) {
		ptrdiff_t semicolon = str_index(member, ';');
		size_t name_bytes = semicolon < 0 ? member.len : (size_t)semicolon;
		int *weight = weight_of(accept, str_trim(str_of(member.data, name_bytes)));

		if (weight)
			*weight = semicolon < 0 ? ACCEPT_WEIGHT_MAX
						: weight_parse(str_skip(member, name_bytes + 1));
	}
}

static int weight_get(const struct accept_codings *accept, enum coding coding)
{
	int weight = accept->weights[coding];

	if (weight == ACCEPT_UNSAID)
		weight = accept->others;
	return weight == ACCEPT_UNSAID ? 0 : weight; /* identity is fine then, but not asked for */
}

enum coding accept_choose(const struct accept_codings *accept)
{
	enum coding best = CODING_IDENTITY;

	/* In the order of our own preference: a later one wins a tie. */
	for (enum coding i = CODING_GZIP; i < CODINGS; i++) {
		int weight = weight_get(accept, i);

		if (weight > 0 && weight >= weight_get(accept, best))
			best = i;
	}
	return best;
}
