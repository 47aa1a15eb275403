/*
 * control.c - what is said to all workers, and what is told of them.
 */
#include <string.h>

#include "pool/pool.h"

int
mproc_pool_set_going(struct mproc_pool *pool, bool going)
{
	struct mproc__worker *w;
	struct mproc__job *job;
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (pool->no_go == going) {
		pool->no_go = !going;
		for (w = pool->all.first; w != NULL; w = w->next) {
			(void)mproc_set_going(w->p, going);
			for (job = w->out.first; !going && job != NULL;
			    job = job->next)
				mproc__job_unwanted(job);
			if (!going)
				mproc__worker_tell_all(w);
		}
		if (!going)
			(void)mproc__pool_drop_queue(pool, -ECANCELED,
			    "no-go");
		if (pool->waiting > 0)
			pthread_cond_broadcast(&pool->cond);
		mproc__pool_kick(pool);
	}
	mproc__pool_leave(pool);
	return 0;
}

int
mproc_pool_set_log_level(struct mproc_pool *pool, enum mproc_level level)
{
	struct mproc__worker *w;
	int r, fault;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (level <= MPROC_LEVEL_DEFAULT || level > MPROC_OFF)
		r = mproc__err(-EINVAL, "no such level");
	else
		pool->log_level = level;
	for (w = pool->all.first; w != NULL && r == 0; w = w->next)
		if ((fault = mproc_set_log_level(w->p, level)) < 0 &&
		    w->state == MPROC__WORKER_READY)
			r = fault;
	mproc__pool_leave(pool);
	return r;
}

/* These do not take the pool's lock, so that a sink may call them. */
int
mproc_pool_log_capture(struct mproc_pool *pool, const char *name,
    const struct mproc_sink *sink, bool propagate)
{
	int r;

	if ((r = mproc__pool_check_owner(pool)) < 0)
		return r;
	return mproc__log_capture(&pool->captures, name != NULL ? name : "",
	    sink, propagate);
}

int
mproc_pool_log_release(struct mproc_pool *pool, const char *name)
{
	int r;

	if ((r = mproc__pool_check_owner(pool)) < 0)
		return r;
	return mproc__log_release(&pool->captures, name != NULL ? name : "");
}

int
mproc_pool_set_offload(struct mproc_pool *pool, enum mproc_offload to)
{
	int r;

	if (to < MPROC_OFFLOAD_ON || to > MPROC_OFFLOAD_OFF_STICKY)
		return mproc__err(-EINVAL, "no such state of offload");
	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (to == MPROC_OFFLOAD_ON ||
	    (to == MPROC_OFFLOAD_ON_IF && !pool->offload_sticky))
		pool->offload_off = pool->offload_sticky = false;
	else if (to != MPROC_OFFLOAD_ON_IF)
		pool->offload_off = true;
	if (to == MPROC_OFFLOAD_OFF_STICKY)
		pool->offload_sticky = true;
	mproc__pool_schedule(pool);
	mproc__pool_leave(pool);
	return 0;
}

int
mproc_pool_set_fail_open(struct mproc_pool *pool, bool fail_open)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	pool->opt.fail_open = fail_open;
	mproc__pool_schedule(pool);
	mproc__pool_leave(pool);
	return 0;
}

static bool
is_served(const struct mproc__worker *w)
{
	return w->state == MPROC__WORKER_READY ||
	    w->state == MPROC__WORKER_CLOSED;
}

/* Room for a notification to all?  Else hear of it where there is none. */
static bool
all_have_room(void *arg)
{
	struct mproc_pool *pool = arg;
	struct mproc__worker *w;

	for (w = pool->all.first; w != NULL; w = w->next) {
		if (!is_served(w) || mproc__notify_room(w->p))
			continue;
		mproc__notify_watch(w->p, pool->epfd, w);
		return mproc__notify_room(w->p);
	}
	return true;
}

/* To one: at once, or before its next job. */
static int
notify(struct mproc__worker *w, const struct mproc_schema *schema,
    const void *args, bool urgent)
{
	int r;

	if (urgent)
		return mproc__notify(w->p, schema, args);
	mproc__batch_flush(w->p);
	if ((r = mproc_send_typed(w->p, schema, args)) == 0)
		w->seq++;	/* it is begun in its turn, too */
	return r;
}

/* What dies meanwhile is not counted: its death will tell. */
static int
notify_all(struct mproc_pool *pool, const struct mproc_schema *schema,
    const void *args, bool urgent)
{
	struct mproc__worker *w;
	int r = 0, n = 0;

	for (w = pool->all.first; w != NULL; w = w->next) {
		if (!is_served(w))
			continue;
		if ((r = notify(w, schema, args, urgent)) == 0)
			n++;
		else if (r != -EPIPE)
			return r;
	}
	return n > 0 ? n : mproc__err(-ENOTCONN, "pool %s has no worker that "
	    "is ready", pool->name);
}

int
mproc_pool_notify_typed(struct mproc_pool *pool, int wait_ms,
    const struct mproc_schema *schema, const void *args)
{
	bool urgent;
	int r = 0;

	if (schema == NULL)
		return mproc__err(-EINVAL, "no message given");
	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	urgent = mproc__index_check_urgent(&pool->index, schema) == 0;
	if (urgent && !all_have_room(pool)) {
		r = wait_ms == 0 ? -EAGAIN : mproc__pool_wait(pool,
		    all_have_room, pool, mproc__deadline(wait_ms));
		if (r == -EAGAIN || r == -ETIMEDOUT)
			r = mproc__err(r, "a worker of pool %s has no room "
			    "for a notification", pool->name);
	}
	if (r == 0)
		r = notify_all(pool, schema, args, urgent);
	mproc__pool_leave(pool);
	return r;
}

void
mproc__pool_add_logs(struct mproc_pool_stats *st, struct mproc__worker *w)
{
	struct mproc_stats s = w->p->total;

	if (w->p->status != MPROC_STATUS_DEAD)
		mproc__stats_add(w->p, &s);
	st->logs += s.logs;
	st->logs_dropped += s.logs_dropped;
}

int
mproc_pool_stats(struct mproc_pool *pool, struct mproc_pool_stats *ret)
{
	struct mproc__worker *w;
	int r;

	if (ret == NULL)
		return mproc__err(-EINVAL, "no place for the stats");
	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (!mproc__pool_in_callback(pool))
		mproc__pool_work(pool);
	*ret = pool->st;
	ret->queued = pool->n_queued;
	ret->running = pool->n_out;
	ret->configured = (unsigned)pool->opt.workers;
	ret->workers = pool->n_ready;
	ret->starting = pool->n_starting;
	ret->broken = pool->broken;
	for (w = pool->all.first; w != NULL; w = w->next) {
		mproc__pool_add_logs(ret, w);
		if (w->state == MPROC__WORKER_STOPPING)
			ret->stopping++;
		else if (w->state == MPROC__WORKER_STARTING)
			continue;
		else if (w->out.n > 0)
			ret->busy++;
		else
			ret->idle++;
	}
	mproc__pool_leave(pool);
	return 0;
}

const char *
mproc_pool_name(const struct mproc_pool *pool)
{
	return pool != NULL ? pool->name : "";
}

const struct mproc_class *
mproc_pool_class_of(const struct mproc_pool *pool)
{
	return pool != NULL ? pool->index.class : NULL;
}

int
mproc_pool_stop(struct mproc_pool *pool, int grace_ms)
{
	int r;

	if ((r = mproc__pool_hold(pool)) < 0)
		return r;
	(void)mproc_pool_close(pool);
	if ((r = mproc_pool_join(pool, grace_ms)) == -ETIMEDOUT) {
		(void)mproc_pool_terminate(pool);
		mproc__err(r, "pool %s had to be terminated after %d ms",
		    pool->name, grace_ms);
	}
	mproc__pool_let_go(pool);
	return r;
}

void
mproc_pool_done(struct mproc_pool **pool)
{
	struct mproc_pool *held = *pool;
	int r;

	if (held == NULL)
		return;
	if ((r = mproc__pool_hold(held)) == 0)
		(void)mproc_pool_stop(held, mproc__pool_grace(&held->opt));
	*pool = mproc_pool_free(held);
	if (r == 0)
		mproc__pool_let_go(held);
}
