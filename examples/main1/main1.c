/*
 * main1.c - a main context: processes, a connection and a timer in one loop.
 *
 * A timer asks a server for numbers, one at a time, over TCP.  Each number
 * is squared by one of a few workers, all started at the beginning and kept
 * in a cache: who has finished says so and is free for the next number.
 * Ctrl-C, or the last square, ends all of it in order.
 */
#include <sys/socket.h>

#include <err.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "main1.h"

enum { WORKERS = 3, NUMBERS = 12, ASK_MS = 5 };

struct app {
	struct mproc	*server, *worker[WORKERS];
	struct mproc	*idle[WORKERS];		/* the cache, a stack */
	int		 n_idle, asked, done;
	int		 conn;
	int64_t		 sum;
};

static void
on_ready(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct worker_ready *ready = mproc_args(msg, worker_ready);
	struct app *app = arg;

	app->sum += ready != NULL ? ready->result : 0;
	app->idle[app->n_idle++] = p;
	if (++app->done == NUMBERS)
		mproc_context_stop(mproc_context_of(p));
}

static void
on_tick(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;

	(void)ctx;
	if (app->asked < NUMBERS && app->asked - app->done < WORKERS &&
	    send(app->conn, "?", 1, MSG_NOSIGNAL) == 1)
		app->asked++;		/* who is idle will get it */
}

static void
on_number(struct mproc_context *ctx, int fd, int events, void *arg)
{
	struct app *app = arg;
	unsigned char n;

	(void)events;
	if (recv(fd, &n, 1, 0) == 1 && app->n_idle > 0 &&
	    mproc_send(app->idle[--app->n_idle], worker_square, .n = n) == 0)
		return;
	mproc_context_unwatch(ctx, fd);		/* also at the end */
	mproc_context_fail(ctx, -EPIPE, "no number, or no worker for it");
}

/* The server can be reached: from now on ask it. */
static void
on_listening(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct server_listening *at = mproc_args(msg, server_listening);
	struct mproc_context *ctx = mproc_context_of(p);
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)(at != NULL ? at->port : 0)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct app *app = arg;

	app->conn = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (app->conn < 0 ||
	    connect(app->conn, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    mproc_context_watch(ctx, app->conn, POLLIN, on_number, app) < 0 ||
	    mproc_context_timer(ctx, ASK_MS, ASK_MS, on_tick, app) < 0)
		mproc_context_fail(ctx, -ENOTCONN, "no connection");
}

/* Of any process.  At the end all do, and then this does nothing. */
static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	(void)death;
	(void)arg;
	mproc_context_fail(mproc_context_of(p), -EPIPE, "%s died",
	    mproc_name(p));
}

/* The context starts what is added here. */
static int
start_processes(struct mproc_context *ctx, void *arg)
{
	struct app *app = arg;
	int i, r;

	for (i = 0; i < WORKERS; i++) {
		r = mproc_new(&worker_class, NULL, &app->worker[i]);
		if (r < 0 || (r = mproc_context_add(ctx, app->worker[i],
		    on_ready, app)) < 0)
			return r;
		app->idle[app->n_idle++] = app->worker[i];
	}
	if ((r = mproc_new(&server_class, NULL, &app->server)) < 0)
		return r;
	return mproc_context_add(ctx, app->server, on_listening, app);
}

/* At the end, when the context has stopped them. */
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
	    .start_processes = start_processes, .on_death = on_death,
	    .close = close_all, .stop_on_signals = true };
	struct app app = { .conn = -1 };
	struct mproc_context *ctx;

	if (mproc_init(argc, argv) < 0 ||
	    mproc_context_new(&hooks, &app, &ctx) < 0 ||
	    mproc_context_run(ctx) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	if (mproc_context_stop_signal(ctx) != 0)
		printf("stopped after %d squares\n", app.done);
	else
		printf("%d squares by %d workers, their sum is %" PRId64 "\n",
		    app.done, WORKERS, app.sum);
	mproc_context_free(ctx);
	return 0;
}
