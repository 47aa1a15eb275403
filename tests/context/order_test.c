/*
 * Ordered start, reversed stop, its bounds, and what Ctrl-C does.
 */
#include "test.h"

#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc.h>

#include "../process/fixture.h"
#include "boss.h"
#include "help.h"

#define N	5

/* A program of N processes. */
struct program {
	struct mproc_context *ctx;
	struct mproc_options opt[N];
	struct mproc *p[N];
	int	n;
	bool	start_by_hand;
	int	deaths, order[N];
	int	last_items;	/* what post_run emitted */
	int	closed, ready_before_threads;
	int	spin, nap_ms;	/* the process that hangs, -1 */
	pid_t	pid[N];
	int64_t	begin, took;
};

static void
on_message(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct probe_item *item = mproc_args(msg, probe_item);
	struct program *g = arg;

	(void)p;
	if (item != NULL && item->n == -1)
		g->last_items++;
}

static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct program *g = arg;
	int i;

	(void)death;
	for (i = 0; i < g->n && g->p[i] != p; i++)
		;
	g->order[g->deaths++] = i;
}

static int
start_processes(struct mproc_context *ctx, void *arg)
{
	struct program *g = arg;
	int i, r;

	g->ctx = ctx;
	for (i = 0; i < g->n; i++) {
		if ((r = mproc_new(&probe_class, &g->opt[i], &g->p[i])) < 0 ||
		    (r = mproc_context_add(ctx, g->p[i], on_message,
		    g)) < 0 ||
		    (r = mproc_context_supervise(ctx, g->p[i],
		    &(struct mproc_supervision){ .on_death = on_death,
		    .arg = g })) < 0)
			return r;
		if (g->start_by_hand && (r = mproc_start(g->p[i])) < 0)
			return r;
	}
	return 0;
}

static int
start_threads(struct mproc_context *ctx, void *arg)
{
	struct program *g = arg;
	int i;

	(void)ctx;
	for (i = 0; i < g->n; i++) {
		g->ready_before_threads +=
		    mproc_status(g->p[i]) == MPROC_STATUS_RUNNING;
		g->pid[i] = mproc_pid(g->p[i]);
	}
	if (g->spin >= 0 && mproc_send(g->p[g->spin], probe_spin) < 0)
		return -EIO;
	return 0;
}

static void
close_program(struct mproc_context *ctx, void *arg)
{
	struct program *g = arg;
	int i;

	(void)ctx;
	g->closed++;
	g->took = test_now_ms() - g->begin;
	for (i = 0; i < g->n; i++)
		mproc_free(g->p[i]);
}

static const struct mproc_app app = {
	.name = "Order",
	.start_processes = start_processes,
	.start_threads = start_threads,
	.close = close_program
};

static void
begin_stop(struct mproc_context *ctx, void *arg)
{
	((struct program *)arg)->begin = test_now_ms();
	mproc_context_stop(ctx);
}

static struct mproc_context *
make(struct program *g)
{
	struct mproc_context *ctx;

	assert_int_equal(mproc_context_new(&app, g, &ctx), 0);
	return ctx;
}

static void
run_and_stop(struct program *g)
{
	struct mproc_context *ctx = make(g);

	assert_true(mproc_context_timer(ctx, 0, 0, begin_stop, g) > 0);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(g->closed, 1);
	assert_int_equal(g->deaths, g->n);
}

static void
vk47_threads_start_when_all_processes_are_ready(void **state)
{
	struct program g = { .n = N, .spin = -1 };

	(void)state;
	run_and_stop(&g);
	assert_int_equal(g.ready_before_threads, N);
	g = (struct program){ .n = N, .spin = -1, .start_by_hand = true };
	run_and_stop(&g);
	assert_int_equal(g.ready_before_threads, N);
}

/* Deaths in reverse order, what post_run sent still comes. */
static void
test_stop_is_in_reverse_order(void **state)
{
	struct program g = { .n = N, .spin = -1 };
	char dir[] = "/tmp/mproc-order-XXXXXX", path[64];
	struct mproc_pack post;
	int i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/post", dir);
	post = MPROC_PACK(probe_start, .post = path);	/* lives here */
	for (i = 0; i < N; i++)
		g.opt[i].args = post;
	run_and_stop(&g);
	for (i = 0; i < N; i++)
		assert_int_equal(g.order[i], N - 1 - i);
	assert_int_equal(g.last_items, N);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* The third of five fails: two were started, and are stopped. */
static void
test_start_ends_with_the_first_failure(void **state)
{
	struct program g = { .n = N, .spin = -1 };
	struct mproc_context *ctx;

	(void)state;
	g.opt[2].args = MPROC_PACK(probe_start, .fail = -EDOM);
	ctx = make(&g);
	assert_int_equal(mproc_context_run(ctx), -EDOM);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(g.closed, 1);
	assert_int_equal(g.ready_before_threads, 0);
	assert_int_equal(g.deaths, 3);
	assert_int_equal(g.order[1], 1);
	assert_int_equal(g.order[2], 0);
}

/*
 * One hangs in a handler: those after it end first, those before it are
 * asked after one grace, and all of it takes two graces, not ten.
 */
static void
vk51_stop_is_bounded(void **state)
{
	struct program g = { .n = N, .spin = 2 };
	int i;

	(void)state;
	for (i = 0; i < N; i++)
		g.opt[i].stop_grace_ms = 1000;
	run_and_stop(&g);
	assert_int_equal(g.order[0], 4);
	assert_int_equal(g.order[1], 3);
	assert_int_equal(g.order[4], 2);
	assert_true(g.took >= 2000);
	assert_true(g.took < 3 * 1000 + 5000);
}

/* A thread cannot be killed: it is given up, the rest goes on. */
static void
test_what_cannot_be_stopped_is_given_up(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct mproc *p;

	(void)state;
	assert_int_equal(mproc_new(&probe_class, &(struct mproc_options){
	    .launch = MPROC_THREAD, .stop_grace_ms = 20 }, &p), 0);
	assert_int_equal(mproc_context_add(ctx, p, NULL, NULL), 0);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_int_equal(mproc_send(p, probe_nap, .ms = 3000), 0);
	fix_runs(p, "nap");	/* what is not begun would be dropped */
	assert_int_equal(mproc_context_stop(ctx), 0);
	assert_int_equal(mproc_context_dispatch(ctx, -1), -ETIMEDOUT);
	assert_int_equal(mproc_context_dispatch(ctx, -1), -ESHUTDOWN);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(mproc_wait_stop(p, BOUND_MS), 0);
	mproc_free(p);
}

/* An on_death that always starts anew does not make stop endless. */
static void
on_death_start(struct mproc *p, const struct mproc_death *death, void *arg)
{
	(void)death;
	++*(int *)arg;
	(void)mproc_start(p);
}

static void
test_stop_of_what_is_always_started_anew(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct mproc *p;
	int n = 0;

	(void)state;
	assert_int_equal(mproc_new(&probe_class, &(struct mproc_options){
	    .stop_grace_ms = 50 }, &p), 0);
	assert_int_equal(mproc_context_add(ctx, p, NULL, NULL), 0);
	assert_int_equal(mproc_context_supervise(ctx, p,
	    &(struct mproc_supervision){ .on_death = on_death_start,
	    .arg = &n }), 0);
	assert_true(mproc_context_timer(ctx, 0, 0, stop_now, NULL) > 0);
	assert_int_equal(mproc_context_run(ctx), -ETIMEDOUT);
	assert_true(n >= 3);
	assert_null(mproc_context_free(ctx));
	mproc_free(p);
}

/* Ctrl-C, as the child that this test is sees it. */
static void *
interrupt(void *arg)
{
	kill(getpid(), SIGINT);
	if (arg != NULL) {
		(void)poll(NULL, 0, 100);
		kill(getpid(), SIGINT);
	}
	return NULL;
}

static int
start_interrupt(struct mproc_context *ctx, void *arg)
{
	struct program *g = arg;
	pthread_t thread;
	int r = start_threads(ctx, arg);

	g->begin = test_now_ms();
	if (r == 0 && pthread_create(&thread, NULL, interrupt,
	    g->spin >= 0 ? g : NULL) != 0)
		r = -EAGAIN;
	if (r == 0)
		pthread_detach(thread);
	return r;
}

static void
interrupted(struct program *g)
{
	struct mproc_app it = app;
	struct mproc_context *ctx;

	it.start_threads = start_interrupt;
	it.stop_on_signals = true;
	assert_int_equal(mproc_context_new(&it, g, &ctx), 0);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(g->closed, 1);
	assert_int_equal(g->deaths, N);
}

static void
vk49_first_interrupt_stops_in_order(void **state)
{
	struct program g = { .n = N, .spin = -1 };
	int i;

	(void)state;
	for (i = 0; i < N; i++)
		g.opt[i].stop_grace_ms = BOUND_MS;
	interrupted(&g);
	for (i = 0; i < N; i++)
		assert_int_equal(g.order[i], N - 1 - i);
	assert_true(g.took < BOUND_MS);	/* nobody's grace was needed */
}

static void
vk49_second_interrupt_kills(void **state)
{
	struct program g = { .n = N, .spin = 2 };
	int i;

	(void)state;
	for (i = 0; i < N; i++)
		g.opt[i].stop_grace_ms = BOUND_MS;
	interrupted(&g);
	assert_true(g.took >= 100);
	assert_true(g.took < BOUND_MS);
}

static void
vk50_run_as_thread_with_processes(void **state)
{
	struct program g = { .n = N, .spin = -1 };
	struct mproc_context *ctx = make(&g);
	int i;

	(void)state;
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	assert_int_equal(g.ready_before_threads, N);
	for (i = 0; i < N; i++)
		assert_int_equal(mproc_call(g.p[i], BOUND_MS, NULL,
		    probe_echo), 0);
	g.begin = test_now_ms();
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
	assert_int_equal(g.closed, 1);
	assert_int_equal(g.deaths, N);
	for (i = 0; i < N; i++)
		assert_int_equal(g.order[i], N - 1 - i);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(g.closed, 1);
}

static void
test_two_contexts_in_one_process(void **state)
{
	struct program g = { .n = 2, .spin = -1 }, h = g;
	struct mproc_context *a = make(&g), *b = make(&h);

	(void)state;
	assert_int_equal(mproc_context_dispatch(a, 0), 0);
	assert_int_equal(mproc_context_run_as_thread(b), 0);
	assert_int_equal(mproc_context_stop(a), 0);
	assert_int_equal(mproc_context_run(a), 0);
	assert_int_equal(g.deaths, 2);
	assert_int_equal(h.deaths, 0);
	assert_int_equal(mproc_call(h.p[0], BOUND_MS, NULL, probe_echo), 0);
	assert_int_equal(mproc_context_stop_thread(b, BOUND_MS), 0);
	assert_int_equal(h.deaths, 2);
	assert_null(mproc_context_free(a));
	assert_null(mproc_context_free(b));
}

/* free alone stops what runs, in order, and calls close alone. */
static void
test_free_stops_the_processes(void **state)
{
	struct program g = { .n = N, .spin = -1 };
	struct mproc_context *ctx = make(&g);

	(void)state;
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(g.closed, 1);
	assert_int_equal(g.deaths, 0);
}

struct tree {
	int	n;
	pid_t	pid[4];
};

static void
on_pid(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct boss_pid *pid = mproc_args(msg, boss_pid);
	struct tree *t = arg;

	(void)p;
	if (pid != NULL && pid->level < 4) {
		t->pid[pid->level] = pid->pid;
		t->n++;
	}
}

/* Not there, or waiting for whoever is init here to take its status. */
static bool
is_gone(pid_t pid)
{
	char path[64], state = 'X';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((f = fopen(path, "re")) == NULL)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	fclose(f);
	return state == 'X' || state == 'Z';
}

static void
check_tree(bool kill_the_top)
{
	struct mproc_context *ctx = ctx_make();
	struct tree t = { 0 };
	struct mproc *p;
	int64_t end;
	int i;

	assert_int_equal(mproc_new(&boss_class, &(struct mproc_options){
	    .args = MPROC_PACK(boss_start, .levels = 2) }, &p), 0);
	assert_int_equal(mproc_context_add(ctx, p, on_pid, &t), 0);
	end = test_now_ms() + BOUND_MS;
	while (t.n < 3 && test_now_ms() < end)
		assert_true(mproc_context_dispatch(ctx, 100) >= 0);
	assert_int_equal(t.n, 3);
	if (kill_the_top)
		assert_int_equal(mproc_kill(p), 0);
	assert_null(mproc_context_free(ctx));
	mproc_free(p);
	end = test_now_ms() + BOUND_MS;
	for (i = 0; i < 3; i++)
		while (!is_gone(t.pid[i]) && test_now_ms() < end)
			(void)poll(NULL, 0, 5);
	for (i = 0; i < 3; i++)
		assert_true(is_gone(t.pid[i]));
}

static void
vk71_tree_stops_from_the_top(void **state)
{
	(void)state;
	check_tree(false);
	check_tree(true);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    vk47_threads_start_when_all_processes_are_ready),
		cmocka_unit_test(test_stop_is_in_reverse_order),
		cmocka_unit_test(test_start_ends_with_the_first_failure),
		cmocka_unit_test(vk51_stop_is_bounded),
		cmocka_unit_test(test_what_cannot_be_stopped_is_given_up),
		cmocka_unit_test(test_stop_of_what_is_always_started_anew),
		cmocka_unit_test(vk49_first_interrupt_stops_in_order),
		cmocka_unit_test(vk49_second_interrupt_kills),
		cmocka_unit_test(vk50_run_as_thread_with_processes),
		cmocka_unit_test(test_two_contexts_in_one_process),
		cmocka_unit_test(test_free_stops_the_processes),
		cmocka_unit_test(vk71_tree_stops_from_the_top),
	};

	return TEST_RUN(tests);
}
