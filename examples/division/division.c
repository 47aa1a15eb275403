/*
 * division.c - put and get: jobs go in on one side, results come out on the
 * other, here in the order of the jobs, and the ones that failed at their
 * places.
 *
 * What PoolManager of better.multiprocessing shows: put, get, data that each
 * worker gets once, an error with its index, log records in the main process.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>

#include <mproc.h>

MPROC_MESSAGE(division, start, (int, dividend));
MPROC_MESSAGE(division, by, (int, divisor));
MPROC_MESSAGE(division, result, (int, quotient));

struct division {
	struct mproc_backend	base;
	int			dividend;
};

static int
take_dividend(struct mproc_backend *base)
{
	const struct division_start *args =
	    mproc_start_args(base, division_start);

	if (args == NULL)
		return -EINVAL;
	MPROC_SELF(division, base)->dividend = args->dividend;
	return 0;
}

/* Runs in a worker. */
MPROC_COMMAND(division, by)
{
	if (args->divisor == 0) {
		mproc_log(&self->base, MPROC_WARNING, "divided by zero");
		return mproc_fail(req, -EDOM, "%d cannot be divided by 0",
		    self->dividend);
	}
	return mproc_reply(req, division_result,
	    .quotient = self->dividend / args->divisor);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(division, by, "divide",
	    .reply = MPROC_SCHEMA(division_result)),
};
static const struct mproc_class division_class = MPROC_CLASS("Division",
    division, handlers, .pre_run = take_dividend);

static int records;

static void
on_record(const struct mproc_log_record *record, void *arg)
{
	(void)record;
	(void)arg;
	records++;
}

int
main(int argc, char **argv)
{
	const struct division_result *result;
	struct mproc_pool *pool;
	struct mproc_result r;
	int i;

	if (mproc_init(argc, argv) < 0 || mproc_pool_new(&division_class,
	    &(struct mproc_pool_options){ .ordered = true, .queue_jobs = 10,
	    .process.args = MPROC_PACK(division_start, .dividend = 60) },
	    &pool) < 0 || mproc_pool_log_capture(pool, "Division",
	    &(struct mproc_sink){ .kind = MPROC_SINK_CALLBACK,
	    .fn = on_record }, false) < 0 ||
	    mproc_pool_start(pool) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	for (i = -2; i <= 3; i++)
		if (mproc_pool_put(pool, -1, division_by, .divisor = i) < 0)
			errx(1, "%s", mproc_errmsg(NULL));
	while (mproc_pool_get(pool, -1, &r) == 1) {
		result = mproc_args(r.reply, division_result);
		if (result != NULL)
			printf("job %d: %d\n", (int)r.index,
			    result->quotient);
		else
			printf("job %d failed: %s\n", (int)r.index, r.text);
		mproc_msg_free(r.reply);
	}
	/* in order: all that the workers logged is here then */
	if (mproc_pool_close(pool) < 0 || mproc_pool_join(pool, -1) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	mproc_pool_free(pool);
	printf("%d log records came in\n", records);
	return 0;
}
