/*
 * mproc/context.h - the main loop that composes processes, descriptors,
 * timers and signals.
 *
 * Layer: core.  Life cycle:
 *  1. mproc_context_new() makes the context; nothing runs yet.
 *  2. Processes, watches, timers and signals are added, now, in the hooks of
 *     struct mproc_app, or in any callback later.
 *  3. It runs by itself (mproc_context_run()), in a thread beside the
 *     program (mproc_context_run_as_thread()), or inside a foreign loop
 *     (mproc_context_fd() and mproc_context_dispatch()).  The start, in all
 *     three: start_processes, then every added process that is not started
 *     yet, in order of adding, each ready before the next, then
 *     start_threads.  So no process is forked after a thread was made.
 *  4. mproc_context_stop() ends it, from anywhere.  Processes are stopped in
 *     reverse order while their last messages are still delivered, the
 *     signals' former actions are put back, and close is called, once.
 *  5. mproc_context_free() gives everything back, and does step 4 if nobody
 *     has.  A context runs once.
 *
 * Processes do not need a context: mproc_fd() and mproc_recv() with one's
 * own select(2) do the same for a program that has a loop already.
 *
 * Processes are borrowed: the context starts and stops them and frees none.
 * mproc_free() takes one out of its context, in a callback, too: its memory
 * then lasts until that has returned.  Only from a thread that the context
 * does not belong to it must be removed first.  A process may have
 * processes, and a context, of its own in its backend; stopped from the top,
 * the whole tree ends.
 *
 * Threads: a context belongs to the thread that made it; run, the first
 * dispatch and run_as_thread hand it over to the thread that then runs it.
 * All callbacks are called there, one at a time.  Calls from another thread
 * give -EPERM, except stop, going, post, stop_thread; calls in a process
 * that did not make the context give -ECHILD.  A callback may call anything,
 * also unwatch, cancel, remove or free what is calling it: that is deferred.
 * It should not wait for long: everybody else waits with it.
 *
 * libuv's loop turns inside the context's own, from the first
 * mproc_context_loop() on, so that anything that libuv can do is at hand and
 * who does not use it does not pay for it.
 */
#ifndef MPROC_CONTEXT_H
#define MPROC_CONTEXT_H

#include <stdbool.h>

#include <mproc/log.h>
#include <mproc/message.h>
#include <mproc/process.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mproc_context;
struct uv_loop_s;		/* uv_loop_t of <uv.h> */

/*
 * struct mproc_app - what a program does at the start and the end.
 *
 * @name             of the context's logger; default "mproc.context"; copied
 * @start_processes  makes processes and adds them; may start them itself, or
 *                   leave that to the context.  Required.
 * @start_threads    called when all processes are ready; may be NULL
 * @on_death         told of the death of each process whose supervision has
 *                   no on_death of its own; may be NULL
 * @close            called once at the end if start_processes was called,
 *                   whether that went well or not: free the processes,
 *                   which have been stopped.  Only stop, going, name,
 *                   logger, loop may be called then.  May be NULL
 * @stop_on_signals  mproc_context_stop_on_signals() before the start
 *
 * The hooks get the `arg` of mproc_context_new().  A negative return of a
 * start hook ends the context: what was started is stopped, close is called,
 * and run, run_as_thread or dispatch returns that code.  All are called in
 * the thread that calls run, run_as_thread or dispatch, except close after
 * run_as_thread: that is called in the context's thread.
 */
struct mproc_app {
	const char	*name;
	int		(*start_processes)(struct mproc_context *ctx,
			    void *arg);
	int		(*start_threads)(struct mproc_context *ctx, void *arg);
	void		(*on_death)(struct mproc *p,
			    const struct mproc_death *death, void *arg);
	void		(*close)(struct mproc_context *ctx, void *arg);
	bool		 stop_on_signals;
};

/*
 * mproc_context_new - make a context.
 *
 * @app      NULL: no hooks, all is added by hand; copied
 * @arg      given to the hooks
 * @ret_ctx  new: free with mproc_context_free()
 *
 * Costs 2 descriptors, 1 more with mproc_context_fd(), 4 more (and once a
 * program 2, which libuv keeps) with mproc_context_loop().
 * Returns 0, or
 *   -EINVAL  app has no start_processes; nothing was started
 *   -ENOMEM, -EMFILE, -ENFILE
 * Call from: any thread.
 */
int mproc_context_new(const struct mproc_app *app, void *arg,
    struct mproc_context **ret_ctx);

/*
 * mproc_context_free - end the context in order, bounded, and free it.
 *
 * NULL is fine.  Stops what runs, as mproc_context_stop() says, but calls
 * nothing of the program's any more except close; messages that still come
 * are dropped.  A context that never ran leaves its processes alone.  Waits
 * for the thread of run_as_thread to end.  In a callback it is deferred: the
 * context is freed when run, dispatch or the thread is done with it.  In a
 * process that did not make the context (after fork) it does nothing.  libuv
 * handles that the program left open on the loop are closed without their
 * callbacks.
 *
 * Returns NULL.
 * Call from: the context's thread, or with run_as_thread the one that called
 * that.
 */
struct mproc_context *mproc_context_free(struct mproc_context *ctx);

/* -------------------------------------------------------------- processes */

/*
 * A message that a process emitted.  It is lent: freed after the callback,
 * unless that took it with mproc_msg_keep().  mproc_context_of(p) is the
 * context.
 */
typedef void mproc_message_fn(struct mproc *p, struct mproc_msg *msg,
    void *arg);

/*
 * mproc_context_add - let the context receive what a process emits.
 *
 * @p           borrowed until mproc_context_remove(), mproc_free() or the
 *              end; in one context at a time; its mproc_recv() is the
 *              context's then
 * @on_message  NULL: messages are counted and dropped
 *
 * May be called in any state of the process.  One added before the start of
 * the context and not started is started then; one added later is started by
 * the program.  Again for the same process: changes the callback, keeps the
 * place in the order, and watches the process again if it died and was
 * started anew.  (Started anew inside on_death it is watched on by itself.)
 *
 * At most 64 messages of a process are delivered in a row, then the others'
 * turn comes.
 *
 * Returns 0, or
 *   -EINVAL     no process
 *   -EEXIST     its descriptor is watched with mproc_context_watch()
 *   -ESHUTDOWN  the context has ended
 *   -ENOMEM, -ENOSPC (epoll's limit), -EPERM, -ECHILD
 */
int mproc_context_add(struct mproc_context *ctx, struct mproc *p,
    mproc_message_fn *on_message, void *arg);

/*
 * mproc_context_remove - end what mproc_context_add() began.  The process
 * goes on; what it has sent waits in mproc_recv().
 *
 * Returns 0, -ENOENT (not in the context), -EPERM, -ECHILD.
 */
int mproc_context_remove(struct mproc_context *ctx, struct mproc *p);

/*
 * mproc_context_of - the context that a process is in, for callbacks, which
 * are given the process.
 *
 * Returns NULL when it is in none: never added, removed, or after the end of
 * the context (close is given the context).
 * Call from: any thread.
 */
struct mproc_context *mproc_context_of(const struct mproc *p);

/*
 * A ping is unanswered.
 *
 * @silent_ms  unit: milliseconds since the ping that has no answer
 *
 * Called when ping_timeout_ms has passed, and again each time that it
 * passes.  mproc_kill() is what a watchdog does here; it waits for the death,
 * some milliseconds.
 */
typedef void mproc_ping_timeout_fn(struct mproc *p, int silent_ms, void *arg);

/*
 * A process died: once a generation, after on_message got all that it had
 * sent; also when it was stopped, so at the end of the context, too: see
 * mproc_context_going().  death is borrowed until return.  mproc_start(p) here
 * begins the next generation (it returns when that is ready, so the context
 * waits for it).
 */
typedef void mproc_death_fn(struct mproc *p, const struct mproc_death *death,
    void *arg);

/*
 * struct mproc_supervision - what the context looks after besides messages.
 *
 * @ping_interval_ms  ping the running process so often; 0: never.  There is
 *                    no second ping before the first is answered
 * @ping_timeout_ms   0: as the interval
 * @on_ping_timeout   required when ping_interval_ms is set
 * @on_death          NULL: that of struct mproc_app, if it has one
 * @arg               given to both
 */
struct mproc_supervision {
	int			 ping_interval_ms;
	int			 ping_timeout_ms;
	mproc_ping_timeout_fn	*on_ping_timeout;
	mproc_death_fn		*on_death;
	void			*arg;
};

/*
 * mproc_context_supervise - set, or change, the supervision of a process
 * that was added.
 *
 * @supervision  copied; NULL: none
 *
 * Returns 0, or
 *   -EINVAL  a negative time, or an interval without on_ping_timeout
 *   -ENOENT  the process is not in the context
 *   -EPERM, -ECHILD
 */
int mproc_context_supervise(struct mproc_context *ctx, struct mproc *p,
    const struct mproc_supervision *supervision);

/* ------------------------------------------- descriptors, timers, signals */

/* events: those that came, as revents of poll(2). */
typedef void mproc_context_watch_fn(struct mproc_context *ctx, int fd,
    int events, void *arg);
typedef void mproc_context_timer_fn(struct mproc_context *ctx, void *arg);
typedef void mproc_context_signal_fn(struct mproc_context *ctx, int signo,
    void *arg);

/*
 * mproc_context_watch - call fn when a descriptor is ready.
 *
 * @fd      borrowed until mproc_context_unwatch(), which comes before its
 *          close(2); stays blocking or non-blocking as it is
 * @events  shape: one or more of POLLIN, POLLOUT, POLLPRI, POLLRDHUP
 *
 * Level-triggered, as poll(2); POLLERR and POLLHUP come whether asked for or
 * not, and go on coming until the descriptor is unwatched.  Again for the
 * same fd: changes events, fn and arg.
 *
 * Returns 0, or
 *   -EINVAL     no fn, no event, or another event
 *   -EBADF      fd is not open
 *   -EPERM      fd cannot be watched (a plain file); another thread
 *   -EEXIST     it is the descriptor of a process in the context
 *   -ELOOP      epoll descriptors are nested too deeply, or in a circle
 *   -ESHUTDOWN, -ENOMEM, -ENOSPC (epoll's limit), -ECHILD
 */
int mproc_context_watch(struct mproc_context *ctx, int fd, int events,
    mproc_context_watch_fn *fn, void *arg);

/* mproc_context_unwatch - end it.  Returns 0, -ENOENT, -EPERM, -ECHILD. */
int mproc_context_unwatch(struct mproc_context *ctx, int fd);

/*
 * mproc_context_timer - call fn after a time, once or again and again.
 *
 * @first_ms   unit: milliseconds; 0: in the loop's next round
 * @repeat_ms  0: once.  The times are first_ms, first_ms + repeat_ms, ... from
 *             now, without drift; those that have passed unused are left out
 *
 * Never early.  Returns the timer's id, > 0 and not soon used again, or
 *   -EINVAL  no fn, a negative time
 *   -ESHUTDOWN, -ENOMEM, -EPERM, -ECHILD
 */
int mproc_context_timer(struct mproc_context *ctx, int first_ms,
    int repeat_ms, mproc_context_timer_fn *fn, void *arg);

/*
 * mproc_context_timer_cancel - a timer that has not run, or repeats, will
 * not run.  Returns 0, -ENOENT (no such timer, or it has run), -EPERM,
 * -ECHILD.
 */
int mproc_context_timer_cancel(struct mproc_context *ctx, int id);

/*
 * mproc_context_signal - call fn, in the loop, after a signal came.
 *
 * The only function of the library that sets a signal's action in the
 * program; mproc_context_unsignal() and the end of the context put back what
 * was there.  Signals of one number that come together are one call.
 * Several contexts may ask for the same signal; each is called.  Again in
 * the same context: changes fn and arg.
 *
 * Returns 0, or
 *   -EINVAL  no fn; no signal that can be caught; SIGSEGV, SIGBUS, SIGFPE,
 *            SIGILL, which cannot be handled later
 *   -EMFILE  more than 64 signals and contexts
 *   -ESHUTDOWN, -ENOMEM, -EPERM, -ECHILD
 * Source: sigaction(2) with SA_RESTART, eventfd(2).
 */
int mproc_context_signal(struct mproc_context *ctx, int signo,
    mproc_context_signal_fn *fn, void *arg);

/* mproc_context_unsignal - end it.  Returns 0, -ENOENT, -EPERM, -ECHILD. */
int mproc_context_unsignal(struct mproc_context *ctx, int signo);

/*
 * mproc_context_stop_on_signals - SIGINT and SIGTERM end the program: the
 * first is mproc_context_stop(), the second kills the processes that have
 * not stopped yet.  (A third, after the end, finds the program's own action.)
 *
 * Returns 0, or a code of mproc_context_signal(); nothing is set then.
 */
int mproc_context_stop_on_signals(struct mproc_context *ctx);

/*
 * mproc_context_stop_signal - which signal it was, for an exit status or the
 * last words of a program.
 *
 * Returns the first one's number when mproc_context_stop_on_signals() ended
 * the context, 0 when something else did or it has not ended.
 * Call from: any thread.
 */
int mproc_context_stop_signal(const struct mproc_context *ctx);

/* ---------------------------------------------------------------- running */

/*
 * mproc_context_run - start, and loop until mproc_context_stop().
 *
 * Returns 0, or
 *   -EALREADY   it runs
 *   -EDEADLK    in a callback
 *   -ESHUTDOWN  it has run
 *   -ETIMEDOUT  a process could not be stopped (see mproc_stop()); the rest
 *               was, and close was called
 *   -EPERM, -ECHILD, a code of a start hook, of mproc_start(), or of
 *               mproc_context_fail(), with its text in mproc_errmsg()
 * In every case but the first three and the last but one the context has
 * ended.
 * Call from: any thread; the context is that thread's from then on.
 */
int mproc_context_run(struct mproc_context *ctx);

/*
 * mproc_context_stop - ask for the end; returns at once.
 *
 * Twice is as once.  Before the run: the run returns 0 at once, having called
 * no hook.  Until the last process has ended all callbacks go on, those of
 * watches, timers and signals, too: mproc_context_going() tells them.  The
 * end is bounded: processes are asked to stop one after the
 * other, the last one first, while that takes no longer than the longest
 * .stop_grace_ms; then all the rest at once.  Each that does not end gets
 * SIGTERM after its .stop_grace_ms, SIGKILL after another, and is given up
 * 1 s later.  What an on_death starts anew meanwhile is asked at once (see
 * mproc_context_going()).
 *
 * Returns 0, -EINVAL (ctx is NULL), -ECHILD.
 * Call from: any thread, also from a signal handler.
 */
int mproc_context_stop(struct mproc_context *ctx);

/*
 * mproc_context_fail - end the context as failed: as mproc_context_stop(),
 * but the run returns this code, and mproc_errmsg() has this text then.
 *
 *	if ((r = mproc_send(p, worker_square, .n = n)) < 0)
 *		mproc_context_fail(ctx, r, "%s", mproc_errmsg(p));
 *
 * @code  negative errno; a value >= 0 becomes -EINVAL
 *
 * The first failure counts.  Once the end was asked for this does nothing:
 * what breaks then is not what ended it.  Before the run: no hook is called,
 * and the run returns the code.
 *
 * Returns the code, or -EINVAL (ctx is NULL), -ECHILD.
 * Call from: any thread.
 */
int mproc_context_fail(struct mproc_context *ctx, int code, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/*
 * mproc_context_going - false after mproc_context_stop() (and for NULL).
 * Call from: any thread, also from a signal handler.
 */
bool mproc_context_going(const struct mproc_context *ctx);

/*
 * mproc_context_post - call fn(ctx, arg) in the context's thread, soon.
 *
 * Calls are made in the order of posting; those that the end of the context
 * overtakes are not made.  For what another thread wants from a context.
 *
 * Returns 0, -EINVAL (no fn), -ESHUTDOWN (the context has ended), -ENOMEM,
 * -ECHILD.
 * Call from: any thread.
 */
int mproc_context_post(struct mproc_context *ctx, mproc_context_timer_fn *fn,
    void *arg);

/*
 * mproc_context_run_as_thread - start, then loop in a thread of its own.
 *
 * The start hooks are called and the processes started before the thread is
 * made; then this returns.  The thread has all signals blocked.  A process
 * that is started later, in a callback, is started by a program with
 * threads: see mproc_init().
 *
 * Returns 0, or the codes of mproc_context_run(); -EAGAIN when no thread
 * could be made.
 */
int mproc_context_run_as_thread(struct mproc_context *ctx);

/*
 * mproc_context_stop_thread - stop, and wait for the thread to end.
 *
 * @timeout_ms  unit: milliseconds; -1 no limit
 *
 * Twice is as once.
 * Returns 0, or
 *   -ETIMEDOUT  not in time (call again), or as of mproc_context_run()
 *   -EDEADLK    in a callback of the context; stop was asked for
 *   -ENOTCONN   not run as a thread
 *   -EINVAL, -ECHILD
 * Call from: any thread but the context's, one at a time.
 */
int mproc_context_stop_thread(struct mproc_context *ctx, int timeout_ms);

/*
 * mproc_context_fd - a descriptor that is readable while
 * mproc_context_dispatch(ctx, 0) has something to do: start, callbacks,
 * timers that are due, the end.  Silent otherwise.  Always the same number;
 * made when first asked for, an epoll(7) descriptor.  Borrowed.
 *
 * After work with libuv on mproc_context_loop() outside of callbacks call
 * dispatch once: libuv begins to watch only when its loop turns.
 *
 * Returns it, or -EMFILE, -ENFILE, -ENOMEM, -EPERM, -ECHILD.
 */
int mproc_context_fd(struct mproc_context *ctx);

/*
 * mproc_context_dispatch - one turn of the loop, for a foreign one.
 *
 * @timeout_ms  unit: milliseconds; 0 does what is ready, -1 waits until
 *              there is something
 *
 * The first call starts (see above).  After mproc_context_stop() go on until
 * it returns -ESHUTDOWN: that is the end, and close has been called.
 *
 * Returns the number of callbacks made (0: none in time; what libuv did
 * counts as one), or
 *   -ESHUTDOWN  the context has ended
 *   -EDEADLK    in a callback
 *   -ETIMEDOUT  it has ended, but a process could not be stopped
 *   -EPERM, -ECHILD, a code of a start hook, of mproc_start(), or of
 *               mproc_context_fail(): it has ended, too
 */
int mproc_context_dispatch(struct mproc_context *ctx, int timeout_ms);

/*
 * mproc_context_loop - the context's uv_loop_t, for all else that libuv can
 * do; made when first asked for.  Borrowed.  The context turns it: do not
 * call uv_run() or uv_stop().  Handles are closed with uv_close() in close,
 * or before; mproc_context_free() makes their last callbacks.
 *
 * Returns NULL, with a text in mproc_errmsg(), when there is no memory or no
 * descriptor for it, from another thread or process, or after the end if it
 * was never asked for.
 */
struct uv_loop_s *mproc_context_loop(struct mproc_context *ctx);

/* ------------------------------------------------------------ description */

/* mproc_context_name - of struct mproc_app, or the default; borrowed. */
const char *mproc_context_name(const struct mproc_context *ctx);

/*
 * mproc_context_logger - the logger of that name, where the context itself
 * logs, at MPROC_DEBUG, what it does.
 */
struct mproc_logger *mproc_context_logger(const struct mproc_context *ctx);

/*
 * mproc_context_set_log_level - of the context's logger and of all its
 * processes, those that are added later too.
 *
 * Returns 0, or -EINVAL (no level), -ENOMEM, -EPERM, -ECHILD, the first
 * code of mproc_set_log_level() with all others tried.
 */
int mproc_context_set_log_level(struct mproc_context *ctx,
    enum mproc_level level);

#ifdef __cplusplus
}
#endif

#endif
