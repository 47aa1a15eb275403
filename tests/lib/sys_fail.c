/*
 * sys_fail.c - system calls that fail on demand.
 *
 * As alloc_fail.c: the calls of the library's objects and of the tests come
 * here by -Wl,--wrap, those of shared libraries do not.
 */
#include "test.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const char *_Atomic fail_name;
static atomic_uint count, fail_at, failed;
static int fail_errno;
static _Atomic pid_t fail_pid;

static bool
fails(const char *name)
{
	const char *wanted = atomic_load(&fail_name);

	if (wanted == NULL || strcmp(wanted, name) != 0 ||
	    fail_pid != getpid())
		return false;
	if (atomic_fetch_add(&count, 1) + 1 != atomic_load(&fail_at))
		return false;
	atomic_fetch_add(&failed, 1);
	errno = fail_errno;
	return true;
}

/* A wrapper for a call that returns -1 (or MAP_FAILED, the same) on failure */
#define WRAP(type, name, params, args)					\
	type __real_##name params;					\
	type __wrap_##name params;					\
	type								\
	__wrap_##name params						\
	{								\
		if (fails(#name))					\
			return (type)-1;				\
		return __real_##name args;				\
	}

WRAP(int, dup3, (int a, int b, int flags), (a, b, flags))
WRAP(int, epoll_create1, (int flags), (flags))
WRAP(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *e),
    (ep, op, fd, e))
WRAP(int, epoll_wait, (int ep, struct epoll_event *e, int n, int ms),
    (ep, e, n, ms))
WRAP(int, eventfd, (unsigned int value, int flags), (value, flags))
WRAP(pid_t, fork, (void), ())
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, memfd_create, (const char *name, unsigned int flags), (name, flags))
WRAP(void *, mmap, (void *at, size_t size, int prot, int flags, int fd,
    off_t offset), (at, size, prot, flags, fd, offset))
WRAP(int, pipe2, (int fds[2], int flags), (fds, flags))
WRAP(int, poll, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms))
WRAP(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
WRAP(ssize_t, recv, (int fd, void *data, size_t size, int flags),
    (fd, data, size, flags))
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags),
    (fd, msg, flags))
WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags),
    (fd, data, size, flags))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags),
    (fd, msg, flags))
WRAP(int, socketpair, (int domain, int type, int protocol, int fds[2]),
    (domain, type, protocol, fds))
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(int, timerfd_settime, (int fd, int flags, const struct itimerspec *to,
    struct itimerspec *was), (fd, flags, to, was))
WRAP(ssize_t, write, (int fd, const void *data, size_t size),
    (fd, data, size))

/* The third argument is an int, a long or a pointer: all fit a long. */
int __real_fcntl(int fd, int command, long arg);
int __wrap_fcntl(int fd, int command, ...);
int
__wrap_fcntl(int fd, int command, ...)
{
	va_list ap;
	long arg;

	va_start(ap, command);
	arg = va_arg(ap, long);
	va_end(ap);
	return fails("fcntl") ? -1 : __real_fcntl(fd, command, arg);
}

void
test_fail_sys(const char *name, unsigned n, int error)
{
	atomic_store(&fail_name, NULL);
	fail_pid = getpid();
	fail_errno = error;
	atomic_store(&count, 0);
	atomic_store(&failed, 0);
	atomic_store(&fail_at, n);
	atomic_store(&fail_name, n > 0 ? name : NULL);
}

unsigned
test_sys_count(void)
{
	return atomic_load(&count);
}

bool
test_fail_sys_done(void)
{
	atomic_store(&fail_name, NULL);
	return atomic_load(&failed) > 0;
}
