/*
 * Signals in the context.
 */
#include "test.h"

#include <sys/wait.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "help.h"

struct got {
	int	n, signo, stop_after;
};

static void
on_signal(struct mproc_context *ctx, int signo, void *arg)
{
	struct got *g = arg;

	g->signo = signo;
	if (++g->n == g->stop_after)
		mproc_context_stop(ctx);
}

static struct sigaction
action_of(int signo)
{
	struct sigaction sa;

	assert_int_equal(sigaction(signo, NULL, &sa), 0);
	return sa;
}

static void
own_handler(int signo)
{
	(void)signo;
}

static void
test_signal_refusals(void **state)
{
	static const int never[] = {
		SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0, -1,
		NSIG
	};
	struct mproc_context *ctx = ctx_make();
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(never); i++)
		assert_int_equal(mproc_context_signal(ctx, never[i],
		    on_signal, NULL), -EINVAL);
	assert_int_equal(mproc_context_signal(ctx, SIGUSR1, NULL, NULL),
	    -EINVAL);
	assert_int_equal(mproc_context_unsignal(ctx, SIGUSR1), -ENOENT);
	assert_int_equal(mproc_context_signal(NULL, SIGUSR1, on_signal,
	    NULL), -EINVAL);
	mproc_context_stop(ctx);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_int_equal(mproc_context_signal(ctx, SIGUSR1, on_signal, NULL),
	    -ESHUTDOWN);
	assert_int_equal(mproc_context_stop_on_signals(ctx), -ESHUTDOWN);
	assert_null(mproc_context_free(ctx));
}

/* Merged as the kernel merges them, and the old action comes back. */
static void
test_signal_comes_and_goes(void **state)
{
	struct sigaction mine = { .sa_handler = own_handler }, old;
	struct mproc_context *ctx = ctx_make();
	struct got g = { .stop_after = 2 }, other = { 0 };

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &mine, &old), 0);
	assert_int_equal(mproc_context_signal(ctx, SIGUSR1, on_signal,
	    &other), 0);
	assert_int_equal(mproc_context_signal(ctx, SIGUSR1, on_signal, &g),
	    0);
	assert_int_equal(mproc_context_signal(ctx, SIGUSR2, on_signal, &g),
	    0);
	assert_ptr_not_equal(action_of(SIGUSR1).sa_handler, own_handler);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(mproc_context_dispatch(ctx, BOUND_MS), 1);
	assert_int_equal(g.signo, SIGUSR1);
	assert_int_equal(raise(SIGUSR2), 0);
	ctx_run(ctx);
	assert_int_equal(g.signo, SIGUSR2);
	assert_int_equal(g.n, 2);
	assert_int_equal(other.n, 0);
	/* already at the end, before free */
	assert_ptr_equal(action_of(SIGUSR1).sa_handler, own_handler);
	assert_ptr_equal(action_of(SIGUSR2).sa_handler, SIG_DFL);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
}

static void
on_unsignal(struct mproc_context *ctx, int signo, void *arg)
{
	++*(int *)arg;
	assert_int_equal(mproc_context_unsignal(ctx, signo), 0);
	assert_int_equal(mproc_context_unsignal(ctx, signo), -ENOENT);
	mproc_context_stop(ctx);
}

static void
test_unsignal_in_its_callback(void **state)
{
	struct mproc_context *ctx = ctx_make();
	int n = 0;

	(void)state;
	assert_int_equal(mproc_context_signal(ctx, SIGUSR1, on_unsignal,
	    &n), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	ctx_run(ctx);
	assert_int_equal(n, 1);
	assert_ptr_equal(action_of(SIGUSR1).sa_handler, SIG_DFL);
	assert_null(mproc_context_free(ctx));
}

/* Both are called; the last to leave puts the action back. */
static void
test_two_contexts_share_a_signal(void **state)
{
	struct mproc_context *a = ctx_make(), *b = ctx_make();
	struct got ga = { 0 }, gb = { 0 };

	(void)state;
	assert_int_equal(mproc_context_signal(a, SIGUSR1, on_signal, &ga), 0);
	assert_int_equal(mproc_context_signal(b, SIGUSR1, on_signal, &gb), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(mproc_context_dispatch(a, BOUND_MS), 1);
	assert_int_equal(mproc_context_dispatch(b, BOUND_MS), 1);
	assert_null(mproc_context_free(a));
	assert_ptr_not_equal(action_of(SIGUSR1).sa_handler, SIG_DFL);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(mproc_context_dispatch(b, BOUND_MS), 1);
	assert_null(mproc_context_free(b));
	assert_ptr_equal(action_of(SIGUSR1).sa_handler, SIG_DFL);
	assert_int_equal(ga.n, 1);
	assert_int_equal(gb.n, 2);
}

static void
test_no_room_for_more_signals(void **state)
{
	struct mproc_context *ctx[70];
	struct got g = { 0 };
	int i, n, r = 0;

	(void)state;
	for (n = 0; n < 70 && r == 0; n++) {
		ctx[n] = ctx_make();
		r = mproc_context_signal(ctx[n], SIGUSR1, on_signal, &g);
	}
	assert_int_equal(r, -EMFILE);
	assert_int_equal(n, 65);
	for (i = 0; i < n; i++)
		assert_null(mproc_context_free(ctx[i]));
}

static struct mproc_context *for_handler;

static void
stop_in_handler(int signo)
{
	(void)signo;
	(void)mproc_context_stop(for_handler);
}

static void
raise_it(struct mproc_context *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	raise(SIGUSR1);
}

static void
test_stop_in_a_signal_handler(void **state)
{
	struct sigaction sa = { .sa_handler = stop_in_handler }, old;
	struct mproc_context *ctx = ctx_make();

	(void)state;
	for_handler = ctx;
	assert_int_equal(sigaction(SIGUSR1, &sa, &old), 0);
	assert_true(mproc_context_timer(ctx, 5, 0, raise_it, NULL) > 0);
	ctx_run(ctx);
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
	assert_null(mproc_context_free(ctx));
}

static void
test_stop_on_signals_without_processes(void **state)
{
	static const int stops[] = { SIGINT, SIGTERM };
	struct mproc_context *ctx;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(stops); i++) {
		ctx = ctx_make();
		assert_int_equal(mproc_context_stop_on_signals(ctx), 0);
		assert_int_equal(mproc_context_stop_on_signals(ctx), 0);
		assert_int_equal(raise(stops[i]), 0);
		ctx_run(ctx);
		assert_int_equal(mproc_context_unsignal(ctx, SIGINT),
		    -ENOENT);
		assert_null(mproc_context_free(ctx));
	}
}

#define STORMERS	2
#define ROUNDS		200

static void *
storm(void *arg)
{
	int i;

	for (i = 0; i < 2000; i++)
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void
ignore_signal(struct mproc_context *ctx, int signo, void *arg)
{
	(void)ctx;
	(void)signo;
	(void)arg;
}

/* Signals that arrive all the time while contexts come and go. */
static void
test_signals_race_with_contexts(void **state)
{
	struct sigaction sa = { .sa_handler = own_handler }, old;
	pthread_t self = pthread_self(), threads[STORMERS];
	struct mproc_context *ctx;
	int i;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &sa, &old), 0);
	for (i = 0; i < STORMERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, storm,
		    &self), 0);
	for (i = 0; i < ROUNDS; i++) {
		ctx = ctx_make();
		assert_int_equal(mproc_context_signal(ctx, SIGUSR1,
		    ignore_signal, NULL), 0);
		assert_true(mproc_context_dispatch(ctx, 0) >= 0);
		assert_null(mproc_context_free(ctx));
	}
	for (i = 0; i < STORMERS; i++)
		pthread_join(threads[i], NULL);
	assert_ptr_equal(action_of(SIGUSR1).sa_handler, own_handler);
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
}

/* A fork's signals are its own; its contexts start with an empty table. */
static void
test_signals_after_a_fork(void **state)
{
	struct mproc_context *ctx = ctx_make(), *mine;
	struct got g = { 0 };
	int status, bad;
	pid_t pid;

	(void)state;
	assert_int_equal(mproc_context_signal(ctx, SIGUSR1, on_signal, &g),
	    0);
	if ((pid = fork()) == 0) {
		raise(SIGUSR1);		/* wakes nobody */
		bad = mproc_context_new(NULL, NULL, &mine) != 0 ||
		    mproc_context_signal(mine, SIGUSR1, on_signal, &g) != 0;
		raise(SIGUSR1);
		bad |= mproc_context_dispatch(mine, BOUND_MS) != 1;
		mproc_context_free(mine);
		_exit(bad || g.n != 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_int_equal(g.n, 0);
	assert_null(mproc_context_free(ctx));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signal_refusals),
		cmocka_unit_test(test_signal_comes_and_goes),
		cmocka_unit_test(test_unsignal_in_its_callback),
		cmocka_unit_test(test_two_contexts_share_a_signal),
		cmocka_unit_test(test_no_room_for_more_signals),
		cmocka_unit_test(test_stop_in_a_signal_handler),
		cmocka_unit_test(test_stop_on_signals_without_processes),
		cmocka_unit_test(test_signals_race_with_contexts),
		cmocka_unit_test(test_signals_after_a_fork),
	};

	return TEST_RUN(tests);
}
