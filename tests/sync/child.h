/*
 * child.h - what the tests of sync need of processes: children by fork(2),
 * bounded, and reaped.
 */
#ifndef TESTS_SYNC_CHILD_H
#define TESTS_SYNC_CHILD_H

#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc/sync.h>

#include "system/system.h"
#include "test.h"

#define BOUND_MS	10000
#define MS		INT64_C(1000000)

/* The child runs fn and exits with its result. */
static inline pid_t
start_child(int (*fn)(void *), void *arg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(30);
	_exit(fn(arg));
}

/* Its exit code, or 128 + the signal */
static inline int
end_child(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
	    WEXITSTATUS(status);
}

static inline int
kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	return end_child(pid);
}

#endif
