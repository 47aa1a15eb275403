/* counter.c - a first program: a process that keeps a total. */
#include <err.h>
#include <stdio.h>
#include <mproc.h>

MPROC_MESSAGE(counter, add, (int, by));		/* what travels there, */
MPROC_MESSAGE(counter, total, (int, total));	/* and what comes back */

struct counter { struct mproc_backend base; int total; };

MPROC_COMMAND(counter, add)		/* runs in the other process */
{
	self->total += args->by;
	return mproc_reply(req, counter_total, .total = self->total);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(counter, add, "add to the total"),
};
static const struct mproc_class counter_class =
    MPROC_CLASS("Counter", counter, handlers);

int
main(int argc, char **argv)
{
	const struct counter_total *t;
	struct mproc_msg *reply;
	struct mproc *p;

	if (mproc_init(argc, argv) < 0 ||
	    mproc_new(&counter_class, NULL, &p) < 0 || mproc_start(p) < 0 ||
	    mproc_send(p, counter_add, .by = 3) < 0 ||
	    mproc_call(p, 1000, &reply, counter_add, .by = 4) < 0 ||
	    (t = mproc_args(reply, counter_total)) == NULL)
		errx(1, "%s", mproc_errmsg(NULL));
	printf("total %d\n", t->total);
	mproc_msg_free(reply);
	mproc_free(p);			/* stops it in order */
	return 0;
}
