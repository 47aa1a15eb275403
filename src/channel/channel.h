/*
 * channel.h - frames over a stream socket: framing, partial reads and
 * writes, descriptors.
 *
 * Layer: base.  Knows bytes and descriptors, not msgpack and not processes.
 * A frame is `u32 little-endian length` and that many bytes.  The owner of a
 * channel serialises calls on it (one thread at a time).  Nothing here ever
 * blocks.
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

/*
 * A received frame; bytes and descriptors are borrowed from the channel until
 * the next _next, _fill or _free.
 */
struct mproc__frame {
	uint8_t	*data;		/* the body; may be changed, and data[size] */
	size_t	 size;
	int	*fds;		/* what came with it, moved by _take_fds */
	int	 n_fds;		/* fewer than were sent if some were lost */
	bool	 is_shared;	/* in the ring itself: not to be written to */
};

struct mproc__channel_options {
	size_t	max_frame;	/* body bytes, 1 .. UINT32_MAX */
	bool	allow_fds;	/* else received ones are closed, -EPROTO */
};

/* `fd` is moved on success; else -EINVAL (a bad option) or -ENOMEM. */
int	mproc__channel_new(int fd, const struct mproc__channel_options *,
	    struct mproc__channel **ret_ch);
struct mproc__channel *mproc__channel_free(struct mproc__channel *);
int	mproc__channel_fd(const struct mproc__channel *);
/* The peer sees the end of the stream, and so do we. */
void	mproc__channel_shutdown(struct mproc__channel *);

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
 * begin's buffer is borrowed until commit or abort; no other sending call may
 * come between.  Where memory runs out it has `failed` set, and commit says
 * so.  Frames that wait are not written by commit, however much room there
 * is: that is _flush's.
 *
 * commit returns 0 (all written) or 1 (something is queued, or the peer could
 * not be told yet, which _blocked says); else the frame is gone, nothing of it
 * was written, and earlier ones are as before:
 *   -ENOMEM
 *   -EMSGSIZE  the body is empty or longer than max_frame
 *   -EINVAL    n_fds outside 0 .. 16
 *   -EMFILE    fds could not be duplicated (or -EBADF: they are none)
 *   -EPIPE     the peer is gone; every later commit and flush says so, and
 *              what was queued is dropped.  What it sent can still be read.
 * ETOOMANYREFS and ENOBUFS count as "full": queued, _blocked says so.
 */
struct mproc__buf *mproc__channel_begin(struct mproc__channel *);
/*
 * The same as _begin, in memory that stays where it is, whatever the channel
 * does, until commit or abort: only flushing may come between.
 */
struct mproc__buf *mproc__channel_reserve(struct mproc__channel *);
int	mproc__channel_commit(struct mproc__channel *, const int *fds,
	    int n_fds, bool droppable, uint64_t tag, bool write);
void	mproc__channel_abort(struct mproc__channel *);	/* undo begin */
/*
 * A body that was built elsewhere, in place of begin and commit without
 * `write`: 1, it is queued, or as commit.  A ring's queue is then the ring
 * itself while that has room.
 */
int	mproc__channel_put(struct mproc__channel *, const void *body,
	    size_t size, const int *fds, int n_fds);

/* Write what is queued, in batches: 0 all out, 1 more is queued, -EPIPE. */
int	mproc__channel_flush(struct mproc__channel *);
/* The same, but at most so many frames (one begun before counts as one). */
int	mproc__channel_flush_frames(struct mproc__channel *, int max_frames);
/* Can nothing be written any more?  (-EPIPE was the answer.) */
bool	mproc__channel_gone(const struct mproc__channel *);
/* Has the first queued frame begun to be written? */
bool	mproc__channel_midframe(const struct mproc__channel *);
size_t	mproc__channel_queued(const struct mproc__channel *);	/* frames */
/* Their bytes that are not written yet, length words included. */
size_t	mproc__channel_queued_bytes(const struct mproc__channel *);
/*
 * The kernel refuses descriptors in flight (ETOOMANYREFS) or memory: poll
 * for POLLOUT would spin; retry after some 10 ms instead.  True until the
 * kernel gives a commit or flush another answer.
 */
bool	mproc__channel_blocked(const struct mproc__channel *);
/* Nothing is queued, and nothing blocked. */
bool	mproc__channel_is_idle(const struct mproc__channel *);
/* Drop the oldest droppable queued frame: 1 and its body size and tag, or 0. */
int	mproc__channel_drop_oldest(struct mproc__channel *, size_t *ret_size,
	    uint64_t *ret_tag);

/*
 * mproc__channel_fill - read, in one system call where that is enough.
 *
 * Stops at a frame, at a short read, or at some 256 KiB: more may be there,
 * as poll tells.  The buffer grows with what has come, never with what a
 * length claims.  Take all frames before the next call; while many wait it
 * reads nothing.
 *
 * Returns the bytes read, 0 nothing (now), or
 *   -EPIPE    end of file, after everything was read (sticky)
 *   -ENOMEM   nothing read; try again
 *   -EMFILE   out of descriptors: those that came in this read were closed;
 *             its bytes are there, and the frame has fewer than it names
 *   -EBADMSG, -EMSGSIZE  a length of 0, or above max_frame (sticky)
 *   -EPROTO   descriptors where none are allowed, or more than 253 that wait
 *             (sticky; the bytes that came with them are thrown away)
 */
int	mproc__channel_fill(struct mproc__channel *);
/*
 * 1 and a frame; 0, none is complete (or, of a ring, enough were taken:
 * _pending tells); or the sticky error of the stream (not the end of file),
 * after all complete frames before it.
 */
int	mproc__channel_next(struct mproc__channel *, struct mproc__frame *ret);
/* Is a complete frame buffered? */
bool	mproc__channel_ready(const struct mproc__channel *);
/*
 * Moves the first n descriptors of the frame that _next returned last to
 * ret_fds, in the order of sending; returns how many there were: fewer than n
 * when some were lost.  Those not taken are closed by the next _next.
 */
int	mproc__channel_take_fds(struct mproc__channel *, int n, int *ret_fds);

/*
 * The other kind: the same stream through shared memory, which the socket
 * only rings for (channel_ring.c).  One side shares, right after making the
 * channel, the other then joins; no frame may have gone before.  What is
 * different then:
 *  - POLLIN on the socket means "look": call _fill, then _flush if something
 *    is queued; POLLOUT means nothing.
 *  - Bytes that come are told of only to who listens: _listen before every
 *    sleep, and when it says true do not sleep but _fill: there are some,
 *    and nothing was called for.  Else the call stands until bytes are read
 *    (they are what was called for), a bell is heard, or until _hush.
 *  - Room is told of without asking, while something is queued.
 *
 * _share: 0, or -EINVAL (`size` is no power of two), -ENOMEM, -EMFILE,
 *         -EAGAIN (too many descriptors are in flight, of this user).
 * _join: 0, or -EPROTO (what came is none), -EAGAIN (nothing), -EMFILE,
 *        -ENOMEM, -EINVAL (the channel takes no descriptors).
 */
int	mproc__channel_share(struct mproc__channel *, size_t size);
int	mproc__channel_join(struct mproc__channel *);
bool	mproc__channel_is_ring(const struct mproc__channel *);
/* These do nothing, and say false or 0, for one without a ring. */
bool	mproc__channel_listen(struct mproc__channel *);
void	mproc__channel_hush(struct mproc__channel *);
/* Would it take a doorbell to be heard?  Only a guess, without a call. */
bool	mproc__channel_sleeps(const struct mproc__channel *);
/* Are there bytes that were not read?  No system call. */
bool	mproc__channel_pending(const struct mproc__channel *);
/* _fill, but without a look at the socket: no system call. */
int	mproc__channel_pull(struct mproc__channel *);
/* Empty the socket, without reading frames: for a writer that waits. */
int	mproc__channel_hear(struct mproc__channel *);
/*
 * May a frame of so many bytes be built in the ring now?  If not, the
 * doorbell tells when it may, should it fit into half of the ring.
 */
bool	mproc__channel_has_room(struct mproc__channel *, size_t size);
/*
 * The peer is trusted not to change what it has sent: a large frame without
 * descriptors is then lent where it is in the ring, if it is whole there.
 */
void	mproc__channel_trust(struct mproc__channel *);
/*
 * Wait a moment for bytes, awake, where that has been worth it: true, there
 * are some.  At most max_ns (0: never), not on one processor with the peer;
 * `stop` is asked now and then.
 */
void	mproc__channel_set_spin(struct mproc__channel *, int64_t max_ns);
bool	mproc__channel_spin(struct mproc__channel *, bool (*stop)(void *),
	    void *arg);
/* How long that was, by and large, since this was asked last. */
int64_t	mproc__channel_spun(struct mproc__channel *);

/* Test hook: at most n bytes a system call (0: no limit), both ways. */
void	mproc__channel_limit_io(struct mproc__channel *, size_t n);

#endif
