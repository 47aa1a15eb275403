/*
 * main.c - mproc-bench: what a message costs here, beside the floor.
 *
 * Absolute times differ between machines and runs; what counts is the ratio
 * of two things measured in turns in one run.  So each round measures all of
 * it once, and the medians of the rounds are compared.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define MAX_ROUNDS	101
#define ROWS		16

struct row {
	char	name[48];
	const char *unit;
	double	ours[MAX_ROUNDS], raw[MAX_ROUNDS];
	int	n;
	int	less_is_better;
};

enum mproc_channel_kind bench_channel;

static struct row rows[ROWS];
static int n_rows;

int
complain(const char *what, int code)
{
	const char *text = mproc_errmsg(NULL);

	warnx("%s: %s", what, text[0] != '\0' ? text :
	    mproc_strerror(code));
	return code;
}

static void
add(const char *name, const char *unit, int less_is_better, double ours,
    double raw)
{
	struct row *r;
	int i;

	for (i = 0; i < n_rows && strcmp(rows[i].name, name) != 0; i++)
		;
	r = &rows[i];
	if (i == n_rows) {
		n_rows++;
		(void)snprintf(r->name, sizeof(r->name), "%s", name);
		r->unit = unit;
		r->less_is_better = less_is_better;
	}
	r->ours[r->n] = ours;
	r->raw[r->n++] = raw;
}

static int
measure_sizes(const struct plan *plan)
{
	static const struct { size_t size; const char *name; } sizes[] = {
		{ 4096, "one way, 4 KiB" }, { 65536, "one way, 64 KiB" },
		{ 1 << 20, "one way, 1 MiB" }
	};
	double ours, raw, gb;
	int64_t n;
	size_t i;
	int r;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n = plan->bytes / (int64_t)sizes[i].size;
		if ((r = oneway_mproc(sizes[i].size, n, &ours)) < 0 ||
		    (r = oneway_raw(sizes[i].size, n, &raw)) < 0)
			return r;
		gb = (double)sizes[i].size / 1e9;
		add(sizes[i].name, "GB/s", 0, ours * gb, raw * gb);
	}
	return 0;
}

static int
measure_starts(const struct plan *plan)
{
	double ours, raw;
	int r;

	if ((r = start_mproc(plan->starts, MPROC_FORK, &ours)) < 0 ||
	    (r = start_raw(plan->starts, &raw)) < 0)
		return r;
	add("start-ping-stop, fork", "/s", 0, ours, raw);
	if ((r = start_mproc(plan->starts, MPROC_FORKSERVER, &ours)) < 0 ||
	    (r = start_raw(plan->starts, &raw)) < 0)
		return r;
	add("start-ping-stop, fork server", "/s", 0, ours, raw);
	if ((r = memory_mproc(plan->idle, &ours)) < 0 ||
	    (r = memory_raw(plan->idle, &raw)) < 0)
		return r;
	add("memory of an idle backend (PSS)", "KiB", 1, ours, raw);
	return 0;
}

static int
measure(const struct plan *plan)
{
	double ours[2], raw[2];
	int r;

	if ((r = trip_mproc(plan, ours)) < 0 || (r = trip_raw(plan, raw)) < 0)
		return r;
	add("round trip, 64 B, p50", "us", 1, ours[0], raw[0]);
	add("round trip, 64 B, p99", "us", 1, ours[1], raw[1]);
	if ((r = oneway_mproc(64, plan->casts, &ours[0])) < 0 ||
	    (r = oneway_raw(64, plan->casts, &raw[0])) < 0)
		return r;
	add("one way, 64 B", "M/s", 0, ours[0] / 1e6, raw[0] / 1e6);
	if ((r = measure_sizes(plan)) < 0)
		return r;
	return measure_starts(plan);
}

static void
print(const struct plan *plan)
{
	double ours, raw, ratio;
	struct row *r;
	int i;

	printf("Medians of %d rounds, mproc and the raw socketpair in turns; "
	    "a ratio above 1 means that mproc is better.\n\n", plan->rounds);
	printf("| work | unit | mproc | raw | ratio |\n"
	    "| --- | --- | ---: | ---: | ---: |\n");
	for (i = 0; i < n_rows; i++) {
		r = &rows[i];
		ours = percentile(r->ours, (size_t)r->n, 0.5);
		raw = percentile(r->raw, (size_t)r->n, 0.5);
		ratio = r->less_is_better ? raw / ours : ours / raw;
		printf("| %s | %s | %.2f | %.2f | %.2f |\n", r->name, r->unit,
		    ours, raw, ratio);
	}
}

static _Noreturn void
usage(void)
{
	(void)fprintf(stderr, "usage: mproc-bench [-q] [-c ring|socket] "
	    "[-r rounds]\n");
	exit(2);
}

static void
options(int argc, char **argv, struct plan *plan)
{
	int c;

	while ((c = getopt(argc, argv, "qc:r:")) != -1) {
		if (c == 'q')
			*plan = (struct plan){ .rounds = 1, .trips = 500,
			    .casts = 5000, .bytes = 8 << 20, .starts = 5,
			    .idle = 2 };
		else if (c == 'c' && strcmp(optarg, "ring") == 0)
			bench_channel = MPROC_RING;
		else if (c == 'c' && strcmp(optarg, "socket") == 0)
			bench_channel = MPROC_SOCKET;
		else if (c == 'r')
			plan->rounds = (int)strtol(optarg, NULL, 10);
		else
			usage();
	}
	if (optind != argc || plan->rounds < 1 || plan->rounds > MAX_ROUNDS)
		usage();
}

int
main(int argc, char **argv)
{
	struct plan plan = { .rounds = 5, .trips = 20000, .casts = 500000,
	    .bytes = 1LL << 30, .starts = 300, .idle = 20 };
	int i;

	if (mproc_init(argc, argv) < 0)
		errx(1, "mproc_init: %s", mproc_errmsg(NULL));
	options(argc, argv, &plan);
	for (i = 0; i < plan.rounds; i++) {
		if (isatty(STDERR_FILENO))
			(void)fprintf(stderr, "\rround %d of %d", i + 1,
			    plan.rounds);
		if (measure(&plan) < 0)
			return 1;
	}
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r\033[K");
	print(&plan);
	return 0;
}
