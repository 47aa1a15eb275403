/*
 * context.h (private) - the context's insides.
 *
 * Layer: core.  Knows the process layer, and nothing knows it.
 *
 * One epoll descriptor holds all that can wake the context: the processes'
 * descriptors, the program's, an eventfd for what comes from other threads
 * and signal handlers (the kick), a timerfd when a foreign loop drives, and
 * libuv's backend descriptor.  It is also the context's descriptor, so that
 * embedding adds one epoll level, and an entry is there when its function
 * returns.  libuv's own watchers would begin at the next turn, change the
 * descriptor's flags, and end the program with abort(3) for a descriptor that
 * was closed meanwhile.
 */
#ifndef MPROC_CONTEXT_CONTEXT_H
#define MPROC_CONTEXT_CONTEXT_H

#include <sys/types.h>

#include <pthread.h>
#include <stdatomic.h>

#include <mproc/context.h>

#include "system/system.h"

struct mproc__uv;

/* A descriptor in the epoll set; the first member of what owns it. */
struct mproc__source {
	int		 fd;		/* -1: not in the set */
	uint32_t	 serial;	/* against events of a predecessor */
	uint32_t	 events;
	bool		 gone;		/* removed, freed after the round */
	bool		 fixed;		/* not on the heap */
	void		(*ready)(struct mproc_context *,
			    struct mproc__source *, uint32_t events);
	void		(*bury)(struct mproc__source *); /* NULL: nothing */
	struct mproc__source *next_gone;
};

/* Something with a time; part of what owns it. */
struct mproc__timer {
	int64_t		 due_ns;
	size_t		 at;		/* in the heap, from 1; 0: not */
	void		(*expire)(struct mproc_context *,
			    struct mproc__timer *);
};

struct mproc__timers {
	struct mproc__timer **heap;	/* from 1 */
	size_t		 n, cap;
	size_t		 known;		/* timers that have a place reserved */
	struct mproc__user_timer **by_id; /* buckets, cap of them */
	size_t		 n_buckets;
	int		 last_id;
};

enum mproc__rung {
	MPROC__RUNG_NONE, MPROC__RUNG_ASKED, MPROC__RUNG_TERM,
	MPROC__RUNG_KILL, MPROC__RUNG_GIVEN_UP
};

/* A process's place in the context. */
struct mproc__member {
	struct mproc__source source;	/* first */
	struct mproc_context *ctx;
	struct mproc	*p;
	struct mproc__member *prev, *next;	/* in order of adding */
	mproc_message_fn *on_message;
	void		*arg;
	struct mproc_supervision sup;

	bool		 ended;		/* its death was told */
	unsigned	 told;		/* of this generation */

	struct mproc__timer ping;
	int64_t		 ping_sent;	/* 0: none is out */
	int64_t		 ping_next, ping_warn;
	unsigned	 ping_generation;

	enum mproc__rung rung;
	int64_t		 rung_end;
};

struct mproc__post {
	struct mproc__post *next;
	mproc_context_timer_fn *fn;
	void		*arg;
};

struct mproc__signal_use {
	struct mproc__signal_use *next;
	int		 signo;
	mproc_context_signal_fn *fn;
	void		*arg;
};

enum mproc__context_state {
	MPROC__CONTEXT_NEW, MPROC__CONTEXT_STARTING, MPROC__CONTEXT_RUNNING,
	MPROC__CONTEXT_STOPPING, MPROC__CONTEXT_ENDED
};

struct mproc_context {
	struct mproc_app app;
	void		*arg;
	char		*name;
	unsigned	 fork_generation;
	_Atomic(pthread_t) owner;
	_Atomic bool	 busy;		/* in run, dispatch, thread, free */
	_Atomic bool	 stop_asked;
	_Atomic bool	 free_asked;
	enum mproc__context_state state;
	bool		 hooked;	/* start_processes was called */
	int		 result;	/* of the run; changed under the lock */
	char		 why[512];	/* in words, if that is negative */
	int		 calls;		/* callbacks made, for dispatch */
	bool		 quiet;		/* freed: none but close any more */
	enum mproc_level level;		/* set for all, 0: not */

	int		 epfd;
	struct mproc__source kick;
	struct mproc__source timerfd;
	int64_t		 armed_ns;	/* what timerfd is set to */
	struct mproc__source **by_fd;
	size_t		 n_by_fd;
	uint32_t	 last_serial;
	struct mproc__source *gone;
	bool		 in_round;
	struct mproc__timers timers;
	int64_t		 round_ns;

	struct mproc__member *first, *last;
	struct mproc__timer ladder;
	int64_t		 order_end;	/* stop one by one until then */

	struct mproc__signal_use *signals;
	bool		 kill_next;	/* of stop_on_signals */
	_Atomic int	 stop_signal;

	pthread_mutex_t	 lock;		/* of the following */
	struct mproc__post *posts, **posts_end;
	bool		 posts_closed;
	bool		 thread_ended;
	pthread_cond_t	 thread_cond;

	pthread_t	 thread;
	bool		 threaded;	/* run_as_thread succeeded */
	bool		 joined;

	struct mproc__uv *uv;
};

/* context.c: 0, or -EINVAL, -ECHILD, -EPERM with a text. */
int	mproc__context_check(const struct mproc_context *);
int	mproc__context_enter(struct mproc_context *);
/* The same, and -ESHUTDOWN. */
int	mproc__context_enter_live(struct mproc_context *);
void	mproc__context_release(struct mproc_context *);
void	mproc__context_kick(struct mproc_context *);
/* It has gone wrong; the first time counts. */
void	mproc__context_set_result(struct mproc_context *, int code,
	    const char *why);
/* The result of the run, with its text for mproc_errmsg(). */
int	mproc__context_result(struct mproc_context *);

/* set.c: sources.  Codes of epoll_ctl(2), -EEXIST, -ENOMEM. */
int	mproc__source_add(struct mproc_context *, struct mproc__source *,
	    int fd, uint32_t events);
int	mproc__source_change(struct mproc_context *, struct mproc__source *,
	    uint32_t events);
/* Out of the set; the owner is freed now, or after the round. */
void	mproc__source_remove(struct mproc_context *, struct mproc__source *);
struct mproc__source *mproc__source_of(struct mproc_context *, int fd);
void	mproc__sources_bury(struct mproc_context *);
void	mproc__watches_remove(struct mproc_context *);

/* timer.c: a timer needs a place, reserved once; then nothing fails. */
int	mproc__timer_reserve(struct mproc_context *);	/* 0, -ENOMEM */
void	mproc__timer_unreserve(struct mproc_context *);
void	mproc__timer_start(struct mproc_context *, struct mproc__timer *,
	    int64_t due_ns);
void	mproc__timer_stop(struct mproc_context *, struct mproc__timer *);
int64_t	mproc__timers_next(const struct mproc_context *);
void	mproc__timers_expire(struct mproc_context *);
void	mproc__user_timers_remove(struct mproc_context *);
void	mproc__timers_done(struct mproc_context *);

/* loop.c */
/* One round: wait until the deadline at most, do what is to be done. */
void	mproc__context_round(struct mproc_context *, int64_t deadline);
/* Set the timerfd by what is to come, if there is one. */
void	mproc__context_arm(struct mproc_context *);
/* Take the context for this thread; 0 or -errno.  leave: frees if asked. */
int	mproc__context_claim(struct mproc_context *);
int	mproc__context_leave(struct mproc_context *, int r);
int	mproc__context_loop_until_end(struct mproc_context *);
void	mproc__posts_run(struct mproc_context *);
void	mproc__posts_done(struct mproc_context *);

/* life.c */
int	mproc__context_start(struct mproc_context *);
/* Freed in a callback: what it was given may be gone, too. */
static inline bool
mproc__context_is_quiet(const struct mproc_context *ctx)
{
	return atomic_load(&ctx->free_asked);
}
/* After a round: begin or go on with the end. */
void	mproc__context_advance(struct mproc_context *);

/* member.c */
struct mproc__peek {
	enum mproc_status status;
	unsigned	 generation;
	bool		 ready;		/* this generation was, once */
	int		 grace_ms;
};
void	mproc__member_peek(const struct mproc__member *,
	    struct mproc__peek *);
void	mproc__member_signal(struct mproc__member *, int sig);
/* Has it anything left to stop or to tell? */
bool	mproc__member_lives(struct mproc__member *);
/* Watch it again if it was started anew. */
void	mproc__member_resume(struct mproc__member *);
void	mproc__member_drain(struct mproc__member *);
/* Out of the context. */
void	mproc__member_leave(struct mproc__member *);
struct mproc__member *mproc__member_of(struct mproc_context *,
	    const struct mproc *);
/* ping.c */
void	mproc__member_ping_reset(struct mproc__member *);
void	mproc__member_ping_expire(struct mproc_context *,
	    struct mproc__timer *);

/* signal.c */
void	mproc__context_signals_run(struct mproc_context *);
void	mproc__context_signals_done(struct mproc_context *);
/* Block what can be blocked, for the making of a thread; and back. */
void	mproc__context_mask(sigset_t *ret_old);
void	mproc__context_unmask(const sigset_t *old);

/* uv.c */
/* When libuv has to turn: MPROC__NEVER, or a time, perhaps past. */
int64_t	mproc__uv_next(struct mproc_context *);
void	mproc__uv_turn(struct mproc_context *);
/* No more turns, until done makes the last. */
void	mproc__uv_pause(struct mproc_context *);
void	mproc__uv_done(struct mproc_context *);

#endif
