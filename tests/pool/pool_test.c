/*
 * pool_test.c - a pool's life, its jobs and futures, and what is refused.
 */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

static void
bm1_new_and_free_start_nothing(void **state)
{
	struct mproc_pool_options o = { .workers = 3 };
	struct mproc_pool_stats s;
	struct mproc_pool *pool;

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.configured, 3);
	assert_int_equal(s.workers + s.starting + s.started, 0);
	assert_int_equal(mproc_pool_submit(pool, -1, NULL, task_square,
	    .n = 1), -ENOTCONN);
	assert_int_equal(mproc_pool_wait_ready(pool, 5000), -ENOTCONN);
	assert_int_equal(mproc_pool_terminate(pool), 0);
	mproc_pool_free(pool);
	assert_null(mproc_pool_free(NULL));
}

static void
pm2_sizes(void **state)
{
	int cpus = mproc_cpu_count();
	struct mproc_pool_options o = { .cap = true, .reserve_cpus = 1 };
	struct mproc_pool_stats s;
	struct mproc_pool *pool;
	int most = cpus > 1 ? cpus - 1 : 1;

	(void)state;
	assert_true(cpus >= 1);
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.configured, most);
	mproc_pool_free(pool);
	o.workers = 99;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.configured, most);
	mproc_pool_free(pool);
	o.workers = -1;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), -EINVAL);
	o = (struct mproc_pool_options){ .workers = 99 };
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.configured, 99);
	mproc_pool_free(pool);
}

static void
pm9_submit_runs_elsewhere(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	const struct task_squared *sq;
	struct mproc_future *f[20];
	int i;

	(void)state;
	for (i = 0; i < 20; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_square, .n = i), 0);
	for (i = 0; i < 20; i++) {
		assert_int_equal(task_result(f[i]), 0);
		sq = mproc_args(mproc_future_reply(f[i]), task_squared);
		assert_non_null(sq);
		assert_int_equal(sq->n, i * i);
		assert_int_not_equal(sq->pid, getpid());
		mproc_future_free(f[i]);
	}
	task_finish(pool);
}

static void
pm25_errors_come_with_code_and_text(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_fail,
	    .code = -42, .text = "boom"), 0);
	assert_int_equal(task_result(f), -42);
	assert_string_equal(mproc_future_errmsg(f), "boom");
	assert_null(mproc_future_death(f));
	mproc_future_free(f);
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, task_fail,
	    .code = -ECANCELED), -ECANCELED);
	/* encoding errors are the caller's, and cost no worker (PM-W19) */
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_squared,
	    .n = 1), -ENOSYS);
	task_finish(pool);
}

static void
pmw7_a_full_queue_says_so(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = 2 });
	struct mproc_future *f[3];
	struct pollfd pfd;
	int64_t begun;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(mproc_pool_submit(pool, 0, &f[i], task_nap,
		    .ms = 50, .n = i), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, task_square,
	    .n = 1), -EAGAIN);
	begun = task_now_ms();
	assert_int_equal(mproc_pool_submit(pool, 5, NULL, task_square,
	    .n = 1), -ETIMEDOUT);
	assert_true(task_now_ms() - begun >= 5);
	pfd = (struct pollfd){ mproc_pool_fd(pool), POLLIN, 0 };
	while (mproc_pool_submit(pool, 0, NULL, task_square, .n = 1) ==
	    -EAGAIN) {
		assert_int_equal(poll(&pfd, 1, SOON), 1);
		(void)mproc_pool_dispatch(pool, 0);
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	task_finish(pool);
}

static void
pm5_start_twice_and_again(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	int i;

	(void)state;
	assert_int_equal(mproc_pool_start(pool), -EALREADY);
	assert_int_equal(mproc_pool_join(pool, 0), -EBUSY);
	for (i = 0; i < 2; i++) {
		assert_int_not_equal(task_pid(pool), getpid());
		assert_int_equal(mproc_pool_close(pool), 0);
		assert_int_equal(mproc_pool_close(pool), 0);
		assert_int_equal(mproc_pool_submit(pool, -1, NULL,
		    task_square, .n = 1), -ESHUTDOWN);
		assert_int_equal(mproc_pool_join(pool, SOON), 0);
		assert_int_equal(mproc_pool_join(pool, SOON), 0);
		assert_int_equal(mproc_pool_start(pool), 0);
	}
	task_finish(pool);
}

static void
pm5_a_failed_start_says_why(void **state)
{
	struct mproc_pool_options o = {
		.workers = 2, .process.launch = task_launch(),
		.process.args = MPROC_PACK(task_start, .fail = -EDOM)
	};
	struct mproc_pool_stats s;
	struct mproc_pool *pool;

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_start(pool), -EDOM);
	assert_non_null(strstr(mproc_errmsg(NULL), "as told"));
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.workers + s.starting + s.stopping, 0);
	mproc_pool_free(pool);

	/* a thread has to come to its end */
	o.process.args = MPROC_PACK(task_start, .delay_ms =
	    task_launch() == MPROC_THREAD ? 200 : 60000);
	o.process.start_timeout_ms = 50;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_start(pool), -ETIMEDOUT);
	mproc_pool_free(pool);
}

static void
pm8_stop_runs_what_is_queued(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = 10 });
	struct mproc_future *f[10];
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_nap, .ms = 1, .n = i), 0);
	assert_int_equal(mproc_pool_stop(pool, SOON), 0);
	for (i = 0; i < 10; i++) {
		assert_int_equal(mproc_future_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	mproc_pool_free(pool);
}

static void
pmw5_terminate_ends_every_future(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .queue_jobs = 10 });
	struct mproc_future *f[10];
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_spin), 0);
	assert_int_equal(mproc_pool_stop(pool, 20), -ETIMEDOUT);
	mproc_pool_free(pool);
	for (i = 0; i < 10; i++) {
		/* the futures outlive the pool */
		assert_int_equal(mproc_future_result(f[i]), -ECANCELED);
		mproc_future_free(f[i]);
	}
}

static void
pm10_futures_by_completion(void **state)
{
	static const int ms[] = { 160, 40, 120, 1, 80 };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 5 });
	struct mproc_future *f[5];
	const struct task_squared *sq;
	int i, last = -1;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_nap, .ms = ms[i] * task_slow(), .n = ms[i]), 0);
	for (i = 0; i < 5; i++) {
		assert_int_equal(mproc_future_as_completed(f, 5, i, SOON),
		    0);
		sq = mproc_args(mproc_future_reply(f[i]), task_squared);
		assert_true(sq->n > last);
		last = (int)sq->n;
	}
	assert_int_equal(mproc_future_as_completed(f, 5, 5, SOON), -ENODATA);
	for (i = 0; i < 5; i++)
		mproc_future_free(f[i]);
	task_finish(pool);
}

static void
pm10_a_future_has_a_descriptor(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;
	struct pollfd pfd;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_nap,
	    .ms = 20), 0);
	pfd = (struct pollfd){ mproc_future_fd(f), POLLIN, 0 };
	assert_true(pfd.fd >= 0);
	while (!mproc_future_done(f))
		assert_int_equal(poll(&pfd, 1, SOON), 1);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	mproc_future_free(f);
	task_finish(pool);
}

static int called;

static void
on_done(struct mproc_future *f, void *arg)
{
	assert_int_equal(mproc_future_result(f), 0);
	++*(int *)arg;
	mproc_future_free(f);
}

static void
pr85_callbacks_on_futures(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	struct mproc_future *f;
	int i;

	(void)state;
	called = 0;
	for (i = 0; i < 10; i++) {
		assert_int_equal(mproc_pool_submit(pool, SOON, &f,
		    task_square, .n = i), 0);
		assert_int_equal(mproc_future_on_done(f, on_done, &called),
		    0);
	}
	while (called < 10)
		assert_true(mproc_pool_dispatch(pool, SOON) >= 0);
	task_finish(pool);
}

static void
pm12_items_come_before_the_end(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;
	struct mproc_msg *item;
	int64_t n = 0;
	int r;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_count,
	    .n = 5000), 0);
	while ((r = mproc_future_next(f, SOON, &item)) == 1) {
		assert_int_equal(mproc_args(item, task_item)->n, n++);
		mproc_msg_free(item);
	}
	assert_int_equal(r, 0);
	assert_int_equal(n, 5000);
	assert_int_equal(task_result(f), 0);
	mproc_future_free(f);
	/* an endless one: the reader stops it */
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_count,
	    .forever = true), 0);
	assert_int_equal(mproc_future_next(f, SOON, &item), 1);
	mproc_msg_free(item);
	assert_int_equal(mproc_future_cancel_as(f, MPROC_CANCEL_COOP), 0);
	while ((r = mproc_future_next(f, SOON, &item)) == 1)
		mproc_msg_free(item);
	assert_int_equal(r, 0);
	assert_int_equal(mproc_future_result(f), -ECANCELED);
	mproc_future_free(f);
	/* and none at all is no error */
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_count), 0);
	assert_int_equal(mproc_future_next(f, SOON, &item), 0);
	assert_int_equal(mproc_future_result(f), 0);
	mproc_future_free(f);
	task_finish(pool);
}

static void
pm1_not_in_a_fork(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	int status = -1, bad = 0;
	pid_t pid;

	(void)state;
	if ((pid = fork()) == 0) {
		bad += mproc_pool_submit(pool, 0, NULL, task_square) !=
		    -ECHILD;
		bad += mproc_pool_dispatch(pool, 0) != -ECHILD;
		bad += mproc_pool_close(pool) != -ECHILD;
		bad += mproc_pool_terminate(pool) != -ECHILD;
		bad += mproc_pool_fd(pool) != -ECHILD;
		_exit(bad);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_not_equal(task_pid(pool), getpid());
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bm1_new_and_free_start_nothing),
		cmocka_unit_test(pm2_sizes),
		cmocka_unit_test(pm9_submit_runs_elsewhere),
		cmocka_unit_test(pm25_errors_come_with_code_and_text),
		cmocka_unit_test(pmw7_a_full_queue_says_so),
		cmocka_unit_test(pm5_start_twice_and_again),
		cmocka_unit_test(pm5_a_failed_start_says_why),
		cmocka_unit_test(pm8_stop_runs_what_is_queued),
		TASK_NOT_THREADS(pmw5_terminate_ends_every_future, TASK_KILLS),
		cmocka_unit_test(pm10_futures_by_completion),
		cmocka_unit_test(pm10_a_future_has_a_descriptor),
		cmocka_unit_test(pr85_callbacks_on_futures),
		cmocka_unit_test(pm12_items_come_before_the_end),
		cmocka_unit_test(pm1_not_in_a_fork),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
