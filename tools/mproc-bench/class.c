/*
 * class.c - the backend that is measured: an echo, and a sink that counts.
 */
#include "bench.h"

struct bench {
	struct mproc_backend base;
	int64_t	messages;
};

MPROC_COMMAND(bench, echo);
MPROC_COMMAND(bench, put);
MPROC_COMMAND(bench, count);

static const struct mproc_handler bench_handlers[] = {
	MPROC_HANDLER(bench, echo, "reply with the same bytes",
	    .reply = MPROC_SCHEMA(bench_echoed)),
	MPROC_HANDLER(bench, put, "take bytes and count"),
	MPROC_HANDLER(bench, count, "how many were put since the last count",
	    .reply = MPROC_SCHEMA(bench_counted)),
};

const struct mproc_class bench_class =
    MPROC_CLASS("Bench", bench, bench_handlers);

static int
c__echo(struct bench *self, const struct bench_echo *args,
    struct mproc_request *req)
{
	(void)self;
	return mproc_reply(req, bench_echoed, .data = args->data);
}

static int
c__put(struct bench *self, const struct bench_put *args,
    struct mproc_request *req)
{
	(void)args;
	(void)req;
	self->messages++;
	return 0;
}

static int
c__count(struct bench *self, const struct bench_count *args,
    struct mproc_request *req)
{
	int64_t n = self->messages;

	(void)args;
	self->messages = 0;
	return mproc_reply(req, bench_counted, .messages = n);
}
