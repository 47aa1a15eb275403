/*
 * hostile.h - a class whose backend breaks every rule: it takes the raw
 * sockets and the status page and does what no library would.
 */
#ifndef MPROC_TESTS_HOSTILE_H
#define MPROC_TESTS_HOSTILE_H

#include <mproc.h>

enum hostility {
	RANDOM_BYTES,
	RANDOM_CONTROL_BYTES,
	RANDOM_FRAMES,
	HUGE_LENGTHS,
	EMIT_FLOOD,
	UNKNOWN_REPLIES,
	DOUBLE_REPLIES,
	BAD_CONTROL,
	CREDIT_FLOOD,
	GARBAGE_LOGS,
	LOG_FLOOD,
	STRANGE_FDS,
	MISSING_FDS,
	SCRIBBLED_PAGE,
	CLOSED_ENDS,
	CLOSED_LOG,
	SHUT_DATA,		/* for reading */
	SHUT_CONTROL,
	ESCAPED_FLOOD,		/* a grandchild's, who outlives it */
	DEAF,
	MIXED,			/* all of the above in turn, but the closing */
	HOSTILITIES
};

MPROC_MESSAGE(hostile, start, (int, how), (uint64_t, seed));
MPROC_MESSAGE(hostile, poke, (int64_t, n));
MPROC_MESSAGE(hostile, poked, (int64_t, n));

extern const struct mproc_class hostile_class;

/* A sequence of random numbers: splitmix64 (Steele, Lea, Flood 2014). */
uint64_t chaos_random(uint64_t *seed);

#endif
