/*
 * sys_test.c - every system call fails once, with each errno that it may
 * have: in the frontend, in the backend, and in both (as a thread).
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "victim.h"

#define HANG_MS	10000
#define MOST	30	/* the n-th call of a name, at most */

struct call {
	const char *name;
	int	 codes[8];	/* ended by 0 */
};

static const struct call calls[] = {
	{ "epoll_create1", { EMFILE, ENFILE, ENOMEM } },
	{ "epoll_ctl", { ENOMEM, ENOSPC } },
	{ "epoll_wait", { EINTR } },
	{ "eventfd", { EMFILE, ENFILE, ENOMEM } },
	{ "fcntl", { EMFILE } },
	{ "fork", { EAGAIN, ENOMEM } },
	{ "ftruncate", { ENOSPC } },
	{ "memfd_create", { EMFILE, ENFILE, ENOMEM } },
	{ "mmap", { ENOMEM, EAGAIN } },
	{ "pipe2", { EMFILE, ENFILE } },
	{ "poll", { EINTR, ENOMEM } },
	{ "read", { EINTR, EAGAIN } },
	{ "recv", { EINTR, EAGAIN, ENOMEM } },
	{ "recvmsg", { EINTR, EAGAIN, ENOMEM, ENOBUFS, ECONNRESET } },
	{ "send", { EINTR, EAGAIN, ENOMEM, ENOBUFS, EPIPE, ECONNRESET } },
	{ "sendmsg", { EINTR, EAGAIN, ENOMEM, ENOBUFS, EPIPE, ETOOMANYREFS,
	    EMFILE } },
	{ "socketpair", { EMFILE, ENFILE, ENOMEM } },
	{ "timerfd_create", { EMFILE, ENFILE, ENOMEM } },
	{ "timerfd_settime", { EINVAL } },
	{ "write", { EINTR, EAGAIN } },
};

/* What a step may give when a call gave this. */
static bool
is_plausible(const struct scenario *s, const char *name, int error)
{
	bool is_io = strcmp(name, "fork") != 0 && strcmp(name, "mmap") != 0;

	const int codes[] = { -error, -ENOMEM, -EPIPE, 0 };
	const int later[] = { -EAGAIN, 0 };
	/* fcntl(2) is how a descriptor is found to be none */
	const int lost[] = { -error, -EMFILE, -EPIPE, -EBADF, 0 };
	const int *may = error == EMFILE || error == ENFILE ? lost : codes;

	/* A start may be told to wait until others have taken theirs. */
	if (error == ETOOMANYREFS)
		may = later;
	/* A call that is to be tried again is. */
	if (is_io && (error == EINTR || error == EAGAIN))
		may = codes + 2;
	return scenario_unexpected(s, may) < 0;
}

static bool
one_failure(enum mproc_launch how, const char *name, int error, unsigned n)
{
	struct scenario s = { .how = how, .wait_ms = HANG_MS };
	int64_t since = test_now_ms();
	int fds = test_open_fds();
	bool failed;

	test_fail_sys(name, n, error);
	scenario_run(&s);
	failed = test_fail_sys_done();
	if (getenv("CHAOS_TELL") != NULL)
		print_message("%s %u %s: %s\n", name, n,
		    strerrorname_np(error), scenario_text(&s));
	if (!is_plausible(&s, name, error) ||
	    (!failed && scenario_text(&s)[0] != '\0'))
		fail_msg("%s %u %s: %s", name, n, strerrorname_np(error),
		    scenario_text(&s));
	scenario_end(&s);
	if (test_now_ms() - since >= HANG_MS)
		fail_msg("%s %u %s: a hang: %s", name, n,
		    strerrorname_np(error), scenario_text(&s));
	assert_int_equal(test_open_fds(), fds);
	return failed;
}

/*
 * Who seems to have closed its end is given a second to end, which is too
 * long for more than a few.
 */
static unsigned
how_many(enum mproc_launch how, int error)
{
	if (error != EPIPE && error != ECONNRESET)
		return (unsigned)test_count(NULL, MOST);
	return how == MPROC_FORK || how == MPROC_THREAD;
}

/* All, or, where a sanitizer makes everything slow, the first. */
static bool
is_tried(const struct call *c, const int *error)
{
	return *error != 0 && error - c->codes < test_count(NULL, 8);
}

static void
a_call_fails(void **state)
{
	enum mproc_launch how = *(enum mproc_launch *)*state;
	unsigned n, total = 0;
	const struct call *c;
	const int *error;

	if (how == MPROC_SPAWN && test_on_valgrind())
		skip();
	for (c = calls; c < calls + TEST_COUNT(calls); c++) {
		for (error = c->codes; is_tried(c, error); error++) {
			for (n = 1; n <= how_many(how, *error); n++)
				if (!one_failure(how, c->name, *error, n))
					break;
			total += n - 1;
		}
	}
	print_message("%u failures\n", total);
	assert_true(total > 10);
}

/* Tell the backend what to fail; did it fail since the last time? */
static int
arm(struct mproc *p, const char *name, unsigned n, int error, bool *ret_any)
{
	const struct victim_failed *t;
	struct mproc_msg *reply;
	int r;

	if ((r = mproc_call(p, HANG_MS, &reply, victim_fail_sys, .name = name,
	    .n = n, .code = error)) < 0)
		return r;
	t = mproc_args(reply, victim_failed);
	assert_non_null(t);
	*ret_any = t->any;
	mproc_msg_free(reply);
	return 0;
}

static void
check_code(int r, const char *name, int error, unsigned n)
{
	if (r == 0 || r == -EPIPE || r == -error || r == -EMFILE ||
	    r == -ENOMEM || (r == -EBADF && error == EMFILE))
		return;
	fail_msg("%s %u %s: %d %s", name, n, strerrorname_np(error), r,
	    mproc_errmsg(NULL));
}

static void
talk(struct mproc *p, const char *name, int error, unsigned n)
{
	static const char data[1000000];
	struct mproc_msg *msg;

	(void)mproc_send(p, victim_note, .n = 1);
	check_code(mproc_call(p, HANG_MS, NULL, victim_echo), name, error, n);
	check_code(mproc_call(p, HANG_MS, NULL, victim_emit, .count = 2,
	    .size = 70000), name, error, n);
	check_code(mproc_call(p, HANG_MS, NULL, victim_echo,
	    .data = { data, sizeof(data) }), name, error, n);
	check_code(mproc_call(p, HANG_MS, NULL, victim_echo,
	    .fd = MPROC_FD(2)), name, error, n);
	check_code(mproc_ping(p, HANG_MS), name, error, n);
	while (mproc_recv(p, 0, &msg) == 1)
		mproc_msg_free(msg);
}

static bool
one_in_backend(struct mproc *p, const char *name, int error, unsigned n,
    unsigned *deaths)
{
	bool any = true;

	if (mproc_status(p) != MPROC_STATUS_RUNNING && mproc_start(p) < 0)
		fail_msg("%s %u %s: start: %s", name, n,
		    strerrorname_np(error), mproc_errmsg(p));
	check_code(arm(p, name, n, error, &any), name, error, n);
	talk(p, name, error, n);
	any = true;
	if (arm(p, "", 0, 0, &any) < 0) {
		assert_int_equal(mproc_stop(p), 0);
		chaos_check_accounts(p);
		(*deaths)++;
	}
	return any;
}

static void
a_call_fails_in_the_backend(void **state)
{
	unsigned n, total = 0, deaths = 0, most = (unsigned)test_count(NULL, MOST);
	const struct call *c;
	const int *error;
	struct mproc *p;

	(void)state;
	assert_int_equal(mproc_new(&victim_class, &(struct mproc_options){
		.launch = MPROC_FORKSERVER, .stop_grace_ms = 100 }, &p), 0);
	for (c = calls; c < calls + TEST_COUNT(calls); c++) {
		for (error = c->codes; is_tried(c, error); error++) {
			for (n = 1; n <= most; n++)
				if (!one_in_backend(p, c->name, *error, n,
				    &deaths))
					break;
			total += n - 1;
		}
	}
	print_message("%u failures, %u deaths\n", total, deaths);
	assert_int_equal(mproc_stop(p), 0);
	chaos_check_accounts(p);
	mproc_free(p);
}

static enum mproc_launch ways[] = {
	MPROC_FORK, MPROC_FORKSERVER, MPROC_SPAWN, MPROC_THREAD
};

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "a call fails (fork)", a_call_fails, NULL, NULL, &ways[0] },
		{ "a call fails (fork server)", a_call_fails, NULL, NULL,
		    &ways[1] },
		{ "a call fails (spawn)", a_call_fails, NULL, NULL,
		    &ways[2] },
		{ "a call fails (thread)", a_call_fails, NULL, NULL,
		    &ways[3] },
		cmocka_unit_test(a_call_fails_in_the_backend),
	};

	if (scenario_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
