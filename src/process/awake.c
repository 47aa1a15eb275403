/*
 * awake.c - see awake.h.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "process/awake.h"
#include "system/system.h"

#define CREDIT		8	/* losses, before looking is given up */
#define TRY_EVERY	32	/* but for one wait in so many */
#define CROWDED_WAITS	64	/* after the processor was taken from us */

static struct kind {
	_Atomic int	 credit;
	_Atomic unsigned tries;		/* without credit */
	int		 sleeps;	/* looks for so many times spin_us */
} kinds[MPROC__ASKED_KINDS] = {
	[MPROC__ASKED_READY] = { .credit = CREDIT, .sleeps = 2 },
	[MPROC__ASKED_PONG] = { .credit = CREDIT, .sleeps = 1 },
	[MPROC__ASKED_END] = { .credit = CREDIT, .sleeps = 2 },
};

static bool
is_worth(struct kind *k)
{
	return atomic_load_explicit(&k->credit, memory_order_relaxed) > 0 ||
	    atomic_fetch_add_explicit(&k->tries, 1, memory_order_relaxed) %
	    TRY_EVERY == 0;
}

/*
 * Where every processor is busy the other side may wait for this one, and a
 * sleeper that is woken comes before those who have had their share.
 */
static bool
is_crowded(void)
{
	static _Thread_local long last = -1;
	static _Thread_local int waits;
	long n = mproc__preemptions();

	if (last >= 0 && n != last)
		waits = CROWDED_WAITS;
	last = n;
	return waits > 0 && waits-- > 0;
}

void
mproc__awake_for(struct mproc__awake *a, enum mproc__asked what, int spin_us)
{
	struct kind *k = &kinds[what];

	a->what = what;
	a->until = 0;
	if (spin_us > 0 && !is_crowded() && is_worth(k))
		a->until = mproc__now_ns() + k->sleeps * (spin_us * 1000LL);
}

/* Two that race lose a count. */
static void
judge(struct kind *k, bool was_worth)
{
	int n = atomic_load_explicit(&k->credit, memory_order_relaxed);

	n = was_worth ? n + 1 : n > 1 ? n - 2 : 0;
	if (n <= CREDIT)
		atomic_store_explicit(&k->credit, n, memory_order_relaxed);
}

int
mproc__awake_poll(const struct mproc__awake *a, struct pollfd *fds, nfds_t n,
    int timeout)
{
	bool looked = false;
	int r = 0;

	while (timeout != 0 && r == 0 && mproc__now_ns() < a->until) {
		r = poll(fds, n, 0);
		looked = true;
	}
	if (looked)
		judge(&kinds[a->what], r > 0);
	return r != 0 ? r : poll(fds, n, timeout);
}
