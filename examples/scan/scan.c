/*
 * scan.c - lines of files that contain a word, by a pool of processes:
 *
 *	scan word file ...
 *
 * prints what `grep -F -H word file ...` prints of text, in its order; status
 * 0 if there was a line, 1 if none, 2 if a file could not be read.  A job is
 * a file.  One on which a process dies is tried once more, by another.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mproc.h>

MPROC_MESSAGE(scan, file, (const char *, path), (const char *, word));
MPROC_MESSAGE(scan, lines, (struct mproc_bytes, text));

struct scan {
	struct mproc_backend base;
};

/* Runs in a worker. */
MPROC_COMMAND(scan, file)
{
	char *line = NULL, *text = NULL;
	size_t room = 0, size = 0;
	FILE *in, *out;
	ssize_t n;
	int r;

	if ((in = fopen(args->path, "re")) == NULL)
		return mproc_fail(req, -errno, "%s: %m", args->path);
	if ((out = open_memstream(&text, &size)) == NULL) {
		fclose(in);
		return -ENOMEM;
	}
	while ((n = getline(&line, &room, in)) > 0)
		if (strstr(line, args->word) != NULL)
			fprintf(out, "%s:%.*s%s", args->path, (int)n, line,
			    line[n - 1] != '\n' ? "\n" : "");
	r = ferror(in) ? mproc_fail(req, -EIO, "%s: cannot be read",
	    args->path) : 0;
	if (fclose(out) != 0)
		r = -ENOMEM;
	if (r == 0)
		r = mproc_reply(req, scan_lines, .text = { text, size });
	fclose(in);
	free(line);
	free(text);
	return r;
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(scan, file, "lines of a file with a word in them",
	    .reply = MPROC_SCHEMA(scan_lines)),
};
static const struct mproc_class scan_class =
    MPROC_CLASS("Scan", scan, handlers);

/* Print one file's result: did it have a line? */
static bool
print(const struct mproc_result *result)
{
	const struct scan_lines *lines;

	if (result->code < 0) {
		warnx("%s", result->text);
		return false;
	}
	if ((lines = mproc_args(result->reply, scan_lines)) == NULL)
		errx(2, "%s", mproc_errmsg(NULL));
	fwrite(lines->text.data, 1, lines->text.size, stdout);
	return lines->text.size > 0;
}

int
main(int argc, char **argv)
{
	struct mproc_result *results;
	bool found = false, failed;
	struct mproc_pool *pool;
	struct scan_file *files;
	size_t i, n;

	if (mproc_init(argc, argv) < 0)
		errx(2, "%s", mproc_errmsg(NULL));
	if (argc < 3)
		errx(2, "usage: scan word file ...");
	n = (size_t)argc - 2;
	files = calloc(n, sizeof(*files));
	results = calloc(n, sizeof(*results));
	if (files == NULL || results == NULL)
		err(2, NULL);
	for (i = 0; i < n; i++)
		files[i] = (struct scan_file){ .path = argv[i + 2],
		    .word = argv[1] };
	if (mproc_pool_new(&scan_class, &(struct mproc_pool_options){
	    .retries = 1 }, &pool) < 0 || mproc_pool_start(pool) < 0)
		errx(2, "%s", mproc_errmsg(NULL));
	failed = mproc_pool_map(pool, scan_file, files, n,
	    &(struct mproc_map_options){ .progress = mproc_progress_bar },
	    results) < 0;
	for (i = 0; i < n; i++)
		found = print(&results[i]) || found;
	mproc_results_free(results, n);
	mproc_pool_free(pool);
	free(results);
	free(files);
	return failed ? 2 : !found;
}
