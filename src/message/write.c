/*
 * write.c - the writer: msgpack-c's packers over a limited buffer.
 */
#include <errno.h>

#include "message/write.h"
#include "system/error.h"

/* Parts of a body that are no values: the envelope, fields, metadata. */
#define ITEMS_SPARE	128

static void
open_room(struct mproc__writer *w)
{
	struct mproc__buf *b = w->buf;
	size_t room = b->cap - b->len, left = w->max - (b->len - w->start);

	w->at = b->data != NULL ? b->data + b->len : NULL;
	w->end = b->data != NULL ? w->at + (room < left ? room : left) : NULL;
}

void
mproc__writer_begin(struct mproc__writer *w, struct mproc__buf *buf,
    size_t max)
{
	w->buf = buf;
	w->start = buf->len;
	w->max = max;
	w->too_big = false;
	w->items = MPROC__ITEMS_MAX - ITEMS_SPARE;
	open_room(w);
}

/* Let buf->len follow what was written. */
static void
settle(struct mproc__writer *w)
{
	if (w->at != NULL)
		w->buf->len = (size_t)(w->at - w->buf->data);
}

int
mproc__writer_room(struct mproc__writer *w, size_t n)
{
	settle(w);
	if (n > w->max - (w->buf->len - w->start)) {
		w->too_big = true;
		return -1;
	}
	if (mproc__buf_reserve(w->buf, n) == NULL)
		return -1;
	open_room(w);
	return w->at != NULL ? 0 : -1;	/* never NULL, as an analyser sees */
}

int
mproc__writer_end(struct mproc__writer *w, int r)
{
	struct mproc__buf *b = w->buf;

	settle(w);
	if (r == 0 && w->too_big)
		r = mproc__err(-EMSGSIZE, "message: larger than %zu bytes",
		    w->max);
	if (r == 0 && b->failed)
		r = mproc__err(-ENOMEM, "message: no memory");
	if (r < 0) {
		b->len = w->start;
		b->hole = 0;
		if (b->apart != NULL)
			b->apart->data = NULL;
		b->failed = false;
	}
	return r;
}

void
mproc__write_bin(struct mproc__writer *w, const void *data, size_t size)
{
	if (size > UINT32_MAX) {
		w->too_big = true;
		return;
	}
	mproc__pack_bin(w, size);
	if (size > 0)
		mproc__pack_bin_body(w, data, size);
}

void
mproc__write_fd(struct mproc__writer *w, int index)
{
	uint8_t byte = (uint8_t)index;

	mproc__pack_ext(w, 1, MPROC__EXT_FD);
	mproc__pack_ext_body(w, &byte, 1);
}

/* Leave room for bytes; false: there is none, and the writer's end says why. */
static bool
write_room(struct mproc__writer *w, size_t size)
{
	if (size > UINT32_MAX) {
		w->too_big = true;
		return false;
	}
	mproc__pack_bin(w, size);
	if ((size_t)(w->end - w->at) < size &&
	    mproc__writer_room(w, size) < 0)
		return false;
	settle(w);
	w->buf->hole = w->buf->len;
	w->at += size;
	return true;
}

static int
write_bytes(struct mproc__writer *w, const struct mproc_bytes *b)
{
	struct mproc__buf *buf = w->buf;

	if (mproc__is_room(b)) {
		if (!buf->takes_room)
			return mproc__err(-EINVAL, "MPROC_ROOM is for "
			    "mproc_reserve()");
		if (buf->hole != 0)
			return mproc__err(-EINVAL, "MPROC_ROOM twice in a "
			    "message");
		(void)write_room(w, b->size);
		return 0;
	}
	if (b->data == NULL && b->size > 0)
		return mproc__err(-EINVAL, "bytes without data");
	if (buf->apart != NULL && buf->hole == 0 &&
	    b->size >= MPROC__APART_MIN) {
		if (write_room(w, b->size))
			*buf->apart = (struct mproc__apart){
				b->data, b->size
			};
		return 0;
	}
	mproc__write_bin(w, b->data, b->size);
	return 0;
}

static int
write_value(struct mproc__writer *w, const struct mproc_value *v)
{
	const uint8_t *p = v->data;
	int r;

	if (p == NULL || v->size == 0) {
		mproc__pack_nil(w);
		return 0;
	}
	if ((r = mproc__scan(&p, p + v->size, MPROC_VALUE_DEPTH,
	    &w->items)) < 0)
		return r;
	if (p != (const uint8_t *)v->data + v->size)
		return mproc__err(-EBADMSG, "msgpack: bytes left over behind "
		    "the value");
	mproc__writer_put(w, v->data, v->size);
	return 0;
}

int
mproc__write_any(struct mproc__writer *w, enum mproc_type type, const void *at)
{
	const char *str;

	switch (type) {
	case MPROC_TYPE_BOOL:
		if (*(const bool *)at)
			mproc__pack_true(w);
		else
			mproc__pack_false(w);
		return 0;
	case MPROC_TYPE_INT32:
		mproc__pack_int32(w, *(const int32_t *)at);
		return 0;
	case MPROC_TYPE_INT64:
		mproc__pack_int64(w, *(const int64_t *)at);
		return 0;
	case MPROC_TYPE_UINT64:
		mproc__pack_uint64(w, *(const uint64_t *)at);
		return 0;
	case MPROC_TYPE_DOUBLE:
		mproc__pack_double(w, *(const double *)at);
		return 0;
	case MPROC_TYPE_STR:
		str = *(const char *const *)at;
		mproc__write_str(w, str, strlen(str));
		return 0;
	case MPROC_TYPE_BYTES:
		return write_bytes(w, at);
	case MPROC_TYPE_VALUE:
		return write_value(w, at);
	default:
		return -EINVAL;
	}
}
