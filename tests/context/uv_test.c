/*
 * libuv's loop inside the context's.
 */
#include "test.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "help.h"

struct uv_state {
	struct mproc_context *ctx;
	uv_timer_t timer;
	uv_poll_t poll;
	uv_async_t async;
	int	ticks, reads, asyncs, closed;
	int	fds[2];
};

static void
on_uv_closed(uv_handle_t *h)
{
	((struct uv_state *)h->data)->closed++;
}

static void
uv_check(struct uv_state *u)
{
	if (u->ticks >= 3 && u->reads >= 1 && u->asyncs >= 1)
		mproc_context_stop(u->ctx);
}

static void
on_uv_timer(uv_timer_t *t)
{
	struct uv_state *u = t->data;

	if (++u->ticks == 1) {
		assert_int_equal(write(u->fds[1], "x", 1), 1);
		uv_async_send(&u->async);
	}
	uv_check(u);
}

static void
on_uv_poll(uv_poll_t *h, int status, int events)
{
	struct uv_state *u = h->data;
	char c;

	assert_int_equal(status, 0);
	assert_int_equal(events, UV_READABLE);
	assert_int_equal(read(u->fds[0], &c, 1), 1);
	u->reads++;
	uv_check(u);
}

static void
on_uv_async(uv_async_t *a)
{
	struct uv_state *u = a->data;

	u->asyncs++;
	uv_check(u);
}

static void
uv_begin(struct uv_state *u)
{
	uv_loop_t *loop = mproc_context_loop(u->ctx);

	assert_non_null(loop);
	assert_ptr_equal(loop, mproc_context_loop(u->ctx));
	u->timer.data = u->poll.data = u->async.data = u;
	make_pipe(u->fds);
	assert_int_equal(uv_timer_init(loop, &u->timer), 0);
	assert_int_equal(uv_timer_start(&u->timer, on_uv_timer, 5, 5), 0);
	assert_int_equal(uv_poll_init(loop, &u->poll, u->fds[0]), 0);
	assert_int_equal(uv_poll_start(&u->poll, UV_READABLE, on_uv_poll), 0);
	assert_int_equal(uv_async_init(loop, &u->async, on_uv_async), 0);
}

static void
test_libuv_inside(void **state)
{
	struct uv_state u = { .ctx = ctx_make() };

	(void)state;
	uv_begin(&u);
	ctx_run(u.ctx);
	assert_true(u.ticks >= 3);
	uv_close((uv_handle_t *)&u.timer, on_uv_closed);
	uv_close((uv_handle_t *)&u.poll, on_uv_closed);
	/* the async is left open: closed without its callback */
	assert_null(mproc_context_free(u.ctx));
	assert_int_equal(u.closed, 2);
	close_pipe(u.fds);
}

/* Seen through the context's descriptor alone. */
static void
test_libuv_inside_a_foreign_loop(void **state)
{
	struct uv_state u = { .ctx = ctx_make() };
	int fd = mproc_context_fd(u.ctx), r;

	(void)state;
	uv_begin(&u);
	assert_true(mproc_context_dispatch(u.ctx, 0) >= 0);
	do {
		assert_int_equal(test_poll(fd, POLLIN, BOUND_MS), POLLIN);
		r = mproc_context_dispatch(u.ctx, 0);
		assert_true(r >= 0 || r == -ESHUTDOWN);
	} while (r >= 0);
	assert_true(u.ticks >= 3 && u.reads == 1 && u.asyncs == 1);
	assert_null(mproc_context_free(u.ctx));
	close_pipe(u.fds);
}

static void
on_work(uv_work_t *work)
{
	++*(int *)work->data;
}

static void
on_worked(uv_work_t *work, int status)
{
	assert_int_equal(status, 0);
	++*(int *)work->data;
	mproc_context_stop(work->loop->data);
}

/* What libuv does in its threads comes back into the context's. */
static void
test_libuv_work(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int n = 0;
	uv_work_t work = { .data = &n };

	(void)state;
	assert_int_equal(uv_queue_work(mproc_context_loop(ctx), &work,
	    on_work, on_worked), 0);
	ctx_run(ctx);
	assert_int_equal(n, 2);
	assert_null(mproc_context_free(ctx));
}

static void
test_no_loop_after_the_end(void **state)
{
	struct mproc_context *ctx = ctx_make();

	(void)state;
	mproc_context_stop(ctx);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_null(mproc_context_loop(ctx));
	assert_null(mproc_context_free(ctx));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libuv_inside),
		cmocka_unit_test(test_libuv_inside_a_foreign_loop),
		cmocka_unit_test(test_libuv_work),
		cmocka_unit_test(test_no_loop_after_the_end),
	};
	uv_work_t work = { .data = &(int){ 0 } };
	uv_loop_t loop;

	/* libuv's thread pool stays, and its pipes: make them now */
	uv_loop_init(&loop);
	uv_queue_work(&loop, &work, on_work, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return TEST_RUN(tests);
}
