/*
 * kill_test.c - SIGKILL at every step of a call.
 *
 * MPROC_CHAOS_KILLS kills (1000) are spread over the points of victim.h.
 * After each: every future has ended, once, with a code that the point
 * allows; what the backend had sent is there; the death record names the
 * signal and the handler; the accounts add up; the handle starts again.
 *
 * No wait may take a second.  On a loaded machine a process may not get its
 * turn for so long: hence a slow wait is forgiven once in a hundred, and half
 * of them must be shorter than a tenth of a second.
 */
#include "test.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"
#include "victim.h"

#define HANG_MS		10000	/* only a hang takes that long */
#define SLOW_MS		1000
#ifdef __SANITIZE_THREAD__
#define MEDIAN_MS	500	/* everything is ten times as slow */
#else
#define MEDIAN_MS	100
#endif
#define FUTURES		4
#define WAITS		1000

struct round {
	const struct spec *spec;
	struct mproc	*p;
	int		 pipe[2];	/* the backend writes to 1 */
	struct mproc_future *f[FUTURES];
	int		 n;
	int		 grandchild;
};

struct spec {
	enum point	 point;
	const char	*name;
	void		(*hit)(struct round *);
	const char	*command;	/* of the death record */
	int		 result;	/* of the futures */
	int		 items;		/* that come out; -1: any number */
	int64_t		 inbox;		/* .inbox_messages */
};

static int64_t waits[WAITS];
static int n_waits, n_slow;

static void
waited(int64_t since)
{
	int64_t ms = test_now_ms() - since;

	if (n_waits < WAITS)
		waits[n_waits++] = ms;
	if (ms > SLOW_MS)
		n_slow++;
}

static void
kill_it(struct round *r)
{
	assert_int_equal(kill(mproc_pid(r->p), SIGKILL), 0);
}

/* The ping is answered when the handler of the call has been left. */
static void
kill_idle(struct round *r)
{
	assert_int_equal(mproc_call(r->p, HANG_MS, NULL, victim_echo), 0);
	assert_int_equal(mproc_ping(r->p, HANG_MS), 0);
	kill_it(r);
}

static bool
is_gone(void *arg)
{
	return chaos_gone(*(int *)arg);
}

static bool
is_stopped(void *arg)
{
	char path[64], text[512] = "";
	const char *at;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", *(int *)arg);
	if ((f = fopen(path, "re")) == NULL)
		return false;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	(void)fclose(f);
	at = strrchr(text, ')');
	return at != NULL && at[2] == 'T';
}

static void
stop_it(struct round *r)
{
	int pid = mproc_pid(r->p);

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_true(chaos_await(is_stopped, &pid));
}

static void
ask_echo(struct round *r, size_t size)
{
	static char data[16 << 20];

	assert_true(r->n < FUTURES && size <= sizeof(data));
	assert_int_equal(mproc_ask(r->p, -1, &r->f[r->n], victim_echo,
	    .n = 1, .data = { data, size }), 0);
	r->n++;
}

static void
ask_act(struct round *r)
{
	assert_int_equal(mproc_ask(r->p, -1, &r->f[r->n], victim_act,
	    .point = (int)r->spec->point), 0);
	r->n++;
}

/* The backend has read all that left: what is in the socket is nothing. */
static bool
is_read(void *arg)
{
	struct round *r = arg;
	int n = 0;

	return ioctl(mproc__channel_fd(r->p->data), SIOCOUTQ, &n) == 0 &&
	    n == 0;
}

static void
hit_nothing(struct round *r)
{
	(void)r;
}

static void
hit_idle(struct round *r)
{
	kill_it(r);
}

static void
hit_header_half_written(struct round *r)
{
	stop_it(r);
	mproc__channel_limit_io(r->p->data, 2);
	ask_echo(r, 10);
	kill_it(r);
}

static void
hit_header_half_read(struct round *r)
{
	mproc__channel_limit_io(r->p->data, 2);
	ask_echo(r, 10);
	assert_true(chaos_await(is_read, r));
	kill_it(r);
}

static void
hit_body_half_read(struct round *r)
{
	mproc__channel_limit_io(r->p->data, 50000);
	ask_echo(r, 1 << 20);
	assert_true(chaos_await(is_read, r));
	kill_it(r);
}

static void
hit_body_half_written(struct round *r)
{
	stop_it(r);
	ask_echo(r, 16 << 20);
	ask_echo(r, 10);
	assert_true(mproc__channel_midframe(r->p->data));
	kill_it(r);
}

static void
hit_act(struct round *r)
{
	int code;

	ask_act(r);
	if (r->spec->result == 0)
		return;
	/* Behind it: never handled; or it is dead already. */
	code = mproc_ask(r->p, -1, &r->f[1], victim_echo);
	if (code != -EPIPE)
		assert_int_equal(code, 0);
	r->n += code == 0;
}

/* Not taking in anything until it is dead. */
static void
hit_unread(struct round *r)
{
	int pid = mproc_pid(r->p);

	ask_act(r);
	assert_true(chaos_await(is_gone, &pid));
}

static void
wait_pipe(struct round *r)
{
	char byte;

	assert_int_equal(test_poll(r->pipe[0], POLLIN, HANG_MS), POLLIN);
	assert_int_equal(read(r->pipe[0], &byte, 1), 1);
}

static void
hit_in_handler(struct round *r)
{
	ask_act(r);
	wait_pipe(r);
	kill_it(r);
}

static void
hit_deferred(struct round *r)
{
	for (; r->n < 3; r->n++)
		assert_int_equal(mproc_ask(r->p, -1, &r->f[r->n],
		    victim_hold), 0);
	kill_idle(r);
}

static bool
is_blocked(void *arg)
{
	struct round *r = arg;

	return atomic_load(&r->p->page->backend_waiting) != 0;
}

static void
hit_blocked_in_emit(struct round *r)
{
	ask_act(r);
	assert_true(chaos_await(is_blocked, r));
	kill_it(r);
}

static void
hit_stopped(struct round *r)
{
	stop_it(r);
	ask_echo(r, 10);
	assert_int_equal(mproc_request_stop(r->p), 0);
	assert_int_equal(mproc_send(r->p, victim_note), -ESHUTDOWN);
	kill_it(r);
}

static void
hit_in_post_run(struct round *r)
{
	assert_int_equal(mproc_request_stop(r->p), 0);
}

static void
queue_1000(struct round *r)
{
	int i;

	stop_it(r);
	for (i = 0; i < 1000; i++)
		assert_int_equal(mproc_send(r->p, victim_note, .n = i), 0);
}

static void
hit_queued(struct round *r)
{
	queue_1000(r);
	kill_it(r);
}

static void
hit_between_frames(struct round *r)
{
	queue_1000(r);
	ask_echo(r, 10);
	assert_int_equal(kill(mproc_pid(r->p), SIGCONT), 0);
}

static void
hit_fd_in_flight(struct round *r)
{
	stop_it(r);
	assert_int_equal(mproc_ask(r->p, -1, &r->f[r->n++], victim_echo,
	    .fd = MPROC_FD(r->pipe[0])), 0);
	kill_it(r);
}

static void
hit_grandchild(struct round *r)
{
	const struct victim_pid *t;
	struct mproc_msg *msg;

	assert_int_equal(mproc_call(r->p, HANG_MS, NULL, victim_act,
	    .point = GRANDCHILD), 0);
	wait_pipe(r);
	assert_int_equal(mproc_recv(r->p, HANG_MS, &msg), 1);
	t = mproc_args(msg, victim_pid);
	assert_non_null(t);
	r->grandchild = t->pid;
	mproc_msg_free(msg);
	assert_int_equal(mproc_ask(r->p, -1, &r->f[r->n++], victim_hold), 0);
	kill_idle(r);
}

#define ANY	(-1)

static const struct spec specs[] = {
	{ AT_LAUNCH, "killed at launch", hit_nothing, "", 0, 0, 0 },
	{ IN_PRE_RUN, "killed in pre_run", hit_nothing, "", 0, 0, 0 },
	{ READY_HALF_WRITTEN, "killed with `ready` half written",
	    hit_nothing, "", 0, 0, 0 },
	{ IDLE, "killed while idle", hit_idle, "", 0, 0, 0 },
	{ HEADER_HALF_WRITTEN, "killed with a header half written",
	    hit_header_half_written, "", -EPIPE, 0, 0 },
	{ HEADER_HALF_READ, "killed with a header half read",
	    hit_header_half_read, "", -EPIPE, 0, 0 },
	{ BODY_HALF_READ, "killed with a body half read",
	    hit_body_half_read, "", -EPIPE, 0, 0 },
	{ BODY_HALF_WRITTEN, "killed with a body half written",
	    hit_body_half_written, "", -EPIPE, 0, 0 },
	{ DECODED, "killed between decoding and handler", hit_act, "act",
	    -EPIPE, 0, 0 },
	{ IN_HANDLER, "killed in the handler", hit_in_handler, "act",
	    -EPIPE, 0, 0 },
	{ REPLY_QUEUED, "killed with the reply queued", hit_unread, "act",
	    -EPIPE, ANY, 0 },
	{ REPLY_HALF_WRITTEN, "killed with the reply half written", hit_act,
	    "act", -EPIPE, 0, 0 },
	{ REPLIED, "killed after mproc_reply", hit_act, "act", 0, 0, 0 },
	{ RETURNED, "killed after the handler", hit_act, "", 0, 0, 0 },
	{ DEFERRED, "killed with deferred calls", hit_deferred, "", -EPIPE,
	    0, 0 },
	{ EMITTING, "killed while it emits", hit_act, "act", -EPIPE, 50, 0 },
	{ BLOCKED_IN_EMIT, "killed while it is blocked in emit",
	    hit_blocked_in_emit, "act", -EPIPE, 10, 10 },
	{ STOPPED, "killed with an unread stop", hit_stopped, "", -EPIPE,
	    0, 0 },
	{ IN_POST_RUN, "killed in post_run", hit_in_post_run, "", 0, 0, 0 },
	{ QUEUED_1000, "killed with 1000 messages unread", hit_queued, "",
	    0, 0, 0 },
	{ BETWEEN_FRAMES, "killed between two of 1000 messages",
	    hit_between_frames, "", -EPIPE, 0, 0 },
	{ FD_IN_FLIGHT, "killed with a descriptor in flight",
	    hit_fd_in_flight, "", -EPIPE, 0, 0 },
	{ GRANDCHILD, "killed with a grandchild that holds the channels",
	    hit_grandchild, "", -EPIPE, 0, 0 },
};
_Static_assert(TEST_COUNT(specs) == POINTS, "each point has a test");

static bool
before_ready(const struct round *r)
{
	return r->spec->point <= READY_HALF_WRITTEN;
}

/* Only a socket takes and gives half of something that small. */
static bool
is_half(const struct spec *spec)
{
	return strstr(spec->name, " half ") != NULL;
}

static void
round_new(struct round *r, const struct spec *spec, enum mproc_launch how)
{
	struct mproc_options opt = {
		.launch = how, .inbox_messages = spec->inbox,
		.channel = is_half(spec) ? MPROC_SOCKET :
		    MPROC_CHANNEL_DEFAULT
	};

	*r = (struct round){ .spec = spec };
	assert_int_equal(pipe2(r->pipe, O_CLOEXEC), 0);
	opt.args = MPROC_PACK(victim_start, .point = (int)spec->point,
	    .pipe = MPROC_FD(r->pipe[1]));
	assert_int_equal(mproc_new(&victim_class, &opt, &r->p), 0);
}

static void
launch(struct round *r)
{
	int64_t since = test_now_ms();
	int code;

	if (!before_ready(r)) {
		assert_int_equal(mproc_start(r->p), 0);
		return;
	}
	ask_echo(r, 10);	/* waits for the start */
	assert_int_equal(mproc_start_nowait(r->p), 0);
	if (r->spec->point == AT_LAUNCH) {
		kill_it(r);
		since = test_now_ms();
	}
	code = mproc_wait_ready(r->p, HANG_MS);
	waited(since);
	if (code != 0 || r->spec->point != AT_LAUNCH)
		assert_int_equal(code, -EPIPE);
}

static void
check_futures(struct round *r)
{
	int wanted = before_ready(r) ? -EPIPE : r->spec->result;
	int64_t since;
	int i;

	/* It may have come so far; but then all the way. */
	if (r->spec->point == AT_LAUNCH &&
	    mproc_future_wait(r->f[0], HANG_MS) == 0 &&
	    mproc_future_result(r->f[0]) == 0)
		wanted = 0;

	for (i = 0; i < r->n; i++) {
		since = test_now_ms();
		assert_int_equal(mproc_future_wait(r->f[i], HANG_MS), 0);
		waited(since);
		assert_int_equal(mproc_future_result(r->f[i]), wanted);
		assert_true((mproc_future_reply(r->f[i]) != NULL) ==
		    (wanted == 0));
	}
	for (i = 0; i < r->n; i++) {	/* once: it stays so */
		assert_int_equal(mproc_future_result(r->f[i]), wanted);
		assert_int_equal(mproc_future_cancel(r->f[i]), -EALREADY);
		r->f[i] = mproc_future_free(r->f[i]);
	}
	r->n = 0;
}

/* All that came before the end comes out, in order, then the end for ever. */
static void
check_items(struct round *r)
{
	const struct victim_item *item;
	struct mproc_msg *msg;
	int n = 0, code;

	while ((code = mproc_recv(r->p, 0, &msg)) == 1) {
		item = mproc_args(msg, victim_item);
		assert_non_null(item);
		if (r->spec->items != ANY)
			assert_int_equal(item->n, n);
		n++;
		mproc_msg_free(msg);
	}
	assert_int_equal(code, -EPIPE);
	assert_int_equal(mproc_recv(r->p, -1, &msg), -EPIPE);
	assert_int_equal(test_poll(mproc_fd(r->p), POLLIN, 0), POLLIN);
	if (r->spec->items != ANY)
		assert_int_equal(n, r->spec->items);
}

static void
check_death(struct round *r)
{
	const struct mproc_death *d;
	int64_t since = test_now_ms();
	struct mproc_stats s;

	assert_int_equal(mproc_wait_stop(r->p, HANG_MS), 0);
	waited(since);
	d = mproc_death(r->p);
	assert_non_null(d);
	assert_true(d->known);
	assert_int_equal(d->signal, SIGKILL);
	assert_int_equal(d->exit_code, -1);
	assert_string_equal(d->command, r->spec->command);
	assert_int_equal(mproc_send(r->p, victim_note), -EPIPE);
	assert_int_equal(mproc_call(r->p, -1, NULL, victim_echo), -EPIPE);
	assert_int_equal(mproc_ping(r->p, -1), -EPIPE);
	assert_int_equal(mproc_kill(r->p), 0);
	chaos_check_accounts(r->p);
	assert_int_equal(mproc_stats(r->p, &s), 0);
	if (r->spec->point == QUEUED_1000)
		assert_int_equal(s.dropped_dead, 1000);
	if (r->spec->point == BETWEEN_FRAMES) {
		assert_in_range(s.handled, 300, 400);
		assert_int_equal(s.dropped_dead, 1001 - s.handled);
	}
}

/* The next generation knows nothing of the last one. */
static void
check_restart(struct round *r)
{
	struct mproc_msg *reply;

	if (before_ready(r) || r->spec->point == IN_POST_RUN)
		return;
	assert_int_equal(mproc_start(r->p), 0);
	assert_int_equal(mproc_send(r->p, victim_note, .n = 5), 0);
	assert_int_equal(mproc_call(r->p, HANG_MS, &reply, victim_sum), 0);
	assert_int_equal(mproc_args(reply, victim_summed)->sum, 5);
	mproc_msg_free(reply);
	assert_int_equal(mproc_call(r->p, HANG_MS, NULL, victim_emit,
	    .count = 5), 0);
	assert_int_equal(mproc_stop(r->p), 0);
	chaos_check_accounts(r->p);
}

static void
one_kill(const struct spec *spec, enum mproc_launch how, bool restart)
{
	struct round r;

	round_new(&r, spec, how);
	launch(&r);
	spec->hit(&r);
	check_futures(&r);
	check_death(&r);
	check_items(&r);
	if (restart)
		check_restart(&r);
	if (r.grandchild > 0) {
		(void)kill(r.grandchild, SIGKILL);
		assert_true(chaos_await(is_gone, &r.grandchild));
	}
	mproc_free(r.p);
	close(r.pipe[0]);
	close(r.pipe[1]);
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
check_waits(int kills)
{
	if (n_waits == 0)
		return;
	qsort(waits, (size_t)n_waits, sizeof(waits[0]), by_size);
	print_message("%d kills: median wait %lld ms, longest %lld ms\n",
	    kills, (long long)waits[n_waits / 2],
	    (long long)waits[n_waits - 1]);
	if (test_on_valgrind())
		return;
	assert_true(waits[n_waits / 2] <= MEDIAN_MS);
	assert_true(n_slow <= 1 + n_waits / 100);
}

static void
killed(void **state)
{
	const struct spec *spec = *state;
	long i, kills = test_count("MPROC_CHAOS_KILLS", 1000);
	long n = (kills + POINTS - 1) / POINTS;
	enum mproc_launch how;

	n_waits = n_slow = 0;
	for (i = 0; i < n; i++) {
		how = i % 12 == 5 ? MPROC_SPAWN :
		    i % 4 == 3 ? MPROC_FORKSERVER : MPROC_FORK;
		if (how == MPROC_SPAWN && test_on_valgrind())
			continue;
		one_kill(spec, how, i % 2 == 0);
	}
	check_waits((int)n);
}

int
main(int argc, char **argv)
{
	struct CMUnitTest tests[POINTS];
	size_t i;

	for (i = 0; i < POINTS; i++)
		tests[i] = (struct CMUnitTest){
			.name = specs[i].name, .test_func = killed,
			.initial_state = (void *)(uintptr_t)&specs[i]
		};
	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
