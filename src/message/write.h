/*
 * write.h - packing into a buffer with msgpack-c, with a limit and one look
 * at the errors, at the end.
 *
 * Layer: base, private to message.
 */
#ifndef MPROC_MESSAGE_WRITE_H
#define MPROC_MESSAGE_WRITE_H

#include <string.h>

#include <msgpack.h>

#include <mproc/schema.h>

#include "message/token.h"
#include "system/buf.h"
#include "system/system.h"

/*
 * A writer appends to `buf` from `start` on: bytes go to `at`, for which
 * there is room up to `end`; buf->len follows when that is used up, and at
 * the end.  What does not fit in `max` bytes, or in memory, is left out, and
 * mproc__writer_end() says so.
 */
struct mproc__writer {
	struct mproc__buf	*buf;
	uint8_t			*at, *end;
	size_t			 start;
	size_t			 max;
	uint32_t		 items;	/* that values may still have */
	bool			 too_big;
};

void	mproc__writer_begin(struct mproc__writer *, struct mproc__buf *,
	    size_t max);
/*
 * 0, or -ENOMEM, -EMSGSIZE: the buffer is then what it was, and usable; or
 * `r`, when that is an error already.
 */
int	mproc__writer_end(struct mproc__writer *, int r);
/* Make room for n bytes at `at`, -1 if there is none. */
int	mproc__writer_room(struct mproc__writer *, size_t n);

static inline int
mproc__writer_put(struct mproc__writer *w, const void *bytes, size_t n)
{
	if ((size_t)(w->end - w->at) < n && mproc__writer_room(w, n) < 0)
		return -1;
	mproc__copy(w->at, bytes, n);
	w->at += n;
	return 0;
}

/*
 * msgpack-c's packers once more, as mproc__pack_*: from its own template,
 * with our append in place of its callback, so that a head costs a store and
 * not a call.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#define msgpack_pack_inline_func(name_)					\
	__attribute__((unused)) static inline int mproc__pack ## name_
#define msgpack_pack_inline_func_cint(name_)				\
	__attribute__((unused)) static inline int mproc__pack ## name_
#define msgpack_pack_user	struct mproc__writer *
#define msgpack_pack_append_buffer(writer_, bytes_, n_)			\
	return mproc__writer_put((writer_), (bytes_), (n_))
#define msgpack_pack_ext	mproc__pack_ext	/* the template calls it */
#include <msgpack/pack_template.h>
#undef msgpack_pack_ext
#pragma GCC diagnostic pop

/* A field's key: head and name stand side by side in the row. */
static inline void
mproc__write_key(struct mproc__writer *w, const struct mproc_field *f)
{
	size_t n = (f->head & 31U) + 1;

	if ((size_t)(w->end - w->at) < MPROC_NAME_MAX + 1) {
		mproc__writer_put(w, f, n);
		return;
	}
	memcpy(w->at, f, MPROC_NAME_MAX + 1);	/* of a fixed size: no call */
	w->at += n;
}

/* Text or bytes of any length; 4 GiB and more: too big. */
static inline void
mproc__write_str(struct mproc__writer *w, const char *str, size_t len)
{
	if (len > UINT32_MAX) {
		w->too_big = true;
		return;
	}
	mproc__pack_str(w, len);
	mproc__writer_put(w, str, len);
}
/* Is it MPROC_ROOM, and not bytes? */
static inline bool
mproc__is_room(const struct mproc_bytes *b)
{
	return b->data == (const void *)(uintptr_t)-1;
}

void	mproc__write_bin(struct mproc__writer *, const void *, size_t size);
void	mproc__write_fd(struct mproc__writer *, int index);

/*
 * A field of the type at `at`, as structs of messages hold it; not FD.  0, or
 * -EINVAL (bytes without data), or a code of mproc_value_check().
 */
int	mproc__write_any(struct mproc__writer *, enum mproc_type,
	    const void *at);

#endif
