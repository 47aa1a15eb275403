/*
 * main.c - digest: SHA-256 sums of files and trees, by several processes.
 *
 * The main process walks the paths, gives each file to a hasher that has
 * little to do, and prints the sums in the order of the files.  It never
 * waits for one hasher: all of them, the signals and the clock are in one
 * context.  What is under way is bounded, by struct jobs and by what one
 * hasher is given ahead, so a tree of millions of files needs no more memory
 * than a small one.
 *
 * A hasher that dies costs nothing but time: what it was given is given
 * again, and it is started anew.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* sched_getaffinity(2) */
#endif
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "jobs.h"
#include "names.h"
#include "progress.h"
#include "walk.h"

#define AHEAD_FILES	64		/* given to one hasher, at most */
#define AHEAD_BYTES	(4 << 20)	/* but no more when it has so much */
#define MAX_TRIES	3		/* a file may end so many hashers */
#define MAX_HASHERS	1024
#define GRACE_MS	300		/* a hasher has nothing to save */
#define TICK_MS		100
#define FLUSH_BYTES	32768

struct hand {			/* a hasher, as seen from here */
	struct digest	*d;
	struct mproc	*p;
	struct job	*given[AHEAD_FILES];	/* in order */
	size_t		 n;
	uint64_t	 bytes;
	bool		 away;		/* dead, perhaps unnoticed yet */
};

struct digest {
	struct mproc_context	*ctx;
	struct hand		*hands;
	int			 n_hands;
	struct mproc		*scout;
	struct walk		*walk;
	char			**paths;	/* what is not begun yet */
	bool			 at_end;	/* of the last path */
	struct jobs		*jobs;
	struct progress		 progress;
	char			*buffer;	/* of stdout */
	size_t			 unflushed;	/* unit: bytes */
	int			 signo;		/* that ended it, or 0 */
	int			 status;	/* to exit with */
};

static void complain(struct digest *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static void
complain(struct digest *d, const char *fmt, ...)
{
	va_list ap;

	progress_clear(&d->progress);
	(void)fputs("digest: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)putc('\n', stderr);
	d->status = 1;
}

/* It cannot go on.  In a callback there is nobody to return a code to. */
static void
give_up(struct digest *d, const char *what, int r)
{
	complain(d, "%s: %s", what, mproc_strerror(r));
	(void)mproc_context_stop(d->ctx);
}

/* ---------------------------------------------------------------- output */

static bool
flush(struct digest *d)
{
	if (d->unflushed == 0)
		return true;
	progress_clear(&d->progress);	/* stdout may be that terminal too */
	d->unflushed = 0;
	if (fflush(stdout) == 0)
		return true;
	complain(d, "write error: %s", strerror(errno));
	(void)mproc_context_stop(d->ctx);
	return false;
}

static void
print_error(struct digest *d, const struct job *job)
{
	char *name = quote_name(job->name);

	complain(d, "%s: %s", name != NULL ? name : job->name,
	    job->tries == MAX_TRIES ? "each process that read it died" :
	    strerror(job->error));
	free(name);
}

/* All that can be printed without leaving a gap. */
static bool
print_done(struct digest *d)
{
	struct job *job;

	while ((job = jobs_first(d->jobs)) != NULL) {
		if (job->error != 0) {
			print_error(d, job);
		} else {
			(void)print_sum(stdout, job->sum, sizeof(job->sum),
			    job->name);
			d->unflushed += 2 * sizeof(job->sum) +
			    strlen(job->name);
		}
		d->progress.files++;
		jobs_drop(d->jobs);
		if (d->unflushed >= FLUSH_BYTES && !flush(d))
			return false;
	}
	return true;
}

/* ----------------------------------------------------- giving files away */

/* One more file becomes a job, unless there is none. */
static int
add_job(struct digest *d)
{
	struct walk_file file;
	int r;

	while ((r = walk_next(d->walk, &file)) == 0) {
		if (*d->paths == NULL) {
			d->at_end = true;
			return 0;
		}
		if ((r = walk_begin(d->walk, *d->paths++)) < 0)
			return r;
	}
	return r < 0 ? r : jobs_add(d->jobs, file.name, file.size,
	    file.error);
}

/* NULL when there is nothing to give away at present. */
static int
next_job(struct digest *d, struct job **ret_job)
{
	struct job *job;
	int r;

	while ((job = jobs_take(d->jobs)) == NULL) {
		if (d->at_end || jobs_full(d->jobs))
			break;
		if ((r = add_job(d)) < 0)
			return r;
	}
	*ret_job = job;
	return 0;
}

static bool
wants_more(const struct hand *h)
{
	return !h->away && h->n < AHEAD_FILES && h->bytes < AHEAD_BYTES;
}

static int
give(struct hand *h, struct job *job)
{
	int r;

	r = mproc_send(h->p, hasher_file, .job = job->id, .name = job->name);
	if (r == 0) {
		h->given[h->n++] = job;
		h->bytes += job->size;
		return 0;
	}
	jobs_again(h->d->jobs, job);
	h->away = true;
	return r == -EPIPE ? 0 : r;	/* dead: on_death() comes soon */
}

/* A file for each hasher in turn, until all have enough or there are none. */
static int
give_all(struct digest *d)
{
	struct job *job;
	bool gave;
	int i, r;

	do {
		gave = false;
		for (i = 0; i < d->n_hands; i++) {
			if (!wants_more(&d->hands[i]))
				continue;
			if ((r = next_job(d, &job)) < 0)
				return r;
			if (job == NULL)
				return 0;
			if ((r = give(&d->hands[i], job)) < 0)
				return r;
			gave = true;
		}
	} while (gave);
	return 0;
}

/* After everything that happens: print, go on, or find that it is the end. */
static void
move_on(struct digest *d)
{
	int r;

	do {
		if (!print_done(d))
			return;
		if ((r = give_all(d)) < 0) {
			give_up(d, "cannot give a file to a process", r);
			return;
		}
	} while (jobs_first(d->jobs) != NULL);
	if (d->at_end && jobs_empty(d->jobs))
		(void)mproc_context_stop(d->ctx);
}

/* ------------------------------------------------- what hashers tell us */

static struct job *
take_back_first(struct hand *h)
{
	struct job *job = h->given[0];

	h->n--;
	memmove(h->given, h->given + 1, h->n * sizeof(h->given[0]));
	h->bytes -= job->size;
	return job;
}

static void
on_sum(struct hand *h, const struct hasher_sum *sum)
{
	if (h->n == 0 || h->given[0]->id != sum->job ||
	    (sum->error == 0 && sum->digest.size != DIGEST_SIZE)) {
		complain(h->d, "%s answers what nobody asked",
		    mproc_name(h->p));
		(void)mproc_context_stop(h->d->ctx);
		return;
	}
	h->d->progress.bytes += sum->bytes;
	jobs_done(take_back_first(h), sum->digest.data, sum->error);
	move_on(h->d);
}

static void
on_message(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct hasher_progress *progress;
	const struct hasher_sum *sum;
	struct hand *h = arg;

	(void)p;
	if ((sum = mproc_args(msg, hasher_sum)) != NULL)
		on_sum(h, sum);
	else if ((progress = mproc_args(msg, hasher_progress)) != NULL)
		h->d->progress.bytes += progress->bytes;
}

/*
 * The first of the files that it had was the one that it was reading; if
 * that goes on, the file is to blame.
 */
static void
take_back(struct hand *h)
{
	struct job *first = h->n > 0 ? h->given[0] : NULL;

	if (first != NULL && ++first->tries == MAX_TRIES) {
		jobs_done(first, NULL, EIO);
		(void)take_back_first(h);
	}
	while (h->n > 0)
		jobs_again(h->d->jobs, h->given[--h->n]);
	h->bytes = 0;
}

static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct hand *h = arg;
	int status = h->d->status, r;
	char text[256];

	(void)death;
	h->away = true;
	if (!mproc_context_going(h->d->ctx))
		return;
	(void)mproc_death_print(p, text, sizeof(text));
	complain(h->d, "%s; what it had is done again", text);
	h->d->status = status;		/* so far nothing is lost */
	take_back(h);
	if ((r = mproc_start(p)) < 0) {
		give_up(h->d, "cannot replace a process", r);
		return;
	}
	h->away = false;
	move_on(h->d);
}

static void
on_found(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct scout_found *found = mproc_args(msg, scout_found);
	struct digest *d = arg;

	(void)p;
	if (found == NULL)
		return;
	d->progress.all_files = found->files;
	d->progress.all_bytes = found->bytes;
}

static void
on_signal(struct mproc_context *ctx, int signo, void *arg)
{
	struct digest *d = arg;

	d->signo = signo;
	(void)mproc_context_stop(ctx);
}

static void
on_tick(struct mproc_context *ctx, void *arg)
{
	struct digest *d = arg;

	(void)ctx;
	if (flush(d))
		progress_draw(&d->progress);
}

/* ------------------------------------------------------ start and end */

static int
add_hasher(struct digest *d, int i)
{
	struct hand *h = &d->hands[i];
	char name[32];
	int r;

	h->d = d;
	(void)snprintf(name, sizeof(name), "hasher-%d", i + 1);
	r = mproc_new(&hasher_class, &(struct mproc_options){ .name = name,
	    .stop_mode = MPROC_NOW, .stop_grace_ms = GRACE_MS }, &h->p);
	if (r == 0)
		r = mproc_context_add(d->ctx, h->p, on_message, h);
	if (r == 0)
		r = mproc_context_supervise(d->ctx, h->p,
		    &(struct mproc_supervision){ .on_death = on_death,
		    .arg = h });
	return r;
}

/* Only for the bar: when it cannot take all the paths, there is no bar. */
static int
add_scout(struct digest *d)
{
	char **path;
	int r;

	r = mproc_new(&scout_class, &(struct mproc_options){ .name = "scout",
	    .overflow = MPROC_REJECT, .stop_mode = MPROC_NOW,
	    .stop_grace_ms = GRACE_MS }, &d->scout);
	for (path = d->paths; r == 0 && *path != NULL; path++)
		r = mproc_send(d->scout, scout_path, .path = *path);
	if (r == 0)
		return mproc_context_add(d->ctx, d->scout, on_found, d);
	d->scout = mproc_free(d->scout);
	return r == -EAGAIN ? 0 : r;
}

static int
set_up(struct digest *d)
{
	int i, r;

	d->hands = calloc((size_t)d->n_hands, sizeof(*d->hands));
	d->buffer = malloc(2 * FLUSH_BYTES);
	if (d->hands == NULL || d->buffer == NULL)
		return -ENOMEM;
	(void)setvbuf(stdout, d->buffer, _IOFBF, 2 * FLUSH_BYTES);
	if ((r = walk_new(&d->walk)) < 0 || (r = jobs_new(&d->jobs)) < 0 ||
	    (r = mproc_context_new(NULL, NULL, &d->ctx)) < 0 ||
	    (r = mproc_context_signal(d->ctx, SIGINT, on_signal, d)) < 0 ||
	    (r = mproc_context_signal(d->ctx, SIGTERM, on_signal, d)) < 0 ||
	    (r = mproc_context_timer(d->ctx, TICK_MS, TICK_MS, on_tick,
	    d)) < 0)
		return r;
	for (r = 0, i = 0; i < d->n_hands && r == 0; i++)
		r = add_hasher(d, i);
	if (r == 0 && d->progress.on)
		r = add_scout(d);
	return r;
}

static void
tear_down(struct digest *d)
{
	int i;

	mproc_context_free(d->ctx);
	for (i = 0; d->hands != NULL && i < d->n_hands; i++)
		mproc_free(d->hands[i].p);
	mproc_free(d->scout);
	walk_free(d->walk);
	jobs_free(d->jobs);
	free(d->hands);
	/* stdout may use its buffer until the very end */
	(void)fflush(stdout);
}

/* Processes that this one may use: as many as it has CPUs. */
static int
count_cpus(void)
{
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return CPU_COUNT(&set);
	n = sysconf(_SC_NPROCESSORS_ONLN);	/* more than cpu_set_t holds */
	return n < 1 ? 1 : n > MAX_HASHERS ? MAX_HASHERS : (int)n;
}

static _Noreturn void
usage(void)
{
	(void)fputs("usage: digest [-q] [-j processes] path ...\n", stderr);
	exit(2);
}

static void
parse(struct digest *d, int argc, char **argv)
{
	char *end;
	long n;
	int c;

	d->n_hands = count_cpus();
	d->progress.on = isatty(STDERR_FILENO);
	while ((c = getopt(argc, argv, "j:q")) != -1) {
		switch (c) {
		case 'j':
			n = strtol(optarg, &end, 10);
			if (*end != '\0' || n < 1 || n > MAX_HASHERS)
				usage();
			d->n_hands = (int)n;
			break;
		case 'q':
			d->progress.on = false;
			break;
		default:
			usage();
		}
	}
	progress_start(&d->progress);
	d->paths = argv + optind;
	if (*d->paths == NULL)
		usage();
}

int
main(int argc, char **argv)
{
	struct digest d = { .signo = 0 };
	int r;

	(void)setlocale(LC_ALL, "");
	if (mproc_init(argc, argv) < 0) {
		complain(&d, "cannot start: %s", mproc_errmsg(NULL));
		return d.status;
	}
	parse(&d, argc, argv);
	if ((r = set_up(&d)) == 0) {
		move_on(&d);
		r = mproc_context_run(d.ctx);
	}
	if (r < 0)
		give_up(&d, "cannot go on", r);
	(void)flush(&d);
	progress_clear(&d.progress);
	if (d.signo != 0) {
		complain(&d, "interrupted after %" PRIu64 " files",
		    d.progress.files);
		d.status = 128 + d.signo;
	}
	tear_down(&d);
	return d.status;
}
