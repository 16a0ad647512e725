/*
 * Runs a program to which the kernel refuses io_uring: forbid ERRNO PROGRAM [ARGUMENT...]. A
 * seccomp filter answers io_uring_setup with that error, as container profiles (EPERM) and old
 * kernels (ENOSYS) do. Or it refuses timers: forbid timers PROGRAM [ARGUMENT...].
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "shared/macros.h"

static int forbid(unsigned call, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned call;
		int error;
	} errors[] = { { "EPERM", SYS_io_uring_setup, EPERM },
		{ "ENOSYS", SYS_io_uring_setup, ENOSYS }, { "ENOMEM", SYS_io_uring_setup, ENOMEM },
		{ "timers", SYS_timer_create, EPERM } };

	for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(errors); i++) {
		if (strcmp(argv[1], errors[i].name) != 0)
			continue;
		if (forbid(errors[i].call, errors[i].error) < 0)
			break;
		execv(argv[2], argv + 2);
	}
	(void)fprintf(stderr, "forbid: cannot run %s\n", argc > 2 ? argv[2] : "nothing");
	return 125;
}
