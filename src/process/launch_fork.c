/*
 * launch_fork.c - MPROC_FORK: a child of the calling process.
 *
 * fork(3) of the C library, so that its own locks and the host's handlers of
 * pthread_atfork(3) are taken care of.  In a program with threads the
 * child may still find the locks of other libraries held for ever: that is
 * why MPROC_AUTO does not come here then.  Asked for by name, it is done.
 */
#include <sys/single_threaded.h>
#include <sys/wait.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "process/boot.h"
#include "process/page.h"

static _Noreturn void
be_child(const struct mproc__launch *l, const struct mproc__order *o,
    bool was_threaded)
{
	struct mproc__birth b = {
		.class = l->class, .name = l->name,
		.capture = { l->capture[0], l->capture[1] },
		.keep = o->keep, .n_keep = o->n_keep,
		.parent = o->parent, .sigint_default = l->sigint_default,
		.was_threaded = was_threaded, .page = l->page
	};

	memcpy(b.fd, l->fd, sizeof(b.fd));
	mproc__child_run(&b);
}

/*
 * The child would ask for each signal; this process has the time to, while
 * that one comes up, and mostly finds none that is to be set back.  Not where
 * a thread may have changed one since the fork.
 */
static void
tell_signals(struct mproc__page *page)
{
	uint64_t set = MPROC__SIGNALS_KNOWN;
	struct sigaction sa;
	int sig;

	for (sig = 1; sig <= SIGRTMAX; sig++)
		if (sigaction(sig, NULL, &sa) == 0 &&
		    sa.sa_handler != SIG_DFL)
			set |= MPROC__SIGNAL_BIT(sig);
	atomic_store(&page->signals, set);
}

/*
 * By number, which is its own: it is our child, and waits for us.  Should
 * the host's wait(2) have taken it, there is none to kill.
 */
static void
discard(pid_t pid)
{
	siginfo_t si;

	if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

int
mproc__launch_fork(const struct mproc__launch *l, struct mproc__order *o,
    struct mproc__child *ret)
{
	bool threaded = !__libc_single_threaded && mproc__threads() != 1;
	sigset_t old;
	pid_t pid;
	int pidfd, r, saved;

	mproc__block_signals(&old);
	pid = fork();
	saved = errno;
	if (pid == 0)
		be_child(l, o, threaded);
	if (pid > 0 && l->page != NULL && !threaded)
		tell_signals(l->page);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return mproc__err(-saved, "fork: %s", strerror(saved));
	/* Both sides do it, so that it is done whichever runs first. */
	(void)setpgid(pid, pid);
	if ((r = mproc__pidfd_open(pid, &pidfd)) < 0) {
		discard(pid);
		return r;
	}
	ret->pid = pid;
	ret->pidfd = pidfd;
	return 0;
}
