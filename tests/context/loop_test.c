/*
 * The context's descriptors and timers, and its own descriptor.
 */
#include "test.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "help.h"

static void
test_refused_arguments(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fds[2];

	(void)state;
	make_pipe(fds);
	assert_int_equal(mproc_context_new(NULL, NULL, NULL), -EINVAL);
	assert_int_equal(mproc_context_watch(NULL, 0, POLLIN, nop_watch,
	    NULL), -EINVAL);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, NULL,
	    NULL), -EINVAL);
	assert_int_equal(mproc_context_watch(ctx, fds[0], 0, nop_watch,
	    NULL), -EINVAL);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN | 0x4000,
	    nop_watch, NULL), -EINVAL);
	assert_int_equal(mproc_context_watch(ctx, -1, POLLIN, nop_watch,
	    NULL), -EBADF);
	assert_int_equal(mproc_context_watch(ctx, 1000000, POLLIN, nop_watch,
	    NULL), -EBADF);
	assert_int_equal(mproc_context_unwatch(ctx, fds[0]), -ENOENT);
	assert_int_equal(mproc_context_unwatch(ctx, -1), -ENOENT);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
}

static void
test_more_refused_arguments(void **state)
{
	struct mproc_context *ctx = ctx_make();

	(void)state;
	assert_int_equal(mproc_context_timer(ctx, -1, 0, nop, NULL), -EINVAL);
	assert_int_equal(mproc_context_timer(ctx, 0, -1, nop, NULL), -EINVAL);
	assert_int_equal(mproc_context_timer(ctx, 0, 0, NULL, NULL), -EINVAL);
	assert_int_equal(mproc_context_timer_cancel(ctx, 7), -ENOENT);
	assert_int_equal(mproc_context_timer_cancel(ctx, 0), -ENOENT);
	assert_int_equal(mproc_context_post(ctx, NULL, NULL), -EINVAL);
	assert_int_equal(mproc_context_add(ctx, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(mproc_context_remove(ctx, NULL), -ENOENT);
	assert_int_equal(mproc_context_supervise(ctx, NULL, NULL), -ENOENT);
	assert_int_equal(mproc_context_supervise(ctx, NULL,
	    &(struct mproc_supervision){ .ping_interval_ms = 5 }), -EINVAL);
	assert_int_equal(mproc_context_supervise(ctx, NULL,
	    &(struct mproc_supervision){ .ping_timeout_ms = -5 }), -EINVAL);
	assert_int_equal(mproc_context_set_log_level(ctx, 99), -EINVAL);
	assert_int_equal(mproc_context_stop_thread(ctx, 0), -ENOTCONN);
	assert_int_equal(mproc_context_run(NULL), -EINVAL);
	assert_int_equal(mproc_context_stop(NULL), -EINVAL);
	assert_int_equal(mproc_context_dispatch(NULL, 0), -EINVAL);
	assert_int_equal(mproc_context_fd(NULL), -EINVAL);
	assert_null(mproc_context_loop(NULL));
	assert_false(mproc_context_going(NULL));
	assert_null(mproc_context_free(NULL));
	assert_null(mproc_context_free(ctx));
}

/* A plain file cannot be watched, a socket keeps its flags. */
static void
test_watched_flags(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fds[2], file;

	(void)state;
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(mproc_context_watch(ctx, file, POLLIN, nop_watch,
	    NULL), -EPERM);
	close(file);
	make_pipe(fds);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, nop_watch,
	    NULL), 0);
	assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	/* into itself: epoll refuses */
	assert_int_equal(mproc_context_watch(ctx, mproc_context_fd(ctx),
	    POLLIN, nop_watch, NULL), -EINVAL);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
}

struct reading {
	int	calls, events;
	char	text[32];
};

static void
on_readable(struct mproc_context *ctx, int fd, int events, void *arg)
{
	struct reading *r = arg;
	ssize_t n;

	(void)ctx;
	r->events |= events;
	n = read(fd, r->text + strlen(r->text), 1);	/* one at a time */
	if (n == 1 && ++r->calls < 3)
		return;
	assert_int_equal(mproc_context_unwatch(ctx, fd), 0);
	assert_int_equal(mproc_context_unwatch(ctx, fd), -ENOENT);
	mproc_context_stop(ctx);
}

static void
vk54_foreign_fd_is_level_triggered(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct reading r = { 0 };
	int fds[2];

	(void)state;
	make_pipe(fds);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN,
	    on_readable, &r), 0);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	ctx_run(ctx);
	assert_int_equal(r.calls, 3);
	assert_string_equal(r.text, "abc");
	assert_int_equal(r.events, POLLIN);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
}

static void
on_event(struct mproc_context *ctx, int fd, int events, void *arg)
{
	(void)fd;
	*(int *)arg |= events;
	mproc_context_stop(ctx);
}

static void
test_watch_changes_and_hang_up(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fds[2], seen = 0, dead = 0, fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fds), 0);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLOUT, on_event,
	    &dead), 0);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN | POLLRDHUP,
	    on_event, &seen), 0);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	close(fds[1]);
	assert_int_equal(mproc_context_dispatch(ctx, BOUND_MS), -ESHUTDOWN);
	assert_int_equal(seen, POLLIN | POLLRDHUP | POLLHUP);
	assert_int_equal(dead, 0);
	assert_null(mproc_context_free(ctx));
	close(fds[0]);

	/* closed while watched, and another file takes the number */
	ctx = ctx_make();
	make_pipe(fds);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, on_event,
	    &dead), 0);
	fd = fds[0];
	close_pipe(fds);
	seen = 0;
	make_pipe(fds);
	assert_int_equal(fd, fds[0]);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, on_event,
	    &seen), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(mproc_context_dispatch(ctx, BOUND_MS), -ESHUTDOWN);
	assert_int_equal(seen, POLLIN);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
	assert_int_equal(dead, 0);
}

/* Closed before unwatch, while a duplicate lives: no call, no fault. */
static void
test_watch_of_a_closed_duplicate(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fds[2], copy, seen = 0;

	(void)state;
	make_pipe(fds);
	copy = dup(fds[0]);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, on_event,
	    &seen), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	close_pipe(fds);
	assert_int_equal(mproc_context_unwatch(ctx, fds[0]), 0);
	assert_int_equal(mproc_context_dispatch(ctx, 10), 0);
	assert_int_equal(seen, 0);
	close(copy);
	assert_null(mproc_context_free(ctx));
}

/* In a batch of two that are ready the first callback removes the other. */
static void
on_first(struct mproc_context *ctx, int fd, int events, void *arg)
{
	int *fds = arg;

	(void)events;
	fds[2]++;
	assert_int_equal(mproc_context_unwatch(ctx, fds[0] == fd ? fds[1] :
	    fds[0]), 0);
	assert_int_equal(mproc_context_unwatch(ctx, fd), 0);
}

static void
test_unwatch_another_that_is_ready(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fds[3] = { eventfd(1, EFD_CLOEXEC), eventfd(1, EFD_CLOEXEC), 0 };

	(void)state;
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, on_first,
	    fds), 0);
	assert_int_equal(mproc_context_watch(ctx, fds[1], POLLIN, on_first,
	    fds), 0);
	assert_int_equal(mproc_context_dispatch(ctx, BOUND_MS), 1);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_int_equal(fds[2], 1);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
}

struct order {
	int	at;
	int	who[16];
	int64_t	when[16];
};

struct tick {
	struct order *order;
	int	who, id, stop_after;
};

static void
on_tick(struct mproc_context *ctx, void *arg)
{
	struct tick *t = arg;
	struct order *o = t->order;

	o->when[o->at] = test_now_ms();
	o->who[o->at++] = t->who;
	if (t->stop_after > 0 && --t->stop_after == 0) {
		if (t->id > 0)
			assert_int_equal(mproc_context_timer_cancel(ctx,
			    t->id), 0);
		mproc_context_stop(ctx);
	}
}

static void
vk49_timers_in_order_never_early(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct order o = { 0 };
	struct tick ticks[4] = {
		{ &o, 0, 0, 0 }, { &o, 1, 0, 0 }, { &o, 2, 0, 0 },
		{ &o, 3, 0, 1 }
	};
	static const int ms[4] = { 30, 0, 10, 40 };
	int64_t begin = test_now_ms();
	int i, id[5];

	(void)state;
	for (i = 0; i < 4; i++)
		id[i] = mproc_context_timer(ctx, ms[i], 0, on_tick,
		    &ticks[i]);
	id[4] = mproc_context_timer(ctx, 20, 0, give_up, NULL);
	for (i = 0; i < 5; i++)
		assert_true(id[i] > 0);
	assert_int_equal(mproc_context_timer_cancel(ctx, id[4]), 0);
	assert_int_equal(mproc_context_timer_cancel(ctx, id[4]), -ENOENT);
	ctx_run(ctx);
	assert_int_equal(o.at, 4);
	assert_int_equal(o.who[0], 1);
	assert_int_equal(o.who[1], 2);
	assert_int_equal(o.who[2], 0);
	assert_int_equal(o.who[3], 3);
	assert_true(o.when[1] - begin >= 10);
	assert_true(o.when[2] - begin >= 30);
	assert_true(o.when[3] - begin >= 40);
	assert_int_equal(mproc_context_timer_cancel(ctx, id[0]), -ENOENT);
	assert_null(mproc_context_free(ctx));
}

static void
vk49_timer_repeats_and_ends_itself(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct order o = { 0 };
	struct tick t = { &o, 7, 0, 5 };
	int64_t begin = test_now_ms();

	(void)state;
	t.id = mproc_context_timer(ctx, 5, 10, on_tick, &t);
	assert_true(t.id > 0);
	ctx_run(ctx);
	assert_int_equal(o.at, 5);
	assert_true(o.when[4] - begin >= 45);
	assert_null(mproc_context_free(ctx));
}

/* Many timers, started and cancelled in a scattered order. */
static void
test_many_timers(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int ids[500], i, n = 0;

	(void)state;
	for (i = 0; i < 500; i++) {
		ids[i] = mproc_context_timer(ctx, (i * 37) % 20, 0, count,
		    &n);
		assert_true(ids[i] > 0);
	}
	for (i = 0; i < 500; i += 2)
		assert_int_equal(mproc_context_timer_cancel(ctx,
		    ids[(i * 7) % 500]), 0);
	assert_true(mproc_context_timer(ctx, 25, 0, stop_now, NULL) > 0);
	ctx_run(ctx);
	assert_int_equal(n, 250);
	assert_null(mproc_context_free(ctx));
}

static void
on_again(struct mproc_context *ctx, void *arg)
{
	++*(int *)arg;
	assert_true(mproc_context_timer(ctx, 0, 0, on_again, arg) > 0);
}

/* A timer that begins itself anew at once does not starve descriptors. */
static void
test_zero_timer_starves_nobody(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fd = eventfd(1, EFD_CLOEXEC), n = 0, seen = 0;

	(void)state;
	assert_true(mproc_context_timer(ctx, 0, 0, on_again, &n) > 0);
	assert_int_equal(mproc_context_watch(ctx, fd, POLLIN, on_event,
	    &seen), 0);
	ctx_run(ctx);
	assert_int_equal(seen, POLLIN);
	assert_null(mproc_context_free(ctx));
	close(fd);
}

static void
test_dispatch_counts_and_times_out(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int64_t begin;
	int n = 0;

	(void)state;
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	begin = test_now_ms();
	assert_int_equal(mproc_context_dispatch(ctx, 30), 0);
	assert_true(test_now_ms() - begin >= 30);
	assert_true(mproc_context_timer(ctx, 0, 0, count, &n) > 0);
	assert_true(mproc_context_timer(ctx, 0, 0, count, &n) > 0);
	assert_int_equal(mproc_context_dispatch(ctx, -1), 2);
	assert_int_equal(n, 2);
	assert_null(mproc_context_free(ctx));
}

/* idle */

static long
switches(pid_t tid)
{
	char path[64], line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
	assert_non_null(f = fopen(path, "re"));
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	fclose(f);
	return n;
}

static void
tell_tid(struct mproc_context *ctx, void *arg)
{
	pid_t tid = gettid();

	(void)ctx;
	assert_int_equal(write(*(int *)arg, &tid, sizeof(tid)), sizeof(tid));
}

/* Waits until the thread sleeps: its count of switches stays the same. */
static long
settle(pid_t tid)
{
	long n = switches(tid), before;

	do {
		before = n;
		(void)poll(NULL, 0, 20);
		n = switches(tid);
	} while (n != before);
	return n;
}

static void
test_idle_context_never_wakes(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fds[2];
	pid_t tid;
	long before;

	(void)state;
	make_pipe(fds);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, nop_watch,
	    NULL), 0);
	assert_true(mproc_context_timer(ctx, 3600000, 0, give_up, NULL) > 0);
	assert_non_null(mproc_context_loop(ctx));
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	assert_int_equal(mproc_context_unwatch(ctx, fds[0]), -EPERM);
	assert_int_equal(mproc_context_post(ctx, tell_tid, &fds[1]), 0);
	(void)poll(NULL, 0, 1);
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
	assert_int_equal(read(fds[0], &tid, sizeof(tid)), sizeof(tid));
	assert_null(mproc_context_free(ctx));

	ctx = ctx_make();
	assert_true(mproc_context_timer(ctx, 3600000, 0, give_up, NULL) > 0);
	assert_non_null(mproc_context_loop(ctx));
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	assert_int_equal(mproc_context_post(ctx, tell_tid, &fds[1]), 0);
	assert_int_equal(read(fds[0], &tid, sizeof(tid)), sizeof(tid));
	before = settle(tid);
	(void)poll(NULL, 0, 300);
	assert_int_equal(switches(tid), before);
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
}

static void
test_fd_is_silent_when_idle(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fd = mproc_context_fd(ctx), n = 0, id;

	(void)state;
	assert_int_equal(fd, mproc_context_fd(ctx));
	/* to start; then nothing */
	assert_int_equal(test_poll(fd, POLLIN, BOUND_MS), POLLIN);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_int_equal(test_poll(fd, POLLIN, 50), 0);
	/* a timer, and its end */
	id = mproc_context_timer(ctx, 20, 0, count, &n);
	assert_int_equal(test_poll(fd, POLLIN, BOUND_MS), POLLIN);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 1);
	assert_int_equal(test_poll(fd, POLLIN, 50), 0);
	id = mproc_context_timer(ctx, 20, 0, count, &n);
	assert_int_equal(mproc_context_timer_cancel(ctx, id), 0);
	assert_int_equal(test_poll(fd, POLLIN, 50), 0);
	/* an earlier one than what was set */
	id = mproc_context_timer(ctx, 3600000, 0, count, &n);
	assert_true(mproc_context_timer(ctx, 1, 0, count, &n) > 0);
	assert_int_equal(test_poll(fd, POLLIN, BOUND_MS), POLLIN);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 1);
	assert_int_equal(test_poll(fd, POLLIN, 30), 0);
	assert_int_equal(n, 2);
	assert_null(mproc_context_free(ctx));
}

static void
test_fd_tells_of_watches_posts_and_the_end(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int fd = mproc_context_fd(ctx), n = 0, fds[2];

	(void)state;
	make_pipe(fds);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_int_equal(test_poll(fd, POLLIN, 30), 0);
	/* a watch begins at once */
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(mproc_context_watch(ctx, fds[0], POLLIN, nop_watch,
	    NULL), 0);
	assert_int_equal(test_poll(fd, POLLIN, BOUND_MS), POLLIN);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 1);
	assert_int_equal(mproc_context_unwatch(ctx, fds[0]), 0);
	assert_int_equal(test_poll(fd, POLLIN, 30), 0);
	/* posted, stop, and the end, which stays */
	assert_int_equal(mproc_context_post(ctx, count, &n), 0);
	assert_int_equal(test_poll(fd, POLLIN, BOUND_MS), POLLIN);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 1);
	assert_int_equal(mproc_context_stop(ctx), 0);
	assert_int_equal(test_poll(fd, POLLIN, BOUND_MS), POLLIN);
	assert_int_equal(mproc_context_dispatch(ctx, 0), -ESHUTDOWN);
	assert_int_equal(test_poll(fd, POLLIN, BOUND_MS), POLLIN);
	assert_int_equal(mproc_context_dispatch(ctx, 0), -ESHUTDOWN);
	assert_int_equal(n, 1);
	assert_null(mproc_context_free(ctx));
	close_pipe(fds);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_arguments),
		cmocka_unit_test(test_more_refused_arguments),
		cmocka_unit_test(test_watched_flags),
		cmocka_unit_test(vk54_foreign_fd_is_level_triggered),
		cmocka_unit_test(test_watch_changes_and_hang_up),
		cmocka_unit_test(test_watch_of_a_closed_duplicate),
		cmocka_unit_test(test_unwatch_another_that_is_ready),
		cmocka_unit_test(vk49_timers_in_order_never_early),
		cmocka_unit_test(vk49_timer_repeats_and_ends_itself),
		cmocka_unit_test(test_many_timers),
		cmocka_unit_test(test_zero_timer_starves_nobody),
		cmocka_unit_test(test_dispatch_counts_and_times_out),
		cmocka_unit_test(test_idle_context_never_wakes),
		cmocka_unit_test(test_fd_is_silent_when_idle),
		cmocka_unit_test(
		    test_fd_tells_of_watches_posts_and_the_end),
	};

	prime_libuv();
	return TEST_RUN(tests);
}
