/*
 * process_set.c - what is polled for: the epoll set behind mproc_fd(), its
 * timer and flag, and what a leader's poll has to look at.
 *
 * The set and the timer are made when somebody wants them: until then a start
 * and an end cost some twenty system calls less.
 */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "process/process.h"

uint32_t
mproc__output_events(const struct mproc__channel *ch, bool eof)
{
	/* a ring tells of room by its doorbell, which is input */
	if (ch == NULL || eof || mproc__channel_queued(ch) == 0 ||
	    mproc__channel_blocked(ch) || mproc__channel_is_ring(ch))
		return 0;
	return POLLOUT;
}

/* Paced output waits for the backend, not for the kernel. */
uint32_t
mproc__data_events(const struct mproc *p)
{
	return mproc__paced(p) && p->data != NULL &&
	    !mproc__channel_midframe(p->data) ? 0 :
	    mproc__output_events(p->data, p->data_eof);
}

static void
epoll_mod(struct mproc *p, int fd, uint32_t events, uint32_t *current)
{
	struct epoll_event ev = { .events = events };

	if (*current == events)
		return;
	if (p->epfd < 0 ||
	    epoll_ctl(p->epfd, EPOLL_CTL_MOD, fd, &ev) == 0)
		*current = events;
}

/* Before a close: a fork of the host may hold a copy that is in the sets. */
void
mproc__epoll_del(struct mproc *p, int fd)
{
	if (fd < 0)
		return;
	if (p->epfd >= 0)
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

static int
add(int epfd, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	if (fd < 0 || events == 0 ||
	    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) == 0)
		return 0;
	return mproc__fd_error(errno, "an epoll entry");
}

int
mproc__epoll_add(struct mproc *p, int fd)
{
	return p->epfd < 0 ? 0 : add(p->epfd, fd, EPOLLIN);
}

int
mproc__timer_open(struct mproc *p)
{
	int fd;

	if (p->timerfd >= 0)
		return 0;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if ((fd = mproc__fd_above_stdio(fd)) < 0)
		return mproc__fd_error(errno, "a timer");
	p->timerfd = fd;
	return 0;
}

/* Of this generation, what has not ended. */
static int
add_all(struct mproc *p, int epfd)
{
	bool data = p->data != NULL && !p->data_eof;
	bool control = p->control != NULL && !p->control_eof;
	int i, r;

	if ((r = add(epfd, p->timerfd, EPOLLIN)) < 0 ||
	    (data && (r = add(epfd, mproc__channel_fd(p->data),
	    p->data_events)) < 0) ||
	    (control && (r = add(epfd, mproc__channel_fd(p->control),
	    p->control_events)) < 0) ||
	    (r = add(epfd, p->log_fd, p->log_events)) < 0)
		return r;
	for (i = 0; i < 2; i++)
		if ((r = add(epfd, p->capture[i], EPOLLIN)) < 0)
			return r;
	return add(epfd, p->child.pidfd, EPOLLIN);
}

int
mproc__set_open(struct mproc *p)
{
	int epfd, r;

	if (p->epfd >= 0)
		return 0;
	if ((r = mproc__timer_open(p)) < 0)
		return r;
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if ((epfd = mproc__fd_above_stdio(epfd)) < 0)
		return mproc__fd_error(errno, "a process");
	if ((r = add_all(p, epfd)) < 0) {
		mproc__close(epfd);
		return r;
	}
	p->epfd = epfd;
	return 0;
}

void
mproc__settime(struct mproc *p, int64_t when)
{
	if (p->timerfd < 0)
		return;
	(void)mproc__timer_set(p->timerfd, when);
	p->armed_ns = when;
}

int64_t
mproc__next_deadline(struct mproc *p)
{
	int64_t when = mproc__min_deadline(p->retry_ns, p->eof_deadline);

	if (p->futures.first != NULL)
		when = mproc__min_deadline(when, p->futures.first->deadline);
	/* a restart failed, and took what kept the descriptor readable */
	if (p->status == MPROC_STATUS_DEAD && p->child.pidfd < 0 &&
	    p->log_fd < 0)
		when = MPROC__KICK + 1;
	return when;
}

/*
 * A later time may stay armed for an earlier one while there is some
 * deadline: that costs a wake-up now and then and saves a system call a
 * message.  With none the timer is silent.
 */
void
mproc__arm(struct mproc *p)
{
	int64_t when;

	if (!p->fd_used || p->armed_ns == MPROC__KICK)
		return;
	when = mproc__next_deadline(p);
	if (when < p->armed_ns ||
	    (when == MPROC__NEVER && p->armed_ns != MPROC__NEVER))
		mproc__settime(p, when);
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
	if (p->epfd < 0 || epoll_ctl(p->epfd, op, p->log_fd, &ev) == 0)
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
	data = mproc__data_events(p);
	control = mproc__output_events(p->control, p->control_eof);
	if ((p->data != NULL && mproc__channel_blocked(p->data)) ||
	    (p->control != NULL && mproc__channel_blocked(p->control))) {
		if (p->retry_ns == MPROC__NEVER)
			p->retry_ns = mproc__now_ns() + MPROC__RETRY_NS;
		mproc__arm(p);	/* a pool does not leave */
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
	    p->armed_ns != MPROC__KICK)
		mproc__settime(p, MPROC__KICK);
}
