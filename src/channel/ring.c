/*
 * ring.c - the two streams of a ring channel in shared memory.
 *
 * Barriers.  Handing bytes over needs no more than release (tail) and
 * acquire (its reader), and the same for head: C11 6.2.4 and 7.17.3, one
 * writer a word.  Sleep is Dekker's: each side stores one word and loads the
 * other's, and both must not miss.  Release and acquire do not order a store
 * before a later load, so both sides have a full barrier in between: the
 * publisher as an exchange (on x86 cheaper than a store and a fence), the
 * sleeper as a fence.  An exchange orders later loads only if they, too, are
 * sequentially consistent (on arm64 its store may come after others); then
 * either the load of the call comes after the sleeper's fence, and sees the
 * call (7.17.3 p9), or the exchange comes before it, and is seen (p10).
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/ring.h"
#include "system/system.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010	/* Linux 5.1 */
#endif

#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW)

static bool
is_size(size_t size)
{
	return size >= MPROC__RING_MIN && size <= MPROC__RING_MAX &&
	    (size & (size - 1)) == 0;
}

int
mproc__ring_memory(size_t size, int ret_fds[2])
{
	int fds[2], r;

	if (!is_size(size))
		return mproc__err(-EINVAL, "a ring of %zu bytes: a power of "
		    "two from %zu to %zu", size, MPROC__RING_MIN,
		    MPROC__RING_MAX);
	if (size < (size_t)getpagesize())
		size = (size_t)getpagesize();	/* what is mapped twice */
	r = mproc__memfd("mproc-ring", MPROC__RING_HEAD + size, &fds[0]);
	if (r < 0)
		return r;
	r = mproc__memfd("mproc-ring", MPROC__RING_HEAD + size, &fds[1]);
	if (r < 0) {
		mproc__close(fds[0]);
		return r;
	}
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

/* A memory file that can shrink would be a SIGBUS waiting to happen. */
static int
check(int fd, size_t *ret_size)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	/* no memory file; EBADF is one that was opened with O_PATH */
	if (seals < 0 && errno != EINVAL && errno != EBADF)
		return mproc__fd_error(errno, "a ring");
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
	    st.st_size <= (off_t)MPROC__RING_HEAD ||
	    !is_size((size_t)st.st_size - MPROC__RING_HEAD))
		return mproc__err(-EPROTO, "no sealed memory for a ring");
	*ret_size = (size_t)st.st_size - MPROC__RING_HEAD;
	return 0;
}

static size_t
map_bytes(size_t size)
{
	return MPROC__RING_HEAD + 2 * size;
}

/* What forbids itself to be mapped or sealed is none of ours. */
static int
refused(int err, const char *what)
{
	if (err == EACCES || err == EPERM)
		return mproc__err(-EPROTO, "%s: %s", what, strerror(err));
	return mproc__fd_error(err, what);
}

static bool
map_part(uint8_t *to, size_t size, int prot, int fd, off_t from)
{
	void *at = mmap(to, size, prot, MAP_SHARED | MAP_FIXED, fd, from);

	return at != MAP_FAILED;
}

/* The head page, the bytes, and the bytes again. */
static int
map(int fd, size_t size, int prot, uint8_t **ret_at)
{
	uint8_t *at;
	int r;

	at = mmap(NULL, map_bytes(size), PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return mproc__fd_error(errno, "addresses for a ring");
	if (!map_part(at, MPROC__RING_HEAD + size, prot, fd, 0) ||
	    !map_part(at + MPROC__RING_HEAD + size, size, prot, fd,
	    MPROC__RING_HEAD)) {
		r = refused(errno, "mapping a ring");
		(void)munmap(at, map_bytes(size));
		return r;
	}
	/* a fork of ours is not a side of it */
	(void)madvise(at, map_bytes(size), MADV_DONTFORK);
	*ret_at = at;
	return 0;
}

int
mproc__ring_open(const int fds[2], struct mproc__ring **ret_ring)
{
	uint8_t *own = NULL, *peer = NULL;
	struct mproc__ring *ring;
	size_t size, size_in;
	int r;

	if ((r = check(fds[0], &size)) < 0 ||
	    (r = check(fds[1], &size_in)) < 0)
		return r;
	if (size != size_in)
		return mproc__err(-EPROTO, "rings of two sizes");
	if (posix_memalign((void **)&ring, 64, sizeof(*ring)) != 0)
		return -ENOMEM;
	if ((r = map(fds[0], size, PROT_READ | PROT_WRITE, &own)) < 0)
		goto fail;
	/* an old kernel does without: then it is only a matter of trust */
	if (fcntl(fds[0], F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0 &&
	    errno != EINVAL) {
		r = refused(errno, "sealing a ring");
		goto fail;
	}
	if ((r = map(fds[1], size, PROT_READ, &peer)) < 0)
		goto fail;
	*ring = (struct mproc__ring){
		.own = (struct mproc__ring_page *)(void *)own,
		.peer = (const struct mproc__ring_page *)(void *)peer,
		.out = own + MPROC__RING_HEAD,
		.in = peer + MPROC__RING_HEAD,
		.size = size
	};
	atomic_store(&ring->own->cpu, -1);
	*ret_ring = ring;
	return 0;
fail:
	if (own != NULL)
		(void)munmap(own, map_bytes(size));
	free(ring);
	return r;
}

struct mproc__ring *
mproc__ring_close(struct mproc__ring *r)
{
	if (r == NULL)
		return NULL;
	(void)munmap(r->own, map_bytes(r->size));
	(void)munmap((void *)(uintptr_t)r->peer, map_bytes(r->size));
	free(r);
	return NULL;
}

size_t
mproc__ring_room(struct mproc__ring *r, size_t enough, uint8_t **ret_at)
{
	uint64_t head;

	/* the other's word costs a cache miss */
	if (r->size - (size_t)(r->tail - r->peer_head) < enough) {
		head = atomic_load_explicit(&r->peer->head,
		    memory_order_acquire);
		/* it can only have read more, and not more than was sent */
		if (head - r->peer_head > r->tail - r->peer_head)
			return SIZE_MAX;
		r->peer_head = head;
	}
	*ret_at = r->out + (r->tail & (r->size - 1));
	return r->size - (size_t)(r->tail - r->peer_head);
}

/* Does it sleep, and has nobody rung yet for this sleep? */
static bool
is_called(const _Atomic uint32_t *call, uint32_t *rung)
{
	uint32_t n = atomic_load_explicit(call, memory_order_seq_cst);

	if ((n & 1) == 0 || n == *rung)
		return false;
	*rung = n;
	return true;
}

bool
mproc__ring_reader_sleeps(const struct mproc__ring *r)
{
	uint32_t n = atomic_load_explicit(&r->peer->reader_call,
	    memory_order_relaxed);

	return (n & 1) != 0 && n != r->rung_reader;
}

bool
mproc__ring_publish(struct mproc__ring *r, size_t n)
{
	r->tail += n;
	/* the exchange is the release of the bytes, and the full barrier */
	(void)atomic_exchange_explicit(&r->own->tail, r->tail,
	    memory_order_seq_cst);
	return is_called(&r->peer->reader_call, &r->rung_reader);
}

size_t
mproc__ring_bytes(struct mproc__ring *r, const uint8_t **ret_at)
{
	uint64_t tail = atomic_load_explicit(&r->peer->tail,
	    memory_order_acquire);

	/* it can only have sent more than it said before */
	if (tail - r->head > r->size || tail - r->head < r->seen - r->head)
		return SIZE_MAX;
	r->seen = tail;
	*ret_at = r->in + (r->head & (r->size - 1));
	return (size_t)(tail - r->head);
}

bool
mproc__ring_consume(struct mproc__ring *r, size_t n)
{
	uint64_t tail;

	r->head += n;
	(void)atomic_exchange_explicit(&r->own->head, r->head,
	    memory_order_seq_cst);
	if ((atomic_load_explicit(&r->peer->writer_call,
	    memory_order_seq_cst) & 1) == 0)
		return false;
	/* a writer is woken for much room, or when all was read */
	tail = atomic_load_explicit(&r->peer->tail, memory_order_relaxed);
	if (tail - r->head > r->size / 2)
		return false;
	return is_called(&r->peer->writer_call, &r->rung_writer);
}

/* The next sleep, even if this one goes on: it may have been rung for. */
static void
call(_Atomic uint32_t *word, uint32_t *mine)
{
	*mine += 1 + (*mine & 1);
	atomic_store_explicit(word, *mine, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

static void
hush(_Atomic uint32_t *word, uint32_t *mine)
{
	if ((*mine & 1) == 0)
		return;
	*mine += 1;
	atomic_store_explicit(word, *mine, memory_order_relaxed);
}

bool
mproc__ring_call_reader(struct mproc__ring *r)
{
	call(&r->own->reader_call, &r->reader_call);
	return mproc__ring_pending(r);
}

bool
mproc__ring_call_writer(struct mproc__ring *r)
{
	uint64_t head;

	call(&r->own->writer_call, &r->writer_call);
	head = atomic_load_explicit(&r->peer->head, memory_order_acquire);
	if (head - r->peer_head > r->tail - r->peer_head)
		return true;	/* a lie, which _room will see */
	r->peer_head = head;
	return r->tail - head <= r->size / 2;
}

void
mproc__ring_hush_reader(struct mproc__ring *r)
{
	hush(&r->own->reader_call, &r->reader_call);
}

void
mproc__ring_hush_writer(struct mproc__ring *r)
{
	hush(&r->own->writer_call, &r->writer_call);
}
