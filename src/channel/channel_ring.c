/*
 * channel_ring.c - a channel whose bytes go through shared memory, and whose
 * socket is left with the doorbells and the descriptors.
 *
 * The socket's bytes are records: 0, the doorbell, which says nothing but
 * "look"; 1 and a u64 (little-endian), with descriptors: those of the frame
 * whose first byte, counted from the first ever, is the one before that
 * number; 2, with two descriptors, the first of all: the rings.  A record
 * with descriptors is written before the first byte of its frame is handed
 * over, and the ring tells how many were.
 */
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "channel/parts.h"
#include "system/system.h"

#define RECORD_BELL	0
#define RECORD_FDS	1
#define RECORD_RING	2
#define FDS_SIZE	9U		/* of a RECORD_FDS */
#define HEAR_BYTES	256U		/* a read of the socket */
#define HEAR_READS	256		/* then something else has its turn */

#define SHARE_MS	1000		/* an empty socket takes a byte */
#define SPIN_LOOKS	32		/* between two looks at the clock */
#define CREDIT_MAX	16
#define CREDIT_WON	4		/* one success outweighs some failures */
#define CROWDED_NS	200000		/* a yield that was somebody else's */
#define CROWDED_WAITS	64
#define TRY_EVERY	8U		/* waits, when it has not been worth it */

int
mproc__ring_bell(struct mproc__channel *ch)
{
	ssize_t n;

	do
		n = send(ch->fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	ch->bell_due = n < 0;	/* ENOBUFS and such: _blocked says so */
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		ch->bell_due = false;
		ch->out.gone = true;
		return -EPIPE;
	}
	return 0;
}

static int
send_fds(struct mproc__channel *ch, const int *fds, size_t n)
{
	uint8_t record[FDS_SIZE] = { RECORD_FDS };
	uint64_t end = htole64(ch->ring->tail + 1);
	struct iovec iov = { record, sizeof(record) };
	ssize_t r;

	memcpy(record + 1, &end, sizeof(end));
	r = mproc__out_send(ch->fd, &iov, 1, fds, n);
	if (r < 0)	/* full of doorbells: not the ring, which can tell */
		return r == -EAGAIN ? -ENOBUFS : (int)r;
	ch->ring->fds_sent++;
	atomic_store_explicit(&ch->ring->own->fds, ch->ring->fds_sent,
	    memory_order_relaxed);	/* the tail releases it */
	return 0;
}

static int
hand_over(struct mproc__channel *ch, size_t n)
{
	return mproc__ring_publish(ch->ring, n) || ch->bell_due ?
	    mproc__ring_bell(ch) : 0;
}

int
mproc__ring_commit(struct mproc__channel *ch, size_t n, const int *fds,
    size_t n_fds)
{
	int r;

	if (n_fds > 0 && (r = send_fds(ch, fds, n_fds)) < 0)
		return r;
	return hand_over(ch, n);
}

/* As much as there is room for: bytes, or -errno (-EAGAIN: none) */
ssize_t
mproc__ring_write(struct mproc__channel *ch, const struct iovec *iov,
    size_t n_iov, const int *fds, size_t n_fds)
{
	size_t room, n = 0, part, i;
	uint8_t *at;
	int r;

	room = mproc__ring_room(ch->ring, SIZE_MAX, &at);
	if (room == SIZE_MAX)
		return -EPIPE;	/* what it says of itself cannot be */
	if (room == 0)
		return -EAGAIN;
	if (n_fds > 0 && (r = send_fds(ch, fds, n_fds)) < 0)
		return r;
	for (i = 0; i < n_iov && n < room; i++) {
		part = iov[i].iov_len < room - n ? iov[i].iov_len : room - n;
		memcpy(at + n, iov[i].iov_base, part);
		n += part;
	}
	r = hand_over(ch, n);
	return r < 0 ? r : (ssize_t)n;
}

/* The bells before a read's one record; a read with descriptors ends so. */
static size_t
bells(const uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (at < n && bytes[at] == RECORD_BELL)
		at++;
	return at;
}

/*
 * A read may end inside the record whose descriptors it brings: as that was
 * one write, the rest is there.  How many bytes they are then.
 */
static size_t
complete(struct mproc__channel *ch, uint8_t *bytes, size_t n)
{
	size_t at = bells(bytes, n);
	ssize_t more;

	if (at == n || n - at >= FDS_SIZE)
		return n;
	do
		more = recv(ch->fd, bytes + n, FDS_SIZE - (n - at),
		    MSG_DONTWAIT);
	while (more < 0 && errno == EINTR);
	return more > 0 ? n + (size_t)more : n;
}

/*
 * Is the byte before number `end` read, or there to be read?  What was there
 * once must stay, as ring_bytes notes: else descriptors of bytes that are
 * taken back would fill up what may wait, and hide the end of the socket.
 */
static bool
is_handed_over(struct mproc__ring *ring, uint64_t end)
{
	const uint8_t *at;
	size_t n;

	if (end <= ring->head)
		return true;
	n = mproc__ring_bytes(ring, &at);
	return n != SIZE_MAX && n >= end - ring->head;
}

/* A RECORD_FDS: 0, -EPROTO, or -EMFILE, its descriptors were lost. */
static int
take_record(struct mproc__channel *ch, const uint8_t *record, size_t n,
    int n_fds, bool lost)
{
	struct mproc__ring *ring = ch->ring;
	uint64_t end;

	/* the last one's frame has begun, or this could not have been sent */
	if (!is_handed_over(ring, ring->fds_end))
		return -EPROTO;
	if (n != FDS_SIZE || record[0] != RECORD_FDS || !ch->in.takes_fds ||
	    (n_fds == 0 && !lost) || n_fds > MPROC__MAX_FDS)
		return -EPROTO;
	memcpy(&end, record + 1, sizeof(end));
	end = le64toh(end);
	/* the frame is after the last one's, and will fit into the ring */
	if (end <= ring->fds_end || end - 1 - ring->head >= ring->size)
		return -EPROTO;
	ring->fds_seen++;
	ring->fds_end = end;
	return lost ? -EMFILE : 0;
}

/* What one read of the socket gave: 0, or -EPROTO, -EMFILE. */
static int
take_records(struct mproc__channel *ch, uint8_t *bytes, size_t n,
    const int *fds, int n_fds, bool lost)
{
	size_t at;
	int i, r;

	n = complete(ch, bytes, n);
	at = bells(bytes, n);
	if (at == n && n_fds == 0 && !lost)
		return 0;
	r = take_record(ch, bytes + at, n - at, n_fds, lost);
	if (r == 0)
		return mproc__in_fds_keep(&ch->in, fds, n_fds,
		    ch->ring->fds_end);
	for (i = 0; i < n_fds; i++)
		mproc__close(fds[i]);
	return r;
}

/*
 * Nothing more is to be read from the socket now.  Who reads bytes, too,
 * leaves the next descriptors there until it is at the last ones' frame: that
 * makes room for them.
 */
static bool
is_enough(const struct mproc__channel *ch, bool reads)
{
	return ch->hung_up || mproc__in_fds_full(&ch->in) || (reads &&
	    ch->ring->fds_end > ch->ring->head &&
	    is_handed_over(ch->ring, ch->ring->fds_end));
}

/* 0 or -errno; ret_all: as many reads as were needed. */
static int
hear(struct mproc__channel *ch, bool reads_bytes, bool *ret_all)
{
	int fds[MPROC__KERNEL_FDS], n_fds, r = 0, got, reads;
	uint8_t bytes[HEAR_BYTES + FDS_SIZE];
	bool lost;
	ssize_t n;

	*ret_all = true;
	for (reads = 0; reads < HEAR_READS; reads++) {
		if (is_enough(ch, reads_bytes))
			return r;
		if ((got = mproc__in_fds_reserve(&ch->in)) < 0)
			return got;
		n = mproc__in_records(ch, bytes, HEAR_BYTES, fds, &n_fds,
		    &lost);
		if (n == -EAGAIN)
			return r;
		if (n == 0 || n == -ECONNRESET) {
			ch->hung_up = ch->out.gone = true;
			return r;
		}
		if (n < 0)
			return n == -ENOBUFS ? -ENOMEM : (int)n;
		/*
		 * A call is rung for once: with the bell it ends, even if
		 * what it was for has been read before.
		 */
		ch->listening = false;
		got = take_records(ch, bytes, (size_t)n, fds, n_fds, lost);
		if (got == -EPROTO)
			return ch->in.error = mproc__err(-EPROTO, "the peer "
			    "sends descriptors that are not expected");
		r = got < 0 ? got : r;
		if (n < (ssize_t)HEAR_BYTES && n_fds == 0 && !lost)
			return r;
	}
	*ret_all = false;
	return r;
}

int
mproc__ring_hear(struct mproc__channel *ch, bool reads_bytes)
{
	bool all;

	return hear(ch, reads_bytes, &all);
}

/*
 * Has the peer sent descriptors that have not come yet?  There may well be
 * more of them here than it has told of: it sends first.
 */
static bool
is_behind(const struct mproc__ring *ring)
{
	return (int64_t)(atomic_load_explicit(&ring->peer->fds,
	    memory_order_relaxed) - ring->fds_seen) > 0;
}

/* How many of n bytes may be read: their descriptors must be there first. */
static ssize_t
with_fds(struct mproc__channel *ch, size_t n)
{
	struct mproc__ring *ring = ch->ring;
	uint64_t before;
	bool all;
	int r;

	if (!is_behind(ring))
		return (ssize_t)n;
	if ((r = hear(ch, true, &all)) < 0 && r != -EMFILE)
		return r;
	if (!is_behind(ring))
		return (ssize_t)n;
	if (ring->fds_end > ring->head) {
		before = ring->fds_end - ring->head;
		return (ssize_t)(before < n ? before : n);
	}
	/* also when too many wait that are of no whole frame */
	return !all ? -EAGAIN : (ch->in.error = mproc__err(-EPROTO,
	    "the peer speaks of descriptors that it did not send"));
}

size_t
mproc__ring_take_frame(struct mproc__channel *ch, uint8_t *to, size_t max)
{
	struct mproc__ring *ring = ch->ring;
	const uint8_t *at;
	size_t n = mproc__ring_bytes(ring, &at);
	uint32_t size;

	/* who has slept has a bell to hear, which this way does not */
	if (ch->listening || n <= MPROC__FRAME_HEAD || n > MPROC__ALONE_MAX ||
	    n > max || is_behind(ring))
		return 0;
	/* once: the peer may change it */
	memcpy(to, at, n);
	size = mproc__frame_size(to);
	if (size != n - MPROC__FRAME_HEAD || size > ch->max_frame)
		return 0;
	if (mproc__ring_consume(ring, n))
		(void)mproc__ring_bell(ch);
	return n;
}

uint32_t
mproc__ring_see_frame(struct mproc__channel *ch, const uint8_t **ret_at)
{
	struct mproc__ring *ring = ch->ring;
	const uint8_t *at;
	size_t n = mproc__ring_bytes(ring, &at);
	uint32_t size;

	if (n < MPROC__SHARED_MIN || n == SIZE_MAX || is_behind(ring))
		return 0;
	size = mproc__frame_size(at);
	if (size < MPROC__SHARED_MIN || size > ch->max_frame ||
	    size > n - MPROC__FRAME_HEAD)
		return 0;
	*ret_at = at + MPROC__FRAME_HEAD;
	return size;
}

void
mproc__ring_give_back(struct mproc__channel *ch)
{
	size_t n = ch->borrowed;

	ch->borrowed = 0;
	ch->listening = false;
	ch->in.taken += n;
	if (mproc__ring_consume(ch->ring, n))
		(void)mproc__ring_bell(ch);
}

void
mproc__channel_trust(struct mproc__channel *ch)
{
	ch->trusts = true;
}

ssize_t
mproc__ring_read(struct mproc__channel *ch, void *data, size_t size)
{
	const uint8_t *at;
	size_t n = mproc__ring_bytes(ch->ring, &at);
	ssize_t r;

	if (n == SIZE_MAX)
		return ch->in.error = mproc__err(-EPROTO, "the peer claims "
		    "to have sent more than a ring holds");
	if (n == 0)
		return ch->hung_up ? 0 : -EAGAIN;
	if ((r = with_fds(ch, n)) < 0)
		return r;
	n = (size_t)r < size ? (size_t)r : size;
	memcpy(data, at, n);
	ch->listening = false;
	if (mproc__ring_consume(ch->ring, n))
		(void)mproc__ring_bell(ch); /* gone or not, what came is here */
	return (ssize_t)n;
}

/* `fds` are the maker's memory, then ours. */
static int
open_ring(struct mproc__channel *ch, int first, int second)
{
	return mproc__ring_open((int[]){ first, second }, &ch->ring);
}

int
mproc__channel_share(struct mproc__channel *ch, size_t size)
{
	uint8_t record = RECORD_RING;
	struct iovec iov = { &record, 1 };
	struct pollfd pfd = { ch->fd, POLLOUT, 0 };
	int fds[2];
	ssize_t r;

	if ((r = mproc__ring_memory(size, fds)) < 0)
		return (int)r;
	r = open_ring(ch, fds[0], fds[1]);
	while (r == 0 &&
	    (r = mproc__out_send(ch->fd, &iov, 1, fds, 2)) == -EAGAIN &&
	    poll(&pfd, 1, SHARE_MS) > 0)
		r = 0;
	mproc__close(fds[0]);
	mproc__close(fds[1]);
	if (r < 0)
		ch->ring = mproc__ring_close(ch->ring);
	if (r == -ETOOMANYREFS)
		return mproc__err(-EAGAIN, "share a ring: too many "
		    "descriptors are on their way already");
	return r < 0 ? mproc__fd_error((int)r, "share a ring") : 0;
}

int
mproc__channel_join(struct mproc__channel *ch)
{
	int fds[MPROC__KERNEL_FDS], n_fds = 0, i, r;
	struct pollfd pfd = { ch->fd, POLLIN, 0 };
	uint8_t record = RECORD_BELL;
	bool lost = false;
	ssize_t n;

	if (!ch->in.takes_fds)
		return mproc__err(-EINVAL, "a ring comes as descriptors, "
		    "which this channel takes none of");
	while ((n = mproc__in_records(ch, &record, 1, fds, &n_fds, &lost)) ==
	    -EAGAIN && poll(&pfd, 1, 0) > 0)
		;
	if (n < 0)
		return mproc__err((int)n, "no ring came: %s",
		    strerrordesc_np((int)-n));
	if (lost)
		r = mproc__fd_error(EMFILE, "a ring");
	else if (n == 1 && record == RECORD_RING && n_fds == 2)
		r = open_ring(ch, fds[1], fds[0]);
	else
		r = mproc__err(-EPROTO, "the peer shares no ring");
	for (i = 0; i < n_fds; i++)
		mproc__close(fds[i]);
	return r;
}

bool
mproc__channel_is_ring(const struct mproc__channel *ch)
{
	return ch->ring != NULL;
}

bool
mproc__channel_has_room(struct mproc__channel *ch, size_t size)
{
	uint8_t *at;
	size_t n;

	if (ch->ring == NULL || ch->out.bytes > 0)
		return false;
	n = mproc__ring_room(ch->ring, SIZE_MAX, &at);
	/* room may have come before the call; once, as half may not do */
	if (n < size + MPROC__FRAME_HEAD &&
	    mproc__ring_call_writer(ch->ring))
		n = mproc__ring_room(ch->ring, SIZE_MAX, &at);
	return n != SIZE_MAX && n >= size + MPROC__FRAME_HEAD;
}

int
mproc__channel_hear(struct mproc__channel *ch)
{
	return ch->ring != NULL ? mproc__ring_hear(ch, false) : 0;
}

bool
mproc__channel_sleeps(const struct mproc__channel *ch)
{
	return ch->ring != NULL && mproc__ring_reader_sleeps(ch->ring);
}

bool
mproc__channel_pending(const struct mproc__channel *ch)
{
	return ch->ring != NULL && mproc__ring_pending(ch->ring);
}

bool
mproc__channel_listen(struct mproc__channel *ch)
{
	if (ch->ring == NULL)
		return false;
	if (ch->listening)
		return mproc__ring_pending(ch->ring);
	if (mproc__ring_call_reader(ch->ring)) {
		mproc__ring_hush_reader(ch->ring);
		return true;
	}
	ch->listening = true;
	return false;
}

void
mproc__channel_hush(struct mproc__channel *ch)
{
	if (ch->ring == NULL)
		return;
	ch->listening = false;
	mproc__ring_hush_reader(ch->ring);
}

void
mproc__channel_set_spin(struct mproc__channel *ch, int64_t max_ns)
{
	ch->spin = (struct mproc__spin){ .max_ns = max_ns, .credit = 1 };
}

static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool
is_worth(struct mproc__spin *s)
{
	return s->max_ns > 0 &&
	    (s->credit > 0 || ++s->waits % TRY_EVERY == 0);
}

/*
 * On one processor the other side cannot move while we look: it gets it,
 * once.  Where each runs is a hint of each about itself.
 */
static bool
is_neighbour(struct mproc__ring *ring)
{
	int cpu = sched_getcpu();

	if (atomic_load_explicit(&ring->own->cpu, memory_order_relaxed) !=
	    cpu)
		atomic_store_explicit(&ring->own->cpu, cpu,
		    memory_order_relaxed);
	return cpu >= 0 && cpu == atomic_load_explicit(&ring->peer->cpu,
	    memory_order_relaxed);
}

/*
 * The other side gets our processor.  If a third one took it for long, we are
 * better asleep the next times: a sleeper that is woken comes before those
 * who have had their share.
 */
static bool
give_way(struct mproc__channel *ch)
{
	struct mproc__spin *s = &ch->spin;
	int64_t start;

	if (s->crowded > 0) {
		s->crowded--;
		return false;
	}
	start = mproc__now_ns();
	(void)sched_yield();
	if (mproc__now_ns() - start > CROWDED_NS)
		s->crowded = CROWDED_WAITS;
	return mproc__ring_pending(ch->ring);
}

static bool
look_for_some(struct mproc__channel *ch)
{
	struct mproc__spin *s = &ch->spin;
	int i;

	for (i = 0; i < SPIN_LOOKS; i++) {
		relax();
		if (mproc__ring_pending(ch->ring)) {
			s->credit = s->credit + CREDIT_WON < CREDIT_MAX ?
			    s->credit + CREDIT_WON : CREDIT_MAX;
			return true;
		}
	}
	return false;
}

bool
mproc__channel_spin(struct mproc__channel *ch, bool (*stop)(void *),
    void *arg)
{
	struct mproc__spin *s = &ch->spin;
	bool worth;
	int64_t start, now;

	if (ch->ring == NULL)
		return false;
	if (mproc__ring_pending(ch->ring))
		return true;
	/* an answer that is under way is here before a clock was read */
	worth = is_worth(s);
	if (worth && look_for_some(ch))
		return true;
	if (is_neighbour(ch->ring))
		return give_way(ch);
	if (!worth)
		return false;
	start = now = mproc__now_ns();
	do {
		if (stop(arg))
			return false;	/* no judgement on spinning */
		if (look_for_some(ch)) {
			s->spent_ns += now - start;
			return true;
		}
		now = mproc__now_ns();
	} while (now - start < s->max_ns);
	s->spent_ns += now - start;
	if (s->credit > 0)
		s->credit--;
	return false;
}

int64_t
mproc__channel_spun(struct mproc__channel *ch)
{
	int64_t ns = ch->spin.spent_ns;

	ch->spin.spent_ns = 0;
	return ns;
}
