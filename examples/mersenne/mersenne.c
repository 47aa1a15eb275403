/*
 * mersenne.c - a pipeline: numbers go into one pool, those that are prime on
 * into a second one, which finds p such that 2^p - 1 is prime, too.
 *
 * No more than WINDOW numbers are under way, so a slow second stage holds up
 * the source, and a limiter of two tokens serves both pools: never do more
 * jobs run.  What trio-parallel's pipeline example shows.
 */
#include <err.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>

#include <mproc.h>

enum { WINDOW = 8, LAST = 61 };

MPROC_MESSAGE(sieve, prime, (int, p));
MPROC_MESSAGE(sieve, mersenne, (int, p));
MPROC_MESSAGE(sieve, passed, (int, p));		/* 0: it is none */

struct sieve {
	struct mproc_backend base;
};

MPROC_COMMAND(sieve, prime)
{
	int d, p = args->p;

	for (d = 2; d < p; d++)
		if (p % d == 0)
			return mproc_reply(req, sieve_passed);
	return mproc_reply(req, sieve_passed, .p = p);
}

/* The test of Lucas and Lehmer. */
MPROC_COMMAND(sieve, mersenne)
{
	uint64_t m = ((uint64_t)1 << args->p) - 1, s = 4;
	int i;

	for (i = 0; i < args->p - 2; i++)
		s = (uint64_t)(((__uint128_t)s * s + m - 2) % m);
	return mproc_reply(req, sieve_passed, .p = s == 0 ? args->p : 0);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(sieve, prime, "passes p if it is prime",
	    .reply = MPROC_SCHEMA(sieve_passed)),
	MPROC_HANDLER(sieve, mersenne, "passes p if 2^p - 1 is prime",
	    .reply = MPROC_SCHEMA(sieve_passed)),
};
static const struct mproc_class sieve_class =
    MPROC_CLASS("Sieve", sieve, handlers);

static int under_way;

static int
check(int r)
{
	if (r < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	return r;
}

/* From the source into the first stage. */
static void
feed(struct mproc_pool *first)
{
	static int next = 3;

	for (; next <= LAST && under_way < WINDOW; next += 2, under_way++)
		check(mproc_pool_put(first, 0, sieve_prime, .p = next));
}

/* Did a number come out of a stage?  It is 0 if it did not pass. */
static bool
get(struct mproc_pool *stage, int *p)
{
	const struct sieve_passed *passed;
	struct mproc_result result;

	if (mproc_pool_get(stage, 0, &result) != 1)
		return false;
	if ((passed = mproc_args(result.reply, sieve_passed)) == NULL)
		errx(1, "%s", result.text);
	*p = passed->p;
	mproc_msg_free(result.reply);
	if (*p == 0)
		under_way--;
	return true;
}

int
main(int argc, char **argv)
{
	struct mproc_pool_options options = { .workers = 2,
	    .queue_jobs = WINDOW, .ordered = true };
	struct mproc_pool *first, *second;
	struct pollfd fds[2];
	int p;

	check(mproc_init(argc, argv));
	check(mproc_limiter_new(2, &options.limiter));
	check(mproc_pool_new(&sieve_class, &options, &first));
	check(mproc_pool_new(&sieve_class, &options, &second));
	check(mproc_pool_start(first));
	check(mproc_pool_start(second));
	fds[0] = (struct pollfd){ mproc_pool_fd(first), POLLIN, 0 };
	fds[1] = (struct pollfd){ mproc_pool_fd(second), POLLIN, 0 };
	for (feed(first); under_way > 0; feed(first)) {
		check(mproc_poll(fds, 2, -1));
		while (get(first, &p))
			if (p > 0)
				check(mproc_pool_put(second, 0,
				    sieve_mersenne, .p = p));
		while (get(second, &p)) {
			if (p > 0) {
				printf("2^%d - 1 is prime\n", p);
				under_way--;
			}
		}
	}
	mproc_pool_free(first);
	mproc_pool_free(second);
	mproc_limiter_free(options.limiter);
	return 0;
}
