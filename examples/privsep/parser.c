/*
 * parser.c - the half of the server that reads what strangers send.
 *
 * It has no rights: when the parent is root it is the user nobody in an
 * empty root directory.  It can ask the parent for one thing, an open file.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "privsep.h"

#define MAX_CLIENTS	64
#define MAX_FILE	8192	/* a socket buffer takes so much at once */
#define PATIENCE_MS	10000	/* with a silent client, at most twice */

struct client {
	int		fd;		/* -1: none */
	bool		old;		/* it was there at the last sweep */
	uint64_t	id;
	size_t		n;
	char		line[MAX_NAME + 3];	/* with CR LF */
};

struct parser {
	struct mproc_backend	base;
	uint64_t		last_id;
	struct client		client[MAX_CLIENTS];
};

MPROC_COMMAND(parser, file);

static int	parser_pre_run(struct mproc_backend *);

static const struct mproc_handler parser_handlers[] = {
	MPROC_HANDLER(parser, file, "the file that was asked for, or none"),
};
const struct mproc_class parser_class = MPROC_CLASS("Parser", parser,
    parser_handlers, .pre_run = parser_pre_run);

/* Say something if there is something to say, and hang up. */
static void
hang_up(struct parser *self, struct client *c, const char *text, size_t n)
{
	(void)mproc_unwatch(&self->base, c->fd);
	if (n > 0)	/* who does not take it at once does not get it */
		(void)send(c->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(c->fd);
	*c = (struct client){ .fd = -1 };
}

static int
on_line(struct mproc_backend *base, int fd, int events, void *arg)
{
	struct parser *self = MPROC_SELF(parser, base);
	struct client *c = arg;
	ssize_t n = recv(fd, c->line + c->n, sizeof(c->line) - 1 - c->n,
	    MSG_DONTWAIT);
	char *end;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		hang_up(self, c, NULL, 0);
		return 0;
	}
	c->n += (size_t)n;
	c->line[c->n] = '\0';
	if ((end = strpbrk(c->line, "\r\n")) == NULL &&
	    c->n < sizeof(c->line) - 1)
		return 0;		/* more will come */
	if (end != NULL)
		*end = '\0';
	if (end == NULL || !valid_name(c->line)) {
		hang_up(self, c, "bad name\n", 9);
		return 0;
	}
	(void)mproc_unwatch(base, fd);
	return mproc_emit(base, parser_want, .client = c->id,
	    .name = c->line);
}

static int
c__file(struct parser *self, const struct parser_file *args,
    struct mproc_request *req)
{
	char text[MAX_FILE];
	ssize_t n;
	int i;

	(void)req;
	for (i = 0; i < MAX_CLIENTS; i++)
		if (self->client[i].id == args->client)
			break;
	if (i == MAX_CLIENTS || args->client == 0)
		return 0;		/* it did not wait */
	n = args->file.present ? read(args->file.fd, text, sizeof(text)) : -1;
	if (n < 0)
		hang_up(self, &self->client[i], "no such file\n", 13);
	else
		hang_up(self, &self->client[i], text, (size_t)n);
	return 0;
}

static int
on_client(struct mproc_backend *base, int listener, int events, void *arg)
{
	struct parser *self = MPROC_SELF(parser, base);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), i;

	(void)events;
	(void)arg;
	for (i = 0; i < MAX_CLIENTS && self->client[i].fd >= 0; i++)
		;
	if (fd < 0)
		return 0;
	if (i == MAX_CLIENTS || mproc_watch(base, fd, POLLIN, on_line,
	    &self->client[i]) < 0) {
		(void)close(fd);	/* too many: others can still come */
		return 0;
	}
	self->client[i] = (struct client){ .fd = fd, .id = ++self->last_id };
	return 0;
}

static int
on_sweep(struct mproc_backend *base, void *arg)
{
	struct parser *self = arg;
	struct client *c;

	(void)base;
	for (c = self->client; c < self->client + MAX_CLIENTS; c++) {
		if (c->fd >= 0 && c->old)
			hang_up(self, c, NULL, 0);
		c->old = c->fd >= 0;
	}
	return 0;
}

/* An empty root directory that nobody can add to, as it is deleted. */
static int
enter_jail(void)
{
	char dir[] = "/tmp/privsep.XXXXXX";
	const struct passwd *pw = getpwnam("nobody");

	if (pw == NULL)
		return -ENOENT;
	if (mkdtemp(dir) == NULL || chdir(dir) < 0 || rmdir(dir) < 0 ||
	    chroot(".") < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return -errno;
	return setuid(0) == 0 ? -EPERM : 0;	/* there is a way back? */
}

static int
parser_pre_run(struct mproc_backend *base)
{
	const struct parser_start *args = mproc_start_args(base, parser_start);
	struct parser *self = MPROC_SELF(parser, base);
	int i, r;

	if (args == NULL || !args->listener.present)
		return -EINVAL;
	if (geteuid() == 0 && (r = enter_jail()) < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	for (i = 0; i < MAX_CLIENTS; i++)
		self->client[i].fd = -1;
	if ((r = mproc_watch(base, args->listener.fd, POLLIN, on_client,
	    NULL)) < 0)
		return r;
	r = mproc_timer(base, PATIENCE_MS, PATIENCE_MS, on_sweep,
	    self);
	return r < 0 ? r : 0;
}
