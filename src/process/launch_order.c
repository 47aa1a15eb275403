/*
 * launch_order.c - a launch as bytes and descriptors, for the fork server
 * and for a new program.
 *
 * Descriptors travel in the order: the child's ends, captured output, those
 * of 0..2 that are open, the working directory, the kept ones.  So a backend
 * sees the standard streams and the directory that the frontend has now, not
 * those of the time when the helper was made.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/boot.h"

#define N_STDIO	3

static bool
is_new(const struct mproc__order *o, int fd)
{
	int i;

	for (i = 0; i < o->n_keep; i++)
		if (o->keep[i] == fd)
			return false;
	return true;
}

static int
add_keep(struct mproc__order *o, int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return mproc__err(-EBADF, "keep_fds: %d is not open", fd);
	if (fd < N_STDIO || !is_new(o, fd))
		return 0;		/* kept already */
	if (o->n_keep == MPROC__KEEP_MAX)
		return mproc__err(-E2BIG, "keep_fds: more than %d",
		    MPROC__KEEP_MAX);
	o->keep[o->n_keep] = fd;
	o->cloexec[o->n_keep++] = (flags & FD_CLOEXEC) != 0;
	return 0;
}

int
mproc__order_make(const struct mproc__launch *l, struct mproc__order *o)
{
	int i, r;

	memset(o, 0, sizeof(*o));
	o->parent = getpid();
	for (i = 0; i < l->n_keep; i++)
		if ((r = add_keep(o, l->keep_fds[i])) < 0)
			return r;
	return 0;
}

int
mproc__order_address(const struct mproc__launch *l, struct mproc__order *o)
{
	int i;

	o->magic = MPROC__ORDER_MAGIC;
	o->size = sizeof(*o);
	o->uid = geteuid();
	o->gid = getegid();
	if (l->sigint_default)
		o->flags |= MPROC__ORDER_SIGINT;
	if (l->capture[0] >= 0 && l->capture[1] >= 0)
		o->flags |= MPROC__ORDER_CAPTURE;
	for (i = 0; i < N_STDIO; i++)
		if (fcntl(i, F_GETFD) >= 0)
			o->flags |= (uint32_t)MPROC__ORDER_STDIO << i;
	for (i = 0; i < MPROC__BOOT_FDS; i++)
		o->fd[i] = l->fd[i];
	snprintf(o->name, sizeof(o->name), "%s", l->name);
	return mproc__place_of(l->class, &o->place);
}

bool
mproc__order_valid(const struct mproc__order *o, size_t size)
{
	return size == sizeof(*o) && o->magic == MPROC__ORDER_MAGIC &&
	    o->size == sizeof(*o) && o->n_keep >= 0 &&
	    o->n_keep <= MPROC__KEEP_MAX &&
	    o->place.id_len <= sizeof(o->place.id) &&
	    memchr(o->name, '\0', sizeof(o->name)) != NULL &&
	    memchr(o->place.module, '\0', sizeof(o->place.module)) != NULL;
}

int
mproc__order_fds(const struct mproc__order *o,
    const struct mproc__launch *l, int cwd, int *ret_fds)
{
	int i, n = 0;

	for (i = 0; i < MPROC__BOOT_FDS; i++)
		ret_fds[n++] = l->fd[i];
	if ((o->flags & MPROC__ORDER_CAPTURE) != 0) {
		ret_fds[n++] = l->capture[0];
		ret_fds[n++] = l->capture[1];
	}
	for (i = 0; i < N_STDIO; i++)
		if ((o->flags & (uint32_t)MPROC__ORDER_STDIO << i) != 0)
			ret_fds[n++] = i;
	if ((o->flags & MPROC__ORDER_CWD) != 0)
		ret_fds[n++] = cwd;
	for (i = 0; i < o->n_keep; i++)
		ret_fds[n++] = o->keep[i];
	return n;
}

static bool
is_target(const struct mproc__order *o, int fd)
{
	return fd < N_STDIO || !is_new(o, fd);
}

/*
 * Away from the numbers that are to be taken.  What is left behind keeps its
 * number occupied, so this ends; it is overwritten or closed later.
 */
static int
move_off(const struct mproc__order *o, int fd)
{
	while (is_target(o, fd))
		if ((fd = mproc__dup(fd)) < 0)
			return fd;
	return fd;
}

static int
put_keep(const struct mproc__order *o, const int *fds)
{
	int i;

	for (i = 0; i < o->n_keep; i++)
		if (dup3(fds[i], o->keep[i],
		    o->cloexec[i] ? O_CLOEXEC : 0) < 0)
			return -errno;
	return 0;
}

/* Those that are closed in the frontend are closed in the child. */
static int
put_stdio(const struct mproc__order *o, const int *fds, int n)
{
	int at = 0, i;

	for (i = 0; i < N_STDIO; i++) {
		if ((o->flags & (uint32_t)MPROC__ORDER_STDIO << i) == 0)
			mproc__close(i);
		else if (at == n || dup2(fds[at++], i) < 0)
			return -EBADMSG;
	}
	return at;
}

int
mproc__order_place_fds(struct mproc__order *o, int *fds, int n,
    int *ret_capture)
{
	bool captured = (o->flags & MPROC__ORDER_CAPTURE) != 0;
	int at = 0, i, r;

	for (i = 0; i < n; i++)
		if ((fds[i] = r = move_off(o, fds[i])) < 0)
			return r;
	if (n < MPROC__BOOT_FDS + (captured ? 2 : 0))
		return -EBADMSG;
	while (at < MPROC__BOOT_FDS) {
		o->fd[at] = fds[at];
		at++;
	}
	ret_capture[0] = ret_capture[1] = -1;
	if (captured) {
		ret_capture[0] = fds[at++];
		ret_capture[1] = fds[at++];
	}
	if ((r = put_stdio(o, fds + at, n - at)) < 0)
		return r;
	at += r;
	/* A directory that is gone is gone in the frontend, too. */
	if ((o->flags & MPROC__ORDER_CWD) != 0 && at < n)
		(void)(fchdir(fds[at++]) == 0);
	if (n - at != o->n_keep)
		return -EBADMSG;
	return put_keep(o, fds + at);
}
