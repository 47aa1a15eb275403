/*
 * wc.c - lines, words and bytes of files, as wc(1) counts them, several files
 * at a time:
 *
 *	wc [-1] [-j processes] file ...
 *
 * With -1 all is done in this process, where a debugger sees it and nothing
 * is started.  Where no process can be started, in a sandbox, say, it is done
 * here without being asked: the pool is fail-open.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc.h>

struct path { char name[PATH_MAX]; };
struct counts { uint64_t lines, words, bytes; };

/* Runs in a worker, or here. */
MPROC_FUNCTION(count, struct path, struct counts)
{
	FILE *file = fopen(in->name, "r");
	int c, before = ' ', r;

	if (file == NULL)
		return -errno;
	while ((c = getc(file)) != EOF) {
		out->bytes++;
		out->lines += c == '\n';
		out->words += isspace(before) && !isspace(c);
		before = c;
	}
	r = ferror(file) ? -errno : 0;
	(void)fclose(file);
	return r;
}

struct job {
	struct path	*in;
	struct counts	*out;
	size_t		 n;
	bool		*failed;
};

static void
on_failed(size_t first, size_t n, int code, const char *text, void *arg)
{
	struct job *job = arg;
	size_t i;

	(void)text;		/* "count of value 3: ..." */
	for (i = first; i < first + n; i++) {
		warnx("%s: %s", job->in[i].name, strerror(-code));
		job->failed[i] = true;
	}
}

/* With the default pool of this function, in the scope of the caller. */
static int
count_all(struct job *job, bool here)
{
	struct mproc_map_options options = {
		.on_failed = on_failed, .on_failed_arg = job
	};
	struct mproc_pool *pool;
	int r;

	if ((r = mproc_pool_default(MPROC_FUNCTION_CLASS(count), &pool)) < 0)
		return r;
	if (here)
		(void)mproc_pool_set_offload(pool, MPROC_OFFLOAD_OFF);
	return mproc_function_map(pool, count, job->in, job->n, &options,
	    job->out);
}

static void
print(const struct counts *c, const char *name)
{
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", c->lines, c->words,
	    c->bytes, name);
}

static int
print_all(const struct job *job)
{
	struct counts total = { .lines = 0 };
	int status = 0;
	size_t i;

	for (i = 0; i < job->n; i++) {
		if (job->failed[i]) {
			status = 1;
			continue;
		}
		print(&job->out[i], job->in[i].name);
		total.lines += job->out[i].lines;
		total.words += job->out[i].words;
		total.bytes += job->out[i].bytes;
	}
	if (job->n > 1)
		print(&total, "total");
	return status;
}

int
main(int argc, char **argv)
{
	struct mproc_pool_options options = { .fail_open = true };
	struct job job = { .n = 0 };
	bool here = false;
	int c, i;

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	while ((c = getopt(argc, argv, "1j:")) != -1)
		if (c == '1')
			here = true;
		else if (c == 'j')
			options.workers = (int)strtol(optarg, NULL, 10);
		else
			return 2;
	job.n = (size_t)(argc - optind);
	job.in = calloc(job.n + 1, sizeof(*job.in));
	job.out = calloc(job.n + 1, sizeof(*job.out));
	job.failed = calloc(job.n + 1, sizeof(*job.failed));
	if (job.in == NULL || job.out == NULL || job.failed == NULL)
		err(1, NULL);
	for (i = optind; i < argc; i++)
		(void)snprintf(job.in[i - optind].name, PATH_MAX, "%s",
		    argv[i]);
	/* no process outlives the block */
	MPROC_POOL_SCOPE(&options)
		c = count_all(&job, here);
	i = print_all(&job);
	if (c < 0 && i == 0)
		errx(1, "%s", mproc_errmsg(NULL));
	free(job.in);
	free(job.out);
	free(job.failed);
	return i;
}
