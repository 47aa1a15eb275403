/*
 * fd.c - descriptors: making, copying, closing.
 *
 * A program may run with 0, 1 or 2 closed.  A descriptor of ours must never
 * take such a number: a child would keep it as "its" standard stream, and a
 * stray printf(3) would write into a channel.  Hence mproc__fd_above_stdio.
 */
#include <sys/socket.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "system/system.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

void
mproc__close(int fd)
{
	int saved = errno;

	/* Linux frees the number even when close(2) says EINTR: no retry. */
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
}

int
mproc__dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	return copy < 0 ? -errno : copy;
}

int
mproc__fd_above_stdio(int fd)
{
	int copy;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	copy = mproc__dup(fd);
	mproc__close(fd);
	return copy;
}

int
mproc__set_cloexec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return -errno;
	flags = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
	return fcntl(fd, F_SETFD, flags) < 0 ? -errno : 0;
}

int
mproc__fd_error(int err, const char *what)
{
	if (err < 0)
		err = -err;
	if (err == EMFILE)
		return mproc__err(-err, "%s: out of descriptors: this process "
		    "may have no more (see ulimit -n)", what);
	if (err == ENFILE)
		return mproc__err(-err, "%s: out of descriptors: the system "
		    "has no more (see fs.file-max)", what);
	return mproc__err(-err, "%s: %s", what, strerror(err));
}

/*
 * The kernel caps the size silently at net.core.wmem_max: a smaller buffer is
 * slower, not wrong, and so no error.  There is no other size: a unix socket
 * takes no notice of its SO_RCVBUF (unix(7)).
 */
void
mproc__set_sndbuf(int fd, int bufsize)
{
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bufsize,
	    sizeof(bufsize));
}

int
mproc__socketpair(int type, int bufsize, int ret_fds[2])
{
	int fds[2], i, r;

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    fds) < 0)
		return mproc__fd_error(errno, "socketpair");
	for (i = 0; i < 2; i++)
		if ((r = fds[i] = mproc__fd_above_stdio(fds[i])) < 0)
			goto fail;
	for (i = 0; i < 2 && bufsize > 0; i++)
		mproc__set_sndbuf(fds[i], bufsize);
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
fail:
	mproc__close(fds[0]);
	mproc__close(fds[1]);
	return mproc__fd_error(r, "socketpair");
}

static bool
is_kept(int fd, const int *keep, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (keep[i] == fd)
			return true;
	return false;
}

struct dirent64_head {			/* linux_dirent64, getdents64(2) */
	uint64_t ino;
	int64_t	 off;
	uint16_t reclen;
	uint8_t	 type;
	char	 name[];
};

/* The number in `name`, or -1 */
static int
name_to_fd(const char *name)
{
	int fd = 0;

	if (*name < '0' || *name > '9')
		return -1;
	for (; *name >= '0' && *name <= '9'; name++)
		fd = fd * 10 + (*name - '0');
	return fd;
}

/* One buffer of names; the number of descriptors closed */
static int
close_listed(int dir, const int *keep, int n, long *ret_got)
{
	char buf[4096] __attribute__((aligned(8)));
	const struct dirent64_head *d;
	long at, got;
	int closed = 0, fd;

	got = syscall(SYS_getdents64, dir, buf, sizeof(buf));
	*ret_got = got < 0 ? -errno : got;
	for (at = 0; at < got; at += d->reclen) {
		d = (const void *)(buf + at);
		fd = name_to_fd(d->name);
		if (fd < 0 || fd == dir || is_kept(fd, keep, n))
			continue;
		if (close(fd) == 0)
			closed++;
	}
	return closed;
}

/*
 * For kernels before 5.9.  No malloc and no stdio: the caller may be the
 * child of a program with threads, whose locks may be held for ever.
 */
static int
close_by_listing(const int *keep, int n)
{
	long got;
	int closed, dir;

	do {
		dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return -errno;
		closed = 0;
		do
			closed += close_listed(dir, keep, n, &got);
		while (got > 0);
		mproc__close(dir);
		/* Closing moves the listing: go round until none is found. */
	} while (got == 0 && closed > 0);
	return (int)got;
}

/* The smallest kept descriptor that is at least `from`, or -1 */
static int
next_kept(unsigned from, const int *keep, int n)
{
	int best = -1, i;

	for (i = 0; i < n; i++)
		if (keep[i] >= 0 && (unsigned)keep[i] >= from &&
		    (best < 0 || keep[i] < best))
			best = keep[i];
	return best;
}

int
mproc__close_all_but(const int *keep, int n)
{
	unsigned from = 0, last;
	int kept;

	do {
		kept = next_kept(from, keep, n);
		last = kept < 0 ? UINT_MAX : (unsigned)kept - 1;
		if ((kept < 0 || (unsigned)kept > from) &&
		    syscall(SYS_close_range, from, last, 0) < 0)
			return close_by_listing(keep, n);
		from = (unsigned)kept + 1;
	} while (kept >= 0);
	return 0;
}

void
mproc__hang_up(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
}
