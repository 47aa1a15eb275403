/*
 * mproc/future.h - the one-shot result of a call.
 *
 * Layer: core.  Made by mproc_ask(); completes exactly once, with a reply,
 * the handler's error, -ETIMEDOUT, -EPIPE (the backend died), -ECANCELED.
 * The library has no threads: a future moves on inside calls on it or on its
 * process.
 *
 * Threads: any, mproc_future_free() when no other call is under way.
 */
#ifndef MPROC_FUTURE_H
#define MPROC_FUTURE_H

#include <stdbool.h>

#include <mproc/message.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mproc_future;

/* Wait until it is done: 0, or -ETIMEDOUT (it is still pending). */
int mproc_future_wait(struct mproc_future *f, int timeout_ms);
/* Done?  Does what can be done without waiting. */
bool mproc_future_done(struct mproc_future *f);
/*
 * The result: 0 (there is a reply), the call's negative code, or -EAGAIN
 * while pending.  The handler's text is in mproc_future_errmsg().
 */
int mproc_future_result(struct mproc_future *f);
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
 * Wait until one of n is done: its index, or -ETIMEDOUT, -EINVAL (n < 1, a
 * NULL among them), -EMFILE, -ENOMEM (each gets a descriptor for it).
 */
int mproc_future_wait_any(struct mproc_future *const *list, int n,
    int timeout_ms);
/* Wait until all are done: 0 or -ETIMEDOUT. */
int mproc_future_wait_all(struct mproc_future *const *list, int n,
    int timeout_ms);
/* Free, done or not (a pending one is given up); NULL is fine. */
struct mproc_future *mproc_future_free(struct mproc_future *f);

#ifdef __cplusplus
}
#endif

#endif
