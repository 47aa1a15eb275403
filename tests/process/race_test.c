/*
 * race_test.c - several threads with one process, at its turning points:
 * start, stop, death.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "process/boot.h"

/* Who waits for what, when another thread ends it. */
struct waiter {
	struct mproc *p;
	int	 r[4];
};

static void *
wait_all_ways(void *arg)
{
	struct waiter *w = arg;
	struct mproc_msg *msg;

	w->r[0] = mproc_recv(w->p, -1, &msg);
	w->r[1] = mproc_wait_stop(w->p, -1);
	return NULL;
}

static void *
wait_for_call(void *arg)
{
	struct waiter *w = arg;

	w->r[2] = mproc_call(w->p, -1, NULL, probe_spin);
	w->r[3] = mproc_ping(w->p, -1);
	return NULL;
}

static void
all_who_wait_hear_of_the_end(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "end" });
	struct waiter w = { .p = p };
	pthread_t thread[2];

	assert_int_equal(pthread_create(&thread[0], NULL, wait_all_ways, &w),
	    0);
	assert_int_equal(pthread_create(&thread[1], NULL, wait_for_call, &w),
	    0);
	fix_runs(p, "spin");
	assert_int_equal(mproc_kill(p), 0);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	assert_int_equal(w.r[0], -EPIPE);
	assert_int_equal(w.r[1], 0);
	assert_int_equal(w.r[2], -EPIPE);
	assert_int_equal(w.r[3], -EPIPE);
	fix_finish(p);
}

/* Blocked in a full mailbox when it ends. */
static void *
send_until_refused(void *arg)
{
	struct waiter *w = arg;

	do
		w->r[0] = mproc_send(w->p, probe_nap, .ms = 1);
	while (w->r[0] == 0);
	return NULL;
}

static void
blocked_senders_hear_of_the_end(void **state)
{
	pthread_t thread[3];
	struct waiter w[3];
	struct mproc *p;
	int kill_it, i;

	for (kill_it = 0; kill_it < 2; kill_it++) {
		p = fix_start(state, (struct mproc_options){
		    .mailbox_messages = 2, .block_ms = -1,
		    .stop_grace_ms = SOON });
		assert_int_equal(mproc_send(p, probe_nap, .ms = 100), 0);
		for (i = 0; i < 3; i++) {
			w[i] = (struct waiter){ .p = p };
			assert_int_equal(pthread_create(&thread[i], NULL,
			    send_until_refused, &w[i]), 0);
		}
		fix_runs(p, "nap");
		if (kill_it)
			assert_int_equal(mproc_kill(p), 0);
		else
			assert_int_equal(mproc_stop(p), 0);
		for (i = 0; i < 3; i++) {
			pthread_join(thread[i], NULL);
			if (kill_it)
				assert_int_equal(w[i].r[0], -EPIPE);
			else if (w[i].r[0] != -EPIPE)
				assert_int_equal(w[i].r[0], -ESHUTDOWN);
		}
		fix_finish(p);
	}
}

/* A call from before the start, and nobody who waits for the start. */
static void *
call_before(void *arg)
{
	struct waiter *w = arg;

	w->r[0] = mproc_call(w->p, SOON, NULL, probe_echo);
	w->r[1] = mproc_ping(w->p, SOON);
	w->r[2] = mproc_call(w->p, SOON, NULL, probe_die, .sig = SIGKILL);
	return NULL;
}

static void
a_call_waits_over_the_start(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state) });
	struct waiter w = { .p = p };
	struct mproc_stats s;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, call_before, &w), 0);
	do
		assert_int_equal(mproc_stats(p, &s), 0);
	while (s.sent == 0);
	assert_int_equal(mproc_start_nowait(p), 0);
	pthread_join(thread, NULL);
	assert_int_equal(w.r[0], 0);
	assert_int_equal(w.r[1], 0);
	assert_int_equal(w.r[2], -EPIPE);
	fix_finish(p);
}

/* Alone, one would wait for ever: that is said, and costs nothing. */
static void
a_wait_that_nobody_can_end(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state), .name = "k" });
	struct mproc_future *f, *g;
	struct mproc_stats s;

	if (mproc__threads() != 1) {	/* a sanitizer has one more */
		mproc_free(p);
		skip();
	}
	assert_int_equal(mproc_call(p, -1, NULL, probe_echo), -ENOTCONN);
	assert_non_null(strstr(mproc_errmsg(p), "k was not started"));
	assert_non_null(strstr(mproc_errmsg(p), "mproc_start()"));
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.sent, 0);
	assert_int_equal(mproc_ask(p, -1, &f, probe_echo), 0);
	assert_int_equal(mproc_future_wait(f, 0), -ETIMEDOUT);
	assert_int_equal(mproc_future_wait(f, -1), -ENOTCONN);
	assert_int_equal(mproc_future_wait_any(&f, 1, -1), -ENOTCONN);
	/* what has a limit ends */
	assert_int_equal(mproc_ask(p, 1, &g, probe_echo), 0);
	assert_int_equal(mproc_future_wait(g, -1), 0);
	assert_int_equal(mproc_future_result(g), -ETIMEDOUT);
	mproc_future_free(g);
	/* and the start may still come */
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_future_wait(f, -1), 0);
	assert_int_equal(mproc_future_result(f), 0);
	mproc_future_free(f);
	fix_finish(p);
}

static void *
call_without_limit(void *arg)
{
	struct waiter *w = arg;

	w->r[0] = mproc_call(w->p, -1, NULL, probe_echo);
	return NULL;
}

static void
a_wait_that_another_thread_ends(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state) });
	struct waiter w = { .p = p };
	struct mproc_stats s;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, call_without_limit,
	    &w), 0);
	do
		assert_int_equal(mproc_stats(p, &s), 0);
	while (s.sent == 0);
	assert_int_equal(mproc_start(p), 0);
	pthread_join(thread, NULL);
	assert_int_equal(w.r[0], 0);
	fix_finish(p);
}

/* Stop asked for while another thread starts it. */
static void *
start_it(void *arg)
{
	struct waiter *w = arg;

	w->r[0] = mproc_start(w->p);
	return NULL;
}

static void
stop_while_it_starts(void **state)
{
	static int (*const end[])(struct mproc *) = {
		mproc_request_stop, mproc_stop, mproc_kill
	};
	struct mproc *p;
	struct waiter w;
	pthread_t thread;
	size_t i;

	for (i = 0; i < TEST_COUNT(end); i++) {
		p = fix_new(&probe_class, (struct mproc_options){
		    .launch = fix_placement(state),
		    .args = MPROC_PACK(probe_start, .delay_ms = 50) });
		w = (struct waiter){ .p = p };
		assert_int_equal(pthread_create(&thread, NULL, start_it, &w),
		    0);
		while (mproc_status(p) == MPROC_STATUS_NEW)
			(void)poll(NULL, 0, 1);
		assert_int_equal(end[i](p), 0);
		pthread_join(thread, NULL);
		if (w.r[0] != 0)
			assert_int_equal(w.r[0], -EPIPE);
		(void)fix_dead(p);
		fix_finish(p);
	}
}

/* All at once, again and again; each call is right in every state. */
struct turmoil {
	struct mproc *p;
	_Atomic bool end;
	_Atomic int	 bad, starts;
};

static void *
start_and_stop(void *arg)
{
	struct turmoil *t = arg;
	int r;

	while (!t->end) {
		r = mproc_start(t->p);
		if (r == 0)
			t->starts++;
		else if (r != -EALREADY && r != -EPIPE)
			t->bad++;
		r = mproc_stop(t->p);
		if (r != 0)
			t->bad++;
	}
	return NULL;
}

static void *
talk(void *arg)
{
	struct turmoil *t = arg;
	struct mproc_msg *msg;
	int r;

	while (!t->end) {
		r = mproc_call(t->p, 200, NULL, probe_echo);
		if (r != 0 && r != -EPIPE && r != -ESHUTDOWN &&
		    r != -ETIMEDOUT)
			t->bad++;
		r = mproc_send(t->p, probe_emit, .count = 1);
		if (r != 0 && r != -EPIPE && r != -ESHUTDOWN)
			t->bad++;
		r = mproc_recv(t->p, 1, &msg);
		if (r == 1)
			mproc_msg_free(msg);
		else if (r != 0 && r != -EPIPE)
			t->bad++;
		(void)mproc_ping(t->p, 10);
		(void)mproc_status(t->p);
	}
	return NULL;
}

static void
starts_and_stops_and_talk_at_once(void **state)
{
	struct turmoil t = { .p = fix_new(&probe_class,
	    (struct mproc_options){ .launch = fix_placement(state) }) };
	int64_t end = test_now_ms() + 3000;	/* slow builds do fewer */
	pthread_t thread[5];
	int i;

	for (i = 0; i < 5; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, i < 2 ?
		    start_and_stop : talk, &t), 0);
	while (t.starts < 40 && test_now_ms() < end)
		(void)poll(NULL, 0, 1);
	t.end = true;
	for (i = 0; i < 5; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(t.bad, 0);
	/* a slow one may be stopped each time before it is ready */
	assert_true(t.starts > 0 || test_slow() > 1);
	fix_finish(t.p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_PROCESSES(all_who_wait_hear_of_the_end),
		FIX_PROCESSES(blocked_senders_hear_of_the_end),
		FIX_ONE(a_call_waits_over_the_start, 0, "forkserver"),
		FIX_ONE(a_call_waits_over_the_start, 2, "spawn"),
		FIX_ONE(a_wait_that_nobody_can_end, 0, "forkserver"),
		FIX_ONE(a_wait_that_another_thread_ends, 0, "forkserver"),
		FIX_ONE(stop_while_it_starts, 0, "forkserver"),
		FIX_ONE(stop_while_it_starts, 2, "spawn"),
		FIX_ONE(starts_and_stops_and_talk_at_once, 0, "forkserver"),
		FIX_ONE(starts_and_stops_and_talk_at_once, 2, "spawn"),
		FIX_ONE(starts_and_stops_and_talk_at_once, 3, "thread"),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
