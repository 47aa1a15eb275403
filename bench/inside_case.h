/*
 * inside_case.h - what the benches inside the library share: a backend's core with
 * a class of any size but no channel, and frames for its handlers.
 */
#ifndef MPROC_BENCH_INSIDE_CASE_H
#define MPROC_BENCH_INSIDE_CASE_H

#include <mproc/backend.h>
#include <mproc/message.h>

#include "process/backend.h"

/* A small message: two integers, a short text; 64 bytes with its length. */
MPROC_MESSAGE(bench, add, (int64_t, a), (int64_t, b), (const char *, text));
MPROC_MESSAGE(bench, total, (int64_t, total));

#define BENCH_TEXT	"31 bytes, which is a short text"

struct bench_case {
	struct mproc__core	*core;
	struct mproc_class	 class;
	struct mproc_handler	*handlers;
	struct mproc_schema	*schemas;
	char			(*commands)[32];
	uint64_t		*hashes;
	struct mproc__frame	*frames;	/* one for each, shuffled */
	struct mproc__buf	 bytes;		/* theirs */
	size_t			 n;
};

/* A class of n handlers and a frame for each; exits on a failure. */
struct bench_case *bench_case_new(size_t n, int kind, int64_t deadline_ns);
void	bench_case_free(struct bench_case *);
/* Its replies to calls go to a channel, whose other end is *ret_peer. */
void	bench_case_connect(struct bench_case *, struct mproc__channel **ret_peer);
/* Two ends of a channel, through shared memory if ring_size is not 0. */
void	bench_channels(size_t ring_size, struct mproc__channel *ret_ch[2]);

/* Where handlers leave what they read, so that nothing is optimised away. */
extern int64_t bench_sum;

#endif
