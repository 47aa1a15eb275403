/*
 * frame_fuzz.c - any bytes on the socket, with or without descriptors: the
 * frames that they are come out, whole and in order; then one error does,
 * for ever; and no descriptor stays open.
 *
 * Input: the bytes a read moves (0: any), flags, a seed for how the stream
 * is cut and where descriptors go, then the stream.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "channel/channel.h"
#include "fuzz.h"
#include "system/system.h"

#define FRAME_MAX	((size_t)16 << 10)
#define STREAM_MAX	((size_t)128 << 10)
#define HEAD		4U

enum { ALLOW_FDS = 1, SEND_FDS = 2, TAKE_FDS = 4 };

struct run {
	struct mproc__channel *ch;
	const uint8_t *stream;
	size_t	 size, written, parsed;
	uint8_t	 flags;
	uint32_t seed;
	int	 peer, file;	/* the other end; what is passed */
	bool	 fds_sent;
	int	 error;
};

static uint32_t
rnd(struct run *r, uint32_t below)
{
	r->seed = r->seed * 1103515245 + 12345;
	return (r->seed >> 8) % below;
}

/* The length word at the place parsed so far; 0 where there is none. */
static size_t
length(const struct run *r)
{
	const uint8_t *p = r->stream + r->parsed;

	if (r->size - r->parsed < HEAD)
		return 0;
	return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 |
	    (size_t)p[3] << 24;
}

static void
take(struct run *r, const struct mproc__frame *frame)
{
	int fds[MPROC__MAX_FDS], n, wanted = (int)rnd(r, MPROC__MAX_FDS + 1);

	MUST(frame->size > 0 && frame->size <= FRAME_MAX);
	MUST(frame->size == length(r));
	MUST(memcmp(frame->data, r->stream + r->parsed + HEAD,
	    frame->size) == 0);
	r->parsed += HEAD + frame->size;
	MUST(r->parsed <= r->written);
	frame->data[frame->size] = 0;	/* as promised */
	MUST(frame->n_fds == 0 || (r->flags & ALLOW_FDS && r->fds_sent));
	if (!(r->flags & TAKE_FDS))
		return;
	n = mproc__channel_take_fds(r->ch, wanted, fds);
	MUST(n == (wanted < frame->n_fds ? wanted : frame->n_fds));
	while (n > 0)
		mproc__close(fds[--n]);
}

/* The error is the one that the stream has at this place. */
static void
check_end(const struct run *r)
{
	size_t rest = r->size - r->parsed;

	switch (r->error) {
	case -EBADMSG:
		MUST(rest >= HEAD && length(r) == 0);
		break;
	case -EMSGSIZE:
		MUST(length(r) > FRAME_MAX);
		break;
	case -EPROTO:
		MUST(r->fds_sent);
		break;
	case -EPIPE:
		MUST(rest < HEAD || (length(r) > 0 &&
		    length(r) <= FRAME_MAX && rest < HEAD + length(r)));
		break;
	default:
		MUST(r->error == 0);	/* no other is allowed */
	}
}

/* Read what has come so far; sets `error` at the end of the stream. */
static void
drain(struct run *r)
{
	struct mproc__frame frame;
	int filled, n;

	do {
		filled = mproc__channel_fill(r->ch);
		while ((n = mproc__channel_next(r->ch, &frame)) == 1)
			take(r, &frame);
		MUST(!mproc__channel_ready(r->ch));
		r->error = n < 0 ? n : filled < 0 ? filled : 0;
	} while (filled > 0 && n == 0);
	if (r->error == 0)
		return;
	check_end(r);
	MUST(mproc__channel_fill(r->ch) == r->error);
	n = mproc__channel_next(r->ch, &frame);
	MUST(n == (r->error == -EPIPE ? 0 : r->error));
}

/* Write the next piece of the stream, or some of it. */
static void
feed(struct run *r)
{
	union {
		struct cmsghdr	head;
		uint8_t		bytes[CMSG_SPACE(20 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (uint8_t *)(uintptr_t)r->stream + r->written,
		1 + rnd(r, rnd(r, 2) ? 20 : 20000) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t i, n_fds = rnd(r, 8) ? 0 : 1 + rnd(r, 20);
	ssize_t n;

	if (iov.iov_len > r->size - r->written)
		iov.iov_len = r->size - r->written;
	if (r->flags & SEND_FDS && n_fds > 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int),
			    &r->file, sizeof(int));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	n = sendmsg(r->peer, &msg, MSG_NOSIGNAL);
	MUST(n > 0 || errno == EAGAIN);
	if (n > 0) {
		r->written += (size_t)n;
		r->fds_sent |= msg.msg_controllen > 0;
	}
	if (n < 0 || rnd(r, 3) == 0)
		drain(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mproc__channel_options opt = { .max_frame = FRAME_MAX };
	struct run r = { .stream = data + 3, .size = size - 3 };
	int fds[2], before, after;

	if (size < 3 || size > STREAM_MAX)
		return 0;
	MUST((before = mproc__dup(STDIN_FILENO)) >= 0);
	r.file = before;
	r.flags = data[1];
	r.seed = data[2];
	opt.allow_fds = r.flags & ALLOW_FDS;
	MUST(mproc__socketpair(SOCK_STREAM, 0, fds) == 0);
	MUST(mproc__channel_new(fds[0], &opt, &r.ch) == 0);
	mproc__channel_limit_io(r.ch, data[0]);
	r.peer = fds[1];
	while (r.written < r.size && r.error == 0)
		feed(&r);
	mproc__close(r.peer);
	if (r.error == 0)
		drain(&r);
	MUST(r.error < 0);
	mproc__channel_free(r.ch);
	mproc__close(r.file);
	MUST((after = mproc__dup(STDIN_FILENO)) == before);
	mproc__close(after);
	return 0;
}
