/*
 * future_many.c - what is asked of a future besides its result: items,
 * callbacks, the kinds of cancel; and of several futures at once.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "future/future.h"
#include "message/message.h"

/* The owner, locked, or NULL when f is done: then no lock is needed. */
static int
enter(struct mproc_future *f, void **ret_owner)
{
	if (f == NULL)
		return mproc__err(-EINVAL, "no future given");
	*ret_owner = atomic_load_explicit(&f->owner, memory_order_acquire);
	return *ret_owner != NULL ? f->ops->lock(*ret_owner) : 0;
}

static void
leave(const struct mproc__future_ops *ops, void *owner)
{
	if (owner != NULL)
		ops->unlock(owner);
	mproc__future_call();
}

int
mproc_future_cancel_as(struct mproc_future *f, enum mproc_cancel how)
{
	void *owner;
	int r;

	if (how < MPROC_CANCEL_QUEUED || how > MPROC_CANCEL_ABANDON)
		return mproc__err(-EINVAL, "no such kind of cancel");
	if (how == MPROC_CANCEL_ABANDON)
		return mproc_future_cancel(f);
	if ((r = enter(f, &owner)) < 0)
		return r;
	if (f->done)
		r = -EALREADY;
	else if (f->ops->cancel == NULL)
		r = mproc__err(-EOPNOTSUPP, "a call of a process can only be "
		    "abandoned");
	else
		r = f->ops->cancel(owner, f, how);
	leave(f->ops, owner);
	return r;
}

const struct mproc_death *
mproc_future_death(struct mproc_future *f)
{
	return f != NULL && mproc_future_done(f) ? f->death : NULL;
}

static bool
has_item(void *arg)
{
	struct mproc_future *f = arg;

	return f->items != NULL || f->done;
}

static int
wait_item(struct mproc_future *f, void *owner, int timeout_ms)
{
	int64_t deadline = mproc__deadline(timeout_ms);

	if (has_item(f))
		return 0;
	if (f->ops->wait_for == NULL)
		return f->ops->wait(owner, f, deadline);
	return f->ops->wait_for(owner, has_item, f, deadline);
}

int
mproc_future_next(struct mproc_future *f, int timeout_ms,
    struct mproc_msg **ret_item)
{
	struct mproc_msg *item;
	void *owner;
	int r;

	if (ret_item == NULL)
		return mproc__err(-EINVAL, "no place for the item");
	if ((r = enter(f, &owner)) < 0)
		return r;
	r = wait_item(f, owner, timeout_ms);
	if ((item = f->items) != NULL) {
		f->items = mproc__msg_next(item);
		mproc__msg_set_next(item, NULL);
		if (!f->done && f->ops->took != NULL)
			f->ops->took(owner, f, mproc__msg_size(item));
		*ret_item = item;
		r = 1;
	}
	leave(f->ops, owner);
	return r;
}

int
mproc_future_on_done(struct mproc_future *f, mproc_future_fn *fn, void *arg)
{
	void *owner;
	bool done;
	int r;

	if (fn == NULL)
		return mproc__err(-EINVAL, "nothing to call");
	if ((r = enter(f, &owner)) < 0)
		return r;
	done = f->done;
	if (!done && f->fn != NULL) {
		r = mproc__err(-EALREADY, "the future has a callback");
	} else if (!done) {
		f->fn = fn;
		f->fn_arg = arg;
	}
	leave(f->ops, owner);
	if (done)
		fn(f, arg);
	return r;
}

/* Several at once. */
struct several {
	struct mproc_future *const *list;
	int	 n;
	int	 found;		/* the first to complete of those done */
};

static bool
any_done(void *arg)
{
	struct several *s = arg;
	struct mproc_future *f;
	int i;

	s->found = -1;
	for (i = 0; i < s->n; i++) {
		f = s->list[i];
		if (atomic_load_explicit(&f->owner, memory_order_acquire) ==
		    NULL && (s->found < 0 ||
		    f->order < s->list[s->found]->order))
			s->found = i;
	}
	return s->found >= 0;
}

/* All of one owner, who can wait for them at once?  NULL: no. */
static void *
one_owner(const struct several *s)
{
	void *owner = atomic_load(&s->list[0]->owner);
	int i;

	if (owner == NULL || s->list[0]->ops->wait_for == NULL)
		return NULL;
	for (i = 1; i < s->n; i++)
		if (atomic_load(&s->list[i]->owner) != owner)
			return NULL;
	return owner;
}

static int
wait_owner(struct several *s, void *owner, int64_t deadline)
{
	const struct mproc__future_ops *ops = s->list[0]->ops;
	int r;

	if ((r = ops->lock(owner)) < 0)
		return r;
	r = ops->wait_for(owner, any_done, s, deadline);
	leave(ops, owner);
	return r < 0 ? r : s->found;
}

static int
wait_fds(struct several *s, int64_t deadline)
{
	struct pollfd *fds;
	int i, r;

	if ((fds = calloc((size_t)s->n, sizeof(*fds))) == NULL)
		return -ENOMEM;
	for (i = 0; i < s->n; i++) {
		if ((r = mproc_future_fd(s->list[i])) < 0)
			goto out;
		fds[i] = (struct pollfd){ .fd = r, .events = POLLIN };
	}
	for (;;) {
		for (i = 0; i < s->n; i++)
			(void)mproc_future_done(s->list[i]);
		r = -ETIMEDOUT;
		if (any_done(s))
			r = s->found;
		if (r >= 0 || mproc__now_ns() >= deadline)
			goto out;
		(void)poll(fds, (nfds_t)s->n, mproc__remaining_ms(deadline));
	}
out:
	free(fds);
	return r;
}

static int
wait_any(struct mproc_future *const *list, int n, int64_t deadline)
{
	struct several s = { list, n, -1 };
	void *owner;
	int i;

	if (list == NULL || n < 1)
		return mproc__err(-EINVAL, "no futures to wait for");
	for (i = 0; i < n; i++)
		if (list[i] == NULL)
			return mproc__err(-EINVAL, "no future given");
	if (any_done(&s))
		return s.found;
	if ((owner = one_owner(&s)) != NULL)
		return wait_owner(&s, owner, deadline);
	return wait_fds(&s, deadline);
}

int
mproc_future_wait_any(struct mproc_future *const *list, int n,
    int timeout_ms)
{
	return wait_any(list, n, mproc__deadline(timeout_ms));
}

int
mproc_future_wait_all(struct mproc_future *const *list, int n,
    int timeout_ms)
{
	int64_t deadline = mproc__deadline(timeout_ms);
	int i, r = 0;

	if (n < 0 || (list == NULL && n > 0))
		return mproc__err(-EINVAL, "no futures to wait for");
	for (i = 0; i < n && r == 0; i++)
		r = mproc_future_wait(list[i], mproc__remaining_ms(deadline));
	return r;
}

int
mproc_future_as_completed(struct mproc_future **list, int n, int n_done,
    int timeout_ms)
{
	struct mproc_future *f;
	int i;

	if (list == NULL || n_done < 0 || n_done > n)
		return mproc__err(-EINVAL, "no futures to wait for");
	if (n_done == n)
		return -ENODATA;
	i = wait_any(list + n_done, n - n_done, mproc__deadline(timeout_ms));
	if (i < 0)
		return i;
	f = list[n_done + i];
	list[n_done + i] = list[n_done];
	list[n_done] = f;
	return 0;
}
