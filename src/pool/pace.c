/*
 * pace.c - how many jobs a worker has in its hands, where nobody says so.
 *
 * As many as it did in a moment: then it does not wait for the next, and the
 * next hardly wait behind one another.  Where one takes long all the same,
 * those behind it are taken back as soon as others have nothing to do.  Which
 * of them were not begun is decided once for each, in the `claim` word of the
 * status page, so none is done twice.
 */
#include "pool/pool.h"

#define MOMENT_NS	1000000LL
#define DEPTH_MAX	1024
#define STUCK_NS	(4 * 1000000LL)	/* for a job, if others wait there */
#define FORGET_NS	(100 * 1000000LL) /* what was so long ago */

void
mproc__pace_learn(struct mproc__worker *w, uint64_t n)
{
	int64_t now, took;
	uint64_t depth;

	if (!w->pool->adapts || n == 0)
		return;
	w->paced += n;
	now = mproc__tick_ns();
	took = now - w->paced_at;
	if (took <= 0)
		return;			/* the clock's tick is a few ms */
	depth = took < FORGET_NS ? w->paced * MOMENT_NS / (uint64_t)took : 1;
	w->depth = depth < 1 ? 1 : depth < DEPTH_MAX ? depth : DEPTH_MAX;
	w->paced = 0;
	w->paced_at = now;
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

static void
revoke_rest(struct mproc__worker *w)
{
	struct mproc_pool *pool = w->pool;
	uint64_t begun = mproc__batch_revoke(w->p);
	struct mproc__job *job, *prev;

	/* from the last, so that they keep their order */
	for (job = w->out.last; job != NULL && job->seq > begun; job = prev) {
		prev = job->prev;
		mproc__worker_take_back(w, job);
		w->revoked++;
		pool->st.taken_back++;
		w->seq--;
		if (job->verdict != 0 || job->unwanted)
			mproc__job_end(pool, job, job->verdict != 0 ?
			    job->verdict : -ECANCELED, NULL, "canceled", NULL);
		else
			mproc__job_requeue(pool, job);
	}
	if (w->revoked == 0)
		mproc__batch_restore(w->p);
	w->depth = 1;
	w->paced = 0;
	w->paced_at = mproc__tick_ns();
	mproc__worker_room(w);
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
	revoke_rest(w);
	return MPROC__NEVER;
}

void
mproc__pace_answer(struct mproc__worker *w)
{
	if (w->revoked > 0 && --w->revoked == 0)
		mproc__batch_restore(w->p);
}
