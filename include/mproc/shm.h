/*
 * mproc/shm.h - memory that processes share, and a ring of frames in it.
 *
 * Layer: base.  There are no names: memory is a descriptor (a memfd), it is
 * inherited by processes forked later or travels in a message, and the
 * kernel gives it back when the last process is gone, however it ended.  Its
 * size never changes, so that nobody can be hit by a SIGBUS.
 *
 * Life cycle of struct mproc_shm:
 *  1. mproc_shm_new() in one process.
 *  2. A process forked later uses the same struct; any other one receives
 *     MPROC_FD(mproc_shm_fd(shm)) and calls mproc_shm_from_fd().
 *  3. Both read and write mproc_shm_data(); who may do so when is for them
 *     to agree: a reply, an event (mproc/sync.h).
 *  4. Each frees its share with mproc_shm_free().
 * Life cycle of struct mproc_shm_ring: the same, with mproc_shm_ring_fds()
 * and mproc_shm_ring_from_fds(); then one process sends and one receives.
 */
#ifndef MPROC_SHM_H
#define MPROC_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------- plain memory */

struct mproc_shm;

/*
 * struct mproc_shm_options - zero is the default of each.
 *
 * @readonly  to mproc_shm_new(): whoever gets the descriptor can only read;
 *            only this mapping, and those forked from it, can write.
 *            To mproc_shm_from_fd(): map it for reading only
 */
struct mproc_shm_options {
	bool	readonly;
};

/*
 * mproc_shm_new - make zeroed memory.
 *
 * @size     unit: bytes; at least 1
 * @options  may be NULL; borrowed until return
 * @ret_shm  new: free with mproc_shm_free()
 *
 * Costs one descriptor.
 * Returns 0, or
 *   -EINVAL      size is 0 or beyond all memory, or ret_shm is NULL
 *   -EOPNOTSUPP  readonly, and the kernel (before 5.1) cannot
 *   -ENOMEM, -EMFILE, -ENFILE
 */
int mproc_shm_new(size_t size, const struct mproc_shm_options *options,
    struct mproc_shm **ret_shm);

/*
 * mproc_shm_from_fd - the memory behind a descriptor, any sealed memfd.
 *
 * @fd  borrowed (duplicated)
 *
 * Returns 0, or
 *   -EPERM    it can only be read: say so with .readonly
 *   -EBADMSG  not a memfd, or it could still shrink under the reader
 *   -EBADF    no descriptor
 *   -EINVAL   ret_shm is NULL
 *   -ENOMEM, -EMFILE, -ENFILE
 */
int mproc_shm_from_fd(int fd, const struct mproc_shm_options *options,
    struct mproc_shm **ret_shm);

/*
 * mproc_shm_data - the memory, aligned to a page.
 *
 * Borrowed until free; the same address in processes forked later.  Writing
 * to memory mapped .readonly is a SIGSEGV.  NULL for NULL.
 */
void *mproc_shm_data(const struct mproc_shm *shm);

/* mproc_shm_size - its size in bytes; 0 for NULL. */
size_t mproc_shm_size(const struct mproc_shm *shm);

/*
 * mproc_shm_fd - its descriptor, for MPROC_FD() or `.keep_fds`.
 *
 * Returns the descriptor, borrowed until free, or
 *   -EBADF   it was closed in this process (it was not in `.keep_fds`); the
 *            memory is there all the same
 *   -EINVAL  shm is NULL
 */
int mproc_shm_fd(const struct mproc_shm *shm);

/* mproc_shm_free - unmap and close; NULL is fine.  Returns NULL. */
struct mproc_shm *mproc_shm_free(struct mproc_shm *shm);

/* ------------------------------------------------------- a ring of frames */

/*
 * n slots of fixed size, filled by one thread of one process and emptied by
 * one thread of another (or the same), without copies and without locks.
 * For streams that are too large for messages, such as video.  Neither side
 * ever waits for the other inside the ring: one that was killed anywhere
 * does not block the other, and another one may take its place.
 */
struct mproc_shm_ring;

#define MPROC_SHM_RING_MAX	65535	/* slots */

/*
 * struct mproc_shm_ring_options - zero is the default of those with one.
 *
 * @slots       shape: 2 to MPROC_SHM_RING_MAX
 * @slot_size   unit: bytes; the longest frame, at least 1
 * @overwrite   a full ring loses its oldest frame, counted, never the one
 *              that is being read.  Default: it refuses the new one
 * @selectable  the receiver has a descriptor for select, poll, epoll
 */
struct mproc_shm_ring_options {
	int	slots;
	size_t	slot_size;
	bool	overwrite;
	bool	selectable;
};

/*
 * struct mproc_shm_ring_counts - sent = received + dropped + waiting, exactly
 * while neither side is at work.
 */
struct mproc_shm_ring_counts {
	uint64_t sent, received, dropped, waiting;
};

/*
 * mproc_shm_ring_new - make an empty ring.
 *
 * @options   borrowed until return
 * @ret_ring  new: free with mproc_shm_ring_free()
 *
 * Costs two descriptors, three when selectable.
 * Returns 0, or -EINVAL (options outside their shape, a NULL), -ENOMEM,
 * -EMFILE, -ENFILE.
 */
int mproc_shm_ring_new(const struct mproc_shm_ring_options *options,
    struct mproc_shm_ring **ret_ring);

/*
 * mproc_shm_ring_begin - the memory for the next frame, to be filled.
 *
 * @ret_slot  borrowed until commit: slot_size bytes, aligned to 64.  Beginning
 *            again without a commit gives the frame up
 *
 * Never waits.  Returns 0, or
 *   -EAGAIN   full (and not .overwrite)
 *   -EBADMSG  the other side has written nonsense into the ring
 *   -EINVAL   a NULL
 * Call from: the one sending thread.
 */
int mproc_shm_ring_begin(struct mproc_shm_ring *ring, void **ret_slot);

/*
 * mproc_shm_ring_commit - send the frame that was begun.
 *
 * @len  unit: bytes; 0 to slot_size
 *
 * Returns 0, or
 *   -EMSGSIZE  longer than a slot; the frame is still begun
 *   -EALREADY  none was begun
 *   -EINVAL    ring is NULL
 *   -EBADF     sent, but the receiver's poll(2) was not woken: selectable,
 *              and its descriptor is not in this process
 * Call from: the one sending thread.
 */
int mproc_shm_ring_commit(struct mproc_shm_ring *ring, size_t len);

/* mproc_shm_ring_send - begin, copy from data, commit; returns as these. */
int mproc_shm_ring_send(struct mproc_shm_ring *ring, const void *data,
    size_t len);

/*
 * mproc_shm_ring_recv - the oldest frame.
 *
 * @timeout_ms  unit: milliseconds; 0 only looks, -1 waits without limit
 * @ret_data    borrowed until the next recv or release: meanwhile the sender
 *              leaves it alone.  Aligned to 64
 * @ret_len     unit: bytes
 *
 * Returns 1 (there is one), 0 (timed out), or
 *   -EBADMSG  the other side has written nonsense into the ring
 *   -EINVAL   a NULL
 *   the code of mproc_shm_ring_abort(), when there is no frame left
 * Call from: the one receiving thread.
 */
int mproc_shm_ring_recv(struct mproc_shm_ring *ring, int timeout_ms,
    const void **ret_data, size_t *ret_len);

/*
 * mproc_shm_ring_release - give the received frame's slot back early; without
 * one it does nothing.  0, or -EINVAL.  Call from: the one receiving thread.
 */
int mproc_shm_ring_release(struct mproc_shm_ring *ring);

/*
 * mproc_shm_ring_fd - the receiver's descriptor.
 *
 * Readable while there are frames; after a recv that returned 0 it is silent
 * until there are.  Do not read, write or close it.
 * Returns as mproc_event_fd(): borrowed until free, -EOPNOTSUPP, -EBADF,
 * -EINVAL.
 */
int mproc_shm_ring_fd(struct mproc_shm_ring *ring);

/*
 * mproc_shm_ring_abort - the sender is gone: after the frames that wait,
 * recv returns `code` and the descriptor stays readable, until the next
 * commit of any sender.
 *
 * @code  shape: a negative errno, -4095 to -1
 *
 * Returns 0, or -EINVAL, -EBADF (as commit).
 * Call from: any thread of any process, say one that saw the sender die.
 */
int mproc_shm_ring_abort(struct mproc_shm_ring *ring, int code);

/* mproc_shm_ring_stat - the counts up to now.  0, or -EINVAL. */
int mproc_shm_ring_stat(const struct mproc_shm_ring *ring,
    struct mproc_shm_ring_counts *ret_counts);

/*
 * mproc_shm_ring_fds - what makes up the ring, for `.keep_fds` or messages.
 *
 * @fds  room for max, 3 are enough; borrowed
 *
 * Returns their number, 2 or 3, or -EMSGSIZE (max is too small), -EBADF
 * (closed in this process), -EINVAL.
 */
int mproc_shm_ring_fds(struct mproc_shm_ring *ring, int *fds, int max);

/*
 * mproc_shm_ring_from_fds - the ring that another process made.
 *
 * @fds       borrowed (duplicated), as mproc_shm_ring_fds() gave them
 * @ret_ring  new: free with mproc_shm_ring_free()
 *
 * Returns 0, or -EBADMSG (not the memory of a ring), -EPROTO (of another
 * version), -EINVAL, -EBADF, -ENOMEM, -EMFILE, -ENFILE.
 */
int mproc_shm_ring_from_fds(const int *fds, int n_fds,
    struct mproc_shm_ring **ret_ring);

/* mproc_shm_ring_free - this process's share; NULL is fine.  Returns NULL. */
struct mproc_shm_ring *mproc_shm_ring_free(struct mproc_shm_ring *ring);

#ifdef __cplusplus
}
#endif

#endif
