/*
 * peer_pool.c - the works of a pool, over any transport that has one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

static int
put_until(const struct peer_pool *pool, int64_t *n, int64_t to)
{
	int r = 0;

	while (r == 0 && *n < to)
		r = pool->put((*n)++);
	return r;
}

static int
get_until(const struct peer_pool *pool, int64_t *n, int64_t to,
    uint64_t *sum)
{
	int64_t square;
	int r = 0;

	while (r == 0 && *n < to && (r = pool->get(&square)) == 0) {
		*sum += (uint64_t)square;
		++*n;
	}
	return r;
}

/* Between half of PEER_JOBS and all of it are under way, all the time. */
static int
jobs(const struct peer_pool *pool, double seconds)
{
	int64_t in = 0, out = 0, t, end, i;
	uint64_t sum = 0;
	int r;

	if ((r = put_until(pool, &in, PEER_JOBS)) < 0 ||
	    (r = get_until(pool, &out, in, &sum)) < 0)
		return r;		/* all are warm */
	t = now_ns();
	end = t + (int64_t)(seconds * 1e9);
	do {
		if ((r = put_until(pool, &in, out + PEER_JOBS)) < 0 ||
		    (r = get_until(pool, &out, in - PEER_JOBS / 2, &sum)) < 0)
			return r;
	} while (now_ns() < end);
	if ((r = get_until(pool, &out, in, &sum)) < 0)
		return r;
	t = now_ns() - t;
	for (i = 0; i < in; i++)
		sum -= (uint64_t)(i * i);
	if (sum != 0)
		return peer_fault("wrong results", -EPROTO);
	printf("%.0f\n", (double)(in - PEER_JOBS) / ((double)t / 1e9));
	return 0;
}

static int
map_for(const struct peer_pool *pool, const int64_t *in, int64_t *out,
    double seconds)
{
	int64_t t, end, n = 0, i;
	int r;

	if ((r = pool->map(in, PEER_ITEMS / 100, out)) < 0)
		return r;
	t = now_ns();
	end = t + (int64_t)(seconds * 1e9);
	do {
		if ((r = pool->map(in, PEER_ITEMS, out)) < 0)
			return r;
		n += PEER_ITEMS;
	} while (now_ns() < end);
	t = now_ns() - t;
	for (i = 0; i < PEER_ITEMS; i++)
		if (out[i] != in[i] * in[i])
			return peer_fault("wrong results", -EPROTO);
	printf("%.0f\n", (double)n / ((double)t / 1e9));
	return 0;
}

static int
maps(const struct peer_pool *pool, double seconds)
{
	int64_t *in = calloc(PEER_ITEMS, sizeof(*in)), i;
	int64_t *out = calloc(PEER_ITEMS, sizeof(*out));
	int r = -ENOMEM;

	if (in != NULL && out != NULL) {
		for (i = 0; i < PEER_ITEMS; i++)
			in[i] = i;
		r = map_for(pool, in, out, seconds);
	}
	free(in);
	free(out);
	return r;
}

int
work_jobs(const struct peer_pool *pool, enum peer_jobs which, long workers,
    double seconds)
{
	int r = pool->open((int)workers, which);

	if (r < 0)
		return r;
	return which == PEER_MAP ? maps(pool, seconds) : jobs(pool, seconds);
}
