/*
 * server.c - a TCP server: a byte asks, the answer is a byte, the next
 * number.  A class without commands: all that it does it does when clients
 * come, in the backend's own loop.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "main1.h"

struct server {
	struct mproc_backend	base;
	int			listener;
	unsigned char		last;
};

static int
on_ask(struct mproc_backend *base, int fd, int events, void *arg)
{
	struct server *self = arg;
	char asked;

	(void)events;
	if (recv(fd, &asked, 1, 0) == 1 && ++self->last > 0 &&
	    send(fd, &self->last, 1, MSG_NOSIGNAL) == 1)
		return 0;
	(void)mproc_unwatch(base, fd);		/* the client has gone */
	return close(fd);
}

static int
on_client(struct mproc_backend *base, int listener, int events, void *arg)
{
	int fd = accept(listener, NULL, NULL);

	(void)events;
	if (fd >= 0 && mproc_watch(base, fd, POLLIN, on_ask, arg) < 0)
		(void)close(fd);
	return 0;
}

static int
start_listening(struct mproc_backend *base)
{
	struct server *self = MPROC_SELF(server, base);
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *sa = (struct sockaddr *)&at;
	socklen_t len = sizeof(at);
	int r;

	self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (self->listener < 0 || bind(self->listener, sa, len) < 0 ||
	    listen(self->listener, 1) < 0 ||
	    getsockname(self->listener, sa, &len) < 0)
		return mproc_backend_fail(base, -errno, "cannot listen");
	r = mproc_watch(base, self->listener, POLLIN, on_client, self);
	return r < 0 ? r : mproc_emit(base, server_listening,
	    .port = ntohs(at.sin_port));
}

const struct mproc_class server_class =
    MPROC_CLASS("Server", server, NULL, .pre_run = start_listening);
