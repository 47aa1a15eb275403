/*
 * init_test.c - what a worker does before its first job.
 */
#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

MPROC_MESSAGE(tool, fetch, (const char *, path), (const char *, mark));
MPROC_MESSAGE(tool, drop, (int, code));
MPROC_MESSAGE(tool, hang);
MPROC_MESSAGE(tool, count);
MPROC_MESSAGE(tool, counted, (int, fetched), (int, pid));

struct tool {
	struct mproc_backend base;
	int	 fetched;
};

/* Write the mark; "!" first if another process is at it. */
MPROC_COMMAND(tool, fetch)
{
	int fd = open(args->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	int n = 0;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		n += write(fd, "!", 1) == 1;
	(void)usleep(2000);
	n += write(fd, args->mark, 1) == 1;
	close(fd);
	self->fetched++;
	return n > 0 ? 0 : -EIO;
}

MPROC_COMMAND(tool, drop)
{
	return mproc_fail(req, args->code, "dropped");
}

MPROC_COMMAND(tool, hang)
{
	while (mproc_going(&self->base))
		(void)usleep(1000);
	return -ECANCELED;
}

MPROC_COMMAND(tool, count)
{
	return mproc_reply(req, tool_counted, .fetched = self->fetched,
	    .pid = getpid());
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(tool, fetch, "leave a mark in a file"),
	MPROC_HANDLER(tool, drop, "fail"),
	MPROC_HANDLER(tool, hang, "until it is told to stop"),
	MPROC_HANDLER(tool, count, "how many marks it left"),
};

static const struct mproc_class tool_class = MPROC_CLASS("Tool", tool,
    handlers);

static char path[] = "/tmp/mproc-init-XXXXXX";

static int
make_file(void **state)
{
	int fd;

	(void)state;
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	if ((fd = mkstemp(path)) < 0)
		return -1;
	return close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static const char *
marks(void)
{
	static char all[64];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	all[fread(all, 1, sizeof(all) - 1, file)] = '\0';
	fclose(file);
	return all;
}

static struct mproc_pool *
tool_pool(struct mproc_pool_options o)
{
	struct mproc_pool *pool = NULL;

	if (o.process.launch == MPROC_AUTO)
		o.process.launch = task_launch();
	assert_int_equal(mproc_pool_new(&tool_class, &o, &pool), 0);
	return pool;
}

/* What the next worker says. */
static struct tool_counted
counted(struct mproc_pool *pool)
{
	struct mproc_msg *reply = NULL;
	struct tool_counted c;

	assert_int_equal(mproc_pool_call(pool, SOON * task_slow(), &reply,
	    tool_count), 0);
	c = *mproc_args(reply, tool_counted);
	mproc_msg_free(reply);
	return c;
}

static void
pm3_in_turn_in_order_before_the_first_job(void **state)
{
	struct mproc_pool *pool = tool_pool((struct mproc_pool_options){
	    .workers = 3, .fifo = true, .init_in_turn = true });
	int i;

	(void)state;
	assert_int_equal(mproc_pool_add_init(pool, tool_fetch, .path = path,
	    .mark = "a"), 0);
	assert_int_equal(mproc_pool_add_init(pool, tool_fetch, .path = path,
	    .mark = "b"), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	assert_string_equal(marks(), "ababab");
	for (i = 0; i < 3; i++)
		assert_int_equal(counted(pool).fetched, 2);
	task_finish(pool);
}

static void
pm3_what_is_refused(void **state)
{
	struct mproc_pool *pool = tool_pool((struct mproc_pool_options){
	    .workers = 1 });

	(void)state;
	assert_int_equal(mproc_pool_add_init(pool, tool_drop, .code = 1), 0);
	assert_int_equal(mproc_pool_add_init(pool, tool_drop, .code = 1),
	    -EEXIST);
	assert_int_equal(mproc_pool_add_init(pool, task_told), -ENOSYS);
	mproc_pool_free(pool);
	pool = tool_pool((struct mproc_pool_options){ .workers = 1 });
	assert_int_equal(mproc_pool_start(pool), 0);
	assert_int_equal(mproc_pool_add_init(pool, tool_count), -EALREADY);
	task_finish(pool);
}

static void
pm3_failing_by_policy(void **state)
{
	const enum mproc_launch where[] = { MPROC_FORKSERVER, MPROC_THREAD };
	struct mproc_pool_stats s;
	struct mproc_pool *pool;
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		pool = tool_pool((struct mproc_pool_options){ .workers = 2,
		    .init_may_fail = i >= 2,
		    .process.launch = where[i % 2] });
		assert_int_equal(mproc_pool_add_init(pool, tool_drop,
		    .code = -EDOM), 0);
		assert_int_equal(mproc_pool_add_init(pool, tool_fetch,
		    .path = path, .mark = "a"), 0);
		if (i >= 2) {
			assert_int_equal(mproc_pool_start(pool), 0);
			assert_int_equal(counted(pool).fetched, 1);
			task_finish(pool);
			continue;
		}
		assert_int_equal(mproc_pool_start(pool), -EDOM);
		assert_non_null(strstr(mproc_errmsg(NULL), "dropped"));
		assert_int_equal(mproc_pool_stats(pool, &s), 0);
		assert_int_equal(s.workers + s.starting + s.stopping, 0);
		mproc_pool_free(pool);
	}
}

static void
pm3_also_of_those_that_replace(void **state)
{
	struct mproc_pool *pool = tool_pool((struct mproc_pool_options){
	    .workers = 1, .max_jobs = 2 });
	int i;

	(void)state;
	assert_int_equal(mproc_pool_add_init(pool, tool_fetch, .path = path,
	    .mark = "a"), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	for (i = 0; i < 6; i++)
		assert_int_equal(counted(pool).fetched, 1);
	if (task_launch() != MPROC_THREAD)
		assert_int_equal(kill(counted(pool).pid, SIGKILL), 0);
	/* this one may be the last of the dead, and is not told of twice */
	(void)mproc_pool_call(pool, SOON, NULL, tool_count);
	assert_int_equal(counted(pool).fetched, 1);
	task_finish(pool);
}

static void
pmw13_ready_is_after_init(void **state)
{
	struct mproc_pool *pool = tool_pool((struct mproc_pool_options){
	    .workers = 2, .init_in_turn = true,
	    .process.start_timeout_ms = 100 });
	struct mproc_pool_stats s;

	(void)state;
	assert_int_equal(mproc_pool_add_init(pool, tool_hang), 0);
	assert_int_equal(mproc_pool_start_nowait(pool), 0);
	assert_int_equal(mproc_pool_wait_ready(pool, 20), -ETIMEDOUT);
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.workers, 0);
	assert_int_equal(mproc_pool_terminate(pool), 0);
	/* and is bounded */
	assert_int_equal(mproc_pool_start(pool), -ETIMEDOUT);
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.workers + s.starting + s.stopping, 0);
	mproc_pool_free(pool);
}

#define FILE_TEST(fn)							\
	cmocka_unit_test_setup_teardown(fn, make_file, remove_file)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(pm3_in_turn_in_order_before_the_first_job),
		cmocka_unit_test(pm3_what_is_refused),
		FILE_TEST(pm3_failing_by_policy),
		FILE_TEST(pm3_also_of_those_that_replace),
		cmocka_unit_test(pmw13_ready_is_after_init),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
