/*
 * flow_test.c - many jobs: put and get, sources, streams, map, order, limits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

static int64_t
n_of(struct mproc_result *r)
{
	int64_t n = r->reply != NULL ?
	    mproc_args(r->reply, task_squared)->n : -1;

	mproc_msg_free(r->reply);
	return n;
}

static void
bm7_ordered_get(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3, .prefetch = 4, .ordered = true,
	    .queue_jobs = -1 });
	struct mproc_result r;
	int i;

	(void)state;
	/* bm17, bmw3: the first is the slowest, one fails in its place */
	assert_int_equal(mproc_pool_get(pool, 0, &r), -ENODATA);
	assert_int_equal(mproc_pool_put(pool, SOON, task_nap, .ms = 50,
	    .n = 0), 0);
	assert_int_equal(mproc_pool_get(pool, 0, &r), -EAGAIN);
	for (i = 1; i < 2000; i++) {
		if (i == 700)
			assert_int_equal(mproc_pool_put(pool, SOON,
			    task_fail, .code = -EDOM, .text = "no"), 0);
		else
			assert_int_equal(mproc_pool_put(pool, SOON,
			    task_square, .n = i), 0);
	}
	for (i = 0; i < 2000; i++) {
		assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
		assert_int_equal(r.index, i);
		assert_int_equal(r.code, i == 700 ? -EDOM : 0);
		if (i == 700)
			assert_string_equal(r.text, "no");
		assert_int_equal(n_of(&r), i == 700 ? -1 : (int64_t)i * i);
	}
	assert_int_equal(mproc_pool_get(pool, SOON, &r), -ENODATA);
	task_finish(pool);
}

static void
bm16_unordered_get(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	struct mproc_result r;

	(void)state;
	assert_int_equal(mproc_pool_put(pool, SOON, task_nap, .ms = 100,
	    .n = 1), 0);
	assert_int_equal(mproc_pool_put(pool, SOON, task_square, .n = 2), 0);
	assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
	assert_int_equal(r.index, 1);
	assert_int_equal(n_of(&r), 4);
	assert_int_equal(mproc_pool_get(pool, 1, &r), -ETIMEDOUT);
	assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
	assert_int_equal(n_of(&r), 1);
	task_finish(pool);
}

static void
bmw11_results_are_bounded(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .window = 3, .queue_jobs = -1 });
	struct mproc_result r;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, task_square,
		    .n = i), 0);
	assert_int_equal(mproc_pool_put(pool, 0, task_square, .n = 3),
	    -EAGAIN);
	assert_int_equal(mproc_pool_put(pool, 5, task_square, .n = 3),
	    -ETIMEDOUT);	/* bm13: and nothing is consumed */
	assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
	(void)n_of(&r);
	assert_int_equal(mproc_pool_put(pool, 0, task_square, .n = 3), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
		assert_int_equal(r.index, i + 1);
		(void)n_of(&r);
	}
	task_finish(pool);
}

static void
bm25_clear(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 4, .ordered = true, .queue_jobs = 10 });
	struct mproc_result r;
	int i, done = 0, canceled = 0;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, task_nap,
		    .ms = 20, .n = i), 0);
	assert_int_equal(mproc_pool_clear(pool), 6);	/* bmw4: no holes */
	for (i = 0; i < 10; i++) {
		assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
		assert_int_equal(r.index, i);
		done += r.code == 0;
		canceled += r.code == -ECANCELED;
		(void)n_of(&r);
	}
	assert_int_equal(done, 4);
	assert_int_equal(canceled, 6);
	task_finish(pool);
}

struct source {
	int64_t	 next, end;
	int	 code;
};

static int
square_source(void *arg, struct mproc_msg **ret_msg)
{
	struct source *s = arg;
	int r;

	if (s->next == s->end)
		return s->code;
	if ((r = mproc_msg_new("square", ret_msg)) < 0)
		return r;
	(void)mproc_msg_set_int(*ret_msg, "n", s->next++);
	return 1;
}

static void
bm15_feeds(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 4 });
	struct source a = { 0, 500, 0 }, b = { 1000, 1500, -EIO };
	struct mproc_future *fa, *fb;
	struct mproc_result r;
	int i, from_b = 0;
	int64_t n;

	(void)state;
	assert_int_equal(mproc_pool_feed(pool, square_source, &a, &fa), 0);
	assert_int_equal(mproc_pool_feed(pool, square_source, &b, &fb), 0);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
		assert_int_equal(r.code, 0);
		n = n_of(&r);
		from_b += i < 500 && n >= 1000 * 1000;
	}
	assert_true(from_b > 100);	/* they took turns */
	assert_int_equal(task_result(fa), 0);
	assert_int_equal(task_result(fb), -EIO);
	assert_int_equal(mproc_pool_get(pool, SOON, &r), -ENODATA);
	mproc_future_free(fa);
	mproc_future_free(fb);
	task_finish(pool);
}

static void
pr88_prw12_streams_read_ahead_so_far(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	struct mproc_stream_options o = { .window = 8 };
	struct source s = { 0, INT64_MAX, 0 };	/* endless */
	struct mproc_stream *stream;
	struct mproc_result r;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_stream(pool, square_source, &s, &o,
	    &stream), 0);
	for (i = 0; i < 100; i++) {
		assert_int_equal(mproc_stream_next(stream, SOON, &r), 1);
		assert_int_equal(n_of(&r), (int64_t)i * i);
		assert_true(s.next <= i + 1 + 8);
	}
	assert_null(mproc_stream_free(stream));
	s = (struct source){ 0, 10, 0 };
	o.unordered = true;
	assert_int_equal(mproc_pool_stream(pool, square_source, &s, &o,
	    &stream), 0);
	for (i = 0; i < 10; i++) {
		assert_int_equal(mproc_stream_next(stream, SOON, &r), 1);
		(void)n_of(&r);
	}
	assert_int_equal(mproc_stream_next(stream, SOON, &r), 0);
	mproc_stream_free(stream);
	task_finish(pool);
}

static int reports;

static void
on_progress(const struct mproc_progress *p, void *arg)
{
	assert_ptr_equal(arg, &reports);
	assert_true(p->done <= p->total);
	reports++;
}

static void
pr86_map(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 8 });
	struct mproc_map_options o = {
		.progress = on_progress, .progress_arg = &reports
	};
	struct task_square in[500];
	struct mproc_result out[500];
	int i, round;

	(void)state;
	for (i = 0; i < 500; i++)
		in[i] = (struct task_square){ .n = i };
	reports = 0;
	for (round = 0; round < 2; round++) {	/* bm21: again */
		assert_int_equal(mproc_pool_map(pool, task_square, in, 500,
		    &o, out), 0);
		for (i = 0; i < 500; i++) {
			assert_int_equal(out[i].index, i);
			assert_int_equal(mproc_args(out[i].reply,
			    task_squared)->n, i * i);
		}
		mproc_results_free(out, 500);
	}
	assert_true(reports >= 2);
	task_finish(pool);
}

static void
pr86_map_tells_the_first_error(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .queue_jobs = 2, .prefetch = 1 });
	struct mproc_map_options stop = { .stop_on_error = true };
	struct task_fail in[50];
	struct mproc_result out[50];
	int i, r, canceled = 0, first = 0;

	(void)state;
	for (i = 0; i < 50; i++)
		in[i] = (struct task_fail){ .code = -i - 1, .text = "bad" };
	assert_int_equal(mproc_pool_map(pool, task_fail, in, 50, NULL, out),
	    -1);
	for (i = 0; i < 50; i++)
		assert_int_equal(out[i].code, -i - 1);
	r = mproc_pool_map(pool, task_fail, in, 50, &stop, out);
	for (i = 49; i >= 0; i--) {
		if (out[i].code == -ECANCELED)
			canceled++;
		else
			first = out[i].code;
	}
	assert_int_equal(r, first);	/* not that others were canceled */
	assert_true(canceled > 30);
	task_finish(pool);
}

static void
tp9_a_limiter_for_two_pools(void **state)
{
	struct mproc_limiter *limiter;
	struct mproc_pool *a, *b;
	struct mproc_pool_stats sa, sb;
	struct mproc_limiter_stats ls;
	struct mproc_future *f[12];
	int i;

	(void)state;
	assert_int_equal(mproc_limiter_new(2, &limiter), 0);
	a = task_pool((struct mproc_pool_options){ .workers = 3,
	    .limiter = limiter, .queue_jobs = 10 });
	b = task_pool((struct mproc_pool_options){ .workers = 3,
	    .limiter = limiter, .queue_jobs = 10 });
	for (i = 0; i < 12; i++) {
		assert_int_equal(mproc_pool_submit(i % 2 ? a : b, SOON,
		    &f[i], task_nap, .ms = 5, .n = i), 0);
		task_law(a, &sa);
		task_law(b, &sb);
		assert_true(sa.running + sb.running <= 2);
	}
	assert_int_equal(mproc_limiter_try_acquire(limiter), -EAGAIN);
	/* both pools move, or one would wait for the other's tokens */
	assert_int_equal(mproc_limiter_set_total(limiter, 6), 0);
	for (i = 0; i < 12; i++) {
		while (!mproc_future_done(f[i])) {
			(void)mproc_pool_dispatch(a, 1);
			(void)mproc_pool_dispatch(b, 1);
		}
		assert_int_equal(mproc_future_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	task_finish(a);
	task_finish(b);
	assert_int_equal(mproc_limiter_stats(limiter, &ls), 0);
	assert_int_equal(ls.borrowed, 0);
	assert_int_equal(mproc_limiter_release(limiter), -EINVAL);
	mproc_limiter_free(limiter);
}

static int items, finished, failures;

static int
on_item(struct mproc_msg *msg, void *arg)
{
	(void)arg;
	assert_int_equal(mproc_args(msg, task_item)->n, items);
	return ++items == 10 ? -E2BIG : 0;
}

static int
on_finish(struct mproc_msg **reply, void *arg)
{
	(void)arg;
	finished++;
	mproc_msg_free(*reply);
	return mproc_msg_new("mine", reply);
}

static void
on_failed(int code, const char *text, void *arg)
{
	(void)text;
	(void)arg;
	assert_int_equal(code, -E2BIG);
	failures++;
}

static void
pm21_result_handlers(void **state)
{
	static const struct mproc_job_handler h = {
		on_item, on_finish, on_failed
	};
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_job job = { .handler = &h };
	struct mproc_future *f;

	(void)state;
	items = finished = failures = 0;
	assert_int_equal(mproc_pool_submit_job(pool, SOON, &job, &f,
	    task_count, .n = 5), 0);
	assert_int_equal(task_result(f), 0);
	assert_true(mproc_msg_is(mproc_future_reply(f), "mine"));
	assert_int_equal(items, 5);
	assert_int_equal(finished, 1);
	mproc_future_free(f);
	items = 0;
	assert_int_equal(mproc_pool_submit_job(pool, SOON, &job, &f,
	    task_count, .forever = true), 0);
	assert_int_equal(task_result(f), -E2BIG);
	assert_int_equal(items, 10);
	assert_int_equal(failures, 1);
	mproc_future_free(f);
	task_finish(pool);
}

static void
pm21_result_handlers_of_put_and_call(void **state)
{
	static const struct mproc_job_handler h = {
		on_item, on_finish, on_failed
	};
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_job job = { .handler = &h };
	struct mproc_result result;
	struct mproc_msg *reply;

	(void)state;
	items = finished = failures = 0;
	assert_int_equal(mproc_pool_put_job(pool, SOON, &job, task_count,
	    .n = 5), 0);
	assert_int_equal(mproc_pool_get(pool, SOON, &result), 1);
	assert_true(mproc_msg_is(result.reply, "mine"));
	mproc_msg_free(result.reply);
	assert_int_equal(items, 5);
	items = 0;
	assert_int_equal(mproc_pool_call_job(pool, SOON, &job, &reply,
	    task_count, .n = 4), 0);
	assert_true(mproc_msg_is(reply, "mine"));
	mproc_msg_free(reply);
	assert_int_equal(items, 4);
	assert_int_equal(finished, 2);
	items = 0;
	assert_int_equal(mproc_pool_call_job(pool, SOON,
	    (&(struct mproc_job){ .handler = &h, .retries = 1 }), NULL,
	    task_count, .forever = true), -E2BIG);
	assert_int_equal(failures, 1);
	task_finish(pool);
}

static void
pm29_no_go(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .queue_jobs = 100 });
	struct mproc_future *f[52];
	int i;

	(void)state;
	for (i = 0; i < 52; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_spin, .polite = true), 0);
	assert_int_equal(mproc_pool_set_going(pool, false), 0);
	assert_int_equal(mproc_pool_submit(pool, SOON, NULL, task_square),
	    -ECANCELED);
	for (i = 0; i < 52; i++) {
		assert_int_equal(task_result(f[i]), -ECANCELED);
		mproc_future_free(f[i]);
	}
	assert_int_equal(mproc_pool_set_going(pool, true), 0);
	assert_int_not_equal(task_pid(pool), getpid());
	task_finish(pool);
}

static void
pm35_notify_all(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3, .fifo = true });
	struct mproc_msg *reply;
	int i;

	(void)state;
	for (i = 1; i <= 100; i++)
		assert_int_equal(mproc_pool_notify(pool, SOON, task_tell,
		    .n = i),
		    3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(mproc_pool_call(pool, SOON, &reply,
		    task_told), 0);
		assert_int_equal(mproc_args(reply, task_item)->n, 5050);
		mproc_msg_free(reply);
	}
	assert_int_equal(mproc_pool_notify(pool, SOON, task_item, .n = 1),
	    -ENOSYS);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bm7_ordered_get),
		cmocka_unit_test(bm16_unordered_get),
		cmocka_unit_test(bmw11_results_are_bounded),
		cmocka_unit_test(bm25_clear),
		cmocka_unit_test(bm15_feeds),
		cmocka_unit_test(pr88_prw12_streams_read_ahead_so_far),
		cmocka_unit_test(pr86_map),
		cmocka_unit_test(pr86_map_tells_the_first_error),
		cmocka_unit_test(tp9_a_limiter_for_two_pools),
		cmocka_unit_test(pm21_result_handlers),
		cmocka_unit_test(pm21_result_handlers_of_put_and_call),
		cmocka_unit_test(pm29_no_go),
		cmocka_unit_test(pm35_notify_all),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
