/*
 * end_test.c - ends as other libraries get them wrong: a join that polls,
 * a stop that interrupts what is under way.
 */
#include <sys/resource.h>

#include <signal.h>
#include <stdlib.h>

#include "fixture.h"

#define SLEEPS	8	/* several descriptors tell of one end */
#define ITEMS	2000

/* How often this thread has slept. */
static long
sleeps(void)
{
	struct rusage used;

	assert_int_equal(getrusage(RUSAGE_THREAD, &used), 0);
	return used.ru_nvcsw;
}

/* The kernel tells of the end: nobody looks, sleeps, and looks again. */
static void
prw8_join_does_not_poll(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = SOON });
	long before;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 300), 0);
	fix_runs(p, "nap");
	assert_int_equal(mproc_request_stop(p), 0);
	before = sleeps();
	assert_int_equal(mproc_wait_stop(p, SOON), 0);
	if (!test_on_valgrind())	/* which has threads take turns */
		assert_in_range(sleeps() - before, 0, SLEEPS);
	fix_finish(p);
}

static int64_t
next_item(struct mproc *p)
{
	struct mproc_msg *msg;
	int64_t n;

	assert_int_equal(mproc_recv(p, SOON, &msg), 1);
	n = mproc_args(msg, probe_item)->n;
	mproc_msg_free(msg);
	return n;
}

/*
 * A stop, or a signal, at any moment of a handler that does nothing but calls
 * of the library: it is done in full, each item is whole and in its place,
 * and the process ends in order.
 */
static void
prw10_a_stop_interrupts_no_handler(void **state)
{
	bool is_thread = fix_placement(state) == MPROC_THREAD;
	long i, k, most, rounds = test_count(NULL, 20);
	unsigned seed = 10;
	int64_t last;
	struct mproc *p;

	for (i = 0; i < rounds; i++) {
		p = fix_start(state, (struct mproc_options){
		    .stop_grace_ms = SOON });
		assert_int_equal(mproc_send(p, probe_emit, .count = ITEMS,
		    .size = rand_r(&seed) % 300), 0);
		most = rand_r(&seed) % 1000;
		for (k = 0; k < most; k++)
			assert_int_equal(next_item(p), k);
		if (i % 2 == 0 && !is_thread)
			assert_int_equal(kill(mproc_pid(p), SIGTERM), 0);
		else
			assert_int_equal(mproc_request_stop(p), 0);
		assert_int_equal(fix_receive_all(p, &last), ITEMS - k);
		assert_int_equal(last, ITEMS - 1);
		assert_int_equal(fix_dead(p)->exit_code, 0);
		fix_finish(p);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(prw8_join_does_not_poll),
		FIX_ALL(prw10_a_stop_interrupts_no_handler),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
