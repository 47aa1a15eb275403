/*
 * interrupt_test.c - Ctrl-C at a terminal, at random times: the program ends
 * in order, at once, with no more than its own last line, and nobody is left.
 *
 * MPROC_CHAOS_INTERRUPTS (200) programs run, some at a time, each in a session
 * with a terminal of its own.  A program is a context that ends on SIGINT,
 * with processes of all placements, busy in different ways.  ^C is typed at a
 * moment that comes from a seed: while the processes start, when they work,
 * and a third of the time twice.
 *
 * Without a second ^C all must have ended by themselves, with exit status 0,
 * however deep in work: those that hear no stop get SIGTERM after the grace.
 */
#include "test.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"
#include "victim.h"

#define BATCH		10
#define GRACE_MS	100
#define SLOW_END_MS	1000	/* 2000 are asked for */
#define HANG_MS		20000
#define PROCESSES	3
#define LAST_WORDS	"interrupted"

struct program {
	pid_t	 pid;
	int	 terminal;	/* our end */
	bool	 twice;
	int	 times;		/* that ^C is still to be typed */
	int64_t	 type_at;	/* ms; 0: not known yet */
	int64_t	 typed;		/* the first one */
	size_t	 n;		/* of the output */
	char	 output[512];
};

/* One for each program, which sets it: its handler of SIGINT stands. */
static _Atomic int *ready;
static int slow;			/* programs that were late */
static int init_argc;
static char **init_argv;

/* ------------------------------------------------------------ the program */

struct play {
	uint64_t seed;
	_Atomic int *ready;
	struct mproc *p[PROCESSES];
};

static int
start_processes(struct mproc_context *ctx, void *arg)
{
	static const enum mproc_launch ways[] = {
		MPROC_FORKSERVER, MPROC_FORK, MPROC_SPAWN
	};
	struct play *play = arg;
	unsigned n = test_on_valgrind() ? 2 : 3;
	struct mproc_options opt = {
		.stop_grace_ms = GRACE_MS,
		.args = MPROC_PACK(victim_start, .point = POINTS)
	};
	int i, r;

	*play->ready = 1;
	for (i = 0; i < PROCESSES; i++) {
		opt.launch = ways[chaos_random(&play->seed) % n];
		if ((r = mproc_new(&victim_class, &opt, &play->p[i])) < 0 ||
		    (r = mproc_context_add(ctx, play->p[i], NULL, NULL)) < 0)
			return r;
	}
	return 0;
}

/* Busy in one of many ways. */
static int
start_work(struct mproc_context *ctx, void *arg)
{
	struct play *play = arg;
	int i, k;

	(void)ctx;
	for (i = 0; i < PROCESSES; i++)
		switch (chaos_random(&play->seed) % 5) {
		case 0:		/* idle */
			break;
		case 1:		/* in a handler that does not return */
			(void)mproc_send(play->p[i], victim_act,
			    .point = IN_HANDLER);
			break;
		case 2:		/* what comes is received */
			(void)mproc_send(play->p[i], victim_emit,
			    .count = 1000000, .size = 1000);
			break;
		case 3:		/* with a grandchild in its group */
			(void)mproc_send(play->p[i], victim_act,
			    .point = CHILD);
			break;
		default:	/* with messages on the way */
			for (k = 0; k < 1000; k++)
				(void)mproc_send(play->p[i], victim_note,
				    .n = k);
		}
	return 0;
}

static void
free_processes(struct mproc_context *ctx, void *arg)
{
	struct play *play = arg;
	int i;

	(void)ctx;
	for (i = 0; i < PROCESSES; i++)
		play->p[i] = mproc_free(play->p[i]);
}

static _Noreturn void
program(uint64_t seed, _Atomic int *is_ready)
{
	struct play play = { .seed = seed, .ready = is_ready };
	struct mproc_app app = {
		.start_processes = start_processes,
		.start_threads = start_work, .close = free_processes,
		.stop_on_signals = true
	};
	struct mproc_context *ctx;
	int r;

	if (mproc_init(init_argc, init_argv) < 0 ||
	    mproc_log_stderr(MPROC_WARNING) < 0 ||
	    mproc_context_new(&app, &play, &ctx) < 0)
		_exit(71);
	r = mproc_context_run(ctx);
	if (r < 0)
		fprintf(stderr, "%d: %s\n", r, mproc_errmsg(NULL));
	else if (mproc_context_stop_signal(ctx) == SIGINT)
		fprintf(stderr, LAST_WORDS "\n");
	mproc_context_free(ctx);
	_exit(r < 0);
}

/* --------------------------------------------------------------- the test */

static void
begin(struct program *g, int i, uint64_t seed)
{
	struct program *all = g - i;
	char name[64];
	int fd;

	*g = (struct program){ .twice = chaos_random(&seed) % 3 == 0 };
	g->times = g->twice ? 2 : 1;
	g->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_true(g->terminal >= 0);
	assert_int_equal(grantpt(g->terminal), 0);
	assert_int_equal(unlockpt(g->terminal), 0);
	assert_int_equal(ptsname_r(g->terminal, name, sizeof(name)), 0);
	ready[i] = 0;
	if ((g->pid = fork()) > 0)
		return;
	assert_int_equal(g->pid, 0);
	for (; i >= 0; i--)
		close(all[i].terminal);
	(void)setsid();
	if ((fd = open(name, O_RDWR)) < 0 || ioctl(fd, TIOCSCTTY, 0) < 0 ||
	    dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(72);
	close(fd);
	program(seed, &ready[g - all]);
}

static void
read_output(struct program *g)
{
	ssize_t n = read(g->terminal, g->output + g->n,
	    sizeof(g->output) - 1 - g->n);

	if (n > 0)
		g->n += (size_t)n;
}

static void
type(struct program *g, uint64_t *seed)
{
	int64_t now = test_now_ms();

	assert_int_equal(write(g->terminal, "\003", 1), 1);
	if (g->typed == 0)
		g->typed = now;
	g->times--;
	g->type_at = now + (int64_t)(chaos_random(seed) % 30);
}

/* Was that an end as it may be? */
static bool
is_good_end(const struct program *g, int status, bool twice)
{
	const char *line = g->output;
	int lines = 0;

	while ((line = strchr(line, '\n')) != NULL) {
		lines++;
		line++;
	}
	if (g->typed == 0 || lines > 1)
		return false;
	/* a terminal throws away what has not been read when ^C is typed */
	if (status == 0)
		return twice || strstr(g->output, LAST_WORDS) != NULL;
	/* the second may come when all is over, and the handler is gone */
	if (twice && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
		return true;
	/* where all stands still for a second, what was killed does, too */
	return test_now_ms() - g->typed > SLOW_END_MS &&
	    strstr(g->output, "does not end") != NULL;
}

static void
check(struct program *g, int status, bool twice)
{
	read_output(g);
	if (!is_good_end(g, status, twice))
		fail_msg("status 0x%x %lld ms after %s ^C: %s", status,
		    (long long)(test_now_ms() - g->typed), g->typed == 0 ?
		    "no" : twice ? "two" : "one", g->output);
	close(g->terminal);
	g->pid = 0;
}

/* One look at all; how many still run. */
static int
look(struct program g[BATCH], uint64_t *seed, int64_t *ret_longest)
{
	int64_t now = test_now_ms();
	int i, status, left = 0;

	for (i = 0; i < BATCH; i++) {
		if (g[i].pid == 0)
			continue;
		left++;
		read_output(&g[i]);
		if (g[i].type_at == 0 && ready[i] != 0)
			g[i].type_at = now +
			    (int64_t)(chaos_random(seed) % 30);
		if (waitpid(g[i].pid, &status, WNOHANG) == g[i].pid) {
			now = test_now_ms();
			if (now - g[i].typed > *ret_longest)
				*ret_longest = now - g[i].typed;
			slow += now - g[i].typed > SLOW_END_MS;
			check(&g[i], status, g[i].twice && g[i].times == 0);
		} else if (g[i].times > 0 && g[i].type_at != 0 &&
		    now >= g[i].type_at) {
			type(&g[i], seed);
		}
	}
	return left;
}

/* Who loses its parent becomes a child of this process (a subreaper). */
static bool
none_left(void *arg)
{
	return chaos_children() <= *(int *)arg;
}

/* Returns the longest time from a ^C to the program's end. */
static int64_t
some_interrupts(uint64_t *seed)
{
	struct program g[BATCH];
	int64_t end = test_now_ms() + HANG_MS, longest = 0;
	int before = chaos_children(), i;

	for (i = 0; i < BATCH; i++)
		begin(&g[i], i, chaos_random(seed));
	while (look(g, seed, &longest) > 0) {
		if (test_now_ms() > end) {
			chaos_tell_children();
			fail_msg("a program does not end");
		}
		(void)poll(NULL, 0, 1);
	}
	if (!chaos_await(none_left, &before)) {
		chaos_tell_children();
		fail_msg("%d are left", chaos_children() - before);
	}
	return longest;
}

static void
ask9_an_interrupt_ends_the_program(void **state)
{
	long i, n = test_count("MPROC_CHAOS_INTERRUPTS",
	    test_slow() > 1 ? 100 : 200);
	uint64_t seed = (uint64_t)test_env("MPROC_CHAOS_SEED",
	    (long)time(NULL));
	int64_t ms, longest = 0;

	(void)state;
	slow = 0;
	ready = mmap(NULL, BATCH * sizeof(*ready), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(ready != MAP_FAILED);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	print_message("MPROC_CHAOS_SEED=%llu\n", (unsigned long long)seed);
	for (i = 0; i < n; i += BATCH) {
		ms = some_interrupts(&seed);
		longest = ms > longest ? ms : longest;
	}
	print_message("%ld programs, the last one ended after %lld ms\n", i,
	    (long long)longest);
	if (slow > 0)	/* a machine may have other things to do */
		print_message("%d came after %d ms\n", slow, SLOW_END_MS);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	(void)munmap(ready, BATCH * sizeof(*ready));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ask9_an_interrupt_ends_the_program),
	};

	init_argc = argc;
	init_argv = argv;
	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
