/*
 * privsep.c - a small server in two processes: one has the rights, the other
 * one reads what strangers send.
 *
 *	privsep [-p port] directory
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

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "privsep.h"

#define MAX_CRASHES	5

struct app {
	struct mproc_context	*ctx;
	struct mproc		*parser;
	int			 dir;
	int			 crashes;	/* in a row */
	bool			 failed;
};

static void
on_want(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct parser_want *want = mproc_args(msg, parser_want);
	struct app *app = arg;
	struct stat st;
	int fd = -1;

	if (want == NULL || !valid_name(want->name))
		return;			/* no honest backend asks so */
	fd = openat(app->dir, want->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		(void)close(fd);
		fd = -1;
	}
	/* That it may be dead by now on_death() says. */
	(void)mproc_send(p, parser_file, .client = want->client,
	    .file = { .fd = fd, .present = fd >= 0 });
	if (fd >= 0)
		(void)close(fd);
}

static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct app *app = arg;
	char text[256];

	if (!mproc_context_going(app->ctx))
		return;
	(void)mproc_death_print(p, text, sizeof(text));
	(void)fprintf(stderr, "privsep: %s\n", text);
	/* One that always dies at once would do so for ever. */
	app->crashes = death->uptime_ms < 1000 ? app->crashes + 1 : 1;
	if (app->crashes <= MAX_CRASHES && mproc_start(p) == 0)
		return;
	(void)fputs("privsep: giving up\n", stderr);
	app->failed = true;
	(void)mproc_context_stop(app->ctx);
}

static int
listen_on(uint16_t port, int *ret_fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *sa = (struct sockaddr *)&at;
	socklen_t len = sizeof(at);
	int fd, yes = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, sa, len) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, sa, &len) < 0) {
		(void)close(fd);
		return -errno;
	}
	printf("port %d\n", ntohs(at.sin_port));
	*ret_fd = fd;
	return fflush(stdout) == 0 ? 0 : -errno;
}

static int
serve(struct app *app, int listener)
{
	int r;

	if ((r = mproc_new(&parser_class, &(struct mproc_options){
	    .launch = MPROC_SPAWN,	/* an address space of its own */
	    .args = MPROC_PACK(parser_start, .listener = MPROC_FD(listener)),
	    .max_message = 4096 }, &app->parser)) < 0 ||
	    (r = mproc_context_new(NULL, NULL, &app->ctx)) < 0 ||
	    (r = mproc_context_stop_on_signals(app->ctx)) < 0 ||
	    (r = mproc_context_add(app->ctx, app->parser, on_want, app)) < 0 ||
	    (r = mproc_context_supervise(app->ctx, app->parser,
	    &(struct mproc_supervision){ .on_death = on_death,
	    .arg = app })) < 0)
		return r;
	return mproc_context_run(app->ctx);
}

int
main(int argc, char **argv)
{
	struct app app = { .dir = -1 };
	int c, listener = -1, port = 0, r;

	if ((r = mproc_init(argc, argv)) < 0)
		goto out;
	while ((c = getopt(argc, argv, "p:")) != -1)
		port = c == 'p' ? (int)strtol(optarg, NULL, 10) : -1;
	if (optind != argc - 1 || port < 0 || port > 65535) {
		(void)fputs("usage: privsep [-p port] directory\n", stderr);
		return 2;
	}
	app.dir = open(argv[optind], O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = app.dir < 0 ? -errno : listen_on((uint16_t)port, &listener);
	if (r == 0)
		r = serve(&app, listener);
	mproc_context_free(app.ctx);
	mproc_free(app.parser);
	(void)(listener < 0 || close(listener));
	(void)(app.dir < 0 || close(app.dir));
out:
	if (r < 0)
		(void)fprintf(stderr, "privsep: %s\n", mproc_strerror(r));
	return r < 0 || app.failed;
}
