/*
 * shm2.c - shared memory on demand: created, used and closed by messages.
 *
 * Each step is a call: when it returns, the other side is done, so that both
 * processes may use the memory without a lock, in turns.
 */
#include <stdio.h>
#include <string.h>

#include <mproc.h>

enum { ROWS = 100, COLS = 100 };

MPROC_MESSAGE(matrix, create, (struct mproc_fd, memory), (int, rows),
    (int, cols));
MPROC_MESSAGE(matrix, fill, (double, value));
MPROC_MESSAGE(matrix, close);

struct matrix {
	struct mproc_backend	 base;
	struct mproc_shm	*shm;
	size_t			 n;	/* elements */
};

MPROC_COMMAND(matrix, create);
MPROC_COMMAND(matrix, fill);
MPROC_COMMAND(matrix, close);

static const struct mproc_handler matrix_handlers[] = {
	MPROC_HANDLER(matrix, create, "open memory for rows x cols doubles"),
	MPROC_HANDLER(matrix, fill, "set all elements"),
	MPROC_HANDLER(matrix, close, "give the memory back"),
};
static const struct mproc_class matrix_class =
    MPROC_CLASS("Matrix", matrix, matrix_handlers);

static int
c__create(struct matrix *self, const struct matrix_create *args,
    struct mproc_request *req)
{
	if (!args->memory.present || args->rows < 1 || args->cols < 1)
		return mproc_fail(req, -EINVAL, "no memory, or no size");
	self->shm = mproc_shm_free(self->shm);
	self->n = (size_t)args->rows * (size_t)args->cols;
	return mproc_shm_from_fd(args->memory.fd, NULL, &self->shm);
}

static int
c__fill(struct matrix *self, const struct matrix_fill *args,
    struct mproc_request *req)
{
	double *data = mproc_shm_data(self->shm);
	size_t i;

	if (mproc_shm_size(self->shm) / sizeof(*data) < self->n)
		return mproc_fail(req, -ENODATA, "the memory is too small");
	for (i = 0; i < self->n; i++)
		data[i] = args->value;
	return 0;			/* no reply: an empty one is sent */
}

static int
c__close(struct matrix *self, const struct matrix_close *args,
    struct mproc_request *req)
{
	(void)args;
	(void)req;
	self->n = 0;
	self->shm = mproc_shm_free(self->shm);
	return 0;
}

/* The same value everywhere, or -1. */
static double
look(const struct mproc_shm *shm)
{
	const double *data = mproc_shm_data(shm);
	size_t n = mproc_shm_size(shm) - sizeof(*data);

	return memcmp(data, data + 1, n) == 0 ? data[0] : -1;
}

static int
use(struct mproc *p, struct mproc_shm *shm)
{
	int r;

	printf("main sees %.0f\n", look(shm));
	if ((r = mproc_call(p, 1000, NULL, matrix_create, .rows = ROWS,
	    .cols = COLS, .memory = MPROC_FD(mproc_shm_fd(shm)))) < 0 ||
	    (r = mproc_call(p, 1000, NULL, matrix_fill, .value = 3)) < 0)
		return r;
	printf("main sees %.0f\n", look(shm));
	return mproc_call(p, 1000, NULL, matrix_close);
}

int
main(int argc, char **argv)
{
	struct mproc_shm *shm = NULL;
	struct mproc *p = NULL;
	int r;

	if ((r = mproc_init(argc, argv)) < 0 ||
	    (r = mproc_new(&matrix_class, NULL, &p)) < 0 ||
	    (r = mproc_start(p)) < 0 ||
	    (r = mproc_shm_new(ROWS * COLS * sizeof(double), NULL,
	    &shm)) < 0 || (r = use(p, shm)) < 0)
		(void)fprintf(stderr, "shm2: %s: %s\n", mproc_errname(r),
		    mproc_errmsg(p));
	mproc_free(p);
	mproc_shm_free(shm);
	return r < 0 || fflush(stdout) != 0;
}
