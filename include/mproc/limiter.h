/*
 * mproc/limiter.h - so many tokens, for the jobs of one pool or several.
 *
 * Layer: services.  A pool's jobs that need a token of one to run
 * (.limiter of struct mproc_job or mproc_pool_options) wait for it in the
 * pool's queue, and let others pass.  Any thread.
 */
#ifndef MPROC_LIMITER_H
#define MPROC_LIMITER_H

#ifdef __cplusplus
extern "C" {
/* As in C, mproc_limiter_stats() and its struct are two things. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

struct mproc_limiter;

/*
 * set_total takes effect at once; fewer than are out is fine.
 * try_acquire: 0 or -EAGAIN; release: 0, -EINVAL (none is out): for own use.
 */
int mproc_limiter_new(int total, struct mproc_limiter **ret_limiter);
int mproc_limiter_set_total(struct mproc_limiter *limiter, int total);
int mproc_limiter_try_acquire(struct mproc_limiter *limiter);
int mproc_limiter_release(struct mproc_limiter *limiter);
struct mproc_limiter_stats {
	int total, borrowed;
	unsigned waiting;	/* pools with jobs that wait for it */
};
int mproc_limiter_stats(struct mproc_limiter *limiter,
    struct mproc_limiter_stats *ret_stats);
/* When no pool has it any more; NULL is fine.  Returns NULL. */
struct mproc_limiter *mproc_limiter_free(struct mproc_limiter *limiter);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif
