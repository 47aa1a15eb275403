/*
 * refuse_test.c - what is refused: that it does nothing, and says why.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>

#include "task.h"

#define PLACES	4

static struct mproc_pool *victim;
static int freed;
static struct { int stop, terminate, start, call, join; } said;

static void
free_it(void)
{
	if (freed++ == 0)
		assert_null(mproc_pool_free(victim));
}

static void
free_worker(enum mproc_worker_event event, const struct mproc_worker *w,
    void *arg)
{
	(void)w;
	(void)arg;
	if (event == MPROC_WORKER_DIED)
		free_it();
}

static void
free_done(struct mproc_future *f, void *arg)
{
	(void)arg;
	free_it();
	mproc_future_free(f);
}

static void
free_report(const struct mproc_progress *p, void *arg)
{
	(void)p;
	(void)arg;
	free_it();
}

static int
free_finish(struct mproc_msg **reply, void *arg)
{
	(void)reply;
	(void)arg;
	free_it();
	return 0;
}

static void
begin(struct mproc_pool_options o)
{
	o.workers = 2;
	freed = 0;
	victim = task_pool(o);
}

static void
free_in_on_worker(void **state)
{
	struct mproc_result r = { .reply = NULL };
	int i;

	(void)state;
	begin((struct mproc_pool_options){ .on_worker = free_worker });
	assert_int_equal(mproc_pool_put(victim, SOON, task_die,
	    .sig = SIGKILL), 0);
	assert_int_equal(mproc_pool_get(victim, SOON, &r), 1);
	assert_int_equal(r.code, -EPIPE);
	/* a wait that nothing else would end */
	for (i = 0; i < 2 && freed == 0; i++)
		(void)mproc_pool_dispatch(victim, SOON);
	assert_int_equal(freed, 1);

	begin((struct mproc_pool_options){ .on_worker = free_worker });
	assert_int_equal(mproc_pool_submit(victim, SOON, NULL, task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_pool_submit(victim, SOON, NULL, task_die,
	    .sig = SIGKILL), 0);
	assert_int_equal(mproc_pool_close(victim), 0);
	(void)mproc_pool_join(victim, SOON);
	assert_int_equal(freed, 1);
}

static void
free_in_on_done(void **state)
{
	struct mproc_future *f, *other;

	(void)state;
	begin((struct mproc_pool_options){ .prefetch = 1 });
	assert_int_equal(mproc_pool_submit(victim, SOON, &f, task_square),
	    0);
	assert_int_equal(mproc_pool_submit(victim, SOON, &other, task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_future_on_done(f, free_done, NULL), 0);
	assert_int_equal(mproc_future_wait(other, SOON), 0);
	assert_int_equal(mproc_future_result(other), -ECANCELED);
	assert_int_equal(freed, 1);
	mproc_future_free(other);

	begin((struct mproc_pool_options){ .prefetch = 1 });
	assert_int_equal(mproc_pool_submit(victim, SOON, &f, task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_future_on_done(f, free_done, NULL), 0);
	assert_int_equal(mproc_pool_stop(victim, 0), -ETIMEDOUT);
	assert_int_equal(freed, 1);
}

static void
free_in_a_handler_or_a_report(void **state)
{
	static const struct mproc_job_handler h = { .finish = free_finish };
	struct mproc_job job = { .handler = &h };
	struct mproc_map_options o = { .progress = free_report };
	struct task_square in[PLACES] = { { .n = 1 } };
	struct mproc_result out[PLACES];

	(void)state;
	begin((struct mproc_pool_options){ .prefetch = 1 });
	assert_int_equal(mproc_pool_call_job(victim, SOON, &job, NULL,
	    task_square, .n = 2), 0);
	assert_int_equal(freed, 1);

	begin((struct mproc_pool_options){ .prefetch = 1 });
	(void)mproc_pool_map(victim, task_square, in, PLACES, &o, out);
	mproc_results_free(out, PLACES);
	assert_true(freed > 0);		/* the last report is made, too */
}

static void
try_all(struct mproc_pool *pool)
{
	said.stop = mproc_pool_stop(pool, SOON);
	said.terminate = mproc_pool_terminate(pool);
	said.start = mproc_pool_start(pool);
	said.call = mproc_pool_call(pool, SOON, NULL, task_square, .n = 1);
	said.join = mproc_pool_join(pool, 0);
}

static void
try_worker(enum mproc_worker_event event, const struct mproc_worker *w,
    void *arg)
{
	(void)w;
	(void)arg;
	if (event == MPROC_WORKER_DIED)
		try_all(victim);
}

static void
try_report(const struct mproc_progress *p, void *arg)
{
	(void)p;
	try_all(arg);
}

static void
all_refused(void)
{
	assert_int_equal(said.stop, -EDEADLK);
	assert_int_equal(said.terminate, -EDEADLK);
	assert_int_equal(said.start, -EDEADLK);
	assert_int_equal(said.call, -EDEADLK);
	assert_int_equal(said.join, -EBUSY);	/* nobody has closed it */
	memset(&said, 0, sizeof(said));
}

static bool
has_tried(const struct mproc_pool_stats *st, void *arg)
{
	(void)st;
	(void)arg;
	return said.stop != 0;
}

static void
edeadlk_has_done_nothing(void **state)
{
	struct mproc_pool_stats st;
	struct mproc_future *f;
	struct task_square in[PLACES] = { { .n = 1 } };
	struct mproc_result out[PLACES];
	struct mproc_map_options o = { .progress = try_report };

	(void)state;
	begin((struct mproc_pool_options){ .on_worker = try_worker });
	assert_int_equal(mproc_pool_submit(victim, SOON, &f, task_nap,
	    .ms = 200, .n = 7), 0);
	assert_int_equal(mproc_pool_submit(victim, SOON, NULL, task_die,
	    .sig = SIGKILL), 0);
	assert_true(task_until(victim, has_tried, NULL));
	all_refused();
	assert_int_equal(task_result(f), 0);
	mproc_future_free(f);

	o.progress_arg = victim;
	assert_int_equal(mproc_pool_map(victim, task_square, in, PLACES, &o,
	    out), 0);
	all_refused();
	mproc_results_free(out, PLACES);
	task_law(victim, &st);
	assert_int_equal(st.submitted, 2 + PLACES);	/* and no call */
	assert_int_equal(st.canceled, 0);
	task_finish(victim);
}

static void
refusals_say_why(void **state)
{
	struct mproc_result r;
	struct mproc_job job = { .timeout_ms = -5 };
	struct mproc_pool_options o = { .name = "p", .workers = 1,
	    .process.launch = task_launch() };

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &victim), 0);
	assert_int_equal(mproc_pool_get(victim, 0, &r), -ENODATA);
	assert_string_equal(mproc_errmsg(NULL),
	    "pool p: nothing was put: it was not started");
	assert_int_equal(mproc_pool_start(victim), 0);
	assert_int_equal(mproc_pool_get(victim, 0, &r), -ENODATA);
	assert_string_equal(mproc_errmsg(NULL), "pool p: nothing was put");
	assert_int_equal(mproc_pool_put_job(victim, 0, &job, task_square),
	    -EINVAL);
	assert_string_equal(mproc_errmsg(NULL),
	    "job options: .timeout_ms is -5, should be -1 or more");
	assert_int_equal(mproc_pool_put(victim, SOON, task_square), 0);
	while (mproc_pool_get(victim, SOON, &r) == 1)
		mproc_msg_free(r.reply);
	assert_string_equal(mproc_errmsg(NULL),
	    "pool p: every result was got");
	task_finish(victim);
}

static bool
two_done(const struct mproc_pool_stats *st, void *arg)
{
	(void)arg;
	return st->done == 2;
}

static void
no_room_says_of_what(void **state)
{
	struct mproc_result r;

	(void)state;
	victim = task_pool((struct mproc_pool_options){ .name = "p",
	    .workers = 1, .window = 2, .queue_jobs = 1 });
	assert_int_equal(mproc_pool_put(victim, SOON, task_square), 0);
	assert_int_equal(mproc_pool_put(victim, SOON, task_square), 0);
	assert_true(task_until(victim, two_done, NULL));
	assert_int_equal(mproc_pool_put(victim, 1, task_square),
	    -ETIMEDOUT);
	assert_string_equal(mproc_errmsg(NULL), "pool p had no room for "
	    "1 ms: results that wait to be got: 2 (.window)");
	while (mproc_pool_get(victim, SOON, &r) == 1)
		mproc_msg_free(r.reply);
	/* one runs, one waits */
	assert_int_equal(mproc_pool_submit(victim, SOON, NULL, task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_pool_submit(victim, SOON, NULL, task_square),
	    0);
	assert_int_equal(mproc_pool_submit(victim, 0, NULL, task_square),
	    -EAGAIN);
	assert_string_equal(mproc_errmsg(NULL), "pool p has no room: jobs "
	    "that wait: 1 (.queue_jobs)");
	assert_int_equal(mproc_pool_terminate(victim), 0);
	task_finish(victim);
}

MPROC_MESSAGE(pair, take, (struct mproc_bytes, a), (struct mproc_bytes, b));

struct pair {
	struct mproc_backend base;
};

MPROC_COMMAND(pair, take)
{
	(void)self;
	(void)args;
	(void)req;
	return 0;
}

static const struct mproc_handler pair_handlers[] = {
	MPROC_HANDLER(pair, take, "nothing"),
};
static const struct mproc_class pair_class = MPROC_CLASS("Pair", pair,
    pair_handlers);

/* Each field would fit, both do not: what they were encoded into is freed. */
static void
what_is_refused_keeps_no_memory(void **state)
{
	static const char bytes[6 << 20];
	struct mproc_bytes b = { bytes, sizeof(bytes) };
	struct mproc_pool *pool;
	struct mallinfo2 before, after;

	(void)state;
	assert_int_equal(mproc_pool_new(&pair_class,
	    &(struct mproc_pool_options){ .workers = 1, .process = {
	    .max_message = 8 << 20, .launch = task_launch() } }, &pool), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	before = mallinfo2();
	assert_int_equal(mproc_pool_submit(pool, SOON, NULL, pair_take,
	    .a = b, .b = b), -EMSGSIZE);
	after = mallinfo2();
	assert_true(after.uordblks + after.hblkhd <
	    before.uordblks + before.hblkhd + (1 << 20));
	mproc_pool_free(pool);
}

/* A refused job has the memory of one that is done, but not its body. */
static void
what_is_refused_frees_nothing_of_others(void **state)
{
	static const char bytes[256 << 10];
	const struct mproc_bytes small = { bytes, 1000 };
	struct mproc_pool *pool;
	struct mproc_result r;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_new(&pair_class,
	    &(struct mproc_pool_options){ .workers = 1, .process = {
	    .max_message = sizeof(bytes), .launch = task_launch() } },
	    &pool), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(mproc_pool_put(pool, SOON, pair_take,
		    .a = small), 0);
		assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
		assert_int_equal(r.code, 0);
		mproc_msg_free(r.reply);
		assert_int_equal(mproc_pool_put(pool, SOON, pair_take,
		    .a = { bytes, sizeof(bytes) }), -EMSGSIZE);
	}
	mproc_pool_free(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TASK_NOT_THREADS(free_in_on_worker, TASK_CRASHES),
		cmocka_unit_test(free_in_on_done),
		cmocka_unit_test(free_in_a_handler_or_a_report),
		TASK_NOT_THREADS(edeadlk_has_done_nothing, TASK_CRASHES),
		cmocka_unit_test(refusals_say_why),
		cmocka_unit_test(no_room_says_of_what),
		cmocka_unit_test(what_is_refused_keeps_no_memory),
		cmocka_unit_test(what_is_refused_frees_nothing_of_others),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
