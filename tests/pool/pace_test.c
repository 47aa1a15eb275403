/*
 * pace_test.c - how many jobs a worker has in its hands, where nobody says
 * so: many while they are quick, and none behind one that is long.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "task.h"

#define QUICK	300
#define ROUNDS	200	/* until something was taken back */

/* Jobs enough that the workers are given many at a time. */
static void
warm_up(struct mproc_pool *pool)
{
	int i, n = 20000 / test_slow();
	struct mproc_result r;

	for (i = 0; i < n; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, task_square,
		    .n = i), 0);
	while (mproc_pool_get(pool, SOON, &r) == 1) {
		assert_int_equal(r.code, 0);
		mproc_msg_free(r.reply);
	}
}

/* A polite one. */
static void
end_spin(struct mproc_future *run)
{
	assert_int_equal(mproc_future_cancel_as(run, MPROC_CANCEL_COOP), 0);
	assert_int_equal(task_result(run), -ECANCELED);
	mproc_future_free(run);
}

static uint64_t
taken_back(struct mproc_pool *pool)
{
	struct mproc_pool_stats s;

	task_law(pool, &s);
	return s.taken_back;
}

/* A job that does not end, and others after it: those are done. */
static void
quick_jobs_pass_a_long_one(struct mproc_pool *pool)
{
	struct mproc_future *run, *f[QUICK];
	int i;

	warm_up(pool);
	for (i = 0; i < QUICK; i++) {
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_square, .n = i), 0);
		if (i == 1)
			assert_int_equal(mproc_pool_submit(pool, SOON, &run,
			    task_spin, .polite = true), 0);
	}
	for (i = 0; i < QUICK; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	assert_false(mproc_future_done(run));
	end_spin(run);
}

static void
no_job_waits_behind_a_long_one(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .queue_jobs = -1 });
	int i;

	(void)state;
	for (i = 0; i < ROUNDS / test_slow() && taken_back(pool) == 0; i++)
		quick_jobs_pass_a_long_one(pool);
	assert_true(taken_back(pool) > 0 || test_slow() > 1);
	warm_up(pool);		/* who gave jobs back gets others again */
	task_finish(pool);
}

/* How many of a few jobs a worker gets that has one that does not end. */
static uint64_t
given_ahead(struct mproc_pool *pool)
{
	struct mproc_future *run, *f[8];
	struct mproc_pool_stats s;
	int i;

	assert_int_equal(mproc_pool_submit(pool, SOON, &run, task_spin,
	    .polite = true), 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_square, .n = i), 0);
	task_law(pool, &s);
	end_spin(run);
	for (i = 0; i < 8; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	return s.running - 1;
}

/* Little to do is not slowness: what counts is the time that jobs take. */
static void
who_gets_few_jobs_is_not_slow(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = -1 });
	uint64_t ahead = 0;
	int i, n;

	(void)state;
	for (i = 0; i < ROUNDS / test_slow() && ahead < 2; i++) {
		for (n = 0; n < 40; n++) {
			(void)usleep(3000);	/* it has nothing to do */
			assert_int_equal(mproc_pool_call(pool, SOON, NULL,
			    task_square, .n = n), 0);
		}
		ahead = given_ahead(pool);
	}
	assert_true(ahead >= 2 || test_slow() > 1);
	task_finish(pool);
}

/* What is asked for is what one gets: they wait there. */
static void
a_number_given_is_kept(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 8 });
	struct mproc_future *run, *f[8];
	struct mproc_pool_stats s;
	int i;

	(void)state;
	warm_up(pool);
	assert_int_equal(mproc_pool_submit(pool, SOON, &run, task_spin,
	    .polite = true), 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_nap, .ms = 2), 0);
	end_spin(run);
	for (i = 0; i < 8; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	task_law(pool, &s);
	assert_int_equal(s.taken_back, 0);
	task_finish(pool);
}

/* A worker has what it was given, whether or not the pool is called again. */
static void
what_is_handed_out_is_done_meanwhile(void **state)
{
	char path[] = "/tmp/mproc-pace-XXXXXX";
	int fd = mkstemp(path), i;
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .prefetch = 8,
	    .process.args = MPROC_PACK(task_start, .path = path) });
	int64_t deadline = task_now_ms() + SOON;

	(void)state;
	assert_true(fd >= 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, NULL,
		    task_mark, .n = i), 0);
	while (task_size(path) < 8 && task_now_ms() < deadline)
		(void)usleep(1000);
	assert_int_equal(task_size(path), 8);
	task_finish(pool);
	close(fd);
	unlink(path);
}

/* i1, i2: each once, however often jobs are taken back and given anew. */
static void
i1_what_is_taken_back_is_done_once(void **state)
{
	char path[] = "/tmp/mproc-pace-XXXXXX";
	int fd = mkstemp(path), i;	/* a byte for each mark */
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3, .ordered = true, .queue_jobs = -1,
	    .process.args = MPROC_PACK(task_start, .path = path) });
	struct mproc_result r;
	int64_t n, jobs = 0;

	(void)state;
	assert_true(fd >= 0);
	for (i = 0; i < ROUNDS / test_slow() && (i < 3 ||
	    taken_back(pool) == 0); i++) {
		for (n = 0; n < 3000 / test_slow(); n++, jobs++)
			assert_int_equal(n % 1000 == 999 ?
			    mproc_pool_put(pool, SOON, task_nap, .ms = 20) :
			    mproc_pool_put(pool, SOON, task_mark, .n = n), 0);
		for (n = 0; n < 3000 / test_slow(); n++) {
			assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
			assert_int_equal(r.code, 0);
			assert_int_equal(mproc_args(r.reply, task_squared)->n,
			    n % 1000 == 999 ? 0 : n);
			mproc_msg_free(r.reply);
		}
		assert_int_equal(task_size(path), jobs - (i + 1) *
		    (3000 / test_slow() / 1000));
	}
	assert_true(taken_back(pool) > 0 || test_slow() > 1);
	task_finish(pool);
	close(fd);
	unlink(path);
}

/* The worker that gave jobs back is killed: they are done all the same. */
static void
i2_a_death_takes_nothing_that_was_taken_back(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .queue_jobs = -1 });
	struct mproc_future *run, *f[QUICK];
	struct mproc_pool_stats s;
	int i, k, crashed = 0;

	(void)state;
	for (k = 0; k < ROUNDS / test_slow() && taken_back(pool) == 0; k++) {
		warm_up(pool);
		for (i = 0; i < QUICK; i++) {
			assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
			    task_square, .n = i), 0);
			if (i == 1)
				assert_int_equal(mproc_pool_submit(pool, SOON,
				    &run, task_spin), 0);
		}
		for (i = 0; i < QUICK / 2; i++)
			assert_int_equal(task_result(f[i]), 0);
		assert_int_equal(mproc_future_cancel_as(run,
		    MPROC_CANCEL_KILL), 0);
		for (i = 0; i < QUICK; i++) {
			crashed += task_result(f[i]) != 0;
			mproc_future_free(f[i]);
		}
		assert_int_equal(task_result(run), -ECANCELED);
		mproc_future_free(run);
	}
	assert_int_equal(crashed, 0);
	task_law(pool, &s);
	assert_int_equal(s.killed, k);
	assert_true(s.taken_back > 0 || test_slow() > 1);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_job_waits_behind_a_long_one),
		cmocka_unit_test(who_gets_few_jobs_is_not_slow),
		cmocka_unit_test(a_number_given_is_kept),
		cmocka_unit_test(what_is_handed_out_is_done_meanwhile),
		cmocka_unit_test(i1_what_is_taken_back_is_done_once),
		TASK_NOT_THREADS(i2_a_death_takes_nothing_that_was_taken_back,
		    TASK_KILLS),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
