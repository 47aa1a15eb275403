/*
 * function_test.c - plain functions, default pools, scopes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

MPROC_FUNCTION(square, int64_t, int64_t)
{
	*out = *in * *in;
	return 0;
}

MPROC_FUNCTION(cube, int64_t, int64_t)
{
	*out = *in * *in * *in;
	return 0;
}

struct pair { double a, b; char name[16]; };

MPROC_FUNCTION(swap, struct pair, struct pair)
{
	if (in->a < 0)
		return -EDOM;
	*out = (struct pair){ in->b, in->a, "swapped" };
	return 0;
}

MPROC_FUNCTION(where, char, int)
{
	*out = gettid();
	return 0;
}

static void
tp33_map_an_array(void **state)
{
	static int64_t in[100000], out[100000];
	struct pair p[10] = { { 1, 2, "" } };
	int i;

	(void)state;
	for (i = 0; i < 100000; i++)
		in[i] = i;
	assert_int_equal(mproc_map(square, in, 100000, out), 0);
	for (i = 0; i < 100000; i++)
		assert_int_equal(out[i], (int64_t)i * i);
	assert_int_equal(mproc_map(square, in, 0, out), 0);
	assert_int_equal(mproc_map(square, in + 3, 1, out), 0);
	assert_int_equal(out[0], 9);
	assert_int_equal(mproc_map(swap, p, 10, p), 0);	/* in place */
	assert_true(p[0].a == 2 && p[0].b == 1);
	assert_string_equal(p[0].name, "swapped");
	p[7].a = -1;
	assert_int_equal(mproc_map(swap, p, 10, p), -EDOM);
	assert_non_null(strstr(mproc_errmsg(NULL), "value 7"));
	assert_int_equal(mproc_pool_default_stop(SOON), 0);
}

static void
tp33_in_a_pool_of_ones_own(void **state)
{
	struct mproc_pool_options o = { .workers = 2,
	    .process.launch = task_launch() };
	struct mproc_pool *pool;
	int64_t in[7] = { 1, 2, 3, 4, 5, 6, 7 }, out[7];
	int fd = -1;
	struct mproc_map_options m = {
		.progress = mproc_progress_bar, .progress_arg = &fd
	};

	(void)state;
	assert_int_equal(mproc_pool_new(MPROC_FUNCTION_CLASS(square), &o,
	    &pool), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	assert_int_equal(mproc_function_map(pool, square, in, 7, &m, out),
	    0);
	assert_int_equal(out[6], 49);
	/* of the same types, so that only the class tells */
	out[0] = -1;
	assert_int_equal(mproc_function_map(pool, cube, in, 7, NULL, out),
	    -EINVAL);
	assert_string_equal(mproc_errmsg(NULL),
	    "pool square is not of function cube");
	assert_int_equal(out[0], -1);
	mproc_pool_free(pool);
}

static int
worker_pid(void)
{
	char in = 0;
	int pid = 0;

	assert_int_equal(mproc_map(where, &in, 1, &pid), 0);
	assert_int_not_equal(pid, getpid());
	return pid;
}

static void
tp24_scopes(void **state)
{
	struct mproc_pool_options one = { .workers = 1,
	    .process.launch = task_launch() };
	int outer = worker_pid(), inner, innermost = 0;

	(void)state;
	assert_int_equal(mproc_pool_set_default(&one), -EBUSY);
	MPROC_POOL_SCOPE(&one) {
		inner = worker_pid();
		assert_int_equal(worker_pid(), inner);
		MPROC_POOL_SCOPE(&one)
			innermost = worker_pid();
		assert_int_not_equal(innermost, inner);
		assert_int_equal(worker_pid(), inner);
		assert_int_not_equal(inner, outer);
	}
	assert_int_equal(worker_pid(), outer);
	assert_int_equal(mproc_pool_default_stop(SOON), 0);
	/* tp25, tpw6: before the first use */
	assert_int_equal(mproc_pool_set_default(&one), 0);
	assert_int_not_equal(worker_pid(), outer);
	assert_int_equal(mproc_pool_default_stop(SOON), 0);
	assert_int_equal(mproc_pool_set_default(NULL), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tp33_map_an_array),
		cmocka_unit_test(tp33_in_a_pool_of_ones_own),
		cmocka_unit_test(tp24_scopes),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
