/*
 * set.c - the epoll set: descriptors and what is to be called for them; and
 * the program's own ones.
 *
 * An event names its source by descriptor and serial, not by pointer: if the
 * program closed a watched descriptor of which a duplicate lives on, epoll
 * cannot be told to forget it and still reports it.
 */
#include <sys/epoll.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "context/context.h"

#define WATCH_EVENTS	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT &&
    EPOLLPRI == POLLPRI && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP &&
    EPOLLRDHUP == POLLRDHUP, "epoll's and poll's bits are the same");

struct watch {
	struct mproc__source source;	/* first */
	mproc_context_watch_fn *fn;
	void		*arg;
};

static int
room_for(struct mproc_context *ctx, int fd)
{
	struct mproc__source **bigger;
	size_t n = ctx->n_by_fd == 0 ? 16 : ctx->n_by_fd;

	if ((size_t)fd < ctx->n_by_fd)
		return 0;
	while (n <= (size_t)fd)
		n *= 2;
	bigger = reallocarray(ctx->by_fd, n, sizeof(*bigger));
	if (bigger == NULL)
		return mproc__err(-ENOMEM, "no memory to watch a descriptor");
	memset(bigger + ctx->n_by_fd, 0,
	    (n - ctx->n_by_fd) * sizeof(*bigger));
	ctx->by_fd = bigger;
	ctx->n_by_fd = n;
	return 0;
}

static int
control(struct mproc_context *ctx, int op, const struct mproc__source *s)
{
	struct epoll_event ev = {
		.events = s->events,
		.data.u64 = (uint64_t)s->serial << 32 | (uint32_t)s->fd
	};

	if (epoll_ctl(ctx->epfd, op, s->fd, &ev) < 0)
		return mproc__err(-errno, "descriptor %d cannot be watched: "
		    "%s", s->fd, strerrordesc_np(errno));
	return 0;
}

struct mproc__source *
mproc__source_of(struct mproc_context *ctx, int fd)
{
	if (fd < 0 || (size_t)fd >= ctx->n_by_fd)
		return NULL;
	return ctx->by_fd[fd];
}

int
mproc__source_add(struct mproc_context *ctx, struct mproc__source *s, int fd,
    uint32_t events)
{
	int r;

	s->fd = -1;
	if (fd < 0)
		return mproc__err(-EBADF, "no descriptor to watch: %d", fd);
	if (mproc__source_of(ctx, fd) != NULL)
		return mproc__err(-EEXIST, "descriptor %d is watched already",
		    fd);
	if ((r = room_for(ctx, fd)) < 0)
		return r;
	s->fd = fd;
	s->events = events;
	s->serial = ++ctx->last_serial;
	if ((r = control(ctx, EPOLL_CTL_ADD, s)) < 0) {
		s->fd = -1;
		return r;
	}
	ctx->by_fd[fd] = s;
	return 0;
}

int
mproc__source_change(struct mproc_context *ctx, struct mproc__source *s,
    uint32_t events)
{
	uint32_t before = s->events;
	int r;

	s->events = events;
	r = control(ctx, EPOLL_CTL_MOD, s);
	if (r == -ENOENT)	/* another file has the number by now */
		r = control(ctx, EPOLL_CTL_ADD, s);
	if (r < 0)
		s->events = before;
	return r;
}

void
mproc__source_remove(struct mproc_context *ctx, struct mproc__source *s)
{
	int saved = errno;

	if (s->fd >= 0) {
		(void)epoll_ctl(ctx->epfd, EPOLL_CTL_DEL, s->fd, NULL);
		ctx->by_fd[s->fd] = NULL;
		s->fd = -1;
	}
	errno = saved;
	s->gone = true;
	if (s->fixed)
		return;
	s->next_gone = ctx->gone;
	ctx->gone = s;
	if (!ctx->in_round)
		mproc__sources_bury(ctx);
}

void
mproc__sources_bury(struct mproc_context *ctx)
{
	struct mproc__source *s;

	while ((s = ctx->gone) != NULL) {
		ctx->gone = s->next_gone;
		if (s->bury != NULL)
			s->bury(s);
		free(s);
	}
}

static void
on_watch(struct mproc_context *ctx, struct mproc__source *s, uint32_t events)
{
	struct watch *w = (struct watch *)(void *)s;

	if (mproc__context_is_quiet(ctx))
		return;
	ctx->calls++;
	w->fn(ctx, s->fd, (int)events, w->arg);
}

void
mproc__watches_remove(struct mproc_context *ctx)
{
	size_t fd;

	for (fd = 0; fd < ctx->n_by_fd; fd++)
		if (ctx->by_fd[fd] != NULL && ctx->by_fd[fd]->ready == on_watch)
			mproc__source_remove(ctx, ctx->by_fd[fd]);
}

static int
watch_again(struct mproc_context *ctx, struct mproc__source *s, int events,
    mproc_context_watch_fn *fn, void *arg)
{
	struct watch *w = (struct watch *)(void *)s;
	int r;

	if (s->ready != on_watch)
		return mproc__err(-EEXIST, "descriptor %d is that of a "
		    "process in the context", s->fd);
	if ((r = mproc__source_change(ctx, s, (uint32_t)events)) < 0)
		return r;
	w->fn = fn;
	w->arg = arg;
	return 0;
}

int
mproc_context_watch(struct mproc_context *ctx, int fd, int events,
    mproc_context_watch_fn *fn, void *arg)
{
	struct mproc__source *s;
	struct watch *w;
	int r;

	if ((r = mproc__context_enter_live(ctx)) < 0)
		return r;
	if (fn == NULL || events == 0 || (events & ~WATCH_EVENTS) != 0)
		return mproc__err(-EINVAL, "no function, or events %#x are "
		    "none to watch for", (unsigned)events);
	if ((s = mproc__source_of(ctx, fd)) != NULL)
		return watch_again(ctx, s, events, fn, arg);
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return mproc__err(-ENOMEM, "no memory to watch a descriptor");
	w->source.ready = on_watch;
	w->fn = fn;
	w->arg = arg;
	if ((r = mproc__source_add(ctx, &w->source, fd,
	    (uint32_t)events)) < 0)
		free(w);
	return r;
}

int
mproc_context_unwatch(struct mproc_context *ctx, int fd)
{
	struct mproc__source *s;
	int r;

	if ((r = mproc__context_enter(ctx)) < 0)
		return r;
	s = mproc__source_of(ctx, fd);
	if (s == NULL || s->ready != on_watch)
		return mproc__err(-ENOENT, "descriptor %d is not watched",
		    fd);
	mproc__source_remove(ctx, s);
	return 0;
}
