/* The chain of audit records, on a real file. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/audit.h"

static char folder[] = "/tmp/authd-audit-XXXXXX";
static char path[64], older[72];

static void open_new(void)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/audit.log", folder);
	(void)snprintf(older, sizeof(older), "%s.1", path);
	assert_int_equal(audit_open(path), 0);
}

static void close_all(void)
{
	audit_close();
	(void)unlink(path);
	(void)unlink(older);
	(void)rmdir(folder);
}

static int add(const char *args, uint64_t *ret_seq)
{
	static const struct peer peer = { .pid = 7, .uid = 1000, .login_uid = PEER_NO_UID };
	const struct audit_record record = {
		.peer = &peer, .command = STR("conn.kill"), .args = str_cstr(args), .result = "ok"
	};

	return audit_write(&record, false, ret_seq);
}

static struct audit_verdict verdict(void)
{
	struct audit_verdict found;

	assert_int_equal(audit_verify(&found), 0);
	return found;
}

TEST(records_are_numbered_and_chained)
{
	uint64_t seq = 0;

	open_new();
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(add("{\"id\":1}", &seq), 0);
		assert_int_equal(seq, i);
	}
	assert_true(verdict().is_ok);
	assert_int_equal(verdict().records, 3);
	close_all();
}

TEST(an_opened_file_goes_on_where_it_ended)
{
	uint64_t seq = 0;

	open_new();
	assert_int_equal(add("{}", &seq), 0);
	audit_close();
	assert_int_equal(audit_open(path), 0);
	assert_int_equal(add("{}", &seq), 0);
	assert_int_equal(seq, 2);
	assert_true(verdict().is_ok);
	close_all();
}

TEST(a_line_that_is_no_record_is_found)
{
	uint64_t seq = 0;
	FILE *file;

	open_new();
	assert_int_equal(add("{}", &seq), 0);
	file = fopen(path, "a");
	assert_non_null(file);
	(void)fputs("nonsense\n", file);
	(void)fclose(file);
	assert_false(verdict().is_ok);
	assert_non_null(strstr(verdict().problem, "no record"));
	audit_close();
	assert_int_equal(audit_open(path), -EBADMSG);
	close_all();
}

TEST(arguments_that_are_too_long_are_left_out_and_the_record_is_not)
{
	static char args[AUDIT_ARGS_BYTES_MAX + 16];
	uint64_t seq = 0;

	open_new();
	memset(args, 'a', sizeof(args) - 1);
	args[0] = args[sizeof(args) - 2] = '"';
	assert_int_equal(add(args, &seq), 0);
	args[AUDIT_ARGS_BYTES_MAX - 1] = '"';
	args[AUDIT_ARGS_BYTES_MAX] = '\0';
	assert_int_equal(add(args, &seq), 0);
	assert_true(verdict().is_ok);
	assert_int_equal(verdict().records, 2);
	close_all();
}

TEST(a_full_file_is_kept_as_the_one_before_and_the_chain_goes_on)
{
	static char args[4000];
	uint64_t seq = 0;
	struct stat stat;

	open_new();
	memset(args, 'a', sizeof(args) - 1);
	args[0] = args[sizeof(args) - 2] = '"';
	for (size_t bytes = 0; bytes < AUDIT_FILE_BYTES_MAX + sizeof(args); bytes += sizeof(args))
		assert_int_equal(add(args, &seq), 0);
	assert_int_equal(lstat(older, &stat), 0);
	assert_true(stat.st_size <= AUDIT_FILE_BYTES_MAX);
	assert_int_equal(lstat(path, &stat), 0);
	assert_true(stat.st_size < AUDIT_FILE_BYTES_MAX / 2);
	assert_true(verdict().is_ok);
	assert_int_equal(verdict().records, seq);
	close_all();
}

TEST(a_file_that_cannot_be_written_is_tried_again)
{
	uint64_t seq = 0;

	open_new();
	assert_int_equal(add("{}", &seq), 0);
	audit_close();
	(void)unlink(path);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(add("{}", &seq), -ENOENT);
	assert_int_equal(audit_check(), -ENOENT);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(add("{}", &seq), 0);
	assert_int_equal(seq, 2);
	assert_int_equal(audit_check(), 0);
	close_all();
}

TEST(a_file_that_can_be_written_again_is_found_good_without_a_record)
{
	uint64_t seq = 0;

	open_new();
	audit_close();
	(void)unlink(path);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(audit_check(), -ENOENT);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(audit_check(), 0);
	assert_int_equal(add("{}", &seq), 0);
	assert_int_equal(seq, 1);
	assert_true(verdict().is_ok);
	close_all();
}

TEST(a_file_that_another_process_writes_is_left_to_it_and_its_chain_goes_on_later)
{
	uint64_t seq = 0;
	int other;

	open_new();
	assert_int_equal(add("{}", &seq), 0);
	audit_close();
	other = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(audit_open(path), -EWOULDBLOCK);
	assert_int_equal(add("{}", &seq), -EWOULDBLOCK);
	assert_int_equal(audit_check(), -EWOULDBLOCK);
	close(other);
	assert_int_equal(add("{}", &seq), 0);
	assert_int_equal(seq, 2);
	assert_true(verdict().is_ok);
	assert_int_equal(verdict().records, 2);
	close_all();
}
