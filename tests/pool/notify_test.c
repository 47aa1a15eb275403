/*
 * notify_test.c - what reaches a worker while a job runs in it:
 * notifications, the pool's state, the level of its logs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../log/capture.h"
#include "task.h"

MPROC_MESSAGE(bell, ring, (int64_t, n));	/* urgent, as are: */
MPROC_MESSAGE(bell, chime, (int64_t, n));
MPROC_MESSAGE(bell, crack);
/* Until it was rung so often, or is no-go; then a byte into fd. */
MPROC_MESSAGE(bell, hold, (int64_t, rung), (struct mproc_fd, fd));
MPROC_MESSAGE(bell, watch, (struct mproc_fd, fd));
MPROC_MESSAGE(bell, heard);
MPROC_MESSAGE(bell, report, (int64_t, rung), (int64_t, last),
    (int64_t, chimed), (bool, in_order), (int, pid));
MPROC_MESSAGE(bell, debug, (int64_t, rung)); /* log until so often rung */

struct bell {
	struct mproc_backend base;
	_Atomic int64_t	 rung, last, chimed;
	_Atomic bool	 unordered;
};

MPROC_COMMAND(bell, ring)
{
	if (args->n <= self->last)
		self->unordered = true;
	self->last = args->n;
	mproc_log(&self->base, MPROC_DEBUG, "ring %lld%s",
	    (long long)args->n, mproc_canceled(req) ? ", no-go" : "");
	self->rung++;
	return 0;
}

MPROC_COMMAND(bell, chime)
{
	self->chimed += args->n;
	return mproc_reply(req, bell_heard);	/* goes nowhere */
}

MPROC_COMMAND(bell, crack)
{
	return mproc_fail(req, -EDOM, "cracked");
}

static int
report(struct bell *self, struct mproc_request *req)
{
	return mproc_reply(req, bell_report, .rung = self->rung,
	    .last = self->last, .chimed = self->chimed,
	    .in_order = !self->unordered, .pid = getpid());
}

/* To whoever has the other end, without a word to the pool. */
static void
signal_end(const struct mproc_fd *fd)
{
	if (fd->present && write(fd->fd, "x", 1) != 1)
		abort();
}

MPROC_COMMAND(bell, hold)
{
	while (self->rung < args->rung)
		;
	signal_end(&args->fd);
	return report(self, req);
}

MPROC_COMMAND(bell, watch)
{
	(void)mproc_yield(req, bell_heard);	/* it runs */
	while (mproc_going(&self->base))
		;
	signal_end(&args->fd);
	return report(self, req);
}

MPROC_COMMAND(bell, heard)
{
	return report(self, req);
}

MPROC_COMMAND(bell, debug)
{
	while (self->rung < args->rung)
		mproc_log(&self->base, MPROC_DEBUG, "ding %lld",
		    (long long)args->rung);
	return report(self, req);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(bell, ring, "count", .urgent = true),
	MPROC_HANDLER(bell, chime, "sum up", .urgent = true),
	MPROC_HANDLER(bell, crack, "fail", .urgent = true),
	MPROC_HANDLER(bell, hold, "run until it was rung so often"),
	MPROC_HANDLER(bell, watch, "run until it is no-go"),
	MPROC_HANDLER(bell, heard, "what it was told"),
	MPROC_HANDLER(bell, debug, "log until it was rung so often"),
};

static const struct mproc_class bell_class = MPROC_CLASS("Bell", bell,
    handlers);

static struct mproc_pool *
bell_pool(struct mproc_pool_options o)
{
	struct mproc_pool *pool = NULL;

	if (o.process.launch == MPROC_AUTO)
		o.process.launch = task_launch();
	o.fifo = true;		/* so that n jobs come to n workers */
	if (mproc_pool_new(&bell_class, &o, &pool) < 0 ||
	    mproc_pool_start(pool) < 0)
		fail_msg("bell pool: %s", mproc_errmsg(NULL));
	return pool;
}

/* What the next worker has to say. */
static struct bell_report
heard(struct mproc_pool *pool)
{
	struct mproc_msg *reply = NULL;
	struct bell_report r;

	assert_int_equal(mproc_pool_call(pool, SOON * task_slow(), &reply,
	    bell_heard), 0);
	r = *mproc_args(reply, bell_report);
	mproc_msg_free(reply);
	return r;
}

/* Until every worker has been rung so often. */
static void
await_rung(struct mproc_pool *pool, int workers, int64_t rung)
{
	struct mproc_future *f[8];
	int i;

	for (i = 0; i < workers; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    bell_hold, .rung = rung), 0);
	for (i = 0; i < workers; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
}

static void
pm34_two_kinds_two_handlers(void **state)
{
	struct mproc_pool *pool = bell_pool((struct mproc_pool_options){
	    .workers = 2 });
	struct bell_report r;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_notify(pool, SOON, bell_chime, .n = 5),
	    2);
	assert_int_equal(mproc_pool_notify(pool, SOON, bell_chime, .n = 7),
	    2);
	assert_int_equal(mproc_pool_notify(pool, SOON, bell_ring, .n = 9),
	    2);
	await_rung(pool, 2, 1);
	for (i = 0; i < 2; i++) {
		r = heard(pool);
		assert_int_equal(r.rung, 1);
		assert_int_equal(r.last, 9);
		assert_int_equal(r.chimed, 12);
	}
	task_finish(pool);
}

static void
pm34_what_is_refused(void **state)
{
	static const struct mproc_handler twice[] = {
		MPROC_HANDLER(bell, ring, "a", .urgent = true),
		MPROC_HANDLER(bell, ring, "b", .urgent = true),
	};
	static const struct mproc_handler replies[] = {
		MPROC_HANDLER(bell, ring, "a", .urgent = true,
		    .reply = MPROC_SCHEMA(bell_report)),
	};
	static const struct mproc_class doubled = MPROC_CLASS("Bell", bell,
	    twice), answers = MPROC_CLASS("Bell", bell, replies);
	struct mproc_pool *pool;

	(void)state;
	assert_int_equal(mproc_pool_new(&doubled, NULL, &pool), -EEXIST);
	assert_int_equal(mproc_pool_new(&answers, NULL, &pool), -EINVAL);
	pool = bell_pool((struct mproc_pool_options){ .workers = 1 });
	/* a notification is no job, and nothing else is one */
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, bell_ring, .n = 1),
	    -EINVAL);
	assert_int_equal(mproc_pool_put(pool, 0, bell_ring, .n = 1), -EINVAL);
	assert_int_equal(mproc_pool_notify(pool, 0, bell_report), -ENOSYS);
	assert_int_equal(heard(pool).rung, 0);
	task_finish(pool);
}

static void
pm35_all_get_all_in_order(void **state)
{
	struct mproc_pool *pool = bell_pool((struct mproc_pool_options){
	    .workers = 4 });
	struct bell_report r;
	int i, n = test_on_valgrind() ? 100 : 1000;

	(void)state;
	for (i = 1; i <= n; i++)
		assert_int_equal(mproc_pool_notify(pool, SOON * task_slow(),
		    bell_ring, .n = i), 4);
	await_rung(pool, 4, n);
	for (i = 0; i < 4; i++) {
		r = heard(pool);
		assert_int_equal(r.rung, n);
		assert_int_equal(r.last, n);
		assert_true(r.in_order);
	}
	task_finish(pool);
}

static void
pm35_refusals_send_nothing(void **state)
{
	struct mproc_pool *pool;
	struct mproc_pool_options o = {
		.workers = 1, .process.launch = task_launch()
	};
	int64_t n = 0, begun;
	int r, pid;

	(void)state;
	assert_int_equal(mproc_pool_new(&bell_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_notify(pool, SOON, bell_ring, .n = 1),
	    -ENOTCONN);
	assert_int_equal(mproc_pool_start(pool), 0);
	pid = heard(pool).pid;
	task_stop_still(pid);
	while ((r = mproc_pool_notify(pool, 0, bell_ring, .n = n + 1)) == 1)
		n++;
	assert_int_equal(r, -EAGAIN);
	begun = task_now_ms();
	assert_int_equal(mproc_pool_notify(pool, 5, bell_ring, .n = n + 1),
	    -ETIMEDOUT);
	assert_true(task_now_ms() - begun >= 5);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(mproc_pool_notify(pool, SOON * task_slow(),
	    bell_ring, .n = n + 1), 1);
	await_rung(pool, 1, n + 1);
	assert_int_equal(heard(pool).rung, n + 1);
	assert_true(heard(pool).in_order);
	task_finish(pool);
}

/*
 * A byte comes, while nobody moves the pool.  How soon is printed, as there
 * are machines that have other things to do.
 */
static void
await_byte(const char *what, int fd)
{
	int64_t begun = task_now_ms();
	char byte;

	assert_int_equal(test_poll(fd, POLLIN, SOON * task_slow()), POLLIN);
	print_message("%s within %d ms\n", what,
	    (int)(task_now_ms() - begun) + 1);
	assert_int_equal(read(fd, &byte, 1), 1);
}

static void
pm36_handled_while_a_job_runs(void **state)
{
	/* in a process, and in a thread of this one */
	const enum mproc_launch where[] = { MPROC_FORKSERVER, MPROC_THREAD };
	struct mproc_pool *pool;
	struct mproc_future *f;
	int fd[2];
	size_t i;

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	for (i = 0; i < 2; i++) {
		pool = bell_pool((struct mproc_pool_options){ .workers = 1,
		    .process.launch = where[i] });
		/* it would never end, were this handled after it */
		assert_int_equal(mproc_pool_submit(pool, SOON, &f, bell_hold,
		    .rung = 1, .fd = MPROC_FD(fd[1])), 0);
		assert_int_equal(mproc_pool_notify(pool, SOON, bell_ring,
		    .n = 1), 1);
		await_byte("handled", fd[0]);
		assert_int_equal(task_result(f), 0);
		mproc_future_free(f);
		task_finish(pool);
	}
	close(fd[0]);
	close(fd[1]);
}

static void
pm36_a_process_without_a_pool(void **state)
{
	struct mproc_options o = { .launch = task_launch() };
	struct mproc_future *f;
	struct mproc *p;
	int64_t n = 1;
	int r;

	(void)state;
	assert_int_equal(mproc_new(&bell_class, &o, &p), 0);
	assert_int_equal(mproc_notify(p, 0, bell_ring, .n = 1), -ENOTCONN);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_send(p, bell_ring, .n = 1), -EINVAL);
	assert_int_equal(mproc_notify(p, 0, bell_heard), -EINVAL);
	assert_int_equal(mproc_ask(p, -1, &f, bell_hold, .rung = 1), 0);
	assert_int_equal(mproc_notify(p, 0, bell_ring, .n = n), 0);
	assert_int_equal(task_result(f), 0);
	mproc_future_free(f);
	task_stop_still(mproc_pid(p));
	while ((r = mproc_notify(p, 0, bell_ring, .n = n + 1)) == 0)
		n++;
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(mproc_notify(p, 5, bell_ring, .n = n + 1),
	    -ETIMEDOUT);
	assert_int_equal(kill(mproc_pid(p), SIGCONT), 0);
	assert_int_equal(mproc_notify(p, SOON * task_slow(), bell_ring,
	    .n = n + 1), 0);
	assert_int_equal(mproc_ask(p, -1, &f, bell_hold, .rung = n + 1), 0);
	assert_int_equal(task_result(f), 0);
	assert_true(mproc_args(mproc_future_reply(f),
	    bell_report)->in_order);
	mproc_future_free(f);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_notify(p, 0, bell_ring, .n = 1), -EPIPE);
	mproc_free(p);
}

static void
pm37_a_failing_handler_harms_nothing(void **state)
{
	struct mproc_pool *pool = bell_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct capture c;
	int id = add_capture("", MPROC_WARNING, &c);

	(void)state;
	assert_int_equal(mproc_pool_notify(pool, SOON, bell_crack), 1);
	assert_int_equal(mproc_pool_notify(pool, SOON, bell_ring, .n = 1),
	    1);
	await_rung(pool, 1, 1);
	assert_int_equal(heard(pool).rung, 1);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.text[0], "c__crack failed: cracked (EDOM)");
	assert_string_equal(c.name[0], "Bell.Bell-1");
	assert_int_equal(mproc_log_remove_sink(id), 0);
	task_finish(pool);
}

static void
pm28_no_go_is_seen_at_once(void **state)
{
	struct mproc_pool *pool = bell_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;
	struct mproc_msg *item;
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, bell_watch,
	    .fd = MPROC_FD(fd[1])), 0);
	assert_int_equal(mproc_future_next(f, SOON * task_slow(), &item), 1);
	mproc_msg_free(item);
	assert_int_equal(mproc_pool_set_going(pool, false), 0);
	assert_int_equal(mproc_pool_set_going(pool, false), 0);
	await_byte("seen", fd[0]);
	assert_int_equal(task_result(f), 0);
	mproc_future_free(f);
	task_finish(pool);
	close(fd[0]);
	close(fd[1]);
}

/* Until so many records have come. */
static void
await_records(struct mproc_pool *pool, const struct capture *c, int n)
{
	int64_t end = task_now_ms() + SOON * task_slow();

	while (c->n < n && task_now_ms() < end)
		(void)mproc_pool_dispatch(pool, 10);
	assert_int_equal(c->n, n);
}

static void
pm39_state_and_notifications_in_order(void **state)
{
	struct mproc_pool *pool = bell_pool((struct mproc_pool_options){
	    .workers = 1, .process.log_level = MPROC_DEBUG });
	struct capture c;
	int id = add_capture("", MPROC_DEBUG, &c), i;

	(void)state;
	assert_int_equal(mproc_log_set_level("", MPROC_DEBUG), 0);
	for (i = 1; i <= 3; i++) {
		assert_int_equal(mproc_pool_notify(pool, SOON, bell_ring,
		    .n = i), 1);
		await_records(pool, &c, i);
		assert_int_equal(mproc_pool_set_going(pool, i == 2), 0);
	}
	assert_string_equal(c.text[0], "ring 1");
	assert_string_equal(c.text[1], "ring 2, no-go");
	assert_string_equal(c.text[2], "ring 3");
	assert_int_equal(mproc_log_remove_sink(id), 0);
	task_finish(pool);
}

/* How many of what was captured say this. */
static int
said(const struct capture *c, const char *text)
{
	int i, n = 0;

	for (i = 0; i < c->n && i < CAPTURE_MAX; i++)
		n += strcmp(c->text[i], text) == 0;
	return n;
}

static void
pm38_a_level_silences_at_once(void **state)
{
	struct mproc_pool *pool = bell_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_future *f;
	struct capture c;
	int id = add_capture("", MPROC_DEBUG, &c), i;
	bool loud;

	(void)state;
	assert_int_equal(mproc_log_set_level("", MPROC_DEBUG), 0);
	assert_int_equal(mproc_pool_set_log_level(pool, (enum mproc_level)9),
	    -EINVAL);
	for (i = 1; i <= 3; i++) {
		loud = i == 2;
		assert_int_equal(mproc_pool_set_log_level(pool, loud ?
		    MPROC_DEBUG : MPROC_WARNING), 0);
		memset(&c, 0, sizeof(c));
		assert_int_equal(mproc_pool_submit(pool, SOON, &f, bell_debug,
		    .rung = i), 0);
		while (loud && c.n == 0)
			(void)mproc_pool_dispatch(pool, 10);
		(void)mproc_pool_dispatch(pool, 10);
		assert_int_equal(mproc_pool_notify(pool, SOON, bell_ring,
		    .n = i), 1);
		assert_int_equal(task_result(f), 0);
		mproc_future_free(f);
		assert_int_equal(said(&c, "ding 1") + said(&c, "ding 3"), 0);
	}
	assert_int_equal(mproc_log_remove_sink(id), 0);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pm34_two_kinds_two_handlers),
		cmocka_unit_test(pm34_what_is_refused),
		cmocka_unit_test(pm35_all_get_all_in_order),
		TASK_NOT_THREADS(pm35_refusals_send_nothing, TASK_KILLS),
		cmocka_unit_test(pm36_handled_while_a_job_runs),
		TASK_NOT_THREADS(pm36_a_process_without_a_pool, TASK_KILLS),
		LOG_TEST(pm37_a_failing_handler_harms_nothing),
		cmocka_unit_test(pm28_no_go_is_seen_at_once),
		LOG_TEST(pm39_state_and_notifications_in_order),
		LOG_TEST(pm38_a_level_silences_at_once),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
