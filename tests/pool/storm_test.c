/*
 * storm_test.c - many jobs while workers are killed at random: none is lost,
 * none is counted twice, and with retries all are done.
 *
 * MPROC_STORM_JOBS and MPROC_STORM_KILLS make it longer.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "task.h"

#define WINDOW	512

struct storm {
	struct mproc_pool *pool;
	struct mproc_future *f[WINDOW];
	long	 jobs, kills, killed;
	long	 done, crashed;
	int	 pids[8];	/* seen last */
	unsigned n_pids;
	unsigned seed;
};

static void
settle(struct storm *s, long i)
{
	struct mproc_future **f = &s->f[i % WINDOW];
	const struct task_squared *sq;
	int r = task_result(*f);

	if (r == 0) {
		sq = mproc_args(mproc_future_reply(*f), task_squared);
		assert_int_equal(sq->n, (int64_t)i * i);
		s->pids[s->n_pids++ % 8] = sq->pid;
		s->done++;
	} else {
		assert_int_equal(r, -EPIPE);
		assert_non_null(mproc_future_death(*f));
		assert_int_equal(mproc_future_death(*f)->signal, SIGKILL);
		s->crashed++;
	}
	*f = mproc_future_free(*f);
}

/* One of those that have answered lately; it may be gone by now. */
static void
strike(struct storm *s)
{
	int pid;

	if (s->killed >= s->kills || s->n_pids == 0 ||
	    rand_r(&s->seed) % s->jobs > 2 * s->kills)
		return;
	pid = s->pids[(unsigned)rand_r(&s->seed) %
	    (s->n_pids < 8 ? s->n_pids : 8)];
	s->killed += kill(pid, SIGKILL) == 0;
}

static void
storm(struct mproc_pool_options o, struct storm *s)
{
	struct mproc_pool_stats st;
	long i;

	s->jobs = test_count("MPROC_STORM_JOBS", 100000);
	s->kills = test_count("MPROC_STORM_KILLS", 1000);
	s->seed = 7;
	s->pool = task_pool(o);
	for (i = 0; i < s->jobs + WINDOW; i++) {
		if (i >= WINDOW)
			settle(s, i - WINDOW);
		if (i < s->jobs)
			assert_int_equal(mproc_pool_submit(s->pool, -1,
			    &s->f[i % WINDOW], task_square, .n = i), 0);
		strike(s);
	}
	task_law(s->pool, &st);
	assert_int_equal(s->done + s->crashed, s->jobs);
	assert_int_equal(st.submitted, s->jobs);
	assert_int_equal(st.done, s->done);
	assert_int_equal(st.crashed, s->crashed);
	assert_int_equal(st.queued + st.running, 0);
	assert_true(s->killed > 0);
	task_finish(s->pool);
}

static void
i1_kills_at_most_once(void **state)
{
	struct storm s = { .done = 0 };

	(void)state;
	storm((struct mproc_pool_options){ .workers = 2, .prefetch = 16,
	    .queue_jobs = WINDOW }, &s);
}

static void
i1_kills_with_retries(void **state)
{
	struct storm s = { .done = 0 };

	(void)state;
	storm((struct mproc_pool_options){ .workers = 2, .prefetch = 16,
	    .queue_jobs = WINDOW, .retries = 1000000 }, &s);
	assert_int_equal(s.crashed, 0);
}

static void
i1_kills_one_at_a_time(void **state)
{
	struct storm s = { .done = 0 };

	(void)state;
	storm((struct mproc_pool_options){ .workers = 3, .prefetch = 1,
	    .queue_jobs = WINDOW, .process.channel = MPROC_SOCKET }, &s);
}

static void
i1_kills_as_many_as_it_takes(void **state)
{
	struct storm s = { .done = 0 };

	(void)state;
	storm((struct mproc_pool_options){ .workers = 2,
	    .queue_jobs = WINDOW }, &s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TASK_NOT_THREADS(i1_kills_at_most_once, TASK_KILLS),
		TASK_NOT_THREADS(i1_kills_with_retries, TASK_KILLS),
		TASK_NOT_THREADS(i1_kills_one_at_a_time, TASK_KILLS),
		TASK_NOT_THREADS(i1_kills_as_many_as_it_takes, TASK_KILLS),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
