/*
 * system.h - the operating system's calls that are not POSIX, and deadlines.
 *
 * Layer: system.  Everything above asks for clocks, descriptors, memfds,
 * pidfds and futexes here, so that one folder knows Linux.
 */
#ifndef MPROC_SYSTEM_SYSTEM_H
#define MPROC_SYSTEM_SYSTEM_H

#include <sys/types.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "system/error.h"

/*
 * Deadlines: a timeout in ms is turned once into an absolute CLOCK_MONOTONIC
 * time in ns and never restarted.  MPROC__NEVER stands for "no limit".
 */
#define MPROC__NEVER	INT64_MAX

int64_t	mproc__now_ns(void);
/* The same clock at the kernel's last tick, 1 to 10 ms ago: much cheaper. */
int64_t	mproc__tick_ns(void);
/* now >= deadline; looks at the tick first. */
bool	mproc__has_passed(int64_t deadline);
int64_t	mproc__deadline(int timeout_ms);	/* -1 (any negative): NEVER */
/* For poll(2): -1 for NEVER, 0 when passed, else rounded up, capped. */
int	mproc__remaining_ms(int64_t deadline);
int64_t	mproc__min_deadline(int64_t a, int64_t b);
/* A timerfd is due at that time; at once if it has passed; NEVER: not. */
int	mproc__timer_set(int fd, int64_t when);

/*
 * memset(3) to 0, of some hundred bytes: what size it has is kept from the
 * compiler, whose `rep stos` for known ones takes longer to begin than all
 * the stores of libc's.
 */
static inline void
mproc__zero(void *p, size_t n)
{
	__asm__("" : "+r"(n));
	memset(p, 0, n);
}

/*
 * memcpy(3) for what mostly is a few bytes, up to 64 of which are moved
 * without a call: overlapping pieces from both ends.
 */
static inline void
mproc__copy(void *to, const void *from, size_t n)
{
	struct half { uint64_t a, b; } a, b, c, d;
	const uint8_t *p = from;
	uint8_t *q = to;
	uint32_t e, f;

	if (n > 64) {
		memcpy(q, p, n);
	} else if (n > 16) {
		memcpy(&a, p, 16);
		memcpy(&b, p + n - 16, 16);
		if (n > 32) {
			memcpy(&c, p + 16, 16);
			memcpy(&d, p + n - 32, 16);
			memcpy(q + 16, &c, 16);
			memcpy(q + n - 32, &d, 16);
		}
		memcpy(q, &a, 16);
		memcpy(q + n - 16, &b, 16);
	} else if (n >= 8) {
		memcpy(&a.a, p, 8);
		memcpy(&a.b, p + n - 8, 8);
		memcpy(q, &a.a, 8);
		memcpy(q + n - 8, &a.b, 8);
	} else if (n >= 4) {
		memcpy(&e, p, 4);
		memcpy(&f, p + n - 4, 4);
		memcpy(q, &e, 4);
		memcpy(q + n - 4, &f, 4);
	} else if (n > 0) {
		q[0] = p[0];
		q[n / 2] = p[n / 2];
		q[n - 1] = p[n - 1];
	}
}

/* close(2) that keeps errno and takes -1. */
void	mproc__close(int fd);
/*
 * write(2) of all bytes, in one call where the descriptor takes them, that
 * raises no SIGPIPE and waits up to full_ms for a full non-blocking one:
 * 0, -EAGAIN (full too long; some may be out), -EPIPE, -ENOSPC, ...
 */
int	mproc__write(int fd, const void *bytes, size_t len, int full_ms);
/*
 * A pair of close-on-exec, non-blocking unix sockets; type SOCK_STREAM...
 * Both may send so many bytes at once, or (0) the system's default.
 */
int	mproc__socketpair(int type, int bufsize, int ret_fds[2]);
/* The same for one end.  The kernel caps it silently. */
void	mproc__set_sndbuf(int fd, int bufsize);
/* shutdown(2), both ways: the peer sees the end, whoever holds copies. */
void	mproc__hang_up(int fd);
int	mproc__set_cloexec(int fd, bool on);
/* dup with O_CLOEXEC: the new fd or -errno. */
int	mproc__dup(int fd);
/* Close all fds except the n in `keep` (any order, -1 ignored). */
int	mproc__close_all_but(const int *keep, int n);
/*
 * Moves a new fd out of 0..2, where a child would take it for its stdin:
 * the fd itself, a copy (the old one closed), or -errno.  Keeps a negative.
 */
int	mproc__fd_above_stdio(int fd);
/* -errno, with "out of descriptors" said for EMFILE/ENFILE. */
int	mproc__fd_error(int err, const char *what);

/* An anonymous, size-sealed memfd (MFD_NOEXEC_SEAL where there is one). */
int	mproc__memfd(const char *name, size_t size, int *ret_fd);
/* fd -1: new memory, that only forks of this process share. */
int	mproc__map_shared(int fd, size_t size, void **ret_addr);

/* Futex words in shared memory: 0, -EAGAIN changed, -ETIMEDOUT, -EINTR. */
int	mproc__futex_wait(_Atomic uint32_t *word, uint32_t value,
	    int64_t deadline);
int	mproc__futex_wake(_Atomic uint32_t *word, int n);

/* Processes by pidfd. */
struct mproc__exit {
	bool	known;		/* false: somebody else took the status */
	int	exit_code;	/* -1 if signalled or unknown */
	int	signal;		/* 0 if none */
	bool	core;
};
int	mproc__pidfd_open(pid_t pid, int *ret_fd);
int	mproc__pidfd_signal(int pidfd, int sig);
/*
 * Kill the process group that the process leads or led; call while the dead
 * leader is not yet reaped (older kernels need that), before pidfd_reap.
 */
int	mproc__pidfd_kill_group(int pidfd, pid_t pid);
/*
 * Take the status of a dead process: waitid(P_PIDFD), else PIDFD_GET_INFO,
 * else known = false.  -EAGAIN while it lives.
 */
int	mproc__pidfd_reap(int pidfd, struct mproc__exit *ret);
/* Is the process gone (a zombie counts)?  Never blocks. */
bool	mproc__pidfd_dead(int pidfd);

/* Threads of this process, from /proc/self/task; -errno. */
int	mproc__thread_count(void);
/* How often others took the processor from this thread before it slept. */
long	mproc__preemptions(void);

extern _Atomic unsigned mproc__generation;
/* Number of forks that made this process: use in the wrong one: -ECHILD. */
static inline unsigned
mproc__fork_generation(void)
{
	return atomic_load_explicit(&mproc__generation, memory_order_relaxed);
}
/* fork(2) counts by itself; a child made by a bare clone(2) says so here. */
void	mproc__forked(void);

#endif
