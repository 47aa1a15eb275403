/*
 * channel_out.c - the sending half: frames are encoded in place, written at
 * once where nothing waits, else queued and written in batches.
 *
 * A frame with descriptors has a sendmsg(2) of its own.  The kernel hands
 * descriptors out with the first byte of such a write and ends the reader's
 * call inside it, so that the reader can tell whose they are (in_fds.c).
 */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "channel/parts.h"
#include "system/system.h"

/* More than a socket buffer takes: a batch is looked at only once. */
#define BATCH_BYTES	((size_t)256 << 10)
#define BATCH_PIECES	64

struct batch {
	struct iovec	 iov[BATCH_PIECES];
	size_t		 n_iov, bytes;
	const int	*fds;
	size_t		 n_fds;
};

/* The frame's bytes join the batch; false: they would be one piece too many */
static bool
add(struct batch *b, uint8_t *bytes, size_t n)
{
	struct iovec *last = b->n_iov > 0 ? &b->iov[b->n_iov - 1] : NULL;

	if (last != NULL &&
	    (uint8_t *)last->iov_base + last->iov_len == bytes) {
		last->iov_len += n;
	} else {
		if (b->n_iov == BATCH_PIECES)
			return false;
		b->iov[b->n_iov++] = (struct iovec){ bytes, n };
	}
	b->bytes += n;
	return true;
}

static void
limit(struct batch *b, size_t n)
{
	assert(b->n_iov > 0);
	if (n == 0)
		return;
	if (b->iov[0].iov_len > n)
		b->iov[0].iov_len = n;
	b->n_iov = 1;
	b->bytes = b->iov[0].iov_len;
}

ssize_t
mproc__out_send(int fd, struct iovec *iov, size_t n_iov, const int *fds,
    size_t n_fds)
{
	union {
		struct cmsghdr	head;
		uint8_t		bytes[CMSG_SPACE(MPROC__MAX_FDS * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n_iov };
	const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	struct cmsghdr *head;
	ssize_t n;

	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
	}
	do {
		if (n_iov == 1 && n_fds == 0)
			n = send(fd, iov->iov_base, iov->iov_len, flags);
		else
			n = sendmsg(fd, &msg, flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* One system call, or none: the bytes written, or -errno. */
static ssize_t
put(struct mproc__channel *ch, struct batch *b)
{
	ssize_t n;

	if (ch->ring != NULL)
		n = mproc__ring_write(ch, b->iov, b->n_iov, b->fds, b->n_fds);
	else
		n = mproc__out_send(ch->fd, b->iov, b->n_iov, b->fds,
		    b->n_fds);
	if (n >= 0)
		ch->out.blocked = false;
	return n;
}

/* What a refused write means: -EAGAIN later, -EPIPE never, or the code. */
static int
refused(struct mproc__out *out, int r)
{
	out->blocked = false;
	switch (-r) {
	case ETOOMANYREFS:
	case ENOBUFS:
	case ENOMEM:
		out->blocked = true;
		return -EAGAIN;
	case EPIPE:
	case ECONNRESET:
		out->gone = true;
		return -EPIPE;
	default:
		return r;
	}
}

/*
 * Where nothing waits a frame is built in the ring itself; the encoder moves
 * to memory of its own when the room there is too small.  After a frame that
 * was too large the next is not begun there: its memory is in `buf` already.
 */
static struct mproc__buf *
begin_in_place(struct mproc__channel *ch)
{
	struct mproc__out *out = &ch->out;
	uint8_t *at;
	size_t room;

	room = mproc__ring_room(ch->ring, ch->ring->size / 2, &at);
	if (room == SIZE_MAX || room <= MPROC__FRAME_HEAD)
		return NULL;
	out->direct = (struct mproc__buf){
		.data = at, .len = MPROC__FRAME_HEAD, .cap = room,
		.lent = true
	};
	out->in_place = true;
	return &out->direct;
}

struct mproc__buf *
mproc__channel_begin(struct mproc__channel *ch)
{
	struct mproc__out *out = &ch->out;

	assert(!out->open);
	out->open = true;
	if (ch->staged > 0)
		(void)mproc__hand_over(ch);
	if (ch->ring != NULL && out->bytes == 0 && ch->limit == 0 &&
	    !out->is_large && begin_in_place(ch) != NULL)
		return &out->direct;
	mproc__queue_compact(out);
	out->buf.hole = 0;
	out->buf.apart = ch->ring == NULL && out->bytes == 0 ? &out->apart :
	    NULL;
	out->start = out->buf.len;
	if (mproc__buf_reserve(&out->buf, MPROC__FRAME_HEAD) != NULL)
		out->buf.len += MPROC__FRAME_HEAD;
	return &out->buf;
}

struct mproc__buf *
mproc__channel_reserve(struct mproc__channel *ch)
{
	struct mproc__out *out = &ch->out;

	assert(!out->open);
	out->open = true;
	if (ch->staged > 0)
		(void)mproc__hand_over(ch);
	if (ch->ring != NULL && out->bytes == 0 && ch->limit == 0 &&
	    begin_in_place(ch) != NULL) {
		out->direct.takes_room = true;
		return &out->direct;
	}
	out->direct = (struct mproc__buf){ .takes_room = true };
	out->in_place = true;
	if (mproc__buf_reserve(&out->direct, MPROC__FRAME_HEAD) != NULL)
		out->direct.len = MPROC__FRAME_HEAD;
	return &out->direct;
}

void
mproc__channel_abort(struct mproc__channel *ch)
{
	struct mproc__out *out = &ch->out;

	out->open = false;
	out->apart.data = NULL;
	if (out->in_place) {
		mproc__buf_done(&out->direct);
		out->in_place = false;
		return;
	}
	out->buf.len = out->start;
	out->buf.failed = false;
	mproc__queue_settle(out);
}

/* The open frame, in `buf` from `start` on, gets its length word. */
static int
seal(struct mproc__channel *ch, struct mproc__buf *buf, size_t start,
    int n_fds, uint32_t *ret_size)
{
	size_t size;

	if (ch->out.gone)
		return -EPIPE;
	if (n_fds < 0 || n_fds > MPROC__MAX_FDS)
		return mproc__err(-EINVAL, "%d descriptors in one message, at "
		    "most %d", n_fds, MPROC__MAX_FDS);
	if (buf->failed)
		return -ENOMEM;
	size = buf->len - start - MPROC__FRAME_HEAD;
	if (size == 0 || size > ch->max_frame)
		return mproc__err(-EMSGSIZE, "a message of %zu bytes, at most "
		    "%zu", size, ch->max_frame);
	*ret_size = (uint32_t)size;
	mproc__put_length(buf->data + start, *ret_size);
	return 0;
}

/* The open frame, with the bytes that are apart from it. */
static void
add_open(struct batch *b, const struct mproc__out *out)
{
	const struct mproc__buf *buf = &out->buf;
	uint8_t *start = buf->data + out->start, *end = buf->data + buf->len;
	uint8_t *hole = buf->data + buf->hole;

	if (out->apart.data == NULL) {
		b->iov[b->n_iov++] = (struct iovec){ start,
		    b->bytes = (size_t)(end - start) };
		return;
	}
	(void)add(b, start, (size_t)(hole - start));
	(void)add(b, (uint8_t *)(uintptr_t)out->apart.data, out->apart.size);
	hole += out->apart.size;
	if (hole < end)
		(void)add(b, hole, (size_t)(end - hole));
}

/* What is apart and not before `from` is copied to where it belongs. */
static void
take_in(struct mproc__out *out, size_t from)
{
	struct mproc__buf *buf = &out->buf;
	size_t done = from > buf->hole ? from - buf->hole : 0;

	if (out->apart.data != NULL && done < out->apart.size)
		memcpy(buf->data + buf->hole + done, out->apart.data + done,
		    out->apart.size - done);
}

/* 0 it is out, 1 a part is, -EAGAIN nothing is yet, or why it cannot be */
static int
write_now(struct mproc__channel *ch, const int *fds, int n_fds)
{
	struct mproc__out *out = &ch->out;
	size_t size = out->buf.len - out->start;
	struct batch b;		/* not all of it is worth to be cleared */
	ssize_t n;
	int r;

	b.n_iov = b.bytes = 0;
	b.fds = fds;
	b.n_fds = (size_t)n_fds;
	add_open(&b, out);
	limit(&b, ch->limit);
	if ((n = put(ch, &b)) < 0) {
		r = refused(out, (int)n);
		return r == -EAGAIN || r == -EPIPE ? r :
		    mproc__fd_error(r, "send a message");
	}
	out->head = out->start + (size_t)n;
	out->begun = out->bytes = size - (size_t)n;
	return out->begun > 0;
}

/* New copies of descriptors, which the caller may close meanwhile */
static int
copy_fds(const int *fds, int n, struct mproc__record *rec)
{
	int copy;

	if (n == 0)
		return 0;
	rec->fds = calloc((size_t)n, sizeof(int));
	if (rec->fds == NULL)
		return -ENOMEM;
	for (; rec->n_fds < n; rec->n_fds++) {
		if ((copy = mproc__dup(fds[rec->n_fds])) < 0)
			goto fail;
		rec->fds[rec->n_fds] = copy;
	}
	return 0;
fail:
	while (rec->n_fds > 0)
		mproc__close(rec->fds[--rec->n_fds]);
	free(rec->fds);
	return mproc__fd_error(copy, "queue a message");
}

/* What was not written joins the queue: 1, or -errno. */
static int
enqueue(struct mproc__out *out, const int *fds, int n_fds,
    struct mproc__record *rec)
{
	int r;

	if (!mproc__queue_reserve(out))
		return -ENOMEM;
	if ((r = copy_fds(fds, n_fds, rec)) < 0)
		return r;
	mproc__queue_push(out, rec);
	return 1;
}

/*
 * A frame that was built in the ring's memory: 0 it is handed over; 1 it has
 * to go the long way, and is in `buf` now, as if it had been built there.
 */
static int
commit_in_place(struct mproc__channel *ch, const int *fds, int n_fds,
    bool write)
{
	struct mproc__out *out = &ch->out;
	struct mproc__buf *buf = &out->direct;
	uint32_t size;
	int r;

	if ((r = seal(ch, buf, 0, n_fds, &size)) < 0)
		return r;
	if (write && buf->lent) {
		r = mproc__ring_commit(ch, buf->len, fds, (size_t)n_fds);
		if (r == 0)
			out->blocked = false;
		else if ((r = refused(out, r)) != -EAGAIN)
			return r == -EPIPE ? r :
			    mproc__fd_error(r, "send a message");
		if (r == 0)
			goto done;
	}
	out->start = out->buf.len;
	if (out->buf.len == 0 && !buf->lent) {
		mproc__buf_done(&out->buf);
		out->buf = *buf;	/* instead of a copy */
		*buf = (struct mproc__buf){ .data = NULL };
	} else {
		mproc__buf_append(&out->buf, buf->data, buf->len);
		if (out->buf.failed) {
			out->buf.failed = false;
			return -ENOMEM;
		}
		mproc__buf_done(buf);
	}
	r = 1;
done:
	out->in_place = false;
	return r;
}

/* A frame in `buf`: 0 it is out, 1 it is queued, or -errno. */
static int
commit_in_buf(struct mproc__channel *ch, const int *fds, int n_fds,
    struct mproc__record *rec, bool write)
{
	struct mproc__out *out = &ch->out;
	int r;

	if ((r = seal(ch, &out->buf, out->start, n_fds, &rec->size)) < 0)
		return r;
	if (ch->ring != NULL)
		out->is_large = rec->size > ch->ring->size / 2;
	r = -EAGAIN;
	rec->at = out->start;
	if (write && out->bytes == 0)
		r = write_now(ch, fds, n_fds);
	if (r != 0)
		take_in(out, r > 0 ? out->head : out->start);
	out->apart.data = NULL;
	return r == -EAGAIN ? enqueue(out, fds, n_fds, rec) : r;
}

int
mproc__channel_commit(struct mproc__channel *ch, const int *fds, int n_fds,
    bool droppable, uint64_t tag, bool write)
{
	struct mproc__record rec = { .droppable = droppable, .tag = tag };
	struct mproc__out *out = &ch->out;
	bool first = out->bytes == 0;
	int r;

	assert(out->open);
	if (out->in_place) {
		r = commit_in_place(ch, fds, n_fds, write);
		if (r == 0)
			out->open = false;
		if (r <= 0)
			goto out;
	}
	r = commit_in_buf(ch, fds, n_fds, &rec, write);
	if (r >= 0) {
		out->open = false;
		mproc__queue_settle(out);
	}
	/* into a full ring: ask to be told when there is room again */
	if (r > 0 && write && first && ch->ring != NULL)
		return mproc__channel_flush(ch);
out:
	if (r < 0)
		mproc__channel_abort(ch);
	return r == 0 && ch->bell_due ? 1 : r;
}

/* What one system call shall write, of at most max_frames frames. */
static void
collect(const struct mproc__out *out, int max_frames, struct batch *b)
{
	const struct mproc__record *r;
	size_t i, size;

	b->n_iov = b->bytes = b->n_fds = 0;
	if (out->begun > 0 && max_frames-- > 0)
		add(b, out->buf.data + out->head, out->begun);
	for (i = 0; i < out->n && max_frames > 0; i++) {
		r = &out->rec[out->first + i];
		if (r->dead)
			continue;
		size = MPROC__FRAME_HEAD + (size_t)r->size;
		if (b->bytes > 0 &&
		    (r->n_fds > 0 || b->bytes + size > BATCH_BYTES))
			break;
		if (!add(b, out->buf.data + r->at, size))
			break;
		max_frames--;
		if (r->n_fds > 0) {
			b->fds = r->fds;
			b->n_fds = r->n_fds;
			break;
		}
	}
}

/* n bytes are out: how many frames did that complete? */
static int
written(struct mproc__out *out, size_t n)
{
	const struct mproc__record *r;
	size_t part;
	int done = 0;

	while (n > 0) {
		if (out->begun == 0) {
			r = mproc__queue_first(out);
			out->head = r->at;
			out->begun = MPROC__FRAME_HEAD + (size_t)r->size;
			mproc__queue_pop(out);
			out->bytes += out->begun;
		}
		part = n < out->begun ? n : out->begun;
		out->head += part;
		out->begun -= part;
		out->bytes -= part;
		n -= part;
		done += out->begun == 0;
	}
	return done;
}

int
mproc__channel_flush_frames(struct mproc__channel *ch, int max_frames)
{
	struct mproc__out *out = &ch->out;
	struct batch b;
	ssize_t n;

	assert(!out->open || out->in_place);
	if (ch->staged > 0)
		(void)mproc__hand_over(ch);
	if (ch->bell_due)
		(void)mproc__ring_bell(ch);
	if (out->gone) {
		mproc__queue_done(out);	/* who reads may have learnt it */
		return -EPIPE;
	}
	while (out->bytes > 0 && max_frames > 0) {
		collect(out, max_frames, &b);
		limit(&b, ch->limit);
		if ((n = put(ch, &b)) < 0) {
			if (n == -EAGAIN && ch->ring != NULL &&
			    mproc__ring_call_writer(ch->ring))
				continue;	/* there is room now */
			if (refused(out, (int)n) == -EAGAIN)
				return 1;
			/* a frame that cannot go leaves the rest no way */
			out->gone = true;
			mproc__queue_done(out);
			return -EPIPE;
		}
		max_frames -= written(out, (size_t)n);
		if ((size_t)n < b.bytes && ch->ring == NULL)
			break;	/* full; the next call would only say so */
	}
	if (ch->ring != NULL)
		mproc__ring_hush_writer(ch->ring);
	mproc__queue_settle(out);
	return out->bytes > 0 || ch->bell_due;
}

int
mproc__channel_flush(struct mproc__channel *ch)
{
	return mproc__channel_flush_frames(ch, INT_MAX);
}

int
mproc__channel_drop_oldest(struct mproc__channel *ch, size_t *ret_size,
    uint64_t *ret_tag)
{
	struct mproc__record rec;

	assert(!ch->out.open || ch->out.in_place);
	if (mproc__queue_drop(&ch->out, &rec) == 0)
		return 0;
	*ret_size = rec.size;
	*ret_tag = rec.tag;
	mproc__queue_settle(&ch->out);
	return 1;
}

bool
mproc__channel_gone(const struct mproc__channel *ch)
{
	return ch->out.gone;
}

bool
mproc__channel_midframe(const struct mproc__channel *ch)
{
	return ch->out.begun > 0;
}

size_t
mproc__channel_queued(const struct mproc__channel *ch)
{
	return ch->out.n - ch->out.dead + (ch->out.begun > 0) + ch->n_staged;
}

size_t
mproc__channel_queued_bytes(const struct mproc__channel *ch)
{
	return ch->out.bytes + ch->staged;
}

bool
mproc__channel_is_idle(const struct mproc__channel *ch)
{
	return ch->out.bytes == 0 && ch->staged == 0 && !ch->out.blocked &&
	    !ch->bell_due;
}

bool
mproc__channel_blocked(const struct mproc__channel *ch)
{
	return ch->out.blocked || ch->bell_due;
}
