/*
 * manager_test.c - a pool as the PoolManager of better.multiprocessing has
 * it: put, get, static data, order, ends.  The rows of its logs are in
 * capture_test.c.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"

static struct mproc_result
get(struct mproc_pool *pool)
{
	struct mproc_result r;

	assert_int_equal(mproc_pool_get(pool, SOON * task_slow(), &r), 1);
	return r;
}

static void
bm2_static_data_comes_with_the_worker(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .ordered = true,
	    .process.args = MPROC_PACK(crew_start, .factor = 10) });
	int i;

	(void)state;
	for (i = 1; i <= 4; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, crew_mul, .a = i,
		    .b = 1), 0);
	for (i = 1; i <= 4; i++)
		assert_int_equal(crew_number(get(pool).reply), 10 * i);
	task_finish(pool);
}

static void
bm3_an_object_a_worker(void **state)
{
	struct mproc_pool_options o = { .workers = 2, .fifo = true,
	    .process = { .launch = task_launch(),
	    .args = MPROC_PACK(crew_start, .factor = 3) }};
	const struct crew_number *t;
	struct mproc_pool *pool = crew_pool(o);
	struct mproc_msg *reply;
	int i;

	(void)state;
	for (i = 0; i < 10; i++) {	/* in turns: each gets five */
		assert_int_equal(mproc_pool_call(pool, SOON, &reply,
		    crew_mul, .a = i, .b = 1), 0);
		t = mproc_args(reply, crew_number);
		assert_int_equal(t->n, 3 * i);
		assert_int_equal(t->calls, i / 2 + 1);
		assert_int_equal(t->made, 1);
		mproc_msg_free(reply);
	}
	task_finish(pool);
	/* and start says why there is none */
	o.process.args = MPROC_PACK(crew_start, .fail = -EROFS);
	assert_int_equal(mproc_pool_new(&crew_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_start(pool), -EROFS);
	assert_non_null(strstr(mproc_errmsg(NULL), "no ledger"));
	mproc_pool_free(pool);
}

static void
bm4_more_workers_than_processors(void **state)
{
	struct gate gate;
	struct mproc_pool_stats s;
	struct mproc_pool *pool;
	unsigned i, n = (unsigned)test_count(NULL, 100);

	(void)state;
	gate_make(&gate);
	pool = crew_pool((struct mproc_pool_options){ .workers = (int)n,
	    .process.args = MPROC_PACK(crew_start,
	    .gate = MPROC_FD(gate.in)) });
	for (i = 0; i < n; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, crew_wait,
		    .n = i), 0);
	task_law(pool, &s);
	assert_int_equal(s.running, n);		/* at the same time */
	assert_int_equal(s.busy, n);
	gate_open(&gate);
	for (i = 0; i < n; i++)
		assert_true(crew_number(get(pool).reply) >= 0);
	task_finish(pool);
	gate_free(&gate);
}

/* bmw2, tpw7: what is refused is not counted, and nobody waits for it. */
static void
bm6_bm13_a_full_queue_takes_nothing(void **state)
{
	struct gate gate;
	struct mproc_pool *pool;
	struct mproc_pool_stats s;
	struct mproc_result r;
	clock_t begun;
	int i;

	(void)state;
	gate_make(&gate);
	pool = crew_pool((struct mproc_pool_options){ .workers = 1,
	    .queue_jobs = 1, .ordered = true, .process.args =
	    MPROC_PACK(crew_start, .gate = MPROC_FD(gate.in)) });
	for (i = 0; i < 2; i++)
		assert_int_equal(mproc_pool_put(pool, 0, crew_wait, .n = i),
		    0);
	assert_int_equal(mproc_pool_put(pool, 0, crew_wait, .n = 7), -EAGAIN);
	begun = clock();	/* bmw1: put does not spin */
	assert_int_equal(mproc_pool_put(pool, 200, crew_wait, .n = 7),
	    -ETIMEDOUT);
	assert_true(clock() - begun < CLOCKS_PER_SEC / 20 * task_slow());
	task_law(pool, &s);
	assert_int_equal(s.submitted, 2);
	gate_open(&gate);
	for (i = 0; i < 2; i++)
		assert_int_equal(crew_number(get(pool).reply), i);
	assert_int_equal(mproc_pool_get(pool, SOON, &r), -ENODATA);
	task_finish(pool);
	gate_free(&gate);
}

static void
bm6_sizes_of_the_queue(void **state)
{
	struct mproc_pool_options o = { .workers = 1, .queue_jobs = -2 };
	struct mproc_pool *pool;
	struct gate gate;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_new(&crew_class, &o, &pool), -EINVAL);
	o.queue_jobs = -1;	/* no limit */
	pool = crew_pool(o);
	for (i = 0; i < 1000; i++)
		assert_int_equal(mproc_pool_put(pool, 0, crew_mul, .a = i,
		    .b = 2), 0);
	for (i = 0; i < 1000; i++)
		assert_int_equal(crew_number(get(pool).reply), 2 * i);
	task_finish(pool);
	gate_make(&gate);
	o.queue_jobs = 0;	/* two for each worker, and what they have */
	o.workers = 3;
	o.process.args = MPROC_PACK(crew_start, .gate = MPROC_FD(gate.in));
	pool = crew_pool(o);
	for (i = 0; mproc_pool_put(pool, 0, crew_wait) == 0; i++)
		;
	assert_int_equal(i, 9);
	gate_open(&gate);
	task_finish(pool);
	gate_free(&gate);
}

/* The end of a block: with what is there done, or at once. */
static void
bm9_how_it_ends(void **state)
{
	struct mproc_pool *pool;
	struct mproc_result r;
	struct mproc_pool_stats s;
	int i;

	(void)state;
	pool = task_pool((struct mproc_pool_options){ .workers = 2 });
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, task_nap,
		    .ms = 10, .n = i), 0);
	assert_int_equal(mproc_pool_stop(pool, SOON * task_slow()), 0);
	for (i = 0; i < 4; i++) {
		r = get(pool);
		assert_int_equal(r.code, 0);
		mproc_msg_free(r.reply);
	}
	mproc_pool_free(pool);
	pool = task_pool((struct mproc_pool_options){ .workers = 2 });
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, task_spin), 0);
	assert_int_equal(mproc_pool_terminate(pool), 0);
	task_law(pool, &s);
	assert_int_equal(s.canceled, 4);
	assert_int_equal(s.killed, 2);
	mproc_pool_free(pool);
}

static int
in_a_block(int *ret_pid, bool early)
{
	MPROC_SCOPED_POOL struct mproc_pool *none = NULL;
	MPROC_SCOPED_POOL struct mproc_pool *pool = NULL;

	pool = crew_pool((struct mproc_pool_options){ .workers = 1 });
	*ret_pid = crew_pid(pool);
	assert_int_equal(mproc_pool_submit(pool, SOON, NULL, crew_mul), 0);
	if (early)
		return 1;
	assert_null(none);
	return 0;
}

static void
bm10_a_scoped_pool(void **state)
{
	int pid = 0, early;

	(void)state;
	for (early = 0; early < 2; early++) {
		assert_int_equal(in_a_block(&pid, early), early);
		assert_int_equal(kill(pid, 0), -1);
		assert_int_equal(errno, ESRCH);
	}
}

static void
bm11_start_stop_start(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2 });
	struct mproc_pool_stats s;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {	/* bmw10 */
		assert_int_equal(mproc_pool_start(pool), -EALREADY);
		task_law(pool, &s);
		assert_int_equal(s.workers, 2);
		assert_int_equal(mproc_pool_put(pool, SOON, crew_mul, .a = i,
		    .b = 1), 0);
		assert_int_equal(crew_number(get(pool).reply), i);
		assert_int_equal(mproc_pool_stop(pool, SOON), 0);
		assert_int_equal(mproc_pool_start(pool), 0);
	}
	task_finish(pool);
}

static void
bm12_several_arguments(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1, .ordered = true });
	struct mproc_msg *msg;
	struct mproc_result r;

	(void)state;
	assert_int_equal(mproc_pool_put(pool, SOON, crew_mul, .a = 10,
	    .b = 20), 0);
	/* and as one value that was made elsewhere */
	assert_int_equal(mproc_msg_new("mul", &msg), 0);
	assert_int_equal(mproc_msg_set_int(msg, "a", 14), 0);
	assert_int_equal(mproc_msg_set_int(msg, "b", 25), 0);
	assert_int_equal(mproc_pool_put_msg(pool, SOON, NULL, msg), 0);
	mproc_msg_free(msg);
	r = get(pool);
	assert_int_equal(r.index, 0);
	assert_int_equal(crew_number(r.reply), 200);
	r = get(pool);
	assert_int_equal(r.index, 1);
	assert_int_equal(crew_number(r.reply), 350);
	task_finish(pool);
}

struct source {
	int64_t	 next, end;
};

static int
mul_source(void *arg, struct mproc_msg **ret_msg)
{
	struct source *s = arg;
	int r;

	if (s->next == s->end)
		return 0;
	if ((r = mproc_msg_new("mul", ret_msg)) < 0)
		return r;
	(void)mproc_msg_set_int(*ret_msg, "a", s->next++);
	(void)mproc_msg_set_int(*ret_msg, "b", 1);
	return 1;
}

static void
bm15_bm23_a_source_and_another(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .window = 20 });
	struct source s = { 0, 1000000 }, t = { 0, 50 };
	struct mproc_future *f;
	struct mproc_result r;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_feed(pool, mul_source, &s, &f), 0);
	for (i = 0; i < 100; i++) {
		mproc_msg_free(get(pool).reply);
		assert_true(s.next <= i + 1 + 20);	/* no further */
	}
	assert_int_equal(mproc_future_result(f), -EAGAIN);
	s.end = s.next;		/* it comes to its end */
	while (mproc_pool_get(pool, SOON, &r) == 1)
		mproc_msg_free(r.reply);
	assert_int_equal(task_result(f), 0);
	mproc_future_free(f);
	assert_int_equal(mproc_pool_feed(pool, mul_source, &t, &f), 0);
	for (i = 0; i < 50; i++)
		mproc_msg_free(get(pool).reply);
	assert_int_equal(task_result(f), 0);
	mproc_future_free(f);
	task_finish(pool);
}

static bool
one_done(const struct mproc_pool_stats *s, void *arg)
{
	(void)arg;
	return s->done == 1;
}

static void
bm16_get_without_waiting(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_result r;

	(void)state;
	assert_int_equal(mproc_pool_get(pool, 0, &r), -ENODATA);
	assert_int_equal(mproc_pool_put(pool, SOON, crew_mul, .a = 3, .b = 4),
	    0);
	assert_true(task_until(pool, one_done, NULL));
	assert_int_equal(mproc_pool_get(pool, 0, &r), 1);
	assert_int_equal(crew_number(r.reply), 12);
	assert_int_equal(mproc_pool_get(pool, -1, &r), -ENODATA);
	task_finish(pool);
}

static void
bm18_every_error_with_its_index(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 3 });
	unsigned seen = 0;
	struct mproc_result r;
	char want[32];
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, crew_divide,
		    .a = i, .b = 0), 0);
	for (i = 0; i < 10; i++) {
		r = get(pool);
		assert_int_equal(r.code, -EDOM);
		assert_null(r.reply);
		(void)snprintf(want, sizeof(want), "%d / 0", (int)r.index);
		assert_string_equal(r.text, want);
		seen |= 1U << r.index;
	}
	assert_int_equal(seen, 0x3ff);
	task_finish(pool);
}

static void
bm19_a_job_that_exits(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, crew_leave,
	    .status = 0), 0);
	assert_int_equal(task_result(f), -EPIPE);
	assert_int_equal(mproc_future_death(f)->exit_code, 0);
	mproc_future_free(f);
	/* bmw6: there is another; and no memory ends a job, not a worker */
	assert_true(crew_pid(pool) > 0);
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, crew_say,
	    .text = "x", .logger = "x", .level = MPROC_INFO), 0);
	task_finish(pool);
}

/* bm20: all that there is, with a source at work, and errors. */
static void
bm20_get_all(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .ordered = true });
	struct source s = { 0, 50 };
	struct mproc_result r;
	int i, values = 0, errors = 0, code;

	(void)state;
	for (i = 0; i < 50; i++)
		assert_int_equal(mproc_pool_put(pool, SOON, crew_divide,
		    .a = i, .b = i % 20 != 9), 0);
	assert_int_equal(mproc_pool_feed(pool, mul_source, &s, NULL), 0);
	while ((code = mproc_pool_get(pool, SOON, &r)) == 1) {
		values += r.code == 0;
		errors += r.code == -EDOM;
		mproc_msg_free(r.reply);
	}
	assert_int_equal(code, -ENODATA);
	assert_int_equal(values, 97);
	assert_int_equal(errors, 3);
	task_finish(pool);
}

static bool
no_workers(const struct mproc_pool_stats *s, void *arg)
{
	(void)arg;
	return s->workers == 0;
}

static void
bm22_deaths_are_seen_at_once(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .no_respawn = true, .fifo = true });
	int i, pid[2];
	int64_t begun;

	(void)state;
	for (i = 0; i < 2; i++)
		pid[i] = crew_pid(pool);
	assert_int_not_equal(pid[0], pid[1]);
	begun = task_now_ms();
	for (i = 0; i < 2; i++)
		assert_int_equal(kill(pid[i], SIGKILL), 0);
	assert_true(task_until(pool, no_workers, NULL));
	assert_true(task_now_ms() - begun < 5000 * task_slow());
	assert_int_equal(mproc_pool_put(pool, SOON, crew_mul), -ECHILD);
	task_finish(pool);
}

/* Of two, with a job each, one is killed: its job ends, the other's not. */
static void
bmw5_one_of_them_dies(void **state)
{
	struct gate gate;
	struct mproc_pool *pool;
	struct mproc_future *f, *g;

	(void)state;
	gate_make(&gate);
	pool = crew_pool((struct mproc_pool_options){ .workers = 2,
	    .process.args = MPROC_PACK(crew_start,
	    .gate = MPROC_FD(gate.in)) });
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, crew_wait,
	    .n = 5), 0);
	assert_int_equal(mproc_pool_submit(pool, SOON, &g, crew_leave,
	    .status = 3), 0);
	assert_int_equal(task_result(g), -EPIPE);
	assert_int_equal(mproc_future_death(g)->exit_code, 3);
	assert_int_equal(mproc_future_result(f), -EAGAIN);
	gate_open(&gate);
	assert_int_equal(task_result(f), 0);
	mproc_future_free(f);
	mproc_future_free(g);
	task_finish(pool);
	gate_free(&gate);
}

static void
bm24_stop_ends_with_the_last_job(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	int64_t begun;
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, NULL,
		    task_nap, .ms = 20), 0);
	begun = task_now_ms();
	assert_int_equal(mproc_pool_stop(pool, -1), 0);
	assert_true(task_now_ms() - begun < 5000 * task_slow());
	mproc_pool_free(pool);
}

static void
bm27_nothing_is_left(void **state)
{
	static const enum mproc_launch launch[] = {
		MPROC_FORK, MPROC_FORKSERVER
	};
	int i, k, pid[3];

	(void)state;
	for (k = 0; k < 2; k++) {	/* bmw13: not even a zombie */
		struct mproc_pool *pool = crew_pool(
		    (struct mproc_pool_options){ .workers = 3,
		    .fifo = true, .process.launch = launch[k] });

		for (i = 0; i < 3; i++)
			pid[i] = crew_pid(pool);
		assert_int_equal(mproc_pool_terminate(pool), 0);
		for (i = 0; i < 3; i++) {
			assert_int_equal(kill(pid[i], 0), -1);
			assert_int_equal(errno, ESRCH);
		}
		assert_int_equal(mproc_pool_terminate(pool), 0);
		mproc_pool_free(pool);
	}
}

static void
bm34_the_same_however_launched(void **state)
{
	static const enum mproc_launch launch[] = {
		MPROC_FORK, MPROC_FORKSERVER, MPROC_SPAWN, MPROC_THREAD
	};
	struct mproc_pool *pool;
	int i, k;

	(void)state;
	for (k = 0; k < 4; k++) {
		if (launch[k] == MPROC_SPAWN && test_on_valgrind())
			continue;
		pool = crew_pool((struct mproc_pool_options){ .workers = 2,
		    .ordered = true, .process = { .launch = launch[k],
		    .args = MPROC_PACK(crew_start, .factor = 10) }});
		for (i = 0; i < 4; i++)
			assert_int_equal(mproc_pool_put(pool, SOON, crew_mul,
			    .a = i, .b = i), 0);
		for (i = 0; i < 4; i++)
			assert_int_equal(crew_number(get(pool).reply),
			    10 * i * i);
		task_finish(pool);
	}
}

#define THREADS	3
#define PUTS	100

static void *
put_many(void *arg)
{
	intptr_t bad = 0;
	int i;

	for (i = 0; i < PUTS; i++)
		bad += mproc_pool_put(arg, -1, crew_mul, .a = i,
		    .b = 1) != 0;
	return (void *)bad;
}

/* Threads and a source put at once: each index comes exactly once. */
static void
bmw9_who_puts_when_does_not_matter(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 4 });
	bool seen[THREADS * PUTS + PUTS] = { false };
	struct source s = { 0, PUTS };
	pthread_t threads[THREADS];
	struct mproc_result r;
	void *bad;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_feed(pool, mul_source, &s, NULL), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many,
		    pool), 0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	for (i = 0; i < (int)TEST_COUNT(seen); i++) {
		r = get(pool);
		assert_true(r.index < TEST_COUNT(seen) && !seen[r.index]);
		seen[r.index] = true;
		mproc_msg_free(r.reply);
	}
	assert_int_equal(mproc_pool_get(pool, SOON, &r), -ENODATA);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bm2_static_data_comes_with_the_worker),
		cmocka_unit_test(bm3_an_object_a_worker),
		cmocka_unit_test(bm4_more_workers_than_processors),
		cmocka_unit_test(bm6_bm13_a_full_queue_takes_nothing),
		cmocka_unit_test(bm6_sizes_of_the_queue),
		TASK_NOT_THREADS(bm9_how_it_ends, TASK_KILLS),
		cmocka_unit_test(bm10_a_scoped_pool),
		cmocka_unit_test(bm11_start_stop_start),
		cmocka_unit_test(bm12_several_arguments),
		cmocka_unit_test(bm15_bm23_a_source_and_another),
		cmocka_unit_test(bm16_get_without_waiting),
		cmocka_unit_test(bm18_every_error_with_its_index),
		TASK_NOT_THREADS(bm19_a_job_that_exits, TASK_CRASHES),
		cmocka_unit_test(bm20_get_all),
		TASK_NOT_THREADS(bm22_deaths_are_seen_at_once, TASK_KILLS),
		TASK_NOT_THREADS(bmw5_one_of_them_dies, TASK_CRASHES),
		cmocka_unit_test(bm24_stop_ends_with_the_last_job),
		cmocka_unit_test(bm27_nothing_is_left),
		cmocka_unit_test(bm34_the_same_however_launched),
		cmocka_unit_test(bmw9_who_puts_when_does_not_matter),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
