/*
 * What an application's users are to us, before anybody relies on it: reads every document once and
 * changes nothing. See store_adopt_check() in upkeep.h.
 */
#include "store/mongo_db.h"

#include <stdio.h>
#include <string.h>

#define FIELD(name) (mongo_shared.fields.name)
#define EXAMPLES 3
#define DUPLICATES_MAX 1000

enum finding {
	FOUND_ID,
	FOUND_EMAIL,
	FOUND_ODD_EMAIL,
	FOUND_DUPLICATE,
	FOUND_HASH,
	FOUND_NO_HASH,
	FOUND_CASE,
	FOUND_STATUS,
	FOUND_NAME,
	FOUND_ROLE,
	FOUNDS
};

static const struct {
	const char *what;
	bool is_problem;
} findings[FOUNDS] = {
	[FOUND_ID] = { "have an id that is neither a line of text nor an ObjectId, or is too long",
		true },
	[FOUND_EMAIL] = { "have no address, or one of more than 254 bytes", true },
	[FOUND_ODD_EMAIL] = { "have an address without @ or with white space around it", true },
	[FOUND_DUPLICATE] = { "addresses are the same when case is ignored", true },
	[FOUND_HASH] = { "have a password hash of a kind that cannot be checked", true },
	[FOUND_NO_HASH] = { "have no password: they cannot log in by one", false },
	[FOUND_CASE] = { "have capital letters in their address: found by the index"
			 " users.email only",
		false },
	[FOUND_STATUS] = { "have a status that suspends them", false },
	[FOUND_NAME] = { "have a name of more than 256 bytes: shown cut", false },
	[FOUND_ROLE] = { "have a role with a comma, a control character or more than 32 bytes, or"
			 " more than 16 of them: left out",
		false },
};

struct tally {
	uint64_t accounts;
	struct {
		uint64_t count;
		char examples[EXAMPLES][STORE_EMAIL_BYTES_MAX + 1];
	} found[FOUNDS];
};

static void count(struct tally *tally, enum finding finding, const char *example)
{
	uint64_t nth = tally->found[finding].count++;

	if (nth < EXAMPLES)
		(void)snprintf(tally->found[finding].examples[nth],
			sizeof(tally->found[finding].examples[nth]), "%s", example);
}

/* --- one document --- */

/* The kinds of libxcrypt that crypt/password.h accepts. */
static bool is_hash_known(const char *hash)
{
	static const char *const kinds[] = { "$2a$", "$2b$", "$2y$", "$y$", "$gy$", "$7$", "$6$",
		"$5$", "$1$" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(hash, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

static void email_look(struct tally *tally, const char *email)
{
	struct str text = str_cstr(email);

	if (str_trim(text).len != text.len || str_index(text, '@') < 0)
		count(tally, FOUND_ODD_EMAIL, email);
	for (size_t i = 0; i < text.len; i++) {
		if (ascii_lower(text.data[i]) != text.data[i]) {
			count(tally, FOUND_CASE, email);
			break;
		}
	}
}

static void status_look(struct tally *tally, const bson_t *document)
{
	struct account account = {};
	char status[64];

	(void)mongo_account_read(document, &account);
	if (account.status == ACCOUNT_ACTIVE)
		return;
	if (!mongo_text_read(document, FIELD(status), status, sizeof(status)))
		(void)snprintf(status, sizeof(status), "no text");
	count(tally, FOUND_STATUS, status);
}

static void account_look(struct tally *tally, const bson_t *document)
{
	char id[STORE_ID_BYTES_MAX + 1], email[STORE_EMAIL_BYTES_MAX + 1];
	char name[STORE_NAME_BYTES_MAX + 1], hash[STORE_HASH_BYTES_MAX + 1];
	struct account account;

	tally->accounts++;
	if (!mongo_id_read(document, id))
		count(tally, FOUND_ID, id);
	if (mongo_text_read(document, FIELD(email), email, sizeof(email)))
		email_look(tally, email);
	else
		count(tally, FOUND_EMAIL, id);
	if (!mongo_text_read(document, FIELD(password), hash, sizeof(hash)) || !hash[0])
		count(tally, FOUND_NO_HASH, id);
	else if (!is_hash_known(hash))
		count(tally, FOUND_HASH, id);
	if (!mongo_text_read(document, FIELD(name), name, sizeof(name)) && name[0])
		count(tally, FOUND_NAME, id);
	if (mongo_roles_read(document, &account))
		count(tally, FOUND_ROLE, id);
	status_look(tally, document);
}

static int accounts_look(struct mongo *c, struct tally *tally)
{
	_bson_ bson_t *filter = bson_new(), *opts = bson_new();
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	const bson_t *document;
	bson_error_t error;
	bson_t fields;

	bson_append_document_begin(opts, "projection", -1, &fields);
	bson_append_int32(&fields, FIELD(email), -1, 1);
	bson_append_int32(&fields, FIELD(password), -1, 1);
	bson_append_int32(&fields, FIELD(name), -1, 1);
	bson_append_int32(&fields, FIELD(status), -1, 1);
	bson_append_int32(&fields, FIELD(roles), -1, 1);
	bson_append_document_end(opts, &fields);
	cursor = mongoc_collection_find_with_opts(c->users, filter, opts, NULL);
	while (mongoc_cursor_next(cursor, &document))
		account_look(tally, document);
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : 0;
}

/* --- addresses that are the same --- */

static int duplicates_look(struct mongo *c, struct tally *tally)
{
	char path[260];
	_bson_ bson_t *pipeline = NULL, *opts = BCON_NEW("allowDiskUse", BCON_BOOL(true));
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	const bson_t *document;
	bson_error_t error;
	char email[STORE_EMAIL_BYTES_MAX + 1];

	(void)snprintf(path, sizeof(path), "$%s", FIELD(email));
	pipeline = BCON_NEW("pipeline", "[", "{", "$group", "{", "_id", "{", "$toLower",
		BCON_UTF8(path), "}", "n", "{", "$sum", BCON_INT32(1), "}", "}", "}", "{", "$match",
		"{", "n", "{", "$gt", BCON_INT32(1), "}", "}", "}", "{", "$limit",
		BCON_INT32(DUPLICATES_MAX), "}", "]");
	cursor = mongoc_collection_aggregate(c->users, MONGOC_QUERY_NONE, pipeline, opts, NULL);
	while (mongoc_cursor_next(cursor, &document))
		/* Those without any address are told already. */
		if (mongo_text_read(document, "_id", email, sizeof(email)) && email[0])
			count(tally, FOUND_DUPLICATE, email);
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : 0;
}

/* --- telling --- */

static void tell(
	const struct tally *tally, enum finding finding, store_finding_visit *visit, void *arg)
{
	struct store_finding told = { .count = tally->found[finding].count,
		.what = findings[finding].what,
		.is_problem = findings[finding].is_problem };
	size_t at = 0;

	for (unsigned i = 0; i < EXAMPLES && i < told.count; i++)
		at += (size_t)snprintf(told.examples + at, sizeof(told.examples) - at, "%s%s",
			i ? ", " : "", tally->found[finding].examples[i]);
	if (told.count)
		visit(&told, arg);
}

int mongo_adopt_check(void *connection, store_finding_visit *visit, void *arg)
{
	struct tally tally = {};
	int r = accounts_look(connection, &tally);

	if (r == 0)
		r = duplicates_look(connection, &tally);
	if (r < 0)
		return r;
	visit(&(struct store_finding){ .count = tally.accounts, .what = "accounts were read" },
		arg);
	for (int finding = 0; finding < FOUNDS; finding++)
		tell(&tally, (enum finding)finding, visit, arg);
	return 0;
}
