/*
 * ping.c - send a message, and receive one through one's own select().
 *
 * The backend answers a ping with a pong of the same list.  The
 * list is a struct mproc_value: any nested data, built here, printed as it
 * comes.
 */
#include <err.h>
#include <stdio.h>
#include <sys/select.h>

#include <mproc.h>

MPROC_MESSAGE(pinger, ping, (struct mproc_value, lis));
MPROC_MESSAGE(pinger, pong, (struct mproc_value, lis));

struct pinger {
	struct mproc_backend	base;
};

MPROC_COMMAND(pinger, ping)
{
	mproc_log(&self->base, MPROC_INFO, "got a ping, sending a pong");
	return mproc_emit(&self->base, pinger_pong, .lis = args->lis);
}

static const struct mproc_handler pinger_handlers[] = {
	MPROC_HANDLER(pinger, ping, "emits a pong with the same list"),
};
static const struct mproc_class pinger_class =
    MPROC_CLASS("Pinger", pinger, pinger_handlers);

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
receive(struct mproc *p, struct mproc_msg **ret_msg)
{
	int fd = mproc_fd(p), r;
	fd_set fds;

	do {
		FD_ZERO(&fds);
		FD_SET(fd, &fds);
		if (mproc_select(fd + 1, &fds, NULL, NULL, 2000) <= 0)
			errx(1, "no pong came");
	} while ((r = mproc_recv(p, 0, ret_msg)) == 0);
	return r;
}

int
main(int argc, char **argv)
{
	struct mproc_options options = { .name = "my-process" };
	struct mproc_msg *msg;
	struct mproc *p;
	char text[100];

	if (mproc_init(argc, argv) < 0 || mproc_log_stderr(MPROC_INFO) < 0 ||
	    mproc_new(&pinger_class, &options, &p) < 0 ||
	    mproc_start(p) < 0 ||
	    send_ping(p) < 0 || receive(p, &msg) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	(void)mproc_msg_print(msg, text, sizeof(text));
	printf("got %s\n", text);
	mproc_msg_free(msg);
	if (mproc_stop(p) < 0)
		warnx("%s", mproc_errmsg(p));
	mproc_free(p);
	mproc_log_reset();
	return 0;
}
