/*
 * pool.c - the handle of a pool: made, started, asked, ended, freed.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/pool.h"

#define TERMINATE_MS	5000

int
mproc__pool_check_owner(const struct mproc_pool *pool)
{
	if (pool == NULL)
		return mproc__err(-EINVAL, "no pool given");
	if (pool->fork_generation != mproc__fork_generation())
		return mproc__err(-ECHILD, "pool %s belongs to the process "
		    "that made it, not to its fork", pool->name);
	return 0;
}

int
mproc__pool_enter(struct mproc_pool *pool)
{
	int r = mproc__pool_check_owner(pool);

	if (r < 0)
		return r;
	mproc__pool_lock(pool);
	pool->inside++;
	return 0;
}

void
mproc__pool_call_futures(struct mproc_pool *pool)
{
	if (!mproc__future_calls())
		return;
	mproc__pool_unlock(pool);
	mproc__future_call();
	mproc__pool_lock(pool);
}

static void	release(struct mproc_pool *);

/* The last that was inside, and it was freed meanwhile. */
static void
finish(struct mproc_pool *pool)
{
	(void)mproc__pool_wait(pool, mproc__pool_is_over, pool,
	    mproc__deadline(TERMINATE_MS));
	mproc__pool_callbacks(pool);
	mproc__pool_call_futures(pool);
	mproc__pool_unlock(pool);
	release(pool);
}

/* Is nobody to be called or told? */
static bool
is_quiet(const struct mproc_pool *pool)
{
	return pool->calls == NULL && pool->news == NULL &&
	    pool->poison == NULL && pool->feeds == NULL &&
	    pool->outer < 0 && pool->n_futures_fd == 0 && !pool->freeing &&
	    !mproc__future_calls();
}

void
mproc__pool_leave(struct mproc_pool *pool)
{
	struct mproc__worker *w;

	if (is_quiet(pool)) {	/* mostly */
		pool->inside--;
		mproc__pool_unlock(pool);
		return;
	}
	mproc__pool_callbacks(pool);
	/* who sleeps on a descriptor hears of what is not written yet */
	if (pool->outer >= 0 || pool->n_futures_fd > 0)
		for (w = pool->dirty; w != NULL; w = w->dirty_next)
			mproc__batch_leave(w->p);
	mproc__pool_flag(pool);
	mproc__pool_call_futures(pool);
	if (pool->freeing && pool->inside == 1) {
		finish(pool);
		return;
	}
	pool->inside--;
	mproc__pool_unlock(pool);
}

int
mproc__pool_may_wait(struct mproc_pool *pool)
{
	return mproc__pool_in_callback(pool) ? mproc__err(-EDEADLK,
	    "pool %s: a callback may not wait", pool->name) : 0;
}

int
mproc__pool_hold(struct mproc_pool *pool)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if ((r = mproc__pool_may_wait(pool)) < 0)
		mproc__pool_leave(pool);
	else
		mproc__pool_unlock(pool);
	return r;
}

void
mproc__pool_let_go(struct mproc_pool *pool)
{
	mproc__pool_lock(pool);
	mproc__pool_leave(pool);
}

static int
add_fd(struct mproc_pool *pool, int fd, void *ptr)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = ptr };

	if (fd < 0 || epoll_ctl(pool->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return mproc__fd_error(errno, "a pool");
	return 0;
}

static int
open_descriptors(struct mproc_pool *pool)
{
	int r;

	if ((pool->epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return mproc__fd_error(errno, "a pool");
	pool->timerfd = timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK);
	if ((r = add_fd(pool, pool->timerfd, &pool->timerfd)) < 0)
		return r;
	pool->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return add_fd(pool, pool->wakefd, &pool->wakefd);
}

/* The workers' start arguments: kept encoded, and decoded for each. */
static int
keep_args(struct mproc_pool *pool, const struct mproc_pack *pack)
{
	struct mproc__envelope env;
	struct mproc__poke poke;
	int i, fd, r;

	if (pack->schema == NULL)
		return 0;
	r = mproc__encode(&pool->args, MPROC__CAST, 0, pack->schema,
	    pack->args, NULL, SIZE_MAX, &pool->args_fds);
	for (i = 0; i < pool->args_fds.n; i++) {
		fd = r < 0 ? r : mproc__dup(pool->args_fds.fd[i]);
		if (fd < 0)
			r = fd;
		pool->args_fds.fd[i] = fd;
	}
	if (r < 0)
		return r;
	if (mproc__buf_reserve(&pool->args, 1) == NULL ||
	    (pool->args_struct = calloc(1, pack->schema->size + 1)) == NULL)
		return -ENOMEM;
	if ((r = mproc__envelope_read(pool->args.data, pool->args.len,
	    &env)) < 0 || (r = mproc__decode(pack->schema, env.args,
	    env.args_size, pool->args_fds.fd, pool->args_fds.n,
	    pool->args_struct, &poke)) < 0)
		return r;
	pool->opt.process.args.args = pool->args_struct;
	return 0;
}

static int
keep_options(struct mproc_pool *pool)
{
	const int *fds = pool->opt.process.keep_fds;
	const char *name = pool->opt.name != NULL ? pool->opt.name :
	    pool->index.class->name;
	int n = 0;

	if ((pool->name = strdup(name)) == NULL)
		return -ENOMEM;
	pool->opt.name = pool->name;
	while (fds != NULL && fds[n] >= 0)
		n++;
	if (fds != NULL) {
		pool->keep_fds = calloc((size_t)n + 1, sizeof(int));
		if (pool->keep_fds == NULL)
			return -ENOMEM;
		memcpy(pool->keep_fds, fds, ((size_t)n + 1) * sizeof(int));
		pool->opt.process.keep_fds = pool->keep_fds;
	}
	pool->keyed = calloc((size_t)pool->opt.workers,
	    sizeof(*pool->keyed));
	pool->slots = calloc((size_t)pool->opt.workers,
	    sizeof(struct mproc__worker *));
	if (pool->keyed == NULL || pool->slots == NULL)
		return -ENOMEM;
	return keep_args(pool, &pool->opt.process.args);
}

/* What mproc_new() would refuse is refused now. */
static int
try_process(struct mproc_pool *pool)
{
	struct mproc_options o = pool->opt.process;
	struct mproc *p;
	int r;

	if ((r = mproc_new(pool->index.class, &o, &p)) == 0)
		mproc_free(p);
	return r;
}

static struct mproc_pool *
alloc(void)
{
	struct mproc_pool *pool;
	pthread_condattr_t attr;

	if ((pool = calloc(1, sizeof(*pool))) == NULL)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->cond, &attr);
	pthread_condattr_destroy(&attr);
	pool->fork_generation = mproc__fork_generation();
	pool->epfd = pool->timerfd = pool->wakefd = -1;
	pool->outer = pool->flagfd = -1;
	pool->armed = pool->next_timer = MPROC__NEVER;
	return pool;
}

int
mproc_pool_new(const struct mproc_class *cls,
    const struct mproc_pool_options *options, struct mproc_pool **ret_pool)
{
	struct mproc_pool *pool;
	int r;

	if (ret_pool == NULL)
		return mproc__err(-EINVAL, "no place for the pool");
	if ((r = mproc_class_check(cls)) < 0)
		return r;
	if ((pool = alloc()) == NULL)
		return -ENOMEM;
	if (options != NULL)
		pool->opt = *options;
	pool->adapts = pool->opt.prefetch == 0;
	r = -ENOMEM;
	if (mproc__index_init(&pool->index, cls) < 0 ||
	    (r = mproc__pool_defaults(&pool->opt)) < 0 ||
	    (r = keep_options(pool)) < 0 || (r = try_process(pool)) < 0 ||
	    (r = open_descriptors(pool)) < 0)
		goto fail;
	mproc__stream_init(&pool->puts, pool, pool->opt.ordered,
	    pool->opt.window);
	pool->puts.reporter.fn = pool->opt.progress;
	pool->puts.reporter.arg = pool->opt.progress_arg;
	*ret_pool = pool;
	return 0;

fail:
	mproc_pool_free(pool);
	return r;
}

static void
release(struct mproc_pool *pool)
{
	struct mproc__job *job;
	int i;

	mproc__log_captures_done(&pool->captures);
	mproc__stream_done(&pool->puts);
	mproc__buf_done(&pool->scratch);
	mproc__inits_free(pool);
	while ((job = pool->spare) != NULL) {
		pool->spare = job->next;
		free(job);
	}
	for (i = 0; i < pool->args_fds.n; i++)
		mproc__close(pool->args_fds.fd[i]);
	free(pool->args_struct);
	mproc__buf_done(&pool->args);
	mproc__close(pool->outer);
	mproc__close(pool->flagfd);
	mproc__close(pool->epfd);
	mproc__close(pool->timerfd);
	mproc__close(pool->wakefd);
	mproc__index_done(&pool->index);
	pthread_cond_destroy(&pool->cond);
	pthread_mutex_destroy(&pool->lock);
	free(pool->keep_fds);
	free(pool->keyed);
	free(pool->slots);
	free(pool->name);
	free(pool);
}

/* No more of anything; does not wait for it. */
static void
end_all(struct mproc_pool *pool)
{
	struct mproc__worker *w, *next;

	pool->state = MPROC__POOL_CLOSED;
	pool->terminating = true;
	mproc__feeds_end(pool, -ECANCELED);
	(void)mproc__pool_drop_queue(pool, -ECANCELED,
	    "the pool was terminated");
	for (w = pool->all.first; w != NULL; w = next) {
		next = w->next;
		mproc__worker_kill(w);
	}
	mproc__pool_kick(pool);
}

struct mproc_pool *
mproc_pool_free(struct mproc_pool *pool)
{
	if (pool == NULL)
		return NULL;
	if (pool->fork_generation != mproc__fork_generation() ||
	    pool->wakefd < 0) {
		release(pool);
		return NULL;
	}
	/* whoever leaves last releases it: a callback is not that one */
	(void)mproc__pool_enter(pool);
	pool->freeing = true;
	end_all(pool);
	mproc__pool_leave(pool);
	return NULL;
}

int
mproc_pool_start_nowait(struct mproc_pool *pool)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (pool->state != MPROC__POOL_NEW) {
		r = mproc__err(-EALREADY, "pool %s is started", pool->name);
	} else {
		pool->state = MPROC__POOL_RUNNING;
		pool->fails = 0;
		pool->broken = pool->terminating = false;
		pool->start_text[0] = '\0';
		mproc__pool_staff(pool);
	}
	mproc__pool_leave(pool);
	return r;
}

/* All that are kept ready are, or they will not be. */
static bool
is_settled(void *arg)
{
	struct mproc_pool *pool = arg;

	return pool->n_ready >= (unsigned)pool->opt.min_workers ||
	    pool->broken || pool->state != MPROC__POOL_RUNNING;
}

static bool
is_settled_or_failed(void *arg)
{
	return is_settled(arg) || ((struct mproc_pool *)arg)->fails > 0;
}

static int
await_start(struct mproc_pool *pool)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	r = mproc__pool_wait(pool, is_settled_or_failed, pool, MPROC__NEVER);
	if (r == 0 && pool->fails > 0 && !pool->opt.fail_open)
		r = pool->start_code;
	mproc__pool_leave(pool);
	return r;
}

int
mproc_pool_start(struct mproc_pool *pool)
{
	int r;

	if ((r = mproc__pool_hold(pool)) < 0)
		return r;
	if ((r = mproc_pool_start_nowait(pool)) == 0 &&
	    (r = await_start(pool)) < 0) {
		(void)mproc_pool_terminate(pool);
		mproc__err(r, "pool %s did not start: %s", pool->name,
		    pool->start_text);
	}
	mproc__pool_let_go(pool);
	return r;
}

int
mproc_pool_wait_ready(struct mproc_pool *pool, int timeout_ms)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (pool->state == MPROC__POOL_NEW)
		r = mproc__err(-ENOTCONN, "pool %s was not started",
		    pool->name);
	else if ((r = mproc__pool_wait(pool, is_settled, pool,
	    mproc__deadline(timeout_ms))) == 0 && pool->broken)
		r = mproc__err(-ECHILD, "pool %s has no workers: %s",
		    pool->name, pool->start_text);
	mproc__pool_leave(pool);
	return r;
}

int
mproc_pool_clear(struct mproc_pool *pool)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	r = mproc__pool_drop_queue(pool, -ECANCELED, "the queue was cleared");
	mproc__pool_flag(pool);
	mproc__pool_leave(pool);
	return r;
}

static int
open_outer(struct mproc_pool *pool)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if ((pool->outer = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return mproc__fd_error(errno, "a pool's descriptor");
	pool->flagfd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->flagfd < 0 || epoll_ctl(pool->outer, EPOLL_CTL_ADD,
	    pool->epfd, &ev) < 0)
		goto fail;
	ev.events = 0;
	if (epoll_ctl(pool->outer, EPOLL_CTL_ADD, pool->flagfd, &ev) < 0)
		goto fail;
	mproc__pool_time(pool, pool->next_timer);
	mproc__pool_flag(pool);
	return 0;

fail:
	mproc__close(pool->outer);
	mproc__close(pool->flagfd);
	pool->outer = pool->flagfd = -1;
	return mproc__fd_error(errno, "a pool's descriptor");
}

int
mproc_pool_fd(struct mproc_pool *pool)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	mproc__pool_flush(pool);
	if (pool->outer < 0)
		r = open_outer(pool);
	if (r == 0)
		r = pool->outer;
	mproc__pool_leave(pool);
	return r;
}

struct since {
	struct mproc_pool *pool;
	uint64_t	 ended;
};

static bool
has_ended(void *arg)
{
	struct since *s = arg;

	return s->pool->ended != s->ended;
}

int
mproc_pool_dispatch(struct mproc_pool *pool, int timeout_ms)
{
	struct since s = { pool, 0 };
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	s.ended = pool->ended;
	if ((r = mproc__pool_may_wait(pool)) == 0)
		(void)mproc__pool_wait(pool, has_ended, &s,
		    mproc__deadline(timeout_ms));
	/* whoever was told of room has looked */
	pool->want_room = pool->want_room && !mproc__pool_has_room(pool);
	mproc__pool_flag(pool);
	if (r == 0)
		r = (int)(pool->ended - s.ended);
	mproc__pool_leave(pool);
	return r;
}

int
mproc_pool_close(struct mproc_pool *pool)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (pool->state == MPROC__POOL_RUNNING) {
		pool->state = MPROC__POOL_CLOSED;
		mproc__pool_wind_up(pool);
		mproc__pool_flush(pool);
	}
	mproc__pool_leave(pool);
	return 0;
}

bool
mproc__pool_is_over(void *arg)
{
	struct mproc_pool *pool = arg;

	return pool->all.n == 0 && pool->n_queued == 0 &&
	    pool->feeds == NULL && pool->calls == NULL;
}

/* It may be started again. */
static void
reopen(struct mproc_pool *pool)
{
	if (pool->freeing)
		return;
	pool->state = MPROC__POOL_NEW;
	pool->terminating = false;
	pool->last_worker = 0;
	pool->fails = 0;
}

int
mproc_pool_join(struct mproc_pool *pool, int timeout_ms)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (pool->state == MPROC__POOL_RUNNING)
		r = mproc__err(-EBUSY, "pool %s was not closed", pool->name);
	else if (pool->state == MPROC__POOL_CLOSED &&
	    (r = mproc__puts_wait(pool, mproc__pool_is_over, pool,
	    mproc__deadline(timeout_ms))) == 0) {
		if (pool->puts.open > 0)
			mproc__puts_report(pool, true);
		reopen(pool);
	}
	mproc__pool_leave(pool);
	return r;
}

int
mproc_pool_terminate(struct mproc_pool *pool)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if ((r = mproc__pool_may_wait(pool)) == 0) {
		end_all(pool);
		r = mproc__pool_wait(pool, mproc__pool_is_over, pool,
		    mproc__deadline(TERMINATE_MS));
		if (r == 0)
			reopen(pool);
	}
	mproc__pool_leave(pool);
	return r;
}
