/*
 * pool_fail_test.c - a pool in which something fails: an allocation, a
 * system call, or for want of descriptors.  Each step works or says why, no
 * future hangs, the accounts add up, and afterwards the pool is as good as
 * new.
 */
#include "../pool/task.h"

#include <sys/resource.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS	6

struct life {
	enum mproc_launch how;
	const char *what;	/* is made to fail */
	struct mproc_pool *pool;
	struct mproc_future *f[JOBS];
	char	 text[600];	/* what failed, with which code */
	int	 codes[64];	/* the same */
	int	 n_codes;
};

static int init_argc;
static char **init_argv;

static void
note(struct life *l, const char *what, int code)
{
	size_t len = strlen(l->text);

	if (code >= 0 || l->n_codes == TEST_COUNT(l->codes))
		return;
	l->codes[l->n_codes++] = code;
	(void)snprintf(l->text + len, sizeof(l->text) - len, "%s %s; ", what,
	    strerrorname_np(-code));
}

static int
source(void *arg, struct mproc_msg **ret_msg)
{
	int *left = arg, r;

	if ((*left)-- <= 0)
		return 0;
	if ((r = mproc_msg_new("square", ret_msg)) < 0)
		return r;
	(void)mproc_msg_set_int(*ret_msg, "n", *left);
	return 1;
}

static int
on_finish(struct mproc_msg **reply, void *arg)
{
	(void)reply;
	++*(int *)arg;
	return 0;
}

static void
submit_some(struct life *l)
{
	static const struct mproc_job_handler h = { .finish = on_finish };
	int finished = 0, i, r;
	struct mproc_job job = { .handler = &h, .arg = &finished, .key = 3,
	    .timeout_ms = SOON };
	struct mproc_msg *item;

	for (i = 0; i < JOBS; i++) {
		l->f[i] = NULL;
		r = i == JOBS - 1 ? mproc_pool_submit(l->pool, SOON,
		    &l->f[i], task_count, .n = 3) :
		    mproc_pool_submit_job(l->pool, SOON, i % 2 ? &job : NULL,
		    &l->f[i], task_square, .n = i);
		note(l, "submit", r);
	}
	if (l->f[0] != NULL && (r = mproc_future_fd(l->f[0])) < 0)
		note(l, "future fd", r);
	if (l->f[JOBS - 1] != NULL)
		while ((r = mproc_future_next(l->f[JOBS - 1], SOON,
		    &item)) == 1)
			mproc_msg_free(item);
	for (i = 0; i < JOBS; i++) {
		if (l->f[i] == NULL)
			continue;
		r = mproc_future_wait(l->f[i], SOON * task_slow());
		if (r < 0)
			fail_msg("%s: future %d hangs: %s", l->what, i,
			    l->text);
		note(l, "job", mproc_future_result(l->f[i]));
		l->f[i] = mproc_future_free(l->f[i]);
	}
}

static void
get_all(struct life *l)
{
	struct mproc_result r;
	int i, code = 0;

	for (i = 0; i < 20 && code != -ENODATA; i++) {
		code = mproc_pool_get(l->pool, SOON * task_slow(), &r);
		if (code == 1) {
			note(l, "result", r.code);
			mproc_msg_free(r.reply);
		} else if (code != -ENODATA) {
			note(l, "get", code);
		}
	}
	assert_int_equal(code, -ENODATA);
}

static void
put_some(struct life *l)
{
	struct task_square in[5] = { { .n = 1 } };
	struct mproc_result out[5] = { { .index = 0 } };
	struct mproc_stream *stream = NULL;
	int left = 3, i;

	note(l, "feed", mproc_pool_feed(l->pool, source, &left, NULL));
	for (i = 0; i < 3; i++)
		note(l, "put", mproc_pool_put(l->pool, SOON, task_square,
		    .n = i));
	get_all(l);
	note(l, "map", mproc_pool_map(l->pool, task_square, in, 5, NULL,
	    out));
	mproc_results_free(out, 5);
	left = 3;
	note(l, "stream", mproc_pool_stream(l->pool, source, &left, NULL,
	    &stream));
	for (i = 0; i < 5 && stream != NULL; i++) {
		struct mproc_result r = { .index = 0 };

		note(l, "next", mproc_stream_next(stream, SOON * task_slow(),
		    &r));
		note(l, "its result", r.code);
		mproc_msg_free(r.reply);
	}
	mproc_stream_free(stream);
}

static void
on_record(const struct mproc_log_record *rec, void *arg)
{
	(void)rec;
	(void)arg;
}

/* All that a pool does, as far as it goes. */
static void
life_run(struct life *l)
{
	struct mproc_sink sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT,
	    on_record, NULL);
	struct mproc_pool_options o = {
		.workers = 2, .prefetch = 2, .ordered = true,
		.process.launch = l->how, .process.stop_grace_ms = 500,
		.process.args = MPROC_PACK(task_start, .delay_ms = 0)
	};
	int r;

	if ((r = mproc_pool_new(&task_class, &o, &l->pool)) < 0) {
		note(l, "new", r);
		return;
	}
	note(l, "capture", mproc_pool_log_capture(l->pool, "Task", &sink,
	    true));
	note(l, "start", mproc_pool_start(l->pool));
	if (l->n_codes > 0 && (r = mproc_pool_start(l->pool)) < 0 &&
	    r != -EALREADY)
		return;		/* it fails for ever */
	if ((r = mproc_pool_fd(l->pool)) < 0)
		note(l, "fd", r);
	submit_some(l);
	put_some(l);
	r = mproc_pool_notify(l->pool, SOON, task_tell, .n = 1);
	note(l, "notify", r);
	note(l, "call", mproc_pool_call(l->pool, SOON, NULL, task_say,
	    .level = MPROC_INFO, .text = "hello"));
	task_law(l->pool, NULL);
	note(l, "stop", mproc_pool_stop(l->pool, SOON));
}

/* Nothing fails any more. */
static void
life_end(struct life *l)
{
	struct mproc_result r;

	if (l->pool == NULL)
		return;
	/* the fork server may be gone: that takes another one */
	assert_int_equal(mproc_init(init_argc, init_argv), 0);
	assert_int_equal(mproc_pool_terminate(l->pool), 0);
	task_law(l->pool, NULL);
	while (mproc_pool_get(l->pool, 0, &r) == 1)
		mproc_msg_free(r.reply);
	if (mproc_pool_start(l->pool) < 0)
		fail_msg("start again: %s (after %s)", mproc_errmsg(NULL),
		    l->text);
	assert_int_equal(mproc_pool_call(l->pool, SOON, NULL, task_square,
	    .n = 2), 0);
	task_finish(l->pool);
}

static void
check_codes(const struct life *l, const char *what, const int *may, int n)
{
	int i, j;

	for (i = 0; i < l->n_codes; i++) {
		for (j = 0; j < n && may[j] != l->codes[i]; j++)
			;
		if (j == n)
			fail_msg("%s: %s", what, l->text);
	}
}

/* One life, in which `what` fails; did it? */
static bool
one_life(struct life *l, const char *what, bool (*done)(void),
    const int *may, int n_may)
{
	int64_t since = test_now_ms();
	int fds = test_open_fds();
	bool failed;

	l->what = what;
	life_run(l);
	failed = done();
	if (getenv("CHAOS_TELL") != NULL)
		print_message("%s: %s\n", what, l->text);
	if (!failed && l->n_codes > 0)
		fail_msg("nothing failed, but %s: %s", what, l->text);
	check_codes(l, what, may, n_may);
	life_end(l);
	if (test_now_ms() - since > SOON)
		fail_msg("%s took %lld ms: %s", what,
		    (long long)(test_now_ms() - since), l->text);
	assert_int_equal(test_open_fds(), fds);
	return failed;
}

static void
an_allocation_fails(void **state)
{
	/* -EPIPE: a reply or a death could not be read */
	static const int may[] = { -ENOMEM, -EPIPE, -ECHILD };
	enum mproc_launch how = *(enum mproc_launch *)*state;
	unsigned n = 1000000, live;
	unsigned step = (unsigned)(24 / test_count(NULL,
	    how == MPROC_FORK ? 24 : 8));
	char what[64];
	bool failed;

	for (;;) {
		struct life l = { .how = how };

		live = test_alloc_live();
		(void)snprintf(what, sizeof(what), "allocation %u", n);
		test_fail_alloc(n);
		failed = one_life(&l, what, test_fail_done, may, 3);
		/* the first life allocates what stays, such as loggers */
		if (n < 1000000 && how != MPROC_THREAD)
			assert_int_equal(test_alloc_live(), live);
		if (n < 1000000 && !failed)
			break;
		n = n == 1000000 ? 1 : n + step;
	}
	print_message("%u allocations\n", n - 1);
	assert_true(n > 20);
}

struct call {
	const char *name;
	int	 error;
	int	 also;		/* what it may lead to */
};

static const struct call calls[] = {
	{ "epoll_create1", EMFILE, 0 }, { "epoll_ctl", ENOMEM, 0 },
	{ "epoll_wait", EINTR, 0 }, { "eventfd", EMFILE, 0 },
	{ "fcntl", EMFILE, EBADF }, { "fork", EAGAIN, 0 },
	{ "memfd_create", EMFILE, 0 }, { "mmap", ENOMEM, 0 },
	{ "read", EINTR, 0 }, { "recv", EINTR, 0 },
	{ "recvmsg", ENOMEM, 0 }, { "recvmsg", ECONNRESET, EPIPE },
	{ "send", ENOBUFS, EPIPE }, { "sendmsg", EPIPE, 0 },
	{ "sendmsg", ETOOMANYREFS, EAGAIN }, { "socketpair", EMFILE, 0 },
	{ "timerfd_create", EMFILE, 0 }, { "timerfd_settime", EINVAL, 0 },
	{ "write", EINTR, 0 }
};

/*
 * Who seems to have closed its end is given a second to end; a fork server
 * is given up.
 */
static unsigned
how_many(enum mproc_launch how, int error)
{
	if (error == EPIPE || error == ECONNRESET)
		return how == MPROC_FORK;
	return (unsigned)test_count(NULL, how == MPROC_FORK ? 12 : 6);
}

static void
a_call_fails(void **state)
{
	enum mproc_launch how = *(enum mproc_launch *)*state;
	unsigned n, total = 0;
	const struct call *c;
	char what[64];

	for (c = calls; c < calls + TEST_COUNT(calls); c++) {
		const int may[] = { -c->error, -c->also, -EPIPE, -ENOMEM,
		    -ECHILD, -EMFILE };

		for (n = 1; n <= how_many(how, c->error); n++) {
			struct life l = { .how = how };

			(void)snprintf(what, sizeof(what), "%s %u %s",
			    c->name, n, strerrorname_np(c->error));
			test_fail_sys(c->name, n, c->error);
			if (!one_life(&l, what, test_fail_sys_done, may, 6))
				break;
			total++;
		}
	}
	print_message("%u failures\n", total);
	assert_true(total > 10);
}

static rlim_t enough;

static void
set_limit(rlim_t n)
{
	struct rlimit lim;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

static bool
restore_limit(void)
{
	set_limit(enough);
	return true;
}

static void
few_descriptors(void **state)
{
	/* a reply whose descriptors are lost ends with it, too */
	static const int may[] = { -EMFILE, -ECHILD, -EPIPE };
	enum mproc_launch how = *(enum mproc_launch *)*state;
	struct rlimit old;
	char what[64];
	int n, first = 0;

	if (test_on_valgrind())		/* it takes some for itself */
		skip();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	enough = old.rlim_cur;
	for (n = 8; n <= 64 && first == 0; n += 64 / (int)test_count(NULL, 64)) {
		struct life l = { .how = how };

		(void)snprintf(what, sizeof(what), "%d descriptors", n);
		set_limit((rlim_t)n);
		(void)one_life(&l, what, restore_limit, may, 3);
		if (l.n_codes == 0)
			first = n;
	}
	print_message("works with %d descriptors\n", first);
	assert_in_range(first, 9, 64);
}

static enum mproc_launch ways[] = {
	MPROC_FORK, MPROC_FORKSERVER, MPROC_THREAD
};

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "an allocation fails (fork)", an_allocation_fails, NULL,
		    NULL, &ways[0] },
		{ "an allocation fails (fork server)", an_allocation_fails,
		    NULL, NULL, &ways[1] },
		{ "an allocation fails (thread)", an_allocation_fails, NULL,
		    NULL, &ways[2] },
		{ "a call fails (fork)", a_call_fails, NULL, NULL, &ways[0] },
		{ "a call fails (fork server)", a_call_fails, NULL, NULL,
		    &ways[1] },
		{ "few descriptors (fork)", few_descriptors, NULL, NULL,
		    &ways[0] },
		{ "few descriptors (fork server)", few_descriptors, NULL,
		    NULL, &ways[1] },
	};

	init_argc = argc;
	init_argv = argv;
	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
