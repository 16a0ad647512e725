/*
 * Password hashing on threads (see password.h). A job carries copies of hash and password and wipes
 * them when it is released; each thread has one crypt_data on the heap, wiped after every use.
 */
#include "crypt/password.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <crypt.h>

#include "core/job.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "shared/secret.h"

static_assert(PASSWORD_HASH_BYTES >= CRYPT_OUTPUT_SIZE, "every format must fit");

#define BCRYPT_SETTING_CHARS 29 /* "$2b$12$" and 22 characters of salt */
#define BCRYPT_HASH_CHARS 60
#define BCRYPT_SALT_BYTES 16

static const char bcrypt_alphabet[] =
	"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static struct {
	struct job_queue queue;
	pthread_t threads[PASSWORD_THREADS_MAX];
	unsigned thread_count;
	bool is_started;
	char dummy_hash[BCRYPT_HASH_CHARS + 1];
} service;

enum password_work { PASSWORD_CHECK, PASSWORD_HASH };

struct password_job {
	struct job job; /* first: job.c hands this back */
	enum password_work work;
	unsigned cost;
	size_t password_len;
	char hash[PASSWORD_HASH_BYTES]; /* in: to check against; out: the new one */
	char password[PASSWORD_JOB_BYTES_MAX + 1];
};

/* The cost that a whole bcrypt hash names, 0..39; 0 for anything else. */
static unsigned bcrypt_cost(const char *hash)
{
	if (strlen(hash) != BCRYPT_HASH_CHARS || hash[0] != '$' || hash[1] != '2' ||
		!strchr("aby", hash[2]) || hash[3] != '$' || hash[6] != '$')
		return 0;
	if (hash[4] < '0' || hash[4] > '3' || hash[5] < '0' || hash[5] > '9')
		return 0;
	return (unsigned)(hash[4] - '0') * 10 + (unsigned)(hash[5] - '0');
}

static bool is_hash_readable(const char *hash)
{
	unsigned cost;

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

/* One hash, compared. 1, 0, -EINVAL (libxcrypt cannot read the hash or take the password), -ENOMEM.
 */
static int check_once(const char *hash, const char *password, struct crypt_data *data)
{
	const char *made;
	int r;

	errno = 0;
	made = crypt_rn(password, hash, data, sizeof(*data));
	if (made)
		r = secret_equal(str_cstr(made), str_cstr(hash));
	else
		r = errno == ENOMEM ? -ENOMEM : -EINVAL;
	secret_wipe(data, sizeof(*data));
	return r;
}

static int check(char *hash, char *password, size_t password_len, struct crypt_data *data)
{
	int r = -EINVAL;

	/* What bcrypt would not read is cut here, because libxcrypt refuses very long ones. */
	if (bcrypt_cost(hash) && password_len > PASSWORD_BCRYPT_BYTES_MAX)
		password[PASSWORD_BCRYPT_BYTES_MAX] = '\0';
	if (is_hash_readable(hash) && password_len <= PASSWORD_JOB_BYTES_MAX)
		r = check_once(hash, password, data);
	if (r != -EINVAL)
		return r;

	/* Damage answers no, and as late as a real hash would. */
	if (service.dummy_hash[0])
		(void)check_once(service.dummy_hash, "", data);
	return 0;
}

static int hash_new(const char *password, unsigned cost, char *ret_hash, struct crypt_data *data)
{
	char salt[BCRYPT_SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *made;
	int r = -EIO;

	random_bytes(salt, sizeof(salt));
	if (!crypt_gensalt_rn("$2b$", cost, salt, sizeof(salt), setting, sizeof(setting)))
		return -EINVAL;
	errno = 0;
	made = crypt_rn(password, setting, data, sizeof(*data));
	if (made && strlen(made) == BCRYPT_HASH_CHARS) {
		memcpy(ret_hash, made, BCRYPT_HASH_CHARS + 1);
		r = 0;
	} else if (errno == ENOMEM) {
		r = -ENOMEM;
	}
	secret_wipe(data, sizeof(*data));
	return r;
}

static void password_job_run(struct job *job, void *thread_context)
{
	struct password_job *p = container_of(job, struct password_job, job);

	assert(job->magic == JOB_MAGIC);
	job->result = p->work == PASSWORD_CHECK
			      ? check(p->hash, p->password, p->password_len, thread_context)
			      : hash_new(p->password, p->cost, p->hash, thread_context);
}

static void password_job_wipe(struct password_job *p)
{
	secret_wipe(p, sizeof(*p));
	free(p);
}

/* job.c has checked the magic word and cleared it: this is the job's last use. */
static void password_job_release(struct job *job)
{
	password_job_wipe(container_of(job, struct password_job, job));
}

/* Can a job carry it, as a C string? */
static bool is_password_carriable(struct str password)
{
	return password.len <= PASSWORD_JOB_BYTES_MAX &&
	       (password.len == 0 || !memchr(password.data, '\0', password.len));
}

static struct password_job *check_job_new(struct str hash, struct str password)
{
	struct password_job *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->work = PASSWORD_CHECK;
	/* The hash stays empty, and so unreadable, when it or the password cannot be carried. */
	if (hash.len < sizeof(p->hash) && is_password_carriable(password)) {
		memcpy(p->hash, hash.len ? hash.data : "", hash.len);
		memcpy(p->password, password.len ? password.data : "", password.len);
		p->password_len = password.len;
	}
	/* Behind a NUL byte libxcrypt would not look: what is before it is another hash. */
	if (strlen(p->hash) != hash.len)
		p->hash[0] = '\0';
	job_init(&p->job, password_job_run, password_job_release);
	return p;
}

static int hash_job_new(struct str password, unsigned cost, struct password_job **ret_job)
{
	struct password_job *p;

	if (cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX)
		return -EINVAL;
	if (password.len > PASSWORD_BCRYPT_BYTES_MAX || !is_password_carriable(password))
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->work = PASSWORD_HASH;
	p->cost = cost;
	memcpy(p->password, password.len ? password.data : "", password.len);
	p->password_len = password.len;
	job_init(&p->job, password_job_run, password_job_release);
	*ret_job = p;
	return 0;
}

int password_check_await(struct str hash, struct str password)
{
	struct password_job *p;
	int r;

	if (!service.is_started)
		return -ERR_OVERLOADED;
	p = check_job_new(hash, password);
	if (!p)
		return -ENOMEM;
	r = job_await(&service.queue, &p->job);
	job_put(&p->job);
	return r;
}

int password_hash_await(
	struct str password, unsigned cost, char ret_hash[static PASSWORD_HASH_BYTES])
{
	struct password_job *p;
	int r;

	if (!service.is_started)
		return -ERR_OVERLOADED;
	r = hash_job_new(password, cost, &p);
	if (r < 0)
		return r;
	r = job_await(&service.queue, &p->job);
	if (r >= 0 && job_is_done(&p->job))
		memcpy(ret_hash, p->hash, BCRYPT_HASH_CHARS + 1);
	job_put(&p->job);
	return r;
}

/* Runs a job here and now, with a crypt_data of its own. */
static int run_here(struct password_job *p)
{
	struct crypt_data *data = calloc(1, sizeof(*data));

	if (!data)
		return -ENOMEM;
	password_job_run(&p->job, data);
	free(data);
	return p->job.result;
}

int password_check(struct str hash, struct str password)
{
	struct password_job *p = check_job_new(hash, password);
	int r;

	if (!p)
		return -ENOMEM;
	r = run_here(p);
	password_job_wipe(p);
	return r;
}

int password_hash(struct str password, unsigned cost, char ret_hash[static PASSWORD_HASH_BYTES])
{
	struct password_job *p;
	int r;

	r = hash_job_new(password, cost, &p);
	if (r < 0)
		return r;
	r = run_here(p);
	if (r >= 0)
		memcpy(ret_hash, p->hash, BCRYPT_HASH_CHARS + 1);
	password_job_wipe(p);
	return r;
}

bool password_needs_rehash(struct str hash, unsigned cost)
{
	char text[BCRYPT_HASH_CHARS + 1] = "";

	if (hash.len != BCRYPT_HASH_CHARS)
		return true;
	memcpy(text, hash.data, hash.len);
	return bcrypt_cost(text) < cost;
}

/*
 * A digest drawn at random is what the hash of an unknown password looks like, and start-up does
 * not wait for one to be computed.
 */
static int dummy_hash_make(unsigned cost)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE], salt[BCRYPT_SALT_BYTES];
	unsigned char digest[BCRYPT_HASH_CHARS - BCRYPT_SETTING_CHARS];

	random_bytes(salt, sizeof(salt));
	if (!crypt_gensalt_rn("$2b$", cost, salt, sizeof(salt), setting, sizeof(setting)) ||
		strlen(setting) != BCRYPT_SETTING_CHARS)
		return -EOPNOTSUPP;
	random_bytes(digest, sizeof(digest));
	memcpy(service.dummy_hash, setting, BCRYPT_SETTING_CHARS);
	for (size_t i = 0; i < sizeof(digest); i++)
		service.dummy_hash[BCRYPT_SETTING_CHARS + i] = bcrypt_alphabet[digest[i] % 64];
	return 0;
}

struct str password_dummy_hash(void)
{
	return str_cstr(service.dummy_hash);
}

/* Published with crypt_blowfish; cost 5, so that the start does not wait. */
static int self_test(void)
{
	const struct str hash = STR("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
	int right = password_check(hash, STR("U*U"));
	int wrong = password_check(hash, STR("U*V"));

	if (right < 0 || wrong < 0)
		return right < 0 ? right : wrong;
	return right == 1 && wrong == 0 ? 0 : -EOPNOTSUPP;
}

static void *hashing_thread(void *arg)
{
	struct crypt_data *data = arg;
	struct job *job;

	while (job_queue_take(&service.queue, 1, &job) > 0) {
		job->run(job, data);
		job_done(&service.queue, job);
	}
	free(data);
	return NULL;
}

static int thread_start(void)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	int r;

	if (!data)
		return -ENOMEM;
	r = pthread_create(&service.threads[service.thread_count], NULL, hashing_thread, data);
	if (r != 0) {
		free(data);
		return -r;
	}
	pthread_setname_np(service.threads[service.thread_count++], "hash");
	return 0;
}

int password_threads_start(const struct password_options *options)
{
	sigset_t all, old;
	int r;

	assert(!service.is_started);
	if (options->cost < PASSWORD_COST_MIN || options->cost > PASSWORD_COST_MAX ||
		options->threads == 0 || options->threads > PASSWORD_THREADS_MAX)
		return -EINVAL;
	r = self_test();
	if (r < 0)
		return r;
	r = dummy_hash_make(options->cost);
	if (r < 0)
		return r;

	job_queue_init(&service.queue, "hash", options->queued_max);
	service.is_started = true;
	/* Signals belong to the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; i < options->threads && r == 0; i++)
		r = thread_start();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		password_threads_stop();
	return r;
}

void password_threads_stop(void)
{
	if (!service.is_started)
		return;
	job_queue_close(&service.queue);
	for (unsigned i = 0; i < service.thread_count; i++)
		pthread_join(service.threads[i], NULL);
	service.thread_count = 0;
	job_queue_deinit(&service.queue);
	service.is_started = false;
}

const struct job_queue *password_queue(void)
{
	return service.is_started ? &service.queue : NULL;
}
