/*
 * task.c - see task.h.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "task.h"

struct task {
	struct mproc_backend base;
	int64_t	 calls;
	int64_t	 told;
	int	 fd;
};

MPROC_COMMAND(task, square);
MPROC_COMMAND(task, nap);
MPROC_COMMAND(task, die);
MPROC_COMMAND(task, fail);
MPROC_COMMAND(task, count);
MPROC_COMMAND(task, spin);
MPROC_COMMAND(task, mark);
MPROC_COMMAND(task, say);
MPROC_COMMAND(task, tell);
MPROC_COMMAND(task, told);
MPROC_COMMAND(task, eat);

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(task, square, "n * n"),
	MPROC_HANDLER(task, nap, "sleep"),
	MPROC_HANDLER(task, die, "by a signal, or with a status"),
	MPROC_HANDLER(task, fail, "as told"),
	MPROC_HANDLER(task, count, "yield 0 to n - 1"),
	MPROC_HANDLER(task, spin, "for ever, or until canceled"),
	MPROC_HANDLER(task, mark, "write a byte to a file"),
	MPROC_HANDLER(task, say, "log"),
	MPROC_HANDLER(task, tell, "add to what was told"),
	MPROC_HANDLER(task, told, "the sum of it"),
	MPROC_HANDLER(task, eat, "allocate and touch"),
};

static void
sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) < 0)
		;
}

static int
pre_run(struct mproc_backend *base)
{
	const struct task_start *args = mproc_start_args(base, task_start);
	struct task *self = MPROC_SELF(task, base);

	self->fd = -1;
	if (args == NULL)
		return 0;
	if (args->path != NULL)
		self->fd = open(args->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (args->delay_ms > 0)
		sleep_ms(args->delay_ms);
	if (args->fail < 0)
		return mproc_backend_fail(base, args->fail, "as told");
	return 0;
}

static int
post_run(struct mproc_backend *base)
{
	struct task *self = MPROC_SELF(task, base);

	if (self->fd >= 0)
		close(self->fd);
	return 0;
}

const struct mproc_class task_class = MPROC_CLASS("Task", task, handlers,
    .pre_run = pre_run, .post_run = post_run);

static int
c__square(struct task *self, const struct task_square *args,
    struct mproc_request *req)
{
	return mproc_reply(req, task_squared, .n = args->n * args->n,
	    .pid = gettid(), .home = getpid(), .calls = ++self->calls);
}

static int
c__nap(struct task *self, const struct task_nap *args,
    struct mproc_request *req)
{
	sleep_ms(args->ms);
	return mproc_reply(req, task_squared, .n = args->n, .pid = gettid(),
	    .home = getpid(), .calls = ++self->calls);
}

static int
c__die(struct task *self, const struct task_die *args,
    struct mproc_request *req)
{
	(void)self;
	(void)req;
	if (args->sig == 0)
		_exit(args->status);
	signal(args->sig, SIG_DFL);
	raise(args->sig);
	return 0;
}

static int
c__fail(struct task *self, const struct task_fail *args,
    struct mproc_request *req)
{
	(void)self;
	return mproc_fail(req, args->code, "%s",
	    args->text != NULL ? args->text : "");
}

static int
c__count(struct task *self, const struct task_count *args,
    struct mproc_request *req)
{
	int64_t i;
	int r;

	(void)self;
	for (i = 0; args->forever || i < args->n; i++)
		if ((r = mproc_yield(req, task_item, .n = i)) < 0)
			return r;
	return mproc_reply(req, task_item, .n = i);
}

static int
c__spin(struct task *self, const struct task_spin *args,
    struct mproc_request *req)
{
	(void)self;
	while (!args->polite || !mproc_canceled(req))
		;
	return -ECANCELED;
}

static int
c__mark(struct task *self, const struct task_mark *args,
    struct mproc_request *req)
{
	if (self->fd >= 0 && write(self->fd, "x", 1) != 1)
		return -EIO;
	if (args->die != 0)
		raise(args->die);
	return mproc_reply(req, task_squared, .n = args->n, .pid = gettid());
}

static int
c__say(struct task *self, const struct task_say *args,
    struct mproc_request *req)
{
	(void)req;
	mproc_log(&self->base, (enum mproc_level)args->level, "%s",
	    args->text);
	return 0;
}

static int
c__tell(struct task *self, const struct task_tell *args,
    struct mproc_request *req)
{
	(void)req;
	self->told += args->n;
	return 0;
}

static int
c__told(struct task *self, const struct task_told *args,
    struct mproc_request *req)
{
	(void)args;
	return mproc_reply(req, task_item, .n = self->told);
}

static int
c__eat(struct task *self, const struct task_eat *args,
    struct mproc_request *req)
{
	char *p = malloc((size_t)args->bytes);

	(void)self;
	if (p == NULL)
		return -ENOMEM;
	memset(p, 1, (size_t)args->bytes);
	return mproc_reply(req, task_item, .n = p[args->bytes / 2]);
}

enum mproc_launch
task_launch(void)
{
	const char *where = getenv("TEST_LAUNCH");

	return where != NULL && strcmp(where, "thread") == 0 ? MPROC_THREAD :
	    MPROC_FORKSERVER;
}

void
task_skip(void **why)
{
	print_message("not with threads: %s\n", (const char *)*why);
	skip();
}

struct mproc_pool *
task_pool(struct mproc_pool_options o)
{
	struct mproc_pool *pool = NULL;
	int r;

	if (o.process.launch == MPROC_AUTO)
		o.process.launch = task_launch();
	r = mproc_pool_new(&task_class, &o, &pool);
	if (r < 0)
		fail_msg("mproc_pool_new: %s", mproc_errmsg(NULL));
	r = mproc_pool_start(pool);
	if (r < 0)
		fail_msg("mproc_pool_start: %s", mproc_errmsg(NULL));
	return pool;
}

void
task_law(struct mproc_pool *pool, struct mproc_pool_stats *ret)
{
	struct mproc_pool_stats s;

	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.submitted, s.done + s.failed + s.crashed +
	    s.timed_out + s.canceled + s.queued + s.running);
	if (ret != NULL)
		*ret = s;
}

void
task_finish(struct mproc_pool *pool)
{
	struct mproc_pool_stats s;

	assert_int_equal(mproc_pool_terminate(pool), 0);
	task_law(pool, &s);
	assert_int_equal(s.queued + s.running, 0);
	assert_int_equal(s.workers + s.starting + s.stopping, 0);
	mproc_pool_free(pool);
}

int
task_result(struct mproc_future *f)
{
	assert_int_equal(mproc_future_wait(f, SOON * task_slow()), 0);
	return mproc_future_result(f);
}

static struct task_squared
squared(struct mproc_pool *pool)
{
	struct mproc_msg *reply = NULL;
	struct task_squared sq;

	assert_int_equal(mproc_pool_call(pool, SOON, &reply, task_square,
	    .n = 1), 0);
	sq = *mproc_args(reply, task_squared);
	mproc_msg_free(reply);
	return sq;
}

int
task_pid(struct mproc_pool *pool)
{
	return squared(pool).pid;
}

int
task_home(struct mproc_pool *pool)
{
	return squared(pool).home;
}

bool
task_until(struct mproc_pool *pool,
    bool (*ready)(const struct mproc_pool_stats *, void *), void *arg)
{
	int64_t end = task_now_ms() + SOON * task_slow();
	struct mproc_pool_stats s;

	do {
		task_law(pool, &s);
		if (ready(&s, arg))
			return true;
		(void)mproc_pool_dispatch(pool, 5);
	} while (task_now_ms() < end);
	return false;
}

int64_t
task_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

int64_t
task_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
task_slow(void)
{
	if (test_on_valgrind())
		return 10;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	return 4;
#else
	return 1;
#endif
}

/* Does each of its threads stand still? */
static bool
is_stopped(int pid)
{
	char path[64], line[512];
	struct dirent *d;
	bool all = true;
	FILE *file;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	assert_non_null(dir = opendir(path));
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat",
		    pid, d->d_name);
		assert_non_null(file = fopen(path, "r"));
		all = all && fgets(line, sizeof(line), file) != NULL &&
		    strstr(line, ") T ") != NULL;
		fclose(file);
	}
	closedir(dir);
	return all;
}

void
task_stop_still(int pid)
{
	int64_t end = task_now_ms() + SOON;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	while (!is_stopped(pid) && task_now_ms() < end)
		(void)poll(NULL, 0, 1);
	assert_true(is_stopped(pid));
}
