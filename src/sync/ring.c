/*
 * ring.c - a ring of frames in shared memory, one sender, one receiver.
 *
 * Frames are numbered from 0; frame k lies in slot k % n.  `head` is the
 * number of the next frame to be sent and written by the sender alone.
 * `tail` holds, in one word, the number of the next frame to be received and
 * the slot that the receiver holds (plus one, 0 for none); the receiver moves
 * it on with every frame it takes, the sender with every frame it drops.
 *
 * The sender writes to slot h % n only while h - next < n, so that slot is
 * of no frame that could still be received, and while it is not held.  A
 * held slot in its way it skips, marking its number as such: hence one slow
 * receiver costs an overwriting sender one slot, not its freshness.
 *
 * The receiver reads a frame's length before it takes it: that it then could
 * take it proves that the length was that frame's.  A hold that is not ours
 * is that of a dead predecessor, and goes with the next frame.
 *
 * Numbers from the memory are the other side's word: they pick slots modulo
 * n and lengths up to the slot's size, and nothing else.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc/shm.h>
#include <mproc/sync.h>

#include "sync/memory.h"
#include "system/system.h"

#define MAGIC		0x6772706dU	/* "mprg" */
#define VERSION		1U
#define CODE_MAX	4095
#define ALIGN		((size_t)64)
#define SKIPPED		UINT64_MAX
#define HELD_BITS	16
#define HELD_MASK	((UINT64_C(1) << HELD_BITS) - 1)
#define NUMBER_MASK	(UINT64_MAX >> HELD_BITS)

struct page {
	uint32_t	 magic;
	uint32_t	 version;
	uint32_t	 slots;
	uint32_t	 overwrite;
	uint64_t	 slot_size;
	/* The sender's line */
	_Alignas(ALIGN) _Atomic uint64_t head;
	_Atomic uint64_t sent;
	_Atomic uint64_t dropped;
	_Atomic int32_t	 aborted;	/* what recv says when empty, or 0 */
	/* The receiver's line */
	_Alignas(ALIGN) _Atomic uint64_t tail;	/* next << 16 | held slot + 1 */
	_Atomic uint64_t received;
	_Alignas(ALIGN) _Atomic uint64_t len[];	/* of the frame in each slot */
};

struct mproc_shm_ring {
	struct mproc__memory memory;
	struct page	*page;
	uint8_t		*data;		/* of slot 0 */
	uint64_t	 n;		/* slots */
	size_t		 slot_size;
	size_t		 stride;
	bool		 overwrite;
	bool		 begun;		/* sender: a frame is being filled */
	bool		 holding;	/* receiver: a slot is held by us... */
	unsigned	 held_in;	/* ...in this fork generation */
	struct mproc_event *bell;
};

static size_t
aligned(size_t n)
{
	return (n + ALIGN - 1) & ~(ALIGN - 1);
}

static size_t
data_offset(size_t slots)
{
	return aligned(sizeof(struct page) + slots * sizeof(uint64_t));
}

/* The bytes of a ring; -EINVAL if that is no number */
static int
ring_size(uint64_t slots, uint64_t slot_size, size_t *ret_size)
{
	size_t bytes;

	if (slots < 2 || slots > MPROC_SHM_RING_MAX || slot_size < 1 ||
	    slot_size > SIZE_MAX / 2 ||
	    __builtin_mul_overflow((size_t)slots, aligned(slot_size),
	    &bytes) ||
	    __builtin_add_overflow(bytes, data_offset(slots), &bytes))
		return -EINVAL;
	*ret_size = bytes;
	return 0;
}

static struct mproc_shm_ring *
ring_alloc(uint64_t slots, size_t slot_size, bool overwrite)
{
	struct mproc_shm_ring *ring = calloc(1, sizeof(*ring));

	if (ring == NULL)
		return NULL;
	ring->n = slots;
	ring->slot_size = slot_size;
	ring->stride = aligned(slot_size);
	ring->overwrite = overwrite;
	return ring;
}

static void
use_memory(struct mproc_shm_ring *ring)
{
	ring->page = ring->memory.addr;
	ring->data = (uint8_t *)ring->memory.addr + data_offset(ring->n);
}

int
mproc_shm_ring_new(const struct mproc_shm_ring_options *o,
    struct mproc_shm_ring **ret_ring)
{
	struct mproc_shm_ring *ring;
	size_t size;
	int r;

	if (o == NULL || ret_ring == NULL || o->slots < 0 ||
	    ring_size((uint64_t)o->slots, o->slot_size, &size) < 0)
		return mproc__err(-EINVAL, "ring: wants 2 to %d slots of at "
		    "least a byte, and a place", MPROC_SHM_RING_MAX);
	ring = ring_alloc((uint64_t)o->slots, o->slot_size, o->overwrite);
	if (ring == NULL)
		return mproc__err(-ENOMEM, "ring");
	if ((r = mproc__memory_new(&ring->memory, "mproc-ring", size)) < 0)
		goto fail;
	use_memory(ring);
	ring->page->slots = (uint32_t)ring->n;
	ring->page->slot_size = ring->slot_size;
	ring->page->overwrite = ring->overwrite;
	ring->page->version = VERSION;
	ring->page->magic = MAGIC;
	r = mproc_event_new(&(struct mproc_event_options){
	    .selectable = o->selectable }, &ring->bell);
	if (r < 0)
		goto fail;
	*ret_ring = ring;
	return 0;
fail:
	mproc_shm_ring_free(ring);
	return r;
}

struct mproc_shm_ring *
mproc_shm_ring_free(struct mproc_shm_ring *ring)
{
	if (ring == NULL)
		return NULL;
	(void)mproc_shm_ring_release(ring);
	mproc_event_free(ring->bell);
	mproc__memory_done(&ring->memory);
	free(ring);
	return NULL;
}

static uint64_t
word(uint64_t next, uint64_t held)
{
	return (next & NUMBER_MASK) << HELD_BITS | held;
}

/* next and held of the tail; frames from next to head, -EBADMSG if too many */
static int
look(const struct mproc_shm_ring *ring, uint64_t tail, uint64_t head,
    uint64_t *ret_next)
{
	*ret_next = tail >> HELD_BITS;
	if (((head - *ret_next) & NUMBER_MASK) > ring->n)
		return mproc__err(-EBADMSG, "ring: its counters are not "
		    "those of a ring");
	return (int)((head - *ret_next) & NUMBER_MASK);
}

/* The sender gives up the oldest frame, if the receiver has not taken it */
static void
drop_oldest(struct mproc_shm_ring *ring, uint64_t tail, uint64_t next)
{
	struct page *page = ring->page;
	bool skipped = atomic_load(&page->len[next % ring->n]) == SKIPPED;

	if (atomic_compare_exchange_strong(&page->tail, &tail,
	    word(next + 1, tail & HELD_MASK)) && !skipped)
		atomic_fetch_add(&page->dropped, 1);
}

/* Until the slot of the next frame is nobody's: 0, -EAGAIN, -EBADMSG */
static int
make_room(struct mproc_shm_ring *ring, uint64_t *ret_head)
{
	struct page *page = ring->page;
	uint64_t head = atomic_load(&page->head) & NUMBER_MASK, next, tail;
	int used;

	for (;;) {
		tail = atomic_load(&page->tail);
		used = look(ring, tail, head, &next);
		if (used < 0)
			return used;
		if ((uint64_t)used < ring->n &&
		    (tail & HELD_MASK) != head % ring->n + 1)
			break;
		if (!ring->overwrite)
			return mproc__err(-EAGAIN, "ring: all %ju slots are "
			    "full", (uintmax_t)ring->n);
		if ((uint64_t)used == ring->n) {
			drop_oldest(ring, tail, next);
			continue;
		}
		atomic_store(&page->len[head % ring->n], SKIPPED);
		head = (head + 1) & NUMBER_MASK;
		atomic_store(&page->head, head);
	}
	*ret_head = head;
	return 0;
}

int
mproc_shm_ring_begin(struct mproc_shm_ring *ring, void **ret_slot)
{
	uint64_t head = 0;
	int r;

	if (ring == NULL || ret_slot == NULL)
		return mproc__err(-EINVAL, "ring: NULL");
	if ((r = make_room(ring, &head)) < 0)
		return r;
	ring->begun = true;
	*ret_slot = ring->data + head % ring->n * ring->stride;
	return 0;
}

int
mproc_shm_ring_commit(struct mproc_shm_ring *ring, size_t len)
{
	struct page *page;
	uint64_t head;

	if (ring == NULL)
		return mproc__err(-EINVAL, "ring: NULL");
	if (!ring->begun)
		return mproc__err(-EALREADY, "ring: no frame was begun");
	if (len > ring->slot_size)
		return mproc__err(-EMSGSIZE, "ring: a frame of %zu bytes in a "
		    "slot of %zu", len, ring->slot_size);
	page = ring->page;
	ring->begun = false;
	head = atomic_load(&page->head) & NUMBER_MASK;
	atomic_store(&page->aborted, 0);
	atomic_store(&page->len[head % ring->n], len);
	atomic_fetch_add(&page->sent, 1);
	atomic_store(&page->head, (head + 1) & NUMBER_MASK);
	/* A receiver that clears it now looks at head afterwards. */
	if (mproc_event_is_set(ring->bell))
		return 0;
	return mproc_event_set(ring->bell);
}

int
mproc_shm_ring_send(struct mproc_shm_ring *ring, const void *data, size_t len)
{
	void *slot;
	int r;

	if (ring == NULL || (data == NULL && len > 0))
		return mproc__err(-EINVAL, "ring: NULL");
	if (len > ring->slot_size)
		return mproc__err(-EMSGSIZE, "ring: a frame of %zu bytes in a "
		    "slot of %zu", len, ring->slot_size);
	if ((r = mproc_shm_ring_begin(ring, &slot)) < 0)
		return r;
	if (len > 0)
		memcpy(slot, data, len);
	return mproc_shm_ring_commit(ring, len);
}

int
mproc_shm_ring_release(struct mproc_shm_ring *ring)
{
	uint64_t tail;

	if (ring == NULL)
		return mproc__err(-EINVAL, "ring: NULL");
	/* A child forked meanwhile has a copy of us, not the slot. */
	if (!ring->holding || ring->held_in != mproc__fork_generation())
		return 0;
	ring->holding = false;
	tail = atomic_load(&ring->page->tail);
	while (!atomic_compare_exchange_weak(&ring->page->tail, &tail,
	    tail & ~HELD_MASK))
		continue;
	return 0;
}

/* Take the oldest frame: 1, 0 none, -EBADMSG */
static int
take(struct mproc_shm_ring *ring, const void **ret_data, size_t *ret_len)
{
	struct page *page = ring->page;
	uint64_t len, next, slot, tail;
	int used;

	for (;;) {
		tail = atomic_load(&page->tail);
		used = look(ring, tail, atomic_load(&page->head), &next);
		if (used <= 0)
			return used;
		slot = next % ring->n;
		len = atomic_load(&page->len[slot]);
		if (!atomic_compare_exchange_strong(&page->tail, &tail,
		    word(next + 1, len == SKIPPED ? 0 : slot + 1)))
			continue;
		if (len != SKIPPED)
			break;
	}
	ring->holding = true;
	ring->held_in = mproc__fork_generation();
	atomic_fetch_add(&page->received, 1);
	if (len > ring->slot_size)
		return mproc__err(-EBADMSG, "ring: a frame of %ju bytes in a "
		    "slot of %zu", (uintmax_t)len, ring->slot_size);
	*ret_data = ring->data + slot * ring->stride;
	*ret_len = (size_t)len;
	return 1;
}

/* The oldest frame, or what an abort said: 1, 0, negative */
static int
take_or_end(struct mproc_shm_ring *ring, const void **ret_data,
    size_t *ret_len)
{
	int code, r = take(ring, ret_data, ret_len);

	if (r != 0)
		return r;
	code = atomic_load(&ring->page->aborted);
	return code < 0 && code >= -CODE_MAX ? code : 0;
}

/*
 * One look, and the bell silenced if there is nothing: sound it again if
 * something came in between.
 */
static int
take_or_silence(struct mproc_shm_ring *ring, const void **ret_data,
    size_t *ret_len)
{
	int r = take_or_end(ring, ret_data, ret_len);

	if (r != 0 || !mproc_event_is_set(ring->bell))
		return r;
	/* -EBADF is the poller's loss, who has not the descriptor. */
	(void)mproc_event_clear(ring->bell);
	r = take_or_end(ring, ret_data, ret_len);
	if (r != 0)
		(void)mproc_event_set(ring->bell);
	return r;
}

int
mproc_shm_ring_recv(struct mproc_shm_ring *ring, int timeout_ms,
    const void **ret_data, size_t *ret_len)
{
	int64_t deadline = mproc__deadline(timeout_ms);
	int r;

	if (ring == NULL || ret_data == NULL || ret_len == NULL)
		return mproc__err(-EINVAL, "ring: NULL");
	(void)mproc_shm_ring_release(ring);
	do {
		r = take_or_silence(ring, ret_data, ret_len);
		if (r != 0)
			return r;
		r = mproc_event_wait(ring->bell,
		    mproc__remaining_ms(deadline));
	} while (r == 0);
	return r == -ETIMEDOUT ? 0 : r;
}

int
mproc_shm_ring_fd(struct mproc_shm_ring *ring)
{
	return mproc_event_fd(ring != NULL ? ring->bell : NULL);
}

int
mproc_shm_ring_abort(struct mproc_shm_ring *ring, int code)
{
	if (ring == NULL || code >= 0 || code < -CODE_MAX)
		return mproc__err(-EINVAL, "ring: abort with %d", code);
	atomic_store(&ring->page->aborted, code);
	return mproc_event_set(ring->bell);
}

int
mproc_shm_ring_stat(const struct mproc_shm_ring *ring,
    struct mproc_shm_ring_counts *ret_counts)
{
	struct mproc_shm_ring_counts c;
	uint64_t gone;

	if (ring == NULL || ret_counts == NULL)
		return mproc__err(-EINVAL, "ring: NULL");
	c.received = atomic_load(&ring->page->received);
	c.dropped = atomic_load(&ring->page->dropped);
	c.sent = atomic_load(&ring->page->sent);
	gone = c.received + c.dropped;
	c.waiting = c.sent > gone ? c.sent - gone : 0;
	*ret_counts = c;
	return 0;
}

int
mproc_shm_ring_fds(struct mproc_shm_ring *ring, int *fds, int max)
{
	int all[3], n;

	if (ring == NULL || fds == NULL)
		return mproc__err(-EINVAL, "ring: NULL");
	if ((n = mproc_event_fds(ring->bell, all + 1, 2)) < 0)
		return n;
	n++;
	if (n > max)
		return mproc__err(-EMSGSIZE, "ring: %d descriptors, room for "
		    "%d", n, max);
	if ((all[0] = mproc__memory_fd(&ring->memory)) < 0)
		return mproc__err(all[0], "ring: its descriptor was not kept "
		    "in this process");
	memcpy(fds, all, (size_t)n * sizeof(fds[0]));
	return n;
}

/* The ring that this memory is said to be, and how large */
static int
read_page(int fd, struct page *head, size_t *ret_size)
{
	if (pread(fd, head, sizeof(*head), 0) != (ssize_t)sizeof(*head))
		return mproc__err(errno == EBADF ? -EBADF : -EBADMSG,
		    "ring: descriptor %d is not its memory", fd);
	if (head->magic != MAGIC)
		return mproc__err(-EBADMSG, "ring: descriptor %d is not its "
		    "memory", fd);
	if (head->version != VERSION)
		return mproc__err(-EPROTO, "ring: version %u, not %u",
		    head->version, VERSION);
	if (ring_size(head->slots, head->slot_size, ret_size) < 0)
		return mproc__err(-EBADMSG, "ring: %u slots of %ju bytes",
		    head->slots, (uintmax_t)head->slot_size);
	return 0;
}

int
mproc_shm_ring_from_fds(const int *fds, int n_fds,
    struct mproc_shm_ring **ret_ring)
{
	struct mproc_shm_ring *ring;
	struct page head;
	size_t size = 0;
	int r;

	if (fds == NULL || n_fds < 2 || n_fds > 3 || ret_ring == NULL)
		return mproc__err(-EINVAL, "ring: 2 or 3 descriptors");
	errno = 0;
	if ((r = read_page(fds[0], &head, &size)) < 0)
		return r;
	ring = ring_alloc(head.slots, head.slot_size, head.overwrite != 0);
	if (ring == NULL)
		return mproc__err(-ENOMEM, "ring");
	r = mproc__memory_dup(&ring->memory, fds[0], size, false);
	if (r < 0)
		goto fail;
	use_memory(ring);
	r = mproc_event_from_fds(fds + 1, n_fds - 1, &ring->bell);
	if (r < 0)
		goto fail;
	*ret_ring = ring;
	return 0;
fail:
	mproc_shm_ring_free(ring);
	return r;
}
