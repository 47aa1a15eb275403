/*
 * outlive_test.c - what becomes of a pool's workers when its program is
 * killed, interrupted, or just ends, and what a program is told that does it
 * all wrong: TP-26, 27, 28, 36, 37.
 *
 * Each program is a fork of the test.  It, its workers, and nobody else have
 * the write end of a pipe: when the test reads its end, none of them is left.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"

struct program {
	pid_t	 pid;
	int	 fd;		/* our end */
	int	 keep[2];	/* theirs, ended by -1 */
};

/* A program that runs this, and never returns from it. */
static void
begin(struct program *p, void (*run)(struct program *))
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	p->fd = fd[0];
	p->keep[0] = fd[1];
	p->keep[1] = -1;
	(void)fflush(stdout);
	if ((p->pid = fork()) == 0) {
		close(p->fd);
		(void)setpgid(0, 0);
		run(p);
		_exit(99);
	}
	assert_true(p->pid > 0);
	close(fd[1]);
}

/* It is up: it has written a byte. */
static void
await(struct program *p)
{
	struct pollfd pfd = { p->fd, POLLIN, 0 };
	char byte = 0;

	assert_int_equal(poll(&pfd, 1, SOON * test_slow()), 1);
	assert_int_equal(read(p->fd, &byte, 1), 1);
}

/* It ends, and then there is nobody; its status. */
static int
end(struct program *p)
{
	struct pollfd pfd = { p->fd, POLLIN, 0 };
	char bytes[64];
	int status = -1;
	ssize_t n;

	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	do {
		assert_int_equal(poll(&pfd, 1, SOON * test_slow()), 1);
		n = read(p->fd, bytes, sizeof(bytes));
	} while (n > 0);
	assert_int_equal(n, 0);
	close(p->fd);
	return status;
}

static struct mproc_pool_options
options(const struct program *p)
{
	return (struct mproc_pool_options){ .workers = 2, .fifo = true,
	    .process = { .launch = MPROC_FORK, .keep_fds = p->keep }};
}

/* In the program, where a failed test must not go on: what went wrong. */
static struct mproc_pool *
open_pool(const struct program *p)
{
	struct mproc_pool_options o = options(p);
	struct mproc_pool *pool;

	if (mproc_pool_new(&crew_class, &o, &pool) < 0 ||
	    mproc_pool_start(pool) < 0)
		_exit(98);
	return pool;
}

static int
ask(struct mproc_pool *pool, int sig, struct crew_number *ret)
{
	struct mproc_msg *reply;
	int r;

	if ((r = mproc_pool_call(pool, SOON, &reply, crew_signals,
	    .sig = sig)) < 0)
		return r;
	*ret = *mproc_args(reply, crew_number);
	mproc_msg_free(reply);
	return 0;
}

static void
busy(struct program *p)
{
	struct mproc_pool *pool = open_pool(p);

	(void)mproc_pool_submit(pool, SOON, NULL, crew_breed,
	    .fd = MPROC_FD(p->keep[0]));
	(void)!write(p->keep[0], "x", 1);
	for (;;)
		(void)mproc_pool_call(pool, SOON, NULL, crew_mul);
}

static void
tp36_killed(void **state)
{
	struct program p;
	int status;

	(void)state;
	begin(&p, busy);
	await(&p);
	assert_int_equal(kill(p.pid, SIGKILL), 0);
	status = end(&p);
	assert_true(WIFSIGNALED(status));
}

static void
tp37_interrupted_at_any_time(void **state)
{
	long i, n = test_count(NULL, 20);
	unsigned seed = 37;
	struct program p;
	int status;

	(void)state;
	for (i = 0; i < n; i++) {
		begin(&p, busy);
		if (i % 4 != 0)
			await(&p);
		/* as the terminal does it: to all in the foreground */
		(void)poll(NULL, 0, rand_r(&seed) % 10);
		if (kill(-p.pid, SIGINT) < 0)	/* has it a group yet? */
			assert_int_equal(kill(p.pid, SIGINT), 0);
		status = end(&p);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGINT);
	}
}

static volatile sig_atomic_t termed;

static void
on_term(int sig)
{
	(void)sig;
	termed = 1;
}

static void
shielded(struct program *p)
{
	struct sigaction sa = { .sa_handler = on_term };
	struct mproc_pool *pool = open_pool(p);
	struct crew_number n[4];
	struct mproc_pool_stats s;
	int i, bad = 0;

	(void)sigaction(SIGTERM, &sa, NULL);
	for (i = 0; i < 2; i++) {
		bad += ask(pool, SIGINT, &n[i]) < 0;
		bad += n[i].n != 1;		/* it ignores ^C */
		bad += n[i].made == getpgid(0);	/* has its own group */
		(void)kill(n[i].pid, SIGINT);
	}
	(void)kill(0, SIGTERM);
	bad += termed != 1;
	for (i = 2; i < 4; i++)		/* they have not heard of it */
		bad += ask(pool, SIGINT, &n[i]) < 0 ||
		    n[i].pid != n[i - 2].pid;
	bad += mproc_pool_stop(pool, SOON) != 0;
	bad += mproc_pool_stats(pool, &s) != 0 || s.retired != 2;
	mproc_pool_free(pool);
	_exit(bad);
}

static void
tp27_signals_to_the_group(void **state)
{
	struct program p;
	int status;

	(void)state;
	begin(&p, shielded);
	status = end(&p);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
unlucky(struct program *p)
{
	struct mproc_pool_options o = options(p);
	struct mproc_pool *pool;
	int bad = 0;

	(void)dup2(p->keep[0], STDOUT_FILENO);
	(void)dup2(p->keep[0], STDERR_FILENO);
	pool = open_pool(p);
	bad += mproc_pool_call(pool, SOON, NULL, crew_divide) != -EDOM;
	bad += mproc_pool_call(pool, SOON, NULL, crew_leave,
	    .status = 3) != -EPIPE;
	bad += mproc_pool_call(pool, SOON, NULL, crew_say, .logger = "crew",
	    .level = MPROC_CRITICAL, .text = "help") != 0;
	bad += mproc_pool_submit(pool, 0, NULL, crew_talk,
	    .fd = MPROC_FD(9999)) != -EBADF;
	mproc_pool_free(pool);
	o.process.args = MPROC_PACK(crew_start, .fail = -EROFS);
	bad += mproc_pool_new(&crew_class, &o, &pool) != 0;
	bad += mproc_pool_start(pool) != -EROFS;
	mproc_pool_free(pool);
	_exit(bad);
}

static void
i10_the_library_says_nothing(void **state)
{
	struct program p;
	char text[512];
	ssize_t n;
	int status;

	(void)state;
	begin(&p, unlucky);
	n = read(p.fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, "");
	assert_int_equal(n, 0);
	status = end(&p);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

MPROC_FUNCTION(negate, int, int)
{
	*out = -*in;
	return 0;
}

static void *
negate_many(void *arg)
{
	int in[50], out[50], i, k;
	intptr_t bad = 0;

	for (k = 0; k < 5; k++) {
		for (i = 0; i < 50; i++)
			in[i] = i + (int)(intptr_t)arg;
		bad += mproc_map(negate, in, 50, out) != 0;
		for (i = 0; i < 50; i++)
			bad += out[i] != -in[i];
	}
	return (void *)bad;
}

static void
by_default(struct program *p)
{
	struct mproc_pool_options o = options(p);
	pthread_t threads[2];
	void *bad = NULL;
	int i, in = 1, out;
	int failed = mproc_pool_set_default(&o) != 0 ||
	    mproc_map(negate, &in, 1, &out) != 0;	/* one thread: it forks */

	for (i = 0; i < 2; i++)
		failed += pthread_create(&threads[i], NULL, negate_many,
		    (void *)(intptr_t)(1000 * i)) != 0;
	for (i = 0; i < 2; i++)
		failed += pthread_join(threads[i], &bad) != 0 ||
		    bad != NULL;
	_exit(failed);		/* and not a word to the pool */
}

static void
tp26_default_pools_end_with_the_program(void **state)
{
	struct program p;
	int status;

	(void)state;
	begin(&p, by_default);
	status = end(&p);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The program of TP-28: a pool before, and without, mproc_init(). */
static int
bomb(void)
{
	struct mproc_pool_options o = { .workers = 2,
	    .process.launch = MPROC_SPAWN };
	struct mproc_pool *pool;

	if (mproc_pool_new(&crew_class, &o, &pool) < 0)
		return 4;
	if (mproc_pool_start(pool) == 0)
		return 5;
	(void)fprintf(stderr, "%s\n", mproc_errmsg(NULL));
	mproc_pool_free(pool);
	return 3;
}

static void
explode(struct program *p)
{
	char *const argv[] = { (char *)"outlive_test", (char *)"bomb", NULL };

	(void)dup2(p->keep[0], STDERR_FILENO);
	(void)execv("/proc/self/exe", argv);
}

static void
tp28_a_program_without_mproc_init(void **state)
{
	struct program p;
	char text[512];
	ssize_t n, len = 0;
	int status;

	(void)state;
	if (test_on_valgrind())
		skip();
	begin(&p, explode);
	while ((n = read(p.fd, text + len,
	    sizeof(text) - 1 - (size_t)len)) > 0)
		len += n;
	text[len] = '\0';
	status = end(&p);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_non_null(strstr(text, "mproc_init"));
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);	/* one line */
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TASK_NOT_THREADS(tp36_killed, TASK_PROCESSES),
		TASK_NOT_THREADS(tp37_interrupted_at_any_time, TASK_PROCESSES),
		TASK_NOT_THREADS(tp27_signals_to_the_group, TASK_PROCESSES),
		TASK_NOT_THREADS(i10_the_library_says_nothing, TASK_PROCESSES),
		TASK_NOT_THREADS(tp26_default_pools_end_with_the_program,
		    TASK_PROCESSES),
		TASK_NOT_THREADS(tp28_a_program_without_mproc_init,
		    TASK_PROCESSES),
	};

	if (argc > 1 && strcmp(argv[1], "bomb") == 0)
		return bomb();
	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
