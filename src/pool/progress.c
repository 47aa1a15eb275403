/*
 * progress.c - a bar on a terminal, at the user's request.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/pool.h"

#define WIDTH	40

void
mproc_progress_bar(const struct mproc_progress *p, void *arg)
{
	int fd = arg != NULL ? *(const int *)arg : STDERR_FILENO;
	char bar[WIDTH + 1], line[160];
	unsigned full;
	int n;

	if (p == NULL || !isatty(fd))
		return;
	full = p->total > 0 ? (unsigned)(p->done * WIDTH / p->total) : 0;
	memset(bar, ' ', WIDTH);
	memset(bar, '#', full < WIDTH ? full : WIDTH);
	bar[WIDTH] = '\0';
	n = snprintf(line, sizeof(line), "\r[%s] %llu/%llu%s %lld.%llds%s",
	    bar, (unsigned long long)p->done, (unsigned long long)p->total,
	    p->failed > 0 ? " with errors" : "",
	    (long long)(p->elapsed_ms / 1000),
	    (long long)(p->elapsed_ms / 100 % 10),
	    p->total > 0 && p->done >= p->total ? "\n" : "");
	(void)mproc__write(fd, line, (size_t)n, 100);
}
