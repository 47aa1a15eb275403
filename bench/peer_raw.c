/*
 * peer_raw.c - a bare stream socketpair, write(2) and read(2): the floor of
 * everything that goes through the kernel.  Nothing is framed, checked,
 * encoded or supervised.
 *
 * Fast settings: buffers of 4 MiB, as mproc asks for.  Variant `batched`:
 * messages are collected in 256 KiB before they are written.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#define BUFFER	(4 << 20)
#define CHUNK	(256 << 10)

static struct { int fd; pid_t pid; } end[PEER_MAX];
static int n_ends;
static int batched, polling;
static unsigned char waiting[CHUNK];	/* batched: for backend 0 */
static size_t n_waiting;

static int
init(int argc, char **argv, const char *variant)
{
	(void)argc;
	(void)argv;
	batched = strcmp(variant, "batched") == 0;
	return 0;
}

/* Take, and answer when asked, until end of file. */
static _Noreturn void
backend(int fd, size_t size)
{
	struct peer_stream stream = { .size = size };
	unsigned char *chunk = malloc(CHUNK);
	struct peer_answer answer;
	ssize_t n;
	int asked;

	while (chunk != NULL && (n = read(fd, chunk, CHUNK)) > 0) {
		asked = peer_feed(&stream, chunk, (size_t)n);
		for (; asked > 0; asked--) {
			peer_answer(stream.taken, &answer);
			if (write_full(fd, &answer, sizeof(answer)) < 0)
				_exit(1);
		}
	}
	_exit(0);
}

static int
open_one(size_t size)
{
	int fds[2], bytes = BUFFER, i;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	for (i = 0; i < 2; i++)
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes,
		    sizeof(bytes));
	if ((pid = fork()) < 0)
		return -errno;
	if (pid == 0) {
		for (i = 0; i < n_ends; i++)
			close(end[i].fd);
		close(fds[0]);
		backend(fds[1], size);
	}
	close(fds[1]);
	end[n_ends].fd = fds[0];
	end[n_ends++].pid = pid;
	return 0;
}

static int
open_all(int n, size_t size)
{
	int r = 0;

	while (n_ends < n && r == 0)
		r = open_one(size);
	return r;
}

static int
flush(void)
{
	size_t n = n_waiting;

	n_waiting = 0;
	return write_full(end[0].fd, waiting, n);
}

static int
send_one(int i, const void *data, size_t size)
{
	int r = 0;

	if (!batched || i > 0 || size > CHUNK / 4)
		return write_full(end[i].fd, data, size);
	if (n_waiting + size > CHUNK)
		r = flush();
	memcpy(waiting + n_waiting, data, size);
	n_waiting += size;
	return r;
}

static int
recv_one(int i, struct peer_answer *ret)
{
	struct pollfd pfd = { .fd = end[i].fd, .events = POLLIN };
	int r;

	if (n_waiting > 0 && (r = flush()) < 0)
		return r;
	if (polling && poll(&pfd, 1, -1) < 0)
		return -errno;
	return read_full(end[i].fd, ret, sizeof(*ret));
}

static int
poll_all(void)
{
	polling = 1;
	return 0;
}

static void
close_all(void)
{
	int i;

	for (i = 0; i < n_ends; i++)
		close(end[i].fd);
	for (i = 0; i < n_ends; i++)
		(void)waitpid(end[i].pid, NULL, 0);
	n_ends = 0;
}

int
main(int argc, char **argv)
{
	static const struct peer raw = {
		.init = init, .open = open_all, .send = send_one,
		.recv = recv_one, .poll = poll_all, .close = close_all,
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return peer_main(argc, argv, &raw);
}
