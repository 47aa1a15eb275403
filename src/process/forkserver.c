/*
 * forkserver.c - MPROC_FORKSERVER, the frontend's side.
 *
 * One order at a time goes to the helper, one answer comes back with the
 * pidfd of a child that the helper made for us, as our own child.  An answer
 * that comes after its asker gave up is known by its number: whoever asks
 * next removes that child.  A stopped helper so costs time, never more.
 *
 * The state belongs to the process that called mproc_init(): a fork of it has
 * another generation and counts as not initialised.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "process/boot.h"
#include "system/fdpass.h"

#define NS_PER_S	INT64_C(1000000000)

int mproc__server_answer_ms = 10000;

static struct {
	pthread_mutex_t	 lock;
	_Atomic bool	 alive;
	unsigned	 generation;
	int		 fd;
	ino_t		 inode;		/* of fd */
	pid_t		 pid;
	uint64_t	 last_id;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

bool
mproc__server_usable(void)
{
	return atomic_load(&server.alive) &&
	    server.generation == mproc__fork_generation();
}

/*
 * What a process that this one is a fork of has left here: not ours to use.
 * The number may have become something else meanwhile.
 */
static void
forget_inherited(void)
{
	struct stat st;

	if (server.fd >= 0 && fstat(server.fd, &st) == 0 &&
	    S_ISSOCK(st.st_mode) && st.st_ino == server.inode)
		mproc__close(server.fd);
	server.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	server.fd = -1;
}

static void
remember(int fd, pid_t pid)
{
	struct stat st;

	server.inode = fstat(fd, &st) == 0 ? st.st_ino : 0;
	server.fd = fd;
	server.pid = pid;
	server.generation = mproc__fork_generation();
	atomic_store(&server.alive, true);
}

/*
 * The helper is gone, and the host's wait(2) does not see it.  One that has
 * closed its end but not yet ended is looked for again by the next start.
 */
static void
reap(void)
{
	if (server.pid > 0 && server.generation == mproc__fork_generation() &&
	    waitpid(server.pid, NULL, __WALL | WNOHANG) != 0)
		server.pid = 0;
}

int
mproc__server_start(void)
{
	int fds[2], pidfd, r;
	sigset_t old;
	pid_t pid, self = getpid();

	reap();
	forget_inherited();
	if ((r = mproc__socketpair(SOCK_SEQPACKET, 0, fds)) < 0)
		return r;
	(void)fflush(stdout);
	(void)fflush(stderr);
	mproc__block_signals(&old);
	pid = mproc__clone(false, &pidfd);
	if (pid == 0)
		mproc__server_main(fds[1], self);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	mproc__close(fds[1]);
	if (pid < 0) {
		mproc__close(fds[0]);
		/* No helper, then: AUTO forks, while that is safe. */
		return pid == -EOPNOTSUPP ? 0 : pid;
	}
	mproc__close(pidfd);
	remember(fds[0], pid);
	return 0;
}

static int
server_died(void)
{
	atomic_store(&server.alive, false);
	mproc__close(server.fd);
	server.fd = -1;
	reap();
	return mproc__err(-EPIPE, "the fork server is gone");
}

static int
poll_server(short events, int64_t deadline)
{
	struct pollfd pfd = { .fd = server.fd, .events = events };
	int r;

	do
		r = poll(&pfd, 1, mproc__remaining_ms(deadline));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return mproc__err(-errno, "poll: %s", strerror(errno));
	if (r == 0)
		return mproc__err(-ETIMEDOUT, "the fork server does not "
		    "answer");
	return 0;
}

static int
send_order(const struct mproc__order *o, const int *fds, int n)
{
	int r;

	while ((r = mproc__pass_send(server.fd, o, sizeof(*o), fds, n)) ==
	    -EAGAIN)
		if ((r = poll_server(POLLOUT, o->deadline_ns)) < 0)
			return r;
	if (r == -EPIPE)
		return server_died();
	if (r == -ETOOMANYREFS)		/* descriptors in flight: later */
		r = -EAGAIN;
	return r < 0 ? mproc__err(r, "fork server: %s", strerror(-r)) : 0;
}

/* 1 and an answer, 0 nothing there, or -EPIPE, -ENOMEM. */
static int
receive_once(struct mproc__answer *a, int *ret_pidfd)
{
	int fds[MPROC__PASS_MAX], n, r;
	bool truncated;

	r = mproc__pass_receive(server.fd, a, sizeof(*a), fds, &n,
	    &truncated);
	if (r == -EAGAIN)
		return 0;
	/* no memory, say: its answer comes to the next one, who drops it */
	if (r < 0 && r != -EPIPE)
		return mproc__err(r, "fork server: %s", strerror(-r));
	if (r != (int)sizeof(*a))
		return server_died();
	*ret_pidfd = n > 0 ? fds[0] : -1;
	return 1;
}

/*
 * A child that nobody has use for.  Without a pidfd its number is good: the
 * child is ours, waits for us, and the host's wait(2) does not see it.
 */
static void
discard(const struct mproc__answer *a, int pidfd)
{
	if (a->code != 0)
		return;
	if (pidfd >= 0)
		(void)mproc__pidfd_signal(pidfd, SIGKILL);
	else
		(void)kill(a->pid, SIGKILL);
	while (waitpid(a->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	mproc__close(pidfd);
}

static int
receive_answer(const struct mproc__order *o, struct mproc__answer *a,
    int *ret_pidfd)
{
	int pidfd = -1, r;

	for (;;) {
		if ((r = receive_once(a, &pidfd)) < 0)
			return r;
		if (r > 0 && a->id == o->id)
			break;
		if (r > 0)
			discard(a, pidfd);
		else if ((r = poll_server(POLLIN, o->deadline_ns)) < 0)
			return r;
	}
	if (a->code == 0 && pidfd < 0) {
		discard(a, -1);
		return mproc__fd_error(EMFILE, "fork server");
	}
	*ret_pidfd = pidfd;
	return 0;
}

static int
refused(const struct mproc__launch *l, int code)
{
	switch (code) {
	case -ENOENT:
		return mproc__err(code, "class %s: the fork server has not "
		    "loaded its module: load it before mproc_init()",
		    l->class->name);
	case -EPERM:
		return mproc__err(code, "the fork server has other "
		    "credentials: change them before mproc_init()");
	default:
		return mproc__err(code, "fork server: %s", strerror(-code));
	}
}

static int
exchange(const struct mproc__launch *l, struct mproc__order *o,
    struct mproc__child *ret)
{
	int cwd, fds[MPROC__PASS_MAX], n, pidfd = -1, r;
	struct mproc__answer a;

	cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cwd = mproc__fd_above_stdio(cwd);
	if (cwd >= 0)
		o->flags |= MPROC__ORDER_CWD;
	o->id = ++server.last_id;
	n = mproc__order_fds(o, l, cwd, fds);
	r = send_order(o, fds, n);
	mproc__close(cwd);
	if (r < 0 || (r = receive_answer(o, &a, &pidfd)) < 0)
		return r;
	if (a.code < 0)
		return refused(l, a.code);
	(void)setpgid(a.pid, a.pid);
	ret->pid = a.pid;
	ret->pidfd = pidfd;
	return 0;
}

/*
 * Each holder's turn is bounded, so a jump of the clock that this call waits
 * by costs one turn at most.
 */
static int
lock_server(int64_t deadline)
{
	struct timespec until;
	int64_t ns, left = deadline - mproc__now_ns();
	int r;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	ns = until.tv_nsec + (left > 0 ? left : 0);
	until.tv_sec += ns / NS_PER_S;
	until.tv_nsec = ns % NS_PER_S;
	r = pthread_mutex_timedlock(&server.lock, &until);
	return r == 0 ? 0 : mproc__err(-r, "fork server: %s", strerror(r));
}

int
mproc__launch_server(const struct mproc__launch *l, struct mproc__order *o,
    struct mproc__child *ret)
{
	int r;

	o->deadline_ns = mproc__deadline(mproc__server_answer_ms);
	if ((r = lock_server(o->deadline_ns)) < 0)
		return r;
	/* Another thread may have found it dead meanwhile. */
	r = mproc__server_usable() ? exchange(l, o, ret) :
	    mproc__err(-EPIPE, "the fork server is gone");
	(void)pthread_mutex_unlock(&server.lock);
	return r;
}
