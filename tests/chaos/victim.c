#include <sys/ioctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/backend.h"
#include "test.h"
#include "victim.h"

#define HELD	64

struct victim {
	struct mproc_backend base;
	int	 point, pipe;
	int64_t	 sum, count;
	struct mproc_request *held[HELD];
	int	 n_held;
	bool	 fail_on;
};

MPROC_COMMAND(victim, echo);
MPROC_COMMAND(victim, note);
MPROC_COMMAND(victim, sum);
MPROC_COMMAND(victim, emit);
MPROC_COMMAND(victim, act);
MPROC_COMMAND(victim, hold);
MPROC_COMMAND(victim, fail_alloc);
MPROC_COMMAND(victim, fail_sys);

static mproc_handler_fn act_entry;

static const struct mproc_handler victim_handlers[] = {
	MPROC_HANDLER(victim, echo, "reply with the same"),
	MPROC_HANDLER(victim, note, "add n to the sum"),
	MPROC_HANDLER(victim, sum, "the sum and the count"),
	MPROC_HANDLER(victim, emit, "emit count items of size bytes"),
	{ .command = "act", .schema = MPROC_SCHEMA(victim_act),
	    .entry = act_entry, .help = "reach a point" },
	MPROC_HANDLER(victim, hold, "defer"),
	MPROC_HANDLER(victim, fail_alloc, "the n-th allocation fails"),
	MPROC_HANDLER(victim, fail_sys, "the n-th call of a name fails"),
};

static void
die(void)
{
	(void)kill(getpid(), SIGKILL);
	for (;;)
		(void)pause();
}

/* Say that the point is reached, and wait for the end. */
static void
die_by_others(struct victim *self)
{
	(void)!write(self->pipe, "!", 1);
	for (;;)
		(void)pause();
}

static int
pre_run(struct mproc_backend *base)
{
	const struct victim_start *start = mproc_start_args(base,
	    victim_start);
	struct victim *self = MPROC_SELF(victim, base);
	struct mproc__core *core = base->core;

	if (start == NULL)
		return 0;
	self->point = start->point;
	self->pipe = start->pipe.present ? start->pipe.fd : -1;
	if (start->limit > 0) {
		mproc__channel_limit_io(core->data, (size_t)start->limit);
		mproc__channel_limit_io(core->control, (size_t)start->limit);
	}
	if (self->point == IN_PRE_RUN)
		die();
	if (self->point == READY_HALF_WRITTEN)
		mproc__channel_limit_io(core->control, 3);
	return 0;
}

static int
run(struct mproc_backend *base)
{
	struct victim *self = MPROC_SELF(victim, base);

	if (self->point == READY_HALF_WRITTEN)
		die();
	while (mproc_poll_once(base, -1) >= 0)
		if (self->point == BETWEEN_FRAMES && self->count >= 300)
			die();
	return 0;
}

static int
post_run(struct mproc_backend *base)
{
	struct victim *self = MPROC_SELF(victim, base);

	if (self->point == IN_POST_RUN)
		die();
	return 0;
}

const struct mproc_class victim_class = MPROC_CLASS("Victim", victim,
    victim_handlers, .pre_run = pre_run, .run = run, .post_run = post_run);

static int
c__echo(struct victim *self, const struct victim_echo *args,
    struct mproc_request *req)
{
	(void)self;
	return mproc_reply(req, victim_echoed, .n = args->n,
	    .data = args->data, .fd = args->fd);
}

static int
c__note(struct victim *self, const struct victim_note *args,
    struct mproc_request *req)
{
	(void)req;
	self->sum += args->n;
	self->count++;
	return 0;
}

static int
c__sum(struct victim *self, const struct victim_sum *args,
    struct mproc_request *req)
{
	(void)args;
	return mproc_reply(req, victim_summed, .sum = self->sum,
	    .count = self->count);
}

static int
c__emit(struct victim *self, const struct victim_emit *args,
    struct mproc_request *req)
{
	char *data = calloc(1, (size_t)args->size + 1);
	int64_t i;
	int r = data != NULL ? 0 : -ENOMEM;

	(void)req;
	for (i = 0; i < args->count && r == 0; i++)
		r = mproc_emit(&self->base, victim_item, .n = i,
		    .data = { data, (size_t)args->size });
	free(data);
	return r;
}

static int
c__hold(struct victim *self, const struct victim_hold *args,
    struct mproc_request *req)
{
	(void)args;
	if (self->n_held == HELD)
		return -ENOBUFS;
	self->held[self->n_held++] = req;
	return mproc_defer(req);
}

/* Both are answered before anything fails. */
static int
c__fail_alloc(struct victim *self, const struct victim_fail_alloc *args,
    struct mproc_request *req)
{
	bool any = test_fail_done();
	int r = mproc_reply(req, victim_failed, .any = any);

	(void)self;
	if (args->n > 0 && args->on)
		test_fail_alloc_from((unsigned)args->n);
	else if (args->n > 0)
		test_fail_alloc((unsigned)args->n);
	return r;
}

static int
c__fail_sys(struct victim *self, const struct victim_fail_sys *args,
    struct mproc_request *req)
{
	static char name[32];
	bool any = test_fail_sys_done();
	int r = mproc_reply(req, victim_failed, .any = any);

	(void)self;
	(void)snprintf(name, sizeof(name), "%s",
	    args->name != NULL ? args->name : "");
	test_fail_sys(name, (unsigned)args->n, args->code);
	return r;
}

/* Fill the socket: what comes after that stays queued. */
static int
fill_socket(struct victim *self)
{
	static const char block[32768];
	int r = 0;

	while (r == 0 && mproc__channel_queued(self->base.core->data) == 0)
		r = mproc_emit(&self->base, victim_item,
		    .data = { block, sizeof(block) });
	return r;
}

static int
on_timer(struct mproc_backend *base, void *arg)
{
	(void)base;
	(void)arg;
	die();
	return 0;
}

static int
leave_grandchild(struct victim *self, bool escapes)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (escapes)
			(void)setsid();
		(void)signal(SIGTERM, SIG_IGN);
		(void)alarm(60);	/* should the test fail */
		die_by_others(self);
	}
	return mproc_emit(&self->base, victim_pid, .pid = pid);
}

static int
emit_and_die(struct victim *self)
{
	int i;

	for (i = 0; i < 50; i++)
		if (mproc_emit(&self->base, victim_item, .n = i) < 0)
			return -EIO;
	die();
	return 0;
}

/* Between decoding and the handler. */
static int
act_entry(struct mproc_backend *base, const void *args,
    struct mproc_request *req)
{
	const struct victim_act *act = args;

	if (act->point == DECODED)
		die();
	return mproc__entry_victim_act(base, args, req);
}

static int
c__act(struct victim *self, const struct victim_act *args,
    struct mproc_request *req)
{
	int i;

	switch (args->point) {
	case IN_HANDLER:
		die_by_others(self);
		return 0;
	case REPLY_QUEUED:
		(void)fill_socket(self);
		(void)mproc_reply(req, victim_summed, .sum = 1);
		die();
		return 0;
	case REPLY_HALF_WRITTEN:
		mproc__channel_limit_io(self->base.core->data, 5);
		/* fallthrough */
	case REPLIED:
		(void)mproc_reply(req, victim_echoed, .n = 1,
		    .fd = MPROC_FD(self->pipe));
		die();
		return 0;
	case RETURNED:
		return mproc_timer(&self->base, 0, 0, on_timer, NULL);
	case EMITTING:
		return emit_and_die(self);
	case BLOCKED_IN_EMIT:
		for (i = 0; i < 1000; i++)
			(void)mproc_emit(&self->base, victim_item, .n = i);
		return -EIO;
	case GRANDCHILD:
	case CHILD:
		return leave_grandchild(self, args->point == GRANDCHILD);
	default:
		return -EINVAL;
	}
}

bool
chaos_gone(int pid)
{
	char path[64], text[512];
	const char *at;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return true;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return true;
	text[n] = '\0';
	at = strrchr(text, ')');
	return at != NULL && (at[2] == 'Z' || at[2] == 'X');
}

int
chaos_children(void)
{
	char path[64], text[4096], *at, *end;
	int fd, n = 0;
	ssize_t len;

	while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
		;
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

void
chaos_tell_children(void)
{
	char command[80];

	(void)snprintf(command, sizeof(command),
	    "ps -o pid,ppid,pgid,stat,args --ppid %d >&2", (int)getpid());
	(void)!system(command);
}

bool
chaos_await(bool (*condition)(void *arg), void *arg)
{
	int64_t end = test_now_ms() + 10000;

	while (!condition(arg)) {
		if (test_now_ms() > end)
			return false;
		(void)poll(NULL, 0, 1);
	}
	return true;
}

void
chaos_check_accounts(struct mproc *p)
{
	struct mproc_stats s;

	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.in_flight, 0);
	assert_int_equal(s.sent, s.handled + s.failed + s.dropped +
	    s.expired);
	assert_int_equal(s.dropped, s.dropped_overflow + s.dropped_stop +
	    s.dropped_dead);
	assert_true(s.emitted >= s.received + s.emits_waiting);
}
