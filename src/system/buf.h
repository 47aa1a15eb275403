/*
 * buf.h - a growable byte buffer, shared by those who encode and those who
 * write.
 *
 * Layer: system.
 */
#ifndef MPROC_SYSTEM_BUF_H
#define MPROC_SYSTEM_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A growable byte buffer.  On a failed growth `failed` sticks, and the
 * writer need look only once, at the end.  One that is `lent` begins in
 * memory of somebody else's, which is left for memory of its own when it is
 * too small.
 *
 * `hole`, unless 0, is where an encoder left room: for bytes that the program
 * writes there later, where it `takes_room`; or, where `apart` is not NULL, for
 * bytes that are large and stay where they are, which is told there, so that a
 * writer may take them from there.
 */
struct mproc__apart {
	const uint8_t *data;		/* NULL: none */
	size_t	 size;
};
struct mproc__buf {
	uint8_t	*data;
	size_t	 len, cap, hole;
	struct mproc__apart *apart;
	bool	 failed, lent, takes_room;
};
/* Bytes from which on a copy costs more than another piece of a write. */
#define MPROC__APART_MIN	((size_t)64 << 10)
/* Room for `n` more bytes at data + len, or NULL (and failed) */
uint8_t	*mproc__buf_reserve(struct mproc__buf *, size_t n);
void	 mproc__buf_append(struct mproc__buf *, const void *, size_t n);
void	 mproc__buf_done(struct mproc__buf *);	/* frees the bytes */

#endif
