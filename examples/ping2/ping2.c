/*
 * ping2.c - wait until the other process has done something, with an event.
 *
 * Events are made before the start.  A message carries the index of one, an
 * int; the backend sets that event when it is done, and MPROC_SYNC_INDEX
 * holds the frontend until then.  (Where an answer is all that is wanted,
 * mproc_call() is simpler; events also reach processes that are not one's
 * own, and cost no message.)
 */
#include <err.h>
#include <stdio.h>

#include <mproc.h>

MPROC_MESSAGE(pinger, ping, (int, sync), (const char *, text));

/* Made before the fork, so both processes know it under this name. */
static struct mproc_event_group *events;

struct pinger {
	struct mproc_backend	base;
};

MPROC_COMMAND(pinger, ping)
{
	printf("backend: %s\n", args->text);
	if (fflush(stdout) != 0)
		return -errno;
	return mproc_event_group_set(events, args->sync);
}

static const struct mproc_handler pinger_handlers[] = {
	MPROC_HANDLER(pinger, ping, "print the text, then set the event"),
};
static const struct mproc_class pinger_class =
    MPROC_CLASS("Pinger", pinger, pinger_handlers);

/* Returns when the backend is done with it. */
static void
ping(struct mproc *p, const char *text)
{
	int r;

	MPROC_SYNC_INDEX(events, sync, 1000, &r) {
		if (mproc_send(p, pinger_ping, .sync = sync,
		    .text = text) < 0)
			break;		/* do not wait for what never comes */
	}
	if (r < 0)
		errx(1, "%s: %s", text, mproc_errmsg(p));
	printf("main: the backend is done with %s\n", text);
	(void)fflush(stdout);
}

/* No mproc_init() here: the backend is a fork of this very process. */
int
main(void)
{
	struct mproc *p;

	if (mproc_event_group_new(10, NULL, &events) < 0 ||
	    mproc_new(&pinger_class, NULL, &p) < 0 || mproc_start(p) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	ping(p, "the first ping");
	ping(p, "the second ping");
	mproc_free(p);
	mproc_event_group_free(events);
	return 0;
}
