/*
 * parts.c - one large file, searched by several processes at once:
 *
 *	parts word file
 *
 * prints what `grep -F word file` prints of text.  A job is a part of the
 * file; the lines come in the order of the parts.  What processmanager's
 * example of a split workload shows.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mproc.h>

enum { PARTS = 16 };

MPROC_MESSAGE(parts, search, (const char *, path), (const char *, word),
    (int64_t, from), (int64_t, to));
MPROC_MESSAGE(parts, lines, (struct mproc_bytes, text));

struct parts {
	struct mproc_backend base;
};

/* The lines that begin in [from, to): others are another part's. */
static void
copy_lines(FILE *in, FILE *out, const struct parts_search *args)
{
	int64_t at = args->from - 1;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (at > 0 && fseek(in, at, SEEK_SET) == 0 &&
	    (n = getline(&line, &room, in)) > 0)
		at += n;
	else
		at = 0;
	while (at < args->to && (n = getline(&line, &room, in)) > 0) {
		at += n;
		if (strstr(line, args->word) != NULL)
			fprintf(out, "%s%s", line,
			    line[n - 1] != '\n' ? "\n" : "");
	}
	free(line);
}

/* Runs in a worker. */
MPROC_COMMAND(parts, search)
{
	char *text = NULL;
	FILE *in, *out;
	size_t size;
	int r;

	if ((in = fopen(args->path, "re")) == NULL)
		return mproc_fail(req, -errno, "%s: %m", args->path);
	if ((out = open_memstream(&text, &size)) == NULL) {
		fclose(in);
		return -ENOMEM;
	}
	copy_lines(in, out, args);
	r = ferror(in) ? -EIO : 0;
	if (fclose(out) != 0)
		r = -ENOMEM;
	if (r == 0)
		r = mproc_reply(req, parts_lines, .text = { text, size });
	fclose(in);
	free(text);
	return r;
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(parts, search, "lines of a part with a word in them",
	    .reply = MPROC_SCHEMA(parts_lines)),
};
static const struct mproc_class parts_class =
    MPROC_CLASS("Parts", parts, handlers);

int
main(int argc, char **argv)
{
	struct mproc_result results[PARTS];
	struct parts_search jobs[PARTS];
	const struct parts_lines *lines;
	struct mproc_pool *pool;
	struct stat st;
	int i;

	if (mproc_init(argc, argv) < 0)
		errx(2, "%s", mproc_errmsg(NULL));
	if (argc != 3)
		errx(2, "usage: parts word file");
	if (stat(argv[2], &st) < 0)
		err(2, "%s", argv[2]);
	for (i = 0; i < PARTS; i++)
		jobs[i] = (struct parts_search){
			.word = argv[1], .path = argv[2],
			.from = st.st_size * i / PARTS,
			.to = st.st_size * (i + 1) / PARTS
		};
	if (mproc_pool_new(&parts_class, NULL, &pool) < 0 ||
	    mproc_pool_start(pool) < 0 || mproc_pool_map(pool,
	    parts_search, jobs, PARTS, NULL, results) < 0)
		errx(2, "%s", mproc_errmsg(NULL));
	for (i = 0; i < PARTS; i++)
		if ((lines = mproc_args(results[i].reply,
		    parts_lines)) != NULL)
			fwrite(lines->text.data, 1, lines->text.size, stdout);
	mproc_results_free(results, PARTS);
	mproc_pool_free(pool);
	return 0;
}
