/*
 * peer.h - what all peers have in common: the work, and its driver.
 *
 * A peer is a small program, peer_NAME, that does a piece of work over one
 * transport and prints its numbers in a line:
 *
 *	peer_NAME [-v VARIANT] WORK PARAM SECONDS
 *
 *	WORK	PARAM		prints
 *	trip	bytes, 64	us p50, us p99, trips/s
 *	poll	bytes, 64	the same, the front waiting in its own poll(2)
 *	oneway	bytes		messages/s, GB/s
 *	fan	backends	answers/s: one to each, one from each
 *	start	MiB of parent	start-ping-stop, processes/s
 *	memory	backends	KiB, PSS of an idle backend
 *	pool	workers		jobs/s: a number there, its square back
 *	futures	workers		the same, with a future for each job
 *	map	workers		numbers/s: an array of them, many in a message
 *
 * A backend takes messages of a fixed size.  The first byte of each says what
 * is to be done with it; the answer is always PEER_ANSWER bytes.  The last
 * message of `oneway` asks for an answer, which says how many were taken.
 *
 * Exit status 77, with the reason on standard error: not this work here.
 */
#ifndef MPROC_BENCH_PEER_H
#define MPROC_BENCH_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "../tools/mproc-bench/measure.h"

#define PEER_MIN	64		/* bytes of a message, at least */
#define PEER_ANSWER	64
#define PEER_MAX	64		/* backends at once */
#define PEER_QUEUE	(64 << 20)	/* bytes that a library may queue, when
					 * it can be told: as mproc's mailbox */

enum peer_ask { PEER_TAKE, PEER_ASK, PEER_STOP };

struct peer_answer {
	int64_t	taken;			/* messages, this one too */
	int64_t	pid;
	char	pad[PEER_ANSWER - 2 * sizeof(int64_t)];
};

#define PEER_JOBS	4096		/* of a pool, under way at a time */
#define PEER_ITEMS	1000000		/* of a map */

enum peer_jobs { PEER_PUT, PEER_FUTURES, PEER_MAP };

/*
 * struct peer_pool - workers behind one queue, for `pool`, `futures`, `map`;
 * peer->close ends them.
 *
 * @open  start n workers for such jobs; -EOPNOTSUPP: it has none
 * @put   hand in a job: to square n
 * @get   the result of a job; with futures in the order of put, else in any
 * @map   square n numbers: out[i] is in[i] * in[i]
 */
struct peer_pool {
	int	(*open)(int workers, enum peer_jobs jobs);
	int	(*put)(int64_t n);
	int	(*get)(int64_t *ret_n);
	int	(*map)(const int64_t *in, size_t n, int64_t *out);
};

/*
 * struct peer - a transport.  All return 0 or a negative errno; -EOPNOTSUPP
 * is exit status 77.  Optional members may be NULL.
 *
 * @init   once, first; optional
 * @open   start n backends that take messages of size bytes
 * @send   to backend i; may return while the message is queued
 * @recv   the next answer of backend i; sends what is queued
 * @poll   work `poll` follows: recv is to wait with poll(2); optional, no
 *         such work without it
 * @close  end and reap them all; optional
 * @pool   optional, no such work without it
 * @more   further work, up to a name that is NULL; optional
 */
struct peer {
	int	(*init)(int argc, char **argv, const char *variant);
	int	(*open)(int n, size_t size);
	int	(*send)(int i, const void *data, size_t size);
	int	(*recv)(int i, struct peer_answer *ret);
	int	(*poll)(void);
	void	(*close)(void);
	const struct peer_pool *pool;
	const struct peer_work {
		const char *name;
		int	(*run)(long param, double seconds);
	} *more;
};

/* Parses the command line, does the work; returns the exit status. */
int	peer_main(int argc, char **argv, const struct peer *transport);
/* The work of a pool (peer_pool.c). */
int	work_jobs(const struct peer_pool *pool, enum peer_jobs which,
	    long workers, double seconds);
/* The size of the messages that WORK with PARAM sends. */
size_t	peer_size(const char *work, long param);
/* Complain on standard error; returns code. */
int	peer_fault(const char *what, int code);
/* How many this process may run on. */
int	peer_processors(void);

/*
 * struct peer_stream - a backend's view of a byte stream: messages of size
 * bytes, one behind the other.
 */
struct peer_stream {
	size_t	size;			/* set by the peer */
	size_t	at;			/* bytes of the current one so far */
	int	ask;
	int64_t	taken;
};

/* Take n bytes in; returns how many of the messages ended ask for an answer. */
int	peer_feed(struct peer_stream *s, const unsigned char *bytes, size_t n);
/* Fill an answer in. */
void	peer_answer(int64_t taken, struct peer_answer *ret);

#endif
