/*
 * finished_test.c - jobs that are done when the next one of the same worker
 * runs long, crashes or is killed: they were done once, and well.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "task.h"

#define JOBS	8		/* all in the hands of one worker */
#define BAD	5		/* the one that is not quick */
#define MANY	500

static const enum mproc_channel_kind channels[] = {
	MPROC_SOCKET, MPROC_RING
};

/* One worker, busy until what is submitted next waits there. */
static struct mproc_pool *
busy(enum mproc_channel_kind channel, struct mproc_pool_options o)
{
	struct mproc_pool *pool;

	o.workers = 1;
	o.prefetch = JOBS + 1;
	o.process.channel = channel;
	pool = task_pool(o);
	(void)task_pid(pool);
	assert_int_equal(mproc_pool_submit(pool, SOON, NULL, task_nap,
	    .ms = 10), 0);
	return pool;
}

static void
submit_square(struct mproc_pool *pool, struct mproc_future **f, int n)
{
	assert_int_equal(mproc_pool_submit(pool, SOON, f, task_square,
	    .n = n), 0);
}

/* Those of [from, to) are done, well. */
static void
expect_squares(struct mproc_future **f, int from, int to)
{
	int i;

	for (i = from; i < to; i++) {
		assert_int_equal(task_result(f[i]), 0);
		assert_int_equal(mproc_args(mproc_future_reply(f[i]),
		    task_squared)->n, i * i);
		mproc_future_free(f[i]);
	}
}

static void
tpw10_results_come_while_the_next_runs(void **state)
{
	struct mproc_future *f[JOBS];
	struct mproc_pool *pool;
	size_t c;
	int i;

	(void)state;
	for (c = 0; c < 2; c++) {
		pool = busy(channels[c], (struct mproc_pool_options){ 0 });
		for (i = 0; i < BAD; i++)
			submit_square(pool, &f[i], i);
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[BAD],
		    task_spin, .polite = true), 0);
		expect_squares(f, 0, BAD);	/* it spins until told */
		assert_int_equal(mproc_future_cancel_as(f[BAD],
		    MPROC_CANCEL_COOP), 0);
		assert_int_equal(task_result(f[BAD]), -ECANCELED);
		mproc_future_free(f[BAD]);
		task_finish(pool);
	}
}

static void
tp11_a_timeout_blames_the_one_that_ran(void **state)
{
	struct mproc_future *f[JOBS];
	struct mproc_pool_stats s;
	struct mproc_pool *pool;
	size_t c;
	int i;

	(void)state;
	for (c = 0; c < 2; c++) {
		pool = busy(channels[c], (struct mproc_pool_options){
		    .retries = 1 });
		for (i = 0; i < JOBS; i++)
			if (i != BAD)
				submit_square(pool, &f[i], i);
			else
				assert_int_equal(mproc_pool_submit_job(pool,
				    SOON, &(struct mproc_job){
				    .timeout_ms = 30 }, &f[i], task_spin), 0);
		assert_int_equal(task_result(f[BAD]), -ETIMEDOUT);
		mproc_future_free(f[BAD]);
		expect_squares(f, 0, BAD);
		expect_squares(f, BAD + 1, JOBS);
		task_law(pool, &s);
		assert_int_equal(s.timed_out, 1);
		assert_int_equal(s.crashed, 0);
		assert_int_equal(s.retried, 0);
		task_finish(pool);
	}
}

static void
tpw10_a_crash_takes_no_finished_job_with_it(void **state)
{
	char path[64];
	struct mproc_future *f[JOBS];
	struct mproc_pool_stats s;
	struct mproc_pool *pool;
	size_t c;
	int i, fd;

	(void)state;
	for (c = 0; c < 2; c++) {
		(void)snprintf(path, sizeof(path), "/tmp/mproc-done-%d",
		    (int)getpid());
		fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC,
		    0600);
		assert_true(fd >= 0);
		close(fd);
		pool = busy(channels[c], (struct mproc_pool_options){
		    .retries = 1,
		    .process.args = MPROC_PACK(task_start, .path = path) });
		for (i = 0; i < JOBS; i++)
			assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
			    task_mark, .die = i == BAD ? SIGKILL : 0), 0);
		for (i = 0; i < JOBS; i++) {
			assert_int_equal(task_result(f[i]),
			    i == BAD ? -EPIPE : 0);
			mproc_future_free(f[i]);
		}
		assert_int_equal(task_size(path), JOBS + 1); /* BAD's retry */
		task_law(pool, &s);
		assert_int_equal(s.retried, 1);
		assert_int_equal(s.crashed, 1);
		task_finish(pool);
		unlink(path);
	}
}

/* .batch: replies wait for each other, and not longer than there are more. */
static void
replies_that_share_a_write_arrive(void **state)
{
	struct mproc_pool_options o = {
		.workers = 2, .prefetch = 64, .process.batch = true
	};
	struct mproc_future *f[MANY];
	struct mproc_pool *pool;
	size_t c;
	int i;

	(void)state;
	for (c = 0; c < 2; c++) {
		o.process.channel = channels[c];
		pool = task_pool(o);
		for (i = 0; i < MANY; i++)
			submit_square(pool, &f[i], i);
		expect_squares(f, 0, MANY);
		task_finish(pool);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tpw10_results_come_while_the_next_runs),
		TASK_NOT_THREADS(tp11_a_timeout_blames_the_one_that_ran,
		    TASK_KILLS),
		TASK_NOT_THREADS(tpw10_a_crash_takes_no_finished_job_with_it,
		    TASK_CRASHES),
		cmocka_unit_test(replies_that_share_a_write_arrive),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
