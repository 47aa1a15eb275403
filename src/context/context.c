/*
 * context.c - making and freeing a context; who may call; its name and log.
 *
 * Invariants:
 *  - `busy` is true while a thread is in run, dispatch, the thread's main
 *    function or free; only that thread touches what has no lock or atomic.
 *  - Whoever is not busy is the owner, between such calls.
 *  - A removed source stays allocated until the round, or the start, is
 *    over, since its callback may be what removed it; and with it a process
 *    that was freed while it was a member.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "context/context.h"

static void
on_kick(struct mproc_context *ctx, struct mproc__source *s, uint32_t events)
{
	uint64_t n;

	(void)events;
	(void)!read(s->fd, &n, sizeof(n));
	mproc__context_signals_run(ctx);
	mproc__posts_run(ctx);
}

void
mproc__context_kick(struct mproc_context *ctx)
{
	const uint64_t one = 1;

	(void)!write(ctx->kick.fd, &one, sizeof(one));
}

void
mproc__context_set_result(struct mproc_context *ctx, int code,
    const char *why)
{
	pthread_mutex_lock(&ctx->lock);
	if (ctx->result == 0) {
		(void)strlcpy(ctx->why, why, sizeof(ctx->why));
		ctx->result = code;
	}
	pthread_mutex_unlock(&ctx->lock);
}

int
mproc__context_result(struct mproc_context *ctx)
{
	int r;

	pthread_mutex_lock(&ctx->lock);
	if ((r = ctx->result) < 0)
		(void)mproc__err(r, "%s", ctx->why);
	pthread_mutex_unlock(&ctx->lock);
	return r;
}

int
mproc__context_check(const struct mproc_context *ctx)
{
	if (ctx == NULL)
		return mproc__err(-EINVAL, "no context given");
	if (ctx->fork_generation != mproc__fork_generation())
		return mproc__err(-ECHILD, "context %s belongs to the "
		    "process that made it, not to its fork", ctx->name);
	return 0;
}

int
mproc__context_enter(struct mproc_context *ctx)
{
	int r;

	if ((r = mproc__context_check(ctx)) < 0)
		return r;
	if (!pthread_equal(atomic_load(&ctx->owner), pthread_self()))
		return mproc__err(-EPERM, "context %s belongs to another "
		    "thread; mproc_context_post() gets there", ctx->name);
	return 0;
}

int
mproc__context_enter_live(struct mproc_context *ctx)
{
	int r;

	if ((r = mproc__context_enter(ctx)) < 0)
		return r;
	if (ctx->state == MPROC__CONTEXT_ENDED)
		return mproc__err(-ESHUTDOWN, "context %s has ended",
		    ctx->name);
	return 0;
}

static int
open_fds(struct mproc_context *ctx)
{
	int fd, r;

	if ((ctx->epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return mproc__fd_error(errno, "a context");
	if ((fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return mproc__fd_error(errno, "a context");
	ctx->kick.ready = on_kick;
	ctx->kick.fixed = true;
	if ((r = mproc__source_add(ctx, &ctx->kick, fd, EPOLLIN)) < 0)
		mproc__close(fd);
	return r;
}

static void
locks_init(struct mproc_context *ctx)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ctx->thread_cond, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&ctx->lock, NULL);
}

/* Free a context that has ended or never began. */
void
mproc__context_release(struct mproc_context *ctx)
{
	int kick = ctx->kick.fd, timer = ctx->timerfd.fd;
	size_t fd;

	mproc__context_signals_done(ctx);
	mproc__uv_done(ctx);
	while (ctx->first != NULL)
		mproc__member_leave(ctx->first);
	for (fd = 0; fd < ctx->n_by_fd; fd++)
		if (ctx->by_fd[fd] != NULL)
			mproc__source_remove(ctx, ctx->by_fd[fd]);
	mproc__sources_bury(ctx);
	mproc__timers_done(ctx);
	mproc__posts_done(ctx);
	mproc__close(timer);
	mproc__close(kick);
	mproc__close(ctx->epfd);
	pthread_cond_destroy(&ctx->thread_cond);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx->by_fd);
	free(ctx->name);
	free(ctx);
}

int
mproc_context_new(const struct mproc_app *app, void *arg,
    struct mproc_context **ret_ctx)
{
	struct mproc_context *ctx;
	const char *name = "mproc.context";
	int r;

	if (ret_ctx == NULL)
		return mproc__err(-EINVAL, "no place for the context");
	if (app != NULL && app->start_processes == NULL)
		return mproc__err(-EINVAL, "app %s has no start_processes",
		    app->name != NULL ? app->name : "");
	if (app != NULL && app->name != NULL)
		name = app->name;
	if ((ctx = calloc(1, sizeof(*ctx))) == NULL)
		return mproc__err(-ENOMEM, "no memory for a context");
	if (app != NULL)
		ctx->app = *app;
	ctx->arg = arg;
	ctx->fork_generation = mproc__fork_generation();
	atomic_store(&ctx->owner, pthread_self());
	ctx->epfd = ctx->kick.fd = ctx->timerfd.fd = -1;
	ctx->armed_ns = ctx->order_end = MPROC__NEVER;
	ctx->posts_end = &ctx->posts;
	locks_init(ctx);
	if ((ctx->name = strdup(name)) == NULL ||
	    mproc__timer_reserve(ctx) < 0) {	/* for the ladder */
		r = mproc__err(-ENOMEM, "no memory for a context");
		goto fail;
	}
	if ((r = open_fds(ctx)) < 0)
		goto fail;
	ctx->app.name = ctx->name;
	*ret_ctx = ctx;
	return 0;
fail:
	mproc__context_release(ctx);
	return r;
}

/*
 * In a callback, or while another thread runs it: whoever runs it frees it.
 * The flag comes before the stop, so that the end finds it.
 */
static void
free_later(struct mproc_context *ctx)
{
	atomic_store(&ctx->free_asked, true);
	(void)mproc_context_stop(ctx);
}

struct mproc_context *
mproc_context_free(struct mproc_context *ctx)
{
	int saved = errno;

	if (ctx == NULL || mproc__context_check(ctx) < 0)
		return NULL;
	if (ctx->threaded &&
	    !pthread_equal(ctx->thread, pthread_self()))
		(void)mproc_context_stop_thread(ctx, -1);
	if (atomic_exchange(&ctx->busy, true)) {
		free_later(ctx);
		return NULL;
	}
	atomic_store(&ctx->owner, pthread_self());
	free_later(ctx);	/* no callbacks but close */
	if (ctx->state != MPROC__CONTEXT_NEW)
		(void)mproc__context_loop_until_end(ctx);
	mproc__context_release(ctx);
	errno = saved;
	return NULL;
}

const char *
mproc_context_name(const struct mproc_context *ctx)
{
	return ctx != NULL ? ctx->name : "";
}

struct mproc_logger *
mproc_context_logger(const struct mproc_context *ctx)
{
	return mproc_logger(ctx != NULL ? ctx->name : "");
}

int
mproc_context_set_log_level(struct mproc_context *ctx, enum mproc_level level)
{
	struct mproc__member *m;
	int r, code;

	if ((r = mproc__context_enter(ctx)) < 0)
		return r;
	if (level <= MPROC_LEVEL_DEFAULT || level > MPROC_OFF)
		return mproc__err(-EINVAL, "no such log level: %d",
		    (int)level);
	ctx->level = level;
	code = mproc_log_set_level(ctx->name, level);
	for (m = ctx->first; m != NULL; m = m->next)
		if ((r = mproc_set_log_level(m->p, level)) < 0 && code == 0)
			code = r;
	return code;
}
