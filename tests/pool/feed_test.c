/*
 * feed_test.c - jobs in numbers: in what order, how far ahead, how far along,
 * and their ids.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../log/capture.h"
#include "pool/pool.h"
#include "task.h"

struct told {
	int	 n;
	struct mproc_progress last;
};

static void
on_progress(const struct mproc_progress *p, void *arg)
{
	struct told *t = arg;

	assert_true(p->total == 0 || p->done <= p->total);
	assert_true(p->elapsed_ms >= 0);
	t->n++;
	t->last = *p;
}

static int
get_code(struct mproc_pool *pool)
{
	struct mproc_result r;

	assert_int_equal(mproc_pool_get(pool, SOON * task_slow(), &r), 1);
	mproc_msg_free(r.reply);
	return r.code;
}

static void
progress_of_put_and_get(void **state)
{
	struct told t = { 0 };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .queue_jobs = -1, .progress = on_progress,
	    .progress_arg = &t });
	int i, round;

	(void)state;
	for (round = 0; round < 2; round++) {
		t.n = 0;
		for (i = 0; i < 50; i++)
			assert_int_equal(mproc_pool_put(pool, SOON, task_fail,
			    .code = i % 10 == 0 ? -EDOM : -ENOENT), 0);
		assert_int_equal(mproc_pool_put(pool, SOON, task_square,
		    .n = 1), 0);
		for (i = 0; i < 51; i++)
			(void)get_code(pool);
		assert_true(t.n >= 2);	/* the first, and the last */
		assert_int_equal(t.last.done, 51);
		assert_int_equal(t.last.total, 51);
		assert_int_equal(t.last.failed, 50);
	}
	/* while somebody waits for one that takes its time */
	t.n = 0;
	assert_int_equal(mproc_pool_put(pool, SOON, task_nap, .ms = 350), 0);
	assert_int_equal(get_code(pool), 0);
	assert_true(t.n >= 2 && t.n <= t.last.elapsed_ms / 100 + 2);
	/* and while it joins */
	t.n = 0;
	assert_int_equal(mproc_pool_put(pool, SOON, task_nap, .ms = 250), 0);
	assert_int_equal(mproc_pool_close(pool), 0);
	assert_int_equal(mproc_pool_join(pool, SOON), 0);
	assert_true(t.n >= 2);
	assert_int_equal(t.last.done, 1);
	assert_int_equal(t.last.total, 1);
	mproc_pool_free(pool);
}

struct source {
	int64_t	 next, end;
};

static int
squares(void *arg, struct mproc_msg **ret_msg)
{
	struct source *s = arg;
	int r;

	if (s->next == s->end)
		return 0;
	if ((r = mproc_msg_new("square", ret_msg)) < 0)
		return r;
	(void)mproc_msg_set_int(*ret_msg, "n", s->next++);
	return 1;
}

static void
progress_of_a_feed(void **state)
{
	struct told t = { 0 };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .progress = on_progress, .progress_arg = &t });
	struct source s = { 0, 300 };
	int i;

	(void)state;
	assert_int_equal(mproc_pool_feed(pool, squares, &s, NULL), 0);
	for (i = 0; i < 300; i++)
		assert_int_equal(get_code(pool), 0);
	assert_int_equal(t.last.done, 300);
	assert_int_equal(t.last.failed, 0);
	task_finish(pool);
}

static void
pm41_a_quick_producer_waits(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 1, .queue_jobs = 4 });
	struct mproc_pool_stats st;
	int i, full = 0;

	(void)state;
	for (i = 0; i < 200; i++) {
		if (mproc_pool_submit(pool, 0, NULL, task_nap, .ms = 1) == 0)
			continue;
		full++;
		assert_int_equal(mproc_pool_submit(pool, SOON, NULL, task_nap,
		    .ms = 1), 0);
		task_law(pool, &st);
		assert_true(st.queued <= 4 && st.running <= 2);
	}
	assert_true(full > 20);
	assert_int_equal(mproc_pool_stop(pool, SOON), 0);
	mproc_pool_free(pool);
}

static void
pm42_ids_are_counted_on(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = 20 });
	struct mproc_future *f[20];
	uint64_t last;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f[0], task_square),
	    0);
	assert_int_equal(mproc_future_id(f[0]), 1);
	mproc_future_free(f[0]);
	/* as if so many had been there: no wrap at 10^6, nor at 2^32 */
	last = pool->last_id = 999989;
	for (i = 0; i < 20; i++) {
		if (i == 15)
			last = pool->last_id = UINT32_MAX - 2;
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_square, .n = i), 0);
		assert_int_equal(mproc_future_id(f[i]), ++last);
	}
	for (i = 0; i < 20; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	assert_int_equal(mproc_future_id(NULL), 0);
	task_finish(pool);
}

static void
pm43_a_failing_job_is_a_line_in_the_log(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;
	struct capture c;
	char text[128];
	int id = add_capture("", MPROC_WARNING, &c);

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_fail,
	    .code = -EDOM, .text = "boom"), 0);
	assert_int_equal(task_result(f), -EDOM);
	assert_int_equal(task_pid(pool) > 0, 1);	/* all was read */
	(void)snprintf(text, sizeof(text), "c__fail failed: boom (EDOM), "
	    "call %llu", (unsigned long long)mproc_future_id(f));
	assert_int_equal(c.n, 1);
	assert_string_equal(c.text[0], text);
	assert_string_equal(c.name[0], "Task.Task-1");
	assert_string_equal(c.process, "Task-1");
	mproc_future_free(f);
	assert_int_equal(mproc_log_remove_sink(id), 0);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(progress_of_put_and_get),
		cmocka_unit_test(progress_of_a_feed),
		cmocka_unit_test(pm41_a_quick_producer_waits),
		cmocka_unit_test(pm42_ids_are_counted_on),
		LOG_TEST(pm43_a_failing_job_is_a_line_in_the_log),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
