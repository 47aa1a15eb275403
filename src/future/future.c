/*
 * future.c - the one-shot result of a call.
 *
 * Invariants: `done` goes from false to true once; result, reply and text
 * are written before it and, but for taking the reply, never after it.
 *
 * The descriptor of a future is an epoll set over the sockets of its owner
 * and a timerfd.  The timerfd stands for the deadline while the future is
 * pending, and is made to expire for good when it completes: it is never
 * read, so the descriptor then stays readable.
 */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "future/future.h"
#include "message/message.h"

/* Completed by this thread, and somebody wants to be called. */
static _Thread_local struct mproc_future *to_call, **to_call_tail;
static _Thread_local unsigned held;
static _Thread_local unsigned generation; /* of the process these are of */
static atomic_uint_fast64_t completions;

void
mproc__future_init(struct mproc_future *f,
    const struct mproc__future_ops *ops, void *owner)
{
	memset(f, 0, sizeof(*f));
	f->ops = ops;
	f->owner = owner;
	f->deadline = MPROC__NEVER;
	f->epfd = f->timerfd = -1;
}

static void
arm(struct mproc_future *f)
{
	if (f->timerfd >= 0)
		(void)mproc__timer_set(f->timerfd, f->done ? 0 : f->deadline);
}

/* Its descriptor is to be readable: there is something to look at. */
static void
make_readable(struct mproc_future *f)
{
	(void)mproc__timer_set(f->timerfd, 0);
}

/* A fork, in the middle of a call of its host, begins with none. */
static void
own(void)
{
	if (generation == mproc__fork_generation())
		return;
	generation = mproc__fork_generation();
	held = 0;
	to_call = NULL;
}

static void
call_later(struct mproc_future *f)
{
	own();
	if (to_call == NULL)
		to_call_tail = &to_call;
	f->fn_next = NULL;
	*to_call_tail = f;
	to_call_tail = &f->fn_next;
}

bool
mproc__future_calls(void)
{
	return to_call != NULL;
}

void
mproc__future_call(void)
{
	struct mproc_future *f;
	mproc_future_fn *fn;

	if (to_call == NULL)
		return;
	own();
	while (held == 0 && (f = to_call) != NULL) {
		to_call = f->fn_next;	/* fn may free it */
		fn = f->fn;
		f->fn = NULL;
		fn(f, f->fn_arg);
	}
}

void
mproc__future_hold(void)
{
	own();
	held++;
}

void
mproc__future_unhold(void)
{
	held--;
}

void
mproc__future_item(struct mproc_future *f, struct mproc_msg *item)
{
	if (f->items == NULL)
		f->items = item;
	else
		mproc__msg_set_next(f->items_tail, item);
	f->items_tail = item;
	if (f->timerfd >= 0)
		make_readable(f);
}

void
mproc__future_complete(struct mproc_future *f, int result,
    struct mproc_msg *reply, const char *text)
{
	if (f->done) {
		mproc_msg_free(reply);
		return;
	}
	f->result = result;
	f->reply = reply;
	if (text != NULL && text[0] != '\0')
		f->text = strdup(text);	/* without memory: no text */
	f->order = atomic_fetch_add_explicit(&completions, 1,
	    memory_order_relaxed);
	f->done = true;
	if (f->timerfd >= 0)
		arm(f);
	if (f->fn != NULL)
		call_later(f);
	atomic_store_explicit(&f->owner, NULL, memory_order_release);
}

void
mproc__future_events(struct mproc_future *f, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	if (f->epfd >= 0)
		(void)epoll_ctl(f->epfd, EPOLL_CTL_MOD, fd, &ev);
}

void
mproc__future_unwatch(struct mproc_future *f, int fd)
{
	if (f->epfd >= 0)
		(void)epoll_ctl(f->epfd, EPOLL_CTL_DEL, fd, NULL);
}

void
mproc__future_release(struct mproc_future *f)
{
	struct mproc_msg *item;

	while ((item = f->items) != NULL) {
		f->items = mproc__msg_next(item);
		mproc_msg_free(item);
	}
	mproc_msg_free(f->reply);
	free(f->text);
	free(f->death);
	if (f->epfd < 0)
		return;
	mproc__close(f->epfd);
	mproc__close(f->timerfd);
}

/*
 * The owner, locked: 0, or -ECHILD.  No owner: f is done, and needs no lock.
 */
static int
enter(struct mproc_future *f, void **ret_owner)
{
	*ret_owner = atomic_load_explicit(&f->owner, memory_order_acquire);
	return *ret_owner != NULL ? f->ops->lock(*ret_owner) : 0;
}

static void
leave(struct mproc_future *f, void *owner)
{
	if (owner != NULL)
		f->ops->unlock(owner);
	mproc__future_call();
}

int
mproc_future_wait(struct mproc_future *f, int timeout_ms)
{
	void *owner;
	int r;

	if (f == NULL)
		return mproc__err(-EINVAL, "no future given");
	if ((r = enter(f, &owner)) < 0)
		return r;
	if (!f->done)
		r = f->ops->wait(owner, f, mproc__deadline(timeout_ms));
	leave(f, owner);
	if (r == -ETIMEDOUT)
		mproc__err(r, "the future is still pending after %d ms",
		    timeout_ms);
	return r;
}

bool
mproc_future_done(struct mproc_future *f)
{
	void *owner;
	bool done;

	if (f == NULL || enter(f, &owner) < 0)
		return false;
	if (!f->done)
		f->ops->work(owner);
	done = f->done;
	leave(f, owner);
	return done;
}

int
mproc_future_result(struct mproc_future *f)
{
	if (f == NULL)
		return mproc__err(-EINVAL, "no future given");
	if (!mproc_future_done(f))
		return -EAGAIN;
	return f->result;
}

/* Set before anybody has the future. */
uint64_t
mproc_future_id(const struct mproc_future *f)
{
	return f != NULL ? f->id : 0;
}

struct mproc_msg *
mproc_future_reply(struct mproc_future *f)
{
	return f != NULL && mproc_future_done(f) ? f->reply : NULL;
}

struct mproc_msg *
mproc_future_take(struct mproc_future *f)
{
	struct mproc_msg *msg = mproc_future_reply(f);

	if (msg != NULL)
		f->reply = NULL;
	return msg;
}

const char *
mproc_future_errmsg(struct mproc_future *f)
{
	return f != NULL && mproc_future_done(f) && f->text != NULL ?
	    f->text : "";
}

/* Watch what the owner has now, those besides that are watched already. */
static int
watch(struct mproc_future *f)
{
	struct pollfd fds[MPROC__FUTURE_POLLFDS];
	struct epoll_event ev = { .events = 0 };
	int i, n;

	n = f->owner != NULL && !f->done ? f->ops->fds(f->owner, fds) : 0;
	if (n < 0)
		return n;
	for (i = 0; i < n; i++) {
		ev.events = (uint32_t)fds[i].events;
		if (epoll_ctl(f->epfd, EPOLL_CTL_ADD, fds[i].fd, &ev) < 0 &&
		    errno != EEXIST)
			return mproc__fd_error(errno, "a future's "
			    "descriptor");
	}
	return 0;
}

/*
 * Without memory for it the descriptor is made readable for good: who polls
 * it then looks at the future itself.
 */
void
mproc__future_watch(struct mproc_future *f)
{
	if (f->epfd >= 0 && watch(f) < 0)
		make_readable(f);
}

static int
make_fd(struct mproc_future *f)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int r;

	if ((f->epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return mproc__fd_error(errno, "a future's descriptor");
	f->timerfd = timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK);
	if (f->timerfd < 0) {
		r = mproc__fd_error(errno, "a future's descriptor");
		goto fail;
	}
	if (epoll_ctl(f->epfd, EPOLL_CTL_ADD, f->timerfd, &ev) < 0) {
		r = mproc__fd_error(errno, "a future's descriptor");
		goto fail;
	}
	if ((r = watch(f)) < 0)
		goto fail;
	arm(f);
	return 0;

fail:
	mproc__close(f->epfd);
	mproc__close(f->timerfd);
	f->epfd = f->timerfd = -1;
	return r;
}

int
mproc_future_fd(struct mproc_future *f)
{
	void *owner;
	int r;

	if (f == NULL)
		return mproc__err(-EINVAL, "no future given");
	if ((r = enter(f, &owner)) < 0)
		return r;
	if (f->epfd < 0)
		r = make_fd(f);
	leave(f, owner);
	return r < 0 ? r : f->epfd;
}

int
mproc_future_cancel(struct mproc_future *f)
{
	void *owner;
	int r;

	if (f == NULL)
		return mproc__err(-EINVAL, "no future given");
	if ((r = enter(f, &owner)) < 0)
		return r;
	if (f->done) {
		r = -EALREADY;
	} else {
		f->ops->forget(owner, f);
		mproc__future_complete(f, -ECANCELED, NULL, "given up");
		f->ops->work(owner);	/* wakes who waits for it */
	}
	leave(f, owner);
	return r;
}

struct mproc_future *
mproc_future_free(struct mproc_future *f)
{
	void *owner;

	if (f == NULL)
		return NULL;
	if (enter(f, &owner) == 0) {
		if (!f->done)
			f->ops->forget(owner, f);
		leave(f, owner);
	}
	mproc__future_release(f);
	free(f);
	return NULL;
}
