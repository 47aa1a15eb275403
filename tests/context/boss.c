/*
 * boss.c - one level of a tree of processes: its backend runs a context in
 * place of the default loop.
 */
#include <poll.h>
#include <unistd.h>

#include "boss.h"

struct boss {
	struct mproc_backend base;
	struct mproc	*below;
	struct mproc_context *ctx;
};

MPROC_COMMAND(boss, pid);

static const struct mproc_handler boss_handlers[] = {
	MPROC_HANDLER(boss, pid, "not for the outside"),
};

/* What comes from below goes on upwards. */
static void
on_message(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	(void)p;
	(void)mproc_emit_msg(arg, msg);
}

static void
on_backend(struct mproc_context *ctx, int fd, int events, void *arg)
{
	(void)fd;
	(void)events;
	if (mproc_poll_once(arg, 0) == -ESHUTDOWN)
		(void)mproc_context_stop(ctx);
}

static int
pre_run(struct mproc_backend *base)
{
	const struct boss_start *start = mproc_start_args(base, boss_start);
	struct boss *self = MPROC_SELF(boss, base);
	int levels = start != NULL ? start->levels : 0, r;

	if ((r = mproc_context_new(NULL, NULL, &self->ctx)) < 0)
		return r;
	if ((r = mproc_emit(base, boss_pid, .pid = getpid(),
	    .level = levels)) < 0 || levels == 0)
		return r;
	if ((r = mproc_new(&boss_class, &(struct mproc_options){
	    .launch = MPROC_FORK,
	    .args = MPROC_PACK(boss_start, .levels = levels - 1) },
	    &self->below)) < 0)
		return r;
	return mproc_context_add(self->ctx, self->below, on_message, base);
}

static int
run(struct mproc_backend *base)
{
	struct boss *self = MPROC_SELF(boss, base);
	int r;

	if ((r = mproc_context_watch(self->ctx, mproc_backend_fd(base),
	    POLLIN, on_backend, base)) < 0)
		return r;
	return mproc_context_run(self->ctx);
}

static int
post_run(struct mproc_backend *base)
{
	struct boss *self = MPROC_SELF(boss, base);

	mproc_context_free(self->ctx);
	mproc_free(self->below);
	return 0;
}

const struct mproc_class boss_class = MPROC_CLASS("Boss", boss,
    boss_handlers, .pre_run = pre_run, .run = run, .post_run = post_run);

static int
c__pid(struct boss *self, const struct boss_pid *args,
    struct mproc_request *req)
{
	(void)self;
	(void)args;
	(void)req;
	return 0;
}
