/*
 * death_test.c - how a backend ended: recorded truly, told soon, after all
 * that it had sent, and to all who wait; failures of the start among them.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* The shortest of some tries, so that a busy machine does not fail it. */
#define TRIES		5
#define BOUND_MS	1000

static void
vk10_a_crash_is_told_soon(void **state)
{
	struct mproc *other = fix_plain(), *p = NULL;
	int64_t begin, best = INT64_MAX, took;
	const struct mproc_death *d;
	struct mproc_msg *msg;
	struct mproc_future *f;
	char text[256];
	int i;

	for (i = 0; i < TRIES; i++) {
		mproc_free(p);
		p = fix_start(state, (struct mproc_options){ .name = "c" });
		assert_int_equal(mproc_ask(p, -1, &f, probe_hold), 0);
		assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
		begin = test_now_ms();
		assert_int_equal(mproc_call(p, -1, NULL, probe_ruin,
		    .how = "touch"), -EPIPE);
		assert_true(mproc_future_done(f));
		assert_int_equal(mproc_future_result(f), -EPIPE);
		assert_int_not_equal(mproc_future_errmsg(f)[0], '\0');
		mproc_future_free(f);
		assert_int_equal(mproc_recv(p, -1, &msg), -EPIPE);
		took = test_now_ms() - begin;
		best = took < best ? took : best;
	}
	assert_true(best < BOUND_MS * test_slow());
	d = mproc_death(p);
	assert_int_equal(d->signal, SIGSEGV);
	assert_int_equal(d->exit_code, -1);
	assert_true(d->known);
	assert_string_equal(d->command, "ruin");
	assert_true(d->msg_id > 0);
	(void)mproc_death_print(p, text, sizeof(text));
	assert_string_equal(d->text, text);
	assert_non_null(strstr(text, "Probe c (pid "));
	assert_non_null(strstr(text, "SIGSEGV"));
	assert_non_null(strstr(text, "c__ruin"));
	fix_finish(p);
	/* others do not feel it */
	assert_int_equal(mproc_call(other, SOON, NULL, probe_echo), 0);
	fix_finish(other);
}

/* An idle backend dies, and nothing but the descriptor tells. */
static void
the_fd_tells_of_a_death(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "quiet" });
	int fd = mproc_fd(p), r;
	struct mproc_msg *msg;

	while (test_poll(fd, POLLIN, 0) != 0)
		assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(kill(mproc_pid(p), SIGKILL), 0);
	assert_int_not_equal(test_poll(fd, POLLIN, SOON), 0);
	do
		r = mproc_recv(p, 0, &msg);
	while (r == 0 && test_poll(fd, POLLIN, SOON) != 0);
	assert_int_equal(r, -EPIPE);
	assert_int_not_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_death(p)->signal, SIGKILL);
	fix_finish(p);
}

/* A wait for an event ends with the backend that should have set it. */
static void
vk66_a_scope_ends_with_its_backend(void **state)
{
	struct mproc_event_options selectable = { .selectable = true };
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "mute" });
	struct mproc_event_group *eg;
	int n_free = 0, total = 0;
	int fd = mproc_pidfd(p), r = 77;

	assert_true(fd >= 0);
	assert_int_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_event_group_new(2, &selectable, &eg), 0);
	MPROC_SYNC_INDEX(eg, sync, SOON, &r, .abort_fd = fd) {
		assert_true(sync >= 0);
		assert_int_equal(kill(mproc_pid(p), SIGKILL), 0);
	}
	assert_int_equal(r, -EPIPE);
	assert_int_equal(mproc_event_group_stat(eg, &n_free, &total), 0);
	assert_int_equal(n_free, 2);
	mproc_event_group_free(eg);
	assert_int_not_equal(test_poll(mproc_pidfd(p), POLLIN, SOON), 0);
	fix_finish(p);
}

/* All that was sent, then -EPIPE for ever. */
static void
receive_to_the_end(struct mproc *p, int64_t n)
{
	struct mproc_msg *msg = NULL;
	int64_t last = -1;

	assert_int_equal(fix_receive_all(p, &last), n);
	assert_int_equal(last, n - 1);
	assert_int_equal(mproc_recv(p, 0, &msg), -EPIPE);
	assert_int_equal(mproc_recv(p, -1, &msg), -EPIPE);
	assert_int_equal(mproc_recv(p, 5, &msg), -EPIPE);
	assert_non_null(strstr(mproc_errmsg(p), "Probe"));
	assert_null(msg);
}

static void
vk14_receiving_ends_after_a_stop(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = SOON });

	assert_int_equal(mproc_send(p, probe_emit, .count = 20000,
	    .size = 100), 0);
	assert_int_equal(mproc_request_stop(p), 0);
	receive_to_the_end(p, 20000);
	assert_int_equal(mproc_death(p)->exit_code, 0);
	fix_finish(p);
}

static void
vk14_receiving_ends_after_exit(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "exit" });

	assert_int_equal(mproc_send(p, probe_emit, .count = 1000), 0);
	assert_int_equal(mproc_send(p, probe_die, .status = 3), 0);
	receive_to_the_end(p, 1000);
	assert_int_equal(mproc_death(p)->exit_code, 3);
	assert_int_equal(mproc_death(p)->signal, 0);
	assert_string_equal(mproc_death(p)->command, "die");
	fix_finish(p);
}

static void
vk14_receiving_ends_after_sigkill(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "kill" });

	assert_int_equal(mproc_send(p, probe_emit, .count = 1000), 0);
	assert_int_equal(mproc_send(p, probe_die, .sig = SIGKILL), 0);
	receive_to_the_end(p, 1000);
	assert_int_equal(mproc_death(p)->signal, SIGKILL);
	assert_int_equal(mproc_death(p)->exit_code, -1);
	fix_finish(p);
}

/* A grandchild holds the channel, so there is no end of file. */
static void
vk14_receiving_ends_though_a_grandchild_lives(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "parent" });
	struct mproc_msg *reply;
	pid_t pid;

	assert_int_equal(mproc_call(p, SOON, &reply, probe_grandchild), 0);
	pid = mproc_args(reply, probe_started)->pid;
	mproc_msg_free(reply);
	assert_int_equal(mproc_send(p, probe_emit, .count = 10), 0);
	assert_int_equal(mproc_send(p, probe_die, .status = 4), 0);
	receive_to_the_end(p, 10);
	assert_int_equal(mproc_death(p)->exit_code, 4);
	assert_true(fix_gone(pid, SOON));	/* with the group */
	fix_finish(p);
}

/* Ask 33. */
static const struct {
	const char *name;
	int	 signal, exit_code;
	const char *ruin;	/* the way, or: */
	int	 sig, status, quit;
	bool	 stop;
	const char *text;	/* in the sentence */
} causes[] = {
	{ .name = "exit(3)", .exit_code = 3, .status = 3,
	    .text = "exited with status 3" },
	{ .name = "exit(255)", .exit_code = 255, .status = 255,
	    .text = "exited with status 255" },
	{ .name = "mproc_quit(7)", .exit_code = 7, .quit = 7,
	    .text = "exited with status 7" },
	{ .name = "stop", .exit_code = 0, .stop = true,
	    .text = "exited with status 0" },
	{ .name = "bad memory", .signal = SIGSEGV, .ruin = "touch",
	    .text = "SIGSEGV" },
	{ .name = "abort", .signal = SIGABRT, .ruin = "abort",
	    .text = "SIGABRT" },
	{ .name = "SIGKILL", .signal = SIGKILL, .sig = SIGKILL,
	    .text = "SIGKILL" },
	{ .name = "SIGBUS", .signal = SIGBUS, .sig = SIGBUS,
	    .text = "SIGBUS" },
	{ .name = "SIGFPE", .signal = SIGFPE, .sig = SIGFPE,
	    .text = "SIGFPE" },
	{ .name = "SIGALRM", .signal = SIGALRM, .sig = SIGALRM,
	    .text = "SIGALRM" },
	{ .name = "a real-time signal", .signal = 40, .sig = 40,
	    .text = "was killed by SIG" },
	{ .name = "mute", .signal = SIGKILL, .ruin = "mute",
	    .text = "closed its channel" },
	{ .name = "garbage", .signal = SIGKILL, .ruin = "garbage",
	    .text = "breach of protocol" },
};

static void
cause_one(struct mproc *p, size_t i)
{
	const struct mproc_death *d;
	char text[512];

	if (causes[i].ruin != NULL)
		assert_int_equal(mproc_send(p, probe_ruin,
		    .how = causes[i].ruin), 0);
	else if (causes[i].quit != 0)
		assert_int_equal(mproc_send(p, probe_quit,
		    .code = causes[i].quit), 0);
	else if (causes[i].stop)
		assert_int_equal(mproc_request_stop(p), 0);
	else
		assert_int_equal(mproc_send(p, probe_die,
		    .sig = causes[i].sig, .status = causes[i].status), 0);
	d = fix_dead(p);
	(void)mproc_death_print(p, text, sizeof(text));
	if (!d->known || d->signal != causes[i].signal ||
	    d->exit_code != (causes[i].signal != 0 ? -1 :
	    causes[i].exit_code) || strstr(text, causes[i].text) == NULL)
		fail_msg("%s: %s", causes[i].name, text);
}

static void
causes_of_death(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state) });
	size_t i;

	for (i = 0; i < TEST_COUNT(causes); i++) {
		assert_int_equal(mproc_start(p), 0);
		cause_one(p, i);
	}
	fix_finish(p);
}

/* Ask 6 and VK-15: each fault of a start has its own verdict. */
static void
vk15_pre_run_fails(void **state)
{
	const char *path = fix_path();
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state), .name = "early",
	    .args = MPROC_PACK(probe_start, .fail = -EDOM, .post = path) });
	struct mproc_msg *msg;
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(mproc_start(p), -EDOM);
		assert_non_null(strstr(mproc_errmsg(p), "early"));
		assert_non_null(strstr(mproc_errmsg(p), "pre_run"));
		assert_int_equal(mproc_status(p), MPROC_STATUS_DEAD);
		assert_int_equal(mproc_death(p)->exit_code, 1);
		assert_int_equal(mproc_recv(p, -1, &msg), -EPIPE);
	}
	assert_false(fix_exists(path));		/* no post_run */
	fix_finish(p);
}

static void
vk15_pre_run_fails_while_nobody_waits(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state),
	    .args = MPROC_PACK(probe_start, .fail = -ENOTBLK) });
	struct mproc_future *f;

	assert_int_equal(mproc_ask(p, -1, &f, probe_echo), 0);
	assert_int_equal(mproc_start_nowait(p), 0);
	assert_int_equal(mproc_future_wait(f, SOON), 0);
	assert_int_equal(mproc_future_result(f), -EPIPE);
	mproc_future_free(f);
	assert_int_equal(mproc_wait_ready(p, SOON), -ENOTBLK);
	fix_finish(p);
}

static void
pre_run_dies(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state),
	    .args = MPROC_PACK(probe_start, .die = 9) });

	assert_int_equal(mproc_start(p), -EPIPE);
	assert_int_equal(mproc_death(p)->exit_code, 9);
	assert_non_null(strstr(mproc_errmsg(p), "status 9"));
	fix_finish(p);
	p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state),
	    .args = MPROC_PACK(probe_start, .sig = SIGILL) });
	assert_int_equal(mproc_start(p), -EPIPE);
	assert_int_equal(mproc_death(p)->signal, SIGILL);
	assert_non_null(strstr(mproc_errmsg(p), "SIGILL"));
	fix_finish(p);
}

static void
pre_run_takes_too_long(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state), .start_timeout_ms = 100,
	    .stop_grace_ms = SOON,
	    .args = MPROC_PACK(probe_start, .delay_ms = 600000) });
	int64_t begin = test_now_ms();

	assert_int_equal(mproc_start(p), -ETIMEDOUT);
	assert_true(test_now_ms() - begin >= 100);
	assert_true(test_now_ms() - begin < SOON);
	assert_int_equal(mproc_status(p), MPROC_STATUS_DEAD);
	assert_int_equal(mproc_death(p)->signal, SIGKILL);
	fix_finish(p);
}

static void
start_without_descriptors_or_memory(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state), .capture_output =
	    fix_placement(state) != MPROC_THREAD });
	static const char *const calls[] = {
		"socketpair", "memfd_create", "mmap", "pipe2", "epoll_ctl"
	};
	struct mproc_stats s;
	unsigned n;
	size_t i;
	int r;

	for (n = 1;; n++) {
		test_fail_alloc(n);
		r = mproc_start(p);
		if (!test_fail_done())
			break;
		if (r == 0)	/* what is optional was left out */
			assert_int_equal(mproc_stop(p), 0);
		else if (r != -ENOMEM)
			fail_msg("allocation %u: %d: %s", n, r,
			    mproc_errmsg(p));
	}
	assert_int_equal(r, 0);
	assert_int_equal(mproc_stop(p), 0);
	for (i = 0; i < TEST_COUNT(calls); i++) {
		for (n = 1;; n++) {
			test_fail_sys(calls[i], n, EMFILE);
			r = mproc_start(p);
			if (!test_fail_sys_done())
				break;
			/* taking out of an epoll set may fail */
			if (r != -EMFILE && strcmp(calls[i],
			    "epoll_ctl") != 0)
				fail_msg("%s, call %u: %d: %s", calls[i], n,
				    r, mproc_errmsg(p));
			assert_int_equal(mproc_stop(p), 0);
		}
		assert_int_equal(r, 0);
		assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
		assert_int_equal(mproc_stop(p), 0);
	}
	fix_law(p, &s);
	mproc_free(p);
}

/* What was sent to one that could not be launched is lost, and counted. */
static void
messages_of_a_failed_launch(void **state)
{
	struct mproc_options opt = { .launch = MPROC_FORKSERVER };
	struct mproc *p = fix_new(&probe_class, opt);
	struct mproc_future *f;
	struct mproc_stats s;

	(void)state;
	assert_int_equal(mproc_send(p, probe_note, .n = 1), 0);
	assert_int_equal(mproc_ask(p, -1, &f, probe_echo), 0);
	test_fail_sys("memfd_create", 1, EMFILE);
	assert_int_equal(mproc_start(p), -EMFILE);
	assert_true(test_fail_sys_done());
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.sent, s.in_flight + s.dropped_dead);
	/* it is told, or it still waits for the next start: never lost */
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_future_wait(f, SOON), 0);
	mproc_future_free(f);
	fix_finish(p);
}

static void *
park(void *arg)
{
	(void)test_poll(*(int *)arg, POLLIN, SOON);
	return NULL;
}

static void
start_without_init(void)
{
	struct mproc *p;
	pthread_t thread;
	int fds[2];

	CHECK(mproc_new(&probe_class, NULL, &p) == 0);
	CHECK(pipe(fds) == 0);
	CHECK(pthread_create(&thread, NULL, park, &fds[0]) == 0);
	CHECK(mproc_start(p) == -EOPNOTSUPP);
	CHECK(strstr(mproc_errmsg(p), "mproc_init") != NULL);
	CHECK(mproc_status(p) == MPROC_STATUS_NEW);
	close(fds[1]);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(mproc_start(p) == 0);	/* with one thread: a fork */
	CHECK(mproc_call(p, SOON, NULL, probe_echo) == 0);
	mproc_free(p);
}

/* Loaded after mproc_init(): the helper and a new program have it not. */
static void
start_of_a_class_loaded_late(void **state)
{
	const char *dir = getenv("top_builddir");
	struct mproc *p;
	char path[4096];
	void *lib;

	snprintf(path, sizeof(path), "%s/tests/process/.libs/late.so",
	    dir != NULL ? dir : ".");
	if ((lib = dlopen(path, RTLD_NOW)) == NULL)
		skip();		/* no shared libraries were built */
	p = fix_new(dlsym(lib, "late_class"),
	    (struct mproc_options){ .launch = fix_placement(state) });
	assert_int_equal(mproc_start(p), -ENOENT);
	assert_non_null(strstr(mproc_errmsg(p), "Late"));
	assert_non_null(strstr(mproc_errmsg(p), "before mproc_init()"));
	mproc_free(p);
	dlclose(lib);
}

static void
vk70_a_program_with_threads_and_no_init(void **state)
{
	(void)state;
	fix_in_fork(start_without_init);
}

/* What was not handled when it died is dropped(dead), to the last one. */
static void
accounts_after_a_kill(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "accounts" });
	struct mproc_stats s;
	int i;

	for (i = 1; i <= 50; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_send(p, probe_spin), 0);
	fix_runs(p, "spin");
	for (i = 0; i < 30000; i++)
		assert_int_equal(mproc_send(p, probe_note), 0);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.in_flight, 30001);
	assert_int_equal(s.handled, 51);
	assert_int_equal(mproc_kill(p), 0);
	fix_law(p, &s);
	assert_int_equal(s.sent, 30052);
	assert_int_equal(s.handled, 51);
	assert_int_equal(s.dropped_dead, 30001);
	assert_string_equal(mproc_death(p)->command, "spin");
	fix_finish(p);
}

static void
activity_is_seen_from_outside(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "busy" });
	struct mproc_activity a;
	struct mproc_future *f;

	assert_int_equal(mproc_activity(p, &a), 0);
	assert_string_equal(a.command, "");
	assert_true(a.in_loop);
	assert_int_equal(mproc_ask(p, -1, &f, probe_spin), 0);
	fix_runs(p, "spin");
	do
		assert_int_equal(mproc_activity(p, &a), 0);
	while (a.since_ms < 3);
	assert_true(a.msg_id > 0);
	/* stopped, and dead, it still tells */
	assert_int_equal(kill(mproc_pid(p), SIGSTOP), 0);
	assert_int_equal(mproc_activity(p, &a), 0);
	assert_string_equal(a.command, "spin");
	assert_int_equal(mproc_kill(p), 0);
	assert_int_equal(mproc_activity(p, &a), 0);
	assert_string_equal(a.command, "spin");
	assert_int_equal(mproc_death(p)->msg_id, a.msg_id);
	mproc_future_free(f);
	fix_finish(p);
}

/* VK-12 and the death: emits and the handler that failed are not mixed up. */
static void
vk44_errors_carry_the_text(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "errors" });
	struct mproc_future *f[3];
	char text[32];
	int i;

	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "request %d failed", i);
		assert_int_equal(mproc_ask(p, SOON, &f[i], probe_fail,
		    .code = -EDOM - i, .text = text), 0);
	}
	for (i = 2; i >= 0; i--) {
		snprintf(text, sizeof(text), "request %d failed", i);
		assert_int_equal(mproc_future_wait(f[i], SOON), 0);
		assert_int_equal(mproc_future_result(f[i]), -EDOM - i);
		assert_string_equal(mproc_future_errmsg(f[i]), text);
		mproc_future_free(f[i]);
	}
	fix_finish(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_PROCESSES(vk10_a_crash_is_told_soon),
		FIX_PROCESSES(the_fd_tells_of_a_death),
		FIX_PROCESSES(vk66_a_scope_ends_with_its_backend),
		FIX_ALL(vk14_receiving_ends_after_a_stop),
		FIX_PROCESSES(vk14_receiving_ends_after_exit),
		FIX_PROCESSES(vk14_receiving_ends_after_sigkill),
		FIX_PROCESSES(vk14_receiving_ends_though_a_grandchild_lives),
		FIX_PROCESSES(causes_of_death),
		FIX_ALL(vk15_pre_run_fails),
		FIX_ALL(vk15_pre_run_fails_while_nobody_waits),
		FIX_PROCESSES(pre_run_dies),
		FIX_PROCESSES(pre_run_takes_too_long),
		FIX_ONE(start_without_descriptors_or_memory, 1, "fork"),
		cmocka_unit_test(messages_of_a_failed_launch),
		cmocka_unit_test(vk70_a_program_with_threads_and_no_init),
		FIX_ONE(start_of_a_class_loaded_late, 0, "forkserver"),
		FIX_ONE(start_of_a_class_loaded_late, 2, "spawn"),
		FIX_PROCESSES(accounts_after_a_kill),
		FIX_PROCESSES(activity_is_seen_from_outside),
		FIX_ALL(vk44_errors_carry_the_text),
	};
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
