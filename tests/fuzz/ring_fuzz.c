/*
 * ring_fuzz.c - the other side of a ring writes what it likes into its page,
 * its bytes and the socket: ours gives frames, then one error for ever, reads
 * nothing that is not there, and keeps no descriptor.
 *
 * Input: a list of steps, each a byte for what is done and some for how.
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "channel/channel.h"
#include "channel/parts.h"
#include "fuzz.h"
#include "system/system.h"

#define FRAME_MAX	((size_t)3000)
#define SIZE		MPROC__RING_MIN

struct run {
	const uint8_t *data;
	size_t	 size;
	struct mproc__channel *ch;	/* the honest side */
	struct mproc__channel *peer;	/* whose memory and socket are used */
	int	 file;			/* what is passed */
	int	 error;			/* how reading ended */
	bool	 closed;
};

static uint64_t
number(struct run *r, size_t bytes)
{
	uint64_t n = 0;

	for (; bytes > 0 && r->size > 0; bytes--) {
		n = n << 8 | *r->data++;
		r->size--;
	}
	return n;
}

/* Mostly near to what it should be */
static uint64_t
near(struct run *r, uint64_t right)
{
	uint64_t how = number(r, 1);

	switch (how & 3) {
	case 0:
		return right + (how >> 2);
	case 1:
		return right - (how >> 2);
	case 2:
		return right + (uint64_t)(int16_t)number(r, 2);
	default:
		return number(r, 8);
	}
}

static void
set_word(struct run *r)
{
	struct mproc__ring_page *page = r->peer->ring->own;
	const struct mproc__ring *ring = r->ch->ring;

	switch (number(r, 1) % 6) {
	case 0:
		atomic_store(&page->tail, near(r, ring->head));
		break;
	case 1:
		atomic_store(&page->head, near(r, ring->tail));
		break;
	case 2:
		atomic_store(&page->fds, near(r, ring->fds_seen));
		break;
	case 3:
		atomic_store(&page->reader_call, (uint32_t)near(r, 1));
		break;
	case 4:
		atomic_store(&page->writer_call, (uint32_t)near(r, 1));
		break;
	default:
		atomic_store(&page->cpu, (int)number(r, 1));
	}
}

/* Bytes anywhere, which may be a frame at the tail */
static void
set_bytes(struct run *r)
{
	uint64_t tail = atomic_load(&r->peer->ring->own->tail), how, n;
	uint8_t *to = r->peer->ring->out;

	how = number(r, 1);
	n = number(r, how & 1 ? 2 : 1);
	if (how & 2)
		to += number(r, 2) & (SIZE - 1);
	else
		to += tail & (SIZE - 1);
	n &= SIZE - 1;
	if (how & 4) {
		memset(to, (int)number(r, 1), (size_t)n);
	} else if (n >= 5) {
		n -= 4;
		memcpy(to, &(uint8_t[]){ (uint8_t)n, (uint8_t)(n >> 8), 0, 0 },
		    4);
		n += 4;
	}
	if (how & 8)
		atomic_store(&r->peer->ring->own->tail, tail + n);
}

static void
send_record(struct run *r)
{
	union {
		struct cmsghdr	head;
		uint8_t		bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { .bytes = { 0 } };
	uint8_t bytes[400] = { 0 };
	struct iovec iov = { bytes, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint64_t how = number(r, 1), end, n_fds, i;

	for (i = 0; how & 1 && i < 9 + (how >> 4) * 20; i++)
		bytes[i] = 0;			/* bells before it */
	if (how & 2) {
		end = near(r, atomic_load(&r->peer->ring->own->tail) + 1);
		bytes[i++] = 1;
		for (n_fds = 0; n_fds < 8; n_fds++)
			bytes[i++] = (uint8_t)(end >> (8 * n_fds));
	} else if (i == 0) {
		bytes[i++] = (uint8_t)number(r, 1);
	}
	iov.iov_len = i;
	n_fds = how & 4 ? number(r, 1) % (how & 8 ? 254 : 18) : 0;
	if (n_fds > 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int),
			    &r->file, sizeof(int));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	(void)sendmsg(r->peer->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (how & 16)
		atomic_fetch_add(&r->peer->ring->own->fds, 1);
}

static void
take(struct run *r, struct mproc__frame *frame)
{
	int fds[MPROC__MAX_FDS], n;
	uint8_t sum = 0;
	size_t i;

	MUST(frame->size > 0 && frame->size <= FRAME_MAX);
	MUST(frame->n_fds >= 0 && frame->n_fds <= MPROC__KERNEL_FDS);
	for (i = 0; i < frame->size; i++)
		sum = (uint8_t)(sum + frame->data[i]);
	frame->data[frame->size] = sum;		/* as promised */
	n = mproc__channel_take_fds(r->ch, sum % MPROC__MAX_FDS, fds);
	while (n > 0)
		mproc__close(fds[--n]);
}

/* Read what is there; an error of reading stays. */
static bool
read_some(struct run *r, bool pull)
{
	struct mproc__frame frame;
	bool any = false;
	int filled, n;

	filled = pull ? mproc__channel_pull(r->ch) :
	    mproc__channel_fill(r->ch);
	while ((n = mproc__channel_next(r->ch, &frame)) == 1) {
		take(r, &frame);
		any = true;
	}
	if (n == 0 && (filled >= 0 || filled == -EMFILE))
		return any || filled != 0;
	r->error = n < 0 ? n : filled;
	MUST(r->error == -EPIPE || r->error == -EPROTO ||
	    r->error == -EBADMSG || r->error == -EMSGSIZE);
	MUST(mproc__channel_fill(r->ch) == r->error);
	n = mproc__channel_next(r->ch, &frame);
	MUST(n == (r->error == -EPIPE ? 0 : r->error));
	return false;
}

static void
write_some(struct run *r)
{
	uint64_t how = number(r, 1), n;
	struct mproc__buf *buf = mproc__channel_begin(r->ch);
	size_t size = 1 + number(r, 2) % FRAME_MAX;
	int done;

	if (mproc__buf_reserve(buf, size) != NULL) {
		memset(buf->data + buf->len, (int)how, size);
		buf->len += size;
	}
	n = how & 1 ? how >> 5 : 0;
	done = mproc__channel_commit(r->ch, (int[]){ r->file, r->file,
	    r->file, r->file, r->file, r->file, r->file, r->file }, (int)n,
	    how & 2, how, !(how & 4));
	MUST(done == 0 || done == 1 || done == -EPIPE || done == -EBADF);
	done = mproc__channel_flush(r->ch);
	MUST(done == 0 || done == 1 || done == -EPIPE);
	while (mproc__channel_queued(r->ch) > 20 &&
	    mproc__channel_drop_oldest(r->ch, &size, &n) == 1)
		continue;
}

static void
step(struct run *r)
{
	switch (number(r, 1) & 15) {
	case 0: case 1: case 2:
		set_word(r);
		break;
	case 3: case 4: case 5:
		set_bytes(r);
		break;
	case 6: case 7:
		send_record(r);
		break;
	case 8: case 9:
		if (r->error == 0)
			(void)read_some(r, false);
		break;
	case 10:
		if (r->error == 0)
			(void)read_some(r, true);
		break;
	case 11: case 12:
		if (mproc__channel_queued(r->ch) < 100)
			write_some(r);
		break;
	case 13:
		(void)mproc__channel_listen(r->ch);
		break;
	case 14:
		mproc__channel_hush(r->ch);
		break;
	default:
		(void)mproc__channel_hear(r->ch);
	}
}

static void
open_both(struct run *r)
{
	struct mproc__channel_options opt = { .max_frame = FRAME_MAX,
		.allow_fds = true };
	int fds[2];

	MUST(mproc__socketpair(SOCK_STREAM, 0, fds) == 0);
	MUST(mproc__channel_new(fds[0], &opt, &r->ch) == 0);
	MUST(mproc__channel_new(fds[1], &opt, &r->peer) == 0);
	MUST(mproc__channel_share(r->ch, SIZE) == 0);
	MUST(mproc__channel_join(r->peer) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = { .data = data, .size = size };
	int before, after, i;

	if (size > 1 << 14)
		return 0;
	MUST((before = mproc__dup(STDIN_FILENO)) >= 0);
	r.file = before;
	open_both(&r);
	while (r.size > 0)
		step(&r);
	/* the end is seen, however much was claimed */
	(void)shutdown(r.peer->fd, SHUT_RDWR);
	for (i = 0; r.error == 0 && i < 10000; i++)
		(void)read_some(&r, false);
	MUST(r.error < 0);
	mproc__channel_free(r.ch);
	mproc__channel_free(r.peer);
	mproc__close(r.file);
	MUST((after = mproc__dup(STDIN_FILENO)) == before);
	mproc__close(after);
	return 0;
}
