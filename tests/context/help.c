/*
 * help.c - what the tests of the context share.
 */
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include <uv.h>

#include "help.h"

struct mproc_context *
ctx_make(void)
{
	struct mproc_context *ctx;

	assert_int_equal(mproc_context_new(NULL, NULL, &ctx), 0);
	return ctx;
}

void
stop_now(struct mproc_context *ctx, void *arg)
{
	(void)arg;
	assert_int_equal(mproc_context_stop(ctx), 0);
}

/* A test that hangs would rather fail. */
void
give_up(struct mproc_context *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	fail_msg("the context did not end in time");
}

void
ctx_run(struct mproc_context *ctx)
{
	assert_true(mproc_context_timer(ctx, BOUND_MS, 0, give_up, NULL) > 0);
	assert_int_equal(mproc_context_run(ctx), 0);
}

void
nop(struct mproc_context *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
}

void
nop_watch(struct mproc_context *ctx, int fd, int events, void *arg)
{
	(void)ctx;
	(void)fd;
	(void)events;
	(void)arg;
}

void
count(struct mproc_context *ctx, void *arg)
{
	(void)ctx;
	++*(int *)arg;
}

void
make_pipe(int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

void
close_pipe(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

void
prime_libuv(void)
{
	uv_loop_t loop;

	if (uv_loop_init(&loop) == 0)
		uv_loop_close(&loop);
}
