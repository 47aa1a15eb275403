/*
 * channel_in.c - the receiving half: frames are returned where they were
 * read, in one buffer that grows only when an unfinished frame fills it.
 *
 * A byte is moved at most once, when its frame does not fit behind the
 * frames before it.  The capacity is at most about twice what has come, or
 * 64 KiB, whatever a length word claims.  A channel over which little goes,
 * or nothing yet, has a small one.
 */
#include <stdlib.h>
#include <string.h>

#include "channel/parts.h"
#include "system/system.h"

/* Until much has come.  For 1 KiB the allocator would tidy up first. */
#define SMALL_CAP	((size_t)1000)
#define FIRST_CAP	((size_t)64 << 10)
#define READ_MIN	((size_t)16 << 10)	/* worth a system call */
#define ALONE_RUN		256	/* frames before _next says none */
#define FILL_MAX	((size_t)256 << 10)

/* The borrower of a frame may have written a NUL after it. */
static void
restore(struct mproc__channel *ch)
{
	struct mproc__in *in = &ch->in;

	if (in->lent)
		in->data[in->pos] = in->saved;
	in->lent = false;
	if (ch->borrowed > 0)
		mproc__ring_give_back(ch);
}

/*
 * How many bytes the first frame still lacks: 0, it is complete, and its
 * body's size; -EBADMSG or -EMSGSIZE, there will be no frame any more.
 */
static inline __attribute__((always_inline)) int
look(const struct mproc__channel *ch, size_t *ret_lacks, uint32_t *ret_size)
{
	const struct mproc__in *in = &ch->in;
	size_t have = in->len - in->pos, whole;
	uint8_t head[MPROC__FRAME_HEAD];
	uint32_t size;

	*ret_lacks = MPROC__FRAME_HEAD + 1 - have;
	if (have < MPROC__FRAME_HEAD)
		return 0;
	memcpy(head, in->data + in->pos, sizeof(head));
	if (in->lent)
		head[0] = in->saved;
	size = mproc__frame_size(head);
	if (size == 0)
		return -EBADMSG;
	if (size > ch->max_frame)
		return -EMSGSIZE;
	whole = MPROC__FRAME_HEAD + (size_t)size;
	*ret_lacks = whole > have ? whole - have : 0;
	*ret_size = size;
	return 0;
}

static int
broken(struct mproc__in *in, int r)
{
	if (in->error == 0)
		in->error = mproc__err(r, "a frame whose length is %s",
		    r == -EBADMSG ? "0" : "above the limit");
	return in->error;
}

/* The first byte not parsed becomes the first of the buffer. */
static void
to_front(struct mproc__in *in)
{
	if (in->pos == 0)
		return;
	in->len -= in->pos;
	memmove(in->data, in->data + in->pos, in->len);
	in->pos = 0;
}

static int
resize(struct mproc__in *in, size_t cap)
{
	uint8_t *data = realloc(in->data, cap);

	if (data == NULL)
		return -ENOMEM;
	in->data = data;
	in->cap = cap;
	return 0;
}

/* The memory of a huge frame goes when what comes next is small. */
static void
shrink(struct mproc__in *in, size_t lacks)
{
	if (in->cap <= MPROC__KEEP || in->len - in->pos + lacks >= FIRST_CAP)
		return;
	to_front(in);
	(void)resize(in, FIRST_CAP);	/* it is only a wish */
}

static int
grow(struct mproc__in *in, size_t need)
{
	size_t cap = in->cap >= FIRST_CAP ? in->cap * 2 : FIRST_CAP;

	if (in->cap == 0 && need <= SMALL_CAP)
		return resize(in, SMALL_CAP);
	/* No more than the frame needs, but in steps. */
	need = (need + FIRST_CAP) / FIRST_CAP * FIRST_CAP;
	return resize(in, cap < need ? cap : need);
}

/*
 * Room at the end of the buffer: 1, 0 when the caller should take complete
 * frames first, or -ENOMEM.
 */
static int
make_room(struct mproc__in *in, size_t lacks)
{
	size_t want = lacks < READ_MIN ? lacks : READ_MIN;

	if (lacks == 0 && in->cap == SMALL_CAP)
		return grow(in, SMALL_CAP + 1) == 0;
	if (lacks == 0)
		return in->cap - in->len > READ_MIN;
	shrink(in, lacks);
	if (in->pos == in->len || in->cap - in->len <= READ_MIN)
		to_front(in);
	if (in->cap - in->len > want && !in->outgrown)
		return 1;
	return grow(in, in->len + lacks + 1) < 0 ? -ENOMEM : 1;
}

/* One read of `size` bytes: those that came, 0 none now, or -errno. */
static int
receive(struct mproc__channel *ch, size_t size)
{
	struct mproc__in *in = &ch->in;
	int error = 0;
	ssize_t n;

	if (ch->ring != NULL)
		n = mproc__ring_read(ch, in->data + in->len, size);
	else
		n = mproc__in_receive(ch, in->data + in->len, size, &error);
	if (n == 0 || n == -ECONNRESET) {
		in->eof = true;
		return -EPIPE;
	}
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return n == -ENOBUFS ? -ENOMEM : (int)n;
	if (error == -EPROTO)
		return in->error = mproc__err(-EPROTO, "the peer sends "
		    "descriptors that are not expected");
	in->len += (size_t)n;
	in->outgrown = in->cap == SMALL_CAP && in->len == in->cap - 1;
	return error < 0 ? error : (int)n;
}

/* Room for one read: 0 better not now, or -errno */
static ssize_t
next_read(struct mproc__channel *ch)
{
	struct mproc__in *in = &ch->in;
	size_t lacks, room;
	uint32_t size;
	int r;

	if ((r = look(ch, &lacks, &size)) < 0)
		return broken(in, r);
	if (lacks == 0 && mproc__in_fds_full(in))
		return 0;
	if ((r = mproc__in_fds_reserve(in)) < 0)
		return r;
	if ((r = make_room(in, lacks)) <= 0)
		return r;
	room = in->cap - 1 - in->len;
	if (room > FILL_MAX)
		room = FILL_MAX;
	return (ssize_t)(ch->limit > 0 && ch->limit < room ? ch->limit : room);
}

static int
fill(struct mproc__channel *ch)
{
	struct mproc__in *in = &ch->in;
	ssize_t asked;
	size_t total = 0;
	int n;

	restore(ch);
	do {
		if (in->error < 0)
			return in->error;
		n = in->eof ? -EPIPE : 0;
		if (in->eof || (asked = next_read(ch)) == 0)
			break;
		n = asked < 0 ? (int)asked : receive(ch, (size_t)asked);
		if (n == -EMFILE || in->error < 0)
			return n;
		if (n > 0)
			total += (size_t)n;
		/* A short read has emptied the socket, or met descriptors. */
	} while (n > 0 && n == asked && total < FILL_MAX &&
	    !mproc__channel_ready(ch));
	return total > 0 ? (int)total : n;
}

int
mproc__channel_fill(struct mproc__channel *ch)
{
	int heard = 0, n;

	if (ch->ring != NULL && ch->in.error == 0)
		heard = mproc__ring_hear(ch, true);
	n = fill(ch);
	return heard < 0 && (n == 0 || (n > 0 && heard != -ENOMEM)) ?
	    heard : n;
}

int
mproc__channel_pull(struct mproc__channel *ch)
{
	return ch->ring != NULL ? fill(ch) : 0;
}

/* The n bytes at `pos` are a frame of `size`: it is the caller's now. */
static void
lend(struct mproc__in *in, uint32_t size, struct mproc__frame *ret)
{
	ret->data = in->data + in->pos + MPROC__FRAME_HEAD;
	ret->size = size;
	in->pos += MPROC__FRAME_HEAD + (size_t)size;
	in->taken += MPROC__FRAME_HEAD + (size_t)size;
	in->saved = in->pos < in->len ? in->data[in->pos] : 0;
	in->lent = true;
	ret->n_fds = 0;
	ret->fds = NULL;
	ret->is_shared = false;
}

/* Nothing is buffered, and a large frame is whole in a trusted ring. */
static bool
next_shared(struct mproc__channel *ch, struct mproc__frame *ret)
{
	struct mproc__in *in = &ch->in;
	const uint8_t *at;
	uint32_t size;

	if (ch->ring == NULL || in->pos != in->len || in->error < 0 ||
	    (size = mproc__ring_see_frame(ch, &at)) == 0)
		return false;
	ch->borrowed = MPROC__FRAME_HEAD + (size_t)size;
	*ret = (struct mproc__frame){
		.data = (uint8_t *)(uintptr_t)at, .size = size,
		.is_shared = true
	};
	return true;
}

/*
 * What two sides that are quick mostly find: nothing is buffered, and one
 * small frame without descriptors is in the ring, alone.  It takes the short
 * way; false: another way, then.
 */
static inline bool
next_alone(struct mproc__channel *ch, struct mproc__frame *ret)
{
	struct mproc__in *in = &ch->in;
	size_t n;

	if (ch->ring == NULL || in->pos != in->len || in->error < 0 ||
	    ch->limit > 0)
		return false;
	/* a peer that is as fast as we are does not keep us here for ever */
	if (++ch->alone >= ALONE_RUN) {
		ch->alone = 0;
		return false;
	}
	/* a byte is left for the borrower's NUL */
	n = in->cap > 0 ? mproc__ring_take_frame(ch, in->data, in->cap - 1) :
	    0;
	if (n == 0)
		return false;
	in->pos = 0;
	in->len = n;
	lend(in, (uint32_t)(n - MPROC__FRAME_HEAD), ret);
	return true;
}

int
mproc__channel_next(struct mproc__channel *ch, struct mproc__frame *ret)
{
	struct mproc__in *in = &ch->in;
	size_t lacks;
	uint32_t size = 0;
	int r;

	restore(ch);
	if (in->fds.n > 0)
		mproc__in_fds_close(in, mproc__in_fds_before(in, in->taken));
	else if (next_alone(ch, ret) ||
	    (ch->trusts && next_shared(ch, ret)))
		return 1;
	if ((r = look(ch, &lacks, &size)) < 0)
		return broken(in, r);
	if (lacks > 0) {
		shrink(in, lacks);
		return in->error;
	}
	lend(in, size, ret);
	if (in->fds.n > 0) {
		ret->n_fds = mproc__in_fds_before(in, in->taken);
		ret->fds = in->fds.fd + in->fds.first;
	}
	return 1;
}

bool
mproc__channel_ready(const struct mproc__channel *ch)
{
	size_t lacks;
	uint32_t size;

	return look(ch, &lacks, &size) == 0 && lacks == 0;
}

int
mproc__channel_take_fds(struct mproc__channel *ch, int n, int *ret_fds)
{
	int waiting = mproc__in_fds_before(&ch->in, ch->in.taken);

	if (n > waiting)
		n = waiting;
	mproc__in_fds_take(&ch->in, n, ret_fds);
	return n;
}
