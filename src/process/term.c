/*
 * term.c - how a backend learns that it should end, even while a handler
 * spins.
 *
 * Three nets for the parent's death, besides the loop's own look at its
 * control channel and the parent's pidfd:
 *  1. The lifeline: the other end of the log socket is the parent's, and is
 *     never written.  When it closes, the kernel sends SIGTERM (O_ASYNC with
 *     F_SETSIG).  Room in that socket sends one, too, which means nothing;
 *     and as signals of one number merge, a handler looks at the state of
 *     the socket and never believes what came with the signal.
 *  2. PR_SET_PDEATHSIG.  It comes when the *thread* that forked has ended,
 *     and again for each thread that adopts the child after that; so it is
 *     no SIGTERM but SIGURG, which is otherwise ignored, and means something
 *     only when getppid(2) has changed.
 *  3. Once the parent is known to be gone a timer runs for the stop grace;
 *     then the whole group is killed, and, if even that handler cannot run,
 *     a second timer's SIGKILL comes from the kernel.
 *
 * A process that a handler forks has this handler, too; for it SIGTERM is
 * what it would be without us.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "process/boot.h"

#define GRACE_MS	2000	/* until the configuration has come */
/*
 * From the group's end to our own, which comes from the kernel and spares the
 * group: so long must a process that gets no processor be given one.
 */
#define LAST_MS		500
#define DEATH_SIGNAL	SIGURG

struct mproc__term mproc__term = { .wake_fd = -1, .grace_ms = GRACE_MS };

static struct {
	int	log_fd;
	pid_t	self, parent;
	timer_t	group, own;	/* SIGTERM to kill the group; SIGKILL */
} net = { .log_fd = -1 };

/* A dying process closes its descriptors before its children see it die. */
static bool
parent_gone(void)
{
	struct pollfd pfd = { .fd = net.log_fd };

	if (getppid() != net.parent)
		return true;
	return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP) != 0;
}

static void
kill_group(void)
{
	if (getpgrp() == getpid())
		(void)kill(0, SIGKILL);
	(void)kill(getpid(), SIGKILL);
}

void
mproc__term_leave_nobody(void)
{
	if (mproc__term.orphaned != 0 || parent_gone())
		kill_group();
}

static void
set_timer(timer_t timer, int ms)
{
	struct itimerspec at = {
		.it_value = { ms / 1000, ms % 1000 * 1000000L + 1 }
	};

	(void)timer_settime(timer, 0, &at, NULL);
}

/*
 * Not before they are needed: hardly a backend ever is.  Of the C library's
 * timer_create() a signal handler may expect no more than the bare call,
 * which it is for SIGEV_SIGNAL.
 */
static bool
make_timers(void)
{
	struct sigevent group = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM,
		.sigev_value.sival_ptr = &net
	};
	struct sigevent own = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL
	};

	return timer_create(CLOCK_MONOTONIC, &group, &net.group) == 0 &&
	    timer_create(CLOCK_MONOTONIC, &own, &net.own) == 0;
}

static void
orphaned(void)
{
	int grace = mproc__term.grace_ms;

	if (atomic_exchange(&mproc__term.orphaned, 1) != 0 || grace < 0)
		return;
	if (!make_timers())		/* better too soon than never */
		kill_group();
	set_timer(net.group, grace);
	set_timer(net.own, grace + LAST_MS);
}

static void
stop(void)
{
	const uint64_t one = 1;
	int fd;

	atomic_store(&mproc__term.requested, 1);
	fd = mproc__term.wake_fd;
	/* Full means that it is awake already. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

static void
act(int sig, const siginfo_t *si)
{
	bool ours = sig == DEATH_SIGNAL ||
	    (si->si_code >= POLL_IN && si->si_code <= POLL_HUP);

	if (si->si_code == SI_TIMER && si->si_value.sival_ptr == &net) {
		kill_group();
	} else if (parent_gone()) {
		orphaned();
		stop();
	} else if (!ours) {
		stop();
	}
}

static void
on_signal(int sig, siginfo_t *si, void *context)
{
	int saved = errno;

	(void)context;
	if (getpid() == net.self) {
		act(sig, si);
	} else if (sig == SIGTERM) {
		/* Blocked while we are here: it strikes on return. */
		(void)signal(SIGTERM, SIG_DFL);
		(void)kill(getpid(), SIGTERM);
	}
	errno = saved;
}

static void
make_lifeline(int log_fd)
{
	if (fcntl(log_fd, F_SETOWN, net.self) < 0 ||
	    fcntl(log_fd, F_SETSIG, SIGTERM) < 0)
		return;
	(void)fcntl(log_fd, F_SETFL, O_NONBLOCK | O_ASYNC);
}

/*
 * Called with signals blocked.  If the parent is gone already, nobody will
 * tell any more: the caller looks after this.
 */
void
mproc__term_init(int log_fd, pid_t parent)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_RESTART };

	net.log_fd = log_fd;
	net.self = getpid();
	net.parent = parent;
	sa.sa_sigaction = on_signal;
	(void)sigfillset(&sa.sa_mask);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(DEATH_SIGNAL, &sa, NULL);
	make_lifeline(log_fd);
	(void)prctl(PR_SET_PDEATHSIG, DEATH_SIGNAL, 0, 0, 0);
}
