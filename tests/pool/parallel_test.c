/*
 * parallel_test.c - a pool as trio-parallel has it: calls that run elsewhere,
 * limits, cancellation.  The rest is in turnover_test.c, and what needs a
 * program of its own in outlive_test.c.
 */
#include <sys/time.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"

static void
tp1_no_worker_for_what_is_canceled(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .min_workers = -1 });
	struct mproc_pool_stats s;

	(void)state;
	assert_int_equal(mproc_pool_set_going(pool, false), 0);
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, crew_mul),
	    -ECANCELED);
	task_law(pool, &s);
	assert_int_equal(s.started + s.starting, 0);
	assert_int_equal(mproc_pool_set_going(pool, true), 0);
	assert_int_not_equal(crew_pid(pool), getpid());
	task_finish(pool);
}

static void
tp2_one_token_one_after_another(void **state)
{
	struct mproc_limiter *limiter;
	struct mproc_pool_stats s;
	struct mproc_pool *pool;
	struct mproc_result r;
	int i;

	(void)state;
	assert_int_equal(mproc_limiter_new(1, &limiter), 0);
	pool = task_pool((struct mproc_pool_options){ .workers = 3,
	    .limiter = limiter, .queue_jobs = -1 });
	for (i = 0; i < 12; i++)
		assert_int_equal(mproc_pool_put(pool, 0, task_nap,
		    .ms = i % 3, .n = i), 0);
	for (i = 0; i < 12; i++) {
		task_law(pool, &s);
		assert_true(s.running <= 1);
		assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
		assert_int_equal(r.index, i);
		mproc_msg_free(r.reply);
	}
	task_finish(pool);
	mproc_limiter_free(limiter);
}

static void
tp3_large_arguments_and_refused_ones(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .process.max_message = 80 << 20 });
	static const char byte;
	struct mproc_pool_stats s;
	int i;

	(void)state;
	crew_bounce(pool, 1 << 20);
	crew_bounce(pool, (size_t)(test_slow() > 1 ? 4 : 64) << 20);
	for (i = 0; i < 5; i++) {	/* it harms no worker */
		assert_int_equal(mproc_pool_call(pool, SOON, NULL, crew_echo,
		    .data = { &byte, 90 << 20 }), -EMSGSIZE);
		assert_int_equal(mproc_pool_call(pool, SOON, NULL,
		    task_square, .n = 1), -ENOSYS);
	}
	task_law(pool, &s);
	assert_int_equal(s.idle, 2);
	assert_int_equal(s.submitted, 2);
	assert_int_equal(s.started, 2);
	task_finish(pool);
}

static void
tp4_answers_may_come_later(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = 4 });
	struct mproc_future *f[3];
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    crew_later, .n = i, .ms = 5), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(task_result(f[i]), 0);
		assert_int_equal(crew_number(mproc_future_take(f[i])), i);
		mproc_future_free(f[i]);
	}
	task_finish(pool);
}

static void
tp5_errors_arrive_with_their_words(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1 });
	int pid = crew_pid(pool);

	(void)state;
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, crew_divide,
	    .a = 3), -EDOM);
	assert_string_equal(mproc_errmsg(NULL), "3 / 0");
	assert_int_equal(crew_pid(pool), pid);
	task_finish(pool);
}

/*
 * I1: an answer that is taken in by the way, as a call looks at a ring,
 * counts as any other: the worker gets the next job.
 */
static void
i1_whichever_call_takes_an_answer(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1, .process.channel = MPROC_RING });
	long i, k, n = test_count(NULL, 300);
	struct mproc_future *f[2];
	unsigned seed = 1;

	(void)state;
	assert_true(mproc_pool_fd(pool) >= 0);
	for (i = 0; i < n; i++) {
		for (k = 0; k < 2; k++)
			assert_int_equal(mproc_pool_submit(pool, SOON, &f[k],
			    crew_mul, .a = k), 0);
		for (k = rand_r(&seed) % 30; k > 0; k--)
			assert_int_equal(mproc_pool_notify(pool, SOON,
			    crew_mul), 1);
		crew_wait_all(f, 2);
	}
	task_finish(pool);
}

static bool
runs(const struct mproc_pool_stats *s, void *arg)
{
	return s->running == *(unsigned *)arg;
}

static void
tp8_tokens_can_be_more_at_once(void **state)
{
	struct mproc_limiter *limiter;
	struct mproc_limiter_stats ls;
	struct mproc_pool *pool;
	struct mproc_future *f[8];
	struct gate gate;
	unsigned i, n;

	(void)state;
	assert_int_equal(mproc_limiter_new(4, &limiter), 0);
	pool = crew_gated(&gate, (struct mproc_pool_options){ .workers = 8,
	    .limiter = limiter, .queue_jobs = 8 });
	for (i = 0; i < 8; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    crew_wait, .n = i), 0);
	n = 4;
	assert_true(task_until(pool, runs, &n));
	assert_int_equal(mproc_limiter_stats(limiter, &ls), 0);
	assert_int_equal(ls.borrowed, 4);
	assert_int_equal(ls.waiting, 1);
	assert_int_equal(mproc_limiter_set_total(limiter, 8), 0);
	n = 8;			/* while the first four still run */
	assert_true(task_until(pool, runs, &n));
	gate_open(&gate);
	crew_wait_all(f, 8);
	task_finish(pool);
	mproc_limiter_free(limiter);
	gate_free(&gate);
}

static bool
has_workers(const struct mproc_pool_stats *s, void *arg)
{
	return s->workers == *(unsigned *)arg && s->stopping == 0;
}

/* tp7: those that run at once are as many workers. */
static void
tp10_idle_workers_get_fewer(void **state)
{
	struct gate gate;
	struct mproc_pool *pool = crew_gated(&gate, (struct mproc_pool_options){
	    .workers = 8, .min_workers = 2, .idle_ms = 20 });
	struct mproc_future *f[8];
	unsigned i, n = 8;

	(void)state;
	for (i = 0; i < 8; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    crew_wait, .n = i), 0);
	assert_true(task_until(pool, runs, &n));
	gate_open(&gate);
	crew_wait_all(f, 8);
	n = 2;
	assert_true(task_until(pool, has_workers, &n));
	assert_int_not_equal(crew_pid(pool), getpid());
	task_finish(pool);
	gate_free(&gate);
}

static void
tp11_by_force(void **state)
{
	struct crew_fate fate = { 0, 0 };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .on_worker = crew_on_worker, .arg = &fate });
	int pid = task_pid(pool);
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_spin), 0);
	assert_int_equal(mproc_future_cancel_as(f, MPROC_CANCEL_KILL), 0);
	assert_int_equal(task_result(f), -ECANCELED);
	assert_int_equal(kill(pid, 0), -1);	/* gone, and reaped */
	assert_int_equal(fate.killed, SIGKILL);
	mproc_future_free(f);
	assert_int_not_equal(task_pid(pool), pid);
	task_finish(pool);
}

static volatile sig_atomic_t alarms;

static void
on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* tp37: a signal that the program handles disturbs no call. */
static void
tp37_signals_interrupt_nothing(void **state)
{
	const struct itimerval every = { { 0, 500 }, { 0, 500 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .max_jobs = 20 });
	struct crew_mul in[100] = { { .a = 1 } };
	struct mproc_result out[100];

	(void)state;
	alarms = 0;
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
	do {		/* also while workers start and stop */
		assert_int_equal(mproc_pool_map(pool, crew_mul, in, 100, NULL,
		    out), 0);
		mproc_results_free(out, 100);
		assert_int_equal(mproc_pool_stop(pool, -1), 0);
		assert_int_equal(mproc_pool_start(pool), 0);
	} while (alarms < 20);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	/* forgets one that waits still: valgrind delivers them late */
	assert_true(signal(SIGALRM, SIG_IGN) != SIG_ERR);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	task_finish(pool);
}

static struct mproc_future *
random_job(struct mproc_pool *pool, unsigned *seed)
{
	struct mproc_future *f;

	if (rand_r(seed) % 2 == 0)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_nap,
		    .ms = rand_r(seed) % 3), 0);
	else
		assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_spin,
		    .polite = true), 0);
	(void)mproc_pool_dispatch(pool, rand_r(seed) % 3);
	return f;
}

/* tp23: the accounts of workers add up, too. */
static void
tp12_cancel_at_every_point(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 2 });
	struct mproc_pool_stats s;
	struct mproc_future *f;
	unsigned seed = 12, n = 2;
	long i, count = test_count("MPROC_CHAOS_CANCELS", 100);
	int r;

	(void)state;
	for (i = 0; i < count; i++) {
		f = random_job(pool, &seed);
		r = mproc_future_cancel_as(f,
		    (enum mproc_cancel)(rand_r(&seed) % 4));
		assert_true(r == 0 || r == -EALREADY || r == -EBUSY ||
		    (r == -EOPNOTSUPP && task_launch() == MPROC_THREAD));
		if (r == -EBUSY || r == -EOPNOTSUPP)
			(void)mproc_future_cancel_as(f, MPROC_CANCEL_COOP);
		r = task_result(f);
		assert_true(r == 0 || r == -ECANCELED);
		mproc_future_free(f);
		/* one that was let go is still there: ask it to end */
		assert_int_equal(mproc_pool_set_going(pool, false), 0);
		assert_int_equal(mproc_pool_set_going(pool, true), 0);
	}
	assert_true(task_until(pool, has_workers, &n));
	task_law(pool, &s);
	assert_int_equal(s.died, 0);
	assert_int_equal(s.started, s.workers + s.killed + s.retired);
	assert_int_equal(s.submitted, count);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tp1_no_worker_for_what_is_canceled),
		cmocka_unit_test(tp2_one_token_one_after_another),
		cmocka_unit_test(tp3_large_arguments_and_refused_ones),
		cmocka_unit_test(tp4_answers_may_come_later),
		cmocka_unit_test(tp5_errors_arrive_with_their_words),
		cmocka_unit_test(i1_whichever_call_takes_an_answer),
		cmocka_unit_test(tp8_tokens_can_be_more_at_once),
		cmocka_unit_test(tp10_idle_workers_get_fewer),
		TASK_NOT_THREADS(tp11_by_force, TASK_KILLS),
		cmocka_unit_test(tp37_signals_interrupt_nothing),
		cmocka_unit_test(tp12_cancel_at_every_point),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
