/*
 * peer_mproc.h - what the files of peer_mproc share: messages, the class,
 * the options that its variants stand for.
 */
#ifndef MPROC_BENCH_PEER_MPROC_H
#define MPROC_BENCH_PEER_MPROC_H

#include <mproc.h>

#include "peer.h"

#define SOON	60000		/* ms; only a hang takes so long */

MPROC_MESSAGE(work, put, (struct mproc_bytes, data));
MPROC_MESSAGE(work, ask, (struct mproc_bytes, data));
MPROC_MESSAGE(work, answer, (struct mproc_bytes, data));
MPROC_MESSAGE(work, bounce, (struct mproc_bytes, data));
MPROC_MESSAGE(work, hold, (struct mproc_fd, until));

extern const struct mproc_class work_class;
extern struct mproc_options options;

/* Complain with the library's sentence; returns code. */
int	mproc_fault(const char *what, int code);
/* A running process of a class, with `options`. */
int	start_one(const struct mproc_class *cls, struct mproc **ret_p);
/* Ask it; fills *ret, which may be NULL, in. */
int	ask_one(struct mproc *p, struct peer_answer *ret);

/* What grows (peer_mproc_growth.c); prints nanoseconds a message. */
int	grow_handlers(long n, double seconds);
int	grow_processes(long n, double seconds);
int	grow_backlog(long n, double seconds);
/* Prints how often backend and frontend woke up in `seconds`. */
int	stay_idle(long param, double seconds);
/* The pool (peer_mproc_pool.c), and its end. */
extern const struct peer_pool mproc_pool_peer;
void	close_pool(void);
/* Called before mproc_init(), which sets the classes aside. */
void	prepare_handlers(void);

#endif
