/*
 * parser.c - the half of the server that reads what strangers send.
 *
 * It has no rights (jail.c), and can ask the parent for one thing, an open
 * file.  It serves one client at a time; the others wait in the listener.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "privsep.h"

#define MAX_FILE	8192	/* a socket buffer takes so much at once */
#define PATIENCE_MS	2000	/* with a client that says nothing */

struct parser {
	struct mproc_backend	base;
	int			listener, client, timer;
	size_t			n;
	char			line[MAX_NAME + 3];	/* with CR LF */
};

static int	on_client(struct mproc_backend *, int, int, void *);

/* Say something, hang up, and let the next one come. */
static int
hang_up(struct parser *self, const char *text, size_t n)
{
	(void)mproc_timer_cancel(&self->base, self->timer);
	(void)mproc_unwatch(&self->base, self->client);
	(void)send(self->client, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(self->client);
	return mproc_watch(&self->base, self->listener, POLLIN, on_client,
	    self);
}

static int
on_patience(struct mproc_backend *base, void *arg)
{
	(void)base;
	return hang_up(arg, "too slow\n", 9);
}

static int
on_line(struct mproc_backend *base, int fd, int events, void *arg)
{
	struct parser *self = arg;
	ssize_t n = recv(fd, self->line + self->n,
	    sizeof(self->line) - 1 - self->n, 0);
	size_t len;

	(void)events;
	self->n += n > 0 ? (size_t)n : 0;
	self->line[self->n] = '\0';
	len = strcspn(self->line, "\r\n");
	if (n > 0 && len == self->n && self->n < sizeof(self->line) - 1)
		return 0;			/* more will come */
	self->line[len] = '\0';
	if (n <= 0 || !valid_name(self->line))
		return hang_up(self, "bad name\n", 9);
	(void)mproc_timer_cancel(base, self->timer);
	(void)mproc_unwatch(base, fd);		/* c__file goes on */
	return mproc_emit(base, parser_want, .name = self->line);
}

static int
on_client(struct mproc_backend *base, int listener, int events, void *arg)
{
	struct parser *self = arg;

	(void)events;
	self->client = accept(listener, NULL, NULL);
	if (self->client < 0)
		return 0;			/* it has gone already */
	self->n = 0;
	self->timer = mproc_timer(base, PATIENCE_MS, 0, on_patience, self);
	(void)mproc_unwatch(base, listener);
	return mproc_watch(base, self->client, POLLIN, on_line, self);
}

MPROC_COMMAND(parser, file)
{
	char text[MAX_FILE];
	ssize_t n = args->file.present ?
	    read(args->file.fd, text, sizeof(text)) : -1;

	return n < 0 ? hang_up(self, "no such file\n", 13) :
	    hang_up(self, text, (size_t)n);
}

static int
start_parsing(struct mproc_backend *base)
{
	const struct parser_start *args = mproc_start_args(base, parser_start);
	struct parser *self = MPROC_SELF(parser, base);
	int r;

	if (args == NULL || !args->listener.present)
		return mproc_backend_fail(base, -EINVAL, "no listener given");
	if ((r = enter_jail()) < 0)
		return mproc_backend_fail(base, r, "rights stay: %s",
		    mproc_strerror(r));
	self->listener = args->listener.fd;
	return mproc_watch(base, self->listener, POLLIN, on_client, self);
}

static const struct mproc_handler parser_handlers[] = {
	MPROC_HANDLER(parser, file, "the file that was asked for, or none"),
};
const struct mproc_class parser_class = MPROC_CLASS("Parser", parser,
    parser_handlers, .pre_run = start_parsing);
