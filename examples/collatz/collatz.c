/*
 * collatz.c - the smallest number that takes so many steps to get to 1, where
 * n becomes n / 2 if it is even and 3 n + 1 if it is odd:
 *
 *	collatz steps
 *
 * Ranges of numbers are fed to the pool for as long as none was found.  Then
 * the workers are told, in the middle of their ranges, that they need not
 * look beyond it; what lies before it may still have a smaller one.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <mproc.h>

enum { RANGE = 20000 };

MPROC_MESSAGE(collatz, range, (uint64_t, from), (uint64_t, to),
    (int, steps));
MPROC_MESSAGE(collatz, found, (uint64_t, n), (int, steps));
MPROC_MESSAGE(collatz, enough, (uint64_t, n));

struct collatz {
	struct mproc_backend base;
	_Atomic uint64_t enough;	/* nothing beyond it; 0 not known */
};

static int
steps_of(uint64_t n)
{
	int steps;

	for (steps = 0; n > 1; steps++)
		n = n % 2 == 0 ? n / 2 : 3 * n + 1;
	return steps;
}

/* Runs in a worker: the first of the range, or 0. */
MPROC_COMMAND(collatz, range)
{
	uint64_t n, enough;
	int steps;

	for (n = args->from; n < args->to; n++) {
		enough = atomic_load(&self->enough);
		if (enough != 0 && n > enough)
			break;
		if ((steps = steps_of(n)) >= args->steps)
			return mproc_reply(req, collatz_found, .n = n,
			    .steps = steps);
	}
	return mproc_reply(req, collatz_found, .n = 0);
}

/* In a second thread of the worker, at once. */
MPROC_COMMAND(collatz, enough)
{
	atomic_store(&self->enough, args->n);
	return 0;
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(collatz, range, "the first that takes so many steps",
	    .reply = MPROC_SCHEMA(collatz_found)),
	MPROC_HANDLER(collatz, enough, "look no further", .urgent = true),
};
static const struct mproc_class collatz_class =
    MPROC_CLASS("Collatz", collatz, handlers);

struct search {
	int	 steps;
	uint64_t next;
	struct collatz_found best;
};

/* The source: called when there is room for a job. */
static int
next_range(void *arg, struct mproc_msg **ret_msg)
{
	struct search *s = arg;
	int r;

	if (s->best.n != 0)
		return 0;		/* no more */
	if ((r = mproc_msg_new("range", ret_msg)) < 0)
		return r;
	if ((r = mproc_msg_set(*ret_msg, "from", s->next)) < 0 ||
	    (r = mproc_msg_set(*ret_msg, "to", s->next + RANGE)) < 0 ||
	    (r = mproc_msg_set(*ret_msg, "steps", s->steps)) < 0) {
		*ret_msg = mproc_msg_free(*ret_msg);
		return r;
	}
	s->next += RANGE;
	return 1;
}

static int
search(struct mproc_pool *pool, struct search *s)
{
	const struct collatz_found *found;
	struct mproc_result result;
	int r;

	if ((r = mproc_pool_feed(pool, next_range, s, NULL)) < 0)
		return r;
	while ((r = mproc_pool_get(pool, -1, &result)) == 1) {
		found = mproc_args(result.reply, collatz_found);
		if (found == NULL)
			errx(1, "%s", result.text);
		if (found->n != 0 && (s->best.n == 0 || found->n <
		    s->best.n)) {
			s->best = *found;
			/* saves work; without it the result is the same */
			(void)mproc_pool_notify(pool, 0, collatz_enough,
			    .n = s->best.n);
		}
		mproc_msg_free(result.reply);
	}
	return r == -ENODATA ? 0 : r;	/* all results were got */
}

int
main(int argc, char **argv)
{
	MPROC_SCOPED_POOL struct mproc_pool *pool = NULL;
	struct search s = { .next = 1 };

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	s.steps = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 500;
	if (mproc_pool_new(&collatz_class, NULL, &pool) < 0 ||
	    mproc_pool_start(pool) < 0 || search(pool, &s) < 0) {
		warnx("%s", mproc_errmsg(NULL));
		return 1;
	}
	printf("%" PRIu64 " takes %d steps\n", s.best.n, s.best.steps);
	return 0;
}
