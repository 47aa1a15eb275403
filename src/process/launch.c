/*
 * launch.c - the way of launching, and the child as the frontend sees it.
 *
 * A child made here can neither end nor be reaped before its pidfd is held:
 * it waits for the first frame on its control channel, whose other end the
 * caller of mproc__launch() has, and which nobody has written to yet.
 */
#include <signal.h>
#include <stdio.h>

#include "process/boot.h"

static int
no_init(const char *way)
{
	return mproc__err(-EOPNOTSUPP, "%s needs mproc_init() at the top of "
	    "main(), in this process", way);
}

bool
mproc__launch_forks(enum mproc_launch how)
{
	return how == MPROC_FORK ||
	    (how == MPROC_AUTO && !mproc__server_usable());
}

/* AUTO becomes a way; the way is possible: 0, or -EOPNOTSUPP. */
static int
choose(const struct mproc__launch *l, enum mproc_launch *ret_how)
{
	*ret_how = l->how;
	switch (l->how) {
	case MPROC_AUTO:
		*ret_how = MPROC_FORKSERVER;
		if (!mproc__launch_forks(MPROC_AUTO) && l->page == NULL)
			return 0;
		*ret_how = MPROC_FORK;
		if (mproc__threads() == 1)
			return 0;
		return mproc__err(-EOPNOTSUPP, "this program has several "
		    "threads, so a fork of it is not safe: call mproc_init() "
		    "at the top of main()");
	case MPROC_FORKSERVER:
		return mproc__server_usable() ? 0 :
		    no_init("MPROC_FORKSERVER");
	case MPROC_SPAWN:
		return mproc__spawn_ready() ? 0 : no_init("MPROC_SPAWN");
	case MPROC_FORK:
	case MPROC_THREAD:
		return 0;
	}
	return mproc__err(-EINVAL, "launch: no such way: %d", (int)l->how);
}

static int
make_order(const struct mproc__launch *l, enum mproc_launch how,
    struct mproc__order *o)
{
	int r;

	if ((r = mproc__order_make(l, o)) < 0)
		return r;
	return how == MPROC_FORKSERVER || how == MPROC_SPAWN ?
	    mproc__order_address(l, o) : mproc__place_check(l->class);
}

static int
start(const struct mproc__launch *l, enum mproc_launch how,
    struct mproc__order *o, struct mproc__child *child)
{
	child->how = how;
	/* So that what comes first is printed first, and nothing twice. */
	if (how != MPROC_THREAD) {
		mproc__flush_output(stdout);
		mproc__flush_output(stderr);
	}
	switch (how) {
	case MPROC_FORKSERVER:
		return mproc__launch_server(l, o, child);
	case MPROC_SPAWN:
		return mproc__launch_spawn(l, o, child);
	case MPROC_THREAD:
		return mproc__launch_thread(l, child);
	default:
		return mproc__launch_fork(l, o, child);
	}
}

static void
close_ends(struct mproc__launch *l)
{
	int i;

	for (i = 0; i < MPROC__BOOT_FDS; i++) {
		if (l->how != MPROC_THREAD)
			mproc__close(l->fd[i]);
		l->fd[i] = -1;
	}
	for (i = 0; i < 2; i++) {
		mproc__close(l->capture[i]);
		l->capture[i] = -1;
	}
}

int
mproc__launch(struct mproc__launch *l, struct mproc__child *ret_child)
{
	struct mproc__child child = { .pidfd = -1 };
	enum mproc_launch how;
	struct mproc__order order;
	int r;

	if ((r = choose(l, &how)) < 0 ||
	    (r = make_order(l, how, &order)) < 0)
		return r;
	r = start(l, how, &order, &child);
	/* The helper was killed, say: what AUTO would do without it. */
	if (r == -EPIPE && l->how == MPROC_AUTO && mproc__threads() == 1)
		r = start(l, MPROC_FORK, &order, &child);
	if (r < 0)
		return r;
	l->how = child.how;
	close_ends(l);
	*ret_child = child;
	return 0;
}

int
mproc__child_signal(struct mproc__child *c, int sig)
{
	if (c->how == MPROC_THREAD)
		return -EOPNOTSUPP;
	return c->pidfd < 0 ? -ESRCH : mproc__pidfd_signal(c->pidfd, sig);
}

bool
mproc__child_dead(struct mproc__child *c)
{
	if (c->how == MPROC_THREAD)
		return c->box == NULL || mproc__box_done(c->box);
	return c->pidfd < 0 || mproc__pidfd_dead(c->pidfd);
}

static int
join(struct mproc__child *c, struct mproc__exit *ret)
{
	struct mproc__exit ex = { .exit_code = -1 };

	if (c->box != NULL) {
		(void)pthread_join(c->thread, NULL);
		ex.known = true;
		ex.exit_code = mproc__box_status(c->box);
		mproc__box_put(c->box);
		c->box = NULL;
	}
	*ret = ex;
	return 0;
}

int
mproc__child_reap(struct mproc__child *c, struct mproc__exit *ret)
{
	if (!mproc__child_dead(c))
		return -EAGAIN;
	if (c->how == MPROC_THREAD)
		return join(c, ret);
	if (c->pidfd < 0) {
		*ret = (struct mproc__exit){ .exit_code = -1 };
		return 0;
	}
	/* While the leader is a zombie its number is no other group's. */
	(void)mproc__pidfd_kill_group(c->pidfd, c->pid);
	return mproc__pidfd_reap(c->pidfd, ret);
}

void
mproc__child_abandon(struct mproc__child *c)
{
	if (c->box == NULL)
		return;
	(void)pthread_detach(c->thread);
	mproc__box_put(c->box);
	c->box = NULL;
}

void
mproc__child_done(struct mproc__child *c)
{
	mproc__child_abandon(c);
	mproc__close(c->pidfd);
	c->pidfd = -1;
}
