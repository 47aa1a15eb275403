/*
 * Many threads, many processes, and forks in between.
 */
#include <sys/wait.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture.h"

#include "log/log.h"

#define WRITERS		16
#define RECORDS		200
#define FORKS		50

/* Text of record n of a writer: its length says what its bytes must be. */
static void
log_one(struct mproc_logger *l, int writer, int n)
{
	mproc_log_info(l, "%02d %04d %0*d", writer, n, 1 + n * 19 % 3000,
	    writer);
}

/* Is the line one that log_one() made, whole, and the next of its writer? */
static bool
line_is_whole(const char *line, int next[WRITERS])
{
	static char want[8192];
	int writer, n;

	if (sscanf(line, "w - INFO - %d %d ", &writer, &n) != 2 ||
	    writer < 0 || writer >= WRITERS || n != next[writer])
		return false;
	snprintf(want, sizeof(want), "w - INFO - %02d %04d %0*d", writer, n,
	    1 + n * 19 % 3000, writer);
	next[writer]++;
	return strcmp(want, line) == 0;
}

/* Read all lines until end-of-file; the number that are torn. */
static int
read_lines(int fd, int *ret_lines)
{
	static char buf[65536];
	int next[WRITERS] = { 0 }, torn = 0, lines = 0;
	size_t len = 0;
	char *newline;
	ssize_t n;

	for (;;) {
		assert_int_not_equal(test_poll(fd, POLLIN, 20000), 0);
		n = read(fd, buf + len, sizeof(buf) - len);
		assert_true(n >= 0);
		if (n == 0)
			break;
		len += (size_t)n;
		while ((newline = memchr(buf, '\n', len)) != NULL) {
			*newline++ = '\0';
			torn += !line_is_whole(buf, next);
			lines++;
			len -= (size_t)(newline - buf);
			memmove(buf, newline, len);
		}
	}
	*ret_lines = lines;
	return torn + (len > 0);
}

/* A blocking pipe, so that nothing is lost when the reader is slow. */
static int
add_slow_pipe(void)
{
	struct mproc_sink sink = { .kind = MPROC_SINK_FD };
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	sink.fd = fds[1];
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	close(fds[1]);
	return fds[0];
}

static void *
thread_logs(void *arg)
{
	int i, writer = (int)(intptr_t)arg;

	for (i = 0; i < RECORDS; i++)
		log_one(mproc_logger("w"), writer, i);
	return NULL;
}

static void *
reset_when_all_are_done(void *arg)
{
	pthread_t *threads = arg;
	int i;

	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	mproc_log_reset();		/* closes the pipe */
	return NULL;
}

static void
r34_16_threads_0_torn_lines(void **state)
{
	pthread_t threads[WRITERS], closer;
	int i, lines, fd = add_slow_pipe();

	(void)state;
	for (i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
		    thread_logs, (void *)(intptr_t)i), 0);
	assert_int_equal(pthread_create(&closer, NULL,
	    reset_when_all_are_done, threads), 0);
	assert_int_equal(read_lines(fd, &lines), 0);
	assert_int_equal(lines, WRITERS * RECORDS);
	pthread_join(closer, NULL);
	close(fd);
}

static void
r34_16_processes_0_torn_lines(void **state)
{
	int i, status, lines, fd = add_slow_pipe();
	pid_t pids[WRITERS];

	(void)state;
	fflush(stdout);
	for (i = 0; i < WRITERS; i++) {
		if ((pids[i] = fork()) == 0) {
			thread_logs((void *)(intptr_t)i);
			_exit(0);
		}
		assert_true(pids[i] > 0);
	}
	mproc_log_reset();
	assert_int_equal(read_lines(fd, &lines), 0);
	assert_int_equal(lines, WRITERS * RECORDS);
	for (i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	close(fd);
}

static atomic_bool end;

/* Hold every lock there is, again and again. */
static void *
thread_is_busy(void *arg)
{
	struct capture *c = arg;
	struct mproc_sink sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT,
	    capture, c);
	int id, n = 0;

	while (!atomic_load(&end)) {
		mproc_log_info(mproc_logger("busy"), "%d", n++);
		mproc_log_set_level("busy.child", n % 2 == 0 ? MPROC_DEBUG :
		    MPROC_LEVEL_DEFAULT);
		if (mproc_log_add_sink("busy", &sink, &id) == 0)
			mproc_log_remove_sink(id);
	}
	return NULL;
}

/* Wait for the child, bounded; kill and say so if it hangs. */
static int
child_status(pid_t pid)
{
	int status, i;

	for (i = 0; i < 1000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		(void)poll(NULL, 0, 10);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* What a child of fork(2) does: log, configure, forward, reset. */
static int
child_logs(int n)
{
	struct capture c = { 0 };
	int fd, ok;

	if (n % 2 == 0) {
		mproc__log_forward("child", capture, &c, MPROC_INFO);
		mproc_log_info(mproc_logger("busy.x"), "child");
		return c.n == 1 ? 0 : 1;
	}
	mproc_log_info(mproc_logger("busy"), "child");
	mproc_log_reset();
	fd = add_pipe("", NULL);
	mproc_log_info(mproc_logger("busy"), "child");
	ok = strcmp(drain(fd), "busy - INFO - child\n") == 0;
	return ok ? 0 : 2;
}

static void
r34_fork_while_another_thread_logs(void **state)
{
	static struct capture c, other;
	pthread_t thread;
	pid_t pid;
	int i;

	(void)state;
	atomic_store(&end, false);
	add_capture("", MPROC_LEVEL_DEFAULT, &other);
	assert_int_equal(pthread_create(&thread, NULL, thread_is_busy, &c), 0);
	fflush(stdout);
	for (i = 0; i < FORKS; i++) {
		if ((pid = fork()) == 0)
			/* What the other thread was making is lost here: no
			 * ordinary end, or valgrind tells. */
			kill(getpid(), child_logs(i) == 0 ? SIGKILL : SIGTERM);
		assert_true(pid > 0);
		assert_int_equal(child_status(pid), SIGKILL);
	}
	atomic_store(&end, true);
	pthread_join(thread, NULL);
}

static void
fork_in_a_sink(const struct mproc_log_record *rec, void *arg)
{
	pid_t *pid = arg;

	(void)rec;
	fflush(stdout);
	*pid = fork();
}

static void
r34_fork_inside_a_sink(void **state)
{
	struct mproc_sink sink;
	int fd = add_pipe("", NULL);
	pid_t pid = -1;

	(void)state;
	sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT, fork_in_a_sink, &pid);
	assert_int_equal(mproc_log_add_sink("x", &sink, NULL), 0);
	mproc_log_info(mproc_logger("x"), "1");
	if (pid == 0) {
		mproc_log_info(mproc_logger(""), "2");
		mproc_log_reset();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(child_status(pid), 0);
	assert_non_null(strstr(drain(fd), " - INFO - 2\n"));
	close(fd);
}

struct slow {
	atomic_int	inside, calls, overlaps;
	atomic_bool	gone;
};

static void
slow_sink(const struct mproc_log_record *rec, void *arg)
{
	struct slow *s = arg;

	(void)rec;
	if (atomic_fetch_add(&s->inside, 1) != 0 || atomic_load(&s->gone))
		atomic_fetch_add(&s->overlaps, 1);
	(void)poll(NULL, 0, 1);
	atomic_fetch_add(&s->calls, 1);
	atomic_fetch_sub(&s->inside, 1);
}

static void *
thread_logs_until_end(void *arg)
{
	struct mproc_logger *l = mproc_logger("slow");

	(void)arg;
	while (!atomic_load(&end))
		mproc_log_info(l, "x");
	return NULL;
}

/* One call at a time, and none after the removal has returned. */
static void
a_removed_sink_is_not_running(void **state)
{
	pthread_t threads[4];
	struct mproc_sink sink;
	struct slow s[5];
	int i, id;

	(void)state;
	atomic_store(&end, false);
	memset(s, 0, sizeof(s));
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
		    thread_logs_until_end, NULL), 0);
	for (i = 0; i < 5; i++) {
		sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT, slow_sink,
		    &s[i]);
		assert_int_equal(mproc_log_add_sink("slow", &sink, &id), 0);
		while (atomic_load(&s[i].calls) < 5)
			sched_yield();
		assert_int_equal(mproc_log_remove_sink(id), 0);
		atomic_store(&s[i].gone, true);
		assert_int_equal(atomic_load(&s[i].inside), 0);
	}
	atomic_store(&end, true);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 5; i++)
		assert_int_equal(atomic_load(&s[i].overlaps), 0);
}

static atomic_int finished;

/* All that may change, changed by all threads at once. */
static void *
thread_configures(void *arg)
{
	struct capture *c = arg;
	struct mproc_sink sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT,
	    capture, c);
	char name[32];
	int i, id;

	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "C.%d.%d", i % 5, i % 3);
		mproc_log_set_level(name, (enum mproc_level)(i % 7));
		mproc_log_add_sink(name, &sink, &id);
		mproc_log_error(mproc_logger(name), "%d", i);
		mproc_log_set_propagate(name, i % 2 == 0);
		(void)mproc_log_enabled(name, MPROC_INFO);
		mproc_log_remove_sink(id);
	}
	atomic_fetch_add(&finished, 1);
	return NULL;
}

static void
configuring_in_many_threads(void **state)
{
	static struct capture c[4];
	pthread_t threads[4];
	int i, fd = add_pipe("", NULL);

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
		    thread_configures, &c[i]), 0);
	while (atomic_load(&finished) < 4) {
		(void)test_poll(fd, POLLIN, 10);
		(void)drain(fd);
	}
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(r34_16_threads_0_torn_lines),
		LOG_TEST(r34_16_processes_0_torn_lines),
		LOG_TEST(r34_fork_while_another_thread_logs),
		LOG_TEST(r34_fork_inside_a_sink),
		LOG_TEST(a_removed_sink_is_not_running),
		LOG_TEST(configuring_in_many_threads),
	};

	return TEST_RUN(tests);
}
