/*
 * pace.c - how many jobs a worker has in its hands, where nobody says so.
 *
 * As many as it does in a moment: then it does not wait for the next, and the
 * next hardly wait behind one another.  What counts is the time in which it
 * had something to do, which it tells: else one that gets few, and waits for
 * more, would look slow, and get few for ever.
 *
 * Where a job takes long all the same, those behind it are taken back as soon
 * as others have nothing to do.  Which of them were not begun is decided once
 * for each, in the `claim` word of the status page, so none is done twice.
 */
#include "pool/pool.h"

#define MOMENT_NS	1000000LL
#define DEPTH_MAX	1024
#define STUCK_NS	(4 * 1000000LL)	/* for a job, if others wait there */
#define ENOUGH		16		/* jobs, or a moment, to judge by */
#define RUNS		8		/* that fill a worker's hands, ... */
#define MANY		64		/* ... if they hold so many */
#define OUTLIER		8		/* what was is too good by so much */

void
mproc__pace_set(struct mproc__worker *w, size_t depth)
{
	w->depth = depth;
	w->run = depth >= MANY ? depth / RUNS : 1;
	w->left = w->run;
}

/* From now on. */
static void
begin(struct mproc__worker *w, int64_t now)
{
	w->paced_at = now;
	w->paced_idle = mproc__batch_idle(w->p, now);
	w->fresh = 0;
}

void
mproc__pace_begin(struct mproc__worker *w)
{
	w->paced = 0;
	w->busy = 0;
	begin(w, mproc__now_ns());
}

static uint64_t
in_a_moment(uint64_t jobs, int64_t ns)
{
	return jobs * MOMENT_NS / (uint64_t)ns;
}

void
mproc__pace_learn(struct mproc__worker *w, uint64_t n)
{
	int64_t tick, now, busy;
	uint64_t depth, last;

	if (!w->pool->adapts || n == 0)
		return;
	w->fresh += n;
	/* the clock's tick is a few ms; the first time is no time to wait */
	if ((tick = mproc__tick_ns()) == w->tick &&
	    (w->paced > 0 || w->fresh < ENOUGH))
		return;
	w->tick = tick;
	now = mproc__now_ns();
	busy = now - w->paced_at -
	    (mproc__batch_idle(w->p, now) - w->paced_idle);
	busy = busy > 0 ? busy : 1;
	if (w->fresh < ENOUGH && busy < MOMENT_NS)
		return;
	last = in_a_moment(w->fresh, busy);
	/* what came before counts half */
	w->paced = w->paced / 2 + w->fresh;
	w->busy = w->busy / 2 + busy;
	depth = in_a_moment(w->paced, w->busy);
	depth = depth < OUTLIER * last ? depth : OUTLIER * last;
	mproc__pace_set(w, depth < 1 ? 1 : depth < DEPTH_MAX ? depth :
	    DEPTH_MAX);
	begin(w, now);
}

void
mproc__pace_given(struct mproc__worker *w)
{
	/* from now on one waits behind another */
	if (!w->pool->adapts || w->out.n != 2)
		return;
	w->seen_done = w->done;
	w->seen_at = mproc__now_ns();
	mproc__pool_time(w->pool, w->seen_at + STUCK_NS);
}

/* Is there, or could there be, somebody else for them? */
static bool
others_are_free(const struct mproc_pool *pool)
{
	return pool->idle.first != NULL ||
	    pool->n_active < (unsigned)pool->opt.workers;
}

int64_t
mproc__pace_check(struct mproc__worker *w, int64_t now)
{
	if (!w->pool->adapts || w->local || w->out.n < 2 || w->revoked > 0)
		return MPROC__NEVER;
	if (w->seen_done != w->done) {
		w->seen_done = w->done;
		w->seen_at = now;
	}
	if (now - w->seen_at < STUCK_NS)
		return w->seen_at + STUCK_NS;
	if (!others_are_free(w->pool))
		return now + STUCK_NS;
	mproc__pace_set(w, 1);
	mproc__pace_begin(w);
	(void)mproc__worker_revoke(w);
	return MPROC__NEVER;
}

void
mproc__pace_answer(struct mproc__worker *w)
{
	if (w->revoked > 0 && --w->revoked == 0)
		mproc__batch_restore(w->p);
}
