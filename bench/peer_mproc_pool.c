/*
 * peer_mproc_pool.c - a pool of mproc: jobs with put and get or with futures,
 * and a plain function over an array.
 */
#include <errno.h>
#include <stdbool.h>

#include "peer_mproc.h"

MPROC_MESSAGE(number, square, (int64_t, n));
MPROC_MESSAGE(number, squared, (int64_t, n));

struct number {
	struct mproc_backend base;
};

MPROC_COMMAND(number, square)
{
	return mproc_reply(req, number_squared, .n = args->n * args->n);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(number, square, "square a number",
	    .reply = MPROC_SCHEMA(number_squared)),
};
static const struct mproc_class number_class =
    MPROC_CLASS("Number", number, handlers);

MPROC_FUNCTION(square, int64_t, int64_t)
{
	*out = *in * *in;
	return 0;
}

static struct mproc_pool *pool;
static struct mproc_future *futures[PEER_JOBS];
static uint64_t n_put, n_got;
static bool with_futures;

static int
pool_open(int workers, enum peer_jobs jobs)
{
	int r;

	with_futures = jobs == PEER_FUTURES;
	r = mproc_pool_new(jobs == PEER_MAP ? MPROC_FUNCTION_CLASS(square) :
	    &number_class, &(struct mproc_pool_options){ .process = options,
	    .workers = workers, .queue_jobs = PEER_JOBS }, &pool);
	if (r == 0)
		r = mproc_pool_start(pool);
	return r < 0 ? mproc_fault("mproc_pool_start", r) : 0;
}

static int
pool_put(int64_t n)
{
	int r;

	if (with_futures)
		r = mproc_pool_submit(pool, SOON,
		    &futures[n_put++ % PEER_JOBS], number_square, .n = n);
	else
		r = mproc_pool_put(pool, SOON, number_square, .n = n);
	return r < 0 ? mproc_fault("put", r) : 0;
}

static int
read_square(struct mproc_msg *reply, int64_t *ret_n)
{
	const struct number_squared *squared =
	    mproc_args(reply, number_squared);

	if (squared == NULL)
		return -EPROTO;
	*ret_n = squared->n;
	return 0;
}

static int
pool_get(int64_t *ret_n)
{
	struct mproc_result result;
	struct mproc_future *f;
	int r;

	if (with_futures) {
		f = futures[n_got++ % PEER_JOBS];
		if ((r = mproc_future_wait(f, SOON)) == 0 &&
		    (r = mproc_future_result(f)) == 0)
			r = read_square(mproc_future_reply(f), ret_n);
		mproc_future_free(f);
	} else if ((r = mproc_pool_get(pool, SOON, &result)) > 0) {
		r = result.code < 0 ? result.code :
		    read_square(result.reply, ret_n);
		mproc_msg_free(result.reply);
	}
	return r < 0 ? mproc_fault("get", r) : 0;
}

static int
pool_map(const int64_t *in, size_t n, int64_t *out)
{
	int r = mproc_function_map(pool, square, in, n, NULL, out);

	return r < 0 ? mproc_fault("mproc_function_map", r) : 0;
}

const struct peer_pool mproc_pool_peer = {
	.open = pool_open, .put = pool_put, .get = pool_get, .map = pool_map,
};

void
close_pool(void)
{
	pool = mproc_pool_free(pool);
}
