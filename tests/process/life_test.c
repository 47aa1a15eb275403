/*
 * life_test.c - the states of a process: starting, running, stopping, dead,
 * and started again; what each function answers in each of them.
 */
#include <sys/select.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* Readable by plain select(2), from a number taken before the start. */
static void
vk13_the_fd_is_there_before_the_start(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state) };
	struct mproc *p = fix_new(&probe_class, opt);
	struct timeval tv = { SOON / 1000, 0 };
	struct mproc_msg *msg = NULL;
	int fd = mproc_fd(p), r = 0;
	int64_t end = test_now_ms() + SOON;
	fd_set set;

	assert_true(fd >= 0);
	assert_int_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_send(p, probe_emit, .count = 1, .first = 7),
	    0);
	assert_int_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_start_nowait(p), 0);
	assert_int_equal(mproc_fd(p), fd);
	while (r == 0 && test_now_ms() < end) {
		FD_ZERO(&set);
		FD_SET(fd, &set);
		assert_int_equal(select(fd + 1, &set, NULL, NULL, &tv), 1);
		r = mproc_recv(p, 0, &msg);
	}
	assert_int_equal(r, 1);
	assert_int_equal(mproc_args(msg, probe_item)->n, 7);
	mproc_msg_free(msg);
	assert_int_equal(mproc_wait_ready(p, 0), 0);
	fix_finish(p);
}

static void
vk21_messages_before_the_start_are_handled_first(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state) };
	struct mproc *p = fix_new(&probe_class, opt);
	const struct probe_summed *t;
	struct mproc_msg *reply;
	struct mproc_future *f;
	int64_t i;

	for (i = 1; i <= 10; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	assert_int_equal(mproc_ask(p, SOON, &f, probe_sum), 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_start(p), -EALREADY);
	assert_int_equal(mproc_start_nowait(p), -EALREADY);
	assert_int_equal(mproc_send(p, probe_note, .n = 11), 0);
	assert_int_equal(mproc_future_wait(f, SOON), 0);
	t = mproc_args(mproc_future_reply(f), probe_summed);
	assert_non_null(t);
	assert_int_equal(t->count, 10);
	assert_true(t->in_order);
	mproc_future_free(f);
	assert_int_equal(mproc_call(p, SOON, &reply, probe_sum), 0);
	t = mproc_args(reply, probe_summed);
	assert_int_equal(t->count, 11);
	assert_true(t->in_order);
	mproc_msg_free(reply);
	fix_finish(p);
}

/* More than any socket holds. */
static void
vk21_many_messages_before_the_start(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state) };
	struct mproc *p = fix_new(&probe_class, opt);
	const struct probe_summed *t;
	struct mproc_msg *reply;
	int64_t i, n = 60000;

	for (i = 1; i <= n; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_call(p, SOON, &reply, probe_sum), 0);
	t = mproc_args(reply, probe_summed);
	assert_int_equal(t->count, n);
	assert_true(t->in_order);
	mproc_msg_free(reply);
	fix_finish(p);
}

static void
start_in_two_steps(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state),
		.args = MPROC_PACK(probe_start, .delay_ms = 300) };
	struct mproc *p = fix_new(&probe_class, opt);

	assert_int_equal(mproc_start_nowait(p), 0);
	assert_int_equal(mproc_status(p), MPROC_STATUS_STARTING);
	assert_int_equal(mproc_wait_ready(p, 1), -ETIMEDOUT);
	assert_int_equal(mproc_status(p), MPROC_STATUS_STARTING);
	/* sends, also calls, may be made while it starts */
	assert_int_equal(mproc_send(p, probe_note, .n = 1), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_wait_ready(p, -1), 0);
	assert_int_equal(mproc_wait_ready(p, 0), 0);
	assert_int_equal(mproc_status(p), MPROC_STATUS_RUNNING);
	assert_int_equal(mproc_ping(p, SOON), 0);
	fix_finish(p);
}

static void *
receive_one(void *arg)
{
	struct mproc_msg *msg = NULL;

	if (mproc_recv(arg, SOON, &msg) != 1)
		return arg;
	mproc_msg_free(msg);
	return NULL;
}

/* It polls only what there was before the start. */
static void
start_while_another_thread_receives(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state), .start_timeout_ms = SOON / 2 });
	pthread_t thread;
	void *failed;

	assert_int_equal(pthread_create(&thread, NULL, receive_one, p), 0);
	/* most likely it waits by now; the other order has to work, too */
	(void)poll(NULL, 0, 20);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_ping(p, SOON / 2), 0);
	assert_int_equal(mproc_send(p, probe_emit, .count = 1), 0);
	pthread_join(thread, &failed);
	assert_null(failed);
	fix_finish(p);
}

/* Start arguments, with a descriptor, the same in each generation. */
static void
start_args_come_again_at_a_restart(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state) };
	char text[8] = "";
	struct mproc *p;
	int fds[2], i;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	opt.args = MPROC_PACK(probe_start, .post = "/dev/null", .n = 3,
	    .fd = MPROC_FD(fds[1]));
	p = fix_new(&probe_class, opt);
	close(fds[1]);		/* the process has its own */
	for (i = 0; i < 3; i++) {
		struct mproc_msg *msg;

		assert_int_equal(mproc_start(p), 0);
		/* 3 emits in pre_run, 1 in post_run */
		assert_int_equal(mproc_recv(p, SOON, &msg), 1);
		mproc_msg_free(msg);
		assert_int_equal(read(fds[0], text, sizeof(text)), 3);
		assert_memory_equal(text, "pre", 3);
		assert_int_equal(mproc_stop(p), 0);
		while (mproc_recv(p, SOON, &msg) == 1)
			mproc_msg_free(msg);
	}
	mproc_free(p);
	assert_int_equal(read(fds[0], text, sizeof(text)), 0);
	close(fds[0]);
}

/* More than any socket holds, with nobody waiting for it to go out. */
static void
large_start_args(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state),
		.start_timeout_ms = SOON };
	size_t size = 4 << 20;
	char *text = malloc(size);
	struct mproc *p;
	struct mproc_msg *msg;
	int fd, r = 0;

	assert_non_null(text);
	memset(text, 'x', size - 1);
	text[size - 1] = '\0';
	opt.args = MPROC_PACK(probe_start, .post = text, .n = 1);
	p = fix_new(&probe_class, opt);
	free(text);
	fd = mproc_fd(p);
	assert_int_equal(mproc_start_nowait(p), 0);
	while (r == 0 && test_poll(fd, POLLIN, SOON) != 0)
		r = mproc_recv(p, 0, &msg);
	assert_int_equal(r, 1);
	mproc_msg_free(msg);
	assert_int_equal(mproc_wait_ready(p, SOON), 0);
	fix_finish(p);
}

static void
no_start_args_are_null(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state),
		/* another message than the one that pre_run asks for */
		.args = MPROC_PACK(probe_note, .n = 1) };
	struct mproc *p = fix_new(&probe_class, opt);

	assert_int_equal(mproc_start(p), 0);
	fix_finish(p);
}

static void
a_dead_one_starts_again(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state) };
	struct mproc *p = fix_new(&probe_class, opt);
	int fd = mproc_fd(p), round, code;
	struct mproc_stats s;
	struct mproc_msg *msg;

	for (round = 1; round <= 5; round++) {
		assert_int_equal(mproc_start(p), 0);
		assert_null(mproc_death(p));
		assert_int_equal(mproc_fd(p), fd);
		assert_int_equal(mproc_send(p, probe_note, .n = 1), 0);
		assert_int_equal(mproc_call(p, SOON, NULL, probe_emit,
		    .count = 2), 0);
		assert_int_equal(mproc_call(p, SOON, NULL, probe_fail,
		    .code = -EDOM), -EDOM);
		assert_int_equal(mproc_send(p, probe_quit, .code = round), 0);
		code = fix_dead(p)->exit_code;
		assert_int_equal(code, round);
		assert_int_equal(mproc_status(p), MPROC_STATUS_DEAD);
		assert_int_equal(mproc_recv(p, 0, &msg), 1);
		mproc_msg_free(msg);
		assert_int_not_equal(test_poll(fd, POLLIN, 0), 0);
		assert_int_equal(mproc_recv(p, 0, &msg), 1);
		mproc_msg_free(msg);
		assert_int_equal(mproc_recv(p, -1, &msg), -EPIPE);
		assert_int_not_equal(test_poll(fd, POLLIN, 0), 0);
		fix_law(p, &s);
		assert_int_equal(s.generation, round);
		assert_int_equal(s.sent, 4 * round);
		assert_int_equal(s.handled, 3 * round);
		assert_int_equal(s.failed, round);
		assert_int_equal(s.emitted, 2 * round);
		assert_int_equal(s.received, 2 * round);
	}
	/* what nobody received stays, the next generation's comes after it */
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_emit, .count = 1,
	    .first = 100), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_emit, .count = 1,
	    .first = 200), 0);
	assert_int_equal(mproc_recv(p, 0, &msg), 1);
	assert_int_equal(mproc_args(msg, probe_item)->n, 100);
	mproc_msg_free(msg);
	assert_int_equal(mproc_recv(p, 0, &msg), 1);
	assert_int_equal(mproc_args(msg, probe_item)->n, 200);
	mproc_msg_free(msg);
	fix_finish(p);
}

static void
the_fd_is_silent_after_a_restart(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "again" });
	int fd = mproc_fd(p), i;
	struct mproc_msg *msg;

	for (i = 0; i < 3; i++) {
		assert_int_equal(mproc_stop(p), 0);
		assert_int_not_equal(test_poll(fd, POLLIN, 0), 0);
		assert_int_equal(mproc_start(p), 0);
		while (test_poll(fd, POLLIN, 20) != 0)
			assert_int_equal(mproc_recv(p, 0, &msg), 0);
	}
	fix_finish(p);
}

/* VK-11's codes: while stopping, and dead. */
static void
vk11_sends_in_every_state(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "codes" });
	struct mproc_future *f;
	struct mproc_msg *msg;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 200), 0);
	assert_int_equal(mproc_flush(p, SOON), 0);
	assert_int_equal(mproc_request_stop(p), 0);
	assert_int_equal(mproc_request_stop(p), 0);
	assert_int_equal(mproc_status(p), MPROC_STATUS_STOPPING);
	assert_int_equal(mproc_send(p, probe_note), -ESHUTDOWN);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), -ESHUTDOWN);
	assert_int_equal(mproc_ask(p, SOON, &f, probe_echo), -ESHUTDOWN);
	assert_int_equal(mproc_start(p), -EALREADY);
	assert_int_equal(mproc_wait_ready(p, 0), 0);
	assert_int_equal(mproc_wait_stop(p, SOON), 0);
	assert_int_equal(mproc_wait_stop(p, 0), 0);
	assert_int_equal(mproc_send(p, probe_note), -EPIPE);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), -EPIPE);
	assert_int_equal(mproc_ask(p, SOON, &f, probe_echo), -EPIPE);
	assert_int_equal(mproc_ping(p, SOON), -EPIPE);
	assert_int_equal(mproc_flush(p, SOON), -EPIPE);
	assert_int_equal(mproc_recv(p, -1, &msg), -EPIPE);
	assert_int_equal(mproc_pid(p), 0);
	fix_finish(p);
}

static void
vk20_ping(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = SOON });
	struct mproc_stats s;
	int64_t best = INT64_MAX;
	int i;

	for (i = 0; i < 20; i++) {
		assert_int_equal(mproc_ping(p, SOON), 0);
		assert_int_equal(mproc_stats(p, &s), 0);
		if (s.ping_us < best)
			best = s.ping_us;
	}
	assert_int_equal(s.pings, 20);
	assert_in_range(best, 1, SOON / 2 * 1000);
	if (fix_placement(state) != MPROC_THREAD) {
		/* a stopped one does not answer */
		assert_int_equal(kill(mproc_pid(p), SIGSTOP), 0);
		assert_int_equal(mproc_ping(p, 50), -ETIMEDOUT);
		assert_int_equal(kill(mproc_pid(p), SIGCONT), 0);
		assert_int_equal(mproc_ping(p, SOON), 0);
	}
	fix_finish(p);
}

static void
vk23_waiting_twice_says_the_same(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "twice" });
	char once[256], twice[256];
	struct mproc_death d;

	assert_int_equal(mproc_wait_stop(p, 10), -ETIMEDOUT);
	assert_int_equal(mproc_send(p, probe_quit, .code = 9), 0);
	d = *fix_dead(p);
	assert_int_equal(d.exit_code, 9);
	assert_int_equal(d.signal, 0);
	assert_true(d.known);
	assert_true(d.uptime_ms >= 0);
	(void)mproc_death_print(p, once, sizeof(once));
	assert_non_null(strstr(once, "Probe twice"));
	assert_non_null(strstr(once, "status 9"));
	assert_int_equal(mproc_wait_stop(p, SOON), 0);
	assert_memory_equal(&d, fix_dead(p), sizeof(d));
	(void)mproc_death_print(p, twice, sizeof(twice));
	assert_string_equal(once, twice);
	assert_int_equal(mproc_death_print(p, NULL, 0), strlen(once));
	fix_finish(p);
}

/* In a fork of the program the handle is not its own. */
static struct mproc *others;

static void
use_anothers(void)
{
	struct mproc_activity a;
	struct mproc_stats s;
	struct mproc_future *f;
	struct mproc_msg *msg;

	CHECK(mproc_start(others) == -ECHILD);
	CHECK(strstr(mproc_errmsg(NULL), "fork") != NULL);
	CHECK(mproc_start_nowait(others) == -ECHILD);
	CHECK(mproc_wait_ready(others, 0) == -ECHILD);
	CHECK(mproc_send(others, probe_note) == -ECHILD);
	CHECK(mproc_call(others, 10, &msg, probe_echo) == -ECHILD);
	CHECK(mproc_ask(others, 10, &f, probe_echo) == -ECHILD);
	CHECK(mproc_recv(others, 0, &msg) == -ECHILD);
	CHECK(mproc_fd(others) == -ECHILD);
	CHECK(mproc_flush(others, 0) == -ECHILD);
	CHECK(mproc_ping(others, 0) == -ECHILD);
	CHECK(mproc_request_stop(others) == -ECHILD);
	CHECK(mproc_wait_stop(others, 0) == -ECHILD);
	CHECK(mproc_stop(others) == -ECHILD);
	CHECK(mproc_stop_all(&others, 1) == -ECHILD);
	CHECK(mproc_kill(others) == -ECHILD);
	CHECK(mproc_stats(others, &s) == -ECHILD);
	CHECK(mproc_activity(others, &a) == -ECHILD);
	CHECK(mproc_set_log_level(others, MPROC_INFO) == -ECHILD);
	CHECK(mproc_set_going(others, true) == -ECHILD);
	CHECK(mproc_pid(others) == 0);
	CHECK(mproc_death(others) == NULL);
	CHECK(mproc_free(others) == NULL);	/* without stopping it */
}

/* Forked at any moment of its life, also when a lock of it is held. */
static void
free_anothers(void)
{
	struct mproc_msg *msg;

	CHECK(mproc_recv(others, -1, &msg) == -ECHILD);
	CHECK(mproc_free(others) == NULL);
}

static void
a_fork_cannot_use_its_parents(void **state)
{
	struct mproc_future *f;

	others = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state), .name = "mine" });
	fix_in_fork(free_anothers);
	assert_int_equal(mproc_start(others), 0);
	assert_int_equal(mproc_ask(others, SOON, &f, probe_hold), 0);
	assert_int_equal(mproc_call(others, SOON, NULL, probe_emit,
	    .count = 10), 0);
	fix_in_fork(use_anothers);
	/* and it lives on */
	assert_int_equal(mproc_call(others, SOON, NULL, probe_release), 0);
	assert_int_equal(mproc_future_result(f), 0);
	mproc_future_free(f);
	assert_int_equal(mproc_stop(others), 0);
	fix_in_fork(free_anothers);
	assert_int_equal(mproc_start(others), 0);
	fix_finish(others);
}

struct talker {
	struct mproc	*p;
	_Atomic bool	 enough;
	_Atomic int	 bad;
};

static void *
talk(void *arg)
{
	struct talker *t = arg;

	while (!t->enough)
		t->bad += mproc_call(t->p, SOON, NULL, probe_echo) != 0;
	return NULL;
}

/*
 * The backend is a thread, and others talk to it: their locks are held, now
 * here, now there, when the host forks, and in the fork for ever.
 */
static void
a_fork_amid_threads_hangs_nowhere(void **state)
{
	struct talker t = { .p = NULL };
	pthread_t threads[3];
	int i;

	t.p = others = fix_start(state, (struct mproc_options){
	    .name = "amid" });
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, talk, &t),
		    0);
	for (i = 0; i < 100 / test_slow(); i++)
		fix_in_fork(free_anothers);
	t.enough = true;
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(t.bad, 0);
	fix_finish(t.p);
}

/* A fork that stays has copies of both ends, of what it must not end. */
static void
the_end_is_seen_though_a_fork_lives_on(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "ended", .stop_grace_ms = SOON });
	int hold[2], status, i;
	int64_t since;
	pid_t pid;
	char c;

	assert_int_equal(pipe(hold), 0);
	if ((pid = fork()) == 0) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1) != 0);	/* till we close it */
	}
	assert_true(pid > 0);
	close(hold[0]);
	for (i = 0; i < 3; i++) {
		assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
		since = test_now_ms();
		assert_int_equal(mproc_stop(p), 0);
		assert_true(test_now_ms() - since < SOON);
		assert_int_equal(fix_dead(p)->exit_code, 0);
		assert_int_equal(mproc_start(p), 0);
	}
	fix_finish(p);
	close(hold[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
vk73_version(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(mproc_version(), MPROC_VERSION);
	snprintf(text, sizeof(text), "%d.%d.%d", MPROC_VERSION_MAJOR,
	    MPROC_VERSION_MINOR, MPROC_VERSION_PATCH);
	assert_string_equal(mproc_version(), text);
	assert_string_equal(mproc_status_name(MPROC_STATUS_NEW), "new");
	assert_string_equal(mproc_status_name(MPROC_STATUS_DEAD), "dead");
	assert_string_equal(mproc_status_name(99), "?");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(vk13_the_fd_is_there_before_the_start),
		FIX_ALL(vk21_messages_before_the_start_are_handled_first),
		FIX_ALL(vk21_many_messages_before_the_start),
		FIX_ALL(start_in_two_steps),
		FIX_ONE(start_while_another_thread_receives, 0, "forkserver"),
		FIX_ONE(start_while_another_thread_receives, 3, "thread"),
		FIX_ALL(start_args_come_again_at_a_restart),
		FIX_ALL(large_start_args),
		FIX_ALL(no_start_args_are_null),
		FIX_ALL(a_dead_one_starts_again),
		FIX_ALL(the_fd_is_silent_after_a_restart),
		FIX_ALL(vk11_sends_in_every_state),
		FIX_ALL(vk20_ping),
		FIX_ALL(vk23_waiting_twice_says_the_same),
		FIX_ALL(a_fork_cannot_use_its_parents),
		FIX_ALL(a_fork_amid_threads_hangs_nowhere),
		FIX_ALL(the_end_is_seen_though_a_fork_lives_on),
		cmocka_unit_test(vk73_version),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
