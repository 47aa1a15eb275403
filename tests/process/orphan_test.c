/*
 * orphan_test.c - nobody outlives those who started it: trees of backends,
 * and all backends of a program that is killed.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static const char *program;	/* argv[0] */

/* VK-71: backends that have backends. */
static int
nest(struct mproc *p, pid_t pids[8])
{
	struct mproc_msg *reply;
	char *at, *end;
	int n = 0;

	if (mproc_call(p, SOON, &reply, probe_nest, .depth = 2) < 0)
		fail_msg("nest: %s", mproc_errmsg(p));
	at = (char *)(uintptr_t)mproc_args(reply, probe_listed)->text;
	while (n < 8) {
		pids[n] = (pid_t)strtol(at, &end, 10);
		if (end == at)
			break;
		n++;
		at = end;
	}
	mproc_msg_free(reply);
	return n;
}

static void
vk71_a_tree_stops_top_down(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "top", .stop_grace_ms = SOON });
	pid_t pids[8];
	int i, n;

	n = nest(p, pids);
	assert_int_equal(n, 2);
	for (i = 0; i < n; i++)
		assert_false(fix_gone(pids[i], 0));
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->exit_code, 0);
	for (i = 0; i < n; i++)
		assert_true(fix_gone(pids[i], 0));
	fix_finish(p);
}

static void
vk71_a_killed_parent_takes_its_tree_along(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "top" });
	pid_t pids[8];
	int i, n;

	n = nest(p, pids);
	assert_int_equal(mproc_kill(p), 0);
	for (i = 0; i < n; i++)
		assert_true(fix_gone(pids[i], SOON));
	fix_finish(p);
}

/*
 * Ask 8: the program is killed, with backends in all states.  It is this
 * program again, as a process of its own: see play_victim().
 */
static const char *const doings[] = {
	"idle", "spin", "nap", "block", "flood", "grandchild", "stop"
};

static void
do_one(struct mproc *p, const char *doing)
{
	struct mproc_msg *reply;

	if (strcmp(doing, "spin") == 0 || strcmp(doing, "block") == 0) {
		if (doing[0] == 'b')
			CHECK(mproc_call(p, SOON, NULL, probe_block,
			    .sig = SIGTERM) == 0);
		CHECK(mproc_send(p, probe_spin) == 0);
	} else if (strcmp(doing, "nap") == 0) {
		CHECK(mproc_send(p, probe_nap, .ms = 600000) == 0);
	} else if (strcmp(doing, "flood") == 0) {
		CHECK(mproc_send(p, probe_flood, .size = 100) == 0);
	} else if (strcmp(doing, "grandchild") == 0) {
		CHECK(mproc_call(p, SOON, &reply, probe_grandchild) == 0);
		printf("%d ", mproc_args(reply, probe_started)->pid);
		mproc_msg_free(reply);
	} else if (strcmp(doing, "stop") == 0) {
		CHECK(mproc_request_stop(p) == 0);
	}
	CHECK(mproc_flush(p, SOON) == 0 || doing[2] == 'o');
}

/* Print the pids of all backends, and end, or wait to be killed. */
static int
play_victim(enum mproc_launch how, bool exits)
{
	struct mproc_options opt = { .launch = how, .stop_grace_ms = 300 };
	struct mproc *p[TEST_COUNT(doings)];
	size_t i;

	for (i = 0; i < TEST_COUNT(doings); i++) {
		CHECK(mproc_new(&probe_class, &opt, &p[i]) == 0);
		CHECK(mproc_start(p[i]) == 0);
		printf("%d ", mproc_pid(p[i]));
	}
	for (i = 0; i < TEST_COUNT(doings); i++)
		do_one(p[i], doings[i]);
	printf("\n");
	fflush(stdout);
	if (exits)
		exit(0);
	for (;;)
		pause();
}

static pid_t
start_victim(enum mproc_launch how, bool exits, int *ret_fd)
{
	char number[8];
	int fds[2];
	pid_t pid;

	snprintf(number, sizeof(number), "%d", (int)how);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true((pid = fork()) >= 0);
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)execl("/proc/self/exe", program, "--victim", number,
		    exits ? "exits" : "waits", NULL);
		_exit(71);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static void
outlive(enum mproc_launch how, bool exits)
{
	char text[512] = "", *at, *end;
	pid_t victim, pids[16];
	int fd, i, n = 0, status = -1, survivors = 0;
	size_t len = 0;
	ssize_t got;

	if (test_on_valgrind())
		skip();		/* it execs itself */
	victim = start_victim(how, exits, &fd);
	while (len < sizeof(text) - 1 && strchr(text, '\n') == NULL) {
		assert_int_not_equal(test_poll(fd, POLLIN, SOON), 0);
		got = read(fd, text + len, sizeof(text) - 1 - len);
		assert_true(got > 0);
		len += (size_t)got;
	}
	for (at = text; n < 16; at = end) {
		pids[n] = (pid_t)strtol(at, &end, 10);
		if (end == at)
			break;
		n++;
	}
	assert_int_equal(n, TEST_COUNT(doings) + 1);
	/* who ends waits for none of them */
	if (!exits || !fix_gone(victim, SOON))
		assert_int_equal(kill(victim, SIGKILL), 0);
	assert_int_equal(waitpid(victim, &status, 0), victim);
	assert_int_equal(status, exits ? 0 : SIGKILL);
	for (i = 0; i < n; i++) {
		if (fix_gone(pids[i], SOON))
			continue;
		(void)kill(pids[i], SIGKILL);
		survivors++;
	}
	close(fd);
	assert_int_equal(survivors, 0);
}

static void
nobody_survives_the_program(void **state)
{
	outlive(fix_placement(state), false);
}

static void
prw9_exit_waits_for_nobody(void **state)
{
	outlive(fix_placement(state), true);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ONE(vk71_a_tree_stops_top_down, 0, "forkserver"),
		FIX_ONE(vk71_a_tree_stops_top_down, 1, "fork"),
		FIX_ONE(vk71_a_killed_parent_takes_its_tree_along, 0,
		    "forkserver"),
		FIX_PROCESSES(nobody_survives_the_program),
		FIX_PROCESSES(prw9_exit_waits_for_nobody),
	};

	program = argv[0];
	if (mproc_init(argc, argv) < 0)
		return 1;
	if (argc == 4 && strcmp(argv[1], "--victim") == 0)
		return play_victim((enum mproc_launch)atoi(argv[2]),
		    strcmp(argv[3], "exits") == 0);
	return FIX_RUN(tests);
}
