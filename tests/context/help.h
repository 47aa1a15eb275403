/*
 * help.h - what the tests of the context share.
 */
#ifndef MPROC_TESTS_CONTEXT_HELP_H
#define MPROC_TESTS_CONTEXT_HELP_H

#include <mproc/context.h>

#define BOUND_MS	20000

struct mproc_context *ctx_make(void);
/* Run it; the test fails if it does not end within BOUND_MS. */
void	ctx_run(struct mproc_context *);
/* Callbacks: stop; nothing; ++*(int *)arg; fail. */
void	stop_now(struct mproc_context *, void *);
void	nop(struct mproc_context *, void *);
void	count(struct mproc_context *, void *);
void	give_up(struct mproc_context *, void *);
void	nop_watch(struct mproc_context *, int fd, int events, void *);
void	make_pipe(int fds[2]);
void	close_pipe(const int fds[2]);
/* libuv keeps two pipes a program from its first loop on: make them now. */
void	prime_libuv(void);

#endif
