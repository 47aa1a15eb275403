/*
 * mproc/future.h - the one-shot result of a call or of a pool's job.
 *
 * Layer: core.  Made by mproc_ask() and mproc_pool_submit(); completes
 * exactly once, with a reply, the handler's error, -ETIMEDOUT, -EPIPE (the
 * backend died), -ECANCELED.  The library has no threads: a future moves on
 * inside calls on it or on its process or pool, its owner.
 *
 * Threads: any, mproc_future_free() when no other call is under way.
 */
#ifndef MPROC_FUTURE_H
#define MPROC_FUTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <mproc/message.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mproc_future;
struct mproc_death;	/* mproc/process.h */

/*
 * Wait until it is done: 0, -ETIMEDOUT (it is still pending), or, without a
 * limit, -ENOTCONN: its process was not started, and the only thread waits.
 */
int mproc_future_wait(struct mproc_future *f, int timeout_ms);
/* Done?  Does what can be done without waiting. */
bool mproc_future_done(struct mproc_future *f);
/*
 * The result: 0 (there is a reply), the call's negative code, or -EAGAIN
 * while pending.  The handler's text is in mproc_future_errmsg().
 */
int mproc_future_result(struct mproc_future *f);
/*
 * The number of the call or job: what mproc_request_id() tells its handler
 * and the log says of its failure.  Counted from 1 by its process or pool,
 * never again; 0 of a feed.
 */
uint64_t mproc_future_id(const struct mproc_future *f);
/* The reply, borrowed until free; NULL if there is none. */
struct mproc_msg *mproc_future_reply(struct mproc_future *f);
/* The reply, moved to you (mproc_msg_free()); NULL if there is none. */
struct mproc_msg *mproc_future_take(struct mproc_future *f);
/* The error's text, "" if none; borrowed until free. */
const char *mproc_future_errmsg(struct mproc_future *f);
/*
 * A descriptor that is readable when the future is done or can move on: call
 * mproc_future_done() then.  Made on the first request; -EMFILE, -ENOMEM.
 * Borrowed: do not read or close it.
 */
int mproc_future_fd(struct mproc_future *f);
/*
 * Give up on it: a pending future completes with -ECANCELED; the handler
 * is not disturbed and its reply counts as late.  0, or -EALREADY.
 */
int mproc_future_cancel(struct mproc_future *f);
/*
 * What giving up on it means for the job; never chosen silently.
 *
 * QUEUED   only if it has not been handed to a worker; else -EBUSY
 * COOP     queued: it never runs.  Handed out: mproc_canceled() becomes true
 *          in the handler, mproc_yield() fails; one that has not begun is
 *          not run.  The future ends as the handler does: with -ECANCELED,
 *          or with a reply if it did not look or was done
 * KILL     queued: it never runs.  Handed out: its worker is killed; the
 *          future ends with -ECANCELED once that is dead
 * ABANDON  queued: it never runs.  Handed out: the future ends with
 *          -ECANCELED now, the job goes on, its result is dropped
 */
enum mproc_cancel {
	MPROC_CANCEL_QUEUED,
	MPROC_CANCEL_COOP,
	MPROC_CANCEL_KILL,
	MPROC_CANCEL_ABANDON
};
/*
 * mproc_future_cancel_as - 0, -EALREADY when done, -EBUSY (QUEUED), -EINVAL,
 * -EOPNOTSUPP (KILL of what is not a pool's job, or runs in a thread),
 * -EAGAIN (COOP: it could not be told now: many that are open in the same
 * process are being canceled; try again when some of them have ended).
 * mproc_future_cancel() is MPROC_CANCEL_ABANDON.
 */
int mproc_future_cancel_as(struct mproc_future *f, enum mproc_cancel how);
/*
 * How the job's worker died, when the result is -EPIPE; else NULL.  Its .text
 * is a sentence.  Borrowed until free.
 */
const struct mproc_death *mproc_future_death(struct mproc_future *f);
/*
 * mproc_future_next - the next item that the handler gave with mproc_yield().
 *
 * Returns 1 and an item (new: mproc_msg_free()), 0 when it is done and all
 * items were taken (mproc_future_result() says how it ended), -ETIMEDOUT.
 * While many items wait to be taken the handler waits.
 */
int mproc_future_next(struct mproc_future *f, int timeout_ms,
    struct mproc_msg **ret_item);
/*
 * mproc_future_on_done - call fn once when it is done: at once if it is, else
 * inside the call (of any thread, on the future, its process or pool, or
 * their context) in which it completes, as that returns: of several, in the
 * order of completion.  mproc_context_dispatch() does not count it.
 * The future may be freed in fn, not between its completion and fn.
 *
 * Returns 0, -EALREADY (it has one), -EINVAL, -ENOMEM, -ECHILD.
 */
typedef void mproc_future_fn(struct mproc_future *f, void *arg);
int mproc_future_on_done(struct mproc_future *f, mproc_future_fn *fn,
    void *arg);
/*
 * Wait until one of n is done: its index, or -ETIMEDOUT, -EINVAL (n < 1, a
 * NULL among them), -EMFILE, -ENOMEM (each gets a descriptor for it).
 */
int mproc_future_wait_any(struct mproc_future *const *list, int n,
    int timeout_ms);
/* Wait until all are done: 0 or -ETIMEDOUT. */
int mproc_future_wait_all(struct mproc_future *const *list, int n,
    int timeout_ms);
/*
 * mproc_future_as_completed - the next of n that is done, in the order of
 * completion:
 *
 *	for (n_done = 0; mproc_future_as_completed(list, n, n_done, -1) == 0;
 *	    n_done++)
 *		use(list[n_done]);
 *
 * Brings it to list[n_done] by exchange.  0, -ENODATA (n_done == n),
 * -ETIMEDOUT, or a code of wait_any.
 */
int mproc_future_as_completed(struct mproc_future **list, int n, int n_done,
    int timeout_ms);
/* Free, done or not (a pending one is given up); NULL is fine. */
struct mproc_future *mproc_future_free(struct mproc_future *f);

#ifdef __cplusplus
}
#endif

#endif
