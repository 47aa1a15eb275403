/*
 * write.c - the writer: msgpack-c's packers over a limited buffer.
 */
#include <errno.h>

#include "message/write.h"
#include "system/error.h"

int
mproc__writer_end(struct mproc__writer *w, int r)
{
	struct mproc__buf *b = w->buf;

	if (r == 0 && w->too_big)
		r = mproc__err(-EMSGSIZE, "message: larger than %zu bytes",
		    w->max);
	if (r == 0 && b->failed)
		r = mproc__err(-ENOMEM, "message: no memory");
	if (r < 0) {
		b->len = w->start;
		b->failed = false;
	}
	return r;
}

void
mproc__write_str(struct mproc__writer *w, const char *str, size_t len)
{
	if (len > UINT32_MAX) {
		w->too_big = true;
		return;
	}
	msgpack_pack_str(&w->pk, len);
	msgpack_pack_str_body(&w->pk, str, len);
}

void
mproc__write_bin(struct mproc__writer *w, const void *data, size_t size)
{
	if (size > UINT32_MAX) {
		w->too_big = true;
		return;
	}
	msgpack_pack_bin(&w->pk, size);
	if (size > 0)
		msgpack_pack_bin_body(&w->pk, data, size);
}

void
mproc__write_fd(struct mproc__writer *w, int index)
{
	uint8_t byte = (uint8_t)index;

	msgpack_pack_ext_with_body(&w->pk, &byte, 1, MPROC__EXT_FD);
}

static int
write_bytes(struct mproc__writer *w, const struct mproc_bytes *b)
{
	if (b->data == NULL && b->size > 0)
		return mproc__err(-EINVAL, "bytes without data");
	mproc__write_bin(w, b->data, b->size);
	return 0;
}

static int
write_value(struct mproc__writer *w, const struct mproc_value *v)
{
	int r;

	if (v->data == NULL || v->size == 0) {
		msgpack_pack_nil(&w->pk);
		return 0;
	}
	if ((r = mproc_value_check(*v)) < 0)
		return r;
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
			msgpack_pack_true(&w->pk);
		else
			msgpack_pack_false(&w->pk);
		return 0;
	case MPROC_TYPE_INT32:
		msgpack_pack_int32(&w->pk, *(const int32_t *)at);
		return 0;
	case MPROC_TYPE_INT64:
		msgpack_pack_int64(&w->pk, *(const int64_t *)at);
		return 0;
	case MPROC_TYPE_UINT64:
		msgpack_pack_uint64(&w->pk, *(const uint64_t *)at);
		return 0;
	case MPROC_TYPE_DOUBLE:
		msgpack_pack_double(&w->pk, *(const double *)at);
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
