/*
 * peer_zmq.c - ZeroMQ: a PAIR socket over ipc for each backend; for a pool
 * (peer_zmq_pool.c) a PUSH and a PULL socket for all.
 *
 * Fast settings: high-water marks as large as mproc's mailbox in place of
 * 1000 messages; an abstract address, so no file is made.
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <zmq.h>

#include "peer_zmq.h"

static void *context;
static struct { void *socket; pid_t pid; } end[PEER_MAX];
static int n_ends;

static void *
new_socket(void *ctx, size_t size)
{
	void *socket = zmq_socket(ctx, ZMQ_PAIR);
	int hwm = (int)(PEER_QUEUE / size);

	if (socket == NULL)
		return NULL;
	if (hwm > 131072)
		hwm = 131072;
	(void)zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof(hwm));
	(void)zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof(hwm));
	return socket;
}

static _Noreturn void
backend(const char *address, size_t size)
{
	void *ctx = zmq_ctx_new(), *socket = new_socket(ctx, size);
	struct peer_answer answer;
	int64_t taken = 0;
	zmq_msg_t msg;
	int what;

	if (socket == NULL || zmq_connect(socket, address) < 0)
		_exit(1);
	for (;;) {
		zmq_msg_init(&msg);
		if (zmq_msg_recv(&msg, socket, 0) < 0)
			_exit(1);
		what = *(unsigned char *)zmq_msg_data(&msg);
		zmq_msg_close(&msg);
		if (what == PEER_STOP)
			_exit(0);
		taken++;
		if (what != PEER_ASK)
			continue;
		peer_answer(taken, &answer);
		if (zmq_send(socket, &answer, sizeof(answer), 0) < 0)
			_exit(1);
	}
}

static int
open_all(int n, size_t size)
{
	static int serial;
	char address[64];
	void *socket;

	if (context == NULL && (context = zmq_ctx_new()) == NULL)
		return -ENOMEM;
	for (; n_ends < n; n_ends++) {
		(void)snprintf(address, sizeof(address),
		    "ipc://@mproc-bench-%d-%d", (int)getpid(), serial++);
		if ((socket = new_socket(context, size)) == NULL ||
		    zmq_bind(socket, address) < 0)
			return -zmq_errno();
		end[n_ends].socket = socket;
		if ((end[n_ends].pid = fork()) < 0)
			return -errno;
		if (end[n_ends].pid == 0)
			backend(address, size);
	}
	return 0;
}

static int
send_one(int i, const void *data, size_t size)
{
	return zmq_send(end[i].socket, data, size, 0) < 0 ? -zmq_errno() : 0;
}

static int
recv_one(int i, struct peer_answer *ret)
{
	return zmq_recv(end[i].socket, ret, sizeof(*ret), 0) < 0 ?
	    -zmq_errno() : 0;
}

static void
close_all(void)
{
	char stop[PEER_MIN] = { PEER_STOP };

	while (n_ends > 0) {
		n_ends--;
		(void)zmq_send(end[n_ends].socket, stop, sizeof(stop), 0);
		(void)waitpid(end[n_ends].pid, NULL, 0);
		(void)zmq_close(end[n_ends].socket);
	}
	close_zmq_pool();
}

int
main(int argc, char **argv)
{
	static const struct peer zmq = {
		.open = open_all, .send = send_one, .recv = recv_one,
		.close = close_all, .pool = &zmq_pool_peer,
	};

	return peer_main(argc, argv, &zmq);
}
