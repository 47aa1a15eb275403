/*
 * process_pump.c - moving bytes and time: the rounds of work, and waiting.
 *
 * Invariants, whenever the lock is free:
 *  - `leading` is true while exactly one thread polls with the lock released;
 *  - if output is queued, the polling leader polls for POLLOUT or has been
 *    kicked by the timerfd;
 *  - if someone waits and nobody leads, a waiter has been signalled.
 */
#include <sys/single_threaded.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/boot.h"
#include "process/process.h"

enum slot {
	SLOT_CONTROL, SLOT_LOG, SLOT_OUT, SLOT_ERR, SLOT_DATA, SLOT_PIDFD,
	SLOT_NOTIFY, SLOT_TIMER, SLOTS
};

#define EOF_NS		(1000 * 1000000LL)	/* closed, but not dead */
#define KILLED		(MPROC__NEVER - 1)	/* eof_deadline: it was used */
#define EXIT_MS		2	/* of a process that closes its ends */
#define UNKICKED_MS	10	/* of a leader without a timer */
#define LISTEN_ROUNDS	64	/* then others get their turn */
#define QUICK_ROUNDS	256	/* in a row, before a look at all */

static void
prepare(struct mproc *p, struct pollfd fds[SLOTS])
{
	int i;

	for (i = 0; i < SLOTS; i++)
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (p->control != NULL && !p->control_eof) {
		fds[SLOT_CONTROL].fd = mproc__channel_fd(p->control);
		fds[SLOT_CONTROL].events |=
		    (short)mproc__output_events(p->control, false);
	}
	if (p->data != NULL && !p->data_eof) {
		fds[SLOT_DATA].fd = mproc__channel_fd(p->data);
		fds[SLOT_DATA].events |= (short)mproc__data_events(p);
	}
	if (!p->log_eof)
		fds[SLOT_LOG].fd = p->log_fd;
	fds[SLOT_OUT].fd = p->capture[0];
	fds[SLOT_ERR].fd = p->capture[1];
	if (p->status != MPROC_STATUS_DEAD)
		fds[SLOT_PIDFD].fd = p->child.pidfd;
	fds[SLOT_NOTIFY].fd = p->notifying > 0 ? p->notify_fd : -1;
	fds[SLOT_NOTIFY].events = POLLOUT;
}

static void
write_out(struct mproc *p)
{
	if (p->control != NULL && mproc__channel_queued(p->control) > 0)
		(void)mproc__channel_flush(p->control);
	if (p->data == NULL || (mproc__channel_queued(p->data) == 0 &&
	    !mproc__channel_blocked(p->data)))
		return;
	if (mproc__paced(p))
		mproc__flush_some(p);
	else
		(void)mproc__channel_flush(p->data);
}

static bool
is_dead(struct mproc *p)
{
	if (p->status == MPROC_STATUS_NEW || p->status == MPROC_STATUS_DEAD)
		return false;
	return mproc__child_dead(&p->child);
}

/*
 * End of file, but not dead: normally its exit is under way.  One that
 * closed its ends and lives on would be mute for ever.
 */
static void
mute(struct mproc *p)
{
	bool eof = p->data_eof || p->control_eof || p->log_eof ||
	    (p->data != NULL && mproc__channel_gone(p->data)) ||
	    (p->control != NULL && mproc__channel_gone(p->control));
	int64_t now, grace;

	if (!eof || p->status == MPROC_STATUS_NEW ||
	    p->status == MPROC_STATUS_DEAD)
		return;
	now = mproc__now_ns();
	if (p->eof_deadline == MPROC__NEVER) {
		grace = p->opt.stop_grace_ms * 1000000LL;
		p->eof_deadline = now + (grace > EOF_NS ? grace : EOF_NS);
	}
	/* the log lane ends with the process, the others before the last */
	if (p->log_eof && p->eof_deadline - now > EOF_NS &&
	    p->eof_deadline != KILLED)
		p->eof_deadline = now + EOF_NS;
	if (now >= p->eof_deadline) {
		p->eof_deadline = KILLED;
		mproc__fault(p, "it closed its channel and lived on", -EPIPE);
	}
}

void
mproc__cut_off(struct mproc *p)
{
	mute(p);
	p->led_events = UINT32_MAX;	/* who polls has a deadline now */
	mproc__interest(p);
}

static void
take_input(struct mproc *p, const struct pollfd fds[SLOTS])
{
	if (fds[SLOT_CONTROL].revents & ~POLLOUT)
		mproc__read_control(p);
	if (fds[SLOT_LOG].revents)
		mproc__read_log(p);
	if (fds[SLOT_OUT].revents)
		mproc__read_capture(p, 0);
	if (fds[SLOT_ERR].revents)
		mproc__read_capture(p, 1);
	if (fds[SLOT_DATA].revents & ~POLLOUT)
		mproc__read_data(p);
	else
		(void)mproc__read_ring(p);
}

/* Is there output that a ring has kept waiting? */
static bool
ring_waits(const struct mproc *p)
{
	return p->data != NULL && mproc__channel_is_ring(p->data) &&
	    mproc__channel_queued(p->data) > 0;
}

/* One round: what the poll found, then the things of time. */
static void
work_on(struct mproc *p, const struct pollfd fds[SLOTS])
{
	uint64_t ticks;

	/* A kick is the leader's, who says so by not leading any more. */
	if (p->armed_ns != MPROC__NEVER &&
	    mproc__now_ns() >= p->armed_ns &&
	    !(p->leading && p->armed_ns == MPROC__KICK)) {
		/* our clock may be a moment ahead: then it is still to come */
		if (read(p->timerfd, &ticks, sizeof(ticks)) > 0)
			p->armed_ns = MPROC__NEVER;
	}
	if (((fds[SLOT_CONTROL].revents | fds[SLOT_DATA].revents) & POLLOUT) ||
	    mproc__now_ns() >= p->retry_ns) {
		p->retry_ns = MPROC__NEVER;
		write_out(p);
	}
	take_input(p, fds);
	if (mproc__paced(p) || ring_waits(p))
		write_out(p);
	if (fds[SLOT_PIDFD].revents || (p->log_eof && is_dead(p)))
		mproc__on_death(p);
	if (p->futures.first != NULL)
		(void)mproc__futures_expire(p);
	mute(p);
	mproc__interest(p);
	mproc__wake_waiters(p);
}

void
mproc__work(struct mproc *p)
{
	struct pollfd fds[SLOTS];

	prepare(p, fds);
	(void)poll(fds, SLOTS, 0);
	work_on(p, fds);
}

struct wish {
	struct mproc	*p;
	bool		 (*ready)(struct mproc *, void *);
	void		*arg;
};

static bool
is_granted(void *arg)
{
	struct wish *w = arg;

	return w->ready(w->p, w->arg);
}

/*
 * A leader's quick round, of a ring: what is there or comes in a moment,
 * without a system call and without letting go of the lock, which is why it
 * does not wait where others do.  Now and then everything gets its turn.
 * True if something may have changed.
 */
static bool
quick_round(struct mproc *p, bool (*ready)(struct mproc *, void *),
    void *arg)
{
	struct wish w = { p, ready, arg };

	if (p->data == NULL || p->data_eof ||
	    !mproc__channel_is_ring(p->data))
		return false;
	if (p->quick_rounds++ >= QUICK_ROUNDS) {
		p->quick_rounds = 0;
		mproc__work(p);
		return true;
	}
	if (p->waiters == NULL) {
		mproc__channel_hush(p->data);
		if (mproc__channel_spin(p->data, is_granted, &w)) {
			(void)mproc__read_ring(p);
			if (ring_waits(p))
				write_out(p);
			mproc__interest(p);
			return true;
		}
		if (ready(p, arg))
			return true;
	}
	if (!mproc__channel_listen(p->data))
		return false;
	mproc__work(p);
	return true;
}

/* Who polls while the lock is free has to be rung for; what came before the
 * bell was asked for is taken in here. */
static void
listen_on(struct mproc *p)
{
	int i, r;

	if (!p->fd_used && !p->leading)
		return;
	for (i = 0; p->data != NULL && !p->data_eof &&
	    mproc__channel_listen(p->data); i++) {
		r = mproc__read_ring(p);
		mproc__interest(p);
		mproc__wake_waiters(p);
		if (r == -ENOMEM || i >= LISTEN_ROUNDS) {
			/* no memory, or a flood: another time, and soon */
			p->retry_ns = mproc__now_ns() + MPROC__RETRY_NS / 10;
			break;
		}
	}
}

/*
 * It was asked to stop, and one of its ends is closed: so will be the others,
 * one after the other, and then it is dead.  Waiting for that alone saves a
 * wake-up for each; what it sent is taken in at its death.  Once, and not
 * for long: it may have closed one end only.
 */
static void
await_exit(struct mproc *p, struct pollfd fds[SLOTS], int *timeout)
{
	int i;

	if (p->exit_awaited || p->status != MPROC_STATUS_STOPPING ||
	    p->child.pidfd < 0 ||
	    !(p->data_eof || p->control_eof || p->log_eof))
		return;
	p->exit_awaited = true;
	mproc__stay_awake(p, MPROC__ASKED_END);
	for (i = 0; i < SLOTS; i++)
		if (i != SLOT_PIDFD && i != SLOT_TIMER)
			fds[i].fd = -1;
	if (*timeout < 0 || *timeout > EXIT_MS)
		*timeout = EXIT_MS;
}

void
mproc__stay_awake(struct mproc *p, enum mproc__asked what)
{
	mproc__awake_for(&p->awake, what, p->opt.spin_us);
	if (p->page != NULL)
		atomic_store_explicit(&p->page->look_us,
		    p->awake.until > 0 ? (uint32_t)p->opt.spin_us : 0,
		    memory_order_relaxed);
}

/* Others can kick a leader; but who has no timer has to look up himself. */
static int
poll_time(struct mproc *p, int64_t deadline)
{
	int ms = mproc__remaining_ms(mproc__min_deadline(deadline,
	    mproc__next_deadline(p)));

	if (!__libc_single_threaded && mproc__timer_open(p) < 0 &&
	    (ms < 0 || ms > UNKICKED_MS))
		ms = UNKICKED_MS;
	return ms;
}

/* The leader's round: sleeps in poll with the lock released. */
static void
lead(struct mproc *p, bool (*ready)(struct mproc *, void *), void *arg,
    int64_t deadline)
{
	struct pollfd fds[SLOTS];
	struct mproc__awake awake;
	int timeout;

	if (p->logs != NULL && !p->dispatching) {
		/* sinks may take their time, or call us: another may lead */
		if (p->waiters != NULL)
			pthread_cond_signal(&p->waiters->cond);
		mproc__dispatch_logs(p);
		return;		/* the caller looks again */
	}
	if (quick_round(p, ready, arg))
		return;
	p->leading = true;
	p->led_ready = ready;
	p->led_arg = arg;
	prepare(p, fds);
	p->led_events = mproc__data_events(p) << 16 |
	    mproc__output_events(p->control, p->control_eof);
	timeout = poll_time(p, deadline);
	fds[SLOT_TIMER].fd = p->timerfd;
	await_exit(p, fds, &timeout);
	awake = p->awake;
	pthread_mutex_unlock(&p->lock);
	(void)mproc__awake_poll(&awake, fds, SLOTS, timeout);
	pthread_mutex_lock(&p->lock);
	p->leading = false;
	work_on(p, fds);
}

void
mproc__wake_waiters(struct mproc *p)
{
	struct mproc__waiter *w;

	for (w = p->waiters; w != NULL; w = w->next)
		if (w->ready(p, w->arg))
			pthread_cond_signal(&w->cond);
	/* Another thread's round may be what the leader polls for. */
	if (p->leading && p->armed_ns != MPROC__KICK && p->led_ready(p, p->led_arg))
		mproc__settime(p, MPROC__KICK);
}

static void
follow(struct mproc *p, struct mproc__waiter *w, int64_t deadline)
{
	struct mproc__waiter **at;
	struct timespec when = {
		.tv_sec = (time_t)(deadline / 1000000000),
		.tv_nsec = deadline % 1000000000
	};

	for (at = &p->waiters; *at != NULL; at = &(*at)->next)
		;
	w->next = NULL;
	*at = w;
	if (deadline == MPROC__NEVER)
		pthread_cond_wait(&w->cond, &p->lock);
	else
		pthread_cond_timedwait(&w->cond, &p->lock, &when);
	for (at = &p->waiters; *at != w; at = &(*at)->next)
		;
	*at = w->next;
}

static void
waiter_init(struct mproc__waiter *w, bool (*ready)(struct mproc *, void *),
    void *arg)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->cond, &attr);
	pthread_condattr_destroy(&attr);
	w->ready = ready;
	w->arg = arg;
}

/*
 * What was sent before the start waits for it, and so does who waits for the
 * answer: another thread may start it.  Where there is none, nobody can.
 */
int
mproc__may_wait(struct mproc *p, int64_t deadline)
{
	if (p->status != MPROC_STATUS_NEW || deadline != MPROC__NEVER ||
	    mproc__next_deadline(p) != MPROC__NEVER ||
	    (!__libc_single_threaded && mproc__threads() != 1))
		return 0;
	return mproc__err(-ENOTCONN, "%s was not started, and the only "
	    "thread would wait for it without a limit: call mproc_start() "
	    "first", p->name);
}

int
mproc__wait(struct mproc *p, bool (*ready)(struct mproc *, void *),
    void *arg, int64_t deadline)
{
	struct mproc__waiter w;
	bool made = false;
	int r;

	for (;;) {
		if (ready(p, arg)) {
			r = 0;
			break;
		}
		if (mproc__has_passed(deadline)) {
			mproc__work(p);
			r = ready(p, arg) ? 0 : -ETIMEDOUT;
			break;
		}
		if ((r = mproc__may_wait(p, deadline)) < 0)
			break;
		if (!p->leading) {
			lead(p, ready, arg, deadline);
			continue;
		}
		if (!made)
			waiter_init(&w, ready, arg);
		made = true;
		follow(p, &w, deadline);
	}
	if (made)
		pthread_cond_destroy(&w.cond);
	if (!p->leading && p->waiters != NULL)
		pthread_cond_signal(&p->waiters->cond);
	return r;
}

int
mproc__enter(struct mproc *p)
{
	if (p == NULL)
		return mproc__err(-EINVAL, "no process given");
	if (p->fork_generation != mproc__fork_generation())
		return mproc__err(-ECHILD, "process %s belongs to the process "
		    "that made it, not to its fork", p->name);
	pthread_mutex_lock(&p->lock);
	return 0;
}

void
mproc__leave(struct mproc *p)
{
	mproc__dispatch_logs(p);
	listen_on(p);
	mproc__arm(p);
	pthread_mutex_unlock(&p->lock);
}

void
mproc__leave_calling(struct mproc *p)
{
	mproc__leave(p);
	mproc__future_call();
}

static void
sever(struct mproc *p, struct mproc__channel *ch, bool *eof)
{
	if (ch == NULL || *eof)
		return;
	mproc__epoll_del(p, mproc__channel_fd(ch));
	mproc__channel_shutdown(ch);
	*eof = true;
}

void
mproc__fault(struct mproc *p, const char *what, int code)
{
	if (p->fault[0] == '\0')
		(void)snprintf(p->fault, sizeof(p->fault), "%s (%s)", what,
		    strerrorname_np(-code));
	if (mproc__child_signal(&p->child, SIGKILL) == -EOPNOTSUPP) {
		/* a thread cannot be killed, but it can be cut off */
		sever(p, p->data, &p->data_eof);
		sever(p, p->control, &p->control_eof);
	}
}
