/*
 * webserver.c - four processes that accept on one socket, as the web server
 * among the examples of Python's multiprocessing does.
 *
 *	webserver PORT	serves http://127.0.0.1:PORT/ until it is interrupted
 *	webserver	asks itself for some pages, and ends
 *
 * The workers have no commands: each watches the socket in its own loop, and
 * the kernel gives each guest to one of them.  The pool replaces whoever dies.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc.h>

enum { WORKERS = 4, PAGES = 20 };

MPROC_MESSAGE(server, start, (struct mproc_fd, door));

struct server {
	struct mproc_backend base;
};

/* The request is here: whatever it asks for, this is the page. */
static int
on_request(struct mproc_backend *base, int fd, int events, void *arg)
{
	char request[4096], page[256];
	int n;

	(void)events;
	(void)arg;
	(void)mproc_unwatch(base, fd);
	if (read(fd, request, sizeof(request)) > 0) {
		n = snprintf(page, sizeof(page), "HTTP/1.0 200 OK\r\n"
		    "Content-Type: text/plain\r\n\r\nI am %s, process %d.\n",
		    mproc_backend_name(base), (int)getpid());
		if (send(fd, page, (size_t)n, MSG_NOSIGNAL) != n)
			mproc_log(base, MPROC_WARNING, "a guest left: %m");
	}
	close(fd);
	return 0;
}

/* All are told of a guest, and one of them gets it. */
static int
on_guest(struct mproc_backend *base, int door, int events, void *arg)
{
	int fd = accept(door, NULL, NULL);

	(void)events;
	(void)arg;
	if (fd >= 0 && mproc_watch(base, fd, POLLIN, on_request, NULL) < 0)
		close(fd);
	return 0;
}

static int
pre_run(struct mproc_backend *base)
{
	const struct server_start *args =
	    mproc_start_args(base, server_start);

	return mproc_watch(base, args->door.fd, POLLIN, on_guest, NULL);
}

static const struct mproc_class server_class =
    MPROC_CLASS("Server", server, NULL, .pre_run = pre_run);

/* A socket that listens on that port, 0: any, which is then told. */
static int
listen_on(uint16_t port, struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0), on = 1;
	socklen_t len = sizeof(*addr);

	*addr = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
	    sizeof(on)) < 0 || bind(fd, (struct sockaddr *)addr, len) < 0 ||
	    listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)addr, &len) < 0)
		err(1, "port %d", port);
	return fd;
}

/* Is there a page? */
static int
fetch(const struct sockaddr_in *addr)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char page[256] = "";
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr,
	    sizeof(*addr)) < 0 ||
	    write(fd, request, sizeof(request) - 1) < 0)
		err(1, "no server");
	while (len < sizeof(page) - 1 &&
	    (n = read(fd, page + len, sizeof(page) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	return strncmp(page, "HTTP/1.0 200 OK", 15) == 0 &&
	    strstr(page, "I am Server-") != NULL;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in addr;
	struct mproc_pool *pool;
	int door, i, r, pages = 0;

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	door = listen_on(argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0,
	    &addr);
	r = mproc_pool_new(&server_class, &(struct mproc_pool_options){
	    .workers = WORKERS,
	    .process.args = MPROC_PACK(server_start, .door = MPROC_FD(door))
	}, &pool);
	if (r < 0 || mproc_pool_start(pool) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	if (argc > 1) {
		fprintf(stderr, "http://127.0.0.1:%d/\n",
		    ntohs(addr.sin_port));
		while (mproc_pool_dispatch(pool, -1) >= 0)
			;
	}
	for (i = 0; i < PAGES; i++)
		pages += fetch(&addr);
	printf("%d of %d pages by %d processes on one socket\n", pages,
	    PAGES, WORKERS);
	mproc_pool_free(pool);
	close(door);
	return pages == PAGES ? 0 : 1;
}
