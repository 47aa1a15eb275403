/*
 * boot.h (private) - what the ways of launching share.
 *
 * Layer: core, process.  Included by the launch files only.
 *
 *  launch.c         chooses the way; the child as the frontend sees it
 *  launch_fork.c    MPROC_FORK
 *  forkserver.c     MPROC_FORKSERVER, the frontend's side
 *  forkserver_main.c  the helper process
 *  launch_spawn.c   MPROC_SPAWN, both sides of the exec
 *  launch_thread.c  MPROC_THREAD
 *  launch_init.c    mproc_init()
 *  launch_order.c   a launch as bytes, for the helper and the new program
 *  place.c          where a class lies, in a form that survives an exec
 *  clone.c          fork without the C library
 *  child.c          what a new process does before mproc__backend_main()
 *  term.c           how a backend learns that it should end
 *  title.c          what ps(1) shows
 */
#ifndef MPROC_PROCESS_BOOT_H
#define MPROC_PROCESS_BOOT_H

#include <signal.h>
#include <stdio.h>

#include "process/launch.h"

/* place.c: a class, named by the module it lies in and its offset there. */
#define MPROC__BUILD_ID_MAX	32
struct mproc__place {
	uint64_t	offset;		/* from the module's load address */
	uint32_t	id_len;
	uint8_t		id[MPROC__BUILD_ID_MAX];
	char		module[256];	/* its path, cut; "" the program */
};
/* 0, or -EINVAL: it lies in no module (on the heap, on a stack). */
int	mproc__place_of(const struct mproc_class *, struct mproc__place *ret);
/* The same, for who stays in this program and needs no place. */
int	mproc__place_check(const struct mproc_class *);
/* 0, or -ENOENT: the module is not loaded in this process. */
int	mproc__place_find(const struct mproc__place *,
	    const struct mproc_class **ret_class);

/*
 * launch_order.c: a launch as bytes.  MPROC__PASS_MAX bounds the kept
 * descriptors: ten more go along.
 */
#define MPROC__KEEP_MAX		240
#define MPROC__ORDER_MAGIC	0x6d706f31U

enum mproc__order_flags {
	MPROC__ORDER_SIGINT = 1,	/* SIGINT keeps its default */
	MPROC__ORDER_CAPTURE = 2,
	MPROC__ORDER_CWD = 4,
	MPROC__ORDER_STDIO = 8,		/* << 0, 1, 2: which are open */
};

struct mproc__order {
	uint32_t	magic, size;
	uint64_t	id;
	int64_t		deadline_ns;	/* nobody waits after that */
	uint32_t	flags;
	pid_t		parent;
	uid_t		uid;
	gid_t		gid;
	int32_t		fd[MPROC__BOOT_FDS];
	int32_t		n_keep;
	int32_t		keep[MPROC__KEEP_MAX];
	uint8_t		cloexec[MPROC__KEEP_MAX];
	struct mproc__place place;
	char		name[128];
};
/*
 * What a fork wants to know, too: the parent and the descriptors to keep.
 * 0, or -EBADF (one of those is none), -E2BIG (too many).
 */
int	mproc__order_make(const struct mproc__launch *,
	    struct mproc__order *o);
/* The rest, for one that travels: 0, or -EINVAL (the class). */
int	mproc__order_address(const struct mproc__launch *,
	    struct mproc__order *o);
/* Is it one of ours, of this version, with every number in its bounds? */
bool	mproc__order_valid(const struct mproc__order *, size_t size);
/* The descriptors of an order that travel, in their order; their number. */
int	mproc__order_fds(const struct mproc__order *,
	    const struct mproc__launch *, int cwd, int *ret_fds);
/*
 * In the child: bring n received descriptors to the numbers they had in the
 * frontend.  0, or -EBADMSG (too few of them), -errno.
 */
int	mproc__order_place_fds(struct mproc__order *, int *fds, int n,
	    int *ret_capture);

/*
 * clone.c: fork by the kernel alone.  The child has no exit signal: the
 * host's wait(2) and its SIGCHLD do not see it (waitid with __WALL does).
 * Only while the process has one thread; handlers of pthread_atfork(3) do
 * not run.  0 in the child, its pid in the parent, or -errno (-EOPNOTSUPP:
 * this kernel cannot do it soundly).
 */
pid_t	mproc__clone(bool for_parent, int *ret_pidfd);

/* child.c: in a new process, until its end. */
struct mproc__birth {
	const struct mproc_class *class;
	const char	*name;
	int		 fd[MPROC__BOOT_FDS];
	int		 capture[2];	/* -1: none */
	const int	*keep;
	int		 n_keep;
	pid_t		 parent;	/* that it should have */
	bool		 sigint_default;
	bool		 was_threaded;	/* forked while others ran */
	struct mproc__page *page;	/* mapped, or NULL */
	bool		 is_clean;	/* of the helper: no signal is handled
					 * there, and no syslog is open */
};
_Noreturn void mproc__child_run(const struct mproc__birth *);
/* The end of a backend process: flush, dump, leave. */
_Noreturn void mproc__backend_exit(int status);
/* Write what coverage and leak checking write at exit. */
void	mproc__run_exit_hooks(void);
/* In a child: what the parent's stream holds and has not written. */
void	mproc__forget_output(FILE *);
/* fflush(3), if there is anything to write */
void	mproc__flush_output(FILE *);
/* After a bare clone; fork(3) does it by itself. */
void	mproc__restart_coverage(void);
/* All signals: for round a fork. */
void	mproc__block_signals(sigset_t *ret_old);
/* Those that a terminal sends to its foreground processes. */
void	mproc__terminal_signals(sigset_t *ret_set);
/*
 * Dispositions as of a program's start, of those in the set (bit 0 is signal
 * 1); the mask stays.
 */
void	mproc__default_signals(uint64_t set);
/* The last step: until then what must not end this process is ignored. */
void	mproc__unblock_signals(void);

/* term.c */
/* Install the handlers, the lifeline on log_fd, the timers. */
void	mproc__term_init(int log_fd, pid_t parent);
/* At the end: if the parent is gone, kill the group, itself included. */
void	mproc__term_leave_nobody(void);

/* title.c */
void	mproc__title_init(int argc, char **argv);
/*
 * "program: FIRST SECOND", or only the short name when mproc_init() was not
 * called.
 */
void	mproc__title_set(const char *short_name, const char *first,
	    const char *second);

/* launch_*.c: set the pid, pidfd or box; the descriptors stay open. */
int	mproc__launch_fork(const struct mproc__launch *,
	    struct mproc__order *, struct mproc__child *ret);
int	mproc__launch_server(const struct mproc__launch *,
	    struct mproc__order *, struct mproc__child *ret);
int	mproc__launch_spawn(const struct mproc__launch *,
	    struct mproc__order *, struct mproc__child *ret);
int	mproc__launch_thread(const struct mproc__launch *,
	    struct mproc__child *ret);

/* launch_thread.c */
bool	mproc__box_done(const struct mproc__thread_box *);
int	mproc__box_status(const struct mproc__thread_box *);
void	mproc__box_put(struct mproc__thread_box *);	/* NULL is fine */

/* launch_init.c: threads of this process; 2 when it cannot be known and
 * there have been some */
int	mproc__threads(void);

/* launch_spawn.c: remember the program's name, and that it calls us. */
void	mproc__spawn_init(char **argv);
bool	mproc__spawn_ready(void);
/* Become the backend if that is what this process is for: -errno or 0. */
int	mproc__spawned(void);

/* forkserver.c */
bool	mproc__server_usable(void);
int	mproc__server_start(void);
extern int mproc__server_answer_ms;	/* tests make it shorter */

/* forkserver_main.c: one answer, with the pidfd if code is 0. */
struct mproc__answer {
	uint64_t	id;
	int32_t		code;
	int32_t		pid;
};
_Noreturn void mproc__server_main(int sock, pid_t parent);

#endif
