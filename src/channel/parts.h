/*
 * parts.h - the two halves of a channel, for the files of this folder only.
 *
 * Layer: base.
 *
 * Output.  `buf` holds framed bytes, oldest first; each byte below `len` is
 * one of:
 *   - garbage: written, or of a dropped frame;
 *   - the rest of the one frame that the kernel took in part: `begun` bytes
 *     at `head`, which can no longer be dropped, and whose descriptors have
 *     gone with its first byte;
 *   - a whole frame, with a record; records are in the order of their bytes;
 *   - from `start` on, while `open`, what is being encoded.
 * `bytes` counts the second and third kind, so that garbage is known without
 * looking.  Records that are dead (dropped) stay until they are first, or
 * until there are too many.
 *
 * Input.  Bytes `pos` to `len` of `data` are not parsed; data[cap - 1] is
 * never read into.  The stream's bytes are numbered from 0: `taken` is the
 * number of the one at `pos`.  Descriptor i waits with the number of the
 * byte after those that it came with (see in_fds.c).
 */
#ifndef MPROC_CHANNEL_PARTS_H
#define MPROC_CHANNEL_PARTS_H

#include <sys/socket.h>
#include <sys/uio.h>

#include <endian.h>
#include <string.h>

#include "channel/channel.h"
#include "channel/ring.h"

#define MPROC__FRAME_HEAD	4U	/* bytes of the length word */
#define MPROC__KERNEL_FDS	253	/* SCM_MAX_FD: no message has more */
/* Memory that an empty buffer may keep: a message of 1 MiB stays cheap. */
#define MPROC__KEEP		((size_t)2 << 20)

/* A frame's length word. */
static inline uint32_t
mproc__frame_size(const uint8_t *head)
{
	uint32_t size;

	memcpy(&size, head, sizeof(size));
	return le32toh(size);
}

struct mproc__record {
	size_t	 at;			/* of the length word, in buf */
	uint32_t size;			/* body */
	uint8_t	 n_fds;
	bool	 droppable, dead;
	int	*fds;			/* ours, n_fds of them, or NULL */
	uint64_t tag;
};

struct mproc__out {
	struct mproc__buf buf;
	size_t	start;			/* the open frame's length word */
	bool	open;
	bool	is_large;		/* the last was, for the ring */
	bool	in_place;		/* ... which is not in buf, but */
	struct mproc__buf direct;	/* here, in the ring while lent */
	struct mproc__apart apart;	/* of the open frame, in buf */
	bool	gone, blocked;
	size_t	head, begun;
	size_t	bytes;			/* queued, length words included */
	struct mproc__record *rec;	/* first .. first + n - 1 */
	size_t	first, n, cap;
	size_t	dead;			/* of the n */
	size_t	scan;			/* of the n, the first that are kept */
};

/* Those of one frame without memory of their own: mostly there are none. */
struct mproc__in_fds {
	int	*fd;
	uint64_t *end;
	int	 first, n, cap;
	int	 few_fd[MPROC__MAX_FDS];
	uint64_t few_end[MPROC__MAX_FDS];
};

struct mproc__in {
	uint8_t	*data;
	size_t	 pos, len, cap;
	uint64_t taken;
	bool	 outgrown;		/* a read filled the small buffer */
	bool	 lent;			/* data[pos] is the borrower's ... */
	uint8_t	 saved;			/* ... and this belongs there */
	bool	 eof;
	int	 error;			/* sticky: 0 or -errno */
	bool	 takes_fds;		/* else they are refused */
	struct mproc__in_fds fds;
};

/* What spinning has been worth lately (channel_ring.c). */
struct mproc__spin {
	int64_t	 max_ns;		/* 0: never */
	int	 credit;		/* > 0: it mostly pays */
	unsigned waits;			/* since the last try without credit */
	int	 crowded;		/* so many waits without a yield */
	int64_t	 spent_ns;		/* that nobody has asked for yet */
};

struct mproc__channel {
	int	 fd;
	size_t	 max_frame;
	size_t	 limit;			/* bytes a system call, 0 = any */
	struct mproc__out out;
	struct mproc__in in;

	/* shared memory (channel_ring.c), or NULL */
	struct mproc__ring *ring;
	size_t	 staged, n_staged;	/* bytes and frames put there, before
					 * those of `out`; not handed over */
	bool	 trusts;		/* frames may be lent in the ring ... */
	size_t	 borrowed;		/* ... and so many bytes of it are */
	int	 alone;			/* frames that took the short way */
	bool	 listening;		/* our call stands, nothing read since */
	bool	 bell_due;		/* the kernel had no room to ring it */
	bool	 hung_up;		/* the socket ended; bytes may be left */
	struct mproc__spin spin;
};

/* queue.c: the records of whole queued frames. */

/* Room for one more record; false: no memory. */
bool	mproc__queue_reserve(struct mproc__out *);
/* The frame at `at` is queued; needs room. */
void	mproc__queue_push(struct mproc__out *, const struct mproc__record *);
/* The oldest frame that is not dead, or NULL. */
struct mproc__record *mproc__queue_first(struct mproc__out *);
/* The first frame leaves the queue; its descriptors are closed. */
void	mproc__queue_pop(struct mproc__out *);
/* Take the oldest droppable frame out: 1 and what it was, or 0. */
int	mproc__queue_drop(struct mproc__out *, struct mproc__record *ret);
/* Squeeze the garbage out of buf when it is more than the rest. */
void	mproc__queue_compact(struct mproc__out *);
/* Nothing queued: start over, and give large memory back. */
void	mproc__queue_settle(struct mproc__out *);
/* Everything goes, with its descriptors. */
void	mproc__queue_done(struct mproc__out *);

static inline void
mproc__put_length(uint8_t *to, uint32_t n)
{
	n = htole32(n);
	memcpy(to, &n, sizeof(n));
}

/* channel_put.c: what was put is the reader's from now on: 0 or -EPIPE. */
int	mproc__hand_over(struct mproc__channel *);

/* channel_out.c: one sendmsg(2): bytes, or -errno. */
ssize_t	mproc__out_send(int fd, struct iovec *iov, size_t n_iov,
	    const int *fds, size_t n_fds);

/* channel_ring.c: what the socket does for the other kind of channel. */
ssize_t	mproc__ring_write(struct mproc__channel *, const struct iovec *,
	    size_t n_iov, const int *fds, size_t n_fds);
ssize_t	mproc__ring_read(struct mproc__channel *, void *, size_t size);
/*
 * If all that a ring holds is one frame without descriptors that is not
 * large: its bytes, length word included and at most `max`, to `to`; how
 * many, or 0.
 */
size_t	mproc__ring_take_frame(struct mproc__channel *, uint8_t *to,
	    size_t max);
#define MPROC__ALONE_MAX	((size_t)8 << 10)
/*
 * The size of the whole large frame that a ring has next, without
 * descriptors, and where; 0: it has none.
 */
uint32_t mproc__ring_see_frame(struct mproc__channel *,
	    const uint8_t **ret_at);
#define MPROC__SHARED_MIN	((size_t)16 << 10)
/* Give back what was lent of the ring. */
void	mproc__ring_give_back(struct mproc__channel *);
/* Ring: 0 or -EPIPE. */
int	mproc__ring_bell(struct mproc__channel *);
/* n bytes that were written into the ring's room are a frame: 0, -errno. */
int	mproc__ring_commit(struct mproc__channel *, size_t n, const int *fds,
	    size_t n_fds);
/*
 * Empty the socket of doorbells and descriptors: 0 or -errno; hung_up.
 * reads_bytes: the caller does, so what does not fit to them yet may stay.
 */
int	mproc__ring_hear(struct mproc__channel *, bool reads_bytes);

/* in_fds.c: descriptors that came and wait for their frame. */

/*
 * One recvmsg(2) that takes descriptors: bytes, 0 end of file, or -errno;
 * ret_error is 0, -EMFILE (some were lost) or -EPROTO (not allowed).
 */
ssize_t	mproc__in_receive(struct mproc__channel *, void *data, size_t size,
	    int *ret_error);
/*
 * The same for a ring's socket, whose bytes are records (channel_ring.c):
 * ret_n_fds descriptors came and are not kept yet.
 */
ssize_t	mproc__in_records(struct mproc__channel *, void *data, size_t size,
	    int ret_fds[static MPROC__KERNEL_FDS], int *ret_n_fds,
	    bool *ret_lost);
void	mproc__in_fds_init(struct mproc__in *, bool takes_fds);
void	mproc__in_fds_done(struct mproc__in *);
/* Before a read: room for as many as a peer may send with it; 0, -ENOMEM. */
int	mproc__in_fds_reserve(struct mproc__in *);
/*
 * Keep n descriptors for the frame of the byte before `end`: 0, -EPROTO (too
 * many, or none are allowed), -EMFILE (no memory for more than one frame
 * may have: they are lost).
 */
int	mproc__in_fds_keep(struct mproc__in *, const int *fds, int n,
	    uint64_t end);
/* No more descriptors might fit, of a peer that keeps to 16 a frame. */
bool	mproc__in_fds_full(const struct mproc__in *);
/* How many came with the bytes below number `end`. */
int	mproc__in_fds_before(const struct mproc__in *, uint64_t end);
/* Move out the first n, which must be there. */
void	mproc__in_fds_take(struct mproc__in *, int n, int *ret_fds);
/* Close the first n. */
void	mproc__in_fds_close(struct mproc__in *, int n);

#endif
