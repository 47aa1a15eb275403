/*
 * peer_nng.c - nng: a pair socket over ipc for each backend.
 *
 * nng has threads from its first call on and cannot live through a fork, so
 * a backend is this program, executed anew.
 *
 * Fast settings: messages are allocated by nng and given to it without a
 * copy; the largest buffers it takes; no limit of a message's size; an
 * abstract address, so no file is made.
 */
#include <sys/wait.h>

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include "peer.h"

#define BUFFERED	8192		/* messages; nng's limit */

static struct { nng_socket socket; pid_t pid; } end[PEER_MAX];
static int n_ends;

static int
fault(int code)
{
	if (code == 0)
		return 0;
	(void)fprintf(stderr, "nng: %s\n", nng_strerror(code));
	return -EIO;
}

static int
new_socket(nng_socket *ret, size_t size)
{
	int n = (int)(PEER_QUEUE / size), r;

	if (n > BUFFERED)
		n = BUFFERED;
	if ((r = nng_pair0_open(ret)) != 0)
		return r;
	(void)nng_socket_set_int(*ret, NNG_OPT_SENDBUF, n);
	(void)nng_socket_set_int(*ret, NNG_OPT_RECVBUF, n);
	return nng_socket_set_size(*ret, NNG_OPT_RECVMAXSZ, 0);
}

static int
send_bytes(nng_socket socket, const void *data, size_t size)
{
	nng_msg *msg;
	int r;

	if ((r = nng_msg_alloc(&msg, size)) != 0)
		return r;
	memcpy(nng_msg_body(msg), data, size);
	if ((r = nng_sendmsg(socket, msg, 0)) != 0)
		nng_msg_free(msg);
	return r;
}

static int
backend(const char *address, size_t size)
{
	struct peer_answer answer;
	int64_t taken = 0;
	nng_socket socket;
	nng_msg *msg;
	int what;

	if (fault(new_socket(&socket, size)) < 0 ||
	    fault(nng_dial(socket, address, NULL, 0)) < 0)
		return 1;
	while (nng_recvmsg(socket, &msg, 0) == 0) {
		what = *(unsigned char *)nng_msg_body(msg);
		nng_msg_free(msg);
		if (what == PEER_STOP)
			return 0;
		taken++;
		if (what != PEER_ASK)
			continue;
		peer_answer(taken, &answer);
		if (send_bytes(socket, &answer, sizeof(answer)) != 0)
			break;
	}
	return 1;
}

static int
open_all(int n, size_t size)
{
	static int serial;
	char address[64], number[24], path[] = "/proc/self/exe";
	char what[] = "backend", *args[] = { path, what, address, number,
	    NULL };
	int r;

	(void)snprintf(number, sizeof(number), "%zu", size);
	for (; n_ends < n; n_ends++) {
		(void)snprintf(address, sizeof(address),
		    "abstract://mproc-bench-%d-%d", (int)getpid(), serial++);
		if ((r = fault(new_socket(&end[n_ends].socket, size))) < 0 ||
		    (r = fault(nng_listen(end[n_ends].socket, address, NULL,
		    0))) < 0)
			return r;
		r = posix_spawn(&end[n_ends].pid, path, NULL, NULL, args,
		    environ);
		if (r != 0)
			return -r;
	}
	return 0;
}

static int
send_one(int i, const void *data, size_t size)
{
	return fault(send_bytes(end[i].socket, data, size));
}

static int
recv_one(int i, struct peer_answer *ret)
{
	nng_msg *msg;
	int r;

	if ((r = fault(nng_recvmsg(end[i].socket, &msg, 0))) < 0)
		return r;
	memcpy(ret, nng_msg_body(msg), sizeof(*ret));
	nng_msg_free(msg);
	return 0;
}

static void
close_all(void)
{
	char stop[PEER_MIN] = { PEER_STOP };

	while (n_ends > 0) {
		n_ends--;
		(void)send_bytes(end[n_ends].socket, stop, sizeof(stop));
		(void)waitpid(end[n_ends].pid, NULL, 0);
		(void)nng_close(end[n_ends].socket);
	}
}

int
main(int argc, char **argv)
{
	static const struct peer nng = {
		.open = open_all, .send = send_one, .recv = recv_one,
		.close = close_all,
	};

	if (argc == 4 && strcmp(argv[1], "backend") == 0)
		return backend(argv[2], (size_t)strtol(argv[3], NULL, 10));
	return peer_main(argc, argv, &nng);
}
