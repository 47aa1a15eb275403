/*
 * futures.c - jobs and their futures: which number below 1,000,000 has the
 * longest Collatz sequence?  Twenty jobs, each result as it comes.
 *
 * What processmanager's first examples show: submit, result, a job's error.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <mproc.h>

enum { JOBS = 20, LENGTH = 50000 };

MPROC_MESSAGE(collatz, longest, (uint64_t, from), (uint64_t, to));
MPROC_MESSAGE(collatz, found, (uint64_t, start), (int, steps));

struct collatz {
	struct mproc_backend base;
};

static int
steps_from(uint64_t n)
{
	int steps = 0;

	for (; n != 1; steps++)
		n = n % 2 == 0 ? n / 2 : 3 * n + 1;
	return steps;
}

/* Runs in a worker. */
MPROC_COMMAND(collatz, longest)
{
	uint64_t n, start = 0;
	int steps, most = -1;

	if (args->from == 0)
		return mproc_fail(req, -EDOM, "0 never comes to 1");
	for (n = args->from; n < args->to; n++) {
		if ((steps = steps_from(n)) > most) {
			most = steps;
			start = n;
		}
	}
	return mproc_reply(req, collatz_found, .start = start,
	    .steps = most);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(collatz, longest, "which number takes most steps?",
	    .reply = MPROC_SCHEMA(collatz_found)),
};
static const struct mproc_class collatz_class =
    MPROC_CLASS("Collatz", collatz, handlers);

int
main(int argc, char **argv)
{
	struct collatz_found best = { .steps = -1 };
	const struct collatz_found *found;
	struct mproc_future *f[JOBS];
	struct mproc_pool *pool;
	uint64_t from;
	int i;

	if (mproc_init(argc, argv) < 0 ||
	    mproc_pool_new(&collatz_class, NULL, &pool) < 0 ||
	    mproc_pool_start(pool) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	for (i = 0; i < JOBS; i++) {
		from = (uint64_t)i * LENGTH;
		if (mproc_pool_submit(pool, -1, &f[i], collatz_longest,
		    .from = from, .to = from + LENGTH) < 0)
			errx(1, "%s", mproc_errmsg(NULL));
	}
	for (i = 0; mproc_future_as_completed(f, JOBS, i, -1) == 0; i++) {
		found = mproc_args(mproc_future_reply(f[i]), collatz_found);
		if (found == NULL)
			printf("a job failed: %s\n",
			    mproc_future_errmsg(f[i]));
		else if (found->steps > best.steps)
			best = *found;
	}
	printf("%" PRIu64 " takes %d steps\n", best.start, best.steps);
	for (i = 0; i < JOBS; i++)
		mproc_future_free(f[i]);
	mproc_pool_free(pool);
	return 0;
}
