/*
 * channel_put.c - frames whose bodies were built elsewhere, many in a row.
 *
 * In a ring they lie where they will be read, behind the end that the reader
 * knows, until it is moved for all at once: a reader that gets them one at a
 * time fetches the line of that word from us each time.
 */
#include <assert.h>
#include <string.h>

#include "channel/parts.h"
#include "system/system.h"

int
mproc__hand_over(struct mproc__channel *ch)
{
	size_t n = ch->staged;

	ch->staged = ch->n_staged = 0;
	ch->out.blocked = false;
	return mproc__ring_commit(ch, n, NULL, 0);
}

/* Behind what was put there before; false: it has no room. */
static bool
put_in_ring(struct mproc__channel *ch, const void *body, uint32_t size)
{
	size_t need = MPROC__FRAME_HEAD + (size_t)size, room;
	uint8_t *at;

	room = mproc__ring_room(ch->ring, ch->staged + need, &at);
	if (room == SIZE_MAX || room < ch->staged + need)
		return false;
	at += ch->staged;
	mproc__put_length(at, size);
	mproc__copy(at + MPROC__FRAME_HEAD, body, size);
	ch->staged += need;
	ch->n_staged++;
	return true;
}

static int
put_in_queue(struct mproc__out *out, const void *body, uint32_t size)
{
	struct mproc__record rec = { .size = size };
	uint8_t *to;

	mproc__queue_compact(out);
	rec.at = out->buf.len;
	if (!mproc__queue_reserve(out) || (to = mproc__buf_reserve(&out->buf,
	    MPROC__FRAME_HEAD + (size_t)size)) == NULL) {
		out->buf.failed = false;
		return -ENOMEM;
	}
	mproc__put_length(to, size);
	memcpy(to + MPROC__FRAME_HEAD, body, size);
	out->buf.len += MPROC__FRAME_HEAD + (size_t)size;
	mproc__queue_push(out, &rec);
	return 1;
}

int
mproc__channel_put(struct mproc__channel *ch, const void *body, size_t size,
    const int *fds, int n_fds)
{
	struct mproc__out *out = &ch->out;

	if (n_fds > 0 || size == 0 || size > ch->max_frame || out->gone) {
		mproc__buf_append(mproc__channel_begin(ch), body, size);
		return mproc__channel_commit(ch, fds, n_fds, false, 0, false);
	}
	assert(!out->open);
	if (ch->ring != NULL && out->bytes == 0 && ch->limit == 0 &&
	    put_in_ring(ch, body, (uint32_t)size))
		return 1;
	return put_in_queue(out, body, (uint32_t)size);
}
