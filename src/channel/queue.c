/*
 * queue.c - the frames that wait to be written.
 *
 * Nothing is moved per frame.  Bytes of frames that have left or were
 * dropped stay where they are until there are more of them than of the rest,
 * so moving the rest costs no more than writing the others did.  Records are
 * treated the same.
 */
#include <stdlib.h>
#include <string.h>

#include "channel/parts.h"
#include "system/system.h"

#define FIRST_RECORDS	16U
#define KEEP_RECORDS	4096U
#define GARBAGE_MIN	4096U		/* not worth looking at */

static size_t
frame_bytes(const struct mproc__record *r)
{
	return MPROC__FRAME_HEAD + (size_t)r->size;
}

static void
close_fds(struct mproc__record *r)
{
	while (r->n_fds > 0)
		mproc__close(r->fds[--r->n_fds]);
	free(r->fds);
	r->fds = NULL;
}

/* Move the records that live to the front of their array. */
static void
squeeze(struct mproc__out *out)
{
	size_t i, kept = 0;

	for (i = 0; i < out->n; i++)
		if (!out->rec[out->first + i].dead)
			out->rec[kept++] = out->rec[out->first + i];
	out->first = 0;
	out->n = kept;
	out->dead = 0;
	out->scan = 0;
}

bool
mproc__queue_reserve(struct mproc__out *out)
{
	struct mproc__record *rec;
	size_t cap;

	if (out->first + out->n < out->cap)
		return true;
	if (out->cap > 0 && out->first + out->dead >= out->cap / 2) {
		squeeze(out);
		return true;
	}
	cap = out->cap > 0 ? out->cap * 2 : FIRST_RECORDS;
	rec = reallocarray(out->rec, cap, sizeof(*rec));
	if (rec == NULL)
		return false;
	out->rec = rec;
	out->cap = cap;
	return true;
}

void
mproc__queue_push(struct mproc__out *out, const struct mproc__record *r)
{
	out->rec[out->first + out->n++] = *r;
	out->bytes += frame_bytes(r);
}

static void
skip_first(struct mproc__out *out)
{
	out->first++;
	out->n--;
	if (out->scan > 0)
		out->scan--;
}

struct mproc__record *
mproc__queue_first(struct mproc__out *out)
{
	while (out->n > 0 && out->rec[out->first].dead) {
		out->dead--;
		skip_first(out);
	}
	return out->n > 0 ? &out->rec[out->first] : NULL;
}

void
mproc__queue_pop(struct mproc__out *out)
{
	struct mproc__record *r = mproc__queue_first(out);

	out->bytes -= frame_bytes(r);
	close_fds(r);
	skip_first(out);
}

int
mproc__queue_drop(struct mproc__out *out, struct mproc__record *ret)
{
	struct mproc__record *r;

	/* What the scan has passed can never become droppable. */
	for (; out->scan < out->n; out->scan++) {
		r = &out->rec[out->first + out->scan];
		if (r->dead || !r->droppable)
			continue;
		close_fds(r);
		r->dead = true;
		out->dead++;
		out->scan++;
		out->bytes -= frame_bytes(r);
		*ret = *r;
		(void)mproc__queue_first(out);	/* it may be dead now */
		return 1;
	}
	return 0;
}

/* A queue that was long and is short does not keep its memory. */
static void
shrink(struct mproc__out *out)
{
	size_t cap = out->buf.cap;
	uint8_t *data;

	if (cap <= MPROC__KEEP || out->buf.len > cap / 4)
		return;
	data = realloc(out->buf.data, cap / 2);
	if (data == NULL)
		return;		/* it was only a wish */
	out->buf.data = data;
	out->buf.cap = cap / 2;
}

void
mproc__queue_compact(struct mproc__out *out)
{
	size_t garbage = out->buf.len - out->bytes, i, to;
	uint8_t *data = out->buf.data;
	struct mproc__record *r;

	if (garbage < GARBAGE_MIN || garbage < out->bytes)
		return;
	squeeze(out);
	if (out->begun > 0)
		memmove(data, data + out->head, out->begun);
	out->head = 0;
	to = out->begun;
	for (i = 0; i < out->n; i++) {
		r = &out->rec[i];
		memmove(data + to, data + r->at, frame_bytes(r));
		r->at = to;
		to += frame_bytes(r);
	}
	out->buf.len = to;
	shrink(out);
}

void
mproc__queue_settle(struct mproc__out *out)
{
	if (out->bytes > 0)
		return;
	out->buf.len = 0;
	out->buf.failed = false;
	out->first = out->n = out->dead = out->scan = 0;
	if (out->buf.cap > MPROC__KEEP)
		mproc__buf_done(&out->buf);
	if (out->cap > KEEP_RECORDS) {
		free(out->rec);
		out->rec = NULL;
		out->cap = 0;
	}
}

void
mproc__queue_done(struct mproc__out *out)
{
	while (mproc__queue_first(out) != NULL)
		mproc__queue_pop(out);
	out->bytes = out->begun = 0;
	mproc__queue_settle(out);
}
