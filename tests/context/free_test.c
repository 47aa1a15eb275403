/*
 * A process that is freed while it is in a context.
 */
#include "test.h"

#include <errno.h>
#include <signal.h>

#include <mproc.h>

#include "help.h"
#include "../process/probe.h"

struct seen {
	struct mproc_context *ctx;
	struct mproc *p;	/* to be freed */
	int	calls;
	int	late;		/* messages of one that was freed */
	int	signal;		/* as its death says after that */
};

static struct mproc *
started(void)
{
	struct mproc *p;

	assert_int_equal(mproc_new(&probe_class, NULL, &p), 0);
	assert_int_equal(mproc_start(p), 0);
	return p;
}

static void
until_called(const struct seen *s)
{
	int64_t end = test_now_ms() + BOUND_MS;

	while (s->calls == 0 && test_now_ms() < end)
		assert_true(mproc_context_dispatch(s->ctx, 100) >= 0);
	assert_int_equal(s->calls, 1);
	assert_int_equal(mproc_context_dispatch(s->ctx, 20), 0);
	assert_int_equal(s->calls, 1);
	assert_int_equal(s->late, 0);
}

static void
free_in_message(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	struct seen *s = arg;

	assert_non_null(mproc_args(msg, probe_item));
	s->calls++;
	assert_null(mproc_free(p));
	assert_int_equal(mproc_context_remove(s->ctx, p), -ENOENT);
	assert_non_null(mproc_args(msg, probe_item));
}

static void
free_in_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	assert_null(mproc_free(p));
	s->signal = death->signal;
}

static void
free_in_ping_timeout(struct mproc *p, int silent_ms, void *arg)
{
	struct seen *s = arg;

	assert_true(silent_ms > 0);
	s->calls++;
	assert_int_equal(mproc_kill(p), 0);
	assert_null(mproc_free(p));
}

static void
count_late(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	struct seen *s = arg;

	(void)p;
	(void)msg;
	if (s->calls > 0)
		s->late++;
}

static void
free_it(struct mproc_context *ctx, void *arg)
{
	struct seen *s = arg;

	assert_ptr_equal(mproc_context_of(s->p), ctx);
	s->calls++;
	assert_null(mproc_free(s->p));
}

static void
vk49_freed_in_its_on_message(void **state)
{
	struct seen s = { .ctx = ctx_make(), .p = started() };

	(void)state;
	assert_int_equal(mproc_context_add(s.ctx, s.p, free_in_message, &s),
	    0);
	assert_int_equal(mproc_call(s.p, BOUND_MS, NULL, probe_emit,
	    .count = 5), 0);
	until_called(&s);
	assert_null(mproc_context_free(s.ctx));
}

static void
vk49_freed_in_its_on_death(void **state)
{
	struct seen s = { .ctx = ctx_make(), .p = started() };

	(void)state;
	assert_int_equal(mproc_context_add(s.ctx, s.p, NULL, NULL), 0);
	assert_int_equal(mproc_context_supervise(s.ctx, s.p,
	    &(struct mproc_supervision){ .on_death = free_in_death,
	    .arg = &s }), 0);
	assert_int_equal(mproc_send(s.p, probe_die, .sig = SIGSEGV), 0);
	until_called(&s);
	assert_int_equal(s.signal, SIGSEGV);
	assert_null(mproc_context_free(s.ctx));
}

static void
vk49_freed_in_its_on_ping_timeout(void **state)
{
	struct seen s = { .ctx = ctx_make(), .p = started() };

	(void)state;
	assert_int_equal(mproc_context_add(s.ctx, s.p, NULL, NULL), 0);
	assert_int_equal(mproc_context_supervise(s.ctx, s.p,
	    &(struct mproc_supervision){ .ping_interval_ms = 5,
	    .on_ping_timeout = free_in_ping_timeout, .arg = &s }), 0);
	assert_int_equal(mproc_send(s.p, probe_spin, .going = false), 0);
	until_called(&s);
	assert_null(mproc_context_free(s.ctx));
}

/* Its messages are there already, in the same round. */
static void
vk49_freed_in_a_timer(void **state)
{
	struct seen s = { .ctx = ctx_make(), .p = started() };
	struct mproc *other = started();

	(void)state;
	assert_int_equal(mproc_context_add(s.ctx, s.p, count_late, &s), 0);
	assert_int_equal(mproc_context_add(s.ctx, other, NULL, NULL), 0);
	assert_int_equal(mproc_call(s.p, BOUND_MS, NULL, probe_emit,
	    .count = 200), 0);
	assert_true(mproc_context_timer(s.ctx, 0, 0, free_it, &s) > 0);
	until_called(&s);
	/* the others are still looked after, to the end */
	assert_int_equal(mproc_context_stop(s.ctx), 0);
	ctx_run(s.ctx);
	assert_int_equal(mproc_status(other), MPROC_STATUS_DEAD);
	assert_null(mproc_context_free(s.ctx));
	mproc_free(other);
}

/* Not in a callback: before the context runs, and one that never does. */
static void
vk49_freed_before_the_run(void **state)
{
	struct seen s = { .ctx = ctx_make() };
	struct mproc *p = started(), *q = started();

	(void)state;
	assert_int_equal(mproc_context_add(s.ctx, p, NULL, NULL), 0);
	assert_int_equal(mproc_context_add(s.ctx, q, NULL, NULL), 0);
	mproc_free(p);
	assert_int_equal(mproc_context_remove(s.ctx, p), -ENOENT);
	assert_null(mproc_context_free(s.ctx));
	assert_null(mproc_context_of(q));
	mproc_free(q);
}

static struct seen starting;

static int
add_two(struct mproc_context *ctx, void *arg)
{
	struct mproc **other = arg;

	assert_int_equal(mproc_new(&probe_class, NULL, &starting.p), 0);
	assert_int_equal(mproc_context_add(ctx, starting.p, NULL, NULL), 0);
	assert_int_equal(mproc_new(&probe_class, NULL, other), 0);
	assert_int_equal(mproc_context_add(ctx, *other, NULL, NULL), 0);
	return raise(SIGUSR1);
}

static void
free_on_signal(struct mproc_context *ctx, int signo, void *arg)
{
	(void)signo;
	free_it(ctx, arg);
}

static int
look_at_other(struct mproc_context *ctx, void *arg)
{
	struct mproc **other = arg;

	assert_int_equal(starting.calls, 1);
	assert_int_equal(mproc_status(*other), MPROC_STATUS_RUNNING);
	return mproc_context_stop(ctx);
}

/* The signal's callback frees the process whose turn it is to be started. */
static void
vk49_freed_during_the_start(void **state)
{
	static const struct mproc_app app = {
		.start_processes = add_two, .start_threads = look_at_other
	};
	struct mproc_context *ctx;
	struct mproc *other;

	(void)state;
	assert_int_equal(mproc_context_new(&app, &other, &ctx), 0);
	assert_int_equal(mproc_context_signal(ctx, SIGUSR1, free_on_signal,
	    &starting), 0);
	ctx_run(ctx);
	assert_null(mproc_context_free(ctx));
	mproc_free(other);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk49_freed_in_its_on_message),
		cmocka_unit_test(vk49_freed_in_its_on_death),
		cmocka_unit_test(vk49_freed_in_its_on_ping_timeout),
		cmocka_unit_test(vk49_freed_in_a_timer),
		cmocka_unit_test(vk49_freed_before_the_run),
		cmocka_unit_test(vk49_freed_during_the_start),
	};

	return TEST_RUN(tests);
}
