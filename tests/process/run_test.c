/*
 * run_test.c - classes with a loop of their own, and backends that end their
 * loop by themselves.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static struct mproc *
start_class(void **state, const struct mproc_class *cls,
    struct mproc_options opt)
{
	struct mproc *p;

	opt.launch = fix_placement(state);
	p = fix_new(cls, opt);
	if (mproc_start(p) < 0)
		fail_msg("mproc_start: %s", mproc_errmsg(p));
	return p;
}

/* Its own work goes on: so many ticks come. */
static void
ticks(struct mproc *p, int n)
{
	struct mproc_msg *msg;

	while (n > 0) {
		assert_int_equal(mproc_recv(p, SOON, &msg), 1);
		if (mproc_args(msg, probe_tick) != NULL)
			n--;
		mproc_msg_free(msg);
	}
}

static void
vk17_a_loop_with_poll_once(void **state)
{
	struct mproc *p = start_class(state, &probe_poll_class,
	    (struct mproc_options){ .name = "polling" });
	const struct probe_summed *t;
	struct mproc_msg *reply;
	int64_t i;

	ticks(p, 3);
	for (i = 1; i <= 5000; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	assert_int_equal(mproc_call(p, SOON, &reply, probe_sum), 0);
	t = mproc_args(reply, probe_summed);
	assert_int_equal(t->count, 5000);
	assert_true(t->in_order);
	mproc_msg_free(reply);
	ticks(p, 3);
	assert_int_equal(mproc_ping(p, SOON), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->exit_code, 0);
	fix_finish(p);
}

/*
 * Polls mproc_backend_fd() and a timerfd, without a timeout: so the
 * descriptor has to tell of all there is to do, buffered messages, timers
 * and the end of the loop among it.
 */
static void
vk17_a_loop_with_the_fd(void **state)
{
	struct mproc *p = start_class(state, &probe_fd_class,
	    (struct mproc_options){ .name = "own", .stop_grace_ms = SOON });
	const struct probe_summed *t;
	struct mproc_msg *reply;
	int64_t i, n = 20000;

	ticks(p, 2);
	for (i = 1; i <= n; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	assert_int_equal(mproc_call(p, SOON, &reply, probe_sum), 0);
	t = mproc_args(reply, probe_summed);
	assert_int_equal(t->count, n);
	assert_true(t->in_order);
	mproc_msg_free(reply);
	assert_int_equal(mproc_ping(p, SOON), 0);
	assert_int_equal(mproc_send(p, probe_timer, .ms = 5, .count = 5), 0);
	ticks(p, 7);
	/* more than a turn's messages, then the end */
	for (i = 0; i < 1000; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = n + i), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->exit_code, 5);
	fix_finish(p);
}

/* Each way to end wakes the descriptor, with nothing else to do. */
static void
vk17_the_fd_tells_of_the_end(void **state)
{
	struct mproc *p = start_class(state, &probe_fd_class,
	    (struct mproc_options){ .stop_grace_ms = SOON });

	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->exit_code, 5);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_send(p, probe_quit, .code = 6), 0);
	assert_int_equal(fix_dead(p)->signal, 0);
	if (fix_placement(state) != MPROC_THREAD) {
		assert_int_equal(mproc_start(p), 0);
		assert_int_equal(kill(mproc_pid(p), SIGTERM), 0);
		assert_int_equal(fix_dead(p)->exit_code, 5);
	}
	fix_finish(p);
}

static void
quit_gives_the_exit_status(void **state)
{
	const char *path = fix_path();
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state),
	    .args = MPROC_PACK(probe_start, .post = path) });
	struct mproc_future *f;
	struct mproc_stats s;

	assert_int_equal(mproc_send(p, probe_quit, .code = 42), 0);
	assert_int_equal(mproc_ask(p, SOON, &f, probe_echo), 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(fix_dead(p)->exit_code, 42);
	/* after the handler: what came later was not handled */
	assert_int_equal(mproc_future_result(f), -EPIPE);
	mproc_future_free(f);
	assert_true(fix_exists(path));
	unlink(path);
	fix_law(p, &s);
	assert_int_equal(s.handled, 1);
	assert_int_equal(s.dropped_dead, 1);
	fix_finish(p);
}

/* Deferred requests are answered when the loop ends by itself, too. */
static void
quit_cancels_what_is_deferred(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "deferring" });
	struct mproc_future *f[3];
	struct mproc_stats s;
	int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(mproc_ask(p, SOON, &f[i], probe_hold,
		    .n = i), 0);
	assert_int_equal(mproc_send(p, probe_quit, .code = 1), 0);
	assert_int_equal(fix_dead(p)->exit_code, 1);
	for (i = 0; i < 3; i++) {
		assert_int_equal(mproc_future_result(f[i]), -ECANCELED);
		mproc_future_free(f[i]);
	}
	fix_law(p, &s);
	assert_int_equal(s.failed, 3);
	fix_finish(p);
}

/* Hooks that fail say so in the log and in the exit status. */
struct odd {
	struct mproc_backend base;
};
MPROC_MESSAGE(odd, nothing);
MPROC_COMMAND(odd, nothing)
{
	return 0;
}
static const struct mproc_handler odd_handlers[] = {
	MPROC_HANDLER(odd, nothing, "nothing"),
};

static int
fails(struct mproc_backend *base)
{
	(void)base;
	return -EIO;
}

static int
returns_300(struct mproc_backend *base)
{
	(void)base;
	return 300;
}

static const struct mproc_class odd_classes[] = {
	MPROC_CLASS("RunFails", odd, odd_handlers, .run = fails),
	MPROC_CLASS("PostFails", odd, odd_handlers, .post_run = fails),
	MPROC_CLASS("Run300", odd, odd_handlers, .run = returns_300),
};

static void
hooks_that_fail(void **state)
{
	struct mproc *p = start_class(state, &odd_classes[0],
	    (struct mproc_options){ .name = "run" });

	assert_int_equal(fix_dead(p)->exit_code, 1);
	assert_non_null(strstr(mproc_death(p)->last_log, "run"));
	fix_finish(p);
	p = start_class(state, &odd_classes[1],
	    (struct mproc_options){ .name = "post" });
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->exit_code, 1);
	assert_non_null(strstr(mproc_death(p)->last_log, "post_run"));
	fix_finish(p);
	p = start_class(state, &odd_classes[2],
	    (struct mproc_options){ .name = "300" });
	assert_int_equal(fix_dead(p)->exit_code, 300 & 0xff);
	fix_finish(p);
}

/* VK-22 in other words: go and no-go, seen by a handler that asks. */
static void
no_go_stays_over_a_restart(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "going" });

	assert_int_equal(mproc_set_going(p, false), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_spin,
	    .going = true), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_spin,
	    .going = true), 0);
	assert_int_equal(mproc_set_going(p, true), 0);
	assert_int_equal(mproc_call(p, 20, NULL, probe_spin, .going = true),
	    -ETIMEDOUT);
	fix_finish(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(vk17_a_loop_with_poll_once),
		FIX_ALL(vk17_a_loop_with_the_fd),
		FIX_ALL(vk17_the_fd_tells_of_the_end),
		FIX_ALL(quit_gives_the_exit_status),
		FIX_ALL(quit_cancels_what_is_deferred),
		FIX_ALL(hooks_that_fail),
		FIX_ALL(no_go_stays_over_a_restart),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
