/*
 * The same program under every loop there is: the context's own, its thread,
 * and foreign ones that know nothing but its descriptor.
 */
#include "test.h"

#include <sys/epoll.h>
#include <sys/select.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>
#ifdef HAVE_GLIB
#include <glib-unix.h>
#endif

#include <mproc.h>

#include "../process/probe.h"
#include "help.h"

#define TICKS	5	/* of the process, and of the timer */
#define IDLE	40	/* turns for nothing that are no fault yet */

struct program {
	struct mproc_context *ctx;
	struct mproc *p;
	int	fds[2];
	int	from_process, from_timer, from_fd, from_signal;
	int	deaths, closed, silences;
};

static void
look(struct program *g)
{
	if (g->from_process == TICKS && g->from_timer >= TICKS &&
	    g->from_fd == 1 && g->from_signal == 1)
		mproc_context_stop(g->ctx);
}

static void
on_message(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	struct program *g = arg;

	(void)p;
	if (mproc_args(msg, probe_tick) != NULL)
		g->from_process++;
	look(g);
}

static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct program *g = arg;

	(void)p;
	assert_int_equal(death->exit_code, 0);
	g->deaths++;
}

static void
on_silence(struct mproc *p, int silent_ms, void *arg)
{
	(void)p;
	(void)silent_ms;
	((struct program *)arg)->silences++;
}

static void
on_fd(struct mproc_context *ctx, int fd, int events, void *arg)
{
	struct program *g = arg;
	char c;

	(void)ctx;
	(void)events;
	assert_int_equal(read(fd, &c, 1), 1);
	g->from_fd++;
	look(g);
}

static void
on_timer(struct mproc_context *ctx, void *arg)
{
	struct program *g = arg;

	(void)ctx;
	if (++g->from_timer == 2)
		assert_int_equal(write(g->fds[1], "x", 1), 1);
	if (g->from_timer == 3)
		assert_int_equal(kill(getpid(), SIGUSR1), 0);
	look(g);
}

static void
on_signal(struct mproc_context *ctx, int signo, void *arg)
{
	struct program *g = arg;

	(void)ctx;
	assert_int_equal(signo, SIGUSR1);
	g->from_signal++;
	look(g);
}

static int
start_processes(struct mproc_context *ctx, void *arg)
{
	struct program *g = arg;
	int r;

	if ((r = mproc_new(&probe_class, NULL, &g->p)) < 0)
		return r;
	if ((r = mproc_context_add(ctx, g->p, on_message, g)) < 0)
		return r;
	return mproc_context_supervise(ctx, g->p, &(struct mproc_supervision){
	    .ping_interval_ms = 20, .ping_timeout_ms = BOUND_MS,
	    .on_ping_timeout = on_silence, .on_death = on_death, .arg = g });
}

static int
start_rest(struct mproc_context *ctx, void *arg)
{
	struct program *g = arg;
	int r;

	if ((r = mproc_context_watch(ctx, g->fds[0], POLLIN, on_fd,
	    g)) < 0 ||
	    (r = mproc_context_timer(ctx, 3, 7, on_timer, g)) < 0 ||
	    (r = mproc_context_timer(ctx, BOUND_MS, 0, give_up, g)) < 0 ||
	    (r = mproc_context_signal(ctx, SIGUSR1, on_signal, g)) < 0)
		return r;
	return mproc_send(g->p, probe_timer, .ms = 5, .count = TICKS);
}

static void
close_program(struct mproc_context *ctx, void *arg)
{
	struct program *g = arg;

	(void)ctx;
	g->closed++;
	mproc_free(g->p);
}

static void
check(void (*drive)(struct mproc_context *))
{
	static const struct mproc_app app = {
		.name = "Embedded",
		.start_processes = start_processes,
		.start_threads = start_rest,
		.close = close_program
	};
	struct program g = { 0 };

	make_pipe(g.fds);
	assert_int_equal(mproc_context_new(&app, &g, &g.ctx), 0);
	drive(g.ctx);
	assert_int_equal(g.closed, 1);
	assert_null(mproc_context_free(g.ctx));
	close_pipe(g.fds);
	assert_int_equal(g.from_process, TICKS);
	assert_true(g.from_timer >= TICKS);
	assert_int_equal(g.from_fd, 1);
	assert_int_equal(g.from_signal, 1);
	assert_int_equal(g.deaths, 1);
	assert_int_equal(g.silences, 0);
	assert_int_equal(g.closed, 1);
}

static void
by_run(struct mproc_context *ctx)
{
	assert_int_equal(mproc_context_run(ctx), 0);
}

static void
by_thread(struct mproc_context *ctx)
{
	assert_int_equal(mproc_context_run_as_thread(ctx), 0);
	/* it ends by itself */
	while (mproc_context_going(ctx))
		(void)poll(NULL, 0, 5);
	assert_int_equal(mproc_context_stop_thread(ctx, BOUND_MS), 0);
}

/* A dispatch of a foreign loop; false at the end. */
static bool
turn(struct mproc_context *ctx, int *idle)
{
	int r = mproc_context_dispatch(ctx, 0);

	assert_true(r >= 0 || r == -ESHUTDOWN);
	if (r == 0)
		assert_true(++*idle <= IDLE);
	return r >= 0;
}

static void
by_dispatch(struct mproc_context *ctx)
{
	int r;

	while ((r = mproc_context_dispatch(ctx, -1)) > 0)
		;
	assert_int_equal(r, -ESHUTDOWN);
}

static void
by_select(struct mproc_context *ctx)
{
	int fd = mproc_context_fd(ctx), idle = 0;
	fd_set set;

	FD_ZERO(&set);
	do {
		FD_SET(fd, &set);
		if (select(fd + 1, &set, NULL, NULL, NULL) < 0)
			assert_int_equal(errno, EINTR);
	} while (turn(ctx, &idle));
}

static void
by_poll(struct mproc_context *ctx)
{
	struct pollfd pfd = { mproc_context_fd(ctx), POLLIN, 0 };
	int idle = 0;

	do
		if (poll(&pfd, 1, -1) < 0)
			assert_int_equal(errno, EINTR);
	while (turn(ctx, &idle));
}

static void
by_epoll(struct mproc_context *ctx)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), idle = 0;

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, mproc_context_fd(ctx),
	    &ev), 0);
	do
		if (epoll_wait(ep, &ev, 1, -1) < 0)
			assert_int_equal(errno, EINTR);
	while (turn(ctx, &idle));
	close(ep);
}

/* Edge-triggered: each turn must leave it unreadable, or be followed. */
static void
by_edge(struct mproc_context *ctx)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC), r;

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, mproc_context_fd(ctx),
	    &ev), 0);
	do {
		if (epoll_wait(ep, &ev, 1, -1) < 0)
			assert_int_equal(errno, EINTR);
		while ((r = mproc_context_dispatch(ctx, 0)) > 0)
			;
	} while (r == 0);
	assert_int_equal(r, -ESHUTDOWN);
	close(ep);
}

struct foreign {
	struct mproc_context *ctx;
	int	idle;
};

static void
on_uv(uv_poll_t *h, int status, int events)
{
	struct foreign *f = h->data;

	(void)events;
	assert_int_equal(status, 0);
	if (!turn(f->ctx, &f->idle))
		uv_close((uv_handle_t *)h, NULL);
}

static void
by_libuv(struct mproc_context *ctx)
{
	struct foreign f = { .ctx = ctx };
	uv_loop_t loop;
	uv_poll_t h = { .data = &f };

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(uv_poll_init(&loop, &h, mproc_context_fd(ctx)), 0);
	assert_int_equal(uv_poll_start(&h, UV_READABLE, on_uv), 0);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static struct mproc_context *outer;

static void
on_inner(struct mproc_context *ctx, int fd, int events, void *arg)
{
	struct foreign *f = arg;

	(void)events;
	if (turn(f->ctx, &f->idle))
		return;
	assert_int_equal(mproc_context_unwatch(ctx, fd), 0);
	mproc_context_stop(ctx);
}

/* One context within another. */
static void
by_context(struct mproc_context *ctx)
{
	struct foreign f = { .ctx = ctx };

	outer = ctx_make();
	assert_int_equal(mproc_context_watch(outer, mproc_context_fd(ctx),
	    POLLIN, on_inner, &f), 0);
	assert_int_equal(mproc_context_run(outer), 0);
	assert_null(mproc_context_free(outer));
}

#ifdef HAVE_GLIB
struct glib_foreign {
	struct foreign f;
	GMainLoop *loop;
};

static gboolean
on_glib(gint fd, GIOCondition condition, gpointer arg)
{
	struct glib_foreign *g = arg;

	(void)fd;
	assert_int_equal(condition, G_IO_IN);
	if (turn(g->f.ctx, &g->f.idle))
		return G_SOURCE_CONTINUE;
	g_main_loop_quit(g->loop);
	return G_SOURCE_REMOVE;
}

static void
by_glib(struct mproc_context *ctx)
{
	GMainContext *context = g_main_context_new();
	GSource *source = g_unix_fd_source_new(mproc_context_fd(ctx),
	    G_IO_IN);
	struct glib_foreign g = {
		.f.ctx = ctx, .loop = g_main_loop_new(context, FALSE)
	};

	g_source_set_callback(source, G_SOURCE_FUNC(on_glib), &g, NULL);
	g_source_attach(source, context);
	g_main_loop_run(g.loop);
	g_source_unref(source);
	g_main_loop_unref(g.loop);
	g_main_context_unref(context);
}
#endif

#define TEST(name_, drive_)						\
	static void							\
	name_(void **state)						\
	{								\
		(void)state;						\
		check(drive_);						\
	}

TEST(vk49_own_loop, by_run)
TEST(vk50_own_thread, by_thread)
TEST(vk54_in_a_loop_of_dispatch, by_dispatch)
TEST(vk54_in_select, by_select)
TEST(vk54_in_poll, by_poll)
TEST(vk54_in_epoll, by_epoll)
TEST(vk54_in_epoll_edge_triggered, by_edge)
TEST(vk54_in_libuv, by_libuv)
TEST(vk54_in_another_context, by_context)

static void
vk54_in_glib(void **state)
{
	(void)state;
#ifdef HAVE_GLIB
	check(by_glib);
#else
	print_message("skipped: GLib was not found by configure (Debian: "
	    "libglib2.0-dev)\n");
	skip();
#endif
}

/* As deep as a program nests it: the host's epoll, ours, a process's. */
static void
test_no_wakeups_while_idle(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct mproc *p;
	int fd;

	(void)state;
	assert_int_equal(mproc_new(&probe_class, NULL, &p), 0);
	assert_int_equal(mproc_context_add(ctx, p, NULL, NULL), 0);
	fd = mproc_context_fd(ctx);
	while (test_poll(fd, POLLIN, 50) != 0)
		assert_true(mproc_context_dispatch(ctx, 0) >= 0);
	assert_int_equal(mproc_status(p), MPROC_STATUS_RUNNING);
	assert_int_equal(test_poll(fd, POLLIN, 300), 0);
	assert_null(mproc_context_free(ctx));
	mproc_free(p);
}

/*
 * libuv's loop has a large frame; valgrind cannot make the stack longer for
 * it in the moment that a signal is delivered.
 */
static void
lengthen_stack(void)
{
	volatile char room[256 << 10];
	size_t i;

	for (i = 0; i < sizeof(room); i += 1024)
		room[i] = 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk49_own_loop),
		cmocka_unit_test(vk50_own_thread),
		cmocka_unit_test(vk54_in_a_loop_of_dispatch),
		cmocka_unit_test(vk54_in_select),
		cmocka_unit_test(vk54_in_poll),
		cmocka_unit_test(vk54_in_epoll),
		cmocka_unit_test(vk54_in_epoll_edge_triggered),
		cmocka_unit_test(vk54_in_libuv),
		cmocka_unit_test(vk54_in_another_context),
		cmocka_unit_test(vk54_in_glib),
		cmocka_unit_test(test_no_wakeups_while_idle),
	};

	prime_libuv();
	lengthen_stack();
	return TEST_RUN(tests);
}
