/*
 * future.h (private) - a future and whoever completes it.
 *
 * Layer: core, below process.  A future knows its owner only through the
 * operations below; all its state is guarded by the owner's lock until it
 * is complete.  Completing lets go of the owner, which may be freed then
 * while the future is kept; the state does not change any more.
 */
#ifndef MPROC_FUTURE_FUTURE_H
#define MPROC_FUTURE_FUTURE_H

#include <poll.h>

#include <mproc/future.h>

#include "system/system.h"

#define MPROC__FUTURE_POLLFDS	7

struct mproc_future;

struct mproc__future_ops {
	/* 0, or -ECHILD in the wrong process */
	int	(*lock)(void *owner);
	void	(*unlock)(void *owner);
	/* locked: work until f is done (0) or the deadline (-ETIMEDOUT) */
	int	(*wait)(void *owner, struct mproc_future *f, int64_t deadline);
	/* locked: do what can be done without waiting */
	void	(*work)(void *owner);
	/* locked: the descriptors and events that may move f on */
	int	(*fds)(void *owner, struct pollfd ret[MPROC__FUTURE_POLLFDS]);
	/* locked: f is done or given up; take it out of every list */
	void	(*forget)(void *owner, struct mproc_future *f);

	/* the rest may be NULL */
	/* locked: work until ready(arg) (0) or the deadline (-ETIMEDOUT) */
	int	(*wait_for)(void *owner, bool (*ready)(void *arg), void *arg,
		    int64_t deadline);
	/* locked: QUEUED, COOP or KILL; completes f or not */
	int	(*cancel)(void *owner, struct mproc_future *f,
		    enum mproc_cancel how);
	/* locked: an item of so many bytes was taken */
	void	(*took)(void *owner, struct mproc_future *f, size_t size);
};


struct mproc_future {
	const struct mproc__future_ops *ops;
	_Atomic(void *)	 owner;		/* NULL once done */
	uint64_t	 id;		/* of the call */
	int64_t		 deadline;	/* MPROC__NEVER: none */
	bool		 done;
	bool		 waited;	/* its owner's waiter keeps the time */
	int		 result;	/* 0 or the code, once done */
	struct mproc_msg *reply;
	char		*text;		/* of the error, or NULL */
	int		 epfd, timerfd;	/* -1 until asked for */
	struct mproc_future *hash_next;	/* owner's: by id */
	struct mproc_future *prev, *next; /* owner's: by deadline */
	void		*job;		/* owner's: what it stands for */
	struct mproc_msg *items, *items_tail; /* not taken yet */
	struct mproc_death *death;	/* one block with its texts, or NULL */
	mproc_future_fn	*fn;		/* when done */
	void		*fn_arg;
	struct mproc_future *fn_next;	/* done, fn is to be called */
	uint64_t	 order;		/* of completion, in this process */
};

/* Set up in the caller's storage (a call that waits needs no heap). */
void	mproc__future_init(struct mproc_future *,
	    const struct mproc__future_ops *, void *owner);
/*
 * Complete, under the owner's lock, exactly once: a second time is ignored
 * and the reply freed.  `reply` is moved, `text` copied (may be NULL).
 */
void	mproc__future_complete(struct mproc_future *, int result,
	    struct mproc_msg *reply, const char *text);
/* Under the owner's lock: an item for it; moved. */
void	mproc__future_item(struct mproc_future *, struct mproc_msg *item);
/*
 * Call what waits in this thread for futures that it completed; without any
 * lock.  Owners do this when they have unlocked.  While the thread holds the
 * calls back (for as long as it has a pool locked) this does nothing.
 */
void	mproc__future_call(void);
void	mproc__future_hold(void);
void	mproc__future_unhold(void);
bool	mproc__future_calls(void);	/* is there any? */
/* The owner has more descriptors than before. */
void	mproc__future_watch(struct mproc_future *);
/* The owner now waits for other events of one of its descriptors. */
void	mproc__future_events(struct mproc_future *, int fd, uint32_t events);
void	mproc__future_unwatch(struct mproc_future *, int fd);
/* Free what init and complete made, not the struct. */
void	mproc__future_release(struct mproc_future *);

#endif
