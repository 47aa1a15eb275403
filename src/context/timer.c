/*
 * timer.c - what is due next: a binary heap of timers by time, and the
 * program's own timers by id.
 *
 * A place in the heap is reserved when a timer comes into being, so that
 * starting one never fails.  The heap counts from 1: a timer that is in it
 * knows its place there.
 */
#include <limits.h>
#include <stdlib.h>

#include "context/context.h"

#define MS	1000000LL

struct mproc__user_timer {
	struct mproc__timer timer;	/* first */
	struct mproc__user_timer *next;	/* in the bucket */
	int		 id;
	int64_t		 repeat_ns;
	mproc_context_timer_fn *fn;
	void		*arg;
};

static void
put(struct mproc__timers *ts, size_t at, struct mproc__timer *t)
{
	ts->heap[at] = t;
	t->at = at;
}

static void
sift_up(struct mproc__timers *ts, struct mproc__timer *t, size_t at)
{
	while (at > 1 && ts->heap[at / 2]->due_ns > t->due_ns) {
		put(ts, at, ts->heap[at / 2]);
		at /= 2;
	}
	put(ts, at, t);
}

static void
sift_down(struct mproc__timers *ts, struct mproc__timer *t, size_t at)
{
	size_t child;

	while ((child = 2 * at) <= ts->n) {
		if (child < ts->n && ts->heap[child + 1]->due_ns <
		    ts->heap[child]->due_ns)
			child++;
		if (ts->heap[child]->due_ns >= t->due_ns)
			break;
		put(ts, at, ts->heap[child]);
		at = child;
	}
	put(ts, at, t);
}

int
mproc__timer_reserve(struct mproc_context *ctx)
{
	struct mproc__timers *ts = &ctx->timers;
	size_t cap = ts->cap == 0 ? 8 : ts->cap * 2;
	struct mproc__timer **heap;

	if (ts->known == ts->cap) {
		heap = reallocarray(ts->heap, cap + 1, sizeof(*heap));
		if (heap == NULL)
			return mproc__err(-ENOMEM, "no memory for a timer");
		ts->heap = heap;
		ts->cap = cap;
	}
	ts->known++;
	return 0;
}

void
mproc__timer_unreserve(struct mproc_context *ctx)
{
	ctx->timers.known--;
}

void
mproc__timer_start(struct mproc_context *ctx, struct mproc__timer *t,
    int64_t due_ns)
{
	struct mproc__timers *ts = &ctx->timers;

	mproc__timer_stop(ctx, t);
	if (due_ns != MPROC__NEVER) {
		/* The next round's turn, or timers would starve the rest. */
		t->due_ns = due_ns > ctx->round_ns ? due_ns :
		    ctx->round_ns + 1;
		sift_up(ts, t, ++ts->n);
	}
	mproc__context_arm(ctx);
}

void
mproc__timer_stop(struct mproc_context *ctx, struct mproc__timer *t)
{
	struct mproc__timers *ts = &ctx->timers;
	struct mproc__timer *last;
	size_t at = t->at;

	if (at == 0)
		return;
	t->at = 0;
	last = ts->heap[ts->n--];
	if (last == t)
		return;
	if (at > 1 && ts->heap[at / 2]->due_ns > last->due_ns)
		sift_up(ts, last, at);
	else
		sift_down(ts, last, at);
}

int64_t
mproc__timers_next(const struct mproc_context *ctx)
{
	return ctx->timers.n > 0 ? ctx->timers.heap[1]->due_ns :
	    MPROC__NEVER;
}

void
mproc__timers_expire(struct mproc_context *ctx)
{
	struct mproc__timer *t;

	ctx->round_ns = mproc__now_ns();
	while (mproc__timers_next(ctx) <= ctx->round_ns) {
		t = ctx->timers.heap[1];
		mproc__timer_stop(ctx, t);
		t->expire(ctx, t);
	}
}

static struct mproc__user_timer **
bucket(const struct mproc__timers *ts, int id)
{
	return &ts->by_id[(size_t)id & (ts->n_buckets - 1)];
}

static struct mproc__user_timer **
find(const struct mproc__timers *ts, int id)
{
	struct mproc__user_timer **at;

	if (ts->n_buckets == 0 || id <= 0)
		return NULL;
	for (at = bucket(ts, id); *at != NULL; at = &(*at)->next)
		if ((*at)->id == id)
			return at;
	return NULL;
}

/* As many buckets as there are places; ids count up, so chains are short. */
static int
grow_buckets(struct mproc__timers *ts)
{
	struct mproc__user_timer **old = ts->by_id, *t, *next, **at;
	size_t i, n_old = ts->n_buckets;

	if (ts->n_buckets >= ts->cap)
		return 0;
	if ((ts->by_id = calloc(ts->cap, sizeof(*ts->by_id))) == NULL) {
		ts->by_id = old;
		return mproc__err(-ENOMEM, "no memory for a timer");
	}
	ts->n_buckets = ts->cap;
	for (i = 0; i < n_old; i++)
		for (t = old[i]; t != NULL; t = next) {
			next = t->next;
			at = bucket(ts, t->id);
			t->next = *at;
			*at = t;
		}
	free(old);
	return 0;
}

static void
user_free(struct mproc_context *ctx, struct mproc__user_timer **at)
{
	struct mproc__user_timer *t = *at;

	*at = t->next;
	mproc__timer_stop(ctx, &t->timer);
	mproc__timer_unreserve(ctx);
	free(t);
}

static void
on_user_timer(struct mproc_context *ctx, struct mproc__timer *timer)
{
	struct mproc__user_timer *t =
	    (struct mproc__user_timer *)(void *)timer;
	mproc_context_timer_fn *fn = t->fn;
	void *arg = t->arg;
	int64_t due = timer->due_ns, late = ctx->round_ns - due;

	/* Before the call, which may cancel it. */
	if (t->repeat_ns > 0)
		mproc__timer_start(ctx, timer, due +
		    (late / t->repeat_ns + 1) * t->repeat_ns);
	else
		user_free(ctx, find(&ctx->timers, t->id));
	if (mproc__context_is_quiet(ctx))
		return;
	ctx->calls++;
	fn(ctx, arg);
}

static int
new_id(struct mproc__timers *ts)
{
	do
		ts->last_id = ts->last_id == INT_MAX ? 1 : ts->last_id + 1;
	while (find(ts, ts->last_id) != NULL);
	return ts->last_id;
}

int
mproc_context_timer(struct mproc_context *ctx, int first_ms, int repeat_ms,
    mproc_context_timer_fn *fn, void *arg)
{
	struct mproc__user_timer *t, **at;
	int r;

	if ((r = mproc__context_enter_live(ctx)) < 0)
		return r;
	if (fn == NULL || first_ms < 0 || repeat_ms < 0)
		return mproc__err(-EINVAL, "a timer without a function, or "
		    "with a negative time");
	if ((r = mproc__timer_reserve(ctx)) < 0)
		return r;
	if (grow_buckets(&ctx->timers) < 0 ||
	    (t = calloc(1, sizeof(*t))) == NULL) {
		mproc__timer_unreserve(ctx);
		return mproc__err(-ENOMEM, "no memory for a timer");
	}
	t->timer.expire = on_user_timer;
	t->id = new_id(&ctx->timers);
	t->repeat_ns = repeat_ms * MS;
	t->fn = fn;
	t->arg = arg;
	at = bucket(&ctx->timers, t->id);
	t->next = *at;
	*at = t;
	mproc__timer_start(ctx, &t->timer, mproc__now_ns() + first_ms * MS);
	return t->id;
}

int
mproc_context_timer_cancel(struct mproc_context *ctx, int id)
{
	struct mproc__user_timer **at;
	int r;

	if ((r = mproc__context_enter(ctx)) < 0)
		return r;
	if ((at = find(&ctx->timers, id)) == NULL)
		return mproc__err(-ENOENT, "there is no timer %d, or it has "
		    "run", id);
	user_free(ctx, at);
	mproc__context_arm(ctx);
	return 0;
}

void
mproc__user_timers_remove(struct mproc_context *ctx)
{
	struct mproc__timers *ts = &ctx->timers;
	size_t i;

	for (i = 0; i < ts->n_buckets; i++)
		while (ts->by_id[i] != NULL)
			user_free(ctx, &ts->by_id[i]);
}

void
mproc__timers_done(struct mproc_context *ctx)
{
	mproc__user_timers_remove(ctx);
	free(ctx->timers.by_id);
	free(ctx->timers.heap);
}
