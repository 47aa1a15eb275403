/*
 * privsep.c - a small server in two processes: one has the rights, the other
 * one reads what strangers send.
 *
 *	privsep port directory
 *
 * It speaks the finger protocol (RFC 1288) on the loopback: a client sends a
 * name and gets the file of that name in the directory.  This half may bind
 * the port and read the files, and parses nothing: the library hands it
 * checked messages.  Whoever breaks into the parser can ask for the files
 * that any client may have, and for nothing else.  A parser that crashes is
 * replaced; the clients that wait to be accepted do not notice.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "privsep.h"

#define MAX_CRASHES	5

static int dir;			/* that of the files */

static void
on_want(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct parser_want *want = mproc_args(msg, parser_want);
	struct stat st;
	int fd;

	(void)arg;
	if (want == NULL || !valid_name(want->name))
		return;			/* no honest backend asks so */
	fd = openat(dir, want->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		(void)mproc_send(p, parser_file, .file = MPROC_FD(fd));
	else
		(void)mproc_send(p, parser_file);
	if (fd >= 0)
		(void)close(fd);
}

/* Start the next one, unless it would die at once for ever. */
static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct mproc_context *ctx = mproc_context_of(p);
	static int in_a_row;
	char text[256];

	(void)arg;
	if (!mproc_context_going(ctx))
		return;
	(void)mproc_death_print(p, text, sizeof(text));
	warnx("%s", text);
	in_a_row = death->uptime_ms < 1000 ? in_a_row + 1 : 1;
	if (in_a_row > MAX_CRASHES || mproc_start(p) < 0)
		(void)mproc_context_fail(ctx, -EPIPE, "giving up");
}

/* Bind what only this half may bind. */
static int
listen_on(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *sa = (struct sockaddr *)&at;
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0), yes = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, sa, len) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, sa, &len) < 0)
		err(1, "port %s", port);
	printf("port %d\n", ntohs(at.sin_port));	/* 0 was: any */
	(void)fflush(stdout);
	return fd;
}

int
main(int argc, char **argv)
{
	struct mproc_options options = { .max_message = 4096,
	    .launch = MPROC_SPAWN };	/* an address space of its own */
	struct mproc_context *ctx;
	struct mproc *p;
	int r;

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	if (argc != 3)
		errx(2, "usage: privsep port directory");
	if ((dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		err(1, "%s", argv[2]);
	options.args = MPROC_PACK(parser_start,
	    .listener = MPROC_FD(listen_on(argv[1])));
	if (mproc_new(&parser_class, &options, &p) < 0 ||
	    mproc_context_new(NULL, NULL, &ctx) < 0 ||
	    mproc_context_stop_on_signals(ctx) < 0 ||
	    mproc_context_add(ctx, p, on_want, NULL) < 0 ||
	    mproc_context_supervise(ctx, p, &(struct mproc_supervision){
	    .on_death = on_death }) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	if ((r = mproc_context_run(ctx)) < 0)
		warnx("%s", mproc_errmsg(NULL));
	mproc_context_free(ctx);
	mproc_free(p);
	return r < 0;
}
