/*
 * peer_uv.c - libuv: uv_spawn() of this program, and a duplex uv_pipe_t.
 *
 * Fast settings: uv_try_write() while nothing is queued, so that a small
 * message is one system call and no allocation; at most 1 MiB queued; reads
 * of 64 KiB.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "peer.h"

#define CHUNK	(64 << 10)
#define QUEUED	(1 << 20)

static struct end {
	uv_pipe_t	pipe;
	uv_process_t	process;
	struct peer_answer answer;
	size_t		have;		/* bytes of the answer */
	int		gone;
} end[PEER_MAX];
static int n_ends;

/* The backend's. */
static struct peer_stream stream;
static uv_pipe_t back;

static void
on_written(uv_write_t *req, int status)
{
	(void)status;
	free(req);
}

static int
write_pipe(uv_stream_t *to, const void *data, size_t size)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);
	uv_write_t *req;
	int n;

	if (uv_stream_get_write_queue_size(to) == 0) {
		n = uv_try_write(to, &buf, 1);
		if (n < 0 && n != UV_EAGAIN)
			return n;
		if (n > 0) {
			buf.base += n;
			buf.len -= (unsigned)n;
		}
		if (buf.len == 0)
			return 0;
	}
	if ((req = malloc(sizeof(*req) + buf.len)) == NULL)
		return -ENOMEM;
	memcpy(req + 1, buf.base, buf.len);
	buf.base = (char *)(req + 1);
	return uv_write(req, to, &buf, 1, on_written);
}

static void
on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *ret)
{
	static char chunk[CHUNK];

	(void)handle;
	(void)hint;
	*ret = uv_buf_init(chunk, sizeof(chunk));
}

static void
on_message(uv_stream_t *from, ssize_t n, const uv_buf_t *buf)
{
	struct peer_answer answer;
	int asked;

	if (n < 0) {
		uv_stop(from->loop);
		return;
	}
	asked = peer_feed(&stream, (unsigned char *)buf->base, (size_t)n);
	for (; asked > 0; asked--) {
		peer_answer(stream.taken, &answer);
		(void)write_pipe(from, &answer, sizeof(answer));
	}
}

static int
backend(size_t size)
{
	uv_loop_t *loop = uv_default_loop();

	stream.size = size;
	if (uv_pipe_init(loop, &back, 0) < 0 || uv_pipe_open(&back, 3) < 0 ||
	    uv_read_start((uv_stream_t *)&back, on_alloc, on_message) < 0)
		return 1;
	return uv_run(loop, UV_RUN_DEFAULT) < 0;
}

static void
on_answer(uv_stream_t *from, ssize_t n, const uv_buf_t *buf)
{
	struct end *e = from->data;
	size_t room = sizeof(e->answer) - e->have;

	if (n < 0) {
		e->gone = 1;
		return;
	}
	if ((size_t)n < room)
		room = (size_t)n;
	memcpy((char *)&e->answer + e->have, buf->base, room);
	e->have += room;
}

static void
on_exit_of(uv_process_t *process, int64_t status, int signo)
{
	struct end *e = process->data;

	(void)status;
	(void)signo;
	e->gone = 1;
	uv_close((uv_handle_t *)process, NULL);
}

static int
open_one(struct end *e, size_t size)
{
	uv_stdio_container_t stdio[4] = { { .flags = UV_IGNORE },
	    { .flags = UV_IGNORE },
	    { .flags = UV_INHERIT_FD, .data.fd = 2 },
	    { .flags = UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE,
	      .data.stream = (uv_stream_t *)&e->pipe } };
	char number[24], path[] = "/proc/self/exe", what[] = "backend";
	char *args[] = { path, what, number, NULL };
	uv_process_options_t options = { .file = path, .args = args,
	    .stdio = stdio, .stdio_count = 4, .exit_cb = on_exit_of };
	int r;

	memset(e, 0, sizeof(*e));
	(void)snprintf(number, sizeof(number), "%zu", size);
	if ((r = uv_pipe_init(uv_default_loop(), &e->pipe, 0)) < 0 ||
	    (r = uv_spawn(uv_default_loop(), &e->process, &options)) < 0)
		return r;
	e->pipe.data = e;
	e->process.data = e;
	return uv_read_start((uv_stream_t *)&e->pipe, on_alloc, on_answer);
}

static int
open_all(int n, size_t size)
{
	int r;

	for (; n_ends < n; n_ends++)
		if ((r = open_one(&end[n_ends], size)) < 0)
			return r;
	return 0;
}

static int
send_one(int i, const void *data, size_t size)
{
	uv_stream_t *to = (uv_stream_t *)&end[i].pipe;

	while (uv_stream_get_write_queue_size(to) > QUEUED)
		(void)uv_run(uv_default_loop(), UV_RUN_ONCE);
	return write_pipe(to, data, size);
}

static int
recv_one(int i, struct peer_answer *ret)
{
	while (end[i].have < sizeof(*ret) && !end[i].gone)
		(void)uv_run(uv_default_loop(), UV_RUN_ONCE);
	if (end[i].have < sizeof(*ret))
		return -EPIPE;
	*ret = end[i].answer;
	end[i].have = 0;
	return 0;
}

static void
close_all(void)
{
	int i;

	for (i = 0; i < n_ends; i++)
		uv_close((uv_handle_t *)&end[i].pipe, NULL);
	(void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	n_ends = 0;
}

int
main(int argc, char **argv)
{
	static const struct peer uv = {
		.open = open_all, .send = send_one, .recv = recv_one,
		.close = close_all,
	};

	if (argc == 3 && strcmp(argv[1], "backend") == 0)
		return backend((size_t)strtol(argv[2], NULL, 10));
	return peer_main(argc, argv, &uv);
}
