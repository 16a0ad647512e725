/*
 * The values of fields are most bytes of a request, and llhttp looks at them one by one unless it
 * was compiled for SSE 4.2, which Debian's oldest amd64 lacks. So it is compiled for both
 * (meson.build) and its one entry is here. A request may move from one to the other at any byte:
 * what llhttp keeps of it is the same.
 */
#include "http/llhttp_cpu.h"

struct llhttp__internal_s;

int llhttp__internal_execute(struct llhttp__internal_s *state, const char *at, const char *end);
int llhttp_execute_plain(struct llhttp__internal_s *state, const char *at, const char *end);
int llhttp_execute_sse42(struct llhttp__internal_s *state, const char *at, const char *end);

static bool is_plain_wanted;

void llhttp_plain_set(bool is_plain)
{
	is_plain_wanted = is_plain;
}

int llhttp__internal_execute(struct llhttp__internal_s *state, const char *at, const char *end)
{
	return !is_plain_wanted && __builtin_cpu_supports("sse4.2")
		       ? llhttp_execute_sse42(state, at, end)
		       : llhttp_execute_plain(state, at, end);
}
