/*
 * shm2.c - shared memory on demand: created, used and closed by messages.
 *
 * Each step is a call: when it returns, the other side is done, so that both
 * processes may use the memory without a lock, in turns.
 */
#include <err.h>
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

MPROC_COMMAND(matrix, create)
{
	if (!args->memory.present || args->rows < 1 || args->cols < 1)
		return mproc_fail(req, -EINVAL, "no memory, or no size");
	self->shm = mproc_shm_free(self->shm);
	self->n = (size_t)args->rows * (size_t)args->cols;
	return mproc_shm_from_fd(args->memory.fd, NULL, &self->shm);
}

MPROC_COMMAND(matrix, fill)
{
	double *data = mproc_shm_data(self->shm);
	size_t i;

	if (mproc_shm_size(self->shm) / sizeof(*data) < self->n)
		return mproc_fail(req, -ENODATA, "the memory is too small");
	for (i = 0; i < self->n; i++)
		data[i] = args->value;
	return 0;			/* no reply: an empty one is sent */
}

MPROC_COMMAND(matrix, close)
{
	self->n = 0;
	self->shm = mproc_shm_free(self->shm);
	return 0;
}

static const struct mproc_handler matrix_handlers[] = {
	MPROC_HANDLER(matrix, create, "open memory for rows x cols doubles"),
	MPROC_HANDLER(matrix, fill, "set all elements"),
	MPROC_HANDLER(matrix, close, "give the memory back"),
};
static const struct mproc_class matrix_class =
    MPROC_CLASS("Matrix", matrix, matrix_handlers);

/* The same value everywhere, or -1. */
static double
look(const struct mproc_shm *shm)
{
	const double *data = mproc_shm_data(shm);
	size_t n = mproc_shm_size(shm) - sizeof(*data);

	return memcmp(data, data + 1, n) == 0 ? data[0] : -1;
}

int
main(int argc, char **argv)
{
	struct mproc_shm *shm;
	struct mproc *p;

	if (mproc_init(argc, argv) < 0 ||
	    mproc_new(&matrix_class, NULL, &p) < 0 || mproc_start(p) < 0 ||
	    mproc_shm_new(ROWS * COLS * sizeof(double), NULL, &shm) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	printf("main sees %.0f\n", look(shm));
	if (mproc_call(p, 1000, NULL, matrix_create, .rows = ROWS,
	    .cols = COLS, .memory = MPROC_FD(mproc_shm_fd(shm))) < 0 ||
	    mproc_call(p, 1000, NULL, matrix_fill, .value = 3) < 0)
		errx(1, "%s", mproc_errmsg(p));
	printf("main sees %.0f\n", look(shm));
	if (mproc_call(p, 1000, NULL, matrix_close) < 0)
		errx(1, "%s", mproc_errmsg(p));
	mproc_free(p);
	mproc_shm_free(shm);
	return 0;
}
