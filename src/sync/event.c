/*
 * event.c - one event: a word in shared memory, and its bell.
 *
 * The word (share.h) is the truth.  An eventfd only repeats whether it is
 * "not clear", for those who sleep in poll(2); two changes at a time could
 * leave it wrong, so whoever changed the word goes on settling the eventfd
 * until the word, looked at afterwards, still says the same.
 *
 * A waiter counts itself before it looks at the word, and a changer changes
 * the word before it looks at the count: one of the two sees the other.
 */
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "sync/event.h"
#include "system/system.h"

#define STATE_MASK	0x1fffU
#define RESERVED	(1U << 13)
#define GEN_SHIFT	14
#define GEN_MASK	(0xffU << GEN_SHIFT)
#define COUNT_ONE	(1U << 22)
#define COUNT_MASK	(0xffffffffU & ~(COUNT_ONE - 1))
#define GEN_MAX		0x7fffffffU

static uint32_t
low(uint64_t word)
{
	return (uint32_t)word;
}

static uint32_t
gen(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

static uint32_t
state(uint64_t word)
{
	return low(word) & STATE_MASK;
}

/* Only the kernel looks through this pointer. */
static _Atomic uint32_t *
low_half(struct mproc__slot *slot)
{
	char *at = (char *)&slot->word;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	at += sizeof(uint32_t);
#endif
	return (_Atomic uint32_t *)(void *)at;
}

static bool
held_by(uint64_t word, uint32_t generation)
{
	return (low(word) & RESERVED) != 0 && gen(word) == generation;
}

static void
wake(struct mproc__slot *slot)
{
	if (atomic_load(&slot->waiters) > 0)
		(void)mproc__futex_wake(low_half(slot), INT_MAX);
}

int
mproc__event_settle(struct mproc_event *ev)
{
	uint64_t n = 1;
	bool ring;
	int fd = mproc__event_own_fd(ev);

	if (fd == -EOPNOTSUPP)
		return 0;
	if (fd < 0)
		return mproc__err(fd, "event: its descriptor is not in this "
		    "process; name it in .keep_fds");
	do {
		/* -EAGAIN means that it is so already. */
		ring = state(atomic_load(&ev->slot->word)) != MPROC__EV_CLEAR;
		if (ring) {
			n = 1;
			(void)!write(fd, &n, sizeof(n));
		} else {
			(void)!read(fd, &n, sizeof(n));
		}
	} while (ring !=
	    (state(atomic_load(&ev->slot->word)) != MPROC__EV_CLEAR));
	return 0;
}

/* `word` in another state; what is set is not aborted */
static uint64_t
in_state(uint64_t word, uint32_t new_state)
{
	uint32_t bits = low(word);

	if (state(word) == MPROC__EV_SET && new_state != MPROC__EV_CLEAR)
		return word;
	if (new_state == MPROC__EV_SET)
		bits += COUNT_ONE;	/* the topmost bits: wraps */
	bits = (bits & ~STATE_MASK) | new_state;
	return (word & ~(uint64_t)UINT32_MAX) | bits;
}

int
mproc__event_change(struct mproc_event *ev, uint32_t generation,
    uint32_t new_state)
{
	uint64_t word = atomic_load(&ev->slot->word);

	do {
		if (generation != 0 && !held_by(word, generation))
			return mproc__err(-ESTALE, "event: released by the "
			    "holder of this token");
	} while (!atomic_compare_exchange_weak(&ev->slot->word, &word,
	    in_state(word, new_state)));
	if (new_state != MPROC__EV_CLEAR)
		wake(ev->slot);
	return mproc__event_settle(ev);
}

uint32_t
mproc__event_reserve(struct mproc_event *ev)
{
	uint64_t new, word = atomic_load(&ev->slot->word);
	uint32_t next;

	do {
		if ((low(word) & RESERVED) != 0)
			return 0;
		next = (gen(word) & GEN_MAX) == GEN_MAX ? 1 : gen(word) + 1;
		new = ((uint64_t)next << 32) | (low(word) & COUNT_MASK) |
		    ((next << GEN_SHIFT) & GEN_MASK) | RESERVED;
	} while (!atomic_compare_exchange_weak(&ev->slot->word, &word, new));
	return next;
}

int
mproc__event_release(struct mproc_event *ev, uint32_t generation)
{
	uint64_t word = atomic_load(&ev->slot->word);

	do {
		if ((low(word) & RESERVED) == 0 ||
		    (generation != 0 && gen(word) != generation))
			return mproc__err(-ESTALE, "event: not reserved, or "
			    "not by this token");
	} while (!atomic_compare_exchange_weak(&ev->slot->word, &word,
	    word & ~(uint64_t)RESERVED));
	wake(ev->slot);
	return 0;
}

uint32_t
mproc__event_holder(const struct mproc_event *ev)
{
	uint64_t word = atomic_load(&ev->slot->word);

	return (low(word) & RESERVED) != 0 ? gen(word) : 0;
}

/* What a wait that began at `first` has come to: 1 go on, else its result */
static int
verdict(uint64_t first, uint64_t now, uint32_t generation)
{
	if (generation != 0 && !held_by(now, generation))
		return -ESTALE;
	if (state(now) == MPROC__EV_SET ||
	    ((first ^ now) & COUNT_MASK) != 0)
		return 0;
	if (state(now) != MPROC__EV_CLEAR)
		return 1 - (int)state(now);
	return 1;
}

static int
wait_futex(struct mproc_event *ev, uint32_t generation, int64_t deadline)
{
	struct mproc__slot *slot = ev->slot;
	uint64_t first = atomic_load(&slot->word), now;
	int r, slept = 0;

	atomic_fetch_add(&slot->waiters, 1);
	for (;;) {
		now = atomic_load(&slot->word);
		r = verdict(first, now, generation);
		if (r <= 0)
			break;
		if (slept == -ETIMEDOUT) {
			r = slept;
			break;
		}
		slept = mproc__futex_wait(low_half(slot), low(now), deadline);
	}
	atomic_fetch_sub(&slot->waiters, 1);
	return r;
}

/* One sleep in poll(2): 0 look again, 1 abort_fd, -ETIMEDOUT */
static int
sleep_in_poll(int fd, int abort_fd, int64_t deadline)
{
	struct pollfd pfd[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = abort_fd, .events = POLLIN },
	};
	int left = mproc__remaining_ms(deadline);
	int r = poll(pfd, 2, left);

	if (r == 0)
		return left == 0 ? -ETIMEDOUT : 0;
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return pfd[1].revents != 0 ? 1 : 0;
}

static int
wait_poll(struct mproc_event *ev, uint32_t generation, int abort_fd,
    int64_t deadline)
{
	uint64_t first = atomic_load(&ev->slot->word);
	int fd = mproc__event_own_fd(ev), r, slept = 0;

	if (fd < 0)
		return mproc__err(fd, "event: waiting with a descriptor wants "
		    "a selectable event, and its own descriptor here");
	for (;;) {
		r = verdict(first, atomic_load(&ev->slot->word), generation);
		if (r <= 0)
			return r;
		/* Set before it died counts as set: hence looked at last. */
		if (slept != 0)
			return slept > 0 ? -EPIPE : slept;
		slept = sleep_in_poll(fd, abort_fd, deadline);
		/*
		 * A setter killed between word and bell, or a clearer, may
		 * have left the bell ringing for nothing.
		 */
		if (slept == 0 && (r = mproc__event_settle(ev)) < 0)
			return r;
	}
}

int
mproc__event_wait(struct mproc_event *ev, uint32_t generation, int abort_fd,
    int timeout_ms)
{
	int64_t deadline = mproc__deadline(timeout_ms);

	if (abort_fd >= 0)
		return wait_poll(ev, generation, abort_fd, deadline);
	return wait_futex(ev, generation, deadline);
}

int
mproc_event_new(const struct mproc_event_options *options,
    struct mproc_event **ret_ev)
{
	struct mproc_event_group *eg;
	int r;

	if (ret_ev == NULL)
		return mproc__err(-EINVAL, "event: nowhere to put it");
	if ((r = mproc_event_group_new(1, options, &eg)) < 0)
		return r;
	eg->single = true;
	*ret_ev = &eg->events[0];
	return 0;
}

int
mproc_event_from_fds(const int *fds, int n_fds, struct mproc_event **ret_ev)
{
	struct mproc_event_group *eg;
	int r;

	if (ret_ev == NULL)
		return mproc__err(-EINVAL, "event: nowhere to put it");
	if ((r = mproc_event_group_from_fds(fds, n_fds, &eg)) < 0)
		return r;
	if (eg->n != 1) {
		r = mproc__err(-EINVAL, "event: a group of %d", eg->n);
		mproc_event_group_free(eg);
		return r;
	}
	eg->single = true;
	*ret_ev = &eg->events[0];
	return 0;
}

struct mproc_event *
mproc_event_free(struct mproc_event *ev)
{
	if (ev != NULL && ev->group->single)
		mproc_event_group_free(ev->group);
	return NULL;
}

static int
no_event(void)
{
	return mproc__err(-EINVAL, "event: NULL");
}

int
mproc_event_set(struct mproc_event *ev)
{
	if (ev == NULL)
		return no_event();
	return mproc__event_change(ev, 0, MPROC__EV_SET);
}

int
mproc_event_clear(struct mproc_event *ev)
{
	if (ev == NULL)
		return no_event();
	return mproc__event_change(ev, 0, MPROC__EV_CLEAR);
}

bool
mproc_event_is_set(const struct mproc_event *ev)
{
	return ev != NULL &&
	    state(atomic_load(&ev->slot->word)) == MPROC__EV_SET;
}

int
mproc_event_abort(struct mproc_event *ev, int code)
{
	if (ev == NULL)
		return no_event();
	if (code >= 0 || code < -MPROC__EV_CODE_MAX)
		return mproc__err(-EINVAL, "event: abort with %d", code);
	return mproc__event_change(ev, 0, mproc__ev_abort(code));
}

int
mproc_event_wait(struct mproc_event *ev, int timeout_ms)
{
	return ev == NULL ? no_event() :
	    mproc__event_wait(ev, 0, -1, timeout_ms);
}

int
mproc_event_wait_fd(struct mproc_event *ev, int abort_fd, int timeout_ms)
{
	if (ev == NULL || abort_fd < 0)
		return mproc__err(-EINVAL, "event: none, or no abort_fd");
	return mproc__event_wait(ev, 0, abort_fd, timeout_ms);
}

int
mproc_event_fd(struct mproc_event *ev)
{
	int fd;

	if (ev == NULL)
		return no_event();
	fd = mproc__event_own_fd(ev);
	if (fd < 0)
		return mproc__err(fd, "event: %s", fd == -EBADF ?
		    "its descriptor is not in this process" :
		    "not made selectable");
	return fd;
}

int
mproc_event_fds(struct mproc_event *ev, int *fds, int max)
{
	if (ev == NULL || !ev->group->single)
		return mproc__err(-EINVAL, "event: NULL, or of a group");
	return mproc_event_group_fds(ev->group, fds, max);
}
