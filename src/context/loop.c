/*
 * loop.c - rounds of the loop, and the three ways to make them: run, in a
 * foreign loop, and (thread.c) in a thread.
 */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "context/context.h"
#include "future/future.h"

#define EVENTS	64

static void
on_timerfd(struct mproc_context *ctx, struct mproc__source *s,
    uint32_t events)
{
	uint64_t n;

	(void)events;
	(void)!read(s->fd, &n, sizeof(n));
	ctx->armed_ns = MPROC__NEVER;
}

static int64_t
next_due(struct mproc_context *ctx)
{
	return mproc__min_deadline(mproc__timers_next(ctx),
	    mproc__uv_next(ctx));
}

/* Within a round there is no use in it: dispatch arms when it is done. */
void
mproc__context_arm(struct mproc_context *ctx)
{
	int64_t due;

	if (ctx->timerfd.fd < 0 || ctx->in_round ||
	    (due = next_due(ctx)) == ctx->armed_ns)
		return;
	(void)mproc__timer_set(ctx->timerfd.fd, due);
	ctx->armed_ns = due;
}

int
mproc_context_fd(struct mproc_context *ctx)
{
	int fd, r;

	if ((r = mproc__context_enter(ctx)) < 0)
		return r;
	if (ctx->timerfd.fd >= 0)
		return ctx->epfd;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return mproc__fd_error(errno, "a context's descriptor");
	ctx->timerfd.ready = on_timerfd;
	ctx->timerfd.fixed = true;
	if ((r = mproc__source_add(ctx, &ctx->timerfd, fd, EPOLLIN)) < 0) {
		mproc__close(fd);
		return r;
	}
	mproc__context_arm(ctx);
	if (ctx->state == MPROC__CONTEXT_NEW)
		mproc__context_kick(ctx);	/* the start is to be done */
	return ctx->epfd;
}

static void
take_events(struct mproc_context *ctx, const struct epoll_event *ev, int n)
{
	struct mproc__source *s;
	int i;

	for (i = 0; i < n; i++) {
		s = mproc__source_of(ctx, (int)(uint32_t)ev[i].data.u64);
		if (s != NULL && s->serial == ev[i].data.u64 >> 32)
			s->ready(ctx, s, ev[i].events);
	}
}

void
mproc__context_round(struct mproc_context *ctx, int64_t deadline)
{
	struct epoll_event ev[EVENTS];
	int n;

	deadline = mproc__min_deadline(deadline, next_due(ctx));
	ctx->in_round = true;
	n = epoll_wait(ctx->epfd, ev, EVENTS, mproc__remaining_ms(deadline));
	take_events(ctx, ev, n);
	mproc__timers_expire(ctx);
	mproc__uv_turn(ctx);
	ctx->in_round = false;
	mproc__sources_bury(ctx);
	mproc__context_advance(ctx);
	mproc__future_call();	/* of what was completed beside */
}

int
mproc__context_claim(struct mproc_context *ctx)
{
	int r;

	if ((r = mproc__context_check(ctx)) < 0)
		return r;
	if (atomic_exchange(&ctx->busy, true)) {
		if (pthread_equal(atomic_load(&ctx->owner), pthread_self()))
			return mproc__err(-EDEADLK, "context %s: in a "
			    "callback", ctx->name);
		return mproc__err(-EALREADY, "context %s runs already",
		    ctx->name);
	}
	if (ctx->state != MPROC__CONTEXT_NEW &&
	    !pthread_equal(atomic_load(&ctx->owner), pthread_self())) {
		atomic_store(&ctx->busy, false);
		return mproc__err(-EPERM, "context %s belongs to another "
		    "thread", ctx->name);
	}
	atomic_store(&ctx->owner, pthread_self());
	return 0;
}

int
mproc__context_loop_until_end(struct mproc_context *ctx)
{
	while (ctx->state != MPROC__CONTEXT_ENDED)
		mproc__context_round(ctx, MPROC__NEVER);
	return mproc__context_result(ctx);
}

int
mproc__context_leave(struct mproc_context *ctx, int r)
{
	if (atomic_load(&ctx->free_asked)) {
		(void)mproc__context_loop_until_end(ctx);
		mproc__context_release(ctx);
		return r;
	}
	mproc__context_arm(ctx);
	atomic_store(&ctx->busy, false);
	return r;
}

int
mproc_context_run(struct mproc_context *ctx)
{
	int r;

	if ((r = mproc__context_claim(ctx)) < 0)
		return r;
	if (ctx->state == MPROC__CONTEXT_ENDED)
		return mproc__context_leave(ctx, mproc__err(-ESHUTDOWN,
		    "context %s has run", ctx->name));
	if (ctx->state != MPROC__CONTEXT_NEW ||
	    (r = mproc__context_start(ctx)) == 0)
		r = mproc__context_loop_until_end(ctx);
	return mproc__context_leave(ctx, r);
}

int
mproc_context_dispatch(struct mproc_context *ctx, int timeout_ms)
{
	int64_t deadline = mproc__deadline(timeout_ms);
	int r;

	if ((r = mproc__context_claim(ctx)) < 0)
		return r;
	if (ctx->state == MPROC__CONTEXT_ENDED)
		return mproc__context_leave(ctx, mproc__err(-ESHUTDOWN,
		    "context %s has ended", ctx->name));
	ctx->calls = 0;
	if (ctx->state == MPROC__CONTEXT_NEW)
		r = mproc__context_start(ctx);
	while (r == 0 && ctx->state != MPROC__CONTEXT_ENDED) {
		mproc__context_round(ctx, deadline);
		if (ctx->calls > 0 || mproc__now_ns() >= deadline)
			break;
	}
	if (r == 0 && ctx->state == MPROC__CONTEXT_ENDED) {
		r = mproc__context_result(ctx);
		r = r < 0 ? r : -ESHUTDOWN;
	} else if (r == 0) {
		r = ctx->calls;
	}
	return mproc__context_leave(ctx, r);
}

int
mproc_context_stop(struct mproc_context *ctx)
{
	int r, saved = errno;

	if ((r = mproc__context_check(ctx)) < 0)
		return r;
	atomic_store(&ctx->stop_asked, true);
	mproc__context_kick(ctx);
	errno = saved;
	return 0;
}

int
mproc_context_fail(struct mproc_context *ctx, int code, const char *fmt, ...)
{
	char text[sizeof(ctx->why)];
	va_list ap;
	int r;

	if ((r = mproc__context_check(ctx)) < 0)
		return r;
	if (code >= 0)
		code = -EINVAL;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (mproc_context_going(ctx))
		mproc__context_set_result(ctx, code, text);
	(void)mproc_context_stop(ctx);
	return code;
}

bool
mproc_context_going(const struct mproc_context *ctx)
{
	return ctx != NULL && !atomic_load(&ctx->stop_asked);
}

static int
enqueue(struct mproc_context *ctx, struct mproc__post *post)
{
	bool closed;

	pthread_mutex_lock(&ctx->lock);
	closed = ctx->posts_closed;
	if (!closed) {
		*ctx->posts_end = post;
		ctx->posts_end = &post->next;
		mproc__context_kick(ctx);
	}
	pthread_mutex_unlock(&ctx->lock);
	return closed ? mproc__err(-ESHUTDOWN, "context %s has ended",
	    ctx->name) : 0;
}

int
mproc_context_post(struct mproc_context *ctx, mproc_context_timer_fn *fn,
    void *arg)
{
	struct mproc__post *post;
	int r;

	if ((r = mproc__context_check(ctx)) < 0)
		return r;
	if (fn == NULL)
		return mproc__err(-EINVAL, "no function to call");
	if ((post = malloc(sizeof(*post))) == NULL)
		return mproc__err(-ENOMEM, "no memory to post a call");
	*post = (struct mproc__post){ .fn = fn, .arg = arg };
	if ((r = enqueue(ctx, post)) < 0)
		free(post);
	return r;
}

/* What was posted in time, in order. */
void
mproc__posts_run(struct mproc_context *ctx)
{
	struct mproc__post *post;

	pthread_mutex_lock(&ctx->lock);
	while ((post = ctx->posts) != NULL) {
		/* one by one: the end may forget the rest */
		if ((ctx->posts = post->next) == NULL)
			ctx->posts_end = &ctx->posts;
		pthread_mutex_unlock(&ctx->lock);
		if (!mproc__context_is_quiet(ctx)) {
			ctx->calls++;
			post->fn(ctx, post->arg);
		}
		free(post);
		pthread_mutex_lock(&ctx->lock);
	}
	pthread_mutex_unlock(&ctx->lock);
}

void
mproc__posts_done(struct mproc_context *ctx)
{
	struct mproc__post *post;

	pthread_mutex_lock(&ctx->lock);
	ctx->posts_closed = true;
	while ((post = ctx->posts) != NULL) {
		ctx->posts = post->next;
		free(post);
	}
	ctx->posts_end = &ctx->posts;
	pthread_mutex_unlock(&ctx->lock);
}
