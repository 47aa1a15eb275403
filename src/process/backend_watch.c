/*
 * backend_watch.c - the user's descriptors and timers in a backend's loop.
 */
#include <sys/epoll.h>

#include <stdlib.h>
#include <string.h>

#include "process/backend.h"

void
mproc__watches_free(struct mproc__core *core)
{
	struct mproc__watch **at = &core->watches, *w;

	while ((w = *at) != NULL) {
		if (!w->gone || w->stuck) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}

int
mproc__watch_run(struct mproc__core *core, struct mproc__watch *w, uint32_t events)
{
	int fd = w->fd, r;

	if (w->gone)
		return 0;	/* removed by a callback of this turn */
	core->in_handler = true;
	core->fail_code = 0;
	r = w->fn(core->base, fd, (int)events, w->arg);
	core->in_handler = false;
	if (r < 0 && !w->gone) {
		mproc__core_log(core, MPROC_WARNING, "the watch of fd %d "
		    "failed and was removed: %s", fd,
		    mproc__callback_text(core, r));
		(void)mproc_unwatch(core->base, fd);
	}
	return 1;
}

static void
timer_link(struct mproc__core *core, struct mproc__timer *t)
{
	struct mproc__timer **at = &core->timers;

	while (*at != NULL && (*at)->when <= t->when)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
}

/*
 * Those due now.  A timer is out of the list while its callback runs, and
 * `running` says whether the callback cancelled it.
 */
int
mproc__timers_run(struct mproc__core *core)
{
	int64_t now;
	struct mproc__timer *t;
	int n = 0, r;

	if (core->timers == NULL)
		return 0;
	now = mproc__now_ns();
	while ((t = core->timers) != NULL && t->when <= now) {
		core->timers = t->next;
		core->running = t;
		core->in_handler = true;
		core->fail_code = 0;
		r = t->fn(core->base, t->arg);
		core->in_handler = false;
		n++;
		if (r < 0)
			mproc__core_log(core, MPROC_WARNING, "timer %d failed "
			    "and was removed: %s", t->id,
			    mproc__callback_text(core, r));
		if (r < 0 || core->running == NULL || t->repeat_ms == 0) {
			free(t);
		} else {
			t->when += t->repeat_ms * 1000000LL;
			if (t->when <= now)	/* no bursts after a delay */
				t->when = now + t->repeat_ms * 1000000LL;
			timer_link(core, t);
		}
		core->running = NULL;
	}
	mproc__loop_arm(core);
	return n;
}

int
mproc_watch(struct mproc_backend *base, int fd, int events_,
    mproc_watch_fn *fn, void *arg)
{
	struct mproc__core *core = mproc__core_of(base);
	struct mproc__watch *w;
	struct epoll_event ev = { .events = (uint32_t)events_ };
	int op = EPOLL_CTL_MOD, r;

	if (fn == NULL)
		return mproc__err(-EINVAL, "a watch needs a function");
	if ((r = mproc__loop_open(core)) < 0)
		return r;
	for (w = core->watches; w != NULL; w = w->next)
		if (w->fd == fd && !w->gone)
			break;
	if (w == NULL) {
		if ((w = calloc(1, sizeof(*w))) == NULL)
			return -ENOMEM;
		op = EPOLL_CTL_ADD;
	}
	ev.data.ptr = w;
	if (epoll_ctl(core->epfd, op, fd, &ev) < 0) {
		r = -errno;
		if (op == EPOLL_CTL_ADD)
			free(w);
		return mproc__err(r, "fd %d cannot be watched: %s", fd,
		    strerrordesc_np(-r));
	}
	w->fd = fd;
	w->events = events_;
	w->fn = fn;
	w->arg = arg;
	if (op == EPOLL_CTL_ADD) {
		w->next = core->watches;
		core->watches = w;
	}
	return 0;
}

int
mproc_unwatch(struct mproc_backend *base, int fd)
{
	struct mproc__core *core = mproc__core_of(base);
	struct mproc__watch *w;

	for (w = core->watches; w != NULL; w = w->next) {
		if (w->fd != fd || w->gone)
			continue;
		/* may fail: the fd may be closed already */
		if (epoll_ctl(core->epfd, EPOLL_CTL_DEL, fd, NULL) < 0)
			w->stuck = true;	/* a copy may still report */
		w->gone = true;	/* freed at the end of the turn */
		return 0;
	}
	return mproc__err(-ENOENT, "fd %d is not watched", fd);
}

int
mproc_timer(struct mproc_backend *base, int first_ms, int repeat_ms,
    mproc_timer_fn *fn, void *arg)
{
	struct mproc__core *core = mproc__core_of(base);
	struct mproc__timer *t;

	if (fn == NULL || first_ms < 0 || repeat_ms < 0)
		return mproc__err(-EINVAL, "a timer needs a function and "
		    "times >= 0");
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return -ENOMEM;
	t->id = ++core->last_timer;
	t->repeat_ms = repeat_ms;
	t->when = mproc__deadline(first_ms);
	t->fn = fn;
	t->arg = arg;
	timer_link(core, t);
	mproc__loop_arm(core);
	return t->id;
}

int
mproc_timer_cancel(struct mproc_backend *base, int id)
{
	struct mproc__core *core = mproc__core_of(base);
	struct mproc__timer **at, *t;

	if (core->running != NULL && core->running->id == id) {
		core->running = NULL;	/* its own callback ends it */
		return 0;
	}
	for (at = &core->timers; (t = *at) != NULL; at = &t->next) {
		if (t->id != id)
			continue;
		*at = t->next;
		free(t);
		mproc__loop_arm(core);
		return 0;
	}
	return mproc__err(-ENOENT, "no timer %d", id);
}
