/*
 * worker.c - squares a number, and says that it is ready for the next.
 */
#include "main1.h"

struct worker {
	struct mproc_backend	base;
};

MPROC_COMMAND(worker, square)
{
	return mproc_emit(&self->base, worker_ready,
	    .result = (int64_t)args->n * args->n);
}

static const struct mproc_handler worker_handlers[] = {
	MPROC_HANDLER(worker, square, "emits ready with the result"),
};
const struct mproc_class worker_class =
    MPROC_CLASS("Worker", worker, worker_handlers);
