/*
 * The context's hooks, threads, end, and being freed.
 */
#include "test.h"

#include <sys/eventfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "help.h"

/* hooks */

struct app_state {
	char	trace[64];
	int	fail_processes, fail_threads;
	bool	stop_early, free_in_close;
	struct mproc_context *ctx;
	pthread_t closer;
};

static int
start_processes(struct mproc_context *ctx, void *arg)
{
	struct app_state *a = arg;

	strcat(a->trace, "processes ");
	if (a->stop_early)
		mproc_context_stop(ctx);
	assert_int_equal(mproc_context_run(ctx), -EDEADLK);
	return a->fail_processes;
}

static int
start_threads(struct mproc_context *ctx, void *arg)
{
	struct app_state *a = arg;

	strcat(a->trace, "threads ");
	assert_true(mproc_context_timer(ctx, 0, 0, stop_now, NULL) > 0);
	return a->fail_threads;
}

static void
close_app(struct mproc_context *ctx, void *arg)
{
	struct app_state *a = arg;

	strcat(a->trace, "close ");
	a->closer = pthread_self();
	assert_false(mproc_context_going(ctx));
	assert_int_equal(mproc_context_timer(ctx, 0, 0, nop, NULL),
	    -ESHUTDOWN);
	if (a->free_in_close)
		assert_null(mproc_context_free(ctx));
}

static const struct mproc_app app = {
	.name = "TestApp",
	.start_processes = start_processes,
	.start_threads = start_threads,
	.close = close_app
};

static void
vk45_processes_then_threads_then_close(void **state)
{
	struct app_state a = { .trace = "" };
	struct mproc_context *ctx;

	(void)state;
	assert_int_equal(mproc_context_new(&app, &a, &ctx), 0);
	assert_string_equal(a.trace, "");
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_string_equal(a.trace, "processes threads close ");
	assert_int_equal(mproc_context_run(ctx), -ESHUTDOWN);
	assert_int_equal(mproc_context_run_as_thread(ctx), -ESHUTDOWN);
	assert_int_equal(mproc_context_dispatch(ctx, 0), -ESHUTDOWN);
	assert_null(mproc_context_free(ctx));
	assert_string_equal(a.trace, "processes threads close ");
}

static void
vk46_start_processes_is_required(void **state)
{
	const struct mproc_app none = { .start_threads = start_threads };
	struct mproc_context *ctx = NULL;

	(void)state;
	assert_int_equal(mproc_context_new(&none, NULL, &ctx), -EINVAL);
	assert_null(ctx);
	assert_non_null(strstr(mproc_errmsg(NULL), "start_processes"));
}

static void
vk47_start_threads_is_optional(void **state)
{
	struct mproc_app less = app;
	struct app_state a = { .stop_early = true };
	struct mproc_context *ctx;

	(void)state;
	less.start_threads = NULL;
	assert_int_equal(mproc_context_new(&less, &a, &ctx), 0);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_string_equal(a.trace, "processes close ");
	assert_null(mproc_context_free(ctx));
}

static void
vk48_close_runs_once_whatever_fails(void **state)
{
	struct app_state a = { .fail_processes = -EIO };
	struct mproc_app less = app;
	struct mproc_context *ctx;

	(void)state;
	assert_int_equal(mproc_context_new(&app, &a, &ctx), 0);
	assert_int_equal(mproc_context_run(ctx), -EIO);
	assert_string_equal(a.trace, "processes close ");
	assert_null(mproc_context_free(ctx));

	a = (struct app_state){ .fail_threads = -ENXIO };
	assert_int_equal(mproc_context_new(&app, &a, &ctx), 0);
	assert_int_equal(mproc_context_dispatch(ctx, -1), -ENXIO);
	assert_int_equal(mproc_context_dispatch(ctx, -1), -ESHUTDOWN);
	assert_string_equal(a.trace, "processes threads close ");
	assert_null(mproc_context_free(ctx));

	/* never begun: nothing to close */
	a = (struct app_state){ .trace = "" };
	assert_int_equal(mproc_context_new(&app, &a, &ctx), 0);
	assert_null(mproc_context_free(ctx));
	assert_string_equal(a.trace, "");

	/* begun, not ended: by free */
	less.start_threads = NULL;
	assert_int_equal(mproc_context_new(&less, &a, &ctx), 0);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_null(mproc_context_free(ctx));
	assert_string_equal(a.trace, "processes close ");

	/* freed by close itself */
	a = (struct app_state){ .free_in_close = true };
	assert_int_equal(mproc_context_new(&app, &a, &ctx), 0);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_string_equal(a.trace, "processes threads close ");
}

static void
vk48_close_runs_once_as_a_thread(void **state)
{
	struct app_state a = { .trace = "" };
	struct mproc_context *ctx;

	(void)state;
	assert_int_equal(mproc_context_new(&app, &a, &ctx), 0);
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
	assert_string_equal(a.trace, "processes threads close ");
	assert_false(pthread_equal(a.closer, pthread_self()));
	assert_int_equal(mproc_context_stop_thread(ctx, 0), 0);
	assert_null(mproc_context_free(ctx));
	assert_string_equal(a.trace, "processes threads close ");

	a = (struct app_state){ .fail_processes = -EIO };
	assert_int_equal(mproc_context_new(&app, &a, &ctx), 0);
	assert_int_equal(mproc_context_run_as_thread(ctx), -EIO);
	assert_string_equal(a.trace, "processes close ");
	assert_int_equal(mproc_context_stop_thread(ctx, 0), -ENOTCONN);
	assert_null(mproc_context_free(ctx));
}

/* threads */

static void
vk51_stop_thread_is_quick_and_idempotent(void **state)
{
	struct mproc_context *ctx;
	int64_t begin;
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		ctx = ctx_make();
		assert_int_equal(mproc_context_run_as_thread(ctx), 0);
		assert_int_equal(mproc_context_run_as_thread(ctx), -EALREADY);
		assert_int_equal(mproc_context_run(ctx), -EALREADY);
		begin = test_now_ms();
		assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
		assert_true(test_now_ms() - begin < BOUND_MS / 2);
		assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
		assert_null(mproc_context_free(ctx));
	}
	/* free alone is enough */
	ctx = ctx_make();
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	assert_null(mproc_context_free(ctx));
	/* stopped before it began */
	ctx = ctx_make();
	assert_int_equal(mproc_context_stop(ctx), 0);
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
	assert_null(mproc_context_free(ctx));
}

static void
wait_for_it(struct mproc_context *ctx, void *arg)
{
	int *fds = arg;
	char c;

	assert_int_equal(mproc_context_stop_thread(ctx, 0), -EDEADLK);
	assert_int_equal(write(fds[1], "i", 1), 1);
	while (read(fds[2], &c, 1) != 1)
		;
}

static void
test_thread_in_a_long_callback(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fds[4];
	char c;

	(void)state;
	make_pipe(fds);
	make_pipe(fds + 2);
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	assert_int_equal(mproc_context_post(ctx, wait_for_it, fds), 0);
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(mproc_context_stop_thread(ctx, 20), -ETIMEDOUT);
	assert_int_equal(write(fds[3], "o", 1), 1);
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
	close_pipe(fds + 2);
}

static void
test_other_threads_are_refused(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fds[2];

	(void)state;
	make_pipe(fds);
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	assert_int_equal(mproc_context_timer(ctx, 0, 0, nop, NULL), -EPERM);
	assert_int_equal(mproc_context_timer_cancel(ctx, 1), -EPERM);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, nop_watch,
	    NULL), -EPERM);
	assert_int_equal(mproc_context_unwatch(ctx, fds[0]), -EPERM);
	assert_int_equal(mproc_context_fd(ctx), -EPERM);
	assert_int_equal(mproc_context_add(ctx, NULL, NULL, NULL), -EPERM);
	assert_int_equal(mproc_context_set_log_level(ctx, MPROC_INFO),
	    -EPERM);
	assert_null(mproc_context_loop(ctx));
	assert_true(mproc_context_going(ctx));
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
	assert_false(mproc_context_going(ctx));
	/* ours again, and at its end */
	assert_int_equal(mproc_context_timer(ctx, 0, 0, nop, NULL),
	    -ESHUTDOWN);
	assert_int_equal(mproc_context_post(ctx, nop, NULL), -ESHUTDOWN);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
}

#define POSTERS	4
#define POSTS	500

struct poster {
	struct mproc_context *ctx;
	int	last[POSTERS], total;
	bool	disorder;
};

struct posted {
	struct poster *to;
	int	who, n;
};

static void
on_post(struct mproc_context *ctx, void *arg)
{
	struct posted *p = arg;

	if (p->n != p->to->last[p->who] + 1)
		p->to->disorder = true;
	p->to->last[p->who] = p->n;
	if (++p->to->total == POSTERS * POSTS)
		mproc_context_stop(ctx);
	free(p);
}

static void *
post_many(void *arg)
{
	struct posted first = *(struct posted *)arg, *p;
	int i;

	for (i = 1; i <= POSTS; i++) {
		p = malloc(sizeof(*p));
		*p = (struct posted){ first.to, first.who, i };
		if (mproc_context_post(first.to->ctx, on_post, p) < 0)
			free(p);
	}
	return NULL;
}

static void
test_posts_from_many_threads(void **state)
{
	struct poster to = { .ctx = ctx_make() };
	struct posted first[POSTERS];
	pthread_t threads[POSTERS];
	int i;

	(void)state;
	for (i = 0; i < POSTERS; i++) {
		first[i] = (struct posted){ &to, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, post_many,
		    &first[i]), 0);
	}
	ctx_run(to.ctx);
	for (i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(to.total, POSTERS * POSTS);
	assert_false(to.disorder);
	assert_null(mproc_context_free(to.ctx));
}

static void *
stop_it(void *arg)
{
	mproc_context_stop(arg);
	mproc_context_stop(arg);
	return NULL;
}

static void
vk51_stop_from_any_thread(void **state)
{
	struct mproc_context *ctx = ctx_make();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stop_it, ctx), 0);
	ctx_run(ctx);
	pthread_join(thread, NULL);
	assert_null(mproc_context_free(ctx));

	ctx = ctx_make();
	assert_int_equal(mproc_context_stop(ctx), 0);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_int_equal(mproc_context_run(ctx), -ESHUTDOWN);
	assert_null(mproc_context_free(ctx));
}

static void *
run_it(void *arg)
{
	assert_int_equal(mproc_context_run(arg), 0);
	return NULL;
}

/* A thread of the program's own may run what another one made. */
static void
test_run_in_another_thread(void **state)
{
	struct mproc_context *ctx = ctx_make();
	pthread_t thread;

	(void)state;
	assert_true(mproc_context_timer(ctx, 5, 0, stop_now, NULL) > 0);
	assert_int_equal(pthread_create(&thread, NULL, run_it, ctx), 0);
	pthread_join(thread, NULL);
	assert_int_equal(mproc_context_run(ctx), -EPERM);
	assert_null(mproc_context_free(ctx));
}

/* free within callbacks */

struct freed {
	struct mproc_context *ctx;
	int	calls, fd;
};

static void
free_it(struct mproc_context *ctx, void *arg)
{
	struct freed *f = arg;

	f->calls++;
	assert_null(mproc_context_free(ctx));
	assert_null(mproc_context_free(ctx));
}

static void
free_watch(struct mproc_context *ctx, int fd, int events, void *arg)
{
	(void)fd;
	(void)events;
	free_it(ctx, arg);
}

/* Several are due; the first one frees, and no other is called. */
static void
free_due(struct freed *f)
{
	f->ctx = ctx_make();
	f->calls = 0;
	assert_int_equal(mproc_context_watch(f->ctx, f->fd, POLLIN,
	    free_watch, f), 0);
	assert_true(mproc_context_timer(f->ctx, 0, 0, free_it, f) > 0);
	assert_true(mproc_context_timer(f->ctx, 0, 1, free_it, f) > 0);
	assert_int_equal(mproc_context_post(f->ctx, free_it, f), 0);
	assert_int_equal(mproc_context_post(f->ctx, free_it, f), 0);
}

static void
test_free_in_a_callback(void **state)
{
	struct freed f = { .fd = eventfd(1, EFD_CLOEXEC) };

	(void)state;
	free_due(&f);
	assert_int_equal(mproc_context_run(f.ctx), 0);
	assert_int_equal(f.calls, 1);
	free_due(&f);
	/* the one callback was the end, too */
	assert_int_equal(mproc_context_dispatch(f.ctx, BOUND_MS),
	    -ESHUTDOWN);
	assert_int_equal(f.calls, 1);
	close(f.fd);
}

struct once {
	struct freed freed;
	int	done[2];
};

static void
free_in_thread(struct mproc_context *ctx, void *arg)
{
	struct once *o = arg;
	int fd = o->done[1];

	free_it(ctx, &o->freed);
	assert_int_equal(write(fd, "d", 1), 1);
}

static void
test_free_in_a_callback_of_the_thread(void **state)
{
	struct once o = { 0 };
	char c;

	(void)state;
	make_pipe(o.done);
	o.freed.ctx = ctx_make();
	assert_true(mproc_context_timer(o.freed.ctx, 10, 0, free_in_thread,
	    &o) > 0);
	assert_int_equal(mproc_context_run_as_thread(o.freed.ctx), 0);
	assert_int_equal(read(o.done[0], &c, 1), 1);
	assert_int_equal(o.freed.calls, 1);
	close_pipe(o.done);
}

static void
test_other_processes_are_refused(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int status, bad;
	pid_t pid;

	(void)state;
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	if ((pid = fork()) == 0) {
		bad = mproc_context_stop(ctx) != -ECHILD;
		bad += mproc_context_run(ctx) != -ECHILD;
		bad += mproc_context_timer(ctx, 0, 0, nop, NULL) != -ECHILD;
		bad += mproc_context_post(ctx, nop, NULL) != -ECHILD;
		bad += mproc_context_dispatch(ctx, 0) != -ECHILD;
		bad += mproc_context_free(ctx) != NULL;
		_exit(bad);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(mproc_context_going(ctx));
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
	assert_null(mproc_context_free(ctx));
}

static void
vk53_name_and_logger(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct app_state a = { .trace = "" };

	(void)state;
	assert_string_equal(mproc_context_name(ctx), "mproc.context");
	assert_null(mproc_context_free(ctx));
	assert_int_equal(mproc_context_new(&app, &a, &ctx), 0);
	assert_string_equal(mproc_context_name(ctx), "TestApp");
	assert_string_equal(mproc_logger_name(mproc_context_logger(ctx)),
	    "TestApp");
	assert_int_equal(mproc_context_set_log_level(ctx, MPROC_DEBUG), 0);
	assert_int_equal(mproc_log_level("TestApp"), MPROC_DEBUG);
	assert_null(mproc_context_free(ctx));
	mproc_log_reset();
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk45_processes_then_threads_then_close),
		cmocka_unit_test(vk46_start_processes_is_required),
		cmocka_unit_test(vk47_start_threads_is_optional),
		cmocka_unit_test(vk48_close_runs_once_whatever_fails),
		cmocka_unit_test(vk48_close_runs_once_as_a_thread),
		cmocka_unit_test(vk51_stop_thread_is_quick_and_idempotent),
		cmocka_unit_test(test_thread_in_a_long_callback),
		cmocka_unit_test(test_other_threads_are_refused),
		cmocka_unit_test(test_posts_from_many_threads),
		cmocka_unit_test(vk51_stop_from_any_thread),
		cmocka_unit_test(test_run_in_another_thread),
		cmocka_unit_test(test_free_in_a_callback),
		cmocka_unit_test(test_free_in_a_callback_of_the_thread),
		cmocka_unit_test(test_other_processes_are_refused),
		cmocka_unit_test(vk53_name_and_logger),
	};

	return TEST_RUN(tests);
}
