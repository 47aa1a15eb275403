/*
 * Why a context ended: failures with their words, the signal, deaths; and
 * how a callback finds its context.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <mproc.h>

#include "help.h"
#include "../process/probe.h"

struct app {
	struct mproc *p[2];
	struct mproc_context *seen;	/* by a callback */
	struct mproc_options opt;	/* of the second */
	int	deaths, own_deaths;
	int	fail;			/* of start_processes, said so */
	bool	killed;
};

static void
on_message(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	struct app *app = arg;

	(void)msg;
	app->seen = mproc_context_of(p);
	(void)mproc_context_fail(app->seen, -EDOM, "%s sent %d", "it", 7);
	(void)mproc_context_fail(app->seen, -EBUSY, "too late");
	(void)mproc_context_stop(app->seen);
}

static int
start_two(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;
	int i, r;

	for (i = 0; i < 2; i++)
		if ((r = mproc_new(&probe_class, i == 1 ? &app->opt : NULL,
		    &app->p[i])) < 0 || (r = mproc_context_add(ctx,
		    app->p[i], on_message, app)) < 0)
			return r;
	if (app->fail != 0)
		return mproc_context_fail(ctx, app->fail, "no %s", "luck");
	return 0;
}

static int
make_it_send(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;

	(void)ctx;
	return mproc_send(app->p[0], probe_emit, .count = 1);
}

static int
kill_the_first(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;

	(void)ctx;
	app->killed = true;
	return mproc_send(app->p[0], probe_die, .sig = SIGKILL);
}

static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct app *app = arg;

	app->deaths++;
	if (death->signal != 0)
		(void)mproc_context_fail(mproc_context_of(p), -EPIPE,
		    "%s died", mproc_name(p));
}

static void
own_on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct app *app = arg;

	(void)p;
	(void)death;
	app->own_deaths++;
}

static void
free_both(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;

	assert_null(mproc_context_of(app->p[0]));
	assert_true(!mproc_context_going(ctx));
	mproc_free(app->p[0]);
	mproc_free(app->p[1]);
}

static const struct mproc_app sending = {
	.start_processes = start_two, .start_threads = make_it_send,
	.close = free_both
};

/* All three ways to run give the code and the words. */
static void
a_callback_fails_the_context(void **state)
{
	struct mproc_context *ctx;
	struct app app;
	int way, r = 0;

	(void)state;
	for (way = 0; way < 3; way++) {
		app = (struct app){ .fail = 0 };
		assert_int_equal(mproc_context_new(&sending, &app, &ctx), 0);
		if (way == 0)
			r = mproc_context_run(ctx);
		else if (way == 1)
			while ((r = mproc_context_dispatch(ctx, BOUND_MS)) >=
			    0)
				;
		else if ((r = mproc_context_run_as_thread(ctx)) == 0) {
			while (mproc_context_going(ctx))
				sched_yield();
			r = mproc_context_stop_thread(ctx, BOUND_MS);
		}
		assert_int_equal(r, -EDOM);
		assert_string_equal(mproc_errmsg(NULL), "it sent 7");
		assert_ptr_equal(app.seen, ctx);
		assert_int_equal(mproc_context_stop_signal(ctx), 0);
		assert_null(mproc_context_free(ctx));
	}
}

/* Not what the stop of the others says meanwhile. */
static void
a_start_that_fails_keeps_its_words(void **state)
{
	static const struct mproc_app hooks = {
		.start_processes = start_two, .close = free_both
	};
	struct mproc_context *ctx;
	struct app app = { .opt = { .name = "second",
	    .args = MPROC_PACK(probe_start, .fail = -EDOM) } };

	(void)state;
	assert_int_equal(mproc_context_new(&hooks, &app, &ctx), 0);
	assert_int_equal(mproc_context_run(ctx), -EDOM);
	assert_non_null(strstr(mproc_errmsg(NULL), "second did not start"));
	assert_null(mproc_context_free(ctx));

	app = (struct app){ .fail = -EXDEV };
	assert_int_equal(mproc_context_new(&hooks, &app, &ctx), 0);
	assert_int_equal(mproc_context_run(ctx), -EXDEV);
	assert_string_equal(mproc_errmsg(NULL), "no luck");
	assert_null(mproc_context_free(ctx));
}

static void
fail_before_and_after(void **state)
{
	struct mproc_context *ctx = ctx_make();

	(void)state;
	assert_int_equal(mproc_context_fail(NULL, -EDOM, "x"), -EINVAL);
	assert_int_equal(mproc_context_fail(ctx, 3, "before"), -EINVAL);
	assert_int_equal(mproc_context_run(ctx), -EINVAL);
	assert_string_equal(mproc_errmsg(NULL), "before");
	assert_null(mproc_context_free(ctx));

	ctx = ctx_make();	/* an end in order stays one */
	assert_int_equal(mproc_context_stop(ctx), 0);
	assert_int_equal(mproc_context_fail(ctx, -EDOM, "late"), -EDOM);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_null(mproc_context_free(ctx));

	ctx = ctx_make();
	assert_int_equal(mproc_context_fail(ctx, -EDOM, "before"), -EDOM);
	assert_int_equal(mproc_context_run_as_thread(ctx), -EDOM);
	assert_int_equal(mproc_context_stop_thread(ctx, -1), -EDOM);
	assert_null(mproc_context_free(ctx));
}

static void *
fail_it(void *arg)
{
	(void)mproc_context_fail(arg, -EDOM, "from %s", "elsewhere");
	return NULL;
}

static void
another_thread_fails_the_context(void **state)
{
	struct mproc_context *ctx = ctx_make();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, fail_it, ctx), 0);
	assert_int_equal(mproc_context_run(ctx), -EDOM);
	assert_string_equal(mproc_errmsg(NULL), "from elsewhere");
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(mproc_context_free(ctx));
}

static void
deaths_of_the_app(void **state)
{
	static const struct mproc_app hooks = {
		.start_processes = start_two, .on_death = on_death,
		.start_threads = kill_the_first, .close = free_both
	};
	struct mproc_context *ctx;
	struct app app = { .opt = { .name = "other" } };

	(void)state;
	assert_int_equal(mproc_context_new(&hooks, &app, &ctx), 0);
	assert_int_equal(mproc_context_run(ctx), -EPIPE);
	assert_string_equal(mproc_errmsg(NULL), "Probe died");
	assert_int_equal(app.deaths, 2);	/* the other was stopped */
	assert_null(mproc_context_free(ctx));
}

static int
start_one_supervised(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;
	int r = start_two(ctx, arg);

	return r < 0 ? r : mproc_context_supervise(ctx, app->p[0],
	    &(struct mproc_supervision){ .on_death = own_on_death,
	    .arg = app });
}

static void
stop_it(struct mproc_context *ctx, void *arg)
{
	(void)arg;
	(void)mproc_context_stop(ctx);
}

static void
own_on_death_comes_first(void **state)
{
	static const struct mproc_app hooks = {
		.start_processes = start_one_supervised,
		.on_death = on_death, .close = free_both
	};
	struct mproc_context *ctx;
	struct app app = { .fail = 0 };

	(void)state;
	assert_int_equal(mproc_context_new(&hooks, &app, &ctx), 0);
	assert_true(mproc_context_timer(ctx, 0, 0, stop_it, NULL) > 0);
	assert_int_equal(mproc_context_run(ctx), 0);
	assert_int_equal(app.own_deaths, 1);
	assert_int_equal(app.deaths, 1);
	assert_null(mproc_context_free(ctx));
}

static void
the_context_of_a_process(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct mproc *p;

	(void)state;
	assert_null(mproc_context_of(NULL));
	assert_int_equal(mproc_new(&probe_class, NULL, &p), 0);
	assert_null(mproc_context_of(p));
	assert_int_equal(mproc_context_add(ctx, p, NULL, NULL), 0);
	assert_ptr_equal(mproc_context_of(p), ctx);
	assert_int_equal(mproc_context_remove(ctx, p), 0);
	assert_null(mproc_context_of(p));
	assert_int_equal(mproc_context_add(ctx, p, NULL, NULL), 0);
	/* in the wrong order, but nothing has run */
	mproc_free(p);
	assert_null(mproc_context_free(ctx));
}

static void
raise_it(struct mproc_context *ctx, void *arg)
{
	(void)ctx;
	(void)raise(*(int *)arg);
}

static void
the_signal_that_ended_it(void **state)
{
	static int stops[] = { SIGINT, SIGTERM };
	struct mproc_context *ctx;
	size_t i;

	(void)state;
	assert_int_equal(mproc_context_stop_signal(NULL), 0);
	for (i = 0; i < TEST_COUNT(stops); i++) {
		ctx = ctx_make();
		assert_int_equal(mproc_context_stop_on_signals(ctx), 0);
		assert_int_equal(mproc_context_stop_signal(ctx), 0);
		assert_true(mproc_context_timer(ctx, 0, 0, raise_it,
		    &stops[i]) > 0);
		ctx_run(ctx);
		assert_int_equal(mproc_context_stop_signal(ctx), stops[i]);
		assert_null(mproc_context_free(ctx));
	}
	/* stopped by the program first */
	ctx = ctx_make();
	assert_int_equal(mproc_context_stop_on_signals(ctx), 0);
	assert_int_equal(mproc_context_stop(ctx), 0);
	assert_int_equal(raise(SIGTERM), 0);
	ctx_run(ctx);
	assert_int_equal(mproc_context_stop_signal(ctx), 0);
	assert_null(mproc_context_free(ctx));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_callback_fails_the_context),
		cmocka_unit_test(a_start_that_fails_keeps_its_words),
		cmocka_unit_test(fail_before_and_after),
		cmocka_unit_test(another_thread_fails_the_context),
		cmocka_unit_test(deaths_of_the_app),
		cmocka_unit_test(own_on_death_comes_first),
		cmocka_unit_test(the_context_of_a_process),
		cmocka_unit_test(the_signal_that_ended_it),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
