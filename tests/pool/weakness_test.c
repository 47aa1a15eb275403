/*
 * weakness_test.c - mistakes that other pools make, and this one does not.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

static void
pmw1_a_job_whose_worker_never_began(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	int pid = task_pid(pool);
	struct mproc_future *f;

	(void)state;
	task_stop_still(pid);
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_square,
	    .n = 3), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(task_result(f), 0);
	assert_int_not_equal(mproc_args(mproc_future_reply(f),
	    task_squared)->pid, pid);
	mproc_future_free(f);
	task_finish(pool);
}

static void
pmw2_prw3_a_crash_is_no_cancel(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_die,
	    .sig = SIGKILL), 0);
	assert_int_equal(task_result(f), -EPIPE);
	assert_int_equal(mproc_future_death(f)->signal, SIGKILL);
	mproc_future_free(f);
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_spin), 0);
	assert_int_equal(mproc_future_cancel_as(f, MPROC_CANCEL_KILL), 0);
	assert_int_equal(task_result(f), -ECANCELED);
	mproc_future_free(f);
	task_finish(pool);
}

static void
pmw3_prw2_who_dies_stops_no_other(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .no_respawn = true });
	struct mproc_future *f[20];
	int i, pid = task_pid(pool);

	(void)state;
	assert_int_equal(kill(pid, SIGKILL), 0);
	for (i = 0; i < 20; i++) {
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_square, .n = i), 0);
		assert_int_equal(task_result(f[i]), 0);
		assert_int_not_equal(mproc_args(mproc_future_reply(f[i]),
		    task_squared)->pid, pid);
		mproc_future_free(f[i]);
	}
	task_finish(pool);
}

static void
pmw6_stop_is_bounded(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = 2, .process.stop_grace_ms = 10000 });
	int pid = task_pid(pool), i;
	int64_t begun;

	(void)state;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, NULL,
		    task_square), 0);
	begun = task_now_ms();
	assert_int_equal(mproc_pool_stop(pool, 50), -ETIMEDOUT);
	assert_true(task_now_ms() - begun < 5000 * task_slow());
	mproc_pool_free(pool);
}

static void
pmw8_results_may_wait_in_any_number(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .queue_jobs = -1 });
	struct mproc_future *f[200];
	int i;

	(void)state;
	for (i = 0; i < 200; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_square, .n = i), 0);
	/* the last first: those before it stall nobody */
	for (i = 199; i >= 0; i--) {
		assert_int_equal(task_result(f[i]), 0);
		assert_int_equal(mproc_args(mproc_future_reply(f[i]),
		    task_squared)->n, i * i);
	}
	for (i = 0; i < 200; i++)
		mproc_future_free(f[i]);
	task_finish(pool);
}

static void
pmw9_cancel_reaches_who_sends_nothing(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	int pid = task_pid(pool);
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_future_cancel_as(f, MPROC_CANCEL_COOP), 0);
	assert_int_equal(task_result(f), -ECANCELED);
	mproc_future_free(f);
	assert_int_equal(task_pid(pool), pid);	/* and it lives */
	task_finish(pool);
}

static void
pmw11_pmw16_pools_are_apart(void **state)
{
	struct mproc_pool *a = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_pool *b = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	int pid = task_pid(b);

	(void)state;
	assert_int_not_equal(task_pid(a), pid);
	assert_int_equal(mproc_pool_stop(a, SOON), 0);
	assert_int_equal(task_pid(b), pid);
	assert_int_equal(mproc_pool_start(a), 0);	/* again */
	assert_int_not_equal(task_pid(a), pid);
	task_finish(a);
	task_finish(b);
}

static void
pmw12_options_are_checked(void **state)
{
	static const struct mproc_pool_options bad[] = {
		{ .workers = -1 }, { .reserve_cpus = -1 },
		{ .min_workers = -2 }, { .prefetch = -1 },
		{ .queue_jobs = -2 }, { .window = -2 },
		{ .max_age_ms = -1 }, { .idle_ms = -1 }, { .ping_ms = -1 },
		{ .max_rss = -1 }, { .workers = 1 << 30 },
		{ .timeout_ms = -2 }, { .expire_ms = -2 }, { .retries = -2 },
		{ .workers = 2, .min_workers = 3 },
	};
	struct mproc_pool *pool = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(bad); i++)
		assert_int_equal(mproc_pool_new(&task_class, &bad[i], &pool),
		    -EINVAL);
	assert_string_equal(mproc_errmsg(NULL), "pool options: .min_workers "
	    "is 3, should be -1 to 2");
	assert_int_equal(mproc_pool_new(&task_class, &bad[0], &pool),
	    -EINVAL);
	assert_string_equal(mproc_errmsg(NULL), "pool options: .workers is "
	    "-1, should be 0 to 65536");
	assert_int_equal(mproc_pool_new(NULL, NULL, &pool), -EINVAL);
	assert_int_equal(mproc_pool_new(&task_class, NULL, NULL), -EINVAL);
	assert_null(pool);
}

/* Children of this process, -1 if the kernel does not tell. */
static int
children(void)
{
	char path[64];
	FILE *file;
	int n = 0, pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    getpid());
	if ((file = fopen(path, "r")) == NULL)
		return -1;
	while (fscanf(file, "%d", &pid) == 1)
		n++;
	fclose(file);
	return n;
}

static void
pmw14_no_process_but_the_workers(void **state)
{
	int before = children();
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3 });

	(void)state;
	if (before >= 0)
		assert_int_equal(children() - before, 3);
	task_finish(pool);
}

static void
pmw15_code_and_text_by_every_way(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	const struct task_fail in = { .code = -EXDEV, .text = "over there" };
	struct mproc_result r;

	(void)state;
	assert_int_equal(mproc_pool_put_typed(pool, SOON, NULL,
	    MPROC_SCHEMA(task_fail), &in), 0);
	assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
	assert_int_equal(r.code, -EXDEV);
	assert_string_equal(r.text, "over there");
	assert_int_equal(mproc_pool_map(pool, task_fail, &in, 1, NULL, &r),
	    -EXDEV);
	assert_int_equal(r.code, -EXDEV);
	assert_string_equal(r.text, "over there");
	assert_int_equal(mproc_pool_call_typed(pool, SOON, NULL, NULL,
	    MPROC_SCHEMA(task_fail), &in), -EXDEV);
	assert_string_equal(mproc_errmsg(NULL), "over there");
	task_finish(pool);
}

static void
pmw17_nothing_is_printed(void **state)
{
	FILE *file = tmpfile();
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	struct mproc_pool *pool;

	(void)state;
	assert_non_null(file);
	fflush(NULL);
	dup2(fileno(file), STDOUT_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	pool = task_pool((struct mproc_pool_options){ .workers = 1,
	    .fail_open = true });
	(void)mproc_pool_call(pool, SOON, NULL, task_fail, .code = -EDOM);
	(void)mproc_pool_call(pool, SOON, NULL, task_die, .sig = SIGKILL);
	(void)mproc_pool_set_offload(pool, MPROC_OFFLOAD_OFF);
	(void)mproc_pool_call(pool, SOON, NULL, task_square);
	(void)mproc_pool_terminate(pool);
	mproc_pool_free(pool);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
	fclose(file);
}

static void
prw4_join_takes_in_what_is_large(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .queue_jobs = -1 });
	struct mproc_result r;
	int i;

	(void)state;
	/* more results than any socket holds, and nobody gets them */
	for (i = 0; i < 2000; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, task_square,
		    .n = i), 0);
	assert_int_equal(mproc_pool_close(pool), 0);
	assert_int_equal(mproc_pool_join(pool, SOON * task_slow()), 0);
	for (i = 0; i < 2000; i++) {
		assert_int_equal(mproc_pool_get(pool, 0, &r), 1);
		mproc_msg_free(r.reply);
	}
	assert_int_equal(mproc_pool_get(pool, 0, &r), -ENODATA);
	mproc_pool_free(pool);
}

static struct mproc_pool *the_pool;

static int
wait_inside(struct mproc_msg **reply, void *arg)
{
	(void)reply;
	*(int *)arg = mproc_pool_call(the_pool, SOON, NULL, task_square);
	return 0;
}

static void
prw18_a_callback_cannot_stop_the_pool(void **state)
{
	static const struct mproc_job_handler h = { .finish = wait_inside };
	struct mproc_future *f;
	struct mproc_job job;
	int r = 0;

	(void)state;
	the_pool = task_pool((struct mproc_pool_options){ .workers = 1 });
	job = (struct mproc_job){ .handler = &h, .arg = &r };
	assert_int_equal(mproc_pool_submit_job(the_pool, SOON, &job, &f,
	    task_square), 0);
	assert_int_equal(task_result(f), 0);
	assert_int_equal(r, -EDEADLK);
	mproc_future_free(f);
	assert_int_not_equal(task_pid(the_pool), getpid());
	task_finish(the_pool);
}

static void *
wait_for_it(void *f)
{
	return mproc_future_wait(f, SOON * task_slow()) == 0 ? f : NULL;
}

static void
prw7_many_wait_for_one_result(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;
	pthread_t thread[4];
	void *seen;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_nap,
	    .ms = 30), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, wait_for_it,
		    f), 0);
	assert_int_equal(task_result(f), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &seen), 0);
		assert_ptr_equal(seen, f);
	}
	mproc_future_free(f);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TASK_NOT_THREADS(pmw1_a_job_whose_worker_never_began,
		    TASK_KILLS),
		TASK_NOT_THREADS(pmw2_prw3_a_crash_is_no_cancel, TASK_KILLS),
		TASK_NOT_THREADS(pmw3_prw2_who_dies_stops_no_other, TASK_KILLS),
		TASK_NOT_THREADS(pmw6_stop_is_bounded, TASK_KILLS),
		cmocka_unit_test(pmw8_results_may_wait_in_any_number),
		cmocka_unit_test(pmw9_cancel_reaches_who_sends_nothing),
		cmocka_unit_test(pmw11_pmw16_pools_are_apart),
		cmocka_unit_test(pmw12_options_are_checked),
		TASK_NOT_THREADS(pmw14_no_process_but_the_workers,
		    TASK_PROCESSES),
		cmocka_unit_test(pmw15_code_and_text_by_every_way),
		TASK_NOT_THREADS(pmw17_nothing_is_printed, TASK_CRASHES),
		cmocka_unit_test(prw4_join_takes_in_what_is_large),
		cmocka_unit_test(prw7_many_wait_for_one_result),
		cmocka_unit_test(prw18_a_callback_cannot_stop_the_pool),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
