/*
 * pidfd.c - processes by descriptor.
 *
 * A process's status belongs to whoever waits first.  A host that calls
 * waitpid(-1), or ignores SIGCHLD, takes ours; from Linux 6.15 on the pidfd
 * keeps a copy, before that the status is honestly unknown.  The numbers and
 * the structure below are those of linux/pidfd.h, which many systems have in
 * a version older than their kernel.
 */
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "system/native.h"
#include "system/system.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

#define WAIT_PIDFD	((idtype_t)3)	/* P_PIDFD, Linux 5.4 */
#define SIGNAL_GROUP	(1U << 2)	/* PIDFD_SIGNAL_PROCESS_GROUP, 6.9 */
#define INFO_EXIT	(UINT64_C(1) << 3)	/* PIDFD_INFO_EXIT, 6.15 */

struct info {				/* struct pidfd_info, first version */
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t ids[11];
	int32_t	 exit_code;		/* a status as of wait(2) */
};
_Static_assert(sizeof(struct info) == 64, "size of the ioctl's argument");
#define GET_INFO	_IOWR(0xff, 11, struct info)

#define SETTLE_MS	20

int
mproc__pidfd_open(pid_t pid, int *ret_fd)
{
	/* Close-on-exec from birth */
	int fd = (int)mproc__native(SYS_pidfd_open, pid, 0, 0, 0);

	if (fd >= 0)
		fd = mproc__fd_above_stdio(fd);
	if (fd < 0)
		return mproc__fd_error(fd, "pidfd_open");
	*ret_fd = fd;
	return 0;
}

static int
send_signal(int pidfd, int sig, unsigned flags)
{
	return (int)mproc__native(SYS_pidfd_send_signal, pidfd, sig, 0, flags);
}

int
mproc__pidfd_signal(int pidfd, int sig)
{
	return send_signal(pidfd, sig, 0);
}

/*
 * waitid(2) by descriptor, never blocking: 0, -EAGAIN while alive, -errno.
 * __WALL: children of the fork server have no exit signal, and without it
 * waitid does not see them.
 */
static int
wait_status(int pidfd, int flags, siginfo_t *si)
{
	int r;

	memset(si, 0, sizeof(*si));
	do
		r = waitid(WAIT_PIDFD, (id_t)pidfd, si,
		    WEXITED | WNOHANG | __WALL | flags);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return si->si_pid == 0 ? -EAGAIN : 0;
}

int
mproc__pidfd_kill_group(int pidfd, pid_t pid)
{
	siginfo_t si;
	int r;

	if (pid <= 1)
		return -EINVAL;
	r = send_signal(pidfd, SIGKILL, SIGNAL_GROUP);
	if (r != -EINVAL)
		return r;
	/*
	 * The number is the leader's, and cannot be another group's, only
	 * while the leader is our zombie.
	 */
	if ((r = wait_status(pidfd, WNOWAIT, &si)) < 0)
		return r;
	if (si.si_pid != pid)
		return -EINVAL;
	return kill(-pid, SIGKILL) < 0 ? -errno : 0;
}

static int
poll_pidfd(int pidfd, short events, int ms)
{
	struct pollfd pfd = { .fd = pidfd, .events = events };
	int64_t deadline = mproc__deadline(ms);
	int r;

	do
		r = poll(&pfd, 1, mproc__remaining_ms(deadline));
	while (r < 0 && errno == EINTR);
	return r > 0 ? pfd.revents : 0;
}

bool
mproc__pidfd_dead(int pidfd)
{
	return (poll_pidfd(pidfd, POLLIN, 0) & (POLLIN | POLLHUP)) != 0;
}

static bool
kept_status(int pidfd, int *ret_status)
{
	struct info info;
	int try;

	for (try = 0; try < 2; try++) {
		memset(&info, 0, sizeof(info));
		info.mask = INFO_EXIT;
		if (ioctl(pidfd, GET_INFO, &info) < 0)
			return false;
		if ((info.mask & INFO_EXIT) != 0) {
			*ret_status = info.exit_code;
			return true;
		}
		/*
		 * Dead, but its last moment is not over: the copy is made
		 * when the process is taken from the table, which the kernel
		 * reports as a hang-up.
		 */
		if (try == 0)
			poll_pidfd(pidfd, 0, SETTLE_MS);
	}
	return false;
}

static struct mproc__exit
exit_of_status(int status)
{
	struct mproc__exit e = { .known = true, .exit_code = -1 };

	if (WIFSIGNALED(status)) {
		e.signal = WTERMSIG(status);
		e.core = WCOREDUMP(status);
	} else {
		e.exit_code = WEXITSTATUS(status);
	}
	return e;
}

static struct mproc__exit
exit_of_siginfo(const siginfo_t *si)
{
	struct mproc__exit e = { .known = true, .exit_code = -1 };

	if (si->si_code == CLD_EXITED) {
		e.exit_code = si->si_status;
	} else {
		e.signal = si->si_status;
		e.core = si->si_code == CLD_DUMPED;
	}
	return e;
}

int
mproc__pidfd_reap(int pidfd, struct mproc__exit *ret)
{
	siginfo_t si;
	int r, status;

	r = wait_status(pidfd, 0, &si);
	if (r == 0) {
		*ret = exit_of_siginfo(&si);
		return 0;
	}
	if (r != -ECHILD)
		return r;
	if (!mproc__pidfd_dead(pidfd))		/* somebody else's child */
		return -EAGAIN;
	if (kept_status(pidfd, &status))
		*ret = exit_of_status(status);
	else
		*ret = (struct mproc__exit){ .exit_code = -1 };
	return 0;
}
