/*
 * group.c - events handed out one by one.
 *
 * A slot's own word says whether it is reserved and by which generation, so
 * one compare-and-swap hands it out; `next` and `released` in the page are
 * hints and alarms only.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "sync/event.h"
#include "system/system.h"

static uint32_t
token_generation(int64_t token)
{
	return (uint32_t)((uint64_t)token >> 32);
}

/* The event that a token or index names, or NULL and the error text */
static struct mproc_event *
find(struct mproc_event_group *eg, int64_t token)
{
	int64_t index = token & 0xffffffff;

	if (eg == NULL || token < 0 || index >= eg->n) {
		mproc__err(-EINVAL, "event group: no event %jd%s",
		    (intmax_t)index, eg == NULL ? ": no group" : "");
		return NULL;
	}
	return &eg->events[index];
}

/* One look at every event, the oldest free one about first */
static int
try_reserve(struct mproc_event_group *eg, int64_t *ret_token)
{
	uint32_t generation, i, index, n = (uint32_t)eg->n, start;

	start = atomic_load(&eg->page->next) % n;
	for (i = 0; i < n; i++) {
		index = (start + i) % n;
		generation = mproc__event_reserve(&eg->events[index]);
		if (generation == 0)
			continue;
		atomic_store(&eg->page->next, (index + 1) % n);
		*ret_token = (int64_t)((uint64_t)generation << 32 | index);
		return 0;
	}
	return -EAGAIN;
}

/* `next` alone would not do: one may be released behind the search. */
static int
reserve(struct mproc_event_group *eg, int64_t *ret_token)
{
	uint32_t before;
	int64_t token;
	int r;

	do {
		before = atomic_load(&eg->page->released);
		r = try_reserve(eg, &token);
	} while (r == -EAGAIN && before != atomic_load(&eg->page->released));
	if (r < 0)
		return r;
	r = mproc__event_settle(&eg->events[mproc_token_index(token)]);
	if (r < 0) {
		(void)mproc_event_group_release(eg, token);
		return r;
	}
	*ret_token = token;
	return 0;
}

static int
refuse_reserve(struct mproc_event_group *eg)
{
	return mproc__err(-EINVAL, "event group: %s", eg == NULL ?
	    "no group" : "nowhere to put the token");
}

int
mproc_event_group_reserve(struct mproc_event_group *eg, int64_t *ret_token)
{
	int r;

	if (eg == NULL || ret_token == NULL)
		return refuse_reserve(eg);
	r = reserve(eg, ret_token);
	if (r == -EAGAIN)
		return mproc__err(r, "not enough events: all %d are reserved",
		    eg->n);
	return r;
}

int
mproc_event_group_reserve_wait(struct mproc_event_group *eg, int timeout_ms,
    int64_t *ret_token)
{
	int64_t deadline = mproc__deadline(timeout_ms);
	uint32_t before;
	int r, slept = 0;

	if (eg == NULL || ret_token == NULL)
		return refuse_reserve(eg);
	atomic_fetch_add(&eg->page->waiters, 1);
	for (;;) {
		before = atomic_load(&eg->page->released);
		r = reserve(eg, ret_token);
		if (r != -EAGAIN)
			break;
		if (slept == -ETIMEDOUT) {
			r = mproc__err(slept, "not enough events: all %d "
			    "stayed reserved", eg->n);
			break;
		}
		slept = mproc__futex_wait(&eg->page->released, before,
		    deadline);
	}
	atomic_fetch_sub(&eg->page->waiters, 1);
	return r;
}

int
mproc_event_group_release(struct mproc_event_group *eg, int64_t token)
{
	struct mproc_event *ev = find(eg, token);
	int r;

	if (ev == NULL)
		return -EINVAL;
	r = mproc__event_release(ev, token_generation(token));
	if (r < 0)
		return r;
	atomic_fetch_add(&eg->page->released, 1);
	/*
	 * All, not one: the one woken may die before it takes the event, and
	 * the others would sleep beside a free one.
	 */
	if (atomic_load(&eg->page->waiters) > 0)
		(void)mproc__futex_wake(&eg->page->released, INT_MAX);
	return 0;
}

int
mproc_event_group_release_index(struct mproc_event_group *eg, int index)
{
	return mproc_event_group_release(eg, index);
}

int
mproc_event_group_set(struct mproc_event_group *eg, int64_t token)
{
	struct mproc_event *ev = find(eg, token);

	if (ev == NULL)
		return -EINVAL;
	return mproc__event_change(ev, token_generation(token),
	    MPROC__EV_SET);
}

/* Every reserved event; the first error, having gone on */
static int
abort_all(struct mproc_event_group *eg, int code)
{
	uint32_t holder;
	int i, r, ret = 0;

	for (i = 0; i < eg->n; i++) {
		holder = mproc__event_holder(&eg->events[i]);
		if (holder == 0)
			continue;
		r = mproc__event_change(&eg->events[i], holder,
		    mproc__ev_abort(code));
		/* Released meanwhile: nobody waits, nothing to abort. */
		if (r < 0 && r != -ESTALE && ret == 0)
			ret = r;
	}
	return ret;
}

int
mproc_event_group_abort(struct mproc_event_group *eg, int64_t token, int code)
{
	struct mproc_event *ev;

	if (eg == NULL || code >= 0 || code < -MPROC__EV_CODE_MAX)
		return mproc__err(-EINVAL, "event group: abort with %d", code);
	if (token == MPROC_EVENT_ALL)
		return abort_all(eg, code);
	if ((ev = find(eg, token)) == NULL)
		return -EINVAL;
	return mproc__event_change(ev, token_generation(token),
	    mproc__ev_abort(code));
}

int
mproc_event_group_wait(struct mproc_event_group *eg, int64_t token,
    int abort_fd, int timeout_ms)
{
	struct mproc_event *ev = find(eg, token);

	if (ev == NULL)
		return -EINVAL;
	return mproc__event_wait(ev, token_generation(token), abort_fd,
	    timeout_ms);
}

int
mproc_event_group_from_index(struct mproc_event_group *eg, int64_t token,
    struct mproc_event **ret_ev)
{
	struct mproc_event *ev = find(eg, token);

	if (ev == NULL || ret_ev == NULL)
		return -EINVAL;
	*ret_ev = ev;
	return 0;
}

int
mproc_event_group_as_index(const struct mproc_event_group *eg,
    const struct mproc_event *ev)
{
	if (eg == NULL || ev == NULL || ev->group != eg)
		return mproc__err(-EINVAL, "event group: not an event of it");
	return (int)(ev - eg->events);
}

int
mproc_event_group_token(const struct mproc_event_group *eg, int index,
    int64_t *ret_token)
{
	uint32_t holder;

	if (eg == NULL || ret_token == NULL || index < 0 || index >= eg->n)
		return mproc__err(-EINVAL, "event group: no event %d", index);
	holder = mproc__event_holder(&eg->events[index]);
	if (holder == 0)
		return mproc__err(-ESTALE, "event %d is free", index);
	*ret_token = (int64_t)((uint64_t)holder << 32 | (uint32_t)index);
	return 0;
}

int
mproc_event_group_stat(const struct mproc_event_group *eg, int *ret_free,
    int *ret_total)
{
	int i, n = 0;

	if (eg == NULL)
		return mproc__err(-EINVAL, "event group: no group");
	for (i = 0; i < eg->n; i++)
		if (mproc__event_holder(&eg->events[i]) == 0)
			n++;
	if (ret_free != NULL)
		*ret_free = n;
	if (ret_total != NULL)
		*ret_total = eg->n;
	return 0;
}

/* snprintf(3) after `at` bytes of `buf`; the length written or wanted */
static int __attribute__((format(printf, 4, 5)))
print_at(char *buf, size_t size, int at, const char *fmt, ...)
{
	const bool full = (size_t)at >= size;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(full ? NULL : buf + at, full ? 0 : size - (size_t)at,
	    fmt, ap);
	va_end(ap);
	return n > 0 ? n : 0;
}

int
mproc_event_group_print(const struct mproc_event_group *eg, char *buf,
    size_t size)
{
	int at, i;

	if (eg == NULL || (buf == NULL && size > 0))
		return mproc__err(-EINVAL, "event group: nothing to print");
	at = print_at(buf, size, 0, "<EventGroup: ");
	for (i = 0; i < eg->n; i++)
		at += print_at(buf, size, at, "%c%d ",
		    mproc__event_holder(&eg->events[i]) == 0 ? 'f' : 'R', i);
	return at + print_at(buf, size, at, ">");
}
