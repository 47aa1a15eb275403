/*
 * Sinks, in one thread: what is refused, files, the system's log, callbacks,
 * and what becomes of a record when something fails.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "capture.h"

static void
configuration_errors(void **state)
{
	static const struct mproc_sink bad[] = {
		{ .kind = (enum mproc_sink_kind)17 },
		{ .level = (enum mproc_level)17 },
		{ .format = "%x" },
		{ .format = "%" },
		{ .kind = MPROC_SINK_FILE },
		{ .kind = MPROC_SINK_FILE, .path = "" },
		{ .kind = MPROC_SINK_CALLBACK },
		{ .kind = MPROC_SINK_SYSLOG, .facility = -1 },
	};
	struct mproc_sink sink;
	int id = -7;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(bad); i++)
		assert_int_equal(mproc_log_add_sink("", &bad[i], &id),
		    -EINVAL);
	assert_int_equal(mproc_log_add_sink("", NULL, &id), -EINVAL);
	sink = mproc_sink_fd(MPROC_INFO, 998);
	assert_int_equal(mproc_log_add_sink("", &sink, &id), -EBADF);
	sink = mproc_sink_fd(MPROC_INFO, -1);
	assert_int_equal(mproc_log_add_sink("", &sink, &id), -EBADF);
	sink = mproc_sink_file(MPROC_INFO, "/nonexistent/x");
	assert_int_equal(mproc_log_add_sink("", &sink, &id), -ENOENT);
	sink = mproc_sink_file(MPROC_INFO, "/");
	assert_int_equal(mproc_log_add_sink("", &sink, &id), -EISDIR);
	assert_int_equal(id, -7);
	assert_int_equal(mproc_log_remove_sink(id), -ENOENT);
	assert_int_equal(mproc_log_remove_sink(0), -ENOENT);
}

static void
out_of_descriptors(void **state)
{
	struct mproc_sink sink = mproc_sink_fd(MPROC_INFO, STDERR_FILENO);
	struct rlimit old, none;

	(void)state;
	test_fail_sys("fcntl", 1, EMFILE);
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), -EMFILE);
	assert_true(test_fail_sys_done());
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	sink = mproc_sink_file(MPROC_INFO, "never-made");
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* A signal comes, the disk is full: what becomes of the line. */
static void
write_errors(void **state)
{
	struct mproc_logger *l = mproc_logger("w");
	int fd = add_pipe("", NULL);

	(void)state;
	test_fail_sys("write", 1, EINTR);
	mproc_log_info(l, "1");
	assert_true(test_fail_sys_done());
	assert_int_equal(mproc_log_lost(), 0);
	test_fail_sys("write", 1, EAGAIN);
	mproc_log_info(l, "2");
	assert_true(test_fail_sys_done());
	assert_int_equal(mproc_log_lost(), 0);
	test_fail_sys("write", 1, ENOSPC);
	mproc_log_info(l, "3");
	assert_true(test_fail_sys_done());
	assert_int_equal(mproc_log_lost(), 1);
	assert_string_equal(drain(fd), "w - INFO - 1\nw - INFO - 2\n");
	close(fd);
}

static char dir[] = "/tmp/mproc-log-XXXXXX";

static long
file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void
file_appends_and_reopens(void **state)
{
	struct mproc_logger *l = mproc_logger("f");
	char path[64], moved[64], here[4096];
	struct mproc_sink sink;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	/* A relative path stays where it was. */
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(dir), 0);
	sink = mproc_sink_file(MPROC_LEVEL_DEFAULT, "log");
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	assert_int_equal(chdir(here), 0);
	mproc_log_info(l, "1");			/* f - INFO - 1 */
	assert_int_equal(file_size(path), 13);
	assert_int_equal(rename(path, moved), 0);
	mproc_log_info(l, "2");
	assert_int_equal(file_size(moved), 26);
	assert_int_equal(mproc_log_reopen(), 1);
	mproc_log_info(l, "3");
	assert_int_equal(file_size(moved), 26);
	assert_int_equal(file_size(path), 13);
	/* A second sink on the same file appends too. */
	sink.path = path;
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	mproc_log_info(l, "4");
	assert_int_equal(file_size(path), 39);
	assert_int_equal(mproc_log_reopen(), 2);
	/* A FIFO is not waited for. */
	assert_int_equal(unlink(moved), 0);
	assert_int_equal(mkfifo(moved, 0600), 0);
	sink.path = moved;
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), -ENXIO);
	/* A path that cannot be opened: the old file goes on. */
	assert_int_equal(unlink(moved), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mproc_log_reopen(), -EISDIR);
	mproc_log_info(l, "5");
	assert_int_equal(mproc_log_lost(), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void
syslog_does_not_crash(void **state)
{
	struct mproc_sink sink = mproc_sink_syslog(MPROC_LEVEL_DEFAULT,
	    LOG_DAEMON);
	int i;

	(void)state;
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	sink.facility = 0;
	assert_int_equal(mproc_log_add_sink("s", &sink, NULL), 0);
	mproc_log_set_level("", MPROC_DEBUG);
	for (i = MPROC_DEBUG; i <= MPROC_CRITICAL; i++)
		mproc_log_at(mproc_logger("s.s"), (enum mproc_level)i,
		    "mproc test %%s %d", i);
	closelog();		/* the descriptor is syslog(3)'s */
}

static void
lost_records_are_counted(void **state)
{
	struct mproc_logger *l = mproc_logger("lost");
	int fd = add_pipe("", NULL), full;
	int64_t start;
	int i;

	(void)state;
	close(fd);
	mproc_log_info(l, "nobody reads");	/* no SIGPIPE either */
	assert_int_equal(mproc_log_lost(), 1);
	mproc_log_reset();
	assert_int_equal(mproc_log_lost(), 0);
	l = mproc_logger("lost");
	full = add_pipe("", NULL);
	start = test_now_ms();
	for (i = 0; mproc_log_lost() == 0 && i < 100000; i++)
		mproc_log_info(l, "%*s", 2000, "full");
	assert_int_equal(mproc_log_lost(), 1);
	assert_in_range(test_now_ms() - start, 50, 10000);
	close(full);
}

static void
a_blocked_sigpipe_stays_as_it_was(void **state)
{
	sigset_t sigpipe, old, pending;
	int fd = add_pipe("", NULL);

	(void)state;
	close(fd);
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &sigpipe, &old);
	mproc_log_info(mproc_logger(""), "x");
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
	raise(SIGPIPE);
	mproc_log_info(mproc_logger(""), "x");
	sigpending(&pending);
	assert_true(sigismember(&pending, SIGPIPE));
	assert_int_equal(sigwaitinfo(&sigpipe, NULL), SIGPIPE);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(mproc_log_lost(), 2);
}

static void
log_again(const struct mproc_log_record *rec, void *arg)
{
	int *calls = arg;

	if (++*calls < 1000)
		mproc_log_critical(mproc_logger(rec->name), "again");
}

static void
a_sink_that_logs_does_not_recurse(void **state)
{
	struct mproc_sink sink;
	int calls = 0, others = 0, fd;

	(void)state;
	sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT, log_again, &calls);
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	sink.arg = &others;
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	fd = add_pipe("", NULL);
	mproc_log_info(mproc_logger("x"), "first");
	assert_int_equal(calls, 1);
	assert_int_equal(others, 1);
	/* The line sink gets what they log. */
	assert_string_equal(drain(fd), "x - CRITICAL - again\n"
	    "x - CRITICAL - again\nx - INFO - first\n");
	close(fd);
}

struct remover {
	int	id, other, calls;
};

static void
remove_itself(const struct mproc_log_record *rec, void *arg)
{
	struct remover *r = arg;
	struct mproc_sink sink = mproc_sink_stderr(MPROC_CRITICAL);

	(void)rec;
	r->calls++;
	mproc_log_reset();		/* does nothing here */
	assert_int_equal(mproc_log_remove_sink(r->id), 0);
	assert_int_equal(mproc_log_remove_sink(r->id), -ENOENT);
	assert_int_equal(mproc_log_remove_sink(r->other), 0);
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	assert_int_equal(mproc_log_set_level("", MPROC_DEBUG), 0);
}

static void
a_sink_may_remove_itself(void **state)
{
	struct mproc_logger *l = mproc_logger("x");
	struct remover r = { 0 };
	struct mproc_sink sink;
	struct capture c;

	(void)state;
	sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT, remove_itself, &r);
	assert_int_equal(mproc_log_add_sink("", &sink, &r.id), 0);
	r.other = add_capture("", MPROC_LEVEL_DEFAULT, &c);
	mproc_log_info(l, "1");
	mproc_log_info(l, "2");
	assert_int_equal(r.calls, 1);
	assert_int_equal(c.n, 0);
	assert_int_equal(mproc_log_level(""), MPROC_DEBUG);
}

/* Everything that allocates, as one step; -ENOMEM of any is its result. */
static int
configure(void)
{
	struct mproc_sink file = mproc_sink_file(MPROC_CRITICAL, "no-mem.log");
	int r;

	if ((r = mproc_log_set_level("A.b", MPROC_DEBUG)) < 0 ||
	    (r = mproc_log_set_propagate("A.c", true)) < 0 ||
	    (r = mproc_log_add_sink("A.d.e", &file, NULL)) < 0)
		return r;
	return mproc_log_stderr(MPROC_CRITICAL);
}

static void
no_memory(void **state)
{
	struct mproc_logger *l;
	struct capture c;
	unsigned n;
	int r;

	(void)state;
	for (n = 1; n < 100; n++) {
		test_fail_alloc(n);
		r = configure();
		if (!test_fail_done())
			break;
		assert_int_equal(r, -ENOMEM);
		mproc_log_reset();
	}
	assert_int_equal(r, 0);
	assert_in_range(n, 5, 99);
	(void)unlink("no-mem.log");
	mproc_log_reset();
	/* Logging goes on with the logger above, and allocates nothing. */
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	l = mproc_logger("known");
	test_fail_alloc_from(1);
	mproc_log_info(mproc_logger("known.new"), "1");
	assert_true(test_fail_done());
	test_fail_alloc_from(1);
	mproc_log_info(l, "2");
	assert_false(test_fail_done());
	assert_int_equal(c.n, 2);
	assert_string_equal(c.name[0], "known");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(configuration_errors),
		LOG_TEST(out_of_descriptors),
		LOG_TEST(write_errors),
		LOG_TEST(file_appends_and_reopens),
		LOG_TEST(syslog_does_not_crash),
		LOG_TEST(lost_records_are_counted),
		LOG_TEST(a_blocked_sigpipe_stays_as_it_was),
		LOG_TEST(a_sink_that_logs_does_not_recurse),
		LOG_TEST(a_sink_may_remove_itself),
		LOG_TEST(no_memory),
	};

	return TEST_RUN(tests);
}
