/*
 * invariant_test.c - what holds for a pool whatever is done with it: I2, I4,
 * I5, I6, I8.  I1 is in storm_test.c and parallel_test.c, I9 in
 * thread_test.c, I10 in outlive_test.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"

static int
endless(void *arg, struct mproc_msg **ret_msg)
{
	(void)arg;
	return mproc_msg_new("wait", ret_msg) < 0 ? -ENOMEM : 1;
}

/* Every wait ends in its time, and takes none of the processor's. */
static void
i2_no_wait_spins_or_is_endless(void **state)
{
	struct gate gate;
	struct mproc_pool *pool = crew_gated(&gate,
	    (struct mproc_pool_options){ .workers = 1, .queue_jobs = 1 });
	int64_t since = task_now_ms();
	struct mproc_stream *stream;
	struct mproc_future *f[2];
	struct mproc_result r;
	clock_t begun;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f[0], crew_wait), 0);
	assert_int_equal(mproc_pool_put(pool, 0, crew_wait), 0);
	assert_int_equal(mproc_pool_stream(pool, endless, NULL, NULL,
	    &stream), 0);
	begun = clock();
	assert_int_equal(mproc_pool_submit(pool, 30, &f[1], crew_wait),
	    -ETIMEDOUT);
	assert_int_equal(mproc_pool_put(pool, 30, crew_wait), -ETIMEDOUT);
	assert_int_equal(mproc_pool_get(pool, 30, &r), -ETIMEDOUT);
	assert_int_equal(mproc_pool_call(pool, 30, NULL, crew_wait),
	    -ETIMEDOUT);
	assert_int_equal(mproc_pool_dispatch(pool, 30), 0);
	assert_int_equal(mproc_stream_next(stream, 30, &r), -ETIMEDOUT);
	assert_int_equal(mproc_future_wait(f[0], 30), -ETIMEDOUT);
	assert_int_equal(mproc_future_wait_any(f, 1, 30), -ETIMEDOUT);
	assert_int_equal(mproc_future_wait_all(f, 1, 30), -ETIMEDOUT);
	assert_true(task_now_ms() - since >= 9 * 30);
	assert_true(clock() - begun < CLOCKS_PER_SEC / 20 * task_slow());
	mproc_stream_free(stream);
	assert_int_equal(mproc_pool_close(pool), 0);
	assert_int_equal(mproc_pool_join(pool, 30), -ETIMEDOUT);
	gate_open(&gate);
	assert_int_equal(mproc_pool_join(pool, SOON * task_slow()), 0);
	mproc_future_free(f[0]);
	task_finish(pool);
	gate_free(&gate);
}

/* Items that nobody takes stop the worker, however many it has. */
static void
i4_what_nobody_takes_is_bounded(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .process.inbox_messages = 10 });
	struct mproc_future *f;
	struct mproc_msg *item;
	int64_t n = 0;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_count,
	    .n = 500), 0);
	for (i = 0; i < 10; i++) {
		(void)mproc_pool_dispatch(pool, 5);
		assert_int_equal(mproc_future_result(f), -EAGAIN);
	}
	while (mproc_future_next(f, SOON * task_slow(), &item) == 1) {
		assert_int_equal(mproc_args(item, task_item)->n, n++);
		mproc_msg_free(item);
	}
	assert_int_equal(n, 500);
	assert_int_equal(mproc_future_result(f), 0);
	mproc_future_free(f);
	task_finish(pool);
}

/* One of the ways to fail; the code that it must end with. */
static int
go_wrong(struct mproc_pool *pool, unsigned how, struct mproc_future **ret)
{
	static const struct mproc_job hasty = { .timeout_ms = 5 };
	static const int codes[] = { -EDOM, -EPIPE, -EPIPE, -ETIMEDOUT, 0 };
	int r;

	switch (how % 5) {
	case 0:
		r = mproc_pool_submit(pool, SOON, ret, task_fail,
		    .code = -EDOM);
		break;
	case 1:
		r = mproc_pool_submit(pool, SOON, ret, task_die,
		    .sig = SIGSEGV);
		break;
	case 2:
		r = mproc_pool_submit(pool, SOON, ret, task_die,
		    .status = 3);
		break;
	case 3:
		r = mproc_pool_submit_job(pool, SOON, &hasty, ret,
		    task_spin);
		break;
	default:
		r = mproc_pool_submit_job(pool, SOON,
		    &(struct mproc_job){ .retries = 100 }, ret, task_square);
	}
	assert_int_equal(r, 0);
	return codes[how % 5];
}

static bool
is_whole(const struct mproc_pool_stats *s, void *arg)
{
	(void)arg;
	return s->workers == s->configured && s->queued + s->running == 0;
}

static void
i5_whatever_jobs_do_the_pool_stays(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3, .queue_jobs = -1 });
	long i, n = test_count(NULL, 200);
	struct mproc_future **f = calloc((size_t)n, sizeof(struct mproc_future *));
	int *want = calloc((size_t)n, sizeof(*want));
	unsigned seed = 5;

	(void)state;
	assert_true(f != NULL && want != NULL);
	for (i = 0; i < n; i++)
		want[i] = go_wrong(pool, (unsigned)rand_r(&seed), &f[i]);
	for (i = 0; i < n; i++) {
		assert_int_equal(task_result(f[i]), want[i]);
		mproc_future_free(f[i]);
	}
	free(f);
	free(want);
	assert_true(task_until(pool, is_whole, NULL));
	assert_int_not_equal(task_pid(pool), getpid());
	task_finish(pool);
}

/* Start and stop, in order or not: the same descriptors each time. */
static void
i6_nothing_piles_up(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	long i, n = test_count(NULL, 30);
	int fds = 0;

	(void)state;
	for (i = 0; i < n; i++) {
		(void)mproc_pool_submit(pool, SOON, NULL, task_die,
		    .sig = i % 3 == 0 ? SIGKILL : 0);
		assert_int_equal(i % 2 ? mproc_pool_terminate(pool) :
		    mproc_pool_stop(pool, -1), 0);
		if (i == 0)
			fds = test_open_fds();
		assert_int_equal(test_open_fds(), fds);
		assert_int_equal(mproc_pool_start(pool), 0);
	}
	task_finish(pool);
}

static void
refuse_all(struct mproc_pool *pool, int code)
{
	struct mproc_future *f = NULL;

	assert_int_equal(mproc_pool_submit(pool, 0, &f, crew_wait), code);
	assert_null(f);
	assert_int_equal(mproc_pool_put(pool, 0, crew_wait), code);
	assert_int_equal(mproc_pool_call(pool, 0, NULL, crew_wait), code);
}

static void
i8_refusals_have_codes_and_take_nothing(void **state)
{
	struct gate gate;
	struct mproc_pool *pool = crew_gated(&gate,
	    (struct mproc_pool_options){ .workers = 1, .queue_jobs = 1,
	    .process.max_message = 10000 });
	struct mproc_pool_stats s;
	struct mproc_future *f;
	struct mproc_result r;
	static char large[20000];

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, 0, &f, crew_echo,
	    .data = { large, sizeof(large) }), -EMSGSIZE);
	assert_int_equal(mproc_pool_submit(pool, 0, &f, crew_talk,
	    .fd = MPROC_FD(9999)), -EBADF);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, crew_wait), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, crew_wait), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, &f, crew_wait), -EAGAIN);
	assert_int_equal(mproc_pool_submit(pool, 1, &f, crew_wait),
	    -ETIMEDOUT);
	assert_int_equal(mproc_pool_submit(pool, 0, &f, task_square),
	    -ENOSYS);
	assert_int_equal(mproc_pool_submit(NULL, 0, &f, crew_wait), -EINVAL);
	assert_int_equal(mproc_pool_get(pool, 0, &r), -ENODATA);
	task_law(pool, &s);
	assert_int_equal(s.submitted, 2);
	assert_int_equal(mproc_pool_set_going(pool, false), 0);
	refuse_all(pool, -ECANCELED);
	assert_int_equal(mproc_pool_set_going(pool, true), 0);
	assert_int_equal(mproc_pool_close(pool), 0);
	refuse_all(pool, -ESHUTDOWN);
	gate_open(&gate);
	assert_int_equal(mproc_pool_join(pool, SOON * task_slow()), 0);
	refuse_all(pool, -ENOTCONN);
	task_law(pool, &s);
	assert_int_equal(s.submitted, 2);
	task_finish(pool);
	gate_free(&gate);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i2_no_wait_spins_or_is_endless),
		cmocka_unit_test(i4_what_nobody_takes_is_bounded),
		TASK_NOT_THREADS(i5_whatever_jobs_do_the_pool_stays,
		    TASK_CRASHES),
		TASK_NOT_THREADS(i6_nothing_piles_up, TASK_CRASHES),
		cmocka_unit_test(i8_refusals_have_codes_and_take_nothing),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
