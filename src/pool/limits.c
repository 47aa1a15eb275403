/*
 * limits.c - how many processors there are for us, and the pool's defaults.
 */
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/pool.h"

#define PREFETCH_MAX	65536
#define WORKERS_MAX	65536
#define DEFAULT_FAILS	3

static int
affinity(void)
{
	int n = 1024, count;
	cpu_set_t *set;
	size_t size;

	for (; n <= 1 << 20; n *= 2) {
		if ((set = CPU_ALLOC((size_t)n)) == NULL)
			return 1;
		size = CPU_ALLOC_SIZE((size_t)n);
		count = sched_getaffinity(0, size, set) == 0 ?
		    CPU_COUNT_S(size, set) : 0;
		CPU_FREE(set);
		if (count > 0)
			return count;
	}
	return 1;
}

static bool
read_file(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	n = read(fd, buf, size - 1);
	mproc__close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* The quota in cpu.max of one group: processors rounded up, 0 no limit. */
static int
quota_of(const char *dir)
{
	char path[4200], buf[128], *end, *last;
	long quota, period;

	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", dir);
	if (!read_file(path, buf, sizeof(buf)))
		return 0;
	quota = strtol(buf, &end, 10);		/* 0: it says "max" */
	period = strtol(end, &last, 10);
	if (quota <= 0 || period <= 0)
		return 0;
	return (int)((quota + period - 1) / period);
}

/* Of our group and all above it. */
static int
quota(void)
{
	char buf[4096], *dir, *end;
	int n, least = 0;

	if (!read_file("/proc/self/cgroup", buf, sizeof(buf)) ||
	    (dir = strstr(buf, "0::")) == NULL)
		return 0;
	dir += 3;
	dir[strcspn(dir, "\n")] = '\0';
	for (;;) {
		n = quota_of(dir);
		if (n > 0 && (least == 0 || n < least))
			least = n;
		if ((end = strrchr(dir, '/')) == NULL)
			return least;
		*end = '\0';
	}
}

int
mproc_cpu_count(void)
{
	int n = affinity(), most = quota();

	return most > 0 && most < n ? most : n;
}

static int
check(const struct mproc_pool_options *o)
{
	const struct {
		const char *name;
		int64_t	 value, least, most;	/* most 0: any */
	} rows[] = {
		{ "workers", o->workers, 0, WORKERS_MAX },
		{ "reserve_cpus", o->reserve_cpus, 0, 0 },
		{ "min_workers", o->min_workers, -1, o->workers },
		{ "prefetch", o->prefetch, 0, PREFETCH_MAX },
		{ "queue_jobs", o->queue_jobs, -1, 0 },
		{ "window", o->window, -1, 0 },
		{ "retries", o->retries, -1, 0 },
		{ "timeout_ms", o->timeout_ms, -1, 0 },
		{ "expire_ms", o->expire_ms, -1, 0 },
		{ "max_age_ms", o->max_age_ms, 0, 0 },
		{ "idle_ms", o->idle_ms, 0, 0 },
		{ "max_rss", o->max_rss, 0, 0 },
		{ "ping_ms", o->ping_ms, 0, 0 },
	};
	char most[32] = "or more";
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].value >= rows[i].least && (rows[i].most == 0 ||
		    rows[i].value <= rows[i].most))
			continue;
		if (rows[i].most > 0)
			(void)snprintf(most, sizeof(most), "to %lld",
			    (long long)rows[i].most);
		return mproc__err(-EINVAL, "pool options: .%s is %lld, "
		    "should be %lld %s", rows[i].name,
		    (long long)rows[i].value, (long long)rows[i].least,
		    most);
	}
	return 0;
}

/*
 * A pool's workers are few and work: a ring costs little beside that, keeps
 * the answers of one that dies, and needs no system call for each.  It stays
 * in the processor's cache.
 */
#ifndef MPROC__POOL_CHANNEL
#define MPROC__POOL_CHANNEL	MPROC_RING
#endif
#define RING_BYTES		(256 << 10)

/* crowded: as many as there are processors look for jobs on the program's. */
static void
process_defaults(struct mproc_options *o, bool crowded)
{
	if (o->channel == MPROC_CHANNEL_DEFAULT)
		o->channel = MPROC__POOL_CHANNEL;
	if (o->ring_bytes == 0)
		o->ring_bytes = RING_BYTES;
	if (o->spin_us == 0 && crowded)
		o->spin_us = -1;
}

int
mproc__pool_defaults(struct mproc_pool_options *o)
{
	int cpus = mproc_cpu_count(), most = cpus - o->reserve_cpus, r;

	if ((r = check(o)) < 0)
		return r;
	if (most < 1)
		most = 1;
	if (o->workers == 0 || (o->cap && o->workers > most))
		o->workers = most;
	if (o->min_workers == 0 || o->min_workers > o->workers)
		o->min_workers = o->workers;
	if (o->min_workers < 0)
		o->min_workers = 0;
	if (o->prefetch == 0)
		o->prefetch = 1;
	if (o->queue_jobs == 0)
		o->queue_jobs = 2LL * o->workers * o->prefetch;
	if (o->max_fails <= 0)
		o->max_fails = DEFAULT_FAILS;
	process_defaults(&o->process, o->workers >= cpus);
	return 0;
}
