/*
 * primes.c - a plain function on an array: how many primes are there below
 * 1,000,000, counted in a hundred ranges by all processors.
 *
 * What is between { and } of MPROC_FUNCTION() runs in other processes.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>

#include <mproc.h>

enum { PARTS = 100, LENGTH = 10000 };

struct range {
	int	from, to;
};

static int
is_prime(int n)
{
	int d;

	for (d = 2; d <= n / d; d++)
		if (n % d == 0)
			return 0;
	return n >= 2;
}

MPROC_FUNCTION(count_primes, struct range, int)
{
	int n;

	if (in->from > in->to)
		return -EDOM;
	for (n = in->from; n < in->to; n++)
		*out += is_prime(n);
	return 0;
}

int
main(int argc, char **argv)
{
	struct range ranges[PARTS];
	int counts[PARTS], i, sum = 0;

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	for (i = 0; i < PARTS; i++)
		ranges[i] = (struct range){ i * LENGTH, (i + 1) * LENGTH };
	if (mproc_map(count_primes, ranges, PARTS, counts) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	for (i = 0; i < PARTS; i++)
		sum += counts[i];
	printf("%d primes below %d\n", sum, PARTS * LENGTH);

	ranges[7].to = -1;		/* what fails is named */
	if (mproc_map(count_primes, ranges, PARTS, counts) < 0)
		printf("%s\n", mproc_errmsg(NULL));
	return mproc_pool_default_stop(1000) < 0;
}
