/* counter.c - a first program: a process that keeps a total. */
#include <inttypes.h>
#include <stdio.h>

#include <mproc.h>

/* What travels: struct counter_add, and struct counter_total back. */
MPROC_MESSAGE(counter, add, (int64_t, by));
MPROC_MESSAGE(counter, total, (int64_t, total));

/* The backend: one of these lives in the other process, zeroed. */
struct counter { struct mproc_backend base; int64_t total; };

MPROC_COMMAND(counter, add);

static const struct mproc_handler counter_handlers[] = {
	MPROC_HANDLER(counter, add, "add to the total",
	    .reply = MPROC_SCHEMA(counter_total)),
};
static const struct mproc_class counter_class =
    MPROC_CLASS("Counter", counter, counter_handlers);

static int
c__add(struct counter *self, const struct counter_add *args,
    struct mproc_request *req)
{
	self->total += args->by;
	return mproc_reply(req, counter_total, .total = self->total);
}

/* The frontend: start it, call it, stop it. */
static int
add(struct mproc *p, int64_t by)
{
	const struct counter_total *t;
	struct mproc_msg *reply;
	int r;

	if ((r = mproc_call(p, 1000, &reply, counter_add, .by = by)) < 0)
		return r;
	if ((t = mproc_args(reply, counter_total)) != NULL)
		printf("total %" PRId64 "\n", t->total);
	mproc_msg_free(reply);
	return t != NULL ? 0 : -EBADMSG;
}

int
main(int argc, char **argv)
{
	struct mproc *p = NULL;
	int r;

	if ((r = mproc_init(argc, argv)) < 0 ||
	    (r = mproc_new(&counter_class, NULL, &p)) < 0 ||
	    (r = mproc_start(p)) < 0 ||
	    (r = add(p, 3)) < 0 || (r = add(p, 4)) < 0)
		(void)fprintf(stderr, "counter: %s\n", mproc_errmsg(p));
	mproc_free(p);
	return r < 0 || fflush(stdout) != 0;
}
