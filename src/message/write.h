/*
 * write.h - packing into a buffer with msgpack-c, with a limit and one look
 * at the errors, at the end.
 *
 * Layer: base, private to message.
 */
#ifndef MPROC_MESSAGE_WRITE_H
#define MPROC_MESSAGE_WRITE_H

#include <msgpack.h>
#include <string.h>

#include <mproc/value.h>

#include "message/token.h"
#include "system/buf.h"

/*
 * A writer appends to `buf`; `start` is where it began.  What does not fit
 * in `max` bytes, or in memory, is left out, and mproc__writer_end() says so.
 */
struct mproc__writer {
	msgpack_packer		 pk;
	struct mproc__buf	*buf;
	size_t			 start;
	size_t			 max;
	bool			 too_big;
};

static inline int
mproc__writer_put(void *data, const char *bytes, size_t n)
{
	struct mproc__writer *w = data;
	struct mproc__buf *b = w->buf;

	if (n > w->max - (b->len - w->start)) {
		w->too_big = true;
		return -1;
	}
	if (b->cap - b->len >= n && n <= 16 && b->data != NULL) {
		memcpy(b->data + b->len, bytes, n);
		b->len += n;
		return 0;
	}
	mproc__buf_append(b, bytes, n);
	return b->failed ? -1 : 0;
}

static inline void
mproc__writer_begin(struct mproc__writer *w, struct mproc__buf *buf,
    size_t max)
{
	w->buf = buf;
	w->start = buf->len;
	w->max = max;
	w->too_big = false;
	msgpack_packer_init(&w->pk, w, mproc__writer_put);
}

/*
 * 0, or -ENOMEM, -EMSGSIZE: the buffer is then what it was, and usable; or
 * `r`, when that is an error already.
 */
int	mproc__writer_end(struct mproc__writer *, int r);

/* Text or bytes of any length; 4 GiB and more: too big. */
void	mproc__write_str(struct mproc__writer *, const char *, size_t len);
void	mproc__write_bin(struct mproc__writer *, const void *, size_t size);
void	mproc__write_fd(struct mproc__writer *, int index);

/*
 * A field of the type at `at`, as structs of messages hold it; not FD.  0, or
 * -EINVAL (bytes without data), or a code of mproc_value_check().
 */
int	mproc__write_any(struct mproc__writer *, enum mproc_type,
	    const void *at);

#endif
