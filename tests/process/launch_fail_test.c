/*
 * launch_fail_test.c - how a child ended, and launches that fail: the right
 * code, and nothing left behind.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "launch_fake.h"
#include "test.h"

static struct fake f;

/* Launch, send the command that ends it, and wait. */
static struct mproc__exit
die(enum mproc_launch how, const char *command)
{
	fake_must_start(&f, how, NULL);
	assert_null(fake_ask(&f, "%s", command));
	return fake_wait(&f);
}

static void
ends_are_told_truly(void **state)
{
	struct mproc__exit ex;
	struct rlimit old, none = { 0, 0 };

	(void)state;
	getrlimit(RLIMIT_CORE, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_CORE, &none);
	FOR_EACH_WAY(how) {
		ex = die(how, "exit 37");
		assert_true(ex.known && ex.signal == 0);
		assert_int_equal(ex.exit_code, 37);
		ex = die(how, "kill 11");
		assert_true(ex.known && ex.exit_code == -1 && !ex.core);
		assert_int_equal(ex.signal, SIGSEGV);
	}
	setrlimit(RLIMIT_CORE, &old);
}

static void
reap_says_again_while_it_lives(void **state)
{
	struct mproc__exit ex;

	(void)state;
	FOR_EACH_WAY(how) {
		fake_must_start(&f, how, NULL);
		assert_false(mproc__child_dead(&f.child));
		assert_int_equal(mproc__child_reap(&f.child, &ex), -EAGAIN);
		assert_int_equal(mproc__child_signal(&f.child, SIGKILL), 0);
		assert_int_equal(fake_wait(&f).signal, SIGKILL);
	}
}

/* SIGCHLD ignored: the kernel reaps.  A thief: the host's own wait(2). */
static void
a_stolen_status_is_never_invented(void **state)
{
	struct sigaction old, ignore = { .sa_flags = 0 };
	struct mproc__exit ex;
	int thief;

	(void)state;
	ignore.sa_handler = SIG_IGN;
	for (thief = 0; thief < 2; thief++) FOR_EACH_WAY(how) {
		if (thief == 0)
			sigaction(SIGCHLD, &ignore, &old);
		fake_must_start(&f, how, NULL);
		assert_null(fake_ask(&f, "exit 5"));
		test_poll(f.child.pidfd, POLLIN, FAKE_WAIT_MS);
		if (thief == 1)
			assert_int_equal(waitpid(-1, NULL, WNOHANG),
			    how == MPROC_FORKSERVER ? -1 : f.child.pid);
		ex = fake_wait(&f);
		if (how == MPROC_FORKSERVER)
			assert_true(ex.known);
		if (ex.known)
			assert_true(ex.exit_code == 5 && ex.signal == 0);
		else
			assert_int_equal(ex.exit_code, -1);
		if (thief == 0)
			sigaction(SIGCHLD, &old, NULL);
	}
}

static void
wrong_kept_descriptors_are_refused(void **state)
{
	const int bad = 999;
	struct mproc__launch l = {
		.capture = { -1, -1 }, .keep_fds = &bad, .n_keep = 1
	};
	int fds[MPROC__KEEP_MAX + 1], i;

	(void)state;
	FOR_EACH_WAY(how)
		assert_int_equal(fake_start(&f, how, &l), -EBADF);
	for (i = 0; i <= MPROC__KEEP_MAX; i++)
		assert_true((fds[i] = mproc__dup(0)) >= 0);
	l.keep_fds = fds;
	l.n_keep = MPROC__KEEP_MAX + 1;
	FOR_EACH_WAY(how)
		assert_int_equal(fake_start(&f, how, &l), -E2BIG);
	l.n_keep = MPROC__KEEP_MAX;
	FOR_EACH_WAY(how) {
		fake_must_start(&f, how, &l);
		assert_string_equal(fake_ask(&f, "ping"), "pong");
		fake_end(&f);
	}
	for (i = 0; i <= MPROC__KEEP_MAX; i++)
		mproc__close(fds[i]);
}


/* With no descriptor too many left it is refused, and nothing is lost. */
static void
descriptors_running_out(void **state)
{
	struct rlimit old, low;
	int fds, fails, how, r, top;

	(void)state;
	if (fake_valgrind())
		skip();			/* it keeps some for itself */
	getrlimit(RLIMIT_NOFILE, &old);
	fds = fake_fds();
	for (how = MPROC_FORK; how <= MPROC_THREAD; how++) {
		fails = 0;
		for (top = 4; top < 64; top++) {
			low = (struct rlimit){ (rlim_t)top, old.rlim_max };
			setrlimit(RLIMIT_NOFILE, &low);
			r = fake_start(&f, (enum mproc_launch)how, NULL);
			setrlimit(RLIMIT_NOFILE, &old);
			if (r == 0) {
				fake_end(&f);
			} else {
				assert_int_equal(r, -EMFILE);
				fails++;
			}
			assert_int_equal(fake_fds(), fds);
		}
		assert_true(fails > 0 && fails < 60);
	}
}

static void
memory_running_out(void **state)
{
	unsigned n;
	int how, r;

	(void)state;
	for (how = MPROC_FORK; how <= MPROC_THREAD; how++) {
		if (how == MPROC_SPAWN && fake_valgrind())
			continue;
		for (n = 1;; n++) {
			test_fail_alloc(n);
			r = fake_start(&f, (enum mproc_launch)how, NULL);
			if (!test_fail_done())
				break;
			assert_int_equal(r, -ENOMEM);
		}
		assert_int_equal(r, 0);
		fake_end(&f);
	}
}

/* Each system call on the way, failing once: its code, and nothing left. */
static void
system_calls_that_fail(void **state)
{
	static const struct {
		enum mproc_launch how;
		const char *call;
		unsigned n;
		int error, want;
	} cases[] = {
		{ MPROC_FORK, "fork", 1, EAGAIN, -EAGAIN },
		{ MPROC_FORKSERVER, "sendmsg", 1, ETOOMANYREFS, -EAGAIN },
		{ MPROC_FORKSERVER, "sendmsg", 1, ENOBUFS, -ENOBUFS },
		{ MPROC_FORKSERVER, "sendmsg", 1, EINTR, 0 },
		{ MPROC_FORKSERVER, "sendmsg", 1, EAGAIN, 0 },
		{ MPROC_FORKSERVER, "recvmsg", 1, EINTR, 0 },
		{ MPROC_FORKSERVER, "recvmsg", 1, EAGAIN, 0 },
		{ MPROC_SPAWN, "memfd_create", 2, EMFILE, -EMFILE },
		{ MPROC_SPAWN, "memfd_create", 2, ENOMEM, -ENOMEM },
	};
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < TEST_COUNT(cases); i++) {
		if (cases[i].how == MPROC_SPAWN && fake_valgrind())
			continue;
		test_fail_sys(cases[i].call, cases[i].n, cases[i].error);
		r = fake_start(&f, cases[i].how, NULL);
		assert_true(test_fail_sys_done());
		assert_int_equal(r, cases[i].want);
		if (r == 0)
			fake_end(&f);
	}
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_are_told_truly),
		cmocka_unit_test(reap_says_again_while_it_lives),
		cmocka_unit_test(a_stolen_status_is_never_invented),
		cmocka_unit_test(wrong_kept_descriptors_are_refused),
		cmocka_unit_test(descriptors_running_out),
		cmocka_unit_test(memory_running_out),
		cmocka_unit_test(system_calls_that_fail),
	};

	if (mproc_init(argc, argv) < 0)
		return EXIT_FAILURE;
	return TEST_RUN(tests);
}
