/*
 * process_notify.c - notifications, the frontend's side.
 *
 * Each is one datagram on a socket of its own: the kernel is the queue, so
 * there is nothing to flush, and nothing that waits before it but its like.
 * A unix socket is writable while a quarter of its buffer is used at most,
 * and then takes any one datagram that is not larger than the rest.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <poll.h>

#include "process/process.h"

int
mproc__notify_open(struct mproc *p)
{
	int fds[2], r;

	if (!p->index.has_urgent)
		return 0;
	if ((r = mproc__socketpair(SOCK_SEQPACKET, 0, fds)) < 0)
		return r;
	p->notify_fd = fds[0];
	p->boot_notify = fds[1];
	return 0;
}

void
mproc__notify_close(struct mproc *p)
{
	mproc__close(p->notify_fd);
	mproc__close(p->boot_notify);
	p->notify_fd = p->boot_notify = -1;
}

bool
mproc__notify_room(struct mproc *p)
{
	struct pollfd pfd = { p->notify_fd, POLLOUT, 0 };

	return p->status == MPROC_STATUS_DEAD || p->stop_sent ||
	    poll(&pfd, 1, 0) != 0;
}

void
mproc__notify_watch(struct mproc *p, int epfd, void *tag)
{
	struct epoll_event ev = {
		.events = EPOLLOUT | EPOLLONESHOT, .data.ptr = tag
	};

	/* it is there from an earlier time, or never was */
	if (epoll_ctl(epfd, EPOLL_CTL_MOD, p->notify_fd, &ev) < 0)
		(void)epoll_ctl(epfd, EPOLL_CTL_ADD, p->notify_fd, &ev);
}

static int
check_state(struct mproc *p)
{
	if (p->status == MPROC_STATUS_NEW)
		return mproc__err(-ENOTCONN, "%s was not started", p->name);
	if (p->status == MPROC_STATUS_DEAD)
		return mproc__err(-EPIPE, "%s is dead: %s", p->name,
		    p->death_text);
	if (p->stop_sent)
		return mproc__err(-ESHUTDOWN, "%s was asked to stop",
		    p->name);
	return 0;
}

static int
send_datagram(struct mproc *p, const struct mproc__buf *buf)
{
	ssize_t n;

	do
		n = send(p->notify_fd, buf->data, buf->len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	if (errno == EAGAIN)
		return mproc__err(-EAGAIN, "%s has no room for a "
		    "notification", p->name);
	if (errno == EPIPE || errno == ECONNRESET)
		return mproc__err(-EPIPE, "%s is dead, or will be soon",
		    p->name);
	return mproc__err(-errno, "notification: %s", strerrordesc_np(errno));
}

int
mproc__notify(struct mproc *p, const struct mproc_schema *schema,
    const void *args)
{
	struct mproc__meta meta = { .deadline_ns = 0 };
	struct mproc__fdset fds = { .n = 0 };
	struct mproc__buf buf = { .len = 0 };
	int r;

	if ((r = mproc__index_check_urgent(&p->index, schema)) < 0 ||
	    (r = check_state(p)) < 0)
		return r;
	r = mproc__encode(&buf, MPROC__CAST, 0, schema, args, &meta,
	    MPROC__NOTIFY_MAX, &fds);
	if (r >= 0)
		r = send_datagram(p, &buf);
	mproc__buf_done(&buf);
	return r;
}

static bool
has_room(struct mproc *p, void *arg)
{
	(void)arg;
	return mproc__notify_room(p);
}

/* Until there may be room; who leads already has to look for that, too. */
static int
wait_room(struct mproc *p, int64_t deadline)
{
	int r;

	p->notifying++;
	p->led_events = UINT32_MAX;
	mproc__interest(p);
	r = mproc__wait(p, has_room, NULL, deadline);
	p->notifying--;
	return r;
}

int
mproc_notify_typed(struct mproc *p, int wait_ms,
    const struct mproc_schema *schema, const void *args)
{
	int64_t deadline = mproc__deadline(wait_ms);
	int r;

	if (schema == NULL)
		return mproc__err(-EINVAL, "no message given");
	if ((r = mproc__enter(p)) < 0)
		return r;
	while ((r = mproc__notify(p, schema, args)) == -EAGAIN &&
	    wait_ms != 0)
		if (wait_room(p, deadline) < 0) {
			r = mproc__err(-ETIMEDOUT, "%s had no room for a "
			    "notification", p->name);
			break;
		}
	mproc__leave_calling(p);
	return r;
}
