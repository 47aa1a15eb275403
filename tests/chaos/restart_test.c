/*
 * restart_test.c - what one generation leaves to the next, and threads that
 * wait while a process starts, ends, and starts again.
 */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"
#include "victim.h"

#define HANG_MS	10000

static struct mproc *
made(struct mproc_options opt)
{
	struct mproc *p;

	opt.launch = MPROC_FORKSERVER;
	assert_int_equal(mproc_new(&victim_class, &opt, &p), 0);
	return p;
}

static void
receive(struct mproc *p, int n)
{
	const struct victim_item *item;
	struct mproc_msg *msg;
	int i;

	for (i = 0; i < n; i++) {
		assert_int_equal(mproc_recv(p, HANG_MS, &msg), 1);
		item = mproc_args(msg, victim_item);
		assert_non_null(item);
		assert_int_equal(item->n, i % 10);
		mproc_msg_free(msg);
	}
}

/* What the dead left in the inbox is delivered, and takes its room. */
static void
an_inbox_outlives_its_backend(void **state)
{
	struct mproc *p = made((struct mproc_options){
		.inbox_messages = 15, .block_ms = HANG_MS
	});
	struct mproc_future *f;
	struct mproc_stats s;

	(void)state;
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_call(p, HANG_MS, NULL, victim_emit,
	    .count = 10), 0);
	assert_int_equal(mproc_kill(p), 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_ask(p, HANG_MS, &f, victim_emit, .count = 10),
	    0);
	/* Five of them fit; the rest as there is room. */
	assert_int_equal(mproc_future_wait(f, 100), -ETIMEDOUT);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.emits_waiting, 15);
	receive(p, 20);
	assert_int_equal(mproc_future_wait(f, HANG_MS), 0);
	assert_int_equal(mproc_future_result(f), 0);
	mproc_future_free(f);
	assert_int_equal(mproc_call(p, HANG_MS, NULL, victim_emit,
	    .count = 10), 0);
	receive(p, 10);
	assert_int_equal(mproc_stop(p), 0);
	chaos_check_accounts(p);
	mproc_free(p);
}

struct waiter {
	struct mproc	*p;
	_Atomic bool	 begun;
	int		 code;
	int64_t		 ms;
	int		 (*wait)(struct mproc *);
};

static void *
wait_in_thread(void *arg)
{
	struct waiter *w = arg;
	int64_t since = test_now_ms();

	w->begun = true;
	w->code = w->wait(w->p);
	w->ms = test_now_ms() - since;
	return NULL;
}

static bool
is_led(void *arg)
{
	struct mproc *p = arg;
	bool led;

	pthread_mutex_lock(&p->lock);
	led = p->leading;
	pthread_mutex_unlock(&p->lock);
	return led;
}

static int
wait_recv(struct mproc *p)
{
	struct mproc_msg *msg;
	int r = mproc_recv(p, 3000, &msg);

	if (r == 1)
		mproc_msg_free(msg);
	return r;
}

/* A thread that polls already must learn of the descriptors that a start
 * makes. */
static void
a_start_reaches_who_waits(void **state)
{
	struct waiter w = {
		.p = made((struct mproc_options){ .name = "s" }),
		.wait = wait_recv
	};
	int64_t since, best = INT64_MAX;
	pthread_t thread;
	int i;

	(void)state;
	for (i = 0; i < 3 && best > 5000; i++) {
		assert_int_equal(pthread_create(&thread, NULL,
		    wait_in_thread, &w), 0);
		assert_true(chaos_await(is_led, w.p));
		since = test_now_ms();
		assert_int_equal(mproc_start(w.p), 0);
		since = test_now_ms() - since;
		best = since < best ? since : best;
		assert_int_equal(mproc_send(w.p, victim_emit, .count = 1), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(w.code, 1);
		mproc_free(w.p);
		w.p = made((struct mproc_options){ .name = "s" });
	}
	assert_true(best <= 5000);
	mproc_free(w.p);
}

static int
wait_stop(struct mproc *p)
{
	return mproc_wait_stop(p, 3000);
}

static int
wait_ping(struct mproc *p)
{
	return mproc_ping(p, 3000);
}

static int
wait_call(struct mproc *p)
{
	return mproc_call(p, 3000, NULL, victim_hold);
}

static bool
two_wait(void *arg)
{
	struct mproc *p = arg;
	bool both;

	pthread_mutex_lock(&p->lock);
	both = p->leading && p->waiters != NULL;
	pthread_mutex_unlock(&p->lock);
	return both;
}

static bool
is_acting(void *arg)
{
	struct mproc_activity a;

	assert_int_equal(mproc_activity(arg, &a), 0);
	return strcmp(a.command, "act") == 0;
}

/* Kill it, take in the death, and start again before others can look. */
static void
replace(struct mproc *p)
{
	pthread_mutex_lock(&p->lock);
	assert_int_equal(mproc__child_signal(&p->child, SIGKILL), 0);
	assert_true(test_poll(p->child.pidfd, POLLIN, HANG_MS) != 0);
	mproc__work(p);
	assert_int_equal(p->status, MPROC_STATUS_DEAD);
	pthread_mutex_unlock(&p->lock);
	assert_int_equal(mproc_start(p), 0);
}

static void
waits_end_with_their_generation(void **state)
{
	static int (*const waits[])(struct mproc *) = {
		wait_stop, wait_ping, wait_call
	};
	static const int codes[] = { 0, -EPIPE, -EPIPE };
	struct waiter w[2] = {
		{ .p = made((struct mproc_options){ .name = "w" }) }
	};
	pthread_t thread[2];
	size_t i;
	int j;

	(void)state;
	w[1].p = w[0].p;
	for (i = 0; i < TEST_COUNT(waits); i++) {
		if (i == 0)
			assert_int_equal(mproc_start(w[0].p), 0);
		assert_int_equal(mproc_send(w[0].p, victim_act,
		    .point = IN_HANDLER), 0);
		assert_true(chaos_await(is_acting, w[0].p));
		for (j = 0; j < 2; j++) {
			w[j].wait = waits[i];
			assert_int_equal(pthread_create(&thread[j], NULL,
			    wait_in_thread, &w[j]), 0);
		}
		assert_true(chaos_await(two_wait, w[0].p));
		replace(w[0].p);
		for (j = 0; j < 2; j++) {
			assert_int_equal(pthread_join(thread[j], NULL), 0);
			assert_int_equal(w[j].code, codes[i]);
		}
	}
	assert_int_equal(mproc_stop(w[0].p), 0);
	chaos_check_accounts(w[0].p);
	mproc_free(w[0].p);
}

/* Made before there was a process, it must tell of that one's death. */
static void
an_early_future_fd_tells_of_death(void **state)
{
	struct mproc *p = made((struct mproc_options){ .name = "f" });
	const struct victim_pid *t;
	struct mproc_future *f;
	struct mproc_msg *msg;
	int fd;

	(void)state;
	assert_int_equal(mproc_ask(p, -1, &f, victim_hold), 0);
	fd = mproc_future_fd(f);
	assert_true(fd >= 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_call(p, HANG_MS, NULL, victim_act,
	    .point = GRANDCHILD), 0);
	assert_int_equal(mproc_recv(p, HANG_MS, &msg), 1);
	t = mproc_args(msg, victim_pid);
	assert_non_null(t);
	assert_false(mproc_future_done(f));
	assert_int_equal(kill(mproc_pid(p), SIGKILL), 0);
	assert_true(test_poll(fd, POLLIN, HANG_MS) != 0);
	assert_int_equal(mproc_future_wait(f, HANG_MS), 0);
	assert_int_equal(mproc_future_result(f), -EPIPE);
	(void)kill(t->pid, SIGKILL);
	mproc_msg_free(msg);
	mproc_future_free(f);
	mproc_free(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_inbox_outlives_its_backend),
		cmocka_unit_test(a_start_reaches_who_waits),
		cmocka_unit_test(waits_end_with_their_generation),
		cmocka_unit_test(an_early_future_fd_tells_of_death),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
