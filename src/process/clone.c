/*
 * clone.c - fork by the kernel alone.
 *
 * fork(3) cannot make a sibling (CLONE_PARENT), nor a child without an exit
 * signal.  What the C library's fork does besides, for a process with one
 * thread, is done here: the thread's cached id is set by the kernel
 * (CLONE_CHILD_SETTID; robust and recursive mutexes name their owner by it),
 * and the list of robust mutexes, which the kernel forgets, is registered
 * again.  Restartable sequences survive by themselves.
 *
 * The legacy call is used where clone3 is not known: old kernels, seccomp
 * filters of containers, valgrind.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <sched.h>
#include <stdint.h>
#include <unistd.h>

#include "process/boot.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD	0x00001000
#endif
#ifndef SYS_clone3
#define SYS_clone3	435
#endif
#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS	40
#endif

struct clone_request {			/* struct clone_args, version 0 */
	uint64_t flags, pidfd, child_tid, parent_tid;
	uint64_t exit_signal, stack, stack_size, tls;
};
_Static_assert(sizeof(struct clone_request) == 64, "CLONE_ARGS_SIZE_VER0");

static long
legacy_clone(unsigned long flags, int *pidfd, int *tid)
{
#if defined(__s390__) || defined(__CRIS__)
	return syscall(SYS_clone, NULL, flags, pidfd, tid, NULL);
#elif defined(__x86_64__) || defined(__alpha__)
	return syscall(SYS_clone, flags, NULL, pidfd, tid, NULL);
#else
	return syscall(SYS_clone, flags, NULL, pidfd, NULL, tid);
#endif
}

static long
new_clone(unsigned long flags, int *pidfd, int *tid)
{
	struct clone_request req = {
		.flags = flags,
		.pidfd = (uintptr_t)pidfd,
		.child_tid = (uintptr_t)tid,
	};
	long pid = syscall(SYS_clone3, &req, sizeof(req));

	if (pid < 0 && (errno == ENOSYS || errno == EPERM))
		return legacy_clone(flags, pidfd, tid);
	return pid;
}

pid_t
mproc__clone(bool for_parent, int *ret_pidfd)
{
	unsigned long flags = CLONE_PIDFD | CLONE_CHILD_SETTID |
	    CLONE_CHILD_CLEARTID | (for_parent ? CLONE_PARENT : 0);
	void *robust = NULL;
	size_t robust_size = 0;
	int *tid = NULL, pidfd = -1;
	long pid;

	if (prctl(PR_GET_TID_ADDRESS, &tid, 0, 0, 0) < 0 || tid == NULL)
		return mproc__err(-EOPNOTSUPP, "the kernel does not tell "
		    "where a thread's id is (CONFIG_CHECKPOINT_RESTORE)");
	if (syscall(SYS_get_robust_list, 0, &robust, &robust_size) < 0)
		robust = NULL;
	pid = new_clone(flags, &pidfd, tid);
	if (pid < 0)
		return mproc__fd_error(errno, "clone");
	if (pid == 0) {
		mproc__restart_coverage();
		mproc__forked();
		if (robust != NULL)
			(void)syscall(SYS_set_robust_list, robust,
			    robust_size);
		return 0;
	}
	*ret_pidfd = mproc__fd_above_stdio(pidfd);
	return (pid_t)pid;
}
