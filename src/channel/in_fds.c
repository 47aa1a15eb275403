/*
 * in_fds.c - descriptors that came and wait for their frame.
 *
 * A stream has no message boundaries, but this much holds: a recvmsg(2) that
 * gets descriptors may begin with bytes from before, and ends inside the
 * write that carried them.  A frame with descriptors is one write
 * (channel_out.c), so they belong to the frame of the last byte of that
 * call.  Hence a frame that lost its descriptors does not get the next
 * one's, and what a frame does not name is closed with it.
 */
#include <stdlib.h>
#include <string.h>

#include "channel/parts.h"
#include "system/system.h"

union control {
	struct cmsghdr	head;
	uint8_t		bytes[CMSG_SPACE(MPROC__KERNEL_FDS * sizeof(int))];
};

/* The descriptors that came, into ret_fds; how many. */
static int
unpack(struct msghdr *msg, int ret_fds[static MPROC__KERNEL_FDS])
{
	struct cmsghdr *head;
	size_t bytes, n = 0;

	for (head = CMSG_FIRSTHDR(msg); head != NULL;
	    head = CMSG_NXTHDR(msg, head)) {
		if (head->cmsg_level != SOL_SOCKET ||
		    head->cmsg_type != SCM_RIGHTS)
			continue;
		bytes = head->cmsg_len - CMSG_LEN(0);
		memcpy(ret_fds + n, CMSG_DATA(head), bytes);
		n += bytes / sizeof(int);
	}
	return (int)n;
}

static void
close_all(const int *fds, int n)
{
	while (n > 0)
		mproc__close(fds[--n]);
}

void
mproc__in_fds_init(struct mproc__in *in, bool takes_fds)
{
	in->takes_fds = takes_fds;
	in->fds.fd = in->fds.few_fd;
	in->fds.end = in->fds.few_end;
	in->fds.cap = MPROC__MAX_FDS;
}

void
mproc__in_fds_done(struct mproc__in *in)
{
	mproc__in_fds_close(in, mproc__in_fds_before(in, UINT64_MAX));
	if (in->fds.end != in->fds.few_end)
		free(in->fds.end);
}

/* All that may ever wait, in one piece. */
static int
grow(struct mproc__in_fds *w)
{
	uint64_t *end;
	int *fd;

	end = malloc(MPROC__KERNEL_FDS * (sizeof(*end) + sizeof(*fd)));
	if (end == NULL)
		return -ENOMEM;
	fd = (int *)(void *)(end + MPROC__KERNEL_FDS);
	memcpy(fd, w->fd + w->first, (size_t)w->n * sizeof(*fd));
	memcpy(end, w->end + w->first, (size_t)w->n * sizeof(*end));
	w->fd = fd;
	w->end = end;
	w->first = 0;
	w->cap = MPROC__KERNEL_FDS;
	return 0;
}

int
mproc__in_fds_reserve(struct mproc__in *in)
{
	if (in->fds.n == 0 || in->fds.cap == MPROC__KERNEL_FDS)
		return 0;
	return grow(&in->fds);
}

/* Nothing is kept of more than a peer may have waiting, or if none may be. */
int
mproc__in_fds_keep(struct mproc__in *in, const int *fds, int n, uint64_t end)
{
	struct mproc__in_fds *w = &in->fds;
	int i;

	if (n == 0)
		return 0;
	if (!in->takes_fds || w->n + n > MPROC__KERNEL_FDS) {
		close_all(fds, n);
		return -EPROTO;
	}
	if (w->n + n > w->cap && grow(w) < 0) {
		close_all(fds, n);
		return -EMFILE;
	}
	if (w->first + w->n + n > w->cap) {
		memmove(w->fd, w->fd + w->first, (size_t)w->n * sizeof(int));
		memmove(w->end, w->end + w->first,
		    (size_t)w->n * sizeof(w->end[0]));
		w->first = 0;
	}
	for (i = 0; i < n; i++) {
		w->fd[w->first + w->n] = fds[i];
		w->end[w->first + w->n++] = end;
	}
	return 0;
}

ssize_t
mproc__in_records(struct mproc__channel *ch, void *data, size_t size,
    int ret_fds[static MPROC__KERNEL_FDS], int *ret_n_fds, bool *ret_lost)
{
	struct iovec iov = { data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;

	/* Without room for them the kernel closes descriptors and says so. */
	if (ch->in.takes_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	do
		n = recvmsg(ch->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_n_fds = msg.msg_controllen > 0 ? unpack(&msg, ret_fds) : 0;
	*ret_lost = (msg.msg_flags & MSG_CTRUNC) != 0;
	return n;
}

ssize_t
mproc__in_receive(struct mproc__channel *ch, void *data, size_t size,
    int *ret_error)
{
	struct mproc__in *in = &ch->in;
	int fds[MPROC__KERNEL_FDS], n_fds = 0;
	bool lost = false;
	ssize_t n;

	n = mproc__in_records(ch, data, size, fds, &n_fds, &lost);
	*ret_error = 0;
	if (n < 0)
		return n;
	if (lost) {
		close_all(fds, n_fds);
		*ret_error = in->takes_fds ? -EMFILE : -EPROTO;
	} else {
		*ret_error = mproc__in_fds_keep(in, fds, n_fds,
		    in->taken + (in->len - in->pos) + (size_t)n);
	}
	return n;
}

bool
mproc__in_fds_full(const struct mproc__in *in)
{
	return in->fds.n > MPROC__KERNEL_FDS - MPROC__MAX_FDS;
}

int
mproc__in_fds_before(const struct mproc__in *in, uint64_t end)
{
	const struct mproc__in_fds *w = &in->fds;
	int n = 0;

	while (n < w->n && w->end[w->first + n] <= end)
		n++;
	return n;
}

void
mproc__in_fds_take(struct mproc__in *in, int n, int *ret_fds)
{
	struct mproc__in_fds *w = &in->fds;

	if (n == 0)
		return;
	memcpy(ret_fds, w->fd + w->first, (size_t)n * sizeof(int));
	w->first += n;
	w->n -= n;
}

void
mproc__in_fds_close(struct mproc__in *in, int n)
{
	struct mproc__in_fds *w = &in->fds;

	if (n == 0)
		return;
	close_all(w->fd + w->first, n);
	w->first += n;
	w->n -= n;
}
