/*
 * channel.h - frames over a stream socket: framing, partial reads and
 * writes, descriptors.
 *
 * Layer: base.  Knows bytes and descriptors, not msgpack and not processes.
 * A frame is `u32 little-endian length` and that many bytes.  The owner of a
 * channel serialises calls on it (one thread at a time).  Nothing here ever
 * blocks except mproc__channel_wait().
 *
 * Life cycle:
 *  1. mproc__channel_new() takes a connected, non-blocking stream socket.
 *  2. send: mproc__channel_begin() gives the output buffer, the caller
 *     appends one frame body, mproc__channel_commit() frames and writes it;
 *     what the kernel does not take stays queued for mproc__channel_flush().
 *  3. receive: mproc__channel_fill() reads what is there, then
 *     mproc__channel_next() returns complete frames until it returns 0.
 *  4. mproc__channel_free() closes the socket and every descriptor that was
 *     queued or received and not taken.
 */
#ifndef MPROC_CHANNEL_CHANNEL_H
#define MPROC_CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "system/buf.h"

#define MPROC__MAX_FDS	16	/* descriptors a frame, as D-Bus has it */

struct mproc__channel;

/* A received frame; bytes borrowed from the channel until the next call. */
struct mproc__frame {
	uint8_t	*data;		/* the body; data[size] is writable too */
	size_t	 size;
	int	*fds;		/* received descriptors, moved by _take_fds */
	int	 n_fds;		/* all that are waiting, see _take_fds */
};

struct mproc__channel_options {
	size_t	max_frame;	/* body bytes; longer ones: -EMSGSIZE */
	bool	allow_fds;	/* else received ones are closed, -EPROTO */
};

/* `fd` is moved on success. */
int	mproc__channel_new(int fd, const struct mproc__channel_options *,
	    struct mproc__channel **ret_ch);
struct mproc__channel *mproc__channel_free(struct mproc__channel *);
int	mproc__channel_fd(const struct mproc__channel *);

/*
 * mproc__channel_begin - the output buffer, to append one frame body to.
 * mproc__channel_commit - frame what was appended since begin, and write.
 *
 * @fds    borrowed (duplicated when they must be queued), n_fds <= 16
 * @droppable  the frame may be removed by _drop_oldest while not yet begun
 *             to be written
 * @tag    the caller's number for the frame, given back by _drop_oldest
 * @write  false: only queue it (the caller knows the peer is behind)
 *
 * commit returns 0 (all written), 1 (something is queued), or -ENOMEM,
 * -EMSGSIZE (nothing queued), -EPIPE (the peer is gone; nothing queued),
 * -EMFILE (fds could not be duplicated; nothing queued).
 * ETOOMANYREFS and ENOBUFS count as "full": queued, _blocked says so.
 */
struct mproc__buf *mproc__channel_begin(struct mproc__channel *);
int	mproc__channel_commit(struct mproc__channel *, const int *fds,
	    int n_fds, bool droppable, uint64_t tag, bool write);
void	mproc__channel_abort(struct mproc__channel *);	/* undo begin */

/* Write what is queued, in batches: 0 all out, 1 more is queued, -EPIPE. */
int	mproc__channel_flush(struct mproc__channel *);
/* The same, but at most n frames (one begun before counts as one). */
int	mproc__channel_flush_frames(struct mproc__channel *, int n);
/* Has the first queued frame begun to be written? */
bool	mproc__channel_midframe(const struct mproc__channel *);
size_t	mproc__channel_queued(const struct mproc__channel *);	/* frames */
size_t	mproc__channel_queued_bytes(const struct mproc__channel *);
/*
 * The kernel refuses descriptors in flight (ETOOMANYREFS) or memory: poll
 * for POLLOUT would spin; retry after some 10 ms instead.
 */
bool	mproc__channel_blocked(const struct mproc__channel *);
/* Drop the oldest droppable queued frame: 1 and its body size and tag, or 0. */
int	mproc__channel_drop_oldest(struct mproc__channel *, size_t *ret_size,
	    uint64_t *ret_tag);

/*
 * Read what the kernel has, up to about 256 KiB a call (or straight into
 * a large frame's own memory, which grows with what has come, never with
 * what the length claims).  Bytes read, 0 nothing there, -EPIPE end of file
 * (after everything was read) or reset, -ENOMEM, -EMSGSIZE length above
 * max_frame (sticky), -EPROTO descriptors where none are allowed (sticky),
 * -EMFILE: MSG_CTRUNC, what came was closed; the frame that lost its
 * descriptors will say so by having too few.
 */
int	mproc__channel_fill(struct mproc__channel *);
/* 1 and a frame, 0 none complete, or the sticky error of the stream. */
int	mproc__channel_next(struct mproc__channel *, struct mproc__frame *ret);
/* Is a complete frame buffered? */
bool	mproc__channel_ready(const struct mproc__channel *);
/*
 * Moves the first n waiting descriptors to ret_fds (oldest first); returns
 * how many there were (fewer than n when truncated).  Called for each frame
 * by whoever knows how many descriptors it names.
 */
int	mproc__channel_take_fds(struct mproc__channel *, int n, int *ret_fds);

/* Test hook: at most n bytes a system call (0: no limit), both ways. */
void	mproc__channel_limit_io(struct mproc__channel *, size_t n);

#endif
