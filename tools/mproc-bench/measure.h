/*
 * measure.h - what every bench needs: a clock, percentiles, the memory of a
 * process, whole reads and writes.  Knows nothing of mproc, so that the peers
 * in bench/ use it, too.
 */
#ifndef MPROC_BENCH_MEASURE_H
#define MPROC_BENCH_MEASURE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

int64_t	now_ns(void);
double	percentile(double *values, size_t n, double p);	/* sorts */
double	pss_kib(pid_t pid);		/* < 0: unknown */
/* All of it, or -EPIPE. */
int	read_full(int fd, void *data, size_t size);
int	write_full(int fd, const void *data, size_t size);

#endif
