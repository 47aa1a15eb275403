/*
 * process_stop.c - the end of a backend, asked for: stop, the ladder, kill,
 * ping, flush, and the death when it comes.
 *
 * What an input does in which state (- nothing, E an error):
 *
 *              NEW         STARTING    RUNNING     STOPPING    DEAD
 * start        launch      -EALREADY   -EALREADY   -EALREADY   launch
 * `ready`      (never)     RUNNING     fault       fault       (never)
 * request_stop -           STOPPING    STOPPING    -           -
 * wait_stop    -ENOTCONN   waits       waits       waits       0
 * stop         0           ladder      ladder      ladder      0
 * kill         0           SIGKILL     SIGKILL     SIGKILL     0
 * death        (never)     DEAD        DEAD        DEAD        (never)
 * send         queues      queues      sends       -ESHUTDOWN  -EPIPE
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "process/process.h"

#define KILL_MS		1000	/* SIGKILL works at once, or not at all */

bool
mproc__is_over(struct mproc *p, void *generation)
{
	return p->status == MPROC_STATUS_DEAD ||
	    p->total.generation != *(unsigned *)generation;
}

static bool
is_live(const struct mproc *p)
{
	return p->status != MPROC_STATUS_NEW &&
	    p->status != MPROC_STATUS_DEAD;
}

static void
send_stop(struct mproc *p)
{
	struct ctl_stop stop = {
		.mode = (int)p->opt.stop_mode, .upto = p->gen_frames
	};

	(void)mproc__control_send(p, MPROC__CONTROL, 0,
	    MPROC_SCHEMA(ctl_stop), &stop);
}

static void
request_stop(struct mproc *p)
{
	if (!is_live(p) || p->stop_sent)
		return;
	p->stop_sent = true;
	p->status = MPROC_STATUS_STOPPING;
	mproc__stay_awake(p, MPROC__ASKED_END);
	send_stop(p);
	mproc__wake_waiters(p);
}

/* A thread gets no signals of its own: to it a second stop is SIGTERM. */
int
mproc__signal(struct mproc *p, int sig)
{
	int r = mproc__child_signal(&p->child, sig);

	if (r == -EOPNOTSUPP && sig != SIGCONT && is_live(p)) {
		request_stop(p);
		send_stop(p);
	}
	return r;
}

int
mproc__request_stop(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	request_stop(p);
	mproc__leave(p);
	return 0;
}

int
mproc_request_stop(struct mproc *p)
{
	int r = mproc__request_stop(p);

	mproc__future_call();
	return r;
}

int
mproc_wait_stop(struct mproc *p, int timeout_ms)
{
	unsigned generation;
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	generation = p->total.generation;
	if (p->status == MPROC_STATUS_NEW)
		r = mproc__err(-ENOTCONN, "%s was not started", p->name);
	else if ((r = mproc__wait(p, mproc__is_over, &generation,
	    mproc__deadline(timeout_ms))) < 0)
		mproc__err(r, "%s still runs after %d ms", p->name,
		    timeout_ms);
	mproc__leave_calling(p);
	return r;
}

/* The rungs of the ladder; each is waited for by the caller. */
static void
rung_term(struct mproc *p)
{
	(void)mproc__signal(p, SIGTERM);
	(void)mproc__signal(p, SIGCONT);
}

static int
ladder(struct mproc *p, int64_t grace, int64_t term, int64_t kill)
{
	unsigned generation = p->total.generation;

	if (mproc__wait(p, mproc__is_over, &generation, grace) == 0)
		return 0;
	rung_term(p);
	if (mproc__wait(p, mproc__is_over, &generation, term) == 0)
		return 0;
	(void)mproc__child_signal(&p->child, SIGKILL);
	if (mproc__wait(p, mproc__is_over, &generation, kill) == 0)
		return 0;
	return mproc__err(-ETIMEDOUT, "%s does not end: it is a thread in a "
	    "handler, or its process cannot be interrupted", p->name);
}

static int64_t
after_ms(int64_t from, int ms)
{
	return ms < 0 ? MPROC__NEVER : from + ms * 1000000LL;
}

int
mproc__stop_locked(struct mproc *p)
{
	int64_t grace, term;

	if (!is_live(p))
		return 0;
	request_stop(p);
	grace = mproc__deadline(p->opt.stop_grace_ms);
	term = grace == MPROC__NEVER ? grace :
	    after_ms(grace, p->opt.stop_grace_ms);
	return ladder(p, grace, term,
	    term == MPROC__NEVER ? term : after_ms(term, KILL_MS));
}

int
mproc_stop(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	r = mproc__stop_locked(p);
	mproc__leave_calling(p);
	return r;
}

/* One of many: its share of the shared deadlines. */
static int
stop_by(struct mproc *p, int64_t from)
{
	int64_t grace, term;
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	if (is_live(p)) {
		grace = after_ms(from, p->opt.stop_grace_ms);
		term = grace == MPROC__NEVER ? grace :
		    after_ms(grace, p->opt.stop_grace_ms);
		r = ladder(p, grace, term,
		    term == MPROC__NEVER ? term : after_ms(term, KILL_MS));
	}
	mproc__leave(p);
	return r;
}

int
mproc_stop_all(struct mproc *const *list, int n)
{
	int64_t from = mproc__now_ns();
	int i, r, code = 0;

	if (n < 0 || (list == NULL && n > 0))
		return mproc__err(-EINVAL, "no processes given");
	for (i = 0; i < n; i++)
		(void)mproc__request_stop(list[i]);
	for (i = 0; i < n; i++)
		if ((r = stop_by(list[i], from)) < 0 && code == 0)
			code = r;
	mproc__future_call();
	return code;
}

int
mproc_kill(struct mproc *p)
{
	unsigned generation;
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	generation = p->total.generation;
	if (is_live(p)) {
		r = mproc__child_signal(&p->child, SIGKILL);
		if (r == -ESRCH)
			r = 0;	/* dead already, only not seen yet */
		if (r == 0)
			r = mproc__wait(p, mproc__is_over, &generation,
			    mproc__deadline(KILL_MS));
		if (r < 0)
			mproc__err(r, "%s cannot be killed%s", p->name,
			    r == -EOPNOTSUPP ? ": it is a thread" : "");
	}
	mproc__leave_calling(p);
	return r;
}

static bool
is_flushed(struct mproc *p, void *arg)
{
	(void)arg;
	return p->data == NULL || p->status == MPROC_STATUS_DEAD ||
	    mproc__channel_queued(p->data) == 0;
}

int
mproc_flush(struct mproc *p, int timeout_ms)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	if (p->status == MPROC_STATUS_DEAD)
		r = mproc__err(-EPIPE, "%s is dead: %s", p->name,
		    p->death_text);
	else
		r = mproc__wait(p, is_flushed, NULL,
		    mproc__deadline(timeout_ms));
	if (r == 0 && p->status == MPROC_STATUS_DEAD)
		r = -EPIPE;
	mproc__leave_calling(p);
	return r;
}

static int
ping_locked(struct mproc *p)
{
	if (p->status == MPROC_STATUS_NEW)
		return mproc__err(-ENOTCONN, "%s was not started", p->name);
	if (p->status == MPROC_STATUS_DEAD)
		return mproc__err(-EPIPE, "%s is dead: %s", p->name,
		    p->death_text);
	if (p->control != NULL &&
	    mproc__channel_queued(p->control) > MPROC__PINGS_MAX)
		return mproc__err(-EAGAIN, "%s reads no pings", p->name);
	p->ping_sent_ns = mproc__now_ns();
	return mproc__control_send(p, MPROC__CONTROL, ++p->ping_id,
	    MPROC_SCHEMA(ctl_ping), &(struct ctl_ping){ });
}

struct ping {
	uint64_t id;
	unsigned generation;
};

static bool
is_ponged(struct mproc *p, void *arg)
{
	struct ping *ping = arg;

	return mproc__is_over(p, &ping->generation) ||
	    p->pong_id >= ping->id;
}

int
mproc_ping(struct mproc *p, int timeout_ms)
{
	struct ping ping;
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	mproc__stay_awake(p, MPROC__ASKED_PONG);
	if ((r = ping_locked(p)) == 0) {
		ping = (struct ping){ p->ping_id, p->total.generation };
		r = mproc__wait(p, is_ponged, &ping,
		    mproc__deadline(timeout_ms));
		if (r < 0)
			mproc__err(r, "%s did not answer a ping within %d ms",
			    p->name, timeout_ms);
		else if (p->pong_id < ping.id ||
		    p->total.generation != ping.generation)
			r = mproc__err(-EPIPE, "%s died: %s", p->name,
			    p->death_text);
	}
	mproc__leave_calling(p);
	return r;
}

int
mproc__ping_start(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	r = ping_locked(p);
	mproc__leave(p);
	return r;
}

int64_t
mproc__ping_state(struct mproc *p)
{
	int64_t when;

	if (mproc__enter(p) < 0)
		return 0;
	when = p->pong_ns;
	mproc__leave(p);
	return when;
}
