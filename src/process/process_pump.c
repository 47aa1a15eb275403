/*
 * process_pump.c - moving bytes and time: the rounds of work, and waiting.
 *
 * Invariants, whenever the lock is free:
 *  - `leading` is true while exactly one thread polls with the lock released;
 *  - if output is queued, the polling leader polls for POLLOUT or has been
 *    kicked by the timerfd;
 *  - if someone waits and nobody leads, a waiter has been signalled.
 */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"

enum slot {
	SLOT_CONTROL, SLOT_LOG, SLOT_OUT, SLOT_ERR, SLOT_DATA, SLOT_PIDFD,
	SLOT_NOTIFY, SLOT_TIMER, SLOTS
};

#define RETRY_NS	(10 * 1000000LL)	/* kernel out of room for fds */
#define EOF_NS		(1000 * 1000000LL)	/* closed, but not dead */
#define KILLED		(MPROC__NEVER - 1)	/* eof_deadline: it was used */
#define KICK		1	/* armed_ns: the timer is a kick */
#define EXIT_MS		2	/* of a process that closes its ends */
#define LISTEN_ROUNDS	64	/* then others get their turn */
#define QUICK_ROUNDS	256	/* in a row, before a look at all */

static bool
paced(const struct mproc *p)
{
	return p->opt.overflow == MPROC_DROP_OLD;
}

static uint32_t
output_events(const struct mproc__channel *ch, bool eof)
{
	/* a ring tells of room by its doorbell, which is input */
	if (ch == NULL || eof || mproc__channel_queued(ch) == 0 ||
	    mproc__channel_blocked(ch) || mproc__channel_is_ring(ch))
		return 0;
	return POLLOUT;
}

/* Paced output waits for the backend, not for the kernel. */
static uint32_t
data_events(const struct mproc *p)
{
	return paced(p) && p->data != NULL &&
	    !mproc__channel_midframe(p->data) ? 0 :
	    output_events(p->data, p->data_eof);
}

static void
epoll_mod(struct mproc *p, int fd, uint32_t events, uint32_t *current)
{
	struct epoll_event ev = { .events = events };

	if (*current == events)
		return;
	if (epoll_ctl(p->epfd, EPOLL_CTL_MOD, fd, &ev) == 0)
		*current = events;
}

/* Before a close: a fork of the host may hold a copy that is in the sets. */
void
mproc__epoll_del(struct mproc *p, int fd)
{
	if (fd < 0)
		return;
	(void)epoll_ctl(p->epfd, EPOLL_CTL_DEL, fd, NULL);
	mproc__futures_unwatch(p, fd);
}

/* Of the process, and of its futures that have descriptors. */
static void
epoll_both(struct mproc *p, int fd, uint32_t events, uint32_t *current)
{
	if (*current == events)
		return;
	epoll_mod(p, fd, events, current);
	mproc__futures_events(p, fd, events);
}

int
mproc__epoll_add(struct mproc *p, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(p->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return mproc__fd_error(errno, "an epoll entry");
	return 0;
}

static void
settime(struct mproc *p, int64_t when)
{
	struct itimerspec spec = { .it_value.tv_nsec = 0 };

	if (when != MPROC__NEVER) {
		spec.it_value.tv_sec = when / 1000000000;
		spec.it_value.tv_nsec = when % 1000000000;
	}
	(void)timerfd_settime(p->timerfd, TFD_TIMER_ABSTIME, &spec, NULL);
	p->armed_ns = when;
}

static int64_t
next_deadline(struct mproc *p)
{
	int64_t when = mproc__min_deadline(p->retry_ns, p->eof_deadline);

	if (p->futures.first != NULL)
		when = mproc__min_deadline(when, p->futures.first->deadline);
	/* a restart failed, and took what kept the descriptor readable */
	if (p->status == MPROC_STATUS_DEAD && p->child.pidfd < 0 &&
	    p->log_fd < 0)
		when = KICK + 1;
	return when;
}

/*
 * A later time may stay armed for an earlier one while there is some
 * deadline: that costs a wake-up now and then and saves a system call a
 * message.  With none the timer is silent.
 */
static void
arm(struct mproc *p)
{
	int64_t when;

	if (!p->fd_used || p->armed_ns == KICK)
		return;
	when = next_deadline(p);
	if (when < p->armed_ns ||
	    (when == MPROC__NEVER && p->armed_ns != MPROC__NEVER))
		settime(p, when);
}

/*
 * The inbox flag: epfd must be readable while a message waits in the
 * library.  Our end of the log lane is never written to, so it is always
 * writable: asking epoll for EPOLLOUT on it is a flag that costs no
 * descriptor.
 */
static void
flag_inbox(struct mproc *p)
{
	uint32_t flag = p->fd_used && p->inbox != NULL ? EPOLLOUT : 0;
	struct epoll_event ev = { .events = flag };
	int op;

	if (p->log_fd < 0)
		return;
	if (!p->log_eof || p->child.pidfd < 0) {
		epoll_mod(p, p->log_fd, EPOLLIN | flag, &p->log_events);
		return;
	}
	/*
	 * After its end the lane reports a hang-up whether asked for or not:
	 * it is in the set only while it is the flag.  A thread has no pidfd,
	 * so there it stays: the thread's return follows at once.
	 */
	if (p->log_events == flag)
		return;
	op = flag == 0 ? EPOLL_CTL_DEL :
	    p->log_events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (epoll_ctl(p->epfd, op, p->log_fd, &ev) == 0)
		p->log_events = flag;
}

/* Mostly there is nothing to change: nothing waits, and nobody polls. */
static bool
is_quiet(const struct mproc *p)
{
	return !p->fd_used && !p->leading && p->retry_ns == MPROC__NEVER &&
	    p->data_events == EPOLLIN && p->control_events == EPOLLIN &&
	    p->data != NULL && p->control != NULL &&
	    mproc__channel_is_idle(p->data) &&
	    mproc__channel_is_idle(p->control);
}

void
mproc__interest(struct mproc *p)
{
	uint32_t data, control;

	if (is_quiet(p))
		return;
	data = data_events(p);
	control = output_events(p->control, p->control_eof);
	if ((p->data != NULL && mproc__channel_blocked(p->data)) ||
	    (p->control != NULL && mproc__channel_blocked(p->control))) {
		if (p->retry_ns == MPROC__NEVER)
			p->retry_ns = mproc__now_ns() + RETRY_NS;
		arm(p);		/* a pool does not leave */
	} else {
		p->retry_ns = MPROC__NEVER;
	}
	if (p->data != NULL && !p->data_eof)
		epoll_both(p, mproc__channel_fd(p->data), EPOLLIN | data,
		    &p->data_events);
	if (p->control != NULL && !p->control_eof)
		epoll_both(p, mproc__channel_fd(p->control),
		    EPOLLIN | control, &p->control_events);
	flag_inbox(p);
	if (p->leading && p->led_events != (data << 16 | control) &&
	    p->armed_ns != KICK)
		settime(p, KICK);
}

static void
prepare(struct mproc *p, struct pollfd fds[SLOTS])
{
	int i;

	for (i = 0; i < SLOTS; i++)
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (p->control != NULL && !p->control_eof) {
		fds[SLOT_CONTROL].fd = mproc__channel_fd(p->control);
		fds[SLOT_CONTROL].events |=
		    (short)output_events(p->control, false);
	}
	if (p->data != NULL && !p->data_eof) {
		fds[SLOT_DATA].fd = mproc__channel_fd(p->data);
		fds[SLOT_DATA].events |= (short)data_events(p);
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
	if (paced(p))
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
	    !(p->leading && p->armed_ns == KICK)) {
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
	if (paced(p) || ring_waits(p))
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
			p->retry_ns = mproc__now_ns() + RETRY_NS / 10;
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
	for (i = 0; i < SLOTS; i++)
		if (i != SLOT_PIDFD && i != SLOT_TIMER)
			fds[i].fd = -1;
	if (*timeout < 0 || *timeout > EXIT_MS)
		*timeout = EXIT_MS;
}

/* The leader's round: sleeps in poll with the lock released. */
static void
lead(struct mproc *p, bool (*ready)(struct mproc *, void *), void *arg,
    int64_t deadline)
{
	struct pollfd fds[SLOTS];
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
	fds[SLOT_TIMER].fd = p->timerfd;
	p->led_events = data_events(p) << 16 |
	    output_events(p->control, p->control_eof);
	timeout = mproc__remaining_ms(mproc__min_deadline(deadline,
	    next_deadline(p)));
	await_exit(p, fds, &timeout);
	pthread_mutex_unlock(&p->lock);
	(void)poll(fds, SLOTS, timeout);
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
	if (p->leading && p->armed_ns != KICK && p->led_ready(p, p->led_arg))
		settime(p, KICK);
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
	arm(p);
	pthread_mutex_unlock(&p->lock);
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
