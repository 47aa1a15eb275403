/*
 * process_reserve.c - casts whose payload is built where it is sent from.
 *
 * Between reserve and commit the lock is free and the message is open in the
 * data channel: who sends waits, everything else goes on.  Should the backend
 * die meanwhile, its channel is kept for the memory that is being written.
 */
#include "process/process.h"

#define PATIENCE_NS	1000000
#define HEAD_GUESS	4096	/* what stands around the payload */

/* Enough for what is to be reserved, or a whole ring is not? */
static bool
has_ring_room(struct mproc *p, void *arg)
{
	size_t size = *(size_t *)arg;

	return p->data == NULL || !mproc__channel_is_ring(p->data) ||
	    size > (size_t)p->opt.ring_bytes / 2 - HEAD_GUESS ||
	    mproc__channel_has_room(p->data, size);
}

/* So many bytes of it are not there yet. */
static size_t
reserved_size(const struct mproc_schema *s, const void *args)
{
	const struct mproc_bytes *b;
	size_t size = HEAD_GUESS;
	uint32_t i;

	for (i = 0; i < s->n_fields; i++) {
		b = (const void *)((const char *)args + s->fields[i].offset);
		if (s->fields[i].type == MPROC_TYPE_BYTES)
			size += b->size;
	}
	return size;
}

/* Admitted: the message is opened, and stays so. */
static int
open_reserved(struct mproc *p, const struct mproc_schema *schema,
    const void *args, void **ret_at)
{
	struct mproc__meta meta = { .deadline_ns = 0 };
	struct mproc__buf *buf = mproc__channel_reserve(p->data);
	int r;

	p->reserved_at = buf->len;
	r = mproc__encode(buf, MPROC__CAST, 0, schema, args, &meta,
	    (size_t)p->opt.max_message, &p->reserved_fds);
	if (r == 0 && buf->hole == 0)
		r = mproc__err(-EINVAL, "mproc_reserve: no field of %s_%s is "
		    "MPROC_ROOM", schema->class_name, schema->command);
	if (r < 0) {
		mproc__channel_abort(p->data);
		return r;
	}
	p->reserved_size = buf->len - p->reserved_at;
	p->reserved = true;
	p->reserver = pthread_self();
	*ret_at = buf->data + buf->hole;
	return 0;
}

int
mproc_reserve_typed(struct mproc *p, void **ret_at,
    const struct mproc_schema *schema, const void *args)
{
	size_t size;
	int r;

	if (ret_at == NULL)
		return mproc__err(-EINVAL, "no place for the room");
	if ((r = mproc__enter(p)) < 0)
		return r;
	size = reserved_size(schema, args);
	r = mproc__admit(p, schema, args);
	/* memory of our own costs more than a moment until there is room */
	if (r == 0 && !has_ring_room(p, &size)) {
		(void)mproc__wait(p, has_ring_room, &size,
		    mproc__now_ns() + PATIENCE_NS);
		r = mproc__admit(p, schema, args);
	}
	if (r > 0)
		r = mproc__err(-EAGAIN, "the mailbox of %s is full: dropped",
		    p->name);
	if (r == 0)
		r = open_reserved(p, schema, args, ret_at);
	mproc__leave_calling(p);
	return r;
}

/* Locked: is there something of this thread?  Then it is no more. */
static int
take_reserved(struct mproc *p)
{
	if (!p->reserved || !pthread_equal(p->reserver, pthread_self()))
		return mproc__err(-EINVAL, "%s: this thread has reserved "
		    "nothing", p->name);
	p->reserved = false;
	return 0;
}

void
mproc__unreserve(struct mproc *p)
{
	if (p->kept == NULL && p->data != NULL)
		mproc__channel_abort(p->data);
	p->kept = mproc__channel_free(p->kept);
	p->reserved = false;
	mproc__wake_waiters(p);
}

int
mproc_commit(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	if ((r = take_reserved(p)) == 0) {
		if (p->kept != NULL || p->data == NULL || p->data_eof) {
			mproc__unreserve(p);
			r = mproc__err(-EPIPE, "%s has died meanwhile",
			    p->name);
		} else {
			r = mproc__finish(p, MPROC__CAST, 0, p->reserved_size,
			    &p->reserved_fds);
		}
		mproc__wake_waiters(p);
	}
	mproc__leave_calling(p);
	return r;
}

int
mproc_unreserve(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	if ((r = take_reserved(p)) == 0)
		mproc__unreserve(p);
	mproc__leave_calling(p);
	return r;
}
