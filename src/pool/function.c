/*
 * function.c - plain functions: values side by side in a message.
 */
#include <stdlib.h>
#include <string.h>

#include <mproc/function.h>

#include "pool/pool.h"
#include "process/backend.h"

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

struct work {
	const struct mproc_function *fn;
	char		*in, *out;
	size_t		 n;
	int32_t		*codes;		/* once one has failed */
};

static int
note_code(struct work *w, size_t i, int code)
{
	if (w->codes == NULL &&
	    (w->codes = calloc(w->n, sizeof(*w->codes))) == NULL)
		return -ENOMEM;
	w->codes[i] = code;
	return 0;
}

/*
 * Until the frontend wants back what is done; of that there is always some.
 * Returns how many values.
 */
static int64_t
work(struct work *w, const struct mproc_request *req, int64_t first)
{
	size_t i;
	int code, r = 0;

	for (i = 0; i < w->n && r == 0; i++) {
		if (i > 0 && mproc__is_canceled(req))
			break;
		mproc__say_value(req, (uint64_t)first + i + 1);
		code = w->fn->call(w->in + i * w->fn->in_size,
		    w->out + i * w->fn->out_size);
		if (code < 0)
			r = note_code(w, i, code);
	}
	return r < 0 ? r : (int64_t)i;
}

static int
answer(const struct work *w, struct mproc_request *req, int64_t count)
{
	struct mproc_bytes codes = { .data = NULL };

	if (w->codes != NULL)
		codes = (struct mproc_bytes){ w->codes,
		    (size_t)count * sizeof(*w->codes) };
	return mproc_reply(req, mproc__chunk_done, .count = count,
	    .values = { w->out, (size_t)count * w->fn->out_size },
	    .codes = codes);
}

int
mproc_function_serve(const struct mproc_function *fn, const void *args,
    struct mproc_request *req)
{
	const struct mproc__chunk_run *run = args;
	struct work w = { .fn = fn };
	int64_t r = -ENOMEM;

	if (fn->in_size == 0 || run->values.size == 0 ||
	    run->values.size % fn->in_size != 0)
		return mproc_fail(req, -EINVAL, "%s takes values of %zu "
		    "bytes", fn->name, fn->in_size);
	w.n = run->values.size / fn->in_size;
	w.in = aligned_copy(&run->values);
	w.out = calloc(w.n, fn->out_size > 0 ? fn->out_size : 1);
	if (w.in != NULL && w.out != NULL)
		r = work(&w, req, run->first);
	if (r >= 0)
		r = answer(&w, req, r);
	mproc__say_value(req, 0);
	free(w.in);
	free(w.out);
	free(w.codes);
	return (int)r;
}

int
mproc_function_map_typed(struct mproc_pool *pool,
    const struct mproc_function *fn, const void *in, size_t n,
    const struct mproc_map_options *options, void *out)
{
	int r;

	if (fn == NULL || (n > 0 && (in == NULL || out == NULL)))
		return mproc__err(-EINVAL, "no function or no values given");
	if (fn->in_size == 0)
		return mproc__err(-EINVAL, "function %s: its values have no "
		    "size", fn->name);
	if (pool != NULL && mproc_pool_class_of(pool) != fn->cls)
		return mproc__err(-EINVAL, "pool %s is not of function %s",
		    mproc_pool_name(pool), fn->name);
	if (n == 0)
		return 0;
	if (pool == NULL && (r = mproc_pool_default(fn->cls, &pool)) < 0)
		return r;
	return mproc__map_values(pool, fn, in, n, options, out);
}
