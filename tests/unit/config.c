/* Configuration: every type of value, and errors that say where, what and what would be right. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/doubts.h"
#include "config/options.h"
#include "shared/macros.h"

static struct config config;
static char said[CONFIG_ERRORS_BYTES_MAX + 1]; /* the errors of the latest reading */

static void say(struct buf *errors)
{
	memcpy(said, errors->data ? errors->data : "", errors->len);
	said[errors->len] = '\0';
	buf_deinit(errors);
}

static int parse_str(struct str text)
{
	struct buf errors = buf_init(CONFIG_ERRORS_BYTES_MAX);
	int r;

	config_defaults(&config);
	r = config_parse("a.conf", text, &config, &errors);
	say(&errors);
	assert_true((r == 0) == (said[0] == '\0'));
	return r;
}

static int parse(const char *text)
{
	return parse_str(str_cstr(text));
}

static void assert_said(const char *part)
{
	if (!strstr(said, part))
		print_message("no \"%s\" in:\n%s\n", part, said);
	assert_non_null(strstr(said, part));
}

/* --- values --- */

TEST(an_empty_file_changes_nothing)
{
	struct config defaults;

	config_defaults(&defaults);
	assert_int_equal(parse(""), 0);
	assert_memory_equal(&config, &defaults, sizeof(config));
	assert_int_equal(parse("\n# a comment\n; another\n\n"), 0);
	assert_memory_equal(&config, &defaults, sizeof(config));
}

TEST(every_default_is_what_its_row_says)
{
	for (size_t i = 0; i < options_count; i++) {
		config_defaults(&config);
		assert_int_equal(
			option_set(&options[i], str_cstr(options[i].fallback), &config), 0);
		assert_ptr_equal(
			option_find(str_cstr(options[i].section), str_cstr(options[i].key)),
			&options[i]);
		assert_true(strlen(options[i].help) > 0);
		for (size_t j = 0; j < i; j++)
			assert_true(options[i].offset != options[j].offset);
	}
}

TEST(durations_have_units_and_zero_needs_none)
{
	assert_int_equal(parse("[http]\nidle_timeout = 90s\nrequest_timeout = 1500ms\n"
			       "send_timeout = 2m\n[session]\nidle = 25h\nabsolute=3d\n"
			       "[core]\ndrain_timeout = 0\n"),
		0);
	assert_int_equal(config.http.idle_timeout_ms, 90000);
	assert_int_equal(config.http.request_timeout_ms, 1500);
	assert_int_equal(config.http.send_timeout_ms, 120000);
	assert_int_equal(config.session.idle_ms, 25 * 3600000);
	assert_int_equal(config.session.absolute_ms, 3 * 86400000);
	assert_int_equal(config.core.drain_timeout_ms, 0);
	assert_int_equal(parse("[http]\nidle_timeout = 90\n"), -EINVAL);
	assert_int_equal(parse("[http]\nidle_timeout = 90 s\n"), -EINVAL);
	assert_int_equal(parse("[http]\nidle_timeout = 1.5s\n"), -EINVAL);
	assert_int_equal(parse("[http]\nidle_timeout = 90S\n"), -EINVAL);
	assert_int_equal(parse("[http]\nidle_timeout = -1s\n"), -EINVAL);
	assert_int_equal(parse("[http]\nidle_timeout = s\n"), -EINVAL);
	assert_int_equal(parse("[http]\nidle_timeout =\n"), -EINVAL);
}

TEST(sizes_are_bytes_kib_or_mib)
{
	assert_int_equal(parse("[core]\nstack = 1MiB\n[io]\nbuffer_size = 2048\n"), 0);
	assert_int_equal(config.core.stack_bytes, 1 << 20);
	assert_int_equal(config.io.buffer_bytes, 2048);
	assert_int_equal(parse("[core]\nstack = 64KB\n"), -EINVAL);
	assert_int_equal(parse("[core]\nstack = 64kib\n"), -EINVAL);
	assert_int_equal(parse("[core]\nstack = 64K\n"), -EINVAL);
}

TEST(numbers_end_at_their_bounds)
{
	assert_int_equal(parse("[core]\nthreads = 256\n"), 0);
	assert_int_equal(config.core.threads, 256);
	assert_int_equal(parse("[core]\nthreads = 257\n"), -EINVAL);
	assert_said("out of range");
	assert_said("allowed 0..256");
	assert_int_equal(parse("[store]\nreader_threads = 0\n"), -EINVAL);
	assert_int_equal(parse("[core]\nthreads = 18446744073709551616\n"), -EINVAL);
	assert_int_equal(parse("[session]\nidle = 99999999999999999999d\n"), -EINVAL);
	assert_int_equal(parse("[session]\nidle = 999999999999999999d\n"), -EINVAL);
	assert_said("out of range");
	assert_int_equal(parse("[core]\nthreads = 0x4\n"), -EINVAL);
	assert_int_equal(parse("[core]\nthreads = +4\n"), -EINVAL);
	assert_int_equal(parse("[core]\nthreads = 4 5\n"), -EINVAL);
}

TEST(yes_and_no_are_the_only_truth_values)
{
	assert_int_equal(parse("[core]\npin = yes\n"), 0);
	assert_true(config.core.is_pinned);
	assert_int_equal(parse("[core]\npin = no\n"), 0);
	assert_false(config.core.is_pinned);
	assert_int_equal(parse("[core]\npin = true\n"), -EINVAL);
	assert_said("allowed yes or no, default no");
	assert_int_equal(parse("[core]\npin = YES\n"), -EINVAL);
	assert_int_equal(parse("[core]\npin = 1\n"), -EINVAL);
}

TEST(choices_are_spelt_as_in_the_table)
{
	assert_int_equal(parse("[io]\nreceive = oneshot\n"), 0);
	assert_int_equal(config.io.receive, RECEIVE_ONESHOT);
	assert_int_equal(parse("[io]\nreceive = Oneshot\n"), -EINVAL);
	assert_said("auto|multishot|oneshot");
	assert_int_equal(parse("[io]\nreceive = auto|multishot\n"), -EINVAL);
	assert_int_equal(parse("[io]\nreceive =\n"), -EINVAL);
}

TEST(lists_are_words_between_spaces_or_commas)
{
	assert_int_equal(parse("[http]\nlisten = 127.0.0.1:1, [::1]:2  *:3\n"), 0);
	assert_int_equal(config.http.listen.count, 3);
	assert_string_equal(config.http.listen.items[0], "127.0.0.1:1");
	assert_string_equal(config.http.listen.items[1], "[::1]:2");
	assert_string_equal(config.http.listen.items[2], "*:3");
	assert_int_equal(parse("[http]\nlisten = a b c d e f g h\n"), 0);
	assert_int_equal(config.http.listen.count, CONFIG_LISTEN_MAX);
	assert_int_equal(parse("[http]\nlisten = a b c d e f g h i\n"), -EINVAL);
	assert_int_equal(parse("[http]\nlisten = , ,\n"), 0);
	assert_int_equal(config.http.listen.count, 0);
}

TEST(texts_end_at_their_length)
{
	const struct option *option = option_find(STR("control"), STR("socket"));
	char text[CONFIG_TEXT_BYTES] = "";

	memset(text, 'x', sizeof(text) - 1);
	config_defaults(&config);
	assert_int_equal(option_set(option, str_of(text, 107), &config), 0);
	assert_int_equal(strlen(config.control.socket), 107);
	assert_int_equal(option_set(option, str_of(text, 108), &config), -ERANGE);
	assert_int_equal(strlen(config.control.socket), 107);
	assert_int_equal(option_set(option, STR(""), &config), 0);
	assert_string_equal(config.control.socket, "");
	option = option_find(STR("token"), STR("issuer"));
	assert_int_equal(option_set(option, STR(""), &config), -ERANGE);
	assert_int_equal(option_set(option, STR("a\0b"), &config), -EINVAL);
}

/* --- files --- */

TEST(line_ends_spaces_and_comments_do_not_matter)
{
	assert_int_equal(parse("  [core]  \r\n\tthreads=3\r\npin : yes ; why\r\n[log]\r\nlevel = "
			       "warn"),
		0);
	assert_int_equal(config.core.threads, 3);
	assert_true(config.core.is_pinned);
	assert_int_equal(config.log.level, LEVEL_WARN);
}

TEST(a_byte_order_mark_is_skipped)
{
	assert_int_equal(parse("\xef\xbb\xbf[core]\nthreads = 3\n"), 0);
	assert_int_equal(config.core.threads, 3);
	assert_int_equal(parse("\xef\xbb\xbf# a comment\n[core]\nthreads = 4\n"), 0);
	assert_int_equal(config.core.threads, 4);
	assert_int_equal(parse("[core]\n\xef\xbb\xbfthreads = 3\n"), -EINVAL);
}

TEST(a_nul_byte_is_shown_to_be_one)
{
	assert_int_equal(parse_str(STR("[core]\nthreads = 3\0\n")), -EINVAL);
	assert_said("a.conf:2:1: error: the line has a NUL byte");
	assert_int_equal(parse_str(STR("[core]\n\0\nthreads = 3\n")), -EINVAL);
	assert_said("a.conf:2:1");
}

TEST(a_line_has_at_most_198_bytes)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "[log]\nfile = %0*d", 198 - 7, 0);

	assert_int_equal(n, 6 + 198);
	assert_int_equal(parse(text), 0);
	assert_int_equal(strlen(config.log.file), 198 - 7);
	snprintf(text, sizeof(text), "[log]\nfile = %0*d", 199 - 7, 0);
	assert_int_equal(parse(text), -EINVAL);
	assert_said("a.conf:2:1: error: the line is too long");
}

TEST(an_error_shows_its_line_and_a_caret_under_the_value)
{
	assert_int_equal(parse("[core]\n\tthreads =  many\n"), -EINVAL);
	assert_string_equal(said, "a.conf:2:13: error: core.threads: 'many' is not a value of this "
				  "option\n    2 | \tthreads =  many\n      | \t           ^ "
				  "allowed 0..256, default 0\n");
}

TEST(what_is_no_line_of_the_format_is_not_understood)
{
	static const char *const bad[] = { "nonsense\n", "[core\n", "core]\n", "=\n", "= 3\n",
		"[core]\nthreads\n", "<core>\n" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i]), -EINVAL);
}

TEST(a_misspelt_name_suggests_the_right_one)
{
	assert_int_equal(parse("[core]\nthread = 3\n"), -EINVAL);
	assert_said("unknown option core.thread\n");
	assert_said("did you mean threads in [core]?");
	assert_int_equal(parse("[http]\nthreads = 3\n"), -EINVAL);
	assert_said("did you mean threads in [");
	assert_int_equal(parse("[core]\nsomething_else_entirely = 3\n"), -EINVAL);
	assert_null(strstr(said, "did you mean"));
	assert_int_equal(parse("threads = 3\n"), -EINVAL);
	assert_said("unknown option .threads");
}

TEST(the_same_option_twice_in_one_file_is_an_error)
{
	assert_int_equal(parse("[core]\nthreads = 3\npin = yes\nthreads = 4\n"), -EINVAL);
	assert_said("a.conf:4:1: error: core.threads is set twice");
	assert_said("first in line 2");
	assert_int_equal(parse("[core]\nthreads = 3\n[log]\n[core]\npin = yes\n"), 0);
}

TEST(every_error_is_told_and_nothing_is_changed)
{
	struct config defaults;

	config_defaults(&defaults);
	assert_int_equal(
		parse("[core]\nthreads = 3\npin = x\nstack = y\n[nope]\na = b\n"), -EINVAL);
	assert_said("a.conf:3:7");
	assert_said("a.conf:4:9");
	assert_said("a.conf:6:1");
	assert_memory_equal(&config, &defaults, sizeof(config));
}

TEST(more_errors_than_the_buffer_holds_are_still_errors)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(65536), errors = buf_init(128);

	assert_int_equal(buf_append(&text, STR("[core]\n")), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(buf_printf(&text, "nope%u = 1\n", i), 0);
	config_defaults(&config);
	assert_int_equal(config_parse("a.conf", buf_str(&text), &config, &errors), -EINVAL);
	assert_true(errors.len <= 128);
}

/* --- folders --- */

static char folder[64];

static void file_write(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int load(const char *name)
{
	struct buf errors = buf_init(CONFIG_ERRORS_BYTES_MAX);
	char path[256];
	int r;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	r = config_load(path, &config, &errors);
	say(&errors);
	return r;
}

static void folder_begin(void)
{
	char path[256];

	snprintf(folder, sizeof(folder), "/tmp/authd-config-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/conf.d", folder);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void folder_end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

TEST(later_files_win_in_the_order_of_their_bytes)
{
	folder_begin();
	file_write("authd.conf", "[core]\nthreads = 1\nfibers_max = 7\n");
	file_write("conf.d/20.conf", "[core]\nthreads = 3\n");
	file_write("conf.d/10.conf", "[core]\nthreads = 2\n[log]\nlevel = debug\n");
	file_write("conf.d/B.conf", "[password]\nmin = 11\n");
	file_write("conf.d/a.conf", "[password]\nmin = 12\n");
	file_write("conf.d/.hidden.conf", "nonsense");
	file_write("conf.d/note.txt", "nonsense");
	file_write("conf.d/.conf", "nonsense");
	assert_int_equal(load("authd.conf"), 0);
	assert_int_equal(config.core.threads, 3);
	assert_int_equal(config.core.fibers_max, 7);
	assert_int_equal(config.log.level, LEVEL_DEBUG);
	assert_int_equal(config.password.min, 12);
	folder_end();
}

TEST(errors_of_all_files_are_told_with_their_names)
{
	folder_begin();
	file_write("authd.conf", "[core]\nthreads = x\n");
	file_write("conf.d/10.conf", "[core]\npin = x\n");
	file_write("conf.d/20.conf", "[nope]\na = 1\n");
	assert_int_equal(load("authd.conf"), -EINVAL);
	assert_said("/authd.conf:2:11: error: ");
	assert_said("/conf.d/10.conf:2:7: error: ");
	assert_said("/conf.d/20.conf:2:1: error: ");
	folder_end();
}

TEST(a_file_that_cannot_be_read_is_named)
{
	char path[256];

	folder_begin();
	assert_int_equal(load("none.conf"), -ENOENT);
	assert_said("none.conf: error: No such file or directory");
	file_write("authd.conf", "");
	snprintf(path, sizeof(path), "%s/conf.d/10.conf", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(load("authd.conf") < 0);
	assert_said("conf.d/10.conf: error: ");
	rmdir(path);
	assert_int_equal(symlink("/nowhere/at/all", path), 0);
	assert_int_equal(load("authd.conf"), -ENOENT);
	assert_said("conf.d/10.conf: error: ");
	folder_end();
}

TEST(a_folder_that_cannot_be_read_or_has_too_many_files_is_named)
{
	char path[256];

	folder_begin();
	file_write("authd.conf", "");
	for (unsigned i = 0; i <= 64; i++) {
		char name[32];

		snprintf(name, sizeof(name), "conf.d/%02u.conf", i);
		file_write(name, "");
	}
	assert_int_equal(load("authd.conf"), -E2BIG);
	assert_said("conf.d: error: ");
	snprintf(path, sizeof(path), "%s/conf.d/64.conf", folder);
	unlink(path);
	assert_int_equal(load("authd.conf"), 0);
	folder_end();
	folder_begin();
	file_write("authd.conf", "");
	snprintf(path, sizeof(path), "%s/conf.d", folder);
	rmdir(path);
	file_write("conf.d", "a file\n");
	assert_int_equal(load("authd.conf"), -ENOTDIR);
	assert_said("conf.d: error: ");
	folder_end();
}

TEST(a_file_that_is_far_too_large_is_refused)
{
	static char text[300 * 1024];

	folder_begin();
	memset(text, '#', sizeof(text) - 1);
	file_write("authd.conf", text);
	assert_int_equal(load("authd.conf"), -EFBIG);
	assert_said("authd.conf: error: ");
	folder_end();
}

TEST(what_one_option_cannot_know_alone_is_checked)
{
	static const char *const bad[] = { "[io]\nbuffers = 100\n", "[core]\nstack = 65537\n",
		"[lockout]\nbase = 2m\nmax = 1m\n", "[session]\nidle = 2d\nabsolute = 1d\n",
		"[token]\nalgorithm = HS256\n", "[http]\nbase = v1\n", "[http]\nbase = /v1/\n",
		"[http]\nlisten =\n", "[tls]\nlisten = *:1\n", "[tls]\nredirect_listen = *:1\n",
		"[tls]\ncertificate_files = a b\nkey_files = a\n",
		"[tls]\nclient_certificate = optional\n",
		"[mail]\nretry_base = 1h\nretry_max = 30m\n" };

	folder_begin();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		file_write("authd.conf", bad[i]);
		if (load("authd.conf") != -EINVAL)
			print_message("taken: %s\n", bad[i]);
		assert_int_equal(load("authd.conf"), -EINVAL);
		assert_said("authd.conf: error: ");
	}
	folder_end();
}

/* --- doubts --- */

static void doubt_say(const char *sentence, void *count)
{
	(void)snprintf(said, sizeof(said), "%s", sentence);
	++*(unsigned *)count;
}

static unsigned doubts_of(const char *text)
{
	unsigned count = 0;

	assert_int_equal(parse(text), 0);
	config_doubts(&config, doubt_say, &count);
	return count;
}

TEST(nobody_doubts_the_defaults)
{
	assert_int_equal(doubts_of(""), 0);
}

TEST(values_that_make_each_other_pointless_are_doubted_from_their_boundary_on)
{
	static const struct {
		const char *fine, *doubtful;
		char said[32];
	} rows[] = {
		{ "[http]\nrequest_timeout = 5001ms\n", "[http]\nrequest_timeout = 5s\n",
			"breaker.call_timeout" },
		{ "[http]\nrequest_timeout = 10s\n[admission]\nqueue_time_max = 10s\n",
			"[http]\nrequest_timeout = 10s\n[admission]\nqueue_time_max = 10001ms\n",
			"admission.queue_time_max" },
		{ "[core]\nfibers_max = 51\n", "[core]\nfibers_max = 50\n",
			"admission.concurrent_max" },
		{ "[log]\nslow = 29s\n", "[log]\nslow = 30s\n", "log.slow" },
		{ "[log]\naccess = yes\nslow = 30s\n", "[log]\nslow = 31s\n", "log.slow" },
		{ "[trace]\nslow = 30s\n", "[trace]\nendpoint = http://a/\nslow = 30s\n",
			"trace.slow" },
		{ "[token]\nttl = 1h\n[session]\nidle = 1h\n",
			"[token]\nttl = 61m\n[session]\nidle = 1h\n", "token.ttl" },
		{ "[accounts]\nrequire_verified = yes\n",
			"[accounts]\nrequire_verified = yes\n[mail]\ntransport = none\n",
			"accounts.require_verified" },
		{ "[mail]\ntransport = smtp\nage_max = 61s\nretry_base = 1m\n",
			"[mail]\ntransport = smtp\nage_max = 1m\nretry_base = 1m\n",
			"mail.retry_base" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(doubts_of(rows[i].fine), 0);
		assert_int_equal(doubts_of(rows[i].doubtful), 1);
		assert_said(rows[i].said);
	}
}
