/*
 * stall_test.c - what once stood still: output that nobody wrote, timers
 * that nobody read, casts that were never counted, waits that nobody ended.
 *
 * Each is the regression test of a fault found by reading.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* Only sends, no other call: the queue must go out as the socket empties. */
static void
a_sender_writes_its_queue_itself(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .overflow = MPROC_REJECT, .mailbox_messages = 30000 });
	int64_t until;
	int n = 0, r = 0;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 100), 0);
	/* more than the socket takes, and mostly all that the mailbox does */
	while (n < 40000 && mproc_send(p, probe_note, .n = n + 1) == 0)
		n++;
	for (until = test_now_ms() + SOON; n < 100000; n += r == 0) {
		assert_true(test_now_ms() < until);
		r = mproc_send(p, probe_note, .n = n + 1);
		assert_true(r == 0 || r == -EAGAIN);
	}
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	fix_finish(p);
}

/* A reply ends a deferred cast: its room in the mailbox is free again. */
static void
deferred_casts_are_counted(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .mailbox_messages = 10, .block_ms = SOON });
	struct mproc_stats s;
	int i, round;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 8; i++)
			assert_int_equal(mproc_send(p, probe_hold, .n = i), 0);
		assert_int_equal(mproc_call(p, SOON, NULL, probe_release), 0);
	}
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.handled, 20 * 9);
	assert_int_equal(s.in_flight, 0);
	fix_finish(p);
}

/* What is deferred may wait for the next message: that must get through. */
static void
a_deferred_call_lets_the_next_message_pass(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .overflow = MPROC_DROP_OLD });
	struct mproc_future *f;
	int i;

	for (i = 0; i < 50; i++) {
		assert_int_equal(mproc_ask(p, SOON, &f, probe_hold, .n = i),
		    0);
		assert_int_equal(mproc_send(p, probe_release), 0);
		assert_int_equal(mproc_future_wait(f, SOON), 0);
		assert_int_equal(mproc_future_result(f), 0);
		mproc_future_free(f);
	}
	fix_finish(p);
}

static void
an_error_has_room_however_small_messages_are(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .max_message = 128 });
	struct mproc_msg *msg;

	assert_int_equal(mproc_msg_new("echo", &msg), 0);
	assert_int_equal(mproc_msg_set(msg, "an_argument_that_is_unknown",
	    1), 0);
	assert_int_equal(mproc_call_msg(p, SOON, NULL, msg), -EINVAL);
	mproc_msg_free(msg);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	fix_finish(p);
}

static void *
wait_for_it(void *arg)
{
	return (void *)(intptr_t)mproc_future_wait(arg, SOON);
}

static void
cancel_wakes_who_waits(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "cancel" });
	int64_t since = test_now_ms();
	struct mproc_future *f;
	pthread_t thread;
	void *r;

	assert_int_equal(mproc_ask(p, -1, &f, probe_hold), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_it, f), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_future_cancel(f), 0);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	assert_true(test_now_ms() - since < SOON);
	assert_int_equal(mproc_future_result(f), -ECANCELED);
	mproc_future_free(f);
	fix_finish(p);
}

/* Deadlines that the kernel tells of a moment after our own clock. */
static void
deadlines_leave_the_fd_silent(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "timer" });
	int fd = mproc_fd(p), i;
	struct mproc_future *f;
	struct mproc_msg *msg;

	for (i = 0; i < 500; i++) {
		assert_int_equal(mproc_ask(p, 1, &f, probe_hold), 0);
		while (!mproc_future_done(f))
			(void)test_poll(fd, POLLIN, SOON);
		assert_int_equal(mproc_future_result(f), -ETIMEDOUT);
		mproc_future_free(f);
	}
	for (i = 0; i < 100 && test_poll(fd, POLLIN, 0) != 0; i++)
		assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(test_poll(fd, POLLIN, 50), 0);
	fix_finish(p);
}

/* A fork of the host holds copies of what the dead generation had. */
static void
a_fork_of_the_host_keeps_nothing_awake(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "forked" });
	int fd = mproc_fd(p), hold[2], i;
	struct mproc_msg *msg;
	pid_t pid;
	char c;

	assert_int_equal(pipe(hold), 0);
	if ((pid = fork()) == 0) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1) != 0);	/* till we close it */
	}
	assert_true(pid > 0);
	close(hold[0]);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_start(p), 0);
	for (i = 0; i < 100 && test_poll(fd, POLLIN, 0) != 0; i++)
		assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(test_poll(fd, POLLIN, 50), 0);
	close(hold[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fix_finish(p);
}

/* The inbox is never empty, and yet the other work is done. */
static void
a_slow_receiver_does_the_other_work(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "busy" });
	struct mproc_future *f;
	struct mproc_msg *msg;
	int i;

	assert_int_equal(mproc_call(p, SOON, NULL, probe_emit, .count = 500),
	    0);
	assert_int_equal(mproc_ask(p, 1, &f, probe_hold), 0);
	(void)poll(NULL, 0, 5);		/* its deadline passes */
	for (i = 0; i < 200; i++) {
		assert_int_equal(mproc_recv(p, SOON, &msg), 1);
		mproc_msg_free(msg);
	}
	/* completed by the way: cancelling comes too late */
	assert_int_equal(mproc_future_cancel(f), -EALREADY);
	mproc_future_free(f);
	fix_finish(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(a_sender_writes_its_queue_itself),
		FIX_ALL(deferred_casts_are_counted),
		FIX_ALL(a_deferred_call_lets_the_next_message_pass),
		FIX_ALL(an_error_has_room_however_small_messages_are),
		FIX_ALL(cancel_wakes_who_waits),
		FIX_ALL(deadlines_leave_the_fd_silent),
		FIX_PROCESSES(a_fork_of_the_host_keeps_nothing_awake),
		FIX_ALL(a_slow_receiver_does_the_other_work),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
