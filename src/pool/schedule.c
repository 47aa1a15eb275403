/*
 * schedule.c - which worker gets which job, and waiting for what comes of it.
 *
 * Invariants, whenever the lock is free:
 *  - a job waits in the queue only if no worker has room;
 *  - what was given to a worker that had nothing to do has been written;
 *  - the timerfd, if somebody may sleep on epfd, is set to next_timer.
 */
#include <sys/epoll.h>

#include <stdlib.h>
#include <unistd.h>

#include "pool/pool.h"

#define EVENTS		64
/*
 * To wake a worker costs as much as several quick jobs: one that is asleep
 * again, faster than jobs come, is woken for so many runs of them.
 */
#define RUNS_WAKE	4

static void
settime(struct mproc_pool *pool, int64_t when)
{
	if (pool->armed == when)
		return;
	(void)mproc__timer_set(pool->timerfd, when);
	pool->armed = when;
}

/* Something has to be done at that time. */
void
mproc__pool_time(struct mproc_pool *pool, int64_t when)
{
	if (when < pool->next_timer)
		pool->next_timer = when;
	if (pool->leading || pool->outer >= 0 || pool->n_futures_fd > 0)
		settime(pool, pool->next_timer);
}

/* The leader sleeps, and has something to look at. */
void
mproc__pool_kick(struct mproc_pool *pool)
{
	uint64_t one = 1;

	if (!pool->leading || pool->kicked)
		return;
	pool->kicked = true;
	(void)!write(pool->wakefd, &one, sizeof(one));
}

/* The user's descriptor is readable for what the pool has for him. */
void
mproc__pool_flag(struct mproc_pool *pool)
{
	struct epoll_event ev = { .events = 0 };
	struct mproc_stream *s;
	bool flag;

	if (pool->outer < 0)
		return;
	flag = pool->calls != NULL || pool->news != NULL ||
	    mproc__stream_has(&pool->puts) ||
	    (pool->want_room && mproc__pool_has_room(pool));
	for (s = pool->streams; s != NULL && !flag; s = s->next)
		flag = mproc__stream_has(s);
	if (flag == pool->flagged)
		return;
	ev.events = flag ? EPOLLIN : 0;
	if (epoll_ctl(pool->outer, EPOLL_CTL_MOD, pool->flagfd, &ev) == 0)
		pool->flagged = flag;
}

void
mproc__pool_flush(struct mproc_pool *pool)
{
	struct mproc__worker *w;

	while ((w = pool->dirty) != NULL) {
		pool->dirty = w->dirty_next;
		w->dirty = false;
		mproc__batch_flush(w->p);
	}
}

/* Until the token comes it waits aside, and lets others pass. */
static bool
get_token(struct mproc_pool *pool, struct mproc__job *job)
{
	if (job->limiter == NULL || job->has_token)
		return true;
	if (mproc__limiter_take(job->limiter, pool)) {
		job->has_token = true;
		return true;
	}
	mproc__jobs_del(job);
	mproc__jobs_add(&pool->limited, job);
	return false;
}

/* If it cannot have it, it waits again. */
static void
hand(struct mproc_pool *pool, struct mproc__worker *w,
    struct mproc__job *job)
{
	int r;

	pool->n_queued--;
	if ((r = mproc__worker_give(w, job)) == -EPIPE || r == -ESHUTDOWN) {
		/* it is dead, or will be: the job has not left */
		mproc__job_requeue(pool, job);
		return;
	}
	if (r < 0) {		/* no memory, no descriptors */
		mproc__job_end(pool, job, r, NULL, mproc__err_code() == r ?
		    mproc__err_text() : NULL, NULL);
		return;
	}
	if (!w->dirty) {
		w->dirty = true;
		w->dirty_next = pool->dirty;
		pool->dirty = w;
	}
	if (w->left == w->run && (w->run == 1 ||
	    ++w->runs % RUNS_WAKE == 0 || !mproc__batch_sleeps(w->p)))
		mproc__batch_flush(w->p);
}

/* To a worker with room; or it stays where it was, or waits aside. */
static void
give(struct mproc_pool *pool, struct mproc__worker *w,
    struct mproc__job *job)
{
	if (!get_token(pool, job))
		return;
	mproc__jobs_del(job);
	hand(pool, w, job);
}

static struct mproc__worker *
next_worker(struct mproc_pool *pool)
{
	if (mproc__pool_is_local(pool)) {
		if (pool->local == NULL || pool->local->room == NULL)
			return NULL;
		return pool->local;
	}
	return pool->idle.first != NULL ? pool->idle.first :
	    pool->partial.first;
}

static void
schedule_keyed(struct mproc_pool *pool)
{
	struct mproc__worker *w;
	int i;

	for (i = 0; i < pool->opt.workers; i++) {
		w = pool->slots[i];
		if (mproc__pool_is_local(pool))
			w = pool->local;
		while (pool->keyed[i].first != NULL && w != NULL &&
		    w->room != NULL)
			give(pool, w, pool->keyed[i].first);
	}
}

/* Tokens may be free again: let those that wait for one try. */
static void
unlimit(struct mproc_pool *pool)
{
	struct mproc__job *job;

	while ((job = pool->limited.last) != NULL) {
		mproc__jobs_del(job);
		if (job->key != 0)
			mproc__jobs_add_first(&pool->keyed[job->key %
			    (unsigned)pool->opt.workers], job);
		else
			mproc__jobs_add_first(&pool->queue, job);
	}
}

/* Those that were idle are not kept waiting. */
static void
wake_idle(struct mproc_pool *pool)
{
	if (pool->dirty != NULL && pool->dirty->out.n == 1)
		mproc__pool_flush(pool);
}

/* Only the queue has jobs, no worker has room, and no more are to come. */
static bool
is_full(const struct mproc_pool *pool)
{
	return pool->n_queued == pool->queue.n && pool->idle.first == NULL &&
	    pool->partial.first == NULL && !mproc__pool_is_local(pool) &&
	    pool->n_active == (unsigned)pool->opt.workers;
}

void
mproc__pool_schedule(struct mproc_pool *pool)
{
	struct mproc__worker *w;

	if (is_full(pool))
		return;
	if (pool->n_queued > pool->queue.n + pool->limited.n)
		schedule_keyed(pool);
	while (pool->queue.first != NULL &&
	    (w = next_worker(pool)) != NULL)
		give(pool, w, pool->queue.first);
	if (pool->n_queued > pool->limited.n)
		mproc__pool_staff(pool);	/* more workers? */
	wake_idle(pool);
}

void
mproc__pool_give(struct mproc_pool *pool, struct mproc__job *job)
{
	struct mproc__worker *w;

	pool->n_queued++;
	if (job->key != 0) {
		mproc__jobs_add(&pool->keyed[job->key %
		    (unsigned)pool->opt.workers], job);
	} else if (job->limiter != NULL || pool->queue.first != NULL ||
	    (w = next_worker(pool)) == NULL) {
		mproc__jobs_add(&pool->queue, job);
	} else {		/* the short way */
		hand(pool, w, job);
		if (pool->queue.first == NULL) {
			wake_idle(pool);
			return;
		}
	}
	mproc__pool_schedule(pool);
}

static void
on_wake(struct mproc_pool *pool)
{
	uint64_t n;

	pool->kicked = false;
	(void)!read(pool->wakefd, &n, sizeof(n));
	unlimit(pool);
}

static void
take_events(struct mproc_pool *pool, const struct epoll_event *ev, int n)
{
	uint64_t ticks;
	int i;

	for (i = 0; i < n; i++) {
		if (ev[i].data.ptr == &pool->wakefd) {
			on_wake(pool);
		} else if (ev[i].data.ptr == &pool->timerfd) {
			(void)!read(pool->timerfd, &ticks, sizeof(ticks));
			pool->armed = 0;
		} else {
			mproc__worker_work(ev[i].data.ptr);
		}
	}
}

/* Only now: an event may name it, and jobs may hold it. */
static void
bury_dead(struct mproc_pool *pool)
{
	struct mproc__worker *w;

	while ((w = pool->dead) != NULL) {
		pool->dead = w->next;
		mproc__pool_add_logs(&pool->st, w);
		mproc_free(w->p);
		free(w);
	}
}

static void
round_of(struct mproc_pool *pool, const struct epoll_event *ev, int n)
{
	uint64_t ended = pool->ended;
	int64_t now;

	take_events(pool, ev, n);
	if (pool->next_timer != MPROC__NEVER &&
	    (now = mproc__now_ns()) >= pool->next_timer) {
		pool->next_timer = MPROC__NEVER;
		mproc__pool_time(pool, mproc__pool_timers(pool, now));
	}
	mproc__pool_schedule(pool);
	if (pool->state == MPROC__POOL_CLOSED)
		mproc__pool_wind_up(pool);
	mproc__pool_flush(pool);
	bury_dead(pool);
	mproc__pool_flag(pool);
	if (pool->ended != ended && pool->waiting > 0)
		pthread_cond_broadcast(&pool->cond);
}

/* What can be done without waiting. */
void
mproc__pool_work(struct mproc_pool *pool)
{
	struct epoll_event ev[EVENTS];
	int n;

	mproc__pool_flush(pool);
	n = epoll_wait(pool->epfd, ev, EVENTS, 0);
	round_of(pool, ev, n);
	if (pool->leading)
		mproc__pool_kick(pool);
}

static void
lead(struct mproc_pool *pool, int64_t deadline)
{
	struct epoll_event ev[EVENTS];
	int n, timeout;

	mproc__pool_flush(pool);
	pool->leading = true;
	timeout = mproc__remaining_ms(mproc__min_deadline(deadline,
	    pool->next_timer));
	mproc__pool_unlock(pool);
	n = epoll_wait(pool->epfd, ev, EVENTS, timeout);
	mproc__pool_lock(pool);
	pool->leading = false;
	round_of(pool, ev, n);
}

static void
follow(struct mproc_pool *pool, int64_t deadline)
{
	struct timespec when = {
		.tv_sec = (time_t)(deadline / 1000000000),
		.tv_nsec = deadline % 1000000000
	};

	pool->waiting++;
	if (deadline == MPROC__NEVER)
		pthread_cond_wait(&pool->cond, &pool->lock);
	else
		pthread_cond_timedwait(&pool->cond, &pool->lock, &when);
	pool->waiting--;
}

int
mproc__pool_wait(struct mproc_pool *pool, bool (*ready)(void *), void *arg,
    int64_t deadline)
{
	int r;

	for (;;) {
		if (ready(arg)) {
			r = 0;
			break;
		}
		if (pool->freeing && mproc__pool_is_over(pool)) {
			r = mproc__err(-ESHUTDOWN, "pool %s was freed",
			    pool->name);
			break;
		}
		if ((r = mproc__pool_may_wait(pool)) < 0)
			break;
		if (deadline != MPROC__NEVER &&
		    mproc__now_ns() >= deadline) {
			mproc__pool_work(pool);
			r = ready(arg) ? 0 : -ETIMEDOUT;
			break;
		}
		if (pool->leading)
			follow(pool, deadline);
		else
			lead(pool, deadline);
		mproc__pool_callbacks(pool);
		mproc__pool_call_futures(pool);
	}
	if (pool->waiting > 0)
		pthread_cond_broadcast(&pool->cond);
	return r;
}
