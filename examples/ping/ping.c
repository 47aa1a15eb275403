/*
 * ping.c - send a message, and receive one through one's own select().
 *
 * The backend answers a ping with a pong of the same list.  The
 * list is a struct mproc_value: any nested data, built here, printed as it
 * comes.
 */
#include <stdio.h>
#include <sys/select.h>

#include <mproc.h>

MPROC_MESSAGE(pinger, ping, (struct mproc_value, lis));
MPROC_MESSAGE(pinger, pong, (struct mproc_value, lis));

struct pinger {
	struct mproc_backend	base;
};

MPROC_COMMAND(pinger, ping);

static const struct mproc_handler pinger_handlers[] = {
	MPROC_HANDLER(pinger, ping, "emits a pong with the same list"),
};
static const struct mproc_class pinger_class =
    MPROC_CLASS("Pinger", pinger, pinger_handlers);

static int
c__ping(struct pinger *self, const struct pinger_ping *args,
    struct mproc_request *req)
{
	(void)req;		/* a cast: nobody waits for a reply */
	mproc_log(&self->base, MPROC_INFO, "got a ping, sending a pong");
	return mproc_emit(&self->base, pinger_pong, .lis = args->lis);
}

/* Build [1, 2, 3] and send it. */
static int
send_ping(struct mproc *p)
{
	struct mproc_builder *b;
	struct mproc_value lis;
	int64_t i;
	int r;

	if ((r = mproc_builder_new(&b)) < 0)
		return r;
	mproc_build_array(b, 3);	/* errors stick until _value() */
	for (i = 1; i <= 3; i++)
		mproc_build_int(b, i);
	if ((r = mproc_builder_value(b, &lis)) == 0)
		r = mproc_send(p, pinger_ping, .lis = lis);
	mproc_builder_free(b);
	return r;
}

/*
 * Any select, poll or epoll will do.  The descriptor also becomes readable
 * for the library's own work, so mproc_recv() may have nothing: wait again.
 */
static int
receive(struct mproc *p)
{
	struct mproc_msg *msg;
	char text[100];
	fd_set fds;
	int fd = mproc_fd(p), r;

	do {
		FD_ZERO(&fds);
		FD_SET(fd, &fds);
		if ((r = mproc_select(fd + 1, &fds, NULL, NULL, 2000)) <= 0)
			return r < 0 ? r : -ETIMEDOUT;
	} while ((r = mproc_recv(p, 0, &msg)) == 0);
	if (r < 0)
		return r;
	(void)mproc_msg_print(msg, text, sizeof(text));
	printf("got %s\n", text);
	mproc_msg_free(msg);
	return 0;
}

int
main(int argc, char **argv)
{
	struct mproc *p = NULL;
	int r;

	if ((r = mproc_init(argc, argv)) < 0 ||
	    (r = mproc_log_stderr(MPROC_INFO)) < 0 ||
	    (r = mproc_new(&pinger_class, &(struct mproc_options){
	    .name = "my-process" }, &p)) < 0 ||
	    (r = mproc_start(p)) < 0 ||
	    (r = send_ping(p)) < 0 || (r = receive(p)) < 0 ||
	    (r = mproc_stop(p)) < 0)
		(void)fprintf(stderr, "ping: %s: %s\n", mproc_errname(r),
		    mproc_errmsg(p));
	mproc_free(p);
	mproc_log_reset();
	return r < 0 || fflush(stdout) != 0;
}
