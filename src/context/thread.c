/*
 * thread.c - the context in a thread of its own.
 *
 * The lock is held while the thread is made, and is the first thing that the
 * thread takes: so it sees all of the context, and nobody touches a context
 * any more that its thread may have freed.
 */
#include <signal.h>

#include "context/context.h"

static void *
thread_main(void *arg)
{
	struct mproc_context *ctx = arg;

	pthread_mutex_lock(&ctx->lock);
	pthread_mutex_unlock(&ctx->lock);
	(void)mproc__context_loop_until_end(ctx);
	if (atomic_load(&ctx->free_asked)) {
		/* by a callback: nobody will join this thread */
		(void)pthread_detach(pthread_self());
		mproc__context_release(ctx);
		return NULL;
	}
	pthread_mutex_lock(&ctx->lock);
	ctx->thread_ended = true;
	atomic_store(&ctx->busy, false);
	pthread_cond_broadcast(&ctx->thread_cond);
	pthread_mutex_unlock(&ctx->lock);
	return NULL;
}

/* Locked. */
static int
make_thread(struct mproc_context *ctx)
{
	sigset_t old;
	int r;

	mproc__context_mask(&old);
	r = pthread_create(&ctx->thread, NULL, thread_main, ctx);
	mproc__context_unmask(&old);
	if (r != 0)
		return mproc__err(-r, "context %s: no thread could be made",
		    ctx->name);
	ctx->threaded = true;
	atomic_store(&ctx->owner, ctx->thread);
	return 0;
}

int
mproc_context_run_as_thread(struct mproc_context *ctx)
{
	int r;

	if ((r = mproc__context_claim(ctx)) < 0)
		return r;
	if (ctx->state == MPROC__CONTEXT_ENDED)
		return mproc__context_leave(ctx, mproc__err(-ESHUTDOWN,
		    "context %s has run", ctx->name));
	if (ctx->state != MPROC__CONTEXT_NEW)
		return mproc__context_leave(ctx, mproc__err(-EALREADY,
		    "context %s is dispatched by this thread", ctx->name));
	if ((r = mproc__context_start(ctx)) < 0)
		return mproc__context_leave(ctx, r);
	if (ctx->state == MPROC__CONTEXT_ENDED) {
		/* stopped before it began: as a thread that is through */
		ctx->threaded = ctx->joined = true;
		return mproc__context_leave(ctx, mproc__context_result(ctx));
	}
	pthread_mutex_lock(&ctx->lock);
	r = make_thread(ctx);
	pthread_mutex_unlock(&ctx->lock);
	if (r == 0)
		return 0;
	(void)mproc_context_stop(ctx);
	(void)mproc__context_loop_until_end(ctx);
	return mproc__context_leave(ctx, r);
}

/* Has the thread ended by the deadline? */
static bool
wait_ended(struct mproc_context *ctx, int64_t deadline)
{
	struct timespec when = {
		.tv_sec = (time_t)(deadline / 1000000000),
		.tv_nsec = deadline % 1000000000
	};
	bool ended;
	int r = 0;

	pthread_mutex_lock(&ctx->lock);
	while (!ctx->thread_ended && r == 0) {
		if (deadline == MPROC__NEVER)
			r = pthread_cond_wait(&ctx->thread_cond, &ctx->lock);
		else
			r = pthread_cond_timedwait(&ctx->thread_cond,
			    &ctx->lock, &when);
	}
	ended = ctx->thread_ended;
	pthread_mutex_unlock(&ctx->lock);
	return ended;
}

int
mproc_context_stop_thread(struct mproc_context *ctx, int timeout_ms)
{
	int r;

	if ((r = mproc_context_stop(ctx)) < 0)
		return r;
	if (!ctx->threaded)
		return mproc__err(-ENOTCONN, "context %s was not run as a "
		    "thread", ctx->name);
	if (ctx->joined)
		return mproc__context_result(ctx);
	if (pthread_equal(ctx->thread, pthread_self()))
		return mproc__err(-EDEADLK, "context %s: in a callback",
		    ctx->name);
	if (!wait_ended(ctx, mproc__deadline(timeout_ms)))
		return mproc__err(-ETIMEDOUT, "the thread of context %s has "
		    "not ended after %d ms", ctx->name, timeout_ms);
	(void)pthread_join(ctx->thread, NULL);
	ctx->joined = true;
	atomic_store(&ctx->owner, pthread_self());
	return mproc__context_result(ctx);
}
