/*
 * main1.c - a main context: processes, a connection and a timer in one loop.
 *
 * A timer asks a server for numbers, one at a time, over TCP.  Each number
 * is squared by one of a few workers, all started at the beginning and kept
 * in a cache: who has finished says so and is free for the next number.
 * Ctrl-C, or the last square, ends all of it in order.
 */
#include <sys/socket.h>

#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <mproc.h>

#define WORKERS	3
#define NUMBERS	12
#define ASK_MS	5

MPROC_MESSAGE(worker, square, (int, n));
MPROC_MESSAGE(worker, ready, (int64_t, result));
MPROC_MESSAGE(server, serve, (struct mproc_fd, client));

/* ------------------------------------------------------------ the worker */

struct worker {
	struct mproc_backend	base;
};

MPROC_COMMAND(worker, square);

static const struct mproc_handler worker_handlers[] = {
	MPROC_HANDLER(worker, square, "emits ready with the result"),
};
static const struct mproc_class worker_class =
    MPROC_CLASS("Worker", worker, worker_handlers);

static int
c__square(struct worker *self, const struct worker_square *args,
    struct mproc_request *req)
{
	(void)req;
	return mproc_emit(&self->base, worker_ready,
	    .result = (int64_t)args->n * args->n);
}

/* --------------------- the server: a byte asks, a byte is the next number */

struct server {
	struct mproc_backend	base;
	unsigned char		last;
};

MPROC_COMMAND(server, serve);

static const struct mproc_handler server_handlers[] = {
	MPROC_HANDLER(server, serve, "number what the client asks for"),
};
static const struct mproc_class server_class =
    MPROC_CLASS("Server", server, server_handlers);

static int
on_ask(struct mproc_backend *base, int fd, int events, void *arg)
{
	struct server *self = arg;
	char asked;

	(void)events;
	if (read(fd, &asked, 1) == 1 && ++self->last > 0 &&
	    write(fd, &self->last, 1) == 1)
		return 0;
	(void)mproc_unwatch(base, fd);
	return close(fd);
}

static int
c__serve(struct server *self, const struct server_serve *args,
    struct mproc_request *req)
{
	int fd = mproc_take_fd(req, args->client);

	return fd < 0 ? fd :
	    mproc_watch(&self->base, fd, POLLIN, on_ask, self);
}

/* ----------------------------------------------------------- the program */

struct app {
	struct mproc_context *ctx;
	struct mproc	*server, *worker[WORKERS];
	struct mproc	*idle[WORKERS];		/* the cache, a stack */
	int		 n_idle;
	int		 waiting[NUMBERS];	/* for a worker */
	int		 n_waiting, asked, done;
	int		 timer, conn;
	int64_t		 sum;
	int		 failed;		/* a negative code */
};

/*
 * In a callback: what goes wrong ends the program.  At its end the server is
 * gone before the connection, and that is not wrong.
 */
static void
check(struct app *app, int r)
{
	if (r >= 0 || !mproc_context_going(app->ctx))
		return;
	app->failed = r;
	(void)mproc_context_stop(app->ctx);
}

static int
hand_out(struct app *app)
{
	int r = 0;

	while (r == 0 && app->n_idle > 0 && app->n_waiting > 0)
		r = mproc_send(app->idle[--app->n_idle], worker_square,
		    .n = app->waiting[--app->n_waiting]);
	return r;
}

static void
on_tick(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;

	if (app->asked == NUMBERS)
		check(app, mproc_context_timer_cancel(ctx, app->timer));
	else if (write(app->conn, "?", 1) == 1)
		app->asked++;
	else
		check(app, -EPIPE);
}

static void
on_number(struct mproc_context *ctx, int fd, int events, void *arg)
{
	struct app *app = arg;
	unsigned char n;

	(void)ctx;
	(void)events;
	if (read(fd, &n, 1) != 1 || app->n_waiting == NUMBERS) {
		check(app, -EPIPE);
		return;
	}
	app->waiting[app->n_waiting++] = n;
	check(app, hand_out(app));
}

static void
on_ready(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct worker_ready *ready = mproc_args(msg, worker_ready);
	struct app *app = arg;

	if (ready == NULL) {
		check(app, -EBADMSG);
		return;
	}
	app->sum += ready->result;
	app->idle[app->n_idle++] = p;
	check(app, hand_out(app));
	if (++app->done == NUMBERS)
		check(app, mproc_context_stop(app->ctx));
}

static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct app *app = arg;

	(void)p;
	(void)death;
	check(app, -EPIPE);
}

/* Make a process and let the context look after it. */
static int
add(struct app *app, const struct mproc_class *cls, struct mproc **ret_p)
{
	int r;

	if ((r = mproc_new(cls, NULL, ret_p)) < 0 ||
	    (r = mproc_context_add(app->ctx, *ret_p, on_ready, app)) < 0)
		return r;
	return mproc_context_supervise(app->ctx, *ret_p,
	    &(struct mproc_supervision){ .on_death = on_death, .arg = app });
}

/* A connection over TCP: one end for the context, one for the server. */
static int
open_connection(struct app *app, int *ret_server_end)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *sa = (struct sockaddr *)&to;
	socklen_t len = sizeof(to);
	int fd, r = 0;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	app->conn = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || app->conn < 0 || bind(fd, sa, len) < 0 ||
	    listen(fd, 1) < 0 || getsockname(fd, sa, &len) < 0 ||
	    connect(app->conn, sa, len) < 0 ||
	    (*ret_server_end = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	return r;
}

/* Called by the context: what is added here is started then. */
static int
start_processes(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;
	int i, fd = -1, r;

	app->ctx = ctx;
	for (i = 0; i < WORKERS; i++) {
		if ((r = add(app, &worker_class, &app->worker[i])) < 0)
			return r;
		app->idle[app->n_idle++] = app->worker[i];
	}
	if ((r = add(app, &server_class, &app->server)) < 0 ||
	    (r = open_connection(app, &fd)) < 0)
		return r;
	r = mproc_send(app->server, server_serve, .client = MPROC_FD(fd));
	(void)close(fd);		/* the message has its own copy */
	if (r < 0 || (r = mproc_context_watch(ctx, app->conn, POLLIN,
	    on_number, app)) < 0)
		return r;
	app->timer = mproc_context_timer(ctx, ASK_MS, ASK_MS, on_tick, app);
	return app->timer < 0 ? app->timer : 0;
}

/* Called by the context at its end, when all processes have stopped. */
static void
close_all(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;
	int i;

	(void)ctx;
	for (i = 0; i < WORKERS; i++)
		mproc_free(app->worker[i]);
	mproc_free(app->server);
	if (app->conn >= 0)
		(void)close(app->conn);
}

int
main(int argc, char **argv)
{
	static const struct mproc_app hooks = { .name = "main1",
	    .start_processes = start_processes, .close = close_all,
	    .stop_on_signals = true };
	struct mproc_context *ctx = NULL;
	struct app app = { .conn = -1 };
	int r;

	if ((r = mproc_init(argc, argv)) == 0 &&
	    (r = mproc_context_new(&hooks, &app, &ctx)) == 0)
		r = mproc_context_run(ctx);
	mproc_context_free(ctx);
	if (r < 0 || (r = app.failed) < 0)
		(void)fprintf(stderr, "main1: %s\n", mproc_strerror(r));
	else if (app.done < NUMBERS)
		printf("stopped after %d squares\n", app.done);
	else
		printf("%d squares by %d workers, their sum is %" PRId64 "\n",
		    app.done, WORKERS, app.sum);
	return r < 0 || fflush(stdout) != 0;
}
