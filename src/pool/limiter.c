/*
 * limiter.c - tokens for the jobs of several pools.
 *
 * A pool that found none is told when there may be one, by its wakefd; then
 * it tries again.  Locks: a pool's before a limiter's.
 */
#include <stdlib.h>
#include <unistd.h>

#include "pool/pool.h"

/* A pool that waits; it may wait for several limiters. */
struct waiter {
	struct waiter	*next;
	struct mproc_pool *pool;
};

struct mproc_limiter {
	pthread_mutex_t	 lock;
	int		 total, borrowed;
	struct waiter	*waiters;
	unsigned	 n_waiters;
};

int
mproc_limiter_new(int total, struct mproc_limiter **ret_limiter)
{
	struct mproc_limiter *l;

	if (total < 0 || ret_limiter == NULL)
		return mproc__err(-EINVAL, "a limiter of %d tokens", total);
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	l->total = total;
	*ret_limiter = l;
	return 0;
}

struct mproc_limiter *
mproc_limiter_free(struct mproc_limiter *l)
{
	struct waiter *w;

	if (l == NULL)
		return NULL;
	while ((w = l->waiters) != NULL) {
		l->waiters = w->next;
		free(w);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
	return NULL;
}

/* Locked: all who wait try again; it is one token, or several, for all. */
static void
wake(struct mproc_limiter *l)
{
	uint64_t one = 1;
	struct waiter *w;

	while ((w = l->waiters) != NULL && l->borrowed < l->total) {
		l->waiters = w->next;
		l->n_waiters--;
		(void)!write(w->pool->wakefd, &one, sizeof(one));
		free(w);
	}
}

static bool
take(struct mproc_limiter *l)
{
	if (l->borrowed >= l->total)
		return false;
	l->borrowed++;
	return true;
}

static void
wait_for(struct mproc_limiter *l, struct mproc_pool *pool)
{
	struct waiter **at, *w;

	for (at = &l->waiters; *at != NULL; at = &(*at)->next)
		if ((*at)->pool == pool)
			return;
	/* without memory the pool tries when its own next job ends */
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return;
	w->pool = pool;
	*at = w;
	l->n_waiters++;
}

bool
mproc__limiter_take(struct mproc_limiter *l, struct mproc_pool *pool)
{
	bool taken;

	pthread_mutex_lock(&l->lock);
	if (!(taken = take(l)))
		wait_for(l, pool);
	pthread_mutex_unlock(&l->lock);
	return taken;
}

void
mproc__limiter_give(struct mproc_limiter *l)
{
	pthread_mutex_lock(&l->lock);
	l->borrowed--;
	wake(l);
	pthread_mutex_unlock(&l->lock);
}

void
mproc__limiter_leave(struct mproc_limiter *l, struct mproc_pool *pool)
{
	struct waiter **at, *w;

	pthread_mutex_lock(&l->lock);
	for (at = &l->waiters; (w = *at) != NULL; at = &w->next) {
		if (w->pool != pool)
			continue;
		*at = w->next;
		l->n_waiters--;
		free(w);
		break;
	}
	pthread_mutex_unlock(&l->lock);
}

int
mproc_limiter_set_total(struct mproc_limiter *l, int total)
{
	if (l == NULL || total < 0)
		return mproc__err(-EINVAL, "a limiter of %d tokens", total);
	pthread_mutex_lock(&l->lock);
	l->total = total;
	wake(l);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

int
mproc_limiter_try_acquire(struct mproc_limiter *l)
{
	bool taken;

	if (l == NULL)
		return mproc__err(-EINVAL, "no limiter given");
	pthread_mutex_lock(&l->lock);
	taken = take(l);
	pthread_mutex_unlock(&l->lock);
	return taken ? 0 : -EAGAIN;
}

int
mproc_limiter_release(struct mproc_limiter *l)
{
	int r = 0;

	if (l == NULL)
		return mproc__err(-EINVAL, "no limiter given");
	pthread_mutex_lock(&l->lock);
	if (l->borrowed == 0) {
		r = mproc__err(-EINVAL, "no token of the limiter is out");
	} else {
		l->borrowed--;
		wake(l);
	}
	pthread_mutex_unlock(&l->lock);
	return r;
}

int
mproc_limiter_stats(struct mproc_limiter *l, struct mproc_limiter_stats *ret)
{
	if (l == NULL || ret == NULL)
		return mproc__err(-EINVAL, "no limiter given");
	pthread_mutex_lock(&l->lock);
	ret->total = l->total;
	ret->borrowed = l->borrowed;
	ret->waiting = l->n_waiters;
	pthread_mutex_unlock(&l->lock);
	return 0;
}
