/* Password jobs: which hashes are read, and what the answer is. See password_job.h. */
#include "crypt/password_job.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/bcrypt.h"
#include "crypt/libxcrypt.h"
#include "shared/macros.h"
#include "shared/secret.h"

static_assert(PASSWORD_BCRYPT_BYTES_MAX == BCRYPT_PASSWORD_BYTES, "what bcrypt reads");
static_assert(PASSWORD_COST_MIN >= BCRYPT_COST_MIN && PASSWORD_COST_MAX <= BCRYPT_COST_MAX, "");
static_assert(PASSWORD_DUMMY_BYTES == BCRYPT_HASH_CHARS + 1, "a dummy looks like the others");

/* --- which hashes are read --- */

/* The cost that a whole bcrypt hash names; -EINVAL for anything else. */
static int bcrypt_cost(const char *hash)
{
	return strlen(hash) == BCRYPT_HASH_CHARS ? bcrypt_setting_cost(hash) : -EINVAL;
}

static bool is_hash_readable(const char *hash)
{
	int cost;

	/* Formats without '$' are DES with its eight significant characters: not ours to accept. */
	if (hash[0] != '$')
		return false;
	if (!str_starts(str_cstr(hash), STR("$2")))
		return true;
	/*
	 * libxcrypt would compute a setting, a hash cut short, or $2x$, whatever cost it names: up
	 * to 2^31 rounds, which hold a thread for days. That is damage, not a hash.
	 */
	cost = bcrypt_cost(hash);
	return cost >= PASSWORD_COST_MIN && cost <= PASSWORD_COST_MAX;
}

bool password_needs_rehash(struct str hash, unsigned cost)
{
	char text[BCRYPT_HASH_CHARS + 1] = "";

	if (hash.len != BCRYPT_HASH_CHARS)
		return true;
	memcpy(text, hash.data, hash.len);
	return bcrypt_cost(text) < (int)cost;
}

/* Can a job carry it, as a C string? */
static bool is_password_carriable(struct str password)
{
	return password.len <= PASSWORD_JOB_BYTES_MAX &&
	       (password.len == 0 || !memchr(password.data, '\0', password.len));
}

/* --- hashes that belong to no password --- */

static struct {
	unsigned cost; /* 0: not started */
	struct siphash_key key;
} dummy;

int password_dummy_init(unsigned cost)
{
	if (cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX)
		return -EINVAL;
	dummy.key = siphash_key_new();
	dummy.cost = cost;
	return 0;
}

void password_dummy_deinit(void)
{
	secret_wipe(&dummy, sizeof(dummy));
}

/*
 * A salt and a digest drawn at random are what the hash of an unknown password looks like; these
 * are drawn from the name, so that a name always has the same.
 */
struct str password_dummy_hash(struct str name, char text[static PASSWORD_DUMMY_BYTES])
{
	struct siphash_key key = dummy.key;
	uint64_t bits = 0;
	int len = 0;

	if (dummy.cost)
		len = snprintf(text, PASSWORD_DUMMY_BYTES, "$2b$%02u$", dummy.cost);
	/* Ten characters of six bits from each digest; every digest under a key of its own. */
	for (int i = 0; dummy.cost && len < BCRYPT_HASH_CHARS; i++, len++, bits >>= 6) {
		if (i % 10 == 0) {
			bits = siphash(&key, name.data, name.len);
			key.k1++;
		}
		text[len] = bcrypt_digits[bits & 63];
	}
	text[len] = '\0';
	secret_wipe(&key, sizeof(key));
	return str_of(text, (size_t)len);
}

/* --- jobs --- */

void password_job_free(struct password_job *p)
{
	secret_wipe(p, sizeof(*p));
	free(p);
}

/* job.c has checked the magic word and cleared it: this is the job's last use. */
static void password_job_release(struct job *job)
{
	password_job_free(container_of(job, struct password_job, job));
}

static struct password_job *job_new(enum password_work work, struct str password)
{
	struct password_job *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->work = work;
	p->password_len = password.len;
	memcpy(p->password, password.len ? password.data : "", password.len);
	job_init(&p->job, NULL, password_job_release);
	return p;
}

int password_job_check_new(struct str hash, struct str password, struct password_job **ret_job)
{
	bool is_carriable = hash.len < PASSWORD_HASH_BYTES && is_password_carriable(password);
	struct password_job *p = job_new(PASSWORD_CHECK, is_carriable ? password : str_of(NULL, 0));

	if (!p)
		return -ENOMEM;
	if (is_carriable)
		memcpy(p->hash, hash.len ? hash.data : "", hash.len);
	/* Behind a NUL byte nobody would look: what is before it is another hash. */
	p->is_damaged = strlen(p->hash) != hash.len || !is_hash_readable(p->hash);
	/* What bcrypt would not read is cut here, because libxcrypt refuses very long ones. */
	if (bcrypt_cost(p->hash) > 0 && p->password_len > PASSWORD_BCRYPT_BYTES_MAX) {
		p->password_len = PASSWORD_BCRYPT_BYTES_MAX;
		p->password[PASSWORD_BCRYPT_BYTES_MAX] = '\0';
	}
	*ret_job = p;
	return 0;
}

int password_job_hash_new(struct str password, unsigned cost, struct password_job **ret_job)
{
	struct password_job *p;
	int r;

	if (cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX)
		return -EINVAL;
	if (password.len > PASSWORD_BCRYPT_BYTES_MAX || !is_password_carriable(password))
		return -EINVAL;
	p = job_new(PASSWORD_HASH, password);
	if (!p)
		return -ENOMEM;
	r = libxcrypt_setting(cost, p->hash);
	if (r < 0) {
		password_job_free(p);
		return r;
	}
	*ret_job = p;
	return 0;
}

void password_job_what(const struct password_job *p, struct password_what *ret_what)
{
	*ret_what = (struct password_what){ .setting = p->hash, .password = p->password };
	if (!p->is_damaged)
		return;
	(void)password_dummy_hash(str_of(NULL, 0), ret_what->dummy);
	ret_what->setting = ret_what->dummy;
	ret_what->password = "";
}

int password_job_failed(struct password_job *p, int error)
{
	if (error == -EINVAL && p->work == PASSWORD_CHECK && !p->is_damaged) {
		p->is_damaged = true;
		return 1;
	}
	p->job.result = error == -EINVAL ? -EIO : error;
	return 0;
}

void password_job_finish(struct password_job *p, const char *made)
{
	if (p->is_damaged) {
		p->job.result = 0;
	} else if (p->work == PASSWORD_CHECK) {
		p->job.result = secret_equal(str_cstr(made), str_cstr(p->hash));
	} else if (strlen(made) == BCRYPT_HASH_CHARS) {
		memcpy(p->hash, made, BCRYPT_HASH_CHARS + 1);
		p->job.result = 0;
	} else {
		p->job.result = -EIO;
	}
}

void password_job_run_here(struct password_job *p)
{
	char made[PASSWORD_HASH_BYTES] = "";
	struct password_what what;
	int r;

	do {
		password_job_what(p, &what);
		r = *what.setting ? libxcrypt_hash(what.password, what.setting, made) : 0;
	} while (r < 0 && password_job_failed(p, r));
	if (r == 0)
		password_job_finish(p, made);
	secret_wipe(made, sizeof(made));
}
