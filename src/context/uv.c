/*
 * uv.c - libuv's loop, turned inside the context's.
 *
 * Its backend descriptor is in the context's set; its next timeout is one of
 * the context's.  It is turned, without waiting, when one of the two is due.
 * An async handle of ours is always active, or libuv would say that a loop
 * without handles has to be turned at once, for ever.
 */
#include <sys/epoll.h>

#include <stdlib.h>

#include <uv.h>

#include "context/context.h"

struct mproc__uv {
	uv_loop_t	 loop;
	uv_async_t	 keep;
	struct mproc__source backend;
	bool		 ready;		/* the backend has events */
};

static void
on_backend(struct mproc_context *ctx, struct mproc__source *s,
    uint32_t events)
{
	(void)s;
	(void)events;
	ctx->uv->ready = true;
}

static void
on_keep(uv_async_t *keep)
{
	(void)keep;
}

static void
close_one(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void
loop_done(uv_loop_t *loop)
{
	uv_walk(loop, close_one, NULL);
	while (uv_loop_close(loop) == UV_EBUSY)
		(void)uv_run(loop, UV_RUN_DEFAULT);
}

static int
make(struct mproc_context *ctx)
{
	struct mproc__uv *uv;
	int r;

	if ((uv = calloc(1, sizeof(*uv))) == NULL)
		return mproc__err(-ENOMEM, "no memory for libuv's loop");
	if ((r = uv_loop_init(&uv->loop)) < 0) {
		free(uv);
		return mproc__fd_error(-r, "libuv's loop");
	}
	uv->loop.data = ctx;
	uv->backend.ready = on_backend;
	uv->backend.fixed = true;
	if ((r = uv_async_init(&uv->loop, &uv->keep, on_keep)) < 0 ||
	    (r = mproc__source_add(ctx, &uv->backend,
	    uv_backend_fd(&uv->loop), EPOLLIN)) < 0) {
		loop_done(&uv->loop);
		free(uv);
		return r;
	}
	ctx->uv = uv;
	mproc__context_arm(ctx);
	return 0;
}

struct uv_loop_s *
mproc_context_loop(struct mproc_context *ctx)
{
	if (mproc__context_enter(ctx) < 0)
		return NULL;
	if (ctx->uv == NULL) {
		if (mproc__context_enter_live(ctx) < 0 || make(ctx) < 0)
			return NULL;
	}
	uv_update_time(&ctx->uv->loop);
	return &ctx->uv->loop;
}

int64_t
mproc__uv_next(struct mproc_context *ctx)
{
	int ms;

	if (ctx->uv == NULL || ctx->uv->backend.fd < 0)
		return MPROC__NEVER;
	uv_update_time(&ctx->uv->loop);
	ms = uv_backend_timeout(&ctx->uv->loop);
	if (ms < 0)
		return MPROC__NEVER;
	return ms == 0 ? 0 : mproc__now_ns() + ms * 1000000LL;
}

void
mproc__uv_turn(struct mproc_context *ctx)
{
	if (ctx->uv == NULL || mproc__context_is_quiet(ctx))
		return;
	if (!ctx->uv->ready && mproc__uv_next(ctx) > mproc__now_ns())
		return;
	ctx->uv->ready = false;
	ctx->calls++;
	(void)uv_run(&ctx->uv->loop, UV_RUN_NOWAIT);
}

void
mproc__uv_pause(struct mproc_context *ctx)
{
	if (ctx->uv != NULL)
		mproc__source_remove(ctx, &ctx->uv->backend);
}

void
mproc__uv_done(struct mproc_context *ctx)
{
	if (ctx->uv == NULL)
		return;
	mproc__uv_pause(ctx);
	loop_done(&ctx->uv->loop);
	free(ctx->uv);
	ctx->uv = NULL;
}
