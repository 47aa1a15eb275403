/*
 * registry.h (private to src/log) - the tree of loggers and their sinks.
 *
 * Everything in these structs is protected by the registry's lock, except
 * what is said to be otherwise.
 */
#ifndef MPROC_LOG_REGISTRY_H
#define MPROC_LOG_REGISTRY_H

#include <sys/queue.h>

#include <pthread.h>

#include "log/log.h"

/* A line with its newline: what a pipe takes in one piece. */
#define MPROC__LOG_LINE_MAX	4096

struct mproc__logger;

struct mproc__sink {
	TAILQ_ENTRY(mproc__sink) of_logger, of_all;
	struct mproc__logger	*logger;
	int			 id;
	int			 users;		/* threads in or at it */
	bool			 removed;	/* the last user frees it */
	/* What follows does not change, so that it needs no lock. */
	struct mproc_sink	 conf;		/* without format and path */
	char			*format, *path;
	int			 fd;		/* -1: none of its own */
	pthread_mutex_t		 busy;		/* CALLBACK: one at a time */
};
TAILQ_HEAD(mproc__sinks, mproc__sink);

/* Behind the public handle, which is a pointer to `threshold`. */
struct mproc__logger {
	int			 threshold;	/* atomic: read without lock */
	enum mproc_level	 level;		/* its own, or DEFAULT */
	int			 least;		/* of all sinks it reaches */
	bool			 propagate;
	struct mproc__logger	*parent;	/* NULL: the root */
	struct mproc__logger	*child, *sibling;
	struct mproc__logger	*chain;		/* of the hash table */
	struct mproc__sinks	 sinks;
	const char		*name;
};

struct mproc__log_registry {
	struct mproc__logger	 root;
	struct mproc__sinks	 all;
	mproc_sink_fn		*forward;	/* backend: beside the sinks */
	void			*forward_arg;
	char			 process[MPROC__LOG_PROCESS_MAX + 1];
	pthread_cond_t		 released;	/* a removed sink lost a user */
	uint64_t		 lost;		/* atomic */
};
extern struct mproc__log_registry mproc__log_registry;

/* The CALLBACK sink whose function the calling thread is in, or NULL. */
extern _Thread_local struct mproc__sink *mproc__sink_running;

/* The lock may be taken again by the thread that has it. */
void	mproc__log_lock(void);
void	mproc__log_unlock(void);
/* Give the lock up, wait for `released`, take it again. */
void	mproc__log_wait(void);

/* With the lock held: */
struct mproc__logger *mproc__logger_nearest(const char *name);
int	mproc__logger_get(const char *name, struct mproc__logger **ret);
/* After a change of level, propagation or sinks: it and all below. */
void	mproc__logger_refresh(struct mproc__logger *);
/* Make a sink from its description; it is in no list yet. */
int	mproc__sink_new(const struct mproc_sink *, struct mproc__sink **ret);
void	mproc__sink_attach(struct mproc__sink *, struct mproc__logger *);
/* One that is in no list. */
void	mproc__sink_free(struct mproc__sink *, bool close_fd);
/* To those of this logger alone; the lock is let go while a sink works. */
void	mproc__log_to_sinks(struct mproc__logger *,
	    const struct mproc_log_record *);
/* Drop one use; frees the sink if it was removed and this was the last. */
void	mproc__sink_put(struct mproc__sink *);
/* Forget a sink; its descriptor is closed or, after a fork, left alone. */
void	mproc__sink_destroy(struct mproc__sink *, bool close_fd);
/* Take away, and wait for its users unless in a sink's function. */
void	mproc__sink_remove(struct mproc__sink *);

/* Does the sink take the record, from this thread, now? */
bool	mproc__sink_takes(const struct mproc__sink *,
	    const struct mproc_log_record *);
/* Without the lock, with a use counted: */
void	mproc__sink_emit(struct mproc__sink *,
	    const struct mproc_log_record *);

/* Is the pattern one?  0 or -EINVAL, with a text. */
int	mproc__log_check_format(const char *format);
/*
 * One line by a pattern, with control characters escaped, ended by a newline
 * and a NUL, at most `size` bytes with the NUL.  Returns its length.
 */
size_t	mproc__log_format(const char *format, const struct mproc_log_record *,
	    char *line, size_t size);

/* Cut to at most `max` bytes, not inside a UTF-8 character: the length. */
size_t	mproc__log_utf8_cut(const char *text, size_t len, size_t max);

#endif
