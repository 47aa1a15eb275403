/*
 * thumbs.c - small pictures of large ones, by a pool of processes:
 *
 *	thumbs directory picture.ppm ...
 *
 * writes a picture of at most 64 by 64 pixels for each into the directory.
 * The pictures are binary PPMs, as pnmtopng(1), convert(1) and many cameras'
 * tools read and write them.  One that kills its process, or keeps it busy
 * for more than 10 seconds, costs nothing but itself.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mproc.h>

enum { SIDE = 64 };

MPROC_MESSAGE(thumbs, make, (const char *, from), (const char *, dir));
MPROC_MESSAGE(thumbs, made, (int, width), (int, height));

struct thumbs {
	struct mproc_backend base;
};

/* The mean of the source pixels that a pixel of the small one covers. */
static void
shrink(const unsigned char *from, int fw, int fh, unsigned char *to, int tw,
    int th)
{
	int i, x, y, c, x0, x1, y0, y1;
	long sum;

	for (i = 0; i < tw * th * 3; i++) {
		c = i % 3;
		x0 = i / 3 % tw * fw / tw;
		x1 = (i / 3 % tw + 1) * fw / tw;
		y0 = i / 3 / tw * fh / th;
		y1 = (i / 3 / tw + 1) * fh / th;
		for (sum = 0, y = y0; y < y1; y++)
			for (x = x0; x < x1; x++)
				sum += from[((long)y * fw + x) * 3 + c];
		to[i] = (unsigned char)(sum / ((x1 - x0) * (y1 - y0)));
	}
}

/* The pixels: free(); NULL and errno. */
static unsigned char *
read_ppm(const char *path, int *w, int *h)
{
	FILE *in = fopen(path, "re");
	unsigned char *data = NULL;
	char head[3][6], end;	/* a number has at most five digits */
	size_t size;

	if (in == NULL)
		return NULL;
	errno = EBADMSG;
	*w = *h = 0;
	if (fscanf(in, "P6 %5[0-9] %5[0-9] %5[0-9]%c", head[0], head[1],
	    head[2], &end) == 4 && strcmp(head[2], "255") == 0) {
		*w = (int)strtol(head[0], NULL, 10);
		*h = (int)strtol(head[1], NULL, 10);
	}
	if (*w > 0 && *h > 0) {
		size = 3 * (size_t)*w * (size_t)*h;
		if ((data = malloc(size)) != NULL &&
		    fread(data, 1, size, in) != size) {
			free(data);
			data = NULL;
			errno = EBADMSG;
		}
	}
	fclose(in);
	return data;
}

static int
write_ppm(const char *path, const unsigned char *data, int w, int h)
{
	FILE *out = fopen(path, "we");
	int r;

	if (out == NULL)
		return -errno;
	fprintf(out, "P6\n%d %d\n255\n", w, h);
	fwrite(data, 3 * (size_t)w, (size_t)h, out);
	r = ferror(out) ? -EIO : 0;
	return fclose(out) != 0 ? -errno : r;
}

/* Runs in a worker. */
MPROC_COMMAND(thumbs, make)
{
	unsigned char small[SIDE * SIDE * 3], *large;
	const char *name = strrchr(args->from, '/');
	int w, h, tw, th, most, r;
	char to[4096];

	if ((large = read_ppm(args->from, &w, &h)) == NULL)
		return mproc_fail(req, -errno, "%s: %s", args->from,
		    errno == EBADMSG ? "not such a picture" :
		    strerror(errno));
	most = w > h ? w : h;
	tw = most <= SIDE ? w : w * SIDE / most > 0 ? w * SIDE / most : 1;
	th = most <= SIDE ? h : h * SIDE / most > 0 ? h * SIDE / most : 1;
	shrink(large, w, h, small, tw, th);
	free(large);
	snprintf(to, sizeof(to), "%s/%s", args->dir,
	    name != NULL ? name + 1 : args->from);
	if ((r = write_ppm(to, small, tw, th)) < 0)
		return mproc_fail(req, r, "%s: %s", to, strerror(-r));
	return mproc_reply(req, thumbs_made, .width = tw, .height = th);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(thumbs, make, "make a small picture",
	    .reply = MPROC_SCHEMA(thumbs_made)),
};
static const struct mproc_class thumbs_class =
    MPROC_CLASS("Thumbs", thumbs, handlers);

int
main(int argc, char **argv)
{
	struct mproc_result *results;
	const struct thumbs_made *made;
	struct thumbs_make *jobs;
	struct mproc_pool *pool;
	size_t i, n;
	int r;

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	if (argc < 3)
		errx(2, "usage: thumbs directory picture.ppm ...");
	n = (size_t)argc - 2;
	jobs = calloc(n, sizeof(*jobs));
	results = calloc(n, sizeof(*results));
	if (jobs == NULL || results == NULL)
		err(1, NULL);
	for (i = 0; i < n; i++)
		jobs[i] = (struct thumbs_make){ .from = argv[i + 2],
		    .dir = argv[1] };
	if (mproc_pool_new(&thumbs_class, &(struct mproc_pool_options){
	    .timeout_ms = 10000 }, &pool) < 0 || mproc_pool_start(pool) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	r = mproc_pool_map(pool, thumbs_make, jobs, n,
	    &(struct mproc_map_options){ .progress = mproc_progress_bar },
	    results);
	for (i = 0; i < n; i++) {
		made = mproc_args(results[i].reply, thumbs_made);
		if (made != NULL)
			printf("%s: %d x %d\n", jobs[i].from, made->width,
			    made->height);
		else
			warnx("%s", results[i].text);
	}
	mproc_results_free(results, n);
	mproc_pool_free(pool);
	free(jobs);
	free(results);
	return r < 0;
}
