/*
 * process_future.c - the calls of a process that wait for an answer.
 *
 * By id in a hash table (ids are consecutive, so the low bits spread them
 * evenly), and those that nobody waits for in a list by deadline.  Deadlines
 * mostly come in order, so an insertion looks from the list's end.
 */
#include <stdlib.h>

#include "process/process.h"

#define MIN_BUCKETS	16

static struct mproc_future **
bucket(struct mproc__futures *fs, uint64_t id)
{
	return &fs->bucket[id & (fs->n_buckets - 1)];
}

static int
grow(struct mproc__futures *fs)
{
	struct mproc__futures bigger = *fs;
	struct mproc_future *f, **at;
	size_t i;

	bigger.n_buckets = fs->n_buckets > 0 ? 4 * fs->n_buckets : MIN_BUCKETS;
	bigger.bucket = calloc(bigger.n_buckets, sizeof(*bigger.bucket));
	if (bigger.bucket == NULL)
		return -ENOMEM;
	for (i = 0; i < fs->n_buckets; i++) {
		while ((f = fs->bucket[i]) != NULL) {
			fs->bucket[i] = f->hash_next;
			at = bucket(&bigger, f->id);
			f->hash_next = *at;
			*at = f;
		}
	}
	free(fs->bucket);
	*fs = bigger;
	return 0;
}

static void
link_deadline(struct mproc__futures *fs, struct mproc_future *f)
{
	struct mproc_future *before = fs->last;

	while (before != NULL && before->deadline > f->deadline)
		before = before->prev;
	f->prev = before;
	f->next = before != NULL ? before->next : fs->first;
	if (f->next != NULL)
		f->next->prev = f;
	else
		fs->last = f;
	if (before != NULL)
		before->next = f;
	else
		fs->first = f;
}

static void
unlink_deadline(struct mproc__futures *fs, struct mproc_future *f)
{
	if (f->prev != NULL)
		f->prev->next = f->next;
	else
		fs->first = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	else
		fs->last = f->prev;
	f->prev = f->next = NULL;
}

static bool
by_deadline(const struct mproc_future *f)
{
	return !f->waited && f->deadline != MPROC__NEVER;
}

int
mproc__futures_add(struct mproc *p, struct mproc_future *f)
{
	struct mproc__futures *fs = &p->futures;
	struct mproc_future **at;

	if (fs->count >= fs->n_buckets && grow(fs) < 0)
		return -ENOMEM;
	at = bucket(fs, f->id);
	f->hash_next = *at;
	*at = f;
	fs->count++;
	if (by_deadline(f))
		link_deadline(fs, f);
	return 0;
}

struct mproc_future *
mproc__futures_find(struct mproc *p, uint64_t id)
{
	struct mproc_future *f;

	if (p->futures.count == 0)
		return NULL;
	for (f = *bucket(&p->futures, id); f != NULL; f = f->hash_next)
		if (f->id == id)
			return f;
	return NULL;
}

void
mproc__futures_forget(struct mproc *p, struct mproc_future *f)
{
	struct mproc_future **at;
	struct mproc_msg *item;

	/* the next call's items need the room */
	for (item = f->items; item != NULL; item = mproc__msg_next(item))
		mproc__item_taken(p, mproc__msg_size(item));
	if (p->futures.count == 0)
		return;
	for (at = bucket(&p->futures, f->id); *at != NULL;
	    at = &(*at)->hash_next) {
		if (*at != f)
			continue;
		*at = f->hash_next;
		p->futures.count--;
		if (by_deadline(f))
			unlink_deadline(&p->futures, f);
		return;
	}
}

int64_t
mproc__futures_expire(struct mproc *p)
{
	int64_t now = mproc__now_ns();
	struct mproc_future *f;

	while ((f = p->futures.first) != NULL && f->deadline <= now) {
		mproc__futures_forget(p, f);
		mproc__future_complete(f, -ETIMEDOUT, NULL,
		    "no reply within the time given");
	}
	return f != NULL ? f->deadline : MPROC__NEVER;
}

void
mproc__futures_fail(struct mproc *p, int code, const char *text)
{
	struct mproc_future *f;
	size_t i;

	for (i = 0; i < p->futures.n_buckets; i++) {
		while ((f = p->futures.bucket[i]) != NULL) {
			mproc__futures_forget(p, f);
			mproc__future_complete(f, code, NULL, text);
		}
	}
}

void
mproc__futures_events(struct mproc *p, int fd, uint32_t events)
{
	struct mproc_future *f;
	size_t i;

	for (i = 0; p->futures.count > 0 && i < p->futures.n_buckets; i++)
		for (f = p->futures.bucket[i]; f != NULL; f = f->hash_next)
			mproc__future_events(f, fd, events);
}

void
mproc__futures_watch(struct mproc *p)
{
	struct mproc_future *f;
	size_t i;

	for (i = 0; p->futures.count > 0 && i < p->futures.n_buckets; i++)
		for (f = p->futures.bucket[i]; f != NULL; f = f->hash_next)
			mproc__future_watch(f);
}

void
mproc__futures_unwatch(struct mproc *p, int fd)
{
	struct mproc_future *f;
	size_t i;

	for (i = 0; p->futures.count > 0 && i < p->futures.n_buckets; i++)
		for (f = p->futures.bucket[i]; f != NULL; f = f->hash_next)
			mproc__future_unwatch(f, fd);
}

void
mproc__futures_done(struct mproc *p)
{
	free(p->futures.bucket);
	p->futures = (struct mproc__futures){ 0 };
}

/* What a future asks of its process. */

static int
op_lock(void *owner)
{
	return mproc__enter(owner);
}

static void
op_unlock(void *owner)
{
	mproc__leave(owner);
}

static bool
is_done(struct mproc *p, void *arg)
{
	(void)p;
	return ((struct mproc_future *)arg)->done;
}

static int
op_wait(void *owner, struct mproc_future *f, int64_t deadline)
{
	return mproc__wait(owner, is_done, f, deadline);
}

static void
op_work(void *owner)
{
	mproc__work(owner);
}

static int
op_fds(void *owner, struct pollfd ret[MPROC__FUTURE_POLLFDS])
{
	struct mproc *p = owner;
	int n = 0, i, r;

	if ((r = mproc__timer_open(p)) < 0)
		return r;
	if (p->data != NULL && !p->data_eof)
		ret[n++] = (struct pollfd){ mproc__channel_fd(p->data),
		    (short)p->data_events, 0 };
	if (p->control != NULL && !p->control_eof)
		ret[n++] = (struct pollfd){ mproc__channel_fd(p->control),
		    (short)p->control_events, 0 };
	if (p->child.pidfd >= 0)
		ret[n++] = (struct pollfd){ p->child.pidfd, POLLIN, 0 };
	if (p->log_fd >= 0 && !p->log_eof)
		ret[n++] = (struct pollfd){ p->log_fd, POLLIN, 0 };
	/* a full pipe stops the handler that is waited for */
	for (i = 0; i < 2; i++)
		if (p->capture[i] >= 0)
			ret[n++] = (struct pollfd){ p->capture[i], POLLIN,
			    0 };
	/* retries have no other way to tell of their time */
	p->fd_used = true;
	ret[n++] = (struct pollfd){ p->timerfd, POLLIN, 0 };
	return n;
}

static void
op_forget(void *owner, struct mproc_future *f)
{
	mproc__futures_forget(owner, f);
}

struct wish {
	bool	(*ready)(void *arg);
	void	*arg;
};

static bool
is_granted(struct mproc *p, void *arg)
{
	struct wish *w = arg;

	(void)p;
	return w->ready(w->arg);
}

static int
op_wait_for(void *owner, bool (*ready)(void *arg), void *arg,
    int64_t deadline)
{
	struct wish w = { ready, arg };

	return mproc__wait(owner, is_granted, &w, deadline);
}

static int
op_cancel(void *owner, struct mproc_future *f, enum mproc_cancel how)
{
	struct mproc *p = owner;
	uint64_t other;

	if (how == MPROC_CANCEL_QUEUED)
		return mproc__err(-EBUSY, "the call was sent");
	if (how == MPROC_CANCEL_KILL)
		return mproc__err(-EOPNOTSUPP, "of a call of a process the "
		    "process would have to be killed: mproc_kill()");
	other = mproc__canceled_call(p, f->id);
	if ((other == f->id || mproc__futures_find(p, other) == NULL) &&
	    mproc__cancel_call(p, f->id))
		return 0;
	return mproc__err(-EAGAIN, "%s: too many calls are being canceled",
	    p->name);
}

static void
op_took(void *owner, struct mproc_future *f, size_t size)
{
	(void)f;
	mproc__item_taken(owner, size);
}

const struct mproc__future_ops mproc__process_future_ops = {
	.lock = op_lock, .unlock = op_unlock, .wait = op_wait,
	.work = op_work, .fds = op_fds, .forget = op_forget,
	.wait_for = op_wait_for, .cancel = op_cancel, .took = op_took
};
