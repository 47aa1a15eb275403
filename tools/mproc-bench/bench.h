/*
 * bench.h - the measurements of mproc-bench: each over mproc and, in the same
 * round, over its raw twin, a bare socketpair with nothing but read(2) and
 * write(2).
 */
#ifndef MPROC_BENCH_H
#define MPROC_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include <mproc.h>

#include "measure.h"

MPROC_MESSAGE(bench, echo, (struct mproc_bytes, data));
MPROC_MESSAGE(bench, echoed, (struct mproc_bytes, data));
MPROC_MESSAGE(bench, put, (struct mproc_bytes, data));
MPROC_MESSAGE(bench, count);
MPROC_MESSAGE(bench, counted, (int64_t, messages));

extern const struct mproc_class bench_class;
extern enum mproc_channel_kind bench_channel;

/* How much of it; a quick run shows that it works, not how fast. */
struct plan {
	int	rounds;
	int	trips;			/* round trips */
	int	casts;			/* 64-byte messages one way */
	int64_t	bytes;			/* of large payloads, a size */
	int	starts;
	int	idle;			/* backends whose memory is measured */
};

/* Both return 0, or a negative errno with a sentence on standard error. */

/* ret[0] p50, ret[1] p99 of `trips` round trips of 64 bytes; unit: us */
int	trip_mproc(const struct plan *, double ret[2]);
int	trip_raw(const struct plan *, double ret[2]);
/* Messages of `size` bytes one way, n of them; unit: messages/s */
int	oneway_mproc(size_t size, int64_t n, double *ret);
int	oneway_raw(size_t size, int64_t n, double *ret);
/* Start, one ping, stop; unit: processes/s */
int	start_mproc(int n, enum mproc_launch how, double *ret);
int	start_raw(int n, double *ret);
/* Proportional set size of an idle backend; unit: KiB */
int	memory_mproc(int n, double *ret);
int	memory_raw(int n, double *ret);

int	complain(const char *what, int code);	/* returns code */

#endif
