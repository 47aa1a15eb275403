/*
 * Loggers, levels and lines, in one thread; sinks: see sink_test.c.
 */
#include <stdio.h>
#include <time.h>

#include "capture.h"

#include "system/error.h"

static void
levels_have_names(void **state)
{
	enum mproc_level level = MPROC_OFF;
	int i;

	(void)state;
	for (i = MPROC_LEVEL_DEFAULT; i <= MPROC_OFF; i++) {
		assert_int_equal(mproc_level_parse(mproc_level_name(
		    (enum mproc_level)i), &level), 0);
		assert_int_equal(level, i);
	}
	assert_string_equal(mproc_level_name((enum mproc_level)7), "?");
	assert_string_equal(mproc_level_name((enum mproc_level)-1), "?");
	assert_int_equal(mproc_level_parse("warning", &level), 0);
	assert_int_equal(level, MPROC_WARNING);
	assert_int_equal(mproc_level_parse("loud", &level), -EINVAL);
	assert_int_equal(mproc_level_parse("", &level), -EINVAL);
	assert_int_equal(mproc_level_parse(NULL, &level), -EINVAL);
	assert_int_equal(level, MPROC_WARNING);
}

static int evaluated;

static int
evaluate(void)
{
	return ++evaluated;
}

static void
silent_without_a_sink(void **state)
{
	struct mproc_logger *l = mproc_logger("Silent");
	int saved, fds[2], i;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	fflush(stderr);
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	dup2(fds[1], STDERR_FILENO);
	mproc_log_set_level("", MPROC_DEBUG);
	for (i = MPROC_DEBUG; i <= MPROC_CRITICAL; i++)
		mproc_log_at(l, (enum mproc_level)i, "%d", evaluate());
	dup2(saved, STDERR_FILENO);
	assert_string_equal(drain(fds[0]), "");
	assert_int_equal(evaluated, 0);
	assert_false(mproc_log_enabled("Silent", MPROC_CRITICAL));
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

static void
disabled_arguments_are_not_evaluated(void **state)
{
	struct mproc_logger *l = mproc_logger("Eval");
	struct capture c;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	evaluated = 0;
	mproc_log_debug(l, "%d", evaluate());
	assert_int_equal(evaluated, 0);
	mproc_log_info(l, "%d", evaluate());
	assert_int_equal(evaluated, 1);
	assert_int_equal(c.n, 1);
}

static void
vk27_line_is_byte_exact(void **state)
{
	int fds[2], saved;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	fflush(stderr);
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	dup2(fds[1], STDERR_FILENO);
	assert_int_equal(mproc_log_stderr(MPROC_INFO), 0);
	assert_int_equal(mproc_log_stderr(MPROC_INFO), 0);	/* once only */
	mproc_log_info(mproc_logger("MyProcess.my-process"), "hello");
	mproc_log_debug(mproc_logger("MyProcess.my-process"), "not this");
	dup2(saved, STDERR_FILENO);
	assert_string_equal(drain(fds[0]),
	    "MyProcess.my-process - INFO - hello\n");
	close(saved);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(mproc_log_stderr((enum mproc_level)9), -EINVAL);
}

static void
vk27_stderr_without_level_leaves_it(void **state)
{
	(void)state;
	mproc_log_set_level("", MPROC_ERROR);
	assert_int_equal(mproc_log_stderr(MPROC_LEVEL_DEFAULT), 0);
	assert_int_equal(mproc_log_level(""), MPROC_ERROR);
	assert_int_equal(mproc_log_stderr(MPROC_DEBUG), 0);
	assert_int_equal(mproc_log_level("any.where"), MPROC_DEBUG);
}

static void
vk28_filter_per_logger(void **state)
{
	struct mproc_logger *one = mproc_logger("Counter.counter-1");
	struct mproc_logger *two = mproc_logger("Counter.counter-2");
	int fd = add_pipe("", NULL);

	(void)state;
	mproc_log_debug(one, "a");
	mproc_log_set_level("Counter.counter-1", MPROC_DEBUG);
	mproc_log_debug(one, "b");
	mproc_log_debug(two, "c");
	mproc_log_set_level("Counter.counter-1", MPROC_ERROR);
	mproc_log_warning(one, "d");
	mproc_log_warning(two, "e");
	mproc_log_set_level("Counter.counter-1", MPROC_LEVEL_DEFAULT);
	mproc_log_info(one, "f");
	assert_string_equal(drain(fd),
	    "Counter.counter-1 - DEBUG - b\n"
	    "Counter.counter-2 - WARNING - e\n"
	    "Counter.counter-1 - INFO - f\n");
	close(fd);
}

static void
pm38_level_change_is_seen_at_once(void **state)
{
	struct mproc_logger *early = mproc_logger("A.b.c");
	struct capture c;
	int i;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	assert_false(mproc_log_wants(early, MPROC_DEBUG));
	for (i = 0; i < 3; i++) {
		mproc_log_set_level("A", MPROC_DEBUG);
		assert_true(mproc_log_wants(early, MPROC_DEBUG));
		assert_true(mproc_log_wants(mproc_logger("A.late"),
		    MPROC_DEBUG));
		assert_true(mproc_log_enabled("A.none.yet", MPROC_DEBUG));
		assert_false(mproc_log_enabled("B", MPROC_DEBUG));
		mproc_log_set_level("A", MPROC_LEVEL_DEFAULT);
		assert_false(mproc_log_wants(early, MPROC_DEBUG));
	}
	mproc_log_set_level("", MPROC_OFF);
	mproc_log_critical(early, "never");
	assert_int_equal(c.n, 0);
	assert_int_equal(mproc_log_level("A.b.c"), MPROC_OFF);
	assert_int_equal(mproc_log_set_level("", (enum mproc_level)12),
	    -EINVAL);
	assert_int_equal(mproc_log_set_level("", (enum mproc_level)-1),
	    -EINVAL);
}

static void
hierarchy_and_propagation(void **state)
{
	struct mproc_logger *l = mproc_logger("test.submodule.part");
	struct capture root, test, sub;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &root);
	add_capture("test", MPROC_WARNING, &test);
	add_capture("test.submodule", MPROC_LEVEL_DEFAULT, &sub);
	mproc_log_info(l, "1");
	mproc_log_error(l, "2");
	assert_int_equal(root.n, 2);
	assert_int_equal(test.n, 1);
	assert_int_equal(sub.n, 2);
	assert_string_equal(sub.name[0], "test.submodule.part");
	assert_string_equal(test.text[0], "2");
	assert_int_equal(mproc_log_set_propagate("test.submodule", false), 0);
	mproc_log_error(l, "3");
	mproc_log_error(mproc_logger("test.x"), "4");
	mproc_log_error(mproc_logger("testing"), "5");
	assert_int_equal(sub.n, 3);
	assert_int_equal(test.n, 2);
	assert_string_equal(test.text[1], "4");
	assert_int_equal(root.n, 4);
	assert_string_equal(root.name[3], "testing");
}

/* A logger that reaches no sink costs only the test. */
static void
threshold_counts_sinks(void **state)
{
	struct mproc_logger *l = mproc_logger("quiet.inner");
	struct capture c;
	int id;

	(void)state;
	mproc_log_set_level("", MPROC_DEBUG);
	id = add_capture("", MPROC_ERROR, &c);
	assert_false(mproc_log_wants(l, MPROC_WARNING));
	assert_true(mproc_log_wants(l, MPROC_ERROR));
	assert_int_equal(mproc_log_set_propagate("quiet", false), 0);
	assert_false(mproc_log_wants(l, MPROC_CRITICAL));
	assert_int_equal(mproc_log_set_propagate("quiet", true), 0);
	assert_true(mproc_log_wants(l, MPROC_ERROR));
	assert_int_equal(mproc_log_remove_sink(id), 0);
	assert_false(mproc_log_wants(l, MPROC_CRITICAL));
	assert_int_equal(mproc_log_remove_sink(id), -ENOENT);
}

static void
names(void **state)
{
	static const char *const odd[] = { ".", "..", "a.", ".a", "a..b",
	    "...x", "a.b.c.d.e.f.g" };
	char name[MPROC_LOG_NAME_MAX + 2];
	struct mproc_logger *l;
	struct capture c;
	size_t i;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	assert_ptr_equal(mproc_logger(""), mproc_logger(NULL));
	assert_string_equal(mproc_logger_name(mproc_logger("")), "");
	for (i = 0; i < TEST_COUNT(odd); i++) {
		l = mproc_logger(odd[i]);
		assert_string_equal(mproc_logger_name(l), odd[i]);
		assert_ptr_equal(l, mproc_logger(odd[i]));
		mproc_log_info(l, "x");
		assert_int_equal(c.n, i + 1);
	}
	memset(name, 'n', sizeof(name));
	name[0] = 'a';
	name[1] = '.';
	name[MPROC_LOG_NAME_MAX] = '\0';
	assert_string_equal(mproc_logger_name(mproc_logger(name)), name);
	name[MPROC_LOG_NAME_MAX] = 'n';
	name[MPROC_LOG_NAME_MAX + 1] = '\0';
	assert_string_equal(mproc_logger_name(mproc_logger(name)), "a");
	assert_int_equal(mproc_log_set_level(name, MPROC_INFO), -EINVAL);
	assert_int_equal(mproc_log_set_propagate(name, true), -EINVAL);
	assert_int_equal(mproc_log_add_sink(name, &(struct mproc_sink){ 0 },
	    NULL), -EINVAL);
}

/* As deep and as many as anybody's. */
static void
many_loggers(void **state)
{
	char name[MPROC_LOG_NAME_MAX + 1];
	struct capture c;
	int i;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "Class%d.process-%d", i % 7, i);
		mproc_log_debug(mproc_logger(name), "%d", i);
	}
	for (i = 0; i < MPROC_LOG_NAME_MAX; i++)
		name[i] = '.';
	name[i] = '\0';
	mproc_log_set_level("", MPROC_DEBUG);
	mproc_log_debug(mproc_logger(name), "deep");
	mproc_log_debug(mproc_logger("Class3.process-1998"), "wide");
	assert_int_equal(c.n, 2);
}

static void
record_is_complete(void **state)
{
	struct timespec now;
	struct capture c;
	int64_t ns;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	clock_gettime(CLOCK_REALTIME, &now);
	ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	errno = ENOENT;
	mproc__err(-EBUSY, "kept");
	mproc_log_error(mproc_logger("R.r"), "open: %m");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(mproc__err_text(), "kept");
	assert_string_equal(c.text[0], "open: No such file or directory");
	assert_int_equal(c.last.text_len, strlen(c.text[0]));
	assert_int_equal(c.last.pid, getpid());
	assert_int_equal(c.last.tid, gettid());
	assert_true(c.last.time_ns >= ns);
	assert_true(c.last.time_ns - ns < INT64_C(60000000000));
	assert_non_null(strstr(c.process, "log_test"));
}

static void
no_level_no_record(void **state)
{
	struct mproc_logger *l = mproc_logger("");
	struct capture c;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	mproc_log_at(l, MPROC_LEVEL_DEFAULT, "x");
	mproc_log_at(l, MPROC_OFF, "x");
	mproc_log_at(l, (enum mproc_level)77, "x");
	assert_int_equal(c.n, 0);
	assert_false(mproc_log_enabled("", MPROC_OFF));
}

static void
patterns(void **state)
{
	char want[256];
	const char *got;
	int fd;

	(void)state;
	fd = add_pipe("a", "[%l/%n] 100%% %m|%p,%t");
	mproc_log_info(mproc_logger("a"), "x");
	snprintf(want, sizeof(want), "[INFO/a] 100%% x|%d,%d\n", getpid(),
	    gettid());
	assert_string_equal(drain(fd), want);
	close(fd);
	fd = add_pipe("b", MPROC_LOG_FULL);
	mproc_log_info(mproc_logger("b"), "x");
	got = drain(fd);
	/* 2024-01-01T00:00:00.000000Z name[pid] */
	assert_int_equal(got[10], 'T');
	assert_int_equal(got[26], 'Z');
	snprintf(want, sizeof(want), "[%d] INFO b: x\n", getpid());
	assert_non_null(strstr(got, want));
	close(fd);
	fd = add_pipe("c", MPROC_LOG_PROCESS);
	mproc_log_error(mproc_logger("c"), "x");
	snprintf(want, sizeof(want), "[ERROR/%s] x\n",
	    program_invocation_short_name);
	assert_string_equal(drain(fd), want);
	close(fd);
}

static void
a_record_stays_one_line(void **state)
{
	int fd = add_pipe("", NULL);

	(void)state;
	mproc_log_info(mproc_logger("evil\nroot - CRITICAL"),
	    "a\nb\r\tc\x1b[2Jd\x7f \xc3\xa9\n");
	assert_string_equal(drain(fd), "evil\\nroot - CRITICAL - INFO - "
	    "a\\nb\\r\\tc\\x1b[2Jd\\x7f \xc3\xa9\\n\n");
	close(fd);
}

static void
long_text_is_cut_with_a_mark(void **state)
{
	static char big[3 * MPROC_LOG_TEXT_MAX];
	const char *got;
	struct capture c;
	int fd, i;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	fd = add_pipe("", NULL);
	for (i = 0; i < (int)sizeof(big) - 2; i += 2)
		memcpy(big + i, "\xc3\xa9", 2);
	mproc_log_info(mproc_logger("n"), "%s", big);
	assert_true(c.last.text_len <= MPROC_LOG_TEXT_MAX);
	assert_true(c.last.text_len > MPROC_LOG_TEXT_MAX - 4);
	got = drain(fd);
	assert_true(strlen(got) <= 4096);
	assert_true(strlen(got) > 4096 - 4);
	got += strlen(got) - 9;
	assert_string_equal(got, "\xc3\xa9 [...]\n");
	/* Escapes make four bytes of one. */
	memset(big, 1, sizeof(big) - 1);
	mproc_log_info(mproc_logger("n"), "%s", big);
	got = drain(fd);
	assert_true(strlen(got) <= 4096);
	assert_string_equal(got + strlen(got) - 11, "\\x01 [...]\n");
	close(fd);
}

static void
a_bad_format_still_logs(void **state)
{
	static const wchar_t bad[] = { 0x110000, 0 };
	struct capture c;

	(void)state;
	add_capture("", MPROC_LEVEL_DEFAULT, &c);
	mproc_log_info(mproc_logger(""), "wide %ls", bad);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.text[0], "wide %ls");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(levels_have_names),
		LOG_TEST(silent_without_a_sink),
		LOG_TEST(disabled_arguments_are_not_evaluated),
		LOG_TEST(vk27_line_is_byte_exact),
		LOG_TEST(vk27_stderr_without_level_leaves_it),
		LOG_TEST(vk28_filter_per_logger),
		LOG_TEST(pm38_level_change_is_seen_at_once),
		LOG_TEST(hierarchy_and_propagation),
		LOG_TEST(threshold_counts_sinks),
		LOG_TEST(names),
		LOG_TEST(many_loggers),
		LOG_TEST(record_is_complete),
		LOG_TEST(no_level_no_record),
		LOG_TEST(patterns),
		LOG_TEST(a_record_stays_one_line),
		LOG_TEST(long_text_is_cut_with_a_mark),
		LOG_TEST(a_bad_format_still_logs),
	};

	return TEST_RUN(tests);
}
