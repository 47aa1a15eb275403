/*
 * broken.c - calls that go wrong, and a program that goes on: a loop without
 * end is killed, a crash is told, and what comes after finds good workers.
 *
 * What trio-parallel's examples show: forceful cancellation, BrokenWorker-
 * Error, workers that are used once.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* sigabbrev_np(3) */
#endif
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mproc.h>

MPROC_MESSAGE(broken, loop);
MPROC_MESSAGE(broken, crash);
MPROC_MESSAGE(broken, work);

struct broken {
	struct mproc_backend base;
};

MPROC_COMMAND(broken, loop)
{
	volatile bool for_ever = true;

	while (for_ever)
		;
	return 0;
}

MPROC_COMMAND(broken, crash)
{
	signal(SIGSEGV, SIG_DFL);
	return raise(SIGSEGV);
}

MPROC_COMMAND(broken, work)
{
	return 0;
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(broken, loop, "never ends"),
	MPROC_HANDLER(broken, crash, "dies"),
	MPROC_HANDLER(broken, work, "does what it should"),
};
static const struct mproc_class broken_class =
    MPROC_CLASS("Broken", broken, handlers);

static int
check(int r)
{
	if (r < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	return r;
}

/* Wait for a job and say how it ended. */
static void
report(const char *what, struct mproc_future *f)
{
	const struct mproc_death *death;
	int code;

	check(mproc_future_wait(f, -1));
	code = mproc_future_result(f);
	death = mproc_future_death(f);
	printf("%s: %s%s%s\n", what, code < 0 ? mproc_errname(code) : "ok",
	    death != NULL ? ", killed by SIG" : "",
	    death != NULL ? sigabbrev_np(death->signal) : "");
	mproc_future_free(f);
}

int
main(int argc, char **argv)
{
	struct mproc_future *f, *other;
	struct mproc_pool_stats stats;
	struct mproc_pool *pool;
	int i;

	check(mproc_init(argc, argv));
	check(mproc_pool_new(&broken_class, &(struct mproc_pool_options){
	    .workers = 2, .timeout_ms = 5000 }, &pool));
	check(mproc_pool_start(pool));
	check(mproc_pool_submit(pool, -1, &f, broken_loop));
	check(mproc_pool_submit(pool, -1, &other, broken_crash));
	report("a crash", other);
	check(mproc_future_cancel_as(f, MPROC_CANCEL_KILL));
	report("a loop that was canceled", f);
	check(mproc_pool_submit_job(pool, -1, &(struct mproc_job){
	    .timeout_ms = 100 }, &f, broken_loop));
	report("a loop of more than 100 ms", f);
	check(mproc_pool_submit(pool, -1, &f, broken_work));
	report("the next job", f);
	mproc_pool_free(pool);

	check(mproc_pool_new(&broken_class, &(struct mproc_pool_options){
	    .workers = 1, .max_jobs = 1 }, &pool));
	check(mproc_pool_start(pool));
	for (i = 0; i < 3; i++)
		check(mproc_pool_call(pool, 5000, NULL, broken_work));
	check(mproc_pool_stop(pool, 5000));
	check(mproc_pool_stats(pool, &stats));
	printf("%d jobs by workers that are used once: %s\n", i,
	    stats.started >= 3 ? "three workers or more" : "too few");
	mproc_pool_free(pool);
	return 0;
}
