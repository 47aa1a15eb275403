/*
 * main.c - digest: SHA-256 sums of files and trees, by a pool of processes.
 *
 * The main process walks the paths, puts each file into the pool, and prints
 * the sums, which the pool gives back in the order of the files.  What is
 * under way is bounded, so a tree of millions of files needs no more memory
 * than a small one.  A hasher that dies costs nothing but time: the pool
 * replaces it and has its file done again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* sigabbrev_np(3) */
#endif
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "names.h"
#include "progress.h"
#include "walk.h"

#define AHEAD		8192	/* files whose sums are not printed yet */
#define PREFETCH	8	/* in a hasher's hands: most files are small */
#define TRIES		3	/* a file may end so many hashers */
#define TICK_MS		100

struct digest {
	struct mproc_pool	*pool;
	struct mproc		*scout;
	struct walk		*walk;
	struct walk_file	 file;		/* the next one for the pool */
	char			**paths;	/* what is not begun yet */
	bool			 at_end;	/* of the last path */
	int			 workers;
	struct progress		 progress;
	int			 status;	/* to exit with */
};

static volatile sig_atomic_t interrupted;	/* by this signal */

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

static void
complain_of(struct digest *d, const char *name, const char *why)
{
	char *quoted = quote_name(name);

	complain(d, "%s: %s", quoted != NULL ? quoted : name, why);
	free(quoted);
}

/* ------------------------------------------------------- what the pool tells */

static int
on_item(struct mproc_msg *msg, void *arg)
{
	const struct hasher_progress *item = mproc_args(msg, hasher_progress);
	struct digest *d = arg;

	d->progress.bytes += item != NULL ? item->bytes : 0;
	return 0;
}

static void
on_worker(enum mproc_worker_event event, const struct mproc_worker *w,
    void *arg)
{
	struct digest *d = arg;
	int status = d->status;
	const char *signame;

	if (event != MPROC_WORKER_DIED)
		return;
	signame = sigabbrev_np(w->death->signal);
	complain(d, "hasher-%u %s%s; what it had is done again", w->id,
	    signame != NULL ? "was killed by SIG" : "ended",
	    signame != NULL ? signame : "");
	d->status = status;		/* so far nothing is lost */
}

static void
on_poison(struct mproc_msg *msg, const struct mproc_death *death, void *arg)
{
	const struct hasher_file *file = mproc_args(msg, hasher_file);

	(void)death;
	if (file != NULL)
		complain_of(arg, file->name, "each process that read it died");
}

/* ------------------------------------------------------ files in, sums out */

static int
next_file(struct digest *d)
{
	int r;

	while ((r = walk_next(d->walk, &d->file)) == 0) {
		d->at_end = *d->paths == NULL;
		if (d->at_end)
			return 0;
		if ((r = walk_begin(d->walk, *d->paths++)) < 0)
			break;
	}
	return r;
}

/* As many as there is room for. */
static int
put_files(struct digest *d)
{
	static const struct mproc_job_handler handler = { .item = on_item };
	struct mproc_job job = { .handler = &handler, .arg = d };
	int r = 0;

	while (!d->at_end && r >= 0) {
		r = mproc_pool_put_job(d->pool, 0, &job, hasher_file,
		    .name = d->file.name, .error = d->file.error);
		if (r == -EAGAIN)
			return 0;
		if (r == 0)
			r = next_file(d);
	}
	return r < 0 ? r : 0;
}

static int
print(struct digest *d, const struct mproc_result *result)
{
	const struct hasher_sum *sum;

	d->progress.files++;
	if (result->code == -EPIPE)
		return 0;		/* on_poison() has told */
	if (result->code < 0)
		return result->code;
	if ((sum = mproc_args(result->reply, hasher_sum)) == NULL)
		return -EPROTO;
	d->progress.bytes += sum->bytes;
	if (sum->error != 0) {
		complain_of(d, sum->name, strerror(sum->error));
		return 0;
	}
	progress_clear(&d->progress);	/* stdout may be that terminal too */
	return print_sum(stdout, sum->digest.data, sum->digest.size,
	    sum->name) ? 0 : -errno;
}

/* Ten times a second. */
static int
tick(struct digest *d)
{
	const struct scout_found *found;
	struct mproc_msg *msg;

	if (!progress_due(&d->progress, TICK_MS))
		return 0;
	if (fflush(stdout) != 0)
		return -errno;
	while (d->scout != NULL && mproc_recv(d->scout, 0, &msg) == 1) {
		if ((found = mproc_args(msg, scout_found)) != NULL) {
			d->progress.all_files = found->files;
			d->progress.all_bytes = found->bytes;
		}
		mproc_msg_free(msg);
	}
	progress_draw(&d->progress);
	return 0;
}

static int
run(struct digest *d)
{
	struct mproc_result result;
	int r;

	while (interrupted == 0) {
		if ((r = put_files(d)) < 0)
			return r;
		r = mproc_pool_get(d->pool, TICK_MS, &result);
		if (r == -ENODATA)
			break;
		if (r < 0 && r != -ETIMEDOUT)
			return r;
		if (r == 1) {
			r = print(d, &result);
			mproc_msg_free(result.reply);
			if (r < 0)
				return r;
		}
		if ((r = tick(d)) < 0)
			return r;
	}
	return 0;
}

/* ------------------------------------------------------ start and end */

static void
on_signal(int signo)
{
	interrupted = signo;
}

/* Only for the bar: when it cannot take all the paths, there is no bar. */
static int
start_scout(struct digest *d)
{
	char **path;
	int r;

	r = mproc_new(&scout_class, &(struct mproc_options){ .name = "scout",
	    .overflow = MPROC_REJECT, .stop_mode = MPROC_NOW }, &d->scout);
	for (path = d->paths; r == 0 && *path != NULL; path++)
		r = mproc_send(d->scout, scout_path, .path = *path);
	if (r == 0)
		return mproc_start(d->scout);
	d->scout = mproc_free(d->scout);
	return r == -EAGAIN ? 0 : r;
}

static int
set_up(struct digest *d)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct mproc_pool_options options = {
		.name = "hasher", .workers = d->workers, .ordered = true,
		.window = AHEAD, .queue_jobs = AHEAD, .prefetch = PREFETCH,
		.retries = TRIES - 1, .on_worker = on_worker,
		.on_poison = on_poison, .arg = d
	};
	int r;

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	if ((r = mproc_pool_new(&hasher_class, &options, &d->pool)) == 0 &&
	    (r = mproc_pool_start(d->pool)) == 0 && d->progress.on)
		r = start_scout(d);
	if (r == 0 && (r = walk_new(&d->walk)) == 0 &&
	    (r = walk_begin(d->walk, *d->paths++)) == 0)
		r = next_file(d);
	return r < 0 ? r : 0;
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

	d->progress.on = isatty(STDERR_FILENO);
	while ((c = getopt(argc, argv, "j:q")) != -1) {
		switch (c) {
		case 'j':
			n = strtol(optarg, &end, 10);
			if (*end != '\0' || n < 1 || n > 1024)
				usage();
			d->workers = (int)n;
			break;
		case 'q':
			d->progress.on = false;
			break;
		default:
			usage();
		}
	}
	d->paths = argv + optind;
	if (*d->paths == NULL)
		usage();
}

int
main(int argc, char **argv)
{
	struct digest d = { .status = 0 };
	int r;

	(void)setlocale(LC_ALL, "");
	if (mproc_init(argc, argv) < 0) {
		complain(&d, "cannot start: %s", mproc_errmsg(NULL));
		return d.status;
	}
	parse(&d, argc, argv);
	progress_start(&d.progress);
	if ((r = set_up(&d)) == 0)
		r = run(&d);
	progress_clear(&d.progress);
	if (r == 0 && fflush(stdout) != 0)
		r = -errno;
	if (r < 0 && ferror(stdout))
		complain(&d, "write error: %s", strerror(-r));
	else if (r < 0)
		complain(&d, "cannot go on: %s", mproc_strerror(r));
	if (interrupted != 0) {
		complain(&d, "interrupted after %" PRIu64 " files",
		    d.progress.files);
		d.status = 128 + interrupted;
	}
	mproc_pool_free(d.pool);
	mproc_free(d.scout);
	walk_free(d.walk);
	return d.status;
}
