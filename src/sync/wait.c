/*
 * wait.c - select(2) and poll(2) against a deadline.
 *
 * Both are called again after a signal, with what is left of the time.
 */
#include <sys/time.h>

#include <limits.h>
#include <string.h>
#include <time.h>

#include <mproc/sync.h>

#include "system/system.h"

/* What is left until `deadline`, in ts; NULL for no limit */
static struct timespec *
time_left(int64_t deadline, struct timespec *ts)
{
	int64_t left;

	if (deadline == MPROC__NEVER)
		return NULL;
	left = deadline - mproc__now_ns();
	if (left < 0)
		left = 0;
	ts->tv_sec = (time_t)(left / 1000000000);
	ts->tv_nsec = (long)(left % 1000000000);
	return ts;
}

/* Never less: a wait lasts as long as was asked for. */
static struct timeval
rounded_up(const struct timespec *ts)
{
	struct timeval tv;

	tv.tv_sec = ts->tv_sec;
	tv.tv_usec = (ts->tv_nsec + 999) / 1000;
	if (tv.tv_usec == 1000000) {
		tv.tv_sec++;
		tv.tv_usec = 0;
	}
	return tv;
}

int
mproc_select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
    int timeout_ms)
{
	fd_set *const user[3] = { readfds, writefds, exceptfds };
	const int64_t deadline = mproc__deadline(timeout_ms);
	struct timespec ts;
	struct timeval tv;
	fd_set work[3];
	int i, n;

	if (nfds < 0 || nfds > FD_SETSIZE)
		return mproc__err(-EINVAL, "mproc_select: %d descriptors: 0 "
		    "to %d", nfds, FD_SETSIZE);
	do {
		/* After an error the sets are undefined: work on copies. */
		for (i = 0; i < 3; i++)
			if (user[i] != NULL)
				work[i] = *user[i];
		if (time_left(deadline, &ts) != NULL)
			tv = rounded_up(&ts);
		n = select(nfds, readfds != NULL ? &work[0] : NULL,
		    writefds != NULL ? &work[1] : NULL,
		    exceptfds != NULL ? &work[2] : NULL,
		    deadline != MPROC__NEVER ? &tv : NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return mproc__err(-errno, "mproc_select: %s", strerror(errno));
	for (i = 0; i < 3; i++)
		if (user[i] != NULL)
			*user[i] = work[i];
	return n;
}

int
mproc_poll(struct pollfd *fds, size_t n, int timeout_ms)
{
	const int64_t deadline = mproc__deadline(timeout_ms);
	struct timespec ts;
	int r;

	if ((fds == NULL && n > 0) || n > INT_MAX)
		return mproc__err(-EINVAL, "mproc_poll: %zu entries%s", n,
		    fds == NULL ? " at NULL" : "");
	do
		r = ppoll(fds, n, time_left(deadline, &ts), NULL);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return mproc__err(-errno, "mproc_poll: %s", strerror(errno));
	return r;
}
