/*
 * orphan_test.c - the frontend is killed in a random state: nothing of what
 * it started may survive, grandchildren included.
 *
 * MPROC_CHAOS_ORPHANS (30) frontends die.  Each is a child of the test that
 * starts processes in all placements, busy in different ways, and is killed at
 * a moment that comes from a seed.  As the test is the reaper of all orphans,
 * it sees whoever is left; within the grace and a second it must be nobody.
 */
#include "test.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"
#include "victim.h"

#define GRACE_MS	200
#define SURVIVE_MS	1000
#define HANG_MS		10000

/* Set by the frontend. */
static _Atomic int *ready;
static int init_argc;
static char **init_argv;

static struct mproc *
start(enum mproc_launch how)
{
	struct mproc_options opt = {
		.launch = how, .stop_grace_ms = GRACE_MS,
		.args = MPROC_PACK(victim_start, .point = POINTS)
	};
	struct mproc *p;

	if (mproc_new(&victim_class, &opt, &p) < 0 || mproc_start(p) < 0)
		_exit(1);
	return p;
}

/* Busy in one of many ways. */
static void
busy(struct mproc *p, unsigned how)
{
	struct mproc_msg *msg;
	int i;

	switch (how) {
	case 0:		/* idle */
		break;
	case 1:		/* in a handler that does not return */
		(void)mproc_send(p, victim_act, .point = IN_HANDLER);
		break;
	case 2:		/* blocked, with nobody who receives */
		(void)mproc_send(p, victim_emit, .count = 1000000,
		    .size = 1000);
		break;
	case 3:		/* with a grandchild in its group */
		(void)mproc_send(p, victim_act, .point = CHILD);
		if (mproc_recv(p, HANG_MS, &msg) != 1)
			_exit(1);
		mproc_msg_free(msg);
		break;
	case 4:		/* stopping */
		(void)mproc_request_stop(p);
		break;
	default:	/* with messages on the way */
		for (i = 0; i < 5000; i++)
			(void)mproc_send(p, victim_note, .n = i);
	}
}

static _Noreturn void
frontend(uint64_t seed)
{
	static const enum mproc_launch ways[] = {
		MPROC_FORK, MPROC_FORKSERVER, MPROC_SPAWN
	};
	struct mproc *p;
	unsigned n = test_on_valgrind() ? 2 : 3;
	int i;

	if (mproc_init(init_argc, init_argv) < 0)
		_exit(1);
	for (i = 0; i < 6; i++) {
		p = start(ways[chaos_random(&seed) % n]);
		busy(p, (unsigned)(chaos_random(&seed) % 6));
	}
	*ready = 1;
	for (;;)		/* start and stop until the end */
		mproc_free(start(ways[chaos_random(&seed) % n]));
}

/* Living children of this process; the dead ones are reaped. */
static int
children(void)
{
	char path[64], text[4096], *at, *end;
	int fd, n = 0;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	for (at = text; strtol(at, &end, 10) > 0; at = end)
		n++;
	return n;
}

/* Who loses its parent becomes a child of this process (a subreaper). */
static bool
none_left(void *arg)
{
	while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
		;
	return children() <= *(int *)arg;
}

static bool
is_ready(void *arg)
{
	return *ready != 0 || chaos_gone(*(pid_t *)arg);
}

/* Returns how long the last survivor lived. */
static int64_t
one_orphaning(uint64_t seed)
{
	int before = children();
	int64_t since;
	pid_t pid;

	*ready = 0;
	if ((pid = fork()) == 0)
		frontend(seed);
	assert_true(pid > 0);
	assert_true(chaos_await(is_ready, &pid));
	if (*ready == 0)
		fail_msg("the frontend ended by itself");
	(void)poll(NULL, 0, (int)(chaos_random(&seed) % 20));
	since = test_now_ms();
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	if (!chaos_await(none_left, &before)) {
		(void)!system("ps -ef >&2");
		fail_msg("%d survivors", children() - before);
	}
	return test_now_ms() - since;
}

static void
nothing_survives_its_frontend(void **state)
{
	long i, n = chaos_env("MPROC_CHAOS_ORPHANS", chaos_count(30));
	uint64_t seed = (uint64_t)chaos_env("MPROC_CHAOS_SEED",
	    (long)time(NULL));
	int64_t ms, longest = 0;
	int slow = 0;

	(void)state;
	ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(ready != MAP_FAILED);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	print_message("MPROC_CHAOS_SEED=%llu\n", (unsigned long long)seed);
	for (i = 0; i < n; i++) {
		ms = one_orphaning(seed);
		(void)chaos_random(&seed);
		longest = ms > longest ? ms : longest;
		slow += ms > GRACE_MS + SURVIVE_MS;
	}
	print_message("%ld frontends, the last survivor lived %lld ms\n", n,
	    (long long)longest);
	/* On a loaded machine one may be late. */
	assert_true(slow <= 1 + n / 20);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	(void)munmap(ready, sizeof(*ready));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_survives_its_frontend),
	};

	init_argc = argc;
	init_argv = argv;
	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
