/*
 * fork.c - what this process is: how often forked, how many threads, and
 * whether it is alone on its processor.
 *
 * The counter is bumped in the child by pthread_atfork(3).  It is a relaxed
 * atomic only to be readable by all threads; it changes while there is one.
 */
#include <sys/resource.h>

#include <dirent.h>
#include <pthread.h>

#include "system/system.h"

_Atomic unsigned mproc__generation;

void
mproc__forked(void)
{
	atomic_fetch_add_explicit(&mproc__generation, 1,
	    memory_order_relaxed);
}

static void __attribute__((constructor))
watch_forks(void)
{
	/* Fails without memory only, and then nothing else works either. */
	(void)pthread_atfork(NULL, NULL, mproc__forked);
}

int
mproc__thread_count(void)
{
	struct dirent *d;
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	if (dir == NULL)
		return -errno;
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			n++;
	closedir(dir);
	return n;
}

long
mproc__preemptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}
