/*
 * The callbacks of calls' futures: made by whatever call of the process takes
 * the reply in, once, in the order of completion, without its lock.
 */
#include <errno.h>
#include <poll.h>

#include "fixture.h"

struct done {
	struct mproc *p;
	struct mproc_future *f;
	int	*n_done;	/* of all */
	int	calls;
	int	at;		/* its place in the order */
	int	result;
};

static void
on_done(struct mproc_future *f, void *arg)
{
	struct done *d = arg;

	assert_ptr_equal(f, d->f);
	d->at = (*d->n_done)++;
	d->calls++;
	d->result = mproc_future_result(f);
	assert_true(mproc_pid(d->p) >= 0);	/* it is not locked */
	d->f = mproc_future_free(f);
}

/* A call that is answered when the next probe_release is handled. */
static void
ask(struct done *d, struct mproc *p, int *n_done)
{
	*d = (struct done){ .p = p, .n_done = n_done };
	assert_int_equal(mproc_ask(p, -1, &d->f, probe_hold, .n = 1), 0);
	assert_int_equal(mproc_future_on_done(d->f, on_done, d), 0);
}

static void
is_done(const struct done *d, int at, int result)
{
	assert_int_equal(d->calls, 1);
	assert_int_equal(d->at, at);
	assert_int_equal(d->result, result);
	assert_null(d->f);
}

static void
vk29_done_in_a_call_in_order(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct done d[3];
	int i, n = 0;

	for (i = 0; i < 3; i++)
		ask(&d[i], p, &n);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_release,
	    .reversed = true), 0);
	for (i = 0; i < 3; i++)
		is_done(&d[i], 2 - i, 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_release), 0);
	assert_int_equal(n, 3);
	fix_finish(p);
}

static void
vk29_done_in_recv(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	int64_t end = test_now_ms() + SOON;
	struct pollfd pfd = { mproc_fd(p), POLLIN, 0 };
	struct mproc_msg *msg;
	struct done d;
	int n = 0;

	ask(&d, p, &n);
	assert_int_equal(mproc_send(p, probe_release), 0);
	while (n == 0 && test_now_ms() < end) {
		assert_true(poll(&pfd, 1, SOON) == 1 || n == 1);
		assert_int_equal(mproc_recv(p, 0, &msg), 0);
	}
	is_done(&d, 0, 0);
	fix_finish(p);
}

/* A pong may overtake the reply: not the one after it was handled. */
static void
vk29_done_in_ping(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	int64_t end = test_now_ms() + SOON;
	struct done d;
	int n = 0;

	ask(&d, p, &n);
	assert_int_equal(mproc_send(p, probe_release), 0);
	while (n == 0 && test_now_ms() < end)
		assert_int_equal(mproc_ping(p, SOON), 0);
	is_done(&d, 0, 0);
	fix_finish(p);
}

/* What is never answered ends with the process, and says so then. */
static void
vk29_done_in_stop(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct done d[2];
	int n = 0;

	ask(&d[0], p, &n);
	ask(&d[1], p, &n);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(n, 2);
	assert_int_equal(d[0].calls + d[1].calls, 2);
	assert_true(d[0].result < 0 && d[1].result < 0);
	mproc_free(p);
}

static void
vk29_done_at_death(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct done d;
	int n = 0;

	ask(&d, p, &n);
	assert_int_equal(mproc_send(p, probe_die, .status = 3), 0);
	assert_int_equal(mproc_wait_stop(p, SOON), 0);
	is_done(&d, 0, -EPIPE);
	mproc_free(p);
}

/* Freed with its process, in which it then may look once more. */
static void
vk29_done_in_free(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_mode = MPROC_NOW });
	struct done d;
	int n = 0;

	ask(&d, p, &n);
	mproc_free(p);
	assert_int_equal(d.calls, 1);
	assert_true(d.result < 0);
}

static void
free_process(struct mproc_future *f, void *arg)
{
	struct mproc **p = arg;

	mproc_future_free(f);
	*p = mproc_free(*p);
}

/* The callback may free what was called. */
static void
the_process_is_freed_in_the_callback(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_future *f;
	struct mproc_msg *reply;

	assert_int_equal(mproc_ask(p, -1, &f, probe_hold, .n = 1), 0);
	assert_int_equal(mproc_future_on_done(f, free_process, &p), 0);
	assert_int_equal(mproc_call(p, SOON, &reply, probe_release), 0);
	assert_null(p);
	mproc_msg_free(reply);
}

struct forwarder {
	struct mproc_pool *pool;
	struct mproc_future *job[2];
	int	 n;
};

static void
submit(struct mproc_future *f, void *arg)
{
	struct forwarder *w = arg;

	mproc_future_free(f);
	assert_int_equal(mproc_pool_submit(w->pool, SOON, &w->job[w->n],
	    probe_silent), 0);
	w->n++;
}

/* Two are due: the second is not called where the first has a pool locked. */
static void
a_callback_uses_a_pool(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct forwarder w = { .n = 0 };
	struct mproc_future *f;
	int i;

	assert_int_equal(mproc_pool_new(&probe_class,
	    &(struct mproc_pool_options){ .workers = 1 }, &w.pool), 0);
	assert_int_equal(mproc_pool_start(w.pool), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(mproc_ask(p, -1, &f, probe_hold, .n = i), 0);
		assert_int_equal(mproc_future_on_done(f, submit, &w), 0);
	}
	assert_int_equal(mproc_call(p, SOON, NULL, probe_release), 0);
	assert_int_equal(w.n, 2);
	for (i = 0; i < 2; i++) {
		assert_int_equal(mproc_future_wait(w.job[i], SOON), 0);
		mproc_future_free(w.job[i]);
	}
	mproc_pool_free(w.pool);
	fix_finish(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(vk29_done_in_a_call_in_order),
		FIX_ALL(vk29_done_in_recv),
		FIX_ALL(vk29_done_in_ping),
		FIX_ALL(vk29_done_in_stop),
		FIX_PROCESSES(vk29_done_at_death),
		FIX_ALL(vk29_done_in_free),
		FIX_ALL(the_process_is_freed_in_the_callback),
		FIX_ALL(a_callback_uses_a_pool),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
