/* THE table of indexes: see indexes.h. */
#include "store/indexes.h"

#include <string.h>

#include "shared/macros.h"

/* clang-format off */
const struct index indexes[] = {
	/* name, collection, key, key2, unique, without case, seconds to live, why */
	{ "users.email", INDEX_USERS, "<email>", NULL, true, true, -1, "one account for an address; every login looks it up" },
	{ "users.status", INDEX_USERS, "<status>", NULL, false, false, -1, "operators list suspended accounts" },
	{ "users.loginAttempts.count", INDEX_USERS, "<attempts>", NULL, false, false, -1, "operators list accounts under attack" },
	{ "users.updatedAt", INDEX_USERS, "<updated>", NULL, false, false, -1, "other nodes poll for changes where there are no change streams" },
	{ "sessions.tokens", INDEX_SESSIONS, "tokens.h", NULL, true, false, -1, "every refresh looks its token up" },
	{ "sessions.user", INDEX_SESSIONS, "user", "-usedAt", false, false, -1, "every login counts the sessions of its account" },
	{ "sessions.idleUntil", INDEX_SESSIONS, "idleUntil", NULL, false, false, 0, "sessions that have ended are removed" },
	{ "strangers.seenAt", INDEX_STRANGERS, "seenAt", NULL, false, false, 86400, "failures of addresses that nobody owns are forgotten" },
	{ "tickets.user", INDEX_TICKETS, "user", "purpose", false, false, -1, "a new ticket of an account makes old ones worthless" },
	{ "tickets.expiresAt", INDEX_TICKETS, "expiresAt", NULL, false, false, 0, "tickets that have expired are removed" },
	{ "mails.nextAt", INDEX_MAILS, "nextAt", NULL, false, false, -1, "the mail that is due first is looked up" },
	{ "ended.at", INDEX_ENDED, "at", NULL, false, false, 3600, "what other nodes have been told is removed" },
};
/* clang-format on */
const size_t indexes_count = ARRAY_SIZE(indexes);

const struct index *index_find(const char *name)
{
	for (size_t i = 0; i < indexes_count; i++)
		if (strcmp(indexes[i].name, name) == 0)
			return &indexes[i];
	return NULL;
}
