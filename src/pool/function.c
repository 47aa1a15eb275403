/*
 * function.c - plain functions: values side by side in a message.
 */
#include <stdlib.h>
#include <string.h>

#include <mproc/backend.h>
#include <mproc/function.h>

#include "pool/pool.h"

#define CHUNKS		4		/* a worker */
#define CHUNK_BYTES	(1 << 20)

/* The bytes lie anywhere in a message; a value wants its alignment. */
static void *
aligned_copy(const struct mproc_bytes *b)
{
	void *copy;

	if ((copy = malloc(b->size > 0 ? b->size : 1)) != NULL &&
	    b->size > 0)
		memcpy(copy, b->data, b->size);
	return copy;
}

int
mproc_function_serve(const struct mproc_function *fn, const void *args,
    struct mproc_request *req)
{
	const struct mproc__chunk_run *run = args;
	size_t n = run->values.size / fn->in_size, i;
	char *in, *out;
	int r = 0;

	if (run->values.size % fn->in_size != 0)
		return mproc_fail(req, -EINVAL, "%s takes values of %zu "
		    "bytes", fn->name, fn->in_size);
	in = aligned_copy(&run->values);
	out = calloc(n > 0 ? n : 1, fn->out_size);
	if (in == NULL || out == NULL)
		r = -ENOMEM;
	for (i = 0; i < n && r >= 0; i++)
		r = fn->call(in + i * fn->in_size, out + i * fn->out_size);
	if (r < 0 && i > 0)
		mproc_fail(req, r, "%s of value %lld: %s", fn->name,
		    (long long)(run->first + (int64_t)i - 1),
		    strerrordesc_np(-r) != NULL ? strerrordesc_np(-r) :
		    "error");
	else if (r >= 0)
		r = mproc_reply(req, mproc__chunk_done,
		    .values = { out, n * fn->out_size });
	free(in);
	free(out);
	return r;
}

struct work {
	const struct mproc_function *fn;
	struct mproc_pool *pool;
	const struct mproc_map_options *opt;
	const char	*in;
	char		*out;
	size_t		 n, chunk, chunks;
	struct mproc_future **f;
	struct mproc_progress progress;
	struct mproc__reporter reporter;
};

static size_t
chunk_size(struct mproc_pool *pool, const struct mproc_function *fn,
    size_t n)
{
	size_t size = fn->in_size > fn->out_size ? fn->in_size :
	    fn->out_size;
	struct mproc_pool_stats st;
	size_t parts, chunk;

	if (mproc_pool_stats(pool, &st) < 0)
		return 1;
	parts = CHUNKS * (size_t)st.configured;
	chunk = (n + parts - 1) / parts;
	if (size > 0 && chunk > CHUNK_BYTES / size)
		chunk = CHUNK_BYTES / size;
	return chunk > 0 ? chunk : 1;
}

static size_t
length_of(const struct work *w, size_t i)
{
	size_t left = w->n - i * w->chunk;

	return left < w->chunk ? left : w->chunk;
}

static int
hand_in(struct work *w, size_t i)
{
	struct mproc__chunk_run run = {
		.first = (int64_t)(i * w->chunk),
		.values = { w->in + i * w->chunk * w->fn->in_size,
		    length_of(w, i) * w->fn->in_size }
	};

	return mproc_pool_submit_typed(w->pool, -1, w->opt->job, &w->f[i],
	    MPROC_SCHEMA(mproc__chunk_run), &run);
}

static int
bring_in(struct work *w, size_t i)
{
	size_t size = length_of(w, i) * w->fn->out_size;
	const struct mproc__chunk_done *done;
	int r;

	if ((r = mproc_future_wait(w->f[i], -1)) < 0)
		return r;
	if ((r = mproc_future_result(w->f[i])) < 0)
		return mproc__err(r, "%s", mproc_future_errmsg(w->f[i]));
	done = mproc_args(mproc_future_reply(w->f[i]), mproc__chunk_done);
	if (done == NULL || done->values.size != size)
		return mproc__err(-EBADMSG, "%s: a reply of another size",
		    w->fn->name);
	if (size > 0)
		memcpy(w->out + i * w->chunk * w->fn->out_size,
		    done->values.data, size);
	return 0;
}

static void
report(struct work *w, size_t i, int code)
{
	w->progress.done += length_of(w, i);
	w->progress.failed += code < 0 ? length_of(w, i) : 0;
	mproc__pool_lock(w->pool);
	mproc__report(w->pool, &w->reporter, &w->progress,
	    i + 1 == w->chunks);
	mproc__pool_unlock(w->pool);
}

static int
run(struct work *w)
{
	size_t i, handed;
	int r = 0, first = 0;
	char text[200] = "";

	for (handed = 0; handed < w->chunks && r == 0; handed++)
		r = hand_in(w, handed);
	if (r < 0)
		return r;
	for (i = 0; i < w->chunks; i++) {
		if (first < 0 && w->opt->stop_on_error)
			(void)mproc_future_cancel_as(w->f[i],
			    MPROC_CANCEL_COOP);
		if ((r = bring_in(w, i)) < 0 && first == 0) {
			first = r;
			(void)strncpy(text, mproc_errmsg(NULL),
			    sizeof(text) - 1);
		}
		report(w, i, r);
		w->f[i] = mproc_future_free(w->f[i]);
	}
	return first < 0 ? mproc__err(first, "%s", text) : 0;
}

static int
in_chunks(struct work *w)
{
	size_t i;
	int r;

	w->chunk = chunk_size(w->pool, w->fn, w->n);
	w->chunks = (w->n + w->chunk - 1) / w->chunk;
	w->f = calloc(w->chunks, sizeof(struct mproc_future *));
	if (w->f == NULL)
		return -ENOMEM;
	r = run(w);
	for (i = 0; i < w->chunks; i++)
		mproc_future_free(w->f[i]);
	free(w->f);
	return r;
}

int
mproc_function_map_typed(struct mproc_pool *pool,
    const struct mproc_function *fn, const void *in, size_t n,
    const struct mproc_map_options *options, void *out)
{
	static const struct mproc_map_options none;
	struct work w = {
		.fn = fn, .in = in, .out = out, .n = n,
		.opt = options != NULL ? options : &none,
		.progress.total = n, .reporter.begun = mproc__now_ns()
	};
	int r;

	if (fn == NULL || (n > 0 && (in == NULL || out == NULL)))
		return mproc__err(-EINVAL, "no function or no values given");
	if (pool != NULL && mproc_pool_class_of(pool) != fn->cls)
		return mproc__err(-EINVAL, "pool %s is not of function %s",
		    mproc_pool_name(pool), fn->name);
	if (n == 0)
		return 0;
	if (pool == NULL && (r = mproc_pool_default(fn->cls, &pool)) < 0)
		return r;
	if ((r = mproc__pool_hold(pool)) < 0)
		return r;
	w.pool = pool;
	w.reporter.fn = w.opt->progress;
	w.reporter.arg = w.opt->progress_arg;
	r = in_chunks(&w);
	mproc__pool_let_go(pool);
	return r;
}
