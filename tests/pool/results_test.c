/*
 * results_test.c - what becomes of jobs: values of all kinds, items in
 * numbers, handlers of results, errors in their place.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

MPROC_MESSAGE(echo, back, (struct mproc_bytes, data), (int64_t, n),
    (bool, b));
MPROC_MESSAGE(echo, flow, (int, n), (bool, together));
MPROC_MESSAGE(echo, find, (const char *, text), (const char *, word));
MPROC_MESSAGE(echo, line, (int, number));
MPROC_MESSAGE(echo, bad_reply);

struct echo {
	struct mproc_backend base;
};

MPROC_COMMAND(echo, back)
{
	return mproc_reply_typed(req, MPROC_SCHEMA(echo_back), args);
}

MPROC_COMMAND(echo, flow)
{
	int i, r = 0;

	for (i = 0; i < args->n && r == 0; i++)
		r = args->together ?
		    mproc_yield_more(req, echo_line, .number = i) :
		    mproc_yield(req, echo_line, .number = i);
	return r;
}

/* The numbers of the lines that have the word. */
MPROC_COMMAND(echo, find)
{
	const char *at = args->text, *end, *hit;
	int number = 1;

	for (; *at != '\0'; at = end, number++) {
		end = strchrnul(at, '\n');
		end += *end == '\n';
		hit = strstr(at, args->word);
		if (hit != NULL && hit < end)
			(void)mproc_yield_more(req, echo_line,
			    .number = number);
	}
	return 0;
}

MPROC_COMMAND(echo, bad_reply)
{
	return mproc_reply(req, echo_back, .n = 1);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(echo, back, "the same"),
	MPROC_HANDLER(echo, flow, "yield numbers"),
	MPROC_HANDLER(echo, find, "lines with a word"),
	MPROC_HANDLER(echo, bad_reply, "reply what was not agreed on",
	    .reply = MPROC_SCHEMA(echo_line)),
};

static const struct mproc_class echo_class = MPROC_CLASS("Echo", echo,
    handlers);

static struct mproc_pool *
echo_pool(struct mproc_pool_options o)
{
	struct mproc_pool *pool = NULL;

	if (o.process.launch == MPROC_AUTO)
		o.process.launch = task_launch();
	if (mproc_pool_new(&echo_class, &o, &pool) < 0 ||
	    mproc_pool_start(pool) < 0)
		fail_msg("echo pool: %s", mproc_errmsg(NULL));
	return pool;
}

static void
pm24_pmw18_no_value_is_a_state(void **state)
{
	static const int64_t numbers[] = {
		0, 1, 2, 3, 4, 5, -1, -ECANCELED, INT64_MIN, INT64_MAX
	};
	struct mproc_pool *pool = echo_pool((struct mproc_pool_options){
	    .workers = 1 });
	const struct echo_back *back;
	struct mproc_msg *reply;
	uint8_t bytes[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (i = 0; i < sizeof(bytes); i++) {	/* PM-W18, too */
		assert_int_equal(mproc_pool_call(pool, SOON, &reply,
		    echo_back, .data = { &bytes[i], sizeof(bytes) - i },
		    .n = numbers[i % TEST_COUNT(numbers)], .b = i % 2), 0);
		assert_true(mproc_msg_is(reply, "back"));
		back = mproc_args(reply, echo_back);
		assert_int_equal(back->data.size, sizeof(bytes) - i);
		assert_memory_equal(back->data.data, &bytes[i],
		    sizeof(bytes) - i);
		assert_int_equal(back->n, numbers[i % TEST_COUNT(numbers)]);
		assert_int_equal(back->b, i % 2);
		mproc_msg_free(reply);
	}
	task_finish(pool);
}

static void
pm26_canceled_is_not_failed(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_pool_stats s;
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_fail,
	    .code = -ECANCELED, .text = "not today"), 0);
	assert_int_equal(task_result(f), -ECANCELED);
	assert_string_equal(mproc_future_errmsg(f), "not today");
	task_law(pool, &s);
	assert_int_equal(s.canceled, 1);
	assert_int_equal(s.failed + s.crashed, 0);
	mproc_future_free(f);
	task_finish(pool);
}

static void
pm11_a_job_is_a_name_and_a_message(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	int pid = task_pid(pool);
	struct mproc_future *f = NULL;
	struct mproc_msg *msg;

	(void)state;
	assert_int_equal(mproc_msg_new("nobody_knows", &msg), 0);
	assert_int_equal(mproc_pool_submit_msg(pool, SOON, NULL, &f, msg),
	    -ENOSYS);
	assert_null(f);
	assert_int_equal(mproc_pool_put_msg(pool, SOON, NULL, msg), -ENOSYS);
	mproc_msg_free(msg);
	/* known, with fields that are not: the worker refuses, and lives */
	assert_int_equal(mproc_msg_new("square", &msg), 0);
	assert_int_equal(mproc_msg_set_int(msg, "cube", 3), 0);
	assert_int_equal(mproc_pool_submit_msg(pool, SOON, NULL, &f, msg), 0);
	assert_int_equal(task_result(f), -EINVAL);
	assert_non_null(strstr(mproc_future_errmsg(f), "cube"));
	mproc_future_free(f);
	mproc_msg_free(msg);
	assert_int_equal(task_pid(pool), pid);
	task_finish(pool);
}

static void
prw5_pmw19_what_cannot_be_encoded(void **state)
{
	struct mproc_pool *pool = echo_pool((struct mproc_pool_options){
	    .workers = 1, .process.max_message = 4096 });
	uint8_t *large = calloc(1, 8192);
	struct mproc_result r;

	(void)state;
	assert_non_null(large);
	/* the job (PM-W19): refused at once, and nothing is queued */
	assert_int_equal(mproc_pool_put(pool, SOON, echo_back,
	    .data = { large, 8192 }), -EMSGSIZE);
	assert_int_equal(mproc_pool_get(pool, 0, &r), -ENODATA);
	/* the result: the job's error, and the next is not lost with it */
	assert_int_equal(mproc_pool_put(pool, SOON, echo_bad_reply), 0);
	assert_int_equal(mproc_pool_put(pool, SOON, echo_back, .n = 7), 0);
	assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
	assert_int_equal(r.code, -EINVAL);
	assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
	assert_int_equal(r.code, 0);
	mproc_msg_free(r.reply);
	free(large);
	task_finish(pool);
}

/* Take n items of a flow; how many calls of send(2) they took. */
static unsigned
sends_of(struct mproc_pool *pool, int n, bool together)
{
	struct mproc_future *f;
	struct mproc_msg *item;
	unsigned sends;
	int i;

	test_fail_sys("send", UINT_MAX, EIO);
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, echo_flow, .n = n,
	    .together = together), 0);
	for (i = 0; i < n; i++) {
		assert_int_equal(mproc_future_next(f, SOON * task_slow(),
		    &item), 1);
		assert_int_equal(mproc_args(item, echo_line)->number, i);
		mproc_msg_free(item);
	}
	assert_int_equal(mproc_future_next(f, SOON * task_slow(), &item), 0);
	assert_int_equal(mproc_future_result(f), 0);
	sends = test_sys_count();
	assert_false(test_fail_sys_done());
	mproc_future_free(f);
	return sends;
}

static void
pm13_many_items_few_writes(void **state)
{
	/* in a thread, where its calls can be counted */
	struct mproc_pool *pool = echo_pool((struct mproc_pool_options){
	    .workers = 1, .process = { .launch = MPROC_THREAD,
	    .channel = MPROC_SOCKET, .inbox_messages = -1 }});
	int n = (int)test_count(NULL, 20000);
	unsigned apart = sends_of(pool, n, false);
	unsigned together = sends_of(pool, n, true);

	(void)state;
	assert_true(together < (unsigned)n / 20 || test_slow() > 1);
	assert_true(together <= apart);
	/* few of them, and none, come as well */
	(void)sends_of(pool, 1, true);
	(void)sends_of(pool, 0, true);
	task_finish(pool);
}

static void
pm14_a_split_workload_in_order(void **state)
{
	/* each half of two files is a job; PM-14's lines, file by file */
	static const char *const half[4] = {
		"one\nneedle\nthree\n", "needle\nfive needles\nsix\n",
		"", "a\nneedle"
	};
	static const int first[4] = { 0, 3, 0, 0 };
	static const int want[4] = { 2, 4, 5, 2 };
	struct mproc_pool *pool = echo_pool((struct mproc_pool_options){
	    .workers = 3 });
	struct mproc_future *f[4];
	struct mproc_msg *item;
	int i, n = 0;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    echo_find, .text = half[i], .word = "needle"), 0);
	for (i = 0; i < 4; i++) {
		while (mproc_future_next(f[i], SOON, &item) == 1) {
			assert_true(n < 4);
			assert_int_equal(first[i] +
			    mproc_args(item, echo_line)->number, want[n++]);
			mproc_msg_free(item);
		}
		assert_int_equal(mproc_future_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	assert_int_equal(n, 4);
	task_finish(pool);
}

/* A result handler with a state of its own. */
struct sorter {
	int	 n, max, ended;
	int64_t	 sum;
	pthread_t thread;
	bool	 inside, mixed;
};

static int
sort_item(struct mproc_msg *msg, void *arg)
{
	struct sorter *s = arg;

	s->mixed = s->mixed || s->inside ||
	    (s->n > 0 && !pthread_equal(s->thread, pthread_self()));
	s->inside = true;
	s->thread = pthread_self();
	s->sum += mproc_args(msg, task_item)->n;
	s->n++;
	s->inside = false;
	return 0;
}

static int
sort_finish(struct mproc_msg **reply, void *arg)
{
	struct sorter *s = arg;

	s->ended++;
	mproc_msg_free(*reply);
	if (mproc_msg_new("item", reply) < 0)
		return -ENOMEM;
	(void)mproc_msg_set_int(*reply, "n", s->sum);
	return s->max != 0 && s->n > s->max ? -E2BIG : 0;
}

static void
pm20_handlers_are_called_by_one(void **state)
{
	static const struct mproc_job_handler h = {
		.item = sort_item, .finish = sort_finish
	};
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	struct sorter s[4] = { { .n = 0 } };
	struct mproc_future *f[4];
	struct mproc_job job;
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		job = (struct mproc_job){ .handler = &h, .arg = &s[i] };
		assert_int_equal(mproc_pool_submit_job(pool, SOON, &job,
		    &f[i], task_count, .n = 100), 0);
	}
	for (i = 0; i < 4; i++) {
		assert_int_equal(task_result(f[i]), 0);
		assert_int_equal(s[i].n, 100);
		assert_int_equal(s[i].sum, 4950);
		assert_int_equal(s[i].ended, 1);
		assert_false(s[i].mixed);
		mproc_future_free(f[i]);
	}
	task_finish(pool);
}

static void
pm22_finish_makes_the_value(void **state)
{
	static const struct mproc_job_handler h = {
		.item = sort_item, .finish = sort_finish
	};
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct sorter s = { .max = 0 }, picky = { .max = 2 };
	struct mproc_job job = { .handler = &h, .arg = &s };
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit_job(pool, SOON, &job, &f,
	    task_count, .n = 10), 0);
	assert_int_equal(task_result(f), 0);
	assert_int_equal(mproc_args(mproc_future_reply(f), task_item)->n,
	    45);
	mproc_future_free(f);
	/* none at all is no error; and it may refuse */
	s = (struct sorter){ .max = 0 };
	assert_int_equal(mproc_pool_submit_job(pool, SOON, &job, &f,
	    task_count), 0);
	assert_int_equal(task_result(f), 0);
	assert_int_equal(mproc_args(mproc_future_reply(f), task_item)->n, 0);
	mproc_future_free(f);
	job.arg = &picky;
	assert_int_equal(mproc_pool_submit_job(pool, SOON, &job, &f,
	    task_count, .n = 3), 0);
	assert_int_equal(task_result(f), -E2BIG);
	mproc_future_free(f);
	task_finish(pool);
}

static void
pr84_apply_value_and_error(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	struct mproc_msg *reply = NULL;

	(void)state;
	assert_int_equal(mproc_pool_call(pool, SOON, &reply, task_square,
	    .n = -12), 0);
	assert_int_equal(mproc_args(reply, task_squared)->n, 144);
	mproc_msg_free(reply);
	reply = NULL;
	assert_int_equal(mproc_pool_call(pool, SOON, &reply, task_fail,
	    .code = -EDOM, .text = "no root"), -EDOM);
	assert_null(reply);
	assert_non_null(strstr(mproc_errmsg(NULL), "no root"));
	task_finish(pool);
}

static uint64_t ended[8];
static int n_ended;

static void
note_end(struct mproc_future *f, void *arg)
{
	assert_int_equal(mproc_future_result(f), *(const int *)arg);
	ended[n_ended++] = mproc_future_id(f);
	mproc_future_free(f);
}

static void
pr85_callbacks_in_order_of_completion(void **state)
{
	static const int good = 0, bad = -EDOM;
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = 8 });
	struct mproc_future *f;
	int i;

	(void)state;
	n_ended = 0;
	for (i = 0; i < 8; i++) {
		if (i % 3 == 2)		/* it hears of failures, too */
			assert_int_equal(mproc_pool_submit(pool, SOON, &f,
			    task_fail, .code = -EDOM), 0);
		else
			assert_int_equal(mproc_pool_submit(pool, SOON, &f,
			    task_nap, .ms = 2), 0);
		assert_int_equal(mproc_future_on_done(f, note_end,
		    (void *)(uintptr_t)(i % 3 == 2 ? &bad : &good)), 0);
	}
	while (n_ended < 8)
		assert_true(mproc_pool_dispatch(pool, SOON) >= 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(ended[i], i + 1);
	task_finish(pool);
}

static void
pr87_one_map_of_many(void **state)
{
	size_t i, n = (size_t)test_count(NULL, 20000);
	struct task_square *in = calloc(n, sizeof(*in));
	struct mproc_result *out = calloc(n, sizeof(*out));
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 16 });

	(void)state;
	assert_true(in != NULL && out != NULL);
	for (i = 0; i < n; i++)
		in[i] = (struct task_square){ .n = (int64_t)i };
	assert_int_equal(mproc_pool_map(pool, task_square, in, n, NULL, out),
	    0);
	for (i = 0; i < n; i++)
		assert_int_equal(mproc_args(out[i].reply, task_squared)->n,
		    i * i);
	mproc_results_free(out, n);
	/* PR-W11: none, and one */
	assert_int_equal(mproc_pool_map(pool, task_square, in, 0, NULL, out),
	    0);
	assert_int_equal(mproc_pool_map(pool, task_square, in, 1, NULL, out),
	    0);
	mproc_results_free(out, 1);
	free(in);
	free(out);
	task_finish(pool);
}

struct naps {
	int	 next, n;
	const int *ms;
	int	 code;
};

static int
next_nap(void *arg, struct mproc_msg **ret_msg)
{
	struct naps *s = arg;
	int r;

	if (s->next == s->n)
		return s->code;
	if ((r = mproc_msg_new("nap", ret_msg)) < 0)
		return r;
	(void)mproc_msg_set_int(*ret_msg, "n", s->next);
	(void)mproc_msg_set_int(*ret_msg, "ms",
	    s->ms[s->next++] * task_slow());
	return 1;
}

static int64_t
nap_of(struct mproc_stream *stream)
{
	struct mproc_result r;
	int64_t n;

	assert_int_equal(mproc_stream_next(stream, SOON * task_slow(), &r),
	    1);
	assert_int_equal(r.code, 0);
	n = mproc_args(r.reply, task_squared)->n;
	mproc_msg_free(r.reply);
	return n;
}

/* Two that go on until they are told, then a quick one. */
static int
slow_slow_quick(void *arg, struct mproc_msg **ret_msg)
{
	int *n = arg, r;

	if (*n == 3)
		return 0;
	r = mproc_msg_new(*n < 2 ? "spin" : "square", ret_msg);
	if (r < 0)
		return r;
	if ((*n)++ < 2)
		(void)mproc_msg_set_bool(*ret_msg, "polite", true);
	return 1;
}

static void
pr89_the_quickest_is_first(void **state)
{
	static const int none[3] = { 0, 0, 0 };
	struct mproc_stream_options o = { .unordered = true };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3 });
	struct naps s = { .n = 3, .ms = none };
	struct mproc_stream *stream;
	struct mproc_result r;
	int i, n = 0;

	(void)state;
	assert_int_equal(mproc_pool_stream(pool, slow_slow_quick, &n, &o,
	    &stream), 0);
	assert_int_equal(mproc_stream_next(stream, SOON * task_slow(), &r),
	    1);
	assert_int_equal(r.index, 2);
	assert_int_equal(r.code, 0);
	mproc_msg_free(r.reply);
	assert_int_equal(mproc_pool_set_going(pool, false), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(mproc_stream_next(stream, SOON *
		    task_slow(), &r), 1);
		assert_int_equal(r.code, -ECANCELED);
	}
	assert_int_equal(mproc_stream_next(stream, SOON, &r), 0);
	mproc_stream_free(stream);
	task_finish(pool);
	/* one worker: in the order of the input */
	pool = task_pool((struct mproc_pool_options){ .workers = 1 });
	assert_int_equal(mproc_pool_stream(pool, next_nap, &s, &o, &stream),
	    0);
	for (i = 0; i < 3; i++)
		assert_int_equal(nap_of(stream), i);
	mproc_stream_free(stream);
	task_finish(pool);
}

static void
prw11_sources_that_are_empty_or_fail(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	static const int ms[1] = { 0 };
	struct naps s = { .n = 0, .ms = ms };
	struct mproc_stream *stream;
	struct mproc_result r;

	(void)state;
	assert_int_equal(mproc_pool_stream(pool, next_nap, &s, NULL,
	    &stream), 0);
	assert_int_equal(mproc_stream_next(stream, SOON, &r), 0);
	mproc_stream_free(stream);
	s = (struct naps){ .n = 1, .ms = ms, .code = -EIO };
	assert_int_equal(mproc_pool_stream(pool, next_nap, &s, NULL,
	    &stream), 0);
	assert_int_equal(nap_of(stream), 0);
	assert_int_equal(mproc_stream_next(stream, SOON, &r), -EIO);
	mproc_stream_free(stream);
	assert_int_not_equal(task_pid(pool), getpid());
	task_finish(pool);
}

static void
pr90_each_state_of_a_result(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_spin,
	    .polite = true), 0);
	assert_false(mproc_future_done(f));
	assert_int_equal(mproc_future_result(f), -EAGAIN);
	assert_null(mproc_future_reply(f));
	assert_int_equal(mproc_future_wait(f, 0), -ETIMEDOUT);
	assert_int_equal(mproc_future_wait(f, 5), -ETIMEDOUT);
	assert_int_equal(mproc_future_cancel_as(f, MPROC_CANCEL_COOP), 0);
	assert_int_equal(task_result(f), -ECANCELED);
	assert_int_equal(mproc_future_wait(f, 0), 0);
	mproc_future_free(f);
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_square,
	    .n = 2), 0);
	assert_int_equal(task_result(f), 0);
	assert_true(mproc_future_done(f));
	assert_non_null(mproc_future_reply(f));
	assert_string_equal(mproc_future_errmsg(f), "");
	mproc_future_free(f);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pm11_a_job_is_a_name_and_a_message),
		cmocka_unit_test(pm13_many_items_few_writes),
		cmocka_unit_test(pm14_a_split_workload_in_order),
		cmocka_unit_test(pm20_handlers_are_called_by_one),
		cmocka_unit_test(pm22_finish_makes_the_value),
		cmocka_unit_test(pm24_pmw18_no_value_is_a_state),
		cmocka_unit_test(pm26_canceled_is_not_failed),
		cmocka_unit_test(pr84_apply_value_and_error),
		cmocka_unit_test(pr85_callbacks_in_order_of_completion),
		cmocka_unit_test(pr87_one_map_of_many),
		cmocka_unit_test(pr89_the_quickest_is_first),
		cmocka_unit_test(pr90_each_state_of_a_result),
		cmocka_unit_test(prw5_pmw19_what_cannot_be_encoded),
		cmocka_unit_test(prw11_sources_that_are_empty_or_fail),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
