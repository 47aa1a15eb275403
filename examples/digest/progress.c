/*
 * progress.c - a progress bar on stderr.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "progress.h"

#define WIDTH	30	/* of the bar, unit: characters */

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
fraction(uint64_t done, uint64_t all)
{
	return all > 0 && done < all ? (double)done / (double)all : 1;
}

/* Bytes say more than files, but some trees have only empty files. */
static void
draw_bar(const struct progress *p)
{
	double part = p->all_bytes > 0 ? fraction(p->bytes, p->all_bytes) :
	    fraction(p->files, p->all_files);
	int i, full = (int)(part * WIDTH);

	(void)fputs("\r[", stderr);
	for (i = 0; i < WIDTH; i++)
		(void)putc(i < full ? '#' : '.', stderr);
	(void)fprintf(stderr, "] %3d%%  %" PRIu64 "/%" PRIu64 " files",
	    (int)(part * 100), p->files, p->all_files);
}

void
progress_start(struct progress *p)
{
	p->start = now();
}

bool
progress_due(struct progress *p, int every_ms)
{
	double t = now();

	if (t < p->last + every_ms / 1e3)
		return false;
	p->last = t;
	return true;
}

void
progress_draw(struct progress *p)
{
	double t = now(), mb = (double)p->bytes / 1e6;

	if (!p->on)
		return;
	if (p->all_files > 0)
		draw_bar(p);
	else
		(void)fprintf(stderr, "\r%" PRIu64 " files", p->files);
	(void)fprintf(stderr, "  %.0f MB  %.0f MB/s\033[K", mb,
	    t > p->start ? mb / (t - p->start) : 0);
	(void)fflush(stderr);
	p->drawn = true;
}

void
progress_clear(struct progress *p)
{
	if (!p->drawn)
		return;
	(void)fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	p->drawn = false;
}
