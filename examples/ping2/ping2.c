/*
 * ping2.c - wait until the other process has done something, with an event.
 *
 * Events are made before the start.  A message carries the index of one, an
 * int; the backend sets that event when it is done, and MPROC_SYNC_INDEX
 * holds the frontend until then.  (Where an answer is all that is wanted,
 * mproc_call() is simpler; events also reach processes that are not one's
 * own, and cost no message.)
 */
#include <stdio.h>

#include <mproc.h>

MPROC_MESSAGE(pinger, ping, (int, sync), (const char *, text));

struct pinger {
	struct mproc_backend	base;
};

MPROC_COMMAND(pinger, ping);

static const struct mproc_handler pinger_handlers[] = {
	MPROC_HANDLER(pinger, ping, "print the text, then set the event"),
};
static const struct mproc_class pinger_class =
    MPROC_CLASS("Pinger", pinger, pinger_handlers);

/* Made before the fork, so both processes know it under this name. */
static struct mproc_event_group *events;

static int
c__ping(struct pinger *self, const struct pinger_ping *args,
    struct mproc_request *req)
{
	(void)self;
	(void)req;
	printf("backend: %s\n", args->text);
	if (fflush(stdout) != 0)
		return -errno;
	return mproc_event_group_set(events, args->sync);
}

static int
ping(struct mproc *p, const char *text)
{
	int sent = 0, r;

	MPROC_SYNC_INDEX(events, sync, 1000, &r) {
		sent = mproc_send(p, pinger_ping, .sync = sync,
		    .text = text);
		if (sent < 0)
			break;		/* do not wait for what never comes */
	}
	if (sent < 0 || r < 0)
		return sent < 0 ? sent : r;
	printf("main: the backend is done with %s\n", text);
	return fflush(stdout) == 0 ? 0 : -errno;
}

/* No mproc_init() here: the backend is a fork of this very process. */
int
main(void)
{
	struct mproc *p = NULL;
	int r;

	if ((r = mproc_event_group_new(10, NULL, &events)) < 0 ||
	    (r = mproc_new(&pinger_class, NULL, &p)) < 0 ||
	    (r = mproc_start(p)) < 0 ||
	    (r = ping(p, "the first ping")) < 0 ||
	    (r = ping(p, "the second ping")) < 0 ||
	    (r = mproc_stop(p)) < 0)
		(void)fprintf(stderr, "ping2: %s: %s\n", mproc_errname(r),
		    mproc_errmsg(p));
	mproc_free(p);
	mproc_event_group_free(events);
	return r < 0;
}
