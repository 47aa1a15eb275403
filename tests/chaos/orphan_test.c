/*
 * orphan_test.c - the frontend is killed in a random state: nothing of what
 * it started may survive, grandchildren included.
 *
 * MPROC_CHAOS_ORPHANS (1000; 40 with a sanitizer, where a fork costs more)
 * frontends die, some at a time.  Each is a child of the test that starts
 * processes in all placements, busy in different ways, and is killed at a
 * moment that comes from a seed: half of them while they still start, in
 * mproc_init() as well as in the midst of a launch.  As the test is the
 * reaper of all orphans, it sees whoever is left; within the grace and a
 * second it must be nobody.
 */
#include "test.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

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
#define BATCH		20
#define MOST		3	/* processes of a frontend */

struct frontend {
	pid_t	 pid;
	bool	 early;		/* is killed while it starts */
	bool	 killed;
	int64_t	 kill_at;	/* ms; 0: not known yet */
};

/* One for each frontend, which sets it. */
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
frontend(uint64_t seed, _Atomic int *is_ready)
{
	static const enum mproc_launch ways[] = {
		MPROC_FORK, MPROC_FORKSERVER, MPROC_SPAWN
	};
	struct mproc *p;
	unsigned n = test_on_valgrind() ? 2 : 3;
	unsigned i, count = 1 + (unsigned)(chaos_random(&seed) % MOST);

	if (mproc_init(init_argc, init_argv) < 0)
		_exit(1);
	for (i = 0; i < count; i++) {
		p = start(ways[chaos_random(&seed) % n]);
		busy(p, (unsigned)(chaos_random(&seed) % 6));
	}
	*is_ready = 1;
	for (;;)		/* start and stop until the end */
		mproc_free(start(ways[chaos_random(&seed) % n]));
}

/* Who loses its parent becomes a child of this process (a subreaper). */
static bool
none_left(void *arg)
{
	return chaos_children() <= *(int *)arg;
}

static void
begin(struct frontend *f, int i, uint64_t seed)
{
	ready[i] = 0;
	f->early = chaos_random(&seed) % 2 == 0;
	f->killed = false;
	if ((f->pid = fork()) == 0)
		frontend(seed, &ready[i]);
	assert_true(f->pid > 0);
	f->kill_at = f->early ? test_now_ms() +
	    (int64_t)(chaos_random(&seed) % 8) : 0;
}

/* Kill those whose time has come; true when there is none left. */
static bool
kill_some(struct frontend f[BATCH], uint64_t *seed)
{
	int i, status, left = 0;

	for (i = 0; i < BATCH; i++) {
		if (f[i].killed)
			continue;
		left++;
		if (f[i].kill_at == 0 && ready[i] != 0)
			f[i].kill_at = test_now_ms() +
			    (int64_t)(chaos_random(seed) % 8);
		if (f[i].kill_at == 0 && chaos_gone(f[i].pid))
			fail_msg("a frontend ended by itself");
		if (f[i].kill_at == 0 || test_now_ms() < f[i].kill_at)
			continue;
		assert_int_equal(kill(f[i].pid, SIGKILL), 0);
		assert_int_equal(waitpid(f[i].pid, &status, 0), f[i].pid);
		if (status != SIGKILL)
			fail_msg("a frontend ended with status 0x%x", status);
		f[i].killed = true;
	}
	return left == 0;
}

/* Returns how long the last survivor lived. */
static int64_t
some_orphanings(uint64_t *seed)
{
	struct frontend f[BATCH];
	int before = chaos_children(), i;
	int64_t since, end = test_now_ms() + 2 * HANG_MS;

	for (i = 0; i < BATCH; i++)
		begin(&f[i], i, chaos_random(seed));
	while (!kill_some(f, seed)) {
		if (test_now_ms() > end)
			fail_msg("a frontend is not ready");
		(void)poll(NULL, 0, 1);
	}
	since = test_now_ms();
	if (!chaos_await(none_left, &before)) {
		chaos_tell_children();
		fail_msg("%d survivors", chaos_children() - before);
	}
	return test_now_ms() - since;
}

static void
ask8_nothing_survives_its_frontend(void **state)
{
	long i, n = test_count("MPROC_CHAOS_ORPHANS",
	    test_slow() > 1 ? 200 : 1000);
	uint64_t seed = (uint64_t)test_env("MPROC_CHAOS_SEED",
	    (long)time(NULL));
	int64_t ms, longest = 0;
	int slow = 0;

	(void)state;
	ready = mmap(NULL, BATCH * sizeof(*ready), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(ready != MAP_FAILED);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	print_message("MPROC_CHAOS_SEED=%llu\n", (unsigned long long)seed);
	for (i = 0; i < n; i += BATCH) {
		ms = some_orphanings(&seed);
		longest = ms > longest ? ms : longest;
		slow += ms > GRACE_MS + SURVIVE_MS;
	}
	print_message("%ld frontends, the last survivor lived %lld ms\n", i,
	    (long long)longest);
	/* On a loaded machine one may be late. */
	assert_true(slow <= 1 + n / BATCH / 20);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	(void)munmap(ready, BATCH * sizeof(*ready));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ask8_nothing_survives_its_frontend),
	};

	init_argc = argc;
	init_argv = argv;
	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
