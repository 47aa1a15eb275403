/*
 * launch.h - making the process (or thread) that a backend runs in.
 *
 * Layer: core, process.  The frontend hands over descriptors and a class; the
 * child ends up in mproc__backend_main() and nowhere else.  Knows nothing of
 * messages: the whole configuration follows on the control channel.
 *
 * Launching in steps:
 *  1. mproc__launch() makes the child by the chosen way.  The child has its
 *     own process group, default signals, only the declared descriptors, and
 *     blocks in mproc__backend_main() until the `go` frame comes, so that
 *     nothing can end before the parent holds its pidfd.
 *  2. The parent closes its copies of the child's ends (done by launch, on
 *     success) and speaks on the other ends.
 *  3. The pidfd says when it ended; mproc__child_reap() takes the status and
 *     kills what is left of its process group.
 */
#ifndef MPROC_PROCESS_LAUNCH_H
#define MPROC_PROCESS_LAUNCH_H

#include <pthread.h>
#include <signal.h>

#include <mproc/class.h>
#include <mproc/process.h>

#include "system/system.h"

/* The child's ends; all moved on success of mproc__launch(). */
enum mproc__boot_fd {
	MPROC__BOOT_DATA, MPROC__BOOT_CONTROL, MPROC__BOOT_LOG,
	MPROC__BOOT_STATUS,	/* memfd of the status page, or -1: */
	MPROC__BOOT_FDS
};

struct mproc__launch {
	enum mproc_launch	 how;	/* AUTO is resolved by launch */
	const struct mproc_class *class;
	const char		*name;	/* of the process, for its title */
	int			 fd[MPROC__BOOT_FDS];
	struct mproc__page	*page;	/* ... what a fork has anyway */
	int			 capture[2];	/* become 1 and 2, or -1 */
	const int		*keep_fds;	/* n_keep numbers to keep */
	int			 n_keep;
	bool			 sigint_default;
};

struct mproc__child {
	enum mproc_launch how;	/* what AUTO became */
	pid_t		 pid;	/* 0 for a thread */
	int		 pidfd;	/* -1 for a thread */
	pthread_t	 thread;
	struct mproc__thread_box *box;	/* thread: its end; private */
};

/*
 * 0, or -EOPNOTSUPP (AUTO or FORK... in a program with threads and no
 * mproc_init; SPAWN, FORKSERVER without mproc_init: the text names it),
 * -EAGAIN, -ENOMEM, -EMFILE, -EINVAL (a class that lies in no module: heap),
 * -ENOENT (the fork server or the new program does not know the class's
 * module).  On failure the descriptors are still the caller's.
 */
int	mproc__launch(struct mproc__launch *, struct mproc__child *ret_child);

/* Will it be a fork of this process, which shares what is mapped shared? */
bool	mproc__launch_forks(enum mproc_launch how);

/* Signal by pidfd; -ESRCH when dead; thread: -EOPNOTSUPP. */
int	mproc__child_signal(struct mproc__child *, int sig);
/* Dead?  A thread counts as dead when its function has returned. */
bool	mproc__child_dead(struct mproc__child *);
/*
 * After death: kill the rest of the group, take the status, join the
 * thread.  -EAGAIN while it lives.  Leaves pidfd open (it stays readable);
 * mproc__child_done closes it.
 */
int	mproc__child_reap(struct mproc__child *, struct mproc__exit *ret);
void	mproc__child_done(struct mproc__child *);
/*
 * For a thread of ours: the host's handlers are for the host's threads.  All
 * signals but faults are blocked, and so they are in a thread made then.
 */
void	mproc__thread_signals(sigset_t *ret_old);
void	mproc__restore_signals(const sigset_t *old);
/* A thread that does not end: leave it, free nothing it uses. */
void	mproc__child_abandon(struct mproc__child *);

/*
 * The backend's whole life, called by launch in the child (or thread) with
 * its ends moved in; returns the exit status.  In a process the caller then
 * flushes stdio and _exit()s (mproc__backend_exit).
 * parent_pidfd: polled by the loop, -1 for a thread.
 */
struct mproc__boot {
	const struct mproc_class *class;
	int	fd[MPROC__BOOT_FDS];
	struct mproc__page *page;	/* NULL: to be mapped */
	int	parent_pidfd;
	bool	is_thread;
};
int	mproc__backend_main(const struct mproc__boot *);
/*
 * The last thing before _exit(): the end of its control channel tells the
 * frontend that this process is as good as dead, so that who waits for that
 * wakes while the kernel takes the process apart.
 */
void	mproc__backend_hang_up(void);

/*
 * What a process backend's SIGTERM handler touches; installed by launch code
 * in the child before backend_main (the lifeline on the LOG end: O_ASYNC,
 * F_SETSIG(SIGTERM), F_SETOWN; PR_SET_PDEATHSIG).  The handler sets the
 * flag and writes wake_fd (if >= 0); when the cause is the lifeline's or the
 * parent's end it also arms a SIGKILL timer of *grace_ms (set by
 * backend_main from its configuration), so that a handler that never
 * returns cannot outlive the parent.
 */
struct mproc__term {
	_Atomic int	requested;	/* SIGTERM came */
	_Atomic int	orphaned;	/* ... because the parent is gone */
	_Atomic int	wake_fd;	/* eventfd of the loop, -1 */
	_Atomic int	grace_ms;
};
extern struct mproc__term mproc__term;	/* per process; unused in threads */

#endif
