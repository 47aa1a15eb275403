/*
 * write.c - bytes out, without SIGPIPE, and not for ever.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "system/system.h"

static int
write_all(int fd, const char *bytes, size_t len, int full_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int64_t deadline = 0;		/* 0: not full so far */
	int left_ms;
	ssize_t n;

	while (len > 0) {
		if ((n = write(fd, bytes, len)) >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (deadline == 0)
				deadline = mproc__deadline(full_ms);
			if ((left_ms = mproc__remaining_ms(deadline)) == 0)
				return -EAGAIN;
			(void)poll(&p, 1, left_ms);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/*
 * The signal of a write to a closed pipe comes to the writing thread.  It is
 * blocked here and taken again, unless one was pending before: that one is
 * somebody else's.
 */
int
mproc__write(int fd, const void *bytes, size_t len, int full_ms)
{
	static const struct timespec at_once;
	sigset_t sigpipe, old, pending;
	bool was_pending = false;
	int r;

	(void)sigemptyset(&sigpipe);
	(void)sigaddset(&sigpipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
	if (sigismember(&old, SIGPIPE) == 1 && sigpending(&pending) == 0)
		was_pending = sigismember(&pending, SIGPIPE) == 1;
	r = write_all(fd, bytes, len, full_ms);
	if (r == -EPIPE && !was_pending)
		while (sigtimedwait(&sigpipe, NULL, &at_once) < 0 &&
		    errno == EINTR)
			continue;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}
