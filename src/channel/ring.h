/*
 * ring.h - a pair of byte streams in shared memory, one each way.
 *
 * Layer: base.  Bytes and sleep, no frames and no descriptors.
 *
 * Each side has one memfd that only it can write (the other maps it for
 * reading, so that neither can scribble over what the other sends): a head
 * page with what the side says of itself, and the bytes that it sends.  Both
 * sides keep the truth about themselves in private memory; the head page
 * only tells it, and what the other tells is checked before it is believed.
 * The bytes are mapped twice in a row, so that a piece never wraps.
 *
 * The protocol of sleep, for a reader that waits for bytes and a writer that
 * waits for room alike (tests/channel/ring_model_test.c tries all orders):
 *
 *	sleeper				other side
 *	call = next odd number		tail (or head) = new value
 *	full barrier			full barrier
 *	look once more			look at call; odd and not rung for
 *	sleep on the doorbell		yet: ring the doorbell
 *
 * One of the two sees the other's store, so no wake-up is lost.  A number
 * for each sleep, instead of a flag, is what lets the waker remember that it
 * has rung without writing into the sleeper's memory.
 */
#ifndef MPROC_CHANNEL_RING_H
#define MPROC_CHANNEL_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MPROC__RING_HEAD	65536U	/* before the bytes: the largest page
					 * that a system has, mostly a hole */
#define MPROC__RING_MIN		((size_t)4 << 10)
#define MPROC__RING_MAX		((size_t)1 << 30)

/* What a side says of itself; in its memfd, written by it alone. */
struct mproc__ring_page {
	_Alignas(64) _Atomic uint64_t tail; /* bytes sent */
	_Atomic uint64_t fds;		/* descriptor records sent before */
	_Alignas(64) _Atomic uint64_t head; /* bytes read of the other's */
	_Alignas(64) _Atomic uint32_t reader_call;
	_Atomic uint32_t writer_call;
	_Atomic int32_t	 cpu;		/* where it ran last, -1 unknown */
};

struct mproc__ring {
	_Alignas(64) struct mproc__ring_page *own; /* no line with others */
	const struct mproc__ring_page *peer;
	uint8_t		*out;		/* our bytes, twice */
	const uint8_t	*in;		/* theirs, twice */
	size_t		 size;		/* a power of two, both ways */
	uint64_t	 tail;		/* the truth of own->tail */
	uint64_t	 head;		/* ... of own->head */
	uint64_t	 peer_head;	/* last seen, checked */
	uint64_t	 seen;		/* of the other's tail, checked */
	uint64_t	 fds_sent, fds_seen; /* descriptor records */
	uint64_t	 fds_end;	/* up to where those seen reach */
	uint32_t	 reader_call, writer_call; /* of own; odd: asleep */
	uint32_t	 rung_reader, rung_writer; /* calls of theirs answered */
};

/*
 * Two memfds of such rings, ours first; at least a page each.  -EINVAL,
 * -ENOMEM, -EMFILE, -ENFILE.
 */
int	mproc__ring_memory(size_t size, int ret_fds[2]);
/*
 * Map; `fds` stay the caller's.  Afterwards nobody can map ours for writing
 * any more.  -EPROTO: they are not what mproc__ring_memory makes; -ENOMEM.
 */
int	mproc__ring_open(const int fds[2], struct mproc__ring **ret_ring);
struct mproc__ring *mproc__ring_close(struct mproc__ring *);

/*
 * Writing.  _room gives free bytes in a row at *ret_at: all, or at least
 * `enough` (SIZE_MAX: the other side lies about what it has read); _publish
 * hands n of them over: true if the doorbell has to be rung.
 */
size_t	mproc__ring_room(struct mproc__ring *, size_t enough,
	    uint8_t **ret_at);
bool	mproc__ring_publish(struct mproc__ring *, size_t n);
/* Would it have to be, by now?  Only a guess. */
bool	mproc__ring_reader_sleeps(const struct mproc__ring *);
/*
 * Reading.  _bytes gives those that wait (SIZE_MAX: it lies); _consume gives
 * n of them back: true if the doorbell has to be rung.
 */
size_t	mproc__ring_bytes(struct mproc__ring *, const uint8_t **ret_at);
bool	mproc__ring_consume(struct mproc__ring *, size_t n);

/* Is there anything to read?  One load of a word that is mostly cached. */
static inline bool
mproc__ring_pending(const struct mproc__ring *r)
{
	return atomic_load_explicit(&r->peer->tail, memory_order_acquire) !=
	    r->head;
}

/*
 * Announce sleep: from now on the other side rings.  True if there is
 * something already, so that sleeping would be wrong (the call stands).
 */
bool	mproc__ring_call_reader(struct mproc__ring *);
bool	mproc__ring_call_writer(struct mproc__ring *);
/* Awake: no more ringing is needed. */
void	mproc__ring_hush_reader(struct mproc__ring *);
void	mproc__ring_hush_writer(struct mproc__ring *);

#endif
