/*
 * peer_zmq_pool.c - a pool over ZeroMQ as its guide builds one: jobs leave by
 * a PUSH socket that all workers pull from, results come by a PULL socket.
 *
 * It has no futures.  A message is a row of numbers: one for a job, for a map
 * as many as make four messages a worker, behind the index of the first.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

#include "peer_zmq.h"

#define SHARES	4	/* messages a worker, in a map */

static void *context, *jobs, *results;
static pid_t pids[PEER_MAX];
static int n_workers;

/* Bound in the front, connected in a worker. */
static void *
new_end(void *ctx, int type, const char *what, pid_t front)
{
	void *socket = zmq_socket(ctx, type);
	char address[64];
	int hwm = 2 * PEER_JOBS, r;

	if (socket == NULL)
		return NULL;
	(void)zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof(hwm));
	(void)zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof(hwm));
	(void)snprintf(address, sizeof(address), "ipc://@mproc-bench-%d-%s",
	    (int)front, what);
	r = front == getpid() ? zmq_bind(socket, address) :
	    zmq_connect(socket, address);
	return r == 0 ? socket : NULL;
}

static _Noreturn void
work(enum peer_jobs kind, pid_t front)
{
	size_t i, first = kind == PEER_MAP ? 1 : 0;
	void *ctx = zmq_ctx_new(), *in, *out;
	zmq_msg_t msg;
	int64_t *n;

	in = new_end(ctx, ZMQ_PULL, "jobs", front);
	out = new_end(ctx, ZMQ_PUSH, "results", front);
	while (in != NULL && out != NULL) {
		zmq_msg_init(&msg);
		if (zmq_msg_recv(&msg, in, 0) < 0)
			break;
		n = zmq_msg_data(&msg);
		for (i = first; i < zmq_msg_size(&msg) / sizeof(*n); i++)
			n[i] *= n[i];
		if (zmq_msg_send(&msg, out, 0) < 0)
			break;
	}
	_exit(1);
}

static int
pool_open(int workers, enum peer_jobs kind)
{
	pid_t front = getpid();

	if (kind == PEER_FUTURES)
		return -EOPNOTSUPP;
	for (; n_workers < workers; n_workers++) {
		if ((pids[n_workers] = fork()) < 0)
			return -errno;
		if (pids[n_workers] == 0)
			work(kind, front);
	}
	if ((context = zmq_ctx_new()) == NULL ||
	    (jobs = new_end(context, ZMQ_PUSH, "jobs", front)) == NULL ||
	    (results = new_end(context, ZMQ_PULL, "results", front)) == NULL)
		return -zmq_errno();
	return 0;
}

static int
pool_put(int64_t n)
{
	return zmq_send(jobs, &n, sizeof(n), 0) < 0 ? -zmq_errno() : 0;
}

static int
pool_get(int64_t *ret_n)
{
	return zmq_recv(results, ret_n, sizeof(*ret_n), 0) < 0 ?
	    -zmq_errno() : 0;
}

static int
send_share(const int64_t *in, size_t first, size_t n)
{
	zmq_msg_t msg;
	int64_t *data;

	if (zmq_msg_init_size(&msg, (n + 1) * sizeof(*data)) < 0)
		return -ENOMEM;
	data = zmq_msg_data(&msg);
	data[0] = (int64_t)first;
	memcpy(data + 1, in + first, n * sizeof(*data));
	return zmq_msg_send(&msg, jobs, 0) < 0 ? -zmq_errno() : 0;
}

static int
recv_share(int64_t *out)
{
	zmq_msg_t msg;
	int64_t *data;

	zmq_msg_init(&msg);
	if (zmq_msg_recv(&msg, results, 0) < 0)
		return -zmq_errno();
	data = zmq_msg_data(&msg);
	memcpy(out + data[0], data + 1, zmq_msg_size(&msg) - sizeof(*data));
	(void)zmq_msg_close(&msg);
	return 0;
}

static int
pool_map(const int64_t *in, size_t n, int64_t *out)
{
	size_t share = n / (size_t)(SHARES * n_workers) + 1, i, left = 0;
	int r = 0;

	for (i = 0; r == 0 && i < n; i += share, left++)
		r = send_share(in, i, n - i < share ? n - i : share);
	for (; r == 0 && left > 0; left--)
		r = recv_share(out);
	return r;
}

const struct peer_pool zmq_pool_peer = {
	.open = pool_open, .put = pool_put, .get = pool_get, .map = pool_map,
};

void
close_zmq_pool(void)
{
	while (n_workers > 0) {
		n_workers--;
		(void)kill(pids[n_workers], SIGKILL);
		(void)waitpid(pids[n_workers], NULL, 0);
	}
}
