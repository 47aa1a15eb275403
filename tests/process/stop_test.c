/*
 * stop_test.c - ending a backend: in order, by the ladder, whatever it does,
 * whoever asks, always in bounded time and with all that it sent received.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define GRACE	60	/* ms; a rung of the ladder in the matrix */
#define MARGIN	2000	/* ms; a loaded machine's */

static void
vk22_drain_handles_what_was_sent(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_mode = MPROC_DRAIN, .stop_grace_ms = SOON });
	struct mproc_stats s;
	int i;

	for (i = 0; i < 5; i++)
		assert_int_equal(mproc_send(p, probe_nap, .ms = 20), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->exit_code, 0);
	fix_law(p, &s);
	assert_int_equal(s.handled, 5);
	assert_int_equal(s.dropped, 0);
	fix_finish(p);
}

static void
vk22_drain_handles_what_no_socket_holds(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = SOON });
	struct mproc_stats s;
	int i, n = 60000;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 100), 0);
	for (i = 0; i < n; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	assert_int_equal(mproc_stop(p), 0);
	fix_law(p, &s);
	assert_int_equal(s.handled, n + 1);
	fix_finish(p);
}

/* What the mailbox took is handled, under every policy. */
static void
vk22_drain_with_every_overflow(void **state)
{
	int policy, i, sent;
	struct mproc_stats s;
	struct mproc *p;

	for (policy = MPROC_BLOCK; policy <= MPROC_DROP_NEW; policy++) {
		p = fix_start(state, (struct mproc_options){
		    .overflow = (enum mproc_overflow)policy, .block_ms = 1,
		    .mailbox_messages = 5, .stop_grace_ms = SOON });
		assert_int_equal(mproc_send(p, probe_nap, .ms = 100), 0);
		fix_runs(p, "nap");
		for (i = 0, sent = 1; i < 20; i++)
			sent += mproc_send(p, probe_note, .n = i) == 0;
		assert_int_equal(mproc_stop(p), 0);
		assert_int_equal(mproc_death(p)->exit_code, 0);
		fix_law(p, &s);
		assert_int_equal(s.sent, sent);
		assert_int_equal(s.dropped, s.dropped_overflow);
		assert_int_equal(s.handled, (uint64_t)sent -
		    s.dropped_overflow);
		assert_true(s.handled >= 5);
		mproc_free(p);
	}
}

static void
vk22_now_ends_after_the_running_handler(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_mode = MPROC_NOW, .stop_grace_ms = SOON });
	struct mproc_future *f;
	struct mproc_stats s;
	int i;

	for (i = 0; i < 5; i++)
		assert_int_equal(mproc_send(p, probe_nap, .ms = 150), 0);
	assert_int_equal(mproc_ask(p, SOON, &f, probe_echo), 0);
	fix_runs(p, "nap");
	assert_int_equal(mproc_stop(p), 0);
	fix_law(p, &s);
	assert_int_equal(s.handled, 1);
	assert_int_equal(s.dropped_stop, 5);
	assert_int_equal(s.dropped, 5);
	assert_true(mproc_future_result(f) < 0);
	mproc_future_free(f);
	fix_finish(p);
}

static void
vk16_post_run_runs_after_stop(void **state)
{
	const char *path = fix_path();
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .args = MPROC_PACK(probe_start, .post = path) });
	int64_t last = 0;

	assert_false(fix_exists(path));
	assert_int_equal(mproc_stop(p), 0);
	assert_true(fix_exists(path));
	/* VK-36: what post_run emits comes before the end */
	assert_int_equal(fix_receive_all(p, &last), 1);
	assert_int_equal(last, -1);
	unlink(path);
	fix_finish(p);
}

/* From outside, as by kill(1) or systemd. */
static void
vk16_post_run_runs_after_sigterm(void **state)
{
	const char *path = fix_path();
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .args = MPROC_PACK(probe_start, .post = path) });
	const struct mproc_death *d;
	int64_t last = 0;

	assert_int_equal(kill(mproc_pid(p), SIGTERM), 0);
	assert_int_equal(fix_receive_all(p, &last), 1);
	assert_int_equal(last, -1);
	assert_true(fix_exists(path));
	d = fix_dead(p);
	assert_int_equal(d->signal, 0);
	assert_int_equal(d->exit_code, 0);
	unlink(path);
	fix_finish(p);
}

/* After the handler that runs; the rest is lost, and counted. */
static void
sigterm_ends_after_the_handler(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "term" });
	struct mproc_stats s;
	int i;

	for (i = 0; i < 5; i++)
		assert_int_equal(mproc_send(p, probe_nap, .ms = 150), 0);
	fix_runs(p, "nap");
	assert_int_equal(kill(mproc_pid(p), SIGTERM), 0);
	assert_int_equal(fix_dead(p)->exit_code, 0);
	fix_law(p, &s);
	assert_int_equal(s.handled, 1);
	assert_int_equal(s.dropped, 4);
	fix_finish(p);
}

static void
vk16_no_post_run_after_sigkill(void **state)
{
	const char *path = fix_path();
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .args = MPROC_PACK(probe_start, .post = path) });

	assert_int_equal(mproc_kill(p), 0);
	assert_int_equal(mproc_kill(p), 0);
	assert_int_equal(fix_dead(p)->signal, SIGKILL);
	assert_false(fix_exists(path));
	fix_finish(p);
}

/* Gone at the end of the second rung: neither before nor never. */
static void
vk24_a_spinning_handler_without_sigterm(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = GRACE });
	int64_t begin, took, best = INT64_MAX;
	const struct mproc_death *d;
	int i;

	for (i = 0; i < 3; i++) {
		if (i > 0)
			assert_int_equal(mproc_start(p), 0);
		assert_int_equal(mproc_call(p, SOON, NULL, probe_block,
		    .sig = SIGTERM), 0);
		assert_int_equal(mproc_send(p, probe_spin), 0);
		fix_runs(p, "spin");
		begin = test_now_ms();
		assert_int_equal(mproc_stop(p), 0);
		took = test_now_ms() - begin;
		assert_true(took >= 2 * GRACE);
		best = took < best ? took : best;
		d = mproc_death(p);
		assert_int_equal(d->signal, SIGKILL);
		assert_string_equal(d->command, "spin");
	}
	assert_true(best < SOON / 2);
	fix_finish(p);
}

/* A handler that asks mproc_going() hears of the stop. */
static void
stop_reaches_a_handler_that_asks(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = SOON });

	assert_int_equal(mproc_send(p, probe_spin, .going = true), 0);
	fix_runs(p, "spin");
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->exit_code, 0);
	fix_finish(p);
}

static void
vk25_ten_stop_in_the_time_of_one(void **state)
{
	struct mproc *list[10];
	int64_t begin, took;
	int i;

	for (i = 0; i < 10; i++) {
		list[i] = fix_start(state, (struct mproc_options){
		    .stop_grace_ms = SOON });
		assert_int_equal(mproc_send(list[i], probe_nap, .ms = 1000),
		    0);
	}
	begin = test_now_ms();
	assert_int_equal(mproc_stop_all(list, 10), 0);
	took = test_now_ms() - begin;
	assert_true(took < 9000);	/* not 10 * 1000 */
	for (i = 0; i < 10; i++)
		fix_finish(list[i]);
}

/* One set of deadlines: ten that need the whole ladder take it once. */
static void
vk25_ten_that_do_not_listen(void **state)
{
	struct mproc *list[10];
	int64_t begin;
	int i;

	for (i = 0; i < 10; i++) {
		list[i] = fix_start(state, (struct mproc_options){
		    .stop_grace_ms = 300 });
		assert_int_equal(kill(mproc_pid(list[i]), SIGSTOP), 0);
		assert_int_equal(mproc_send(list[i], probe_spin), 0);
	}
	begin = test_now_ms();
	assert_int_equal(mproc_stop_all(list, 10), 0);
	assert_true(test_now_ms() - begin < 5500);	/* not 10 * 600 */
	for (i = 0; i < 10; i++)
		fix_finish(list[i]);
}

/*
 * Ask 5: what the backend does, and who ends it.  Each ends by its deadline:
 * two rungs of GRACE; the margin is for a loaded machine.
 */
static void do_nothing(struct mproc *p) { (void)p; }
static void
do_nap(struct mproc *p)
{
	assert_int_equal(mproc_send(p, probe_nap, .ms = 20), 0);
}
static void
do_spin(struct mproc *p)
{
	assert_int_equal(mproc_send(p, probe_spin), 0);
	fix_runs(p, "spin");
}
static void
do_block(struct mproc *p)
{
	assert_int_equal(mproc_call(p, SOON, NULL, probe_block,
	    .sig = SIGTERM), 0);
	do_spin(p);
}
static void
do_stop(struct mproc *p)
{
	assert_int_equal(kill(mproc_pid(p), SIGSTOP), 0);
}
static void
do_flood(struct mproc *p)
{
	assert_int_equal(mproc_send(p, probe_flood, .size = 1000), 0);
	fix_runs(p, "flood");
}
static void
do_grandchild(struct mproc *p)
{
	assert_int_equal(mproc_call(p, SOON, NULL, probe_grandchild), 0);
}
static void
do_die(struct mproc *p)
{
	assert_int_equal(mproc_send(p, probe_die, .sig = SIGKILL), 0);
}
static void
do_many(struct mproc *p)
{
	int i;

	for (i = 0; i < 100; i++)
		assert_int_equal(mproc_send(p, probe_nap, .ms = 50), 0);
}

static const struct {
	const char *name;
	void	(*fn)(struct mproc *);
	int	 start;		/* 0 not at all, 1 not waiting, 2 ready */
} doings[] = {
	{ "not started", do_nothing, 0 },
	{ "starting", do_nothing, 1 },
	{ "idle", do_nothing, 2 },
	{ "in a handler", do_nap, 2 },
	{ "spinning", do_spin, 2 },
	{ "spinning, SIGTERM blocked", do_block, 2 },
	{ "stopped by SIGSTOP", do_stop, 2 },
	{ "flooding its output", do_flood, 2 },
	{ "a grandchild holds its channel", do_grandchild, 2 },
	{ "much to do", do_many, 2 },
	{ "dying", do_die, 2 },
};

static int
by_stop(struct mproc *p)
{
	return mproc_stop(p);
}
static int
by_kill(struct mproc *p)
{
	assert_int_equal(mproc_request_stop(p), 0);
	(void)mproc_wait_stop(p, GRACE);
	return mproc_kill(p);
}
static int
by_stop_all(struct mproc *p)
{
	return mproc_stop_all(&p, 1);
}
static int
by_free(struct mproc *p)
{
	mproc_free(p);
	return 0;
}

static const struct {
	const char *name;
	int	(*fn)(struct mproc *);
} enders[] = {
	{ "stop", by_stop }, { "kill", by_kill },
	{ "stop_all", by_stop_all }, { "free", by_free },
};

static void
end_one(enum mproc_launch how, size_t doing, size_t ender)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = how, .stop_grace_ms = GRACE,
	    .emit_overflow = doing % 2 == 0 ? MPROC_BLOCK : MPROC_DROP_NEW,
	    .inbox_messages = 1000 });
	int64_t begin, took;
	pid_t pid;
	int r;

	if (doings[doing].start == 1)
		assert_int_equal(mproc_start_nowait(p), 0);
	else if (doings[doing].start == 2)
		assert_int_equal(mproc_start(p), 0);
	doings[doing].fn(p);
	pid = mproc_pid(p);
	begin = test_now_ms();
	r = enders[ender].fn(p);
	took = test_now_ms() - begin;
	if (r < 0 || took > 2 * GRACE + MARGIN)
		fail_msg("%s, %s: %d after %lld ms", doings[doing].name,
		    enders[ender].name, r, (long long)took);
	if (pid > 0 && !fix_gone(pid, 0))
		fail_msg("%s, %s: it lives", doings[doing].name,
		    enders[ender].name);
	if (enders[ender].fn != by_free)
		fix_finish(p);
}

static void
stop_matrix(void **state)
{
	size_t i, j;

	for (i = 0; i < TEST_COUNT(doings); i++)
		for (j = 0; j < TEST_COUNT(enders); j++)
			end_one(fix_placement(state), i, j);
}

static void
flooding_and_never_blocked(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .emit_overflow = MPROC_DROP_OLD, .inbox_messages = 100,
	    .stop_grace_ms = GRACE });

	do_flood(p);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->signal, SIGKILL);
	fix_finish(p);
}

/* Ask 4: to stop first and to receive after it cannot deadlock. */
static void
stop_before_receive(void **state)
{
	static const int64_t sizes[] = {
		1, 65535, 65536, 65537, 212959, 212960, 212961, 16 << 20
	};
	struct mproc *p;
	struct mproc_msg *msg;
	size_t i;

	for (i = 0; i < TEST_COUNT(sizes); i++) {
		p = fix_start(state, (struct mproc_options){
		    .stop_grace_ms = SOON });
		assert_int_equal(mproc_send(p, probe_emit, .count = 3,
		    .size = sizes[i]), 0);
		assert_int_equal(mproc_stop(p), 0);
		assert_int_equal(mproc_death(p)->exit_code, 0);
		while (mproc_recv(p, 0, &msg) == 1) {
			const struct probe_item *t = mproc_args(msg,
			    probe_item);

			assert_non_null(t);
			assert_int_equal(t->data.size, sizes[i]);
			mproc_msg_free(msg);
		}
		assert_int_equal(mproc_recv(p, 0, &msg), -EPIPE);
		fix_law(p, NULL);
		mproc_free(p);
	}
}

/* The same with more than the inbox takes: it gives up after block_ms. */
static void
stop_with_a_full_inbox(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = SOON, .inbox_messages = 10, .block_ms = 50 });
	int64_t last = 0;

	assert_int_equal(mproc_send(p, probe_emit, .count = 100), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(fix_receive_all(p, &last), 10);
	assert_int_equal(last, 9);
	fix_finish(p);
}

/* The handler waits for room longer than the ladder does; it gives way. */
static void
a_full_inbox_does_not_cost_post_run(void **state)
{
	const char *path = fix_path();
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = 300, .inbox_messages = 10, .block_ms = SOON,
	    .args = MPROC_PACK(probe_start, .post = path) });
	int64_t last = 0, since = test_now_ms();

	assert_int_equal(mproc_send(p, probe_emit, .count = 100), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_in_range(test_now_ms() - since, 300, SOON / 2);
	assert_int_equal(mproc_death(p)->signal, 0);
	assert_true(fix_exists(path));
	assert_int_equal(fix_receive_all(p, &last), 10);
	unlink(path);
	fix_finish(p);
}

/* Nobody receives any more: whoever is left is left by the last call. */
static void
a_full_inbox_does_not_outlast_the_process(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = 100, .inbox_messages = 10, .block_ms = -1 });
	int64_t since = test_now_ms();

	assert_int_equal(mproc_send(p, probe_emit, .count = 100), 0);
	fix_runs(p, "emit");
	mproc_free(p);
	assert_in_range(test_now_ms() - since, 0, SOON / 2);
}

/* A thread cannot be killed; what it cannot be made to do is said. */
static void
vk30_a_thread_that_does_not_end(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = 10 });

	assert_int_equal(mproc_kill(p), -EOPNOTSUPP);
	assert_int_equal(mproc_send(p, probe_nap, .ms = 2500), 0);
	fix_runs(p, "nap");
	assert_int_equal(mproc_stop(p), -ETIMEDOUT);
	assert_non_null(strstr(mproc_errmsg(p), "thread"));
	assert_int_equal(mproc_status(p), MPROC_STATUS_STOPPING);
	assert_int_equal(mproc_wait_stop(p, SOON), 0);
	fix_finish(p);
}

static void
vk30_a_thread_is_abandoned_by_free(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_grace_ms = 10 });

	assert_int_equal(mproc_send(p, probe_nap, .ms = 1400), 0);
	fix_runs(p, "nap");
	mproc_free(p);	/* the thread ends within the leak check's patience */
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(vk22_drain_handles_what_was_sent),
		FIX_ALL(vk22_drain_handles_what_no_socket_holds),
		FIX_ALL(vk22_drain_with_every_overflow),
		FIX_ALL(vk22_now_ends_after_the_running_handler),
		FIX_ALL(vk16_post_run_runs_after_stop),
		FIX_PROCESSES(vk16_post_run_runs_after_sigterm),
		FIX_PROCESSES(sigterm_ends_after_the_handler),
		FIX_PROCESSES(vk16_no_post_run_after_sigkill),
		FIX_PROCESSES(vk24_a_spinning_handler_without_sigterm),
		FIX_ALL(stop_reaches_a_handler_that_asks),
		FIX_ONE(vk25_ten_stop_in_the_time_of_one, 0, "forkserver"),
		FIX_ONE(vk25_ten_stop_in_the_time_of_one, 3, "thread"),
		FIX_ONE(vk25_ten_that_do_not_listen, 0, "forkserver"),
		FIX_PROCESSES(stop_matrix),
		FIX_PROCESSES(flooding_and_never_blocked),
		FIX_ALL(stop_before_receive),
		FIX_ALL(stop_with_a_full_inbox),
		FIX_ALL(a_full_inbox_does_not_cost_post_run),
		FIX_ALL(a_full_inbox_does_not_outlast_the_process),
		FIX_ONE(vk30_a_thread_that_does_not_end, 3, "thread"),
		FIX_ONE(vk30_a_thread_is_abandoned_by_free, 3, "thread"),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
