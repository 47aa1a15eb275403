/*
 * worker_test.c - which workers there are, how long, and what they are given.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "pool/pool.h"

static void
tp7_last_in_first_out(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3 });
	int i, pid = task_pid(pool), pids[3];

	(void)state;
	for (i = 0; i < 5; i++)
		assert_int_equal(task_pid(pool), pid);
	task_finish(pool);
	pool = task_pool((struct mproc_pool_options){ .workers = 3,
	    .fifo = true });
	for (i = 0; i < 3; i++)
		pids[i] = task_pid(pool);
	assert_int_not_equal(pids[0], pids[1]);
	assert_int_not_equal(pids[1], pids[2]);
	assert_int_equal(task_pid(pool), pids[0]);
	task_finish(pool);
}

static void
tp18_max_jobs(void **state)
{
	int most, i, pids[10], changes;

	(void)state;
	for (most = 1; most <= 2; most++) {
		struct mproc_pool *pool = task_pool(
		    (struct mproc_pool_options){ .workers = 1,
		    .max_jobs = (uint64_t)most });
		struct mproc_pool_stats s;

		for (changes = 0, i = 0; i < 10; i++) {
			pids[i] = task_pid(pool);
			changes += i > 0 && pids[i] != pids[i - 1];
		}
		assert_int_equal(changes, 10 / most - 1);
		task_law(pool, &s);
		assert_int_equal(s.crashed + s.died, 0);
		task_finish(pool);
	}
}

static bool
retired(const struct mproc_pool_stats *s, void *arg)
{
	return s->retired >= (uint64_t)*(int *)arg;
}

static bool
after_two(const struct mproc_worker *w, void *arg)
{
	(void)arg;
	return w->jobs >= 2;
}

static void
tp18_retire_by_rss_age_and_hook(void **state)
{
	struct mproc_pool *pool;
	struct mproc_msg *reply;
	int one = 1, pid;

	(void)state;
	pool = task_pool((struct mproc_pool_options){ .workers = 1,
	    .retire = after_two });
	pid = task_pid(pool);
	assert_int_equal(task_pid(pool), pid);
	assert_true(task_until(pool, retired, &one));
	assert_int_not_equal(task_pid(pool), pid);
	task_finish(pool);
	pool = task_pool((struct mproc_pool_options){ .workers = 1,
	    .max_age_ms = 50 });
	pid = task_pid(pool);
	assert_true(task_until(pool, retired, &one));
	assert_int_not_equal(task_pid(pool), pid);
	task_finish(pool);
	if (test_on_valgrind() || task_launch() == MPROC_THREAD)
		return;		/* the memory is not the worker's own */
	pool = task_pool((struct mproc_pool_options){ .workers = 1,
	    .max_rss = 1LL << 30 });
	pid = task_pid(pool);
	assert_int_equal(task_pid(pool), pid);
	task_finish(pool);
	pool = task_pool((struct mproc_pool_options){ .workers = 1,
	    .max_rss = 100 << 20 });
	pid = task_pid(pool);
	assert_int_equal(mproc_pool_call(pool, SOON, &reply, task_eat,
	    .bytes = 150 << 20), 0);
	mproc_msg_free(reply);
	assert_true(task_until(pool, retired, &one));
	assert_int_not_equal(task_pid(pool), pid);
	task_finish(pool);
}

static bool
none_left(const struct mproc_pool_stats *s, void *arg)
{
	(void)arg;
	return s->workers + s->starting + s->stopping == 0;
}

static void
tp15_idle_timeout(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 4, .min_workers = -1, .idle_ms = 60 });
	struct mproc_pool_stats s;
	struct mproc_future *f[4];
	int64_t done;
	int i, pid;

	(void)state;
	task_law(pool, &s);
	assert_int_equal(s.workers + s.starting, 0);	/* none unasked */
	pid = task_pid(pool);
	task_law(pool, &s);
	assert_int_equal(s.started, 1);
	assert_int_equal(task_pid(pool), pid);
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_nap, .ms = 30 * task_slow(), .n = i), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	done = task_now_ms();
	assert_true(task_until(pool, none_left, NULL));
	assert_true(task_now_ms() - done >= 30);
	task_law(pool, &s);
	assert_true(s.started >= 2);
	assert_int_equal(s.died + s.killed, 0);
	assert_int_not_equal(task_pid(pool), pid);
	task_finish(pool);
}

static int events[5];

static void
on_worker(enum mproc_worker_event event, const struct mproc_worker *w,
    void *arg)
{
	assert_ptr_equal(arg, events);
	assert_true(w->id > 0);
	events[event]++;
	if (event == MPROC_WORKER_DIED)
		assert_int_equal(w->death->signal, SIGABRT);
}

static void
pmw10_workers_are_told_of(void **state)
{
	struct mproc_pool *pool;

	(void)state;
	memset(events, 0, sizeof(events));
	pool = task_pool((struct mproc_pool_options){ .workers = 2,
	    .on_worker = on_worker, .arg = events });
	assert_int_equal(events[MPROC_WORKER_READY], 2);
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, task_die,
	    .sig = SIGABRT), -EPIPE);
	while (events[MPROC_WORKER_READY] < 3)
		(void)mproc_pool_dispatch(pool, 10);
	assert_int_equal(events[MPROC_WORKER_DIED], 1);
	assert_int_equal(mproc_pool_stop(pool, SOON), 0);
	assert_int_equal(events[MPROC_WORKER_RETIRED], 2);
	mproc_pool_free(pool);
}

static void
tp6_keys_stay_with_a_worker(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3, .fifo = true });
	struct mproc_job job = { 0 };
	struct mproc_msg *reply;
	int i, pid[7] = { 0 }, p;

	(void)state;
	for (i = 0; i < 30; i++) {
		job.key = (uint64_t)(i % 6 + 1);
		assert_int_equal(mproc_pool_call_typed(pool, SOON, &job,
		    &reply, MPROC_SCHEMA(task_square),
		    &(struct task_square){ .n = i }), 0);
		p = mproc_args(reply, task_squared)->pid;
		mproc_msg_free(reply);
		if (pid[job.key] != 0)
			assert_int_equal(p, pid[job.key]);
		pid[job.key] = p;
	}
	assert_int_not_equal(pid[1], pid[2]);
	task_finish(pool);
}

static void
bm5_static_data_once(void **state)
{
	char *data = calloc(1, 1 << 20);
	struct mproc_pool *pool;

	(void)state;
	assert_non_null(data);
	pool = task_pool((struct mproc_pool_options){ .workers = 2,
	    .process.args = MPROC_PACK(task_start,
	    .data = { data, 1 << 20 }) });
	free(data);	/* kept by the pool, for those to come */
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, task_die,
	    .sig = SIGKILL), -EPIPE);
	assert_int_not_equal(task_pid(pool), getpid());
	task_finish(pool);
}

/* What jobs have brought to the only worker so far. */
static uint64_t
brought(struct mproc_pool *pool)
{
	return atomic_load(&pool->all.first->p->page->done_bytes);
}

/* Each worker has it once; jobs carry nothing of it. */
static void
bm5_large_static_data(void **state)
{
	size_t size = (size_t)test_count("MPROC_STATIC_MIB", 100) << 20;
	int i, n = (int)test_count("MPROC_STATIC_JOBS", 10000);
	uint8_t *data = calloc(1, size);
	struct mproc_pool *pool;
	struct mproc_result r;
	uint64_t before;

	(void)state;
	assert_non_null(data);
	data[size - 1] = 11;
	pool = crew_pool((struct mproc_pool_options){ .workers = 1,
	    .ordered = true, .prefetch = 16, .queue_jobs = -1, .process = {
	    .start_timeout_ms = SOON * task_slow(),
	    .args = MPROC_PACK(crew_start, .data = { data, size }) }});
	free(data);
	before = brought(pool);
	for (i = 0; i < n; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, crew_mul, .a = i,
		    .b = 1), 0);
	for (i = 0; i < n; i++) {
		assert_int_equal(mproc_pool_get(pool, SOON * task_slow(),
		    &r), 1);
		assert_int_equal(crew_number(r.reply), 11 * i);
	}
	assert_int_equal(mproc_pool_get(pool, 0, &r), -ENODATA);
	assert_in_range(brought(pool) - before, n, 64 * n);
	task_finish(pool);
}

static bool
one_timed_out(const struct mproc_pool_stats *s, void *arg)
{
	(void)arg;
	return s->timed_out == 1 && s->running == 0;
}

static void
pr92_threads(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .process.launch = MPROC_THREAD });
	struct mproc_pool_stats s;
	struct mproc_result r;
	struct mproc_future *f;

	(void)state;
	assert_int_equal(task_home(pool), getpid());
	assert_int_not_equal(task_pid(pool), getpid());
	/* by force it does not go: that is told, and nothing is done */
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_future_cancel_as(f, MPROC_CANCEL_KILL),
	    -EOPNOTSUPP);
	assert_int_equal(mproc_future_result(f), -EAGAIN);
	assert_int_equal(mproc_future_cancel_as(f, MPROC_CANCEL_COOP), 0);
	assert_int_equal(task_result(f), -ECANCELED);
	mproc_future_free(f);
	/* after its time a job is given up, and asked to end */
	assert_int_equal(mproc_pool_submit_job(pool, SOON,
	    &(struct mproc_job){ .timeout_ms = 20 }, &f, task_spin,
	    .polite = true), 0);
	assert_int_equal(task_result(f), -ETIMEDOUT);
	mproc_future_free(f);
	assert_int_equal(task_home(pool), getpid());
	assert_true(task_until(pool, one_timed_out, NULL));
	assert_int_equal(mproc_pool_put_job(pool, SOON,
	    (&(struct mproc_job){ .timeout_ms = 20 }), task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
	assert_int_equal(r.code, -ETIMEDOUT);
	task_law(pool, &s);
	assert_int_equal(s.killed + s.died, 0);
	task_finish(pool);
}

/* Its workers are ready when the test says so. */
static struct mproc_event *ready;
struct slow { struct mproc_backend base; };

static int
await_ready(struct mproc_backend *base)
{
	(void)base;
	return mproc_event_wait(ready, SOON);
}

static const struct mproc_class slow_class =
    MPROC_CLASS("Slow", slow, NULL, .pre_run = await_ready);

/* A start is bounded, though what is late cannot be killed. */
static void
pr92_a_thread_that_is_late(void **state)
{
	struct mproc_pool_options o = { .workers = 2, .max_fails = 1,
	    .process = { .launch = MPROC_THREAD, .start_timeout_ms = 30 }};
	struct mproc_pool_stats s;
	struct mproc_pool *pool;

	(void)state;
	assert_int_equal(mproc_event_new(NULL, &ready), 0);
	assert_int_equal(mproc_pool_new(&slow_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_start_nowait(pool), 0);
	assert_int_equal(mproc_pool_wait_ready(pool, SOON), -ECHILD);
	assert_non_null(strstr(mproc_errmsg(NULL), "not ready in time"));
	assert_int_equal(mproc_event_set(ready), 0);
	assert_int_equal(mproc_pool_terminate(pool), 0);
	task_law(pool, &s);
	assert_int_equal(s.workers + s.starting + s.stopping, 0);
	assert_int_equal(s.started, 0);
	mproc_pool_free(pool);
	ready = mproc_event_free(ready);
}

static void
tp20_placements_and_channels(void **state)
{
	static const enum mproc_launch launch[] = {
		MPROC_FORKSERVER, MPROC_FORK, MPROC_SPAWN
	};
	struct mproc_pool *pool;
	struct mproc_future *f[100];
	int i, k;

	(void)state;
	for (k = 0; k < 6; k++) {
		if (launch[k / 2] == MPROC_SPAWN && test_on_valgrind())
			continue;
		pool = task_pool((struct mproc_pool_options){ .workers = 2,
		    .prefetch = 16, .queue_jobs = 20, .process = {
		    .launch = launch[k / 2],
		    .channel = k % 2 ? MPROC_RING : MPROC_SOCKET }});
		for (i = 0; i < 100; i++)
			assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
			    task_square, .n = i), 0);
		for (i = 0; i < 100; i++) {
			assert_int_equal(task_result(f[i]), 0);
			assert_int_equal(mproc_args(mproc_future_reply(f[i]),
			    task_squared)->n, i * i);
			mproc_future_free(f[i]);
		}
		task_finish(pool);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tp7_last_in_first_out),
		cmocka_unit_test(tp18_max_jobs),
		cmocka_unit_test(tp18_retire_by_rss_age_and_hook),
		cmocka_unit_test(tp15_idle_timeout),
		TASK_NOT_THREADS(pmw10_workers_are_told_of, TASK_CRASHES),
		cmocka_unit_test(tp6_keys_stay_with_a_worker),
		TASK_NOT_THREADS(bm5_static_data_once, TASK_CRASHES),
		cmocka_unit_test(bm5_large_static_data),
		cmocka_unit_test(pr92_threads),
		cmocka_unit_test(pr92_a_thread_that_is_late),
		cmocka_unit_test(tp20_placements_and_channels),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
