/*
 * mproc/function.h - a plain function on many values at once, by a pool.
 *
 * Layer: services.  For whoever has one function and no wish for a class:
 *
 *	MPROC_FUNCTION(root, double, double)
 *	{
 *		*out = sqrt(*in);
 *		return *in < 0 ? -EDOM : 0;
 *	}
 *	...
 *	double in[1000], out[1000];
 *	mproc_map(root, in, 1000, out);
 *
 * The values are any type without pointers; they travel as they are in
 * memory, many in a message.  Behind a function there is a class of one
 * command: MPROC_FUNCTION_CLASS(root) may be given to mproc_pool_new().
 *
 * Also here: the default pools, which mproc_map() and others use when they
 * are given none, and scopes, in which other ones take their place.
 */
#ifndef MPROC_FUNCTION_H
#define MPROC_FUNCTION_H

#include <stddef.h>

#include <mproc/class.h>
#include <mproc/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What travels: values side by side, and what became of them. */
MPROC_MESSAGE(mproc__chunk, run, (int64_t, first),
    (struct mproc_bytes, values));
MPROC_MESSAGE(mproc__chunk, done, (int64_t, count),
    (struct mproc_bytes, values), (struct mproc_bytes, codes));
struct mproc__chunk { struct mproc_backend base; };

/*
 * struct mproc_function - what MPROC_FUNCTION() makes.
 *
 * @name      for errors
 * @cls       of one command
 * @in_size, @out_size  unit: bytes; of a value
 * @call      the function, without its types
 */
struct mproc_function {
	const char	*name;
	const struct mproc_class *cls;
	size_t		 in_size, out_size;
	int		(*call)(const void *in, void *out);
};

/*
 * mproc_function_serve - the handler of such a class: calls the function for
 * each value of a chunk, and replies with what it has when it is asked to.
 */
int mproc_function_serve(const struct mproc_function *fn, const void *args,
    struct mproc_request *req);

#ifndef __cplusplus
/*
 * MPROC_FUNCTION(name, in, out) - begins the definition of
 *
 *	static int name(const in *in, out *out)
 *
 * and all that a pool needs to call it.  It returns 0 or a negative errno.
 * `in` and `out` are types; *out is zeroed.  At file scope, C only.
 */
#define MPROC_FUNCTION(name_, in_, out_)				\
	typedef in_ mproc__in_##name_;					\
	typedef out_ mproc__out_##name_;				\
	static int name_(const in_ *in, out_ *out);			\
	static int							\
	mproc__call_##name_(const void *in, void *out)			\
	{								\
		return name_((const in_ *)in, (out_ *)out);		\
	}								\
	static const struct mproc_function mproc__function_##name_;	\
	static int							\
	mproc__serve_##name_(struct mproc_backend *base mproc__unused,	\
	    const void *args, struct mproc_request *req)		\
	{								\
		return mproc_function_serve(&mproc__function_##name_,	\
		    args, req);						\
	}								\
	static const struct mproc_handler mproc__handlers_##name_[] = {	\
		{							\
			.command = "run",				\
			.schema = MPROC_SCHEMA(mproc__chunk_run),	\
			.entry = mproc__serve_##name_,			\
			.help = "call " #name_ " on each value",	\
			.reply = MPROC_SCHEMA(mproc__chunk_done)	\
		}							\
	};								\
	static const struct mproc_class mproc__class_##name_ =		\
	    MPROC_CLASS(#name_, mproc__chunk, mproc__handlers_##name_);	\
	static const struct mproc_function mproc__function_##name_ = {	\
		.name = #name_, .cls = &mproc__class_##name_,		\
		.in_size = sizeof(in_), .out_size = sizeof(out_),	\
		.call = mproc__call_##name_				\
	};								\
	static int							\
	name_(const in_ *in mproc__unused, out_ *out mproc__unused)

#define MPROC_FUNCTION_CLASS(name_)	(&mproc__class_##name_)

/*
 * mproc_map - call a function on each of n values, in the workers of a
 * default pool, and wait: one line.
 * mproc_function_map - the same with a pool of MPROC_FUNCTION_CLASS(name)
 * (NULL: a default one) and options (NULL: all defaults), which may ask for
 * a progress bar.
 *
 * @in, @out  shape: n values of the function's types; another type is a
 *            warning of the compiler.  They may be the same array
 *
 * Values go in chunks.  After a tenth of a second or two a worker brings back
 * what of its chunk is done, and the rest goes to whoever has time.  So
 * progress is told, and a cancel or .stop_on_error heeded, that soon, or when
 * the value is done that takes longer.  A job's timeout_ms is meant for a
 * value: a chunk is asked back before it has passed.
 *
 * A worker's death costs the value that it was at and those of its chunk
 * before it, whose results it had: the text and .on_failed say which.  The
 * rest goes to others.
 *
 * Returns 0, or the code of the first value, by position, that failed:
 * mproc_errmsg() names it; out is filled in but for those that failed, and
 * .on_failed hears of each; or, with none filled in, a code of
 * mproc_pool_submit().
 */
#define mproc_map(name_, in_, n_, out_)					\
	mproc_function_map(NULL, name_, (in_), (n_), NULL, (out_))
#define mproc_function_map(pool_, name_, in_, n_, options_, out_)	\
	mproc_function_map_typed((pool_), &mproc__function_##name_,	\
	    (1 ? (in_) : (const mproc__in_##name_ *)0), (n_), (options_), \
	    (1 ? (out_) : (mproc__out_##name_ *)0))
#endif
int mproc_function_map_typed(struct mproc_pool *pool,
    const struct mproc_function *fn, const void *in, size_t n,
    const struct mproc_map_options *options, void *out);

/*
 * mproc_pool_default - the default pool of a class in the current scope;
 * made and started when first asked for.  Borrowed: do not free it.
 *
 * Its options are those of mproc_pool_set_default(), or: as many workers as
 * processors, started as they are needed and stopped after ten minutes of
 * idleness.  Any thread.
 *
 * Returns 0, or a code of mproc_pool_new() or mproc_pool_start().
 */
int mproc_pool_default(const struct mproc_class *cls,
    struct mproc_pool **ret_pool);
/*
 * mproc_pool_set_default - options of default pools to come; copied, what
 * they point to is borrowed for good.  0, or -EBUSY: there is one already.
 */
int mproc_pool_set_default(const struct mproc_pool_options *options);
/*
 * End all default pools that are not of a scope, as mproc_pool_stop() does,
 * within one grace_ms for all; there may be new ones then.  Without it they
 * end with the process.
 * Returns 0, or -ETIMEDOUT.
 */
int mproc_pool_default_stop(int grace_ms);

/*
 * MPROC_POOL_SCOPE(options) { ... } - in the block, for this thread, default
 * pools are other ones, with these options (a pointer, or NULL).  They are
 * stopped where the block ends, however it ends but by longjmp(3); jobs have
 * .process.stop_grace_ms to finish.  Scopes nest.
 */
struct mproc_pool_scope {
	const struct mproc_pool_options *options;
	struct mproc_pool_scope *outer;		/* private, all the rest */
	struct mproc__default *pools;
};
struct mproc_pool_scope *mproc_pool_scope_begin(
    struct mproc_pool_scope *scope);
void mproc_pool_scope_end(struct mproc_pool_scope *scope);
#ifndef __cplusplus
#define MPROC_POOL_SCOPE(options_)					\
	mproc__pool_scope_1(options_, __LINE__)	/* they nest */
#define mproc__pool_scope_1(options_, line_)				\
	mproc__pool_scope_2(options_, line_)
#define mproc__pool_scope_2(options_, line_)				\
	mproc__pool_scope_3(options_, mproc__scope_##line_,		\
	    mproc__in_scope_##line_)
#define mproc__pool_scope_3(options_, s_, in_)				\
	for (struct mproc_pool_scope s_					\
	    __attribute__((cleanup(mproc_pool_scope_end))) =		\
	    { .options = (options_) }, *in_ =			\
	    mproc_pool_scope_begin(&s_);				\
	    in_ != NULL; in_ = NULL)
#endif

#ifdef __cplusplus
}
#endif

#endif
