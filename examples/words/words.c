/*
 * words.c - results that come while the job still runs: the words of files,
 * many at a time.
 *
 *	words [-n most] file ...
 *
 * The main process takes them in by a struct mproc_job_handler.  With -n it
 * wants no more than so many of a file: it says so by a negative return, and
 * the job ends.  What processmanager's generators and result handlers show.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc.h>

enum { CHUNK = 5000 };		/* words in a message */

MPROC_MESSAGE(words, read, (const char *, path));
MPROC_MESSAGE(words, some, (int, n), (const char *, longest));
MPROC_MESSAGE(words, end);

struct words {
	struct mproc_backend base;
};

/* Runs in a worker. */
MPROC_COMMAND(words, read)
{
	char word[100], longest[100] = "";
	FILE *in = fopen(args->path, "re");
	int n = 0, r = 0;

	if (in == NULL)
		return mproc_fail(req, -errno, "%s: %m", args->path);
	while (r == 0 && fscanf(in, "%99s", word) == 1) {
		if (strlen(word) > strlen(longest))
			memcpy(longest, word, sizeof(longest));
		if (++n % CHUNK == 0)
			r = mproc_yield(req, words_some, .n = CHUNK,
			    .longest = longest);
	}
	fclose(in);
	if (r == 0 && n % CHUNK > 0)
		r = mproc_yield(req, words_some, .n = n % CHUNK,
		    .longest = longest);
	return r < 0 ? r : mproc_reply(req, words_end);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(words, read, "yields the words of a file",
	    .reply = MPROC_SCHEMA(words_end)),
};
static const struct mproc_class words_class =
    MPROC_CLASS("Words", words, handlers);

static struct totals {
	const char	*path;
	int		 words, messages, most;
	char		 longest[100];
} totals[100];

/* These three run here, inside the calls on the pool. */
static int
on_item(struct mproc_msg *msg, void *arg)
{
	const struct words_some *some = mproc_args(msg, words_some);
	struct totals *t = arg;

	if (some == NULL)
		return -EPROTO;
	t->messages++;
	t->words += some->n;
	snprintf(t->longest, sizeof(t->longest), "%s", some->longest);
	return t->most > 0 && t->words >= t->most ? -E2BIG : 0;
}

static int
on_finish(struct mproc_msg **reply, void *arg)
{
	const struct totals *t = arg;

	(void)reply;			/* could be another one now */
	printf("%s: %d words in %d messages, the longest is %s\n", t->path,
	    t->words, t->messages, t->longest);
	return 0;
}

static void
on_failed(int code, const char *text, void *arg)
{
	const struct totals *t = arg;

	if (code == -E2BIG)
		printf("%s: %d words or more\n", t->path, t->words);
	else
		printf("%s\n", text);
}

int
main(int argc, char **argv)
{
	static const struct mproc_job_handler handler = {
		.item = on_item, .finish = on_finish, .failed = on_failed
	};
	struct mproc_job job = { .handler = &handler };
	int i, c, most = 0;
	struct mproc_pool *pool;

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	while ((c = getopt(argc, argv, "n:")) == 'n')
		most = (int)strtol(optarg, NULL, 10);
	if (c != -1 || optind == argc || argc - optind > 100)
		errx(2, "usage: words [-n most] file ...");
	if (mproc_pool_new(&words_class, NULL, &pool) < 0 ||
	    mproc_pool_start(pool) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	for (i = 0; i < argc - optind; i++) {
		totals[i].path = argv[optind + i];
		totals[i].most = most;
		job.arg = &totals[i];
		if (mproc_pool_submit_job(pool, -1, &job, NULL, words_read,
		    .path = totals[i].path) < 0)
			errx(1, "%s", mproc_errmsg(NULL));
	}
	mproc_pool_close(pool);
	if (mproc_pool_join(pool, -1) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	mproc_pool_free(pool);
	return 0;
}
