/*
 * mproc/backend.h - the backend: what handlers and hooks call.
 *
 * Layer: core.  All functions take the `base` of the class struct and are
 * called from the backend's own thread, inside handlers, hooks and
 * callbacks; none is safe in a signal handler.
 */
#ifndef MPROC_BACKEND_H
#define MPROC_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include <mproc/class.h>
#include <mproc/log.h>
#include <mproc/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * mproc_emit - send to the frontend unasked; mproc_recv() gets it.
 *
 * Returns 0, or -EAGAIN, -ETIMEDOUT (the inbox is full, by .emit_overflow),
 * -EPIPE (the frontend is gone), -EMSGSIZE, -EBADF, -ENOMEM.
 */
#define mproc_emit(base_, message_, ...)				\
	mproc__kwargs(message_, mproc_emit_typed((base_),		\
	    MPROC_SCHEMA(message_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int mproc_emit_typed(struct mproc_backend *base,
    const struct mproc_schema *schema, const void *args);
int mproc_emit_msg(struct mproc_backend *base, const struct mproc_msg *msg);

/*
 * mproc_reply - answer a call, now or (after mproc_defer()) later.
 *
 * Returns 0 (also for a cast, where it does nothing), -EALREADY when it was
 * answered before (also logged as a warning), -EINVAL when the row's .reply
 * names another message, -EPIPE, -EMSGSIZE, -EBADF, -ENOMEM.  A deferred
 * request is freed by the reply.
 */
#define mproc_reply(req_, message_, ...)				\
	mproc__kwargs(message_, mproc_reply_typed((req_),		\
	    MPROC_SCHEMA(message_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int mproc_reply_typed(struct mproc_request *req,
    const struct mproc_schema *schema, const void *args);
int mproc_reply_msg(struct mproc_request *req, const struct mproc_msg *msg);

/*
 * mproc_yield - give an item of a call's result before the reply; as many as
 * you like, in order.  mproc_future_next() gets them.  Waits while the
 * frontend has as many as it takes (.inbox_messages), up to .block_ms.
 *
 * Returns 0 (also for a cast, where it does nothing), -ECANCELED when nobody
 * wants the result any more (return it), -ETIMEDOUT, -EALREADY (answered),
 * and the codes of mproc_emit().
 */
#define mproc_yield(req_, message_, ...)				\
	mproc__kwargs(message_, mproc_yield_typed((req_),		\
	    MPROC_SCHEMA(message_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int mproc_yield_typed(struct mproc_request *req,
    const struct mproc_schema *schema, const void *args);
int mproc_yield_msg(struct mproc_request *req, const struct mproc_msg *msg);
/*
 * mproc_yield_more - the same, of an item that others follow soon: it may be
 * kept in the library to be written with them, until there are 32 KiB, some
 * milliseconds have passed when the next one comes, or anything else is
 * written, such as the reply.  For many small ones: of 100 system calls one
 * is left.
 */
#define mproc_yield_more(req_, message_, ...)				\
	mproc__kwargs(message_, mproc_yield_more_typed((req_),		\
	    MPROC_SCHEMA(message_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int mproc_yield_more_typed(struct mproc_request *req,
    const struct mproc_schema *schema, const void *args);
/*
 * mproc_canceled - true when the result of this call is not wanted any more
 * (mproc_future_cancel_as()), or mproc_going() is false: a long handler
 * should return -ECANCELED then.  Cheap.
 */
bool mproc_canceled(const struct mproc_request *req);

/*
 * mproc_fail - answer with an error; in a handler: return it.
 *
 *	return mproc_fail(req, -EDOM, "no such %s", name);
 *
 * @code  negative errno; a value >= 0 becomes -EINVAL.  One that is no errno,
 *        below -4095, is -EREMOTEIO for the caller, with the number in the
 *        text
 *
 * Returns the code.  In a handler the answer goes out when the handler
 * returns a negative code; a deferred request is answered at once and freed.
 */
int mproc_fail(struct mproc_request *req, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * mproc_backend_fail - the words to a failure of a hook or a callback:
 * return it.
 *
 *	return mproc_backend_fail(base, -EINVAL, "no alarm was given");
 *
 * @code  negative errno; a value >= 0 becomes -EINVAL
 *
 * Of pre_run they come to whoever starts the process, in mproc_errmsg(); of
 * other hooks, watches and timers they are logged.  A hook that returns the
 * code of a call here that failed has that call's words without this.
 * Returns the code.  In a handler call mproc_fail().
 */
int mproc_backend_fail(struct mproc_backend *base, int code,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * mproc_defer - keep the request beyond the handler's return, to answer it
 * later with mproc_reply() or mproc_fail(), exactly once.  What is unanswered
 * at stop is answered -ECANCELED.  Returns 0, -EALREADY (answered), -ENOMEM.
 * After it use the pointer that you were given: it stays valid.
 */
int mproc_defer(struct mproc_request *req);

/* Of a request: its command, its id (0: a cast), whether it is a call. */
const char *mproc_request_command(const struct mproc_request *req);
uint64_t mproc_request_id(const struct mproc_request *req);
bool mproc_request_is_call(const struct mproc_request *req);
/*
 * The message as it came, for mproc_forward(), printing, untyped reading;
 * new: mproc_msg_free(), with descriptors of its own, except those that were
 * taken.  -EALREADY after the handler has returned, -ENOMEM, -EMFILE.
 */
int mproc_request_msg(struct mproc_request *req, struct mproc_msg **ret_msg);
/* Milliseconds that the caller still waits, -1: no limit. */
int mproc_request_remaining_ms(const struct mproc_request *req);

/*
 * mproc_take_fd - take a descriptor out of a handler's args, as out of a
 * message: it is yours to close.  What is not taken is closed when the
 * handler returns.
 *
 *	fd = mproc_take_fd(req, args->input);
 *
 * @field  as read from the args, or in on_unknown from the message
 *
 * Returns the descriptor (close-on-exec), or -ENOENT (the field is absent),
 * -EBADF (it was taken before, is not of this request, or the handler has
 * returned).  mproc_take_arg_fd() is the function behind it for a request.
 */
int mproc_take_arg_fd(struct mproc_request *req, struct mproc_fd field);
#ifndef __cplusplus
#define mproc_take_fd(from_, field_)					\
	_Generic((from_), struct mproc_request *: mproc_take_arg_fd,	\
	    default: mproc_take_fd)((from_), (field_))
#endif

/*
 * The loop.  events are POLLIN, POLLOUT, ... of <poll.h>.  A callback's
 * negative return is logged and removes the watch or timer.  Callbacks and
 * messages take turns, so that neither starves.
 */
typedef int mproc_watch_fn(struct mproc_backend *base, int fd, int events,
    void *arg);
typedef int mproc_timer_fn(struct mproc_backend *base, void *arg);
/* 0; again for the same fd: changes it; -EBADF, -EPERM (a plain file). */
int mproc_watch(struct mproc_backend *base, int fd, int events,
    mproc_watch_fn *fn, void *arg);
int mproc_unwatch(struct mproc_backend *base, int fd);	/* 0 or -ENOENT */
/*
 * First after first_ms, then every repeat_ms (0: once).  Returns the timer's
 * id (> 0) for mproc_timer_cancel(), or -ENOMEM, -EINVAL.
 */
int mproc_timer(struct mproc_backend *base, int first_ms, int repeat_ms,
    mproc_timer_fn *fn, void *arg);
int mproc_timer_cancel(struct mproc_backend *base, int id); /* 0, -ENOENT */

/* The default .run: handles messages until stop; the exit status. */
int mproc_run(struct mproc_backend *base);
/*
 * mproc_poll_once - for a class's own .run: wait at most timeout_ms for
 * something, and handle it.  Returns the number of messages and callbacks
 * handled (0: time passed), -ESHUTDOWN when the loop should end, -EDEADLK
 * inside a handler.
 */
int mproc_poll_once(struct mproc_backend *base, int timeout_ms);
/* Readable when mproc_poll_once(base, 0) has something to do. */
int mproc_backend_fd(struct mproc_backend *base);
/* End the loop after this handler, with an exit status. */
void mproc_quit(struct mproc_backend *base, int code);
/*
 * mproc_going - false when the frontend said no-go or stop, SIGTERM came or
 * the parent is gone: a long handler should return then.  Cheap; answers
 * pings on the way.
 */
bool mproc_going(struct mproc_backend *base);

/*
 * mproc_start_args - the options' .args; NULL if there are none or it is
 * another message.  Borrowed for the life of the backend.
 */
#define mproc_start_args(base_, message_)				\
	((const struct message_ *)mproc_start_args_typed((base_),	\
	    MPROC_SCHEMA(message_)))
const void *mproc_start_args_typed(struct mproc_backend *base,
    const struct mproc_schema *schema);

/* The process's name, as mproc_name() has it; borrowed, lives with base. */
const char *mproc_backend_name(const struct mproc_backend *base);

/*
 * mproc_log - log as CLASS.NAME; the record travels to the frontend's sinks.
 * Waits at most .log_block_ms for a full lane, then the record is dropped
 * and counted.  Arguments of a disabled record are evaluated, not formatted.
 */
void mproc_log(struct mproc_backend *base, enum mproc_level level,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}

/* The same for a request; see above. */
static inline int
mproc_take_fd(struct mproc_request *req, struct mproc_fd field)
{
	return mproc_take_arg_fd(req, field);
}
#endif

#endif
