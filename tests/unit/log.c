/* The log: what lines look like, what is too long, too often or too much, levels, files, journal.
 */
#include "support/test.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "observe/log.h"
#include "observe/log_repeats.h"
#include "shared/clock.h"
#include "shared/json.h"

static char folder[] = "/tmp/authd-log-XXXXXX";
static char path[64], text[1 << 20];

static struct log_options options_of(void)
{
	return (struct log_options){ .path = path, .least = LOG_LEVEL_INFO, .instance = "test" };
}

static void begin(const struct log_options *options)
{
	unlink(path);
	assert_int_equal(log_start(options), 0);
}

/* Ends the log and reads what was written. */
static struct str ended(const char *name)
{
	FILE *file;
	size_t len;

	log_stop();
	file = fopen(name, "re");
	if (!file)
		return (struct str){};
	len = fread(text, 1, sizeof(text), file);
	(void)fclose(file);
	return str_of(text, len);
}

static unsigned lines_of(struct str written)
{
	unsigned lines = 0;

	for (size_t i = 0; i < written.len; i++)
		lines += written.data[i] == '\n';
	return lines;
}

int test_around(int (*run)(void))
{
	int r;

	assert(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	r = run();
	unlink(path);
	rmdir(folder);
	return r;
}

static struct str member(struct arena *arena, struct str line, const char *key)
{
	const struct json *root;
	struct str value = {};

	assert_int_equal(json_parse(arena, str_trim(line), &json_limits_frame, &root), 0);
	assert_int_equal(json_get_str(json_member(root, key), &value), 0);
	return value;
}

TEST(a_record_is_one_line_of_json_whatever_is_in_it)
{
	const char nasty[] = "a\"b\\c\n\x1b[31m\x7f\xc2\x9b\xff";
	const char kept[] = "plain \xc3\xa9 \xc2\x9b end";
	struct log_options options = options_of();
	struct arena arena;
	struct str line;

	begin(&options);
	log_event(LOG_LEVEL_WARN, "test.nasty", str_of(nasty, sizeof(nasty) - 1),
		LOG_TEXT("kept", str_cstr(kept)), LOG_NUMBER("n", -5),
		LOG_SECONDS("t", 1234567890));
	line = ended(path);
	arena_init(&arena, 4096, 1 << 20);
	assert_int_equal(lines_of(line), 1);
	assert_true(str_equal(member(&arena, line, "kept"), str_cstr(kept)));
	for (size_t i = 0; i + 1 < line.len; i++)
		assert_true((unsigned char)line.data[i] >= 0x20 && line.data[i] != 0x7f);
	assert_null(memmem(line.data, line.len, "\xc2\x9b", 2)); /* it moves a terminal's cursor */
	assert_non_null(memmem(line.data, line.len, "\"n\":-5", 6));
	assert_non_null(memmem(line.data, line.len, "\"t\":1.234567", 12));
	arena_deinit(&arena);
}

TEST(a_record_that_is_too_long_is_cut_and_still_parses)
{
	static char longest[3 * LOG_RECORD_BYTES_MAX];
	struct log_field fields[LOG_FIELDS_MAX];
	struct log_options options = options_of();
	struct arena arena;
	struct str line;

	memset(longest, 1, sizeof(longest)); /* six characters for each byte */
	for (size_t i = 0; i < LOG_FIELDS_MAX; i++)
		fields[i] = LOG_TEXT("the.name.of.a.long.field", str_of(longest, 300));
	fields[0] = LOG_NUMBER("first", 1);
	begin(&options);
	log_event(LOG_LEVEL_INFO, "test.body", str_of(longest, sizeof(longest)),
		LOG_TEXT("after", STR("has room")));
	log_write(LOG_LEVEL_INFO, "test.fields", STR("many"), fields, 24);
	line = ended(path);
	arena_init(&arena, 65536, 1 << 20);
	assert_int_equal(lines_of(line), 2);
	assert_non_null(memmem(line.data, line.len, "has room", 8));
	for (struct str rest = line, one; str_split(&rest, '\n', &one);) {
		assert_true(one.len < LOG_RECORD_BYTES_MAX);
		if (!one.len)
			continue;
		assert_true(one.data[one.len - 1] == '}');
		if (memmem(one.data, one.len, "test.body", 9))
			assert_true(str_equal(member(&arena, one, "event.name"), STR("test.body")));
	}
	assert_int_equal(log_dropped(), 0);
	arena_deinit(&arena);
}

TEST(an_event_that_repeats_is_counted_and_told_in_the_next_window)
{
	uint64_t suppressed, sum = 0;

	clock_fake(100 * NS_PER_S, 0);
	for (int i = 0; i < LOG_REPEATS_MAX; i++)
		assert_true(log_repeats_allow("test.again", STR("E1"), &suppressed));
	for (int i = 0; i < 7; i++)
		assert_false(log_repeats_allow("test.again", STR("E1"), &suppressed));
	assert_true(log_repeats_allow("test.again", STR("E2"), &suppressed));
	clock_fake_advance_ms(1000);
	assert_true(log_repeats_allow("test.again", STR("E1"), &suppressed));
	sum += suppressed;
	assert_true(log_repeats_allow("test.again", STR("E1"), &suppressed));
	assert_int_equal(sum + suppressed, 7);
	clock_fake_off();
}

TEST(what_must_all_be_told_is_never_suppressed)
{
	struct log_options options = options_of();

	begin(&options);
	for (int i = 0; i < 3 * LOG_REPEATS_MAX; i++)
		log_every(LOG_LEVEL_INFO, "test.every", STR(""), LOG_NUMBER("i", i));
	assert_int_equal(lines_of(ended(path)), 3 * LOG_REPEATS_MAX);
	assert_int_equal(log_suppressed(), 0);
}

TEST(what_the_ring_does_not_take_is_dropped_and_counted_while_a_reader_is_stuck)
{
	static char filler[4096];
	struct log_options options = options_of();
	unsigned written = 0, sent = 0;
	char piece[4096];
	ssize_t n;
	int fd;

	memset(filler, 'x', sizeof(filler));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(log_start(&options), 0);
	while (!log_dropped() && sent++ < 10000)
		log_every(LOG_LEVEL_INFO, "test.full", str_of(filler, sizeof(filler)),
			LOG_NUMBER("i", sent));
	assert_true(log_dropped() > 0); /* and nobody has waited */
	assert_true(sent * sizeof(filler) < LOG_RING_BYTES / 2);
	/* The reader goes on: what was taken is all there. */
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	while (written + log_dropped() < sent && (n = read(fd, piece, sizeof(piece))) > 0)
		for (ssize_t i = 0; i < n; i++)
			written += piece[i] == '\n';
	assert_int_equal(written + log_dropped(), sent);
	log_stop();
	close(fd);
	unlink(path);
}

#define THREADS 4
#define EACH 100

static void *log_some(void *arg)
{
	unsigned core = (unsigned)(uintptr_t)arg;

	if (core % 2)
		assert_int_equal(log_core_start(core), 0);
	for (int i = 0; i < EACH; i++)
		log_every(LOG_LEVEL_INFO, "test.many", STR("a"), LOG_NUMBER("i", i));
	return NULL;
}

TEST(what_a_full_disk_does_not_take_is_counted)
{
	assert_int_equal(log_start(&(struct log_options){
				 .path = "/dev/full", .least = LOG_LEVEL_INFO, .instance = "i" }),
		0);
	assert_string_equal(log_destination(), "file");
	for (int i = 0; i < 5; i++)
		log_every(LOG_LEVEL_INFO, "test.full", STR("no room"), LOG_NUMBER("i", i));
	log_stop();
	assert_int_equal(log_dropped(), 5);
}

TEST(records_of_many_threads_all_arrive_whole)
{
	struct log_options options = options_of();
	struct str lines, line;
	pthread_t threads[THREADS];

	begin(&options);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_some, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	lines = ended(path);
	assert_int_equal(lines_of(lines) + log_dropped(), THREADS * EACH);
	assert_int_equal(log_dropped(), 0);
	while (str_split(&lines, '\n', &line))
		if (line.len)
			assert_int_equal(json_check(line, &json_limits_frame, NULL), 0);
}

TEST(a_module_has_its_own_level_until_its_time_is_over)
{
	struct log_module list[LOG_MODULES_MAX];

	clock_fake(100 * NS_PER_S, 0);
	log_level_set(LOG_LEVEL_WARN);
	assert_false(log_wants(LOG_LEVEL_DEBUG, "login.failed"));
	assert_int_equal(log_module_set(STR("login"), LOG_LEVEL_DEBUG, 1000), 0);
	assert_true(log_wants(LOG_LEVEL_DEBUG, "login.failed"));
	assert_false(log_wants(LOG_LEVEL_DEBUG, "logins.failed"));
	assert_int_equal(log_modules(list), 1);
	clock_fake_advance_ms(1000);
	assert_false(log_wants(LOG_LEVEL_DEBUG, "login.failed"));
	assert_int_equal(log_modules(list), 0);
	assert_int_equal(log_module_set(STR("login.failed"), LOG_LEVEL_DEBUG, 1000), -EINVAL);
	assert_int_equal(log_module_set(STR(""), LOG_LEVEL_DEBUG, 1000), -EINVAL);
	for (char name[] = "a"; name[0] < 'a' + LOG_MODULES_MAX; name[0]++)
		assert_int_equal(log_module_set(str_cstr(name), LOG_LEVEL_ERROR, 1000), 0);
	assert_int_equal(log_module_set(STR("more"), LOG_LEVEL_ERROR, 1000), -EBUSY);
	assert_int_equal(log_module_set(STR("a"), LOG_LEVEL_INFO, 1000), 0); /* it has one */
	for (char name[] = "a"; name[0] < 'a' + LOG_MODULES_MAX; name[0]++)
		assert_true(log_module_end(str_cstr(name)));
	assert_false(log_module_end(STR("a")));
	log_level_set(LOG_LEVEL_INFO);
	clock_fake_off();
}

TEST(a_file_that_was_renamed_is_opened_again)
{
	char moved[80];
	struct log_options options = options_of();
	struct log_cursor start;
	struct buf lines = buf_init(65536);
	uint64_t lost;

	(void)snprintf(moved, sizeof(moved), "%s.moved", path);
	begin(&options);
	start = log_cursor_now();
	log_event(LOG_LEVEL_INFO, "test.before", STR(""), LOG_NUMBER("n", 1));
	while (lines.len == 0) /* the writer has it */
		assert_int_equal(log_read(&start, 65536, &lines, &lost), 0);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(log_reopen(), 0);
	log_event(LOG_LEVEL_INFO, "test.after", STR(""), LOG_NUMBER("n", 1));
	assert_non_null(memmem(text, ended(path).len, "test.after", 10));
	unlink(moved);
	buf_deinit(&lines);
}

TEST(a_file_that_grows_rotates_by_itself_and_keeps_so_many)
{
	static char filler[1024];
	struct log_options options = options_of();
	char name[80];
	struct stat file;

	options.rotate_bytes = 64 * 1024;
	options.rotate_keep = 2;
	memset(filler, 'x', sizeof(filler));
	begin(&options);
	for (int round = 0; round < 8; round++) {
		struct log_cursor seen = log_cursor_now();
		struct log_cursor now;

		for (int i = 0; i < 40; i++)
			log_every(LOG_LEVEL_INFO, "test.grow", str_of(filler, sizeof(filler)),
				LOG_NUMBER("i", i));
		do
			now = log_cursor_now();
		while (now.records < seen.records + 40);
	}
	(void)ended(path);
	assert_int_equal(log_dropped(), 0);
	for (int n = 1; n <= 2; n++) {
		(void)snprintf(name, sizeof(name), "%s.%d", path, n);
		assert_int_equal(stat(name, &file), 0);
		assert_true(file.st_size <= 64 * 1024);
		unlink(name);
	}
	(void)snprintf(name, sizeof(name), "%s.3", path);
	assert_int_equal(stat(name, &file), -1);
}

TEST(for_people_a_record_is_one_readable_line)
{
	struct log_options options = options_of();
	struct str line;

	options.format = LOG_FORMAT_TEXT;
	begin(&options);
	log_event(LOG_LEVEL_WARN, "test.people", STR("two\nlines"), LOG_TEXT("a", STR("b\x1b")),
		LOG_NUMBER("n", 5));
	line = ended(path);
	assert_int_equal(lines_of(line), 1);
	assert_non_null(memmem(
		line.data, line.len, " warn  test.people  two\\u000alines  a=b\\u001b  n=5\n", 50));
}

/* Standard error is a file that JOURNAL_STREAM names; the journal's socket is ours. */
TEST(the_journal_gets_fields_when_standard_error_is_the_journal)
{
	struct log_options options = options_of();
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), saved = dup(STDERR_FILENO), file;
	char stream[64], datagram[8192];
	struct stat stderr_file;
	ssize_t n;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/journal", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(file >= 0 && dup2(file, STDERR_FILENO) >= 0);
	assert_int_equal(fstat(STDERR_FILENO, &stderr_file), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)stderr_file.st_dev,
		(unsigned long long)stderr_file.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	options.path = "";
	options.journal = address.sun_path;
	assert_int_equal(log_start(&options), 0);
	log_event(LOG_LEVEL_ERROR, "test.journal", STR("a\nb"), LOG_TEXT("error.type", STR("X")));
	n = recv(fd, datagram, sizeof(datagram), 0);
	log_stop();
	unsetenv("JOURNAL_STREAM");
	(void)dup2(saved, STDERR_FILENO);
	assert_true(n > 0);
	assert_non_null(memmem(datagram, (size_t)n, "MESSAGE=a\\u000ab\nPRIORITY=3\n", 27));
	assert_non_null(memmem(datagram, (size_t)n, "EVENT_NAME=test.journal\n", 24));
	assert_non_null(memmem(datagram, (size_t)n, "ERROR_TYPE=X\n", 13));
	close(fd);
	close(file);
	close(saved);
	unlink(address.sun_path);
}
