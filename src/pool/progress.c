/*
 * progress.c - a bar on a terminal, at the user's request.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/pool.h"

#define WIDTH		40
#define REPORT_NS	(100 * 1000000LL)

static __thread const struct mproc_pool *reporting;

bool
mproc__pool_in_report(const struct mproc_pool *pool)
{
	return reporting == pool;
}

const struct mproc_pool *
mproc__tell_begin(struct mproc_pool *pool)
{
	const struct mproc_pool *before = reporting;

	mproc__pool_unlock(pool);
	reporting = pool;
	return before;
}

void
mproc__tell_end(struct mproc_pool *pool, const struct mproc_pool *before)
{
	reporting = before;
	mproc__pool_lock(pool);
}

void
mproc__report(struct mproc_pool *pool, struct mproc__reporter *r,
    const struct mproc_progress *p, bool last)
{
	const struct mproc_pool *before;
	struct mproc_progress now_at;
	int64_t now;

	if (r->fn == NULL)
		return;
	now = mproc__now_ns();
	if (now < r->next && !last)
		return;
	r->next = now + REPORT_NS;
	now_at = *p;
	now_at.elapsed_ms = (now - r->begun) / 1000000;
	before = mproc__tell_begin(pool);
	r->fn(&now_at, r->arg);
	mproc__tell_end(pool, before);
}

int64_t
mproc__report_at(const struct mproc__reporter *r, int64_t deadline)
{
	return r->fn == NULL ? deadline :
	    mproc__min_deadline(deadline, mproc__now_ns() + REPORT_NS);
}

void
mproc__puts_report(struct mproc_pool *pool, bool last)
{
	struct mproc_stream *s = &pool->puts;

	mproc__report(pool, &s->reporter, &(struct mproc_progress){
	    .done = s->came, .failed = s->failed,
	    .total = s->feeding > 0 ? 0 : s->next_in - s->first_in }, last);
}

int
mproc__puts_wait(struct mproc_pool *pool, bool (*ready)(void *), void *arg,
    int64_t deadline)
{
	int r;

	for (;;) {
		r = mproc__pool_wait(pool, ready, arg,
		    mproc__report_at(&pool->puts.reporter, deadline));
		mproc__puts_report(pool, false);
		if (r != -ETIMEDOUT || mproc__has_passed(deadline))
			return r;
	}
}

void
mproc_progress_bar(const struct mproc_progress *p, void *arg)
{
	int fd = arg != NULL ? *(const int *)arg : STDERR_FILENO;
	char bar[WIDTH + 1], line[160];
	unsigned full;
	int n;

	if (p == NULL || !isatty(fd))
		return;
	if (p->total == 0) {	/* not known: no bar */
		n = snprintf(line, sizeof(line), "\r%llu %lld.%llds",
		    (unsigned long long)p->done,
		    (long long)(p->elapsed_ms / 1000),
		    (long long)(p->elapsed_ms / 100 % 10));
		(void)mproc__write(fd, line, (size_t)n, 100);
		return;
	}
	full = (unsigned)(p->done * WIDTH / p->total);
	memset(bar, ' ', WIDTH);
	memset(bar, '#', full < WIDTH ? full : WIDTH);
	bar[WIDTH] = '\0';
	n = snprintf(line, sizeof(line), "\r[%s] %llu/%llu%s %lld.%llds%s",
	    bar, (unsigned long long)p->done, (unsigned long long)p->total,
	    p->failed > 0 ? " with errors" : "",
	    (long long)(p->elapsed_ms / 1000),
	    (long long)(p->elapsed_ms / 100 % 10),
	    p->done >= p->total ? "\n" : "");
	(void)mproc__write(fd, line, (size_t)n, 100);
}
