/*
 * crew.c - see crew.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"

struct crew {
	struct mproc_backend base;
	struct mproc_logger *logger;	/* kept from pre_run: BM-33 */
	int64_t	 factor;
	int64_t	 calls, made;
	int	 gate;
	struct mproc_request *later;
	int64_t	 later_n;
};

MPROC_COMMAND(crew, mul);
MPROC_COMMAND(crew, divide);
MPROC_COMMAND(crew, wait);
MPROC_COMMAND(crew, echo);
MPROC_COMMAND(crew, say);
MPROC_COMMAND(crew, print);
MPROC_COMMAND(crew, leave);
MPROC_COMMAND(crew, later);
MPROC_COMMAND(crew, fds);
MPROC_COMMAND(crew, breed);
MPROC_COMMAND(crew, talk);
MPROC_COMMAND(crew, signals);

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(crew, mul, "multiply"),
	MPROC_HANDLER(crew, divide, "divide, if that can be"),
	MPROC_HANDLER(crew, wait, "for the gate"),
	MPROC_HANDLER(crew, echo, "the same"),
	MPROC_HANDLER(crew, say, "log under a name"),
	MPROC_HANDLER(crew, print, "to standard output"),
	MPROC_HANDLER(crew, leave, "exit"),
	MPROC_HANDLER(crew, later, "answer afterwards"),
	MPROC_HANDLER(crew, fds, "count descriptors"),
	MPROC_HANDLER(crew, breed, "have a child"),
	MPROC_HANDLER(crew, talk, "with another worker"),
	MPROC_HANDLER(crew, signals, "what a signal would do"),
};

static int
pre_run(struct mproc_backend *base)
{
	const struct crew_start *args = mproc_start_args(base, crew_start);
	struct crew *self = MPROC_SELF(crew, base);

	self->factor = 1;
	self->gate = -1;
	self->made++;
	if (args == NULL)
		return 0;
	if (args->factor != 0)
		self->factor = args->factor;
	if (args->data.size > 0)	/* its last byte */
		self->factor = ((const uint8_t *)args->data.data)
		    [args->data.size - 1];
	if (args->gate.present)
		self->gate = args->gate.fd;
	if (args->logger != NULL) {
		self->logger = mproc_logger(args->logger);
		mproc_log_info(self->logger, "made");
	}
	if (args->fail < 0)
		return mproc_backend_fail(base, args->fail, "no ledger");
	return 0;
}

const struct mproc_class crew_class = MPROC_CLASS("Crew", crew, handlers,
    .pre_run = pre_run);

static int
number(struct crew *self, struct mproc_request *req, int64_t n)
{
	return mproc_reply(req, crew_number, .n = n, .pid = gettid(),
	    .calls = ++self->calls, .made = self->made);
}

static int
c__mul(struct crew *self, const struct crew_mul *args,
    struct mproc_request *req)
{
	return number(self, req, args->a * args->b * self->factor);
}

static int
c__divide(struct crew *self, const struct crew_divide *args,
    struct mproc_request *req)
{
	if (args->b == 0)
		return mproc_fail(req, -EDOM, "%d / 0", (int)args->a);
	return number(self, req, args->a / args->b);
}

static int
c__wait(struct crew *self, const struct crew_wait *args,
    struct mproc_request *req)
{
	struct pollfd pfd = { self->gate, POLLIN, 0 };

	if (self->logger != NULL)
		mproc_log_info(self->logger, "waits");
	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
	return number(self, req, args->n);
}

static int
c__echo(struct crew *self, const struct crew_echo *args,
    struct mproc_request *req)
{
	(void)self;
	return mproc_reply(req, crew_echo, .data = args->data);
}

static int
c__say(struct crew *self, const struct crew_say *args,
    struct mproc_request *req)
{
	struct mproc_logger *logger = args->logger != NULL ?
	    mproc_logger(args->logger) : self->logger;
	int i;

	(void)req;
	for (i = 0; i < (args->times > 0 ? args->times : 1); i++)
		mproc_log_at(logger, (enum mproc_level)args->level, "%s",
		    args->text);
	return 0;
}

static int
c__print(struct crew *self, const struct crew_print *args,
    struct mproc_request *req)
{
	int i;

	(void)self;
	(void)req;
	for (i = 0; i < args->times; i++) {
		printf("%s", args->text);
		(void)fflush(stdout);
		printf(".%d\n", i);
	}
	(void)fflush(stdout);
	return 0;
}

static int
c__leave(struct crew *self, const struct crew_leave *args,
    struct mproc_request *req)
{
	(void)self;
	(void)req;
	exit(args->status);
}

static int
answer(struct mproc_backend *base, void *arg)
{
	struct crew *self = MPROC_SELF(crew, base);

	(void)arg;
	return number(self, self->later, self->later_n);
}

static int
c__later(struct crew *self, const struct crew_later *args,
    struct mproc_request *req)
{
	int r;

	if ((r = mproc_defer(req)) < 0)
		return r;
	self->later = req;
	self->later_n = args->n;
	return mproc_timer(&self->base, args->ms, 0, answer, NULL);
}

static int
c__fds(struct crew *self, const struct crew_fds *args,
    struct mproc_request *req)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	(void)args;
	if (dir == NULL)
		return -errno;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return number(self, req, n - 3);	/* ".", "..", its own */
}

static int
c__breed(struct crew *self, const struct crew_breed *args,
    struct mproc_request *req)
{
	pid_t pid;

	(void)args;
	if ((pid = fork()) < 0)
		return -errno;
	if (pid == 0)
		for (;;)
			pause();
	(void)mproc_yield(req, crew_number, .pid = pid);
	while (mproc_going(&self->base))
		;
	return 0;
}

static int
c__talk(struct crew *self, const struct crew_talk *args,
    struct mproc_request *req)
{
	int64_t heard = -1;
	int fd = mproc_take_fd(req, args->fd);
	struct pollfd pfd = { fd, POLLIN, 0 };
	int r = 0;

	if (fd < 0)
		return fd;
	if (write(fd, &args->n, sizeof(args->n)) != sizeof(args->n) ||
	    poll(&pfd, 1, SOON) != 1 ||
	    read(fd, &heard, sizeof(heard)) != sizeof(heard))
		r = -EIO;
	close(fd);
	return r < 0 ? r : number(self, req, heard);
}

static int
c__signals(struct crew *self, const struct crew_signals *args,
    struct mproc_request *req)
{
	struct sigaction sa;

	if (sigaction(args->sig, NULL, &sa) < 0)
		return -errno;
	return mproc_reply(req, crew_number, .n = sa.sa_handler == SIG_IGN,
	    .pid = gettid(), .made = getpgid(0), .calls = ++self->calls);
}

struct mproc_pool *
crew_pool(struct mproc_pool_options o)
{
	struct mproc_pool *pool = NULL;

	if (o.process.launch == MPROC_AUTO)
		o.process.launch = task_launch();
	if (mproc_pool_new(&crew_class, &o, &pool) < 0 ||
	    mproc_pool_start(pool) < 0)
		fail_msg("crew_pool: %s", mproc_errmsg(NULL));
	return pool;
}

int
crew_pid(struct mproc_pool *pool)
{
	struct mproc_msg *reply = NULL;
	int pid;

	assert_int_equal(mproc_pool_call(pool, SOON, &reply, crew_mul), 0);
	pid = mproc_args(reply, crew_number)->pid;
	mproc_msg_free(reply);
	return pid;
}

int64_t
crew_number(struct mproc_msg *reply)
{
	const struct crew_number *t = reply != NULL ?
	    mproc_args(reply, crew_number) : NULL;
	int64_t n = t != NULL ? t->n : -1;

	mproc_msg_free(reply);
	return n;
}

void
gate_make(struct gate *g)
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	g->in = fd[0];
	g->out = fd[1];
}

void
gate_open(struct gate *g)
{
	if (g->out >= 0)
		close(g->out);
	g->out = -1;
}

void
gate_free(struct gate *g)
{
	gate_open(g);
	close(g->in);
}

struct mproc_pool *
crew_gated(struct gate *gate, struct mproc_pool_options o)
{
	gate_make(gate);
	o.process.args = MPROC_PACK(crew_start, .gate = MPROC_FD(gate->in));
	return crew_pool(o);
}

void
crew_wait_all(struct mproc_future **f, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		assert_int_equal(task_result(f[i]), 0);
		f[i] = mproc_future_free(f[i]);
	}
}

void
crew_bounce(struct mproc_pool *pool, size_t size)
{
	char *data = malloc(size);
	const struct crew_echo *t;
	struct mproc_msg *reply;

	assert_non_null(data);
	memset(data, 7, size);
	assert_int_equal(mproc_pool_call(pool, SOON * task_slow(), &reply,
	    crew_echo, .data = { data, size }), 0);
	t = mproc_args(reply, crew_echo);
	assert_non_null(t);
	assert_int_equal(t->data.size, size);
	assert_memory_equal(t->data.data, data, size);
	mproc_msg_free(reply);
	free(data);
}

void
crew_on_worker(enum mproc_worker_event event, const struct mproc_worker *w,
    void *arg)
{
	struct crew_fate *fate = arg;

	if (event == MPROC_WORKER_KILLED)
		fate->killed = w->death->signal;
	else if (event == MPROC_WORKER_DIED)
		fate->died = w->death->signal;
}
