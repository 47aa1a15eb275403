/*
 * futex.c - waiting on a word in shared memory.
 *
 * FUTEX_WAIT_BITSET, because it takes an absolute CLOCK_MONOTONIC time, so
 * that a wait resumed after a signal does not start its time again.  Never
 * FUTEX_PRIVATE_FLAG: the other side may be another process.
 */
#include <sys/syscall.h>

#include <linux/futex.h>
#include <time.h>
#include <unistd.h>

#include "system/system.h"

int
mproc__futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t deadline)
{
	struct timespec ts, *tsp = NULL;

	if (deadline != MPROC__NEVER) {
		if (deadline < 0)
			deadline = 0;
		ts.tv_sec = (time_t)(deadline / 1000000000);
		ts.tv_nsec = (long)(deadline % 1000000000);
		tsp = &ts;
	}
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, tsp, NULL,
	    FUTEX_BITSET_MATCH_ANY) < 0)
		return -errno;
	return 0;
}

int
mproc__futex_wake(_Atomic uint32_t *word, int n)
{
	long woken = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);

	return woken < 0 ? -errno : (int)woken;
}
