/*
 * launch_death_test.c - a backend ends with its parent, whatever it is doing,
 * and takes its own children along.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch_fake.h"
#include "test.h"

#define BOUND_MS	(FAKE_GRACE_MS + 5000)

static struct fake f;

/* The ways that can be had here. */
static bool
usable(enum mproc_launch how)
{
	return how != MPROC_SPAWN || !fake_valgrind();
}

static void
start(enum mproc_launch how)
{
	if (fake_start(&f, how, NULL) != 0)
		fail_msg("%s: %s", fake_way_name(how), mproc__err_text());
}

static void
assert_ends(int pidfd)
{
	assert_true(test_poll(pidfd, POLLIN, BOUND_MS) != 0);
	mproc__close(pidfd);
}

static int
open_process(const char *pid)
{
	int fd = -1;

	assert_non_null(pid);
	assert_int_equal(mproc__pidfd_open((pid_t)strtol(pid, NULL, 10),
	    &fd), 0);
	return fd;
}

/*
 * A parent between the test and the backend, which is killed.
 */
struct between {
	enum mproc_launch how;
	const char *command;	/* the last, unanswered one; "" none */
	bool	 by_thread;	/* launched by a thread that has ended */
	bool	 leave_fork;	/* another fork holds all descriptors */
};

static void *
start_by_thread(void *arg)
{
	const struct between *b = arg;

	CHECK(fake_start(&f, b->how, NULL) == 0);
	return NULL;
}

static void
start_between(struct between *b)
{
	pthread_t thread;

	if (!b->by_thread) {
		(void)start_by_thread(b);
		return;
	}
	CHECK(pthread_create(&thread, NULL, start_by_thread, b) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(strcmp(fake_ask(&f, "term"), "0 0") == 0);
}

/* Never returns; writes the pids of backend, grandchild, and sleeper. */
static void
be_between(struct between *b, int out)
{
	char grandchild[32];
	pid_t sleeper = 0;

	if (b->how == MPROC_FORKSERVER)
		CHECK(mproc_init(0, NULL) == 0);
	start_between(b);
	snprintf(grandchild, sizeof(grandchild), "%s",
	    fake_ask(&f, "grandchild"));
	if (b->leave_fork && (sleeper = fork()) == 0)
		for (;;)
			(void)pause();
	CHECK(write(f.data, b->command, strlen(b->command)) >= 0);
	CHECK(dprintf(out, "%d %s %d\n", (int)f.child.pid, grandchild,
	    (int)sleeper) > 0);
	for (;;)
		(void)pause();
}

static void
kill_between(struct between b)
{
	int backend, grandchild, out[2], pids[3] = { 0 };
	char line[128] = "";
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	(void)fflush(NULL);
	if ((pid = fork()) == 0)
		be_between(&b, out[1]);
	mproc__close(out[1]);
	assert_true(test_poll(out[0], POLLIN, FAKE_WAIT_MS) != 0);
	assert_true(read(out[0], line, sizeof(line) - 1) > 0);
	assert_int_equal(sscanf(line, "%d %d %d", &pids[0], &pids[1],
	    &pids[2]), 3);
	assert_int_equal(mproc__pidfd_open(pids[0], &backend), 0);
	assert_int_equal(mproc__pidfd_open(pids[1], &grandchild), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_ends(backend);
	assert_ends(grandchild);
	if (pids[2] != 0)
		kill(pids[2], SIGKILL);
	mproc__close(out[0]);
}

static void
for_each_way(struct between b)
{
	size_t i;

	for (i = 0; i < TEST_COUNT(fake_ways); i++) {
		b.how = fake_ways[i];
		if (usable(b.how))
			kill_between(b);
	}
}

static void
an_orphan_that_spins_is_killed(void **state)
{
	(void)state;
	if (!fake_can_spin())
		skip();
	for_each_way((struct between){ .command = "spin" });
}

static void
an_idle_orphan_ends_with_its_group(void **state)
{
	(void)state;
	for_each_way((struct between){ .command = "" });
}

/* F7: its parent is the process, not the thread. */
static void
the_launching_thread_may_end(void **state)
{
	(void)state;
	for_each_way((struct between){ .command = "", .by_thread = true });
	if (fake_can_spin())
		for_each_way((struct between){ .command = "spin",
		    .by_thread = true });
}

/* No end of file, no hang-up: what is left is the death signal. */
static void
a_fork_of_the_parent_holds_the_ends(void **state)
{
	(void)state;
	for_each_way((struct between){
	    .command = fake_can_spin() ? "spin" : "ping",
	    .leave_fork = true });
}

static void
the_end_of_the_lifeline_is_the_end(void **state)
{
	int grandchild;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(fake_ways); i++) {
		if (!usable(fake_ways[i]))
			continue;
		start(fake_ways[i]);
		grandchild = open_process(fake_ask(&f, "grandchild"));
		mproc__close(f.log);
		f.log = -1;
		assert_string_equal(fake_ask(&f, "term"), "1 1");
		if (fake_can_spin())
			assert_int_equal(write(f.data, "spin", 4), 4);
		assert_int_equal(fake_wait(&f).signal, SIGKILL);
		assert_ends(grandchild);
	}
}

static void
a_plain_sigterm_is_a_request(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(fake_ways); i++) {
		if (!usable(fake_ways[i]))
			continue;
		start(fake_ways[i]);
		assert_string_equal(fake_ask(&f, "term"), "0 0");
		assert_int_equal(mproc__child_signal(&f.child, SIGTERM), 0);
		assert_string_equal(fake_ask(&f, "term"), "1 0");
		assert_string_equal(fake_ask(&f, "wake"), "1");
		fake_end(&f);
	}
}

/* A lane that has room again sends the lifeline's signal, too. */
static void
a_drained_log_lane_is_no_request(void **state)
{
	char byte;

	(void)state;
	start(MPROC_FORK);
	assert_true(strtol(fake_ask(&f, "fill-log"), NULL, 10) > 0);
	while (read(f.log, &byte, 1) > 0)
		;
	assert_string_equal(fake_ask(&f, "ping"), "pong");
	assert_string_equal(fake_ask(&f, "term"), "0 0");
	/* ... and is still a lifeline. */
	mproc__close(f.log);
	f.log = -1;
	assert_string_equal(fake_ask(&f, "term"), "1 1");
	assert_int_equal(fake_wait(&f).signal, SIGKILL);
}

static void
sigterm_ends_what_a_handler_forked(void **state)
{
	int pidfd;

	(void)state;
	start(MPROC_FORK);
	pidfd = open_process(fake_ask(&f, "grandchild"));
	assert_int_equal(mproc__pidfd_signal(pidfd, SIGTERM), 0);
	assert_ends(pidfd);
	assert_string_equal(fake_ask(&f, "term"), "0 0");
	fake_end(&f);
}

static void
reaping_kills_the_group(void **state)
{
	size_t i;
	int pidfd;

	(void)state;
	for (i = 0; i < TEST_COUNT(fake_ways); i++) {
		if (!usable(fake_ways[i]))
			continue;
		start(fake_ways[i]);
		pidfd = open_process(fake_ask(&f, "grandchild"));
		/* No end of file comes: the grandchild holds the socket. */
		assert_int_equal(write(f.data, "exit 4", 6), 6);
		assert_int_equal(fake_wait(&f).exit_code, 4);
		assert_ends(pidfd);
	}
}

/* Also when a fork of the program holds the socket open. */
static void
the_helper_ends_with_its_program(void **state)
{
	int helper, out[2], pids[2] = { 0 };
	char line[64] = "";
	FILE *children;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	(void)fflush(NULL);
	if ((pid = fork()) == 0) {
		CHECK(mproc_init(0, NULL) == 0);
		snprintf(line, sizeof(line), "/proc/self/task/%d/children",
		    getpid());
		CHECK((children = fopen(line, "re")) != NULL);
		CHECK(fscanf(children, "%d", &pids[0]) == 1);
		if ((pids[1] = fork()) != 0)
			CHECK(dprintf(out[1], "%d %d\n", pids[0],
			    pids[1]) > 0);
		for (;;)
			(void)pause();
	}
	mproc__close(out[1]);
	assert_true(test_poll(out[0], POLLIN, FAKE_WAIT_MS) != 0);
	assert_true(read(out[0], line, sizeof(line) - 1) > 0);
	assert_int_equal(sscanf(line, "%d %d", &pids[0], &pids[1]), 2);
	assert_int_equal(mproc__pidfd_open(pids[0], &helper), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_ends(helper);
	kill(pids[1], SIGKILL);
	mproc__close(out[0]);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_orphan_that_spins_is_killed),
		cmocka_unit_test(an_idle_orphan_ends_with_its_group),
		cmocka_unit_test(the_launching_thread_may_end),
		cmocka_unit_test(a_fork_of_the_parent_holds_the_ends),
		cmocka_unit_test(the_end_of_the_lifeline_is_the_end),
		cmocka_unit_test(a_plain_sigterm_is_a_request),
		cmocka_unit_test(a_drained_log_lane_is_no_request),
		cmocka_unit_test(sigterm_ends_what_a_handler_forked),
		cmocka_unit_test(reaping_kills_the_group),
		cmocka_unit_test(the_helper_ends_with_its_program),
	};

	if (mproc_init(argc, argv) < 0)
		return EXIT_FAILURE;
	return TEST_RUN(tests);
}
