/*
 * Allocations and system calls of the context that fail.
 */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "help.h"

static int fds[2];	/* watched */

static void
nop_signal(struct mproc_context *ctx, int signo, void *arg)
{
	(void)ctx;
	(void)signo;
	(void)arg;
}

/* All that takes memory or descriptors; the first failure. */
static int
use_all(void)
{
	struct mproc_context *ctx;
	int i, r, n = 0;

	if ((r = mproc_context_new(NULL, NULL, &ctx)) < 0)
		return r;
	for (i = 0; i < 10 && r >= 0; i++)
		r = mproc_context_timer(ctx, 0, 0, count, &n);
	if (r >= 0)
		r = mproc_context_signal(ctx, SIGUSR1, nop_signal, NULL);
	if (r >= 0)
		r = mproc_context_post(ctx, count, &n);
	if (r >= 0)
		r = mproc_context_fd(ctx);
	if (r >= 0)
		r = mproc_context_watch(ctx, fds[0], POLLIN, nop_watch, NULL);
	if (r >= 0 && mproc_context_loop(ctx) == NULL)
		r = -ENOMEM;
	if (r >= 0)
		r = mproc_context_dispatch(ctx, 0);
	mproc_context_free(ctx);
	return r;
}

static void
test_every_allocation_fails(void **state)
{
	unsigned n;
	int r;

	(void)state;
	make_pipe(fds);
	for (n = 1;; n++) {
		test_fail_alloc(n);
		r = use_all();
		if (!test_fail_done())
			break;
		assert_int_equal(r, -ENOMEM);
	}
	assert_true(n > 10);
	assert_true(r >= 11);
	close_pipe(fds);
}

/* Each call of each kind; libuv's own are not reached. */
static void
test_every_system_call_fails(void **state)
{
	static const struct {
		const char *name;
		int	error, result, least;
	} calls[] = {
		{ "epoll_create1", EMFILE, -EMFILE, 1 },
		{ "eventfd", ENFILE, -ENFILE, 1 },
		{ "timerfd_create", EMFILE, -EMFILE, 1 },
		{ "epoll_ctl", ENOSPC, -ENOSPC, 3 },
		{ "epoll_wait", EINTR, 0, 0 },
	};
	unsigned n;
	size_t i;
	int r;

	(void)state;
	make_pipe(fds);
	for (i = 0; i < TEST_COUNT(calls); i++) {
		for (n = 1;; n++) {
			test_fail_sys(calls[i].name, n, calls[i].error);
			r = use_all();
			if (!test_fail_sys_done())
				break;
			/* libuv's loop says NULL, a removal nothing */
			if (r < 0 && r != -ENOMEM)
				assert_int_equal(r, calls[i].result);
		}
		assert_true((int)n > calls[i].least);
		assert_true(r >= 11);
	}
	close_pipe(fds);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation_fails),
		cmocka_unit_test(test_every_system_call_fails),
	};

	prime_libuv();
	return TEST_RUN(tests);
}
