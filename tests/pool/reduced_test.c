/*
 * reduced_test.c - a pool on a kernel that lacks what is young.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

#define YOUNG	(MPROC_FEATURE_CLONE3 | MPROC_FEATURE_CLOSE_RANGE)

/* From now on this process and its children have neither call. */
static bool
take_away(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 435, 1, 0), /* clone3 */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 436, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {
		.len = sizeof(code) / sizeof(code[0]), .filter = code
	};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

/* A job in a pool of that kind: 0, or what went wrong. */
static int
job_in(enum mproc_launch launch)
{
	struct mproc_pool_options o = {
		.workers = 1, .process.launch = launch
	};
	struct mproc_pool *pool = NULL;
	int r;

	if ((r = mproc_pool_new(&task_class, &o, &pool)) == 0 &&
	    (r = mproc_pool_start(pool)) == 0)
		r = mproc_pool_call(pool, SOON, NULL, task_square, .n = 3);
	mproc_pool_free(pool);
	return r;
}

static int
reduced(void)
{
	if (!take_away())
		return 77;
	if ((mproc_features() & YOUNG) != 0)
		return 1;
	if (job_in(MPROC_FORK) < 0)
		return 2;
	return job_in(MPROC_SPAWN) < 0 ? 3 : 0;
}

static void
pr93_what_the_kernel_lacks(void **state)
{
	unsigned before = mproc_features();
	int status = -1;
	pid_t pid;

	(void)state;
	if (test_on_valgrind())
		skip();		/* it knows no filters */
	assert_true(before < 2 * MPROC_FEATURE_SEAL_FUTURE);
	if ((pid = fork()) == 0)
		_exit(reduced());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();		/* no filters here */
	assert_int_equal(status, 0);
	assert_int_equal(mproc_features(), before);
}

static void
pm46_the_version(void **state)
{
	char text[32];

	(void)state;
	(void)snprintf(text, sizeof(text), "%d.%d.%d", MPROC_VERSION_MAJOR,
	    MPROC_VERSION_MINOR, MPROC_VERSION_PATCH);
	assert_string_equal(mproc_version(), MPROC_VERSION);
	assert_int_equal(strncmp(text, MPROC_VERSION, strlen(text)), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TASK_NOT_THREADS(pr93_what_the_kernel_lacks, TASK_PROCESSES),
		TASK_NOT_THREADS(pm46_the_version, TASK_PROCESSES),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
