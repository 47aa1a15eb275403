/*
 * clock.c - one clock, and deadlines on it.
 */
#include <sys/timerfd.h>

#include <errno.h>
#include <limits.h>
#include <time.h>

#include "system/system.h"

#define NS_PER_S	INT64_C(1000000000)
#define NS_PER_MS	INT64_C(1000000)

int64_t
mproc__now_ns(void)
{
	struct timespec ts;

	/* Cannot fail: the clock is known and the address is good. */
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
mproc__tick_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

bool
mproc__has_passed(int64_t deadline)
{
	/* several ticks away: no need to look closer */
	if (deadline == MPROC__NEVER ||
	    mproc__tick_ns() < deadline - 100 * NS_PER_MS)
		return false;
	return mproc__now_ns() >= deadline;
}

int64_t
mproc__deadline(int timeout_ms)
{
	if (timeout_ms < 0)
		return MPROC__NEVER;
	return mproc__now_ns() + timeout_ms * NS_PER_MS;
}

int
mproc__remaining_ms(int64_t deadline)
{
	int64_t ms, now;

	if (deadline == MPROC__NEVER)
		return -1;
	now = mproc__now_ns();
	if (deadline <= now)
		return 0;
	/* Rounded up, or poll(2) would return just before the deadline. */
	ms = (deadline - now - 1) / NS_PER_MS + 1;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

int
mproc__timer_set(int fd, int64_t when)
{
	struct itimerspec spec = { .it_value.tv_nsec = 0 };

	if (when != MPROC__NEVER && when > 0) {
		spec.it_value.tv_sec = when / 1000000000;
		spec.it_value.tv_nsec = when % 1000000000;
	} else if (when <= 0) {
		spec.it_value.tv_nsec = 1;	/* 0 would disarm it */
	}
	return timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0 ?
	    -errno : 0;
}

int64_t
mproc__min_deadline(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
