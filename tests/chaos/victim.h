/*
 * victim.h - a class whose backend dies where a test wants it to, and what
 * the failure tests share.
 *
 * A point is reached by construction: either the backend kills itself there,
 * or it says so in a pipe (or in its status page, or by what it has read) and
 * waits to be killed.
 */
#ifndef MPROC_TESTS_VICTIM_H
#define MPROC_TESTS_VICTIM_H

#include <mproc.h>

enum point {
	AT_LAUNCH,		/* somewhere from launch to ready */
	IN_PRE_RUN,
	READY_HALF_WRITTEN,
	IDLE,
	HEADER_HALF_WRITTEN,	/* by the frontend, nothing read */
	HEADER_HALF_READ,
	BODY_HALF_READ,
	BODY_HALF_WRITTEN,	/* the socket is full, nothing read */
	DECODED,		/* its handler not begun */
	IN_HANDLER,
	REPLY_QUEUED,		/* the socket is full */
	REPLY_HALF_WRITTEN,
	REPLIED,		/* still in the handler */
	RETURNED,		/* out of it */
	DEFERRED,
	EMITTING,
	BLOCKED_IN_EMIT,
	STOPPED,		/* with an unread stop */
	IN_POST_RUN,
	QUEUED_1000,		/* unread */
	BETWEEN_FRAMES,		/* of 1000, some handled */
	FD_IN_FLIGHT,
	GRANDCHILD,		/* which holds the channels, and lives on */
	POINTS,
	CHILD			/* no point: leave a child in its group */
};

MPROC_MESSAGE(victim, start, (int, point), (struct mproc_fd, pipe),
    (int, limit));
MPROC_MESSAGE(victim, echo, (int64_t, n), (struct mproc_bytes, data),
    (struct mproc_fd, fd));
MPROC_MESSAGE(victim, echoed, (int64_t, n), (struct mproc_bytes, data),
    (struct mproc_fd, fd));
MPROC_MESSAGE(victim, note, (int64_t, n));
MPROC_MESSAGE(victim, sum);
MPROC_MESSAGE(victim, summed, (int64_t, sum), (int64_t, count));
MPROC_MESSAGE(victim, emit, (int64_t, count), (int64_t, size));
MPROC_MESSAGE(victim, item, (int64_t, n), (struct mproc_bytes, data));
MPROC_MESSAGE(victim, act, (int, point));
MPROC_MESSAGE(victim, hold);
MPROC_MESSAGE(victim, pid, (int, pid));
MPROC_MESSAGE(victim, fail_alloc, (int64_t, n), (bool, on));
MPROC_MESSAGE(victim, fail_sys, (const char *, name), (int64_t, n),
    (int, code));
MPROC_MESSAGE(victim, failed, (bool, any));

extern const struct mproc_class victim_class;

/* Is there no process of this number, or only a zombie? */
bool chaos_gone(int pid);
/*
 * Living children of this process, adopted ones included; reaps the dead
 * ones.  And say on standard error who they are.
 */
int chaos_children(void);
void chaos_tell_children(void);
/* Wait until condition(arg), looking each millisecond: false: not in 10 s. */
bool chaos_await(bool (*condition)(void *arg), void *arg);
/* The accounts of a process that is not running add up, or the test fails. */
void chaos_check_accounts(struct mproc *p);

#endif
