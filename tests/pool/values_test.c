/*
 * values_test.c - a map over a plain function that takes its time, fails, or
 * kills its worker: what is told, when, and what is lost.
 */
#include <sys/mman.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

#define N	100000		/* values, a millisecond or more each */

/* What the workers see, too. */
static struct shared {
	_Atomic bool	hurry;
	_Atomic int	tids[2];
} *shared;

MPROC_FUNCTION(nap, int64_t, int64_t)
{
	if (!atomic_load(&shared->hurry))
		usleep(5000);
	*out = *in + 1;
	return 0;
}

/* The first values are slow until two workers have had some of them. */
MPROC_FUNCTION(meet, int64_t, int64_t)
{
	int none = 0, tid = (int)gettid();

	*out = *in;
	if (*in >= 1000 || atomic_load(&shared->hurry))
		return 0;
	usleep(5000);
	if (atomic_compare_exchange_strong(&shared->tids[0], &none, tid) ||
	    none == tid)
		return 0;
	atomic_store(&shared->tids[1], tid);
	atomic_store(&shared->hurry, true);
	return 0;
}

MPROC_FUNCTION(fragile, int64_t, int64_t)
{
	if (*in < 0)
		(void)raise(SIGKILL);
	*out = *in + 1;
	return 0;
}

MPROC_FUNCTION(stuck, int64_t, int64_t)
{
	while (*in < 0 && !atomic_load(&shared->hurry))
		usleep(5000);
	*out = *in + 1;
	return 0;
}

MPROC_FUNCTION(strict, int64_t, int64_t)
{
	*out = *in + 1;
	return *in % 10 == 7 ? -EDOM : *in == 50 ? -123456 : 0;
}

static int
setup(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	return munmap(shared, sizeof(*shared));
}

static struct mproc_pool *
pool_of(const struct mproc_class *cls, struct mproc_pool_options o)
{
	struct mproc_pool *pool;

	o.process.launch = task_launch() == MPROC_THREAD ? MPROC_THREAD :
	    MPROC_FORK;		/* which shares `shared` */
	assert_int_equal(mproc_pool_new(cls, &o, &pool), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	return pool;
}

/* Of a value that must not, and of one that must be too slow. */
static int
limit_ms(void)
{
	return task_slow() > 1 ? 4000 : 1500;
}

static int64_t *
numbers(size_t n)
{
	int64_t *in = calloc(n, sizeof(*in));
	size_t i;

	assert_non_null(in);
	for (i = 0; i < n; i++)
		in[i] = (int64_t)i;
	return in;
}

struct watch {
	struct mproc_pool *pool;
	uint64_t	least;		/* that was ever reported */
	int64_t		hurry_ms;	/* from then on */
	bool		no_go;
};

static void
on_progress(const struct mproc_progress *p, void *arg)
{
	struct watch *w = arg;

	if (p->done == 0)
		return;
	if (w->least == 0)
		w->least = p->done;
	if (w->no_go)
		(void)mproc_pool_set_going(w->pool, false);
	if (p->elapsed_ms >= w->hurry_ms)
		atomic_store(&shared->hurry, true);
}

/* A chunk is N / 8 values here, which take a minute. */
static void
tp33_slow_values_are_told_soon(void **state)
{
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(nap),
	    (struct mproc_pool_options){ .workers = 2 });
	struct watch w = { .pool = pool };
	struct mproc_map_options o = { .progress = on_progress,
	    .progress_arg = &w };
	int64_t *in = numbers(N);
	size_t i;

	(void)state;
	assert_int_equal(mproc_function_map(pool, nap, in, N, &o, in), 0);
	assert_in_range(w.least, 1, N / 8 - 1);
	for (i = 0; i < N; i++)
		assert_int_equal(in[i], i + 1);
	free(in);
	task_finish(pool);
}

static void
tp33_a_slow_map_is_canceled_soon(void **state)
{
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(nap),
	    (struct mproc_pool_options){ .workers = 2 });
	struct watch w = { .pool = pool, .no_go = true,
	    .hurry_ms = SOON };
	struct mproc_map_options o = { .progress = on_progress,
	    .progress_arg = &w };
	int64_t *in = numbers(N);
	size_t i, done = 0;

	(void)state;
	assert_int_equal(mproc_function_map(pool, nap, in, N, &o, in),
	    -ECANCELED);
	for (i = 0; i < N; i++)
		done += in[i] == (int64_t)i + 1;
	assert_in_range(done, 1, N / 2);	/* what was done is kept */
	assert_int_equal(mproc_pool_set_going(pool, true), 0);
	atomic_store(&shared->hurry, true);
	assert_int_equal(mproc_function_map(pool, nap, in, 9, NULL, in), 0);
	free(in);
	task_finish(pool);
}

static void
tp33_a_timeout_is_a_values(void **state)
{
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(nap),
	    (struct mproc_pool_options){ .workers = 1,
	    .timeout_ms = limit_ms() });
	struct watch w = { .hurry_ms = limit_ms() * 4 / 3 };
	struct mproc_map_options o = { .progress = on_progress,
	    .progress_arg = &w };
	int64_t *in = numbers(N);

	(void)state;
	assert_int_equal(mproc_function_map(pool, nap, in, N, &o, in), 0);
	assert_int_equal(in[N - 1], N);
	free(in);
	task_finish(pool);
}

static void
tp33_who_has_time_takes_from_the_slow(void **state)
{
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(meet),
	    (struct mproc_pool_options){ .workers = 2 });
	int64_t *in = numbers(8000);

	(void)state;
	assert_int_equal(mproc_function_map(pool, meet, in, 8000, NULL, in),
	    0);
	assert_true(atomic_load(&shared->hurry));
	free(in);
	task_finish(pool);
}

struct losses {
	size_t	n, first[20], count[20];
	int	code[20];
	char	text[20][256];
	int64_t	value;		/* of a worker's death */
};

static void
on_failed(size_t first, size_t n, int code, const char *text, void *arg)
{
	struct losses *l = arg;

	if (l->n == 20)
		return;
	l->first[l->n] = first;
	l->count[l->n] = n;
	l->code[l->n] = code;
	(void)snprintf(l->text[l->n++], 256, "%s", text);
}

static void
on_worker(enum mproc_worker_event event, const struct mproc_worker *w,
    void *arg)
{
	struct losses *l = arg;

	if (event == MPROC_WORKER_DIED)
		l->value = w->death->value;
}

static void
tp33_a_crash_tells_which_values_it_took(void **state)
{
	struct losses l = { .value = -1 };
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(fragile),
	    (struct mproc_pool_options){ .workers = 1,
	    .on_worker = on_worker, .arg = &l });
	struct mproc_map_options o = { .on_failed = on_failed,
	    .on_failed_arg = &l };
	int64_t *in = numbers(100), out[100] = { 0 };
	size_t i;

	(void)state;
	in[37] = -1;
	assert_int_equal(mproc_function_map(pool, fragile, in, 100, &o, out),
	    -EPIPE);
	assert_int_equal(l.value, 37);
	assert_int_equal(l.n, 1);
	/* its chunk is 25 to 49, if it was not asked for before */
	assert_in_range(l.first[0], 25, 37);
	assert_int_equal(l.first[0] + l.count[0], 38);
	assert_int_equal(l.code[0], -EPIPE);
	assert_non_null(strstr(l.text[0], " at value 37 "));
	assert_string_equal(mproc_errmsg(NULL), l.text[0]);
	for (i = 0; i < 100; i++)
		assert_int_equal(out[i], i - l.first[0] < l.count[0] ? 0 :
		    i + 1);
	/* one at a time: only that one */
	o.chunk = 1;
	l.n = 0;
	memset(out, 0, sizeof(out));
	assert_int_equal(mproc_function_map(pool, fragile, in, 100, &o, out),
	    -EPIPE);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.first[0], 37);
	assert_int_equal(l.count[0], 1);
	for (i = 0; i < 100; i++)
		assert_int_equal(out[i], i == 37 ? 0 : i + 1);
	/* a chunk of one */
	assert_int_equal(mproc_function_map(pool, fragile, in + 37, 1, NULL,
	    out), -EPIPE);
	assert_non_null(strstr(mproc_errmsg(NULL), "fragile of value 0: "));
	free(in);
	task_finish(pool);
}

/* A thread cannot be killed, and ends in time, as shared->hurry says so. */
static void
tp33_a_value_that_takes_too_long(void **state)
{
	struct losses l = { .n = 0 };
	struct watch w = { .hurry_ms = limit_ms() * 4 / 3 };
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(stuck),
	    (struct mproc_pool_options){ .workers = 1,
	    .timeout_ms = limit_ms() });
	struct mproc_map_options o = { .on_failed = on_failed,
	    .on_failed_arg = &l, .progress = on_progress,
	    .progress_arg = &w };
	int64_t *in = numbers(100), out[100] = { 0 };
	size_t i;

	(void)state;
	in[37] = -1;
	assert_int_equal(mproc_function_map(pool, stuck, in, 100, &o, out),
	    -ETIMEDOUT);
	assert_int_equal(l.n, 1);
	assert_in_range(l.first[0], 25, 37);
	assert_int_equal(l.first[0] + l.count[0], 38);
	assert_non_null(strstr(l.text[0], "longer than its timeout"));
	for (i = 0; i < 100; i++)
		assert_int_equal(out[i], i - l.first[0] < l.count[0] ? 0 :
		    i + 1);
	free(in);
	task_finish(pool);
}

static void
free_pool(const struct mproc_progress *p, void *arg)
{
	struct mproc_pool **pool = arg;

	if (p->done > 0 && *pool != NULL)
		*pool = mproc_pool_free(*pool);
}

static void
tp33_a_callback_frees_the_pool(void **state)
{
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(nap),
	    (struct mproc_pool_options){ .workers = 2 });
	struct mproc_map_options o = { .progress = free_pool,
	    .progress_arg = &pool };
	int64_t *in = numbers(N);
	int r;

	(void)state;
	r = mproc_function_map(pool, nap, in, N, &o, in);
	if (r != 0)		/* done before it was told */
		assert_true(r == -ECANCELED || r == -ESHUTDOWN);
	mproc_pool_free(pool);
	free(in);
}

static void
tp33_values_that_fail_cost_no_others(void **state)
{
	struct losses l = { .n = 0 };
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(strict),
	    (struct mproc_pool_options){ .workers = 2 });
	struct mproc_map_options o = { .on_failed = on_failed,
	    .on_failed_arg = &l };
	int64_t *in = numbers(100), out[100] = { 0 };
	size_t i;

	(void)state;
	assert_int_equal(mproc_function_map(pool, strict, in, 100, &o, out),
	    -EDOM);
	assert_string_equal(mproc_errmsg(NULL),
	    "strict of value 7: Numerical argument out of domain");
	assert_int_equal(l.n, 11);
	for (i = 0; i < 11; i++)
		if (l.first[i] == 50) {
			assert_int_equal(l.code[i], -EREMOTEIO);
			assert_non_null(strstr(l.text[i], "-123456"));
		} else {
			assert_int_equal(l.code[i], -EDOM);
		}
	for (i = 0; i < 100; i++)
		assert_int_equal(out[i], i % 10 == 7 || i == 50 ? 0 : i + 1);
	o.stop_on_error = true;
	assert_int_equal(mproc_function_map(pool, strict, in, 100, &o, out),
	    -EDOM);
	free(in);
	task_finish(pool);
}

/* Each allocation fails in turn: all is done then, or told, and no more. */
static void
tp33_a_map_without_memory(void **state)
{
	struct losses l = { .n = 0 };
	struct mproc_pool *pool = pool_of(MPROC_FUNCTION_CLASS(strict),
	    (struct mproc_pool_options){ .workers = 2 });
	struct mproc_map_options o = { .on_failed = on_failed,
	    .on_failed_arg = &l };
	int64_t *in = numbers(48), out[48];
	size_t i, k, lost;
	unsigned n;
	int r;

	(void)state;
	in[7] = in[17] = in[27] = in[37] = in[47] = 0;
	in[20] = 27;
	for (n = 1; n < 500; n++) {
		memset(out, 0, sizeof(out));
		l.n = 0;
		test_fail_alloc(n);
		r = mproc_function_map(pool, strict, in, 48, &o, out);
		if (!test_fail_done())
			break;
		for (i = k = lost = 0; k < l.n; k++)
			lost += l.count[k];
		for (; i < 48; i++)
			lost -= out[i] != in[i] + 1;
		assert_true(lost == 0 || (r == -ENOMEM && l.n == 0));
		assert_true(r == -EDOM || r == -ENOMEM);
	}
	assert_true(n > 3);
	assert_int_equal(r, -EDOM);
	free(in);
	task_finish(pool);
}

/* A job of the array's own, by messages, tells the same way. */
static void
tp33_a_map_of_messages_tells_what_failed(void **state)
{
	struct losses l = { .n = 0 };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_map_options o = { .on_failed = on_failed,
	    .on_failed_arg = &l };
	struct task_fail in[3] = { { .code = -1 }, { .code = -EDOM,
	    .text = "no root" }, { .code = -EPERM, .text = "not here" } };
	struct mproc_result out[3];

	(void)state;
	assert_int_equal(mproc_pool_map(pool, task_fail, in, 3, &o, out),
	    -EPERM);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.first[1], 1);
	assert_int_equal(l.count[1], 1);
	assert_int_equal(l.code[1], -EDOM);
	assert_string_equal(l.text[1], "no root");
	mproc_results_free(out, 3);
	task_finish(pool);
}

#define a_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		a_test(tp33_slow_values_are_told_soon),
		a_test(tp33_a_slow_map_is_canceled_soon),
		a_test(tp33_a_timeout_is_a_values),
		a_test(tp33_who_has_time_takes_from_the_slow),
		TASK_NOT_THREADS_SETUP(tp33_a_crash_tells_which_values_it_took,
		    TASK_CRASHES, setup, teardown),
		a_test(tp33_a_value_that_takes_too_long),
		a_test(tp33_a_callback_frees_the_pool),
		a_test(tp33_values_that_fail_cost_no_others),
		a_test(tp33_a_map_without_memory),
		a_test(tp33_a_map_of_messages_tells_what_failed),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
