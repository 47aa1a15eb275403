/*
 * default.c - the pools that are there without being asked for, and scopes.
 *
 * The list of default pools is one of the few things that the library keeps
 * for the whole process, and only from the first use on.  After a fork the
 * pools in it are the parent's, and are passed over.
 */
#include <pthread.h>
#include <stdlib.h>

#include <mproc/function.h>

#include "pool/pool.h"

#define IDLE_MS		600000

struct mproc__default {
	struct mproc__default *next;
	struct mproc_pool *pool;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mproc__default *defaults;
static struct mproc_pool_options default_options;
static bool is_set;
static _Thread_local struct mproc_pool_scope *scope;

static bool
is_ours(const struct mproc_pool *pool)
{
	return pool->fork_generation == mproc__fork_generation();
}

static struct mproc_pool *
find(const struct mproc__default *d, const struct mproc_class *cls)
{
	for (; d != NULL; d = d->next)
		if (d->pool->index.class == cls && is_ours(d->pool))
			return d->pool;
	return NULL;
}

static int
make(struct mproc__default **list, const struct mproc_class *cls,
    const struct mproc_pool_options *options, struct mproc_pool **ret_pool)
{
	static const struct mproc_pool_options usual = {
		.min_workers = -1, .idle_ms = IDLE_MS
	};
	struct mproc__default *d;
	int r;

	if ((d = malloc(sizeof(*d))) == NULL)
		return -ENOMEM;
	r = mproc_pool_new(cls, options != NULL ? options : &usual,
	    &d->pool);
	if (r < 0) {
		free(d);
		return r;
	}
	if ((r = mproc_pool_start(d->pool)) < 0) {
		mproc_pool_free(d->pool);
		free(d);
		return r;
	}
	d->next = *list;
	*list = d;
	*ret_pool = d->pool;
	return 0;
}

int
mproc_pool_default(const struct mproc_class *cls,
    struct mproc_pool **ret_pool)
{
	struct mproc_pool *pool;
	int r = 0;

	if (cls == NULL || ret_pool == NULL)
		return mproc__err(-EINVAL, "no class or no place given");
	if (scope != NULL) {
		if ((pool = find(scope->pools, cls)) != NULL)
			*ret_pool = pool;
		else
			r = make(&scope->pools, cls, scope->options,
			    ret_pool);
		return r;
	}
	pthread_mutex_lock(&lock);
	if ((pool = find(defaults, cls)) != NULL)
		*ret_pool = pool;
	else
		r = make(&defaults, cls, is_set ? &default_options : NULL,
		    ret_pool);
	pthread_mutex_unlock(&lock);
	return r;
}

int
mproc_pool_set_default(const struct mproc_pool_options *options)
{
	const struct mproc__default *d;
	int r = 0;

	pthread_mutex_lock(&lock);
	for (d = defaults; d != NULL && !is_ours(d->pool); d = d->next)
		;
	if (d != NULL)
		r = mproc__err(-EBUSY, "there is a default pool, of class %s",
		    d->pool->index.class->name);
	else if ((is_set = options != NULL))
		default_options = *options;
	pthread_mutex_unlock(&lock);
	return r;
}

/* Within one deadline for all. */
static int
stop_all(struct mproc__default *list, int grace_ms)
{
	int64_t deadline = mproc__deadline(grace_ms);
	struct mproc__default *d;
	int r, worst = 0;

	for (d = list; d != NULL; d = d->next)
		if (is_ours(d->pool))
			(void)mproc_pool_close(d->pool);
	while ((d = list) != NULL) {
		list = d->next;
		if (is_ours(d->pool) &&
		    (r = mproc_pool_stop(d->pool,
		    mproc__remaining_ms(deadline))) < 0)
			worst = r;
		mproc_pool_free(d->pool);
		free(d);
	}
	return worst;
}

int
mproc_pool_default_stop(int grace_ms)
{
	struct mproc__default *list;

	pthread_mutex_lock(&lock);
	list = defaults;
	defaults = NULL;
	pthread_mutex_unlock(&lock);
	return stop_all(list, grace_ms);
}

struct mproc_pool_scope *
mproc_pool_scope_begin(struct mproc_pool_scope *s)
{
	s->outer = scope;
	scope = s;
	return s;
}

void
mproc_pool_scope_end(struct mproc_pool_scope *s)
{
	scope = s->outer;
	(void)stop_all(s->pools, mproc__pool_grace(s->options));
	s->pools = NULL;
}
