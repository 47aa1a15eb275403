#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os.h"
#include "probe.h"

struct probe {
	struct mproc_backend base;
	int64_t	 sum, count, last;
	bool	 disorder;
	struct mproc_request *held[1024];
	int64_t	 numbers[1024];
	int	 n_held;
	int	 ticks, ticks_wanted, timer;
	int	 watched;
	int64_t	 watched_bytes;
	char	*post;
	struct mproc *child;
};

MPROC_COMMAND(probe, echo);
MPROC_COMMAND(probe, note);
MPROC_COMMAND(probe, sum);
MPROC_COMMAND(probe, emit);
MPROC_COMMAND(probe, fail);
MPROC_COMMAND(probe, die);
MPROC_COMMAND(probe, nap);
MPROC_COMMAND(probe, spin);
MPROC_COMMAND(probe, hold);
MPROC_COMMAND(probe, release);
MPROC_COMMAND(probe, twice);
MPROC_COMMAND(probe, relapse);
MPROC_COMMAND(probe, wrong);
MPROC_COMMAND(probe, silent);
MPROC_COMMAND(probe, open);
MPROC_COMMAND(probe, say);
MPROC_COMMAND(probe, print);
MPROC_COMMAND(probe, quit);
MPROC_COMMAND(probe, block);
MPROC_COMMAND(probe, grandchild);
MPROC_COMMAND(probe, poll);
MPROC_COMMAND(probe, timer);
MPROC_COMMAND(probe, watch);
MPROC_COMMAND(probe, flood);
MPROC_COMMAND(probe, last);
MPROC_COMMAND(probe, burst);
MPROC_COMMAND(probe, files);
MPROC_COMMAND(probe, mask);
MPROC_COMMAND(probe, nest);
MPROC_COMMAND(probe, ruin);

static const struct mproc_handler probe_handlers[] = {
	MPROC_HANDLER(probe, echo, "reply with the same and the pid",
	    .reply = MPROC_SCHEMA(probe_echoed)),
	MPROC_HANDLER(probe, note, "add n to the sum"),
	MPROC_HANDLER(probe, sum, "the sum, the count, the order"),
	MPROC_HANDLER(probe, emit, "emit count items of size bytes"),
	MPROC_HANDLER(probe, fail, "fail with code and text"),
	MPROC_HANDLER(probe, die, "by a signal or an exit status"),
	MPROC_HANDLER(probe, nap, "sleep ms"),
	MPROC_HANDLER(probe, spin, "for ever, or while going"),
	MPROC_HANDLER(probe, hold, "defer"),
	MPROC_HANDLER(probe, release, "answer all that is held"),
	MPROC_HANDLER(probe, twice, "reply twice"),
	MPROC_HANDLER(probe, relapse, "reply, then fail"),
	MPROC_HANDLER(probe, wrong, "reply another message than the row's",
	    .reply = MPROC_SCHEMA(probe_echoed)),
	MPROC_HANDLER(probe, silent, "return without a reply"),
	MPROC_HANDLER(probe, open, "read the descriptor, send it back"),
	MPROC_HANDLER(probe, say, "log a text"),
	MPROC_HANDLER(probe, print, "to stdout and stderr"),
	MPROC_HANDLER(probe, quit, "end the loop"),
	MPROC_HANDLER(probe, block, "block a signal"),
	MPROC_HANDLER(probe, grandchild, "fork a child that stays"),
	MPROC_HANDLER(probe, poll, "mproc_poll_once inside a handler"),
	MPROC_HANDLER(probe, timer, "emit count ticks, ms apart"),
	MPROC_HANDLER(probe, watch, "count the bytes of a descriptor"),
	MPROC_HANDLER(probe, flood, "emit for ever"),
	MPROC_HANDLER(probe, last, "log a text, die at once"),
	MPROC_HANDLER(probe, burst, "log numbers by a logger of that name"),
	MPROC_HANDLER(probe, files, "list the descriptors"),
	MPROC_HANDLER(probe, mask, "list the state of signals"),
	MPROC_HANDLER(probe, nest, "start a child, to some depth"),
	MPROC_HANDLER(probe, ruin, "end in a way that has a name"),
};

static int
pre_run(struct mproc_backend *base)
{
	const struct probe_start *start = mproc_start_args(base, probe_start);
	struct probe *self = MPROC_SELF(probe, base);
	int64_t i;
	int fd;

	if (start == NULL)
		return 0;
	if (start->delay_ms > 0)
		(void)poll(NULL, 0, start->delay_ms);
	if (start->die > 0)
		_exit(start->die);
	if (start->sig > 0)
		(void)kill(getpid(), start->sig);
	for (i = 0; i < start->n; i++)
		(void)mproc_emit(base, probe_item, .n = i);
	if (start->post != NULL)
		self->post = strdup(start->post);
	if (start->fd.present && write(start->fd.fd, "pre", 3) != 3)
		return -EIO;
	if (start->path != NULL) {
		fd = open(start->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	if (start->fail < 0)
		free(self->post);	/* there will be no post_run */
	return start->fail;
}

static int
post_run(struct mproc_backend *base)
{
	struct probe *self = MPROC_SELF(probe, base);
	int fd;

	mproc_free(self->child);
	if (self->post != NULL) {
		fd = open(self->post, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
		(void)mproc_emit(base, probe_item, .n = -1);
	}
	free(self->post);
	return 0;
}

static int
on_unknown(struct mproc_backend *base, const struct mproc_msg *msg,
    struct mproc_request *req)
{
	struct probe *self = MPROC_SELF(probe, base);

	self->count++;
	return mproc_reply(req, probe_code, .code = (int)self->count,
	    .text = mproc_msg_command(msg));
}

static int
poll_run(struct mproc_backend *base)
{
	int r;

	while ((r = mproc_poll_once(base, 5)) >= 0)
		if (r == 0)	/* its own work, when there is time */
			(void)mproc_emit(base, probe_tick, .n = 0);
	return r == -ESHUTDOWN ? 0 : r;
}

static int
fd_run(struct mproc_backend *base)
{
	struct pollfd fds[2] = {
		{ os_timer(20), POLLIN, 0 },
		{ mproc_backend_fd(base), POLLIN, 0 }
	};
	uint64_t n;
	int r = 0;

	while (r >= 0) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && read(fds[0].fd, &n, sizeof(n)) > 0)
			(void)mproc_emit(base, probe_tick, .n = (int)n);
		if (fds[1].revents)
			r = mproc_poll_once(base, 0);
	}
	close(fds[0].fd);
	return r == -ESHUTDOWN ? 5 : r;	/* a status that is ours */
}

const struct mproc_class probe_poll_class = MPROC_CLASS("ProbePoll", probe,
    probe_handlers, .run = poll_run);
const struct mproc_class probe_fd_class = MPROC_CLASS("ProbeFd", probe,
    probe_handlers, .run = fd_run);
const struct mproc_class probe_class = MPROC_CLASS("Probe", probe,
    probe_handlers, .pre_run = pre_run, .post_run = post_run);
const struct mproc_class probe_unknown_class = MPROC_CLASS("ProbeUnknown",
    probe, probe_handlers, .on_unknown = on_unknown);

static int
c__echo(struct probe *self, const struct probe_echo *args,
    struct mproc_request *req)
{
	(void)self;
	return mproc_reply(req, probe_echoed, .n = args->n,
	    .text = args->text, .data = args->data, .pid = getpid());
}

static int
c__note(struct probe *self, const struct probe_note *args,
    struct mproc_request *req)
{
	(void)req;
	if (args->n <= self->last && self->count > 0)
		self->disorder = true;
	self->last = args->n;
	self->sum += args->n;
	self->count++;
	return 0;
}

static int
c__sum(struct probe *self, const struct probe_sum *args,
    struct mproc_request *req)
{
	(void)args;
	return mproc_reply(req, probe_summed, .sum = self->sum,
	    .count = self->count, .in_order = !self->disorder);
}

static int
c__emit(struct probe *self, const struct probe_emit *args,
    struct mproc_request *req)
{
	char *data = calloc(1, (size_t)args->size + 1);
	int64_t i;
	int r = 0;

	(void)req;
	for (i = 0; i < args->count && r == 0; i++)
		r = mproc_emit(&self->base, probe_item, .n = args->first + i,
		    .data = { data, (size_t)args->size });
	free(data);
	return r;
}

static int
c__fail(struct probe *self, const struct probe_fail *args,
    struct mproc_request *req)
{
	(void)self;
	if (args->text == NULL)
		return args->code;
	return mproc_fail(req, args->code, "%s", args->text);
}

static int
c__die(struct probe *self, const struct probe_die *args,
    struct mproc_request *req)
{
	(void)self;
	(void)req;
	if (args->sig != 0)
		(void)kill(getpid(), args->sig);
	else
		_exit(args->status);
	return 0;
}

static int
c__nap(struct probe *self, const struct probe_nap *args,
    struct mproc_request *req)
{
	struct timespec left = {
		args->ms / 1000, args->ms % 1000 * 1000000L
	};

	(void)self;
	(void)req;
	while (nanosleep(&left, &left) < 0)
		;
	return 0;
}

static int
c__spin(struct probe *self, const struct probe_spin *args,
    struct mproc_request *req)
{
	/* atomic: ThreadSanitizer delivers signals at such operations only */
	static _Atomic uint64_t n;

	(void)req;
	while (!args->going || mproc_going(&self->base))
		atomic_fetch_add_explicit(&n, 1, memory_order_relaxed);
	return 0;
}

static int
c__hold(struct probe *self, const struct probe_hold *args,
    struct mproc_request *req)
{
	if (self->n_held == 1024)
		return -ENOBUFS;
	self->numbers[self->n_held] = args->n;
	self->held[self->n_held++] = req;
	return mproc_defer(req);
}

static int
c__release(struct probe *self, const struct probe_release *args,
    struct mproc_request *req)
{
	int i, at, r = 0;

	(void)req;
	for (i = 0; i < self->n_held && r == 0; i++) {
		at = args->reversed ? self->n_held - 1 - i : i;
		r = mproc_reply(self->held[at], probe_held,
		    .n = self->numbers[at]);
	}
	self->n_held = 0;
	return r;
}

static int
c__twice(struct probe *self, const struct probe_twice *args,
    struct mproc_request *req)
{
	int r;

	(void)args;
	(void)mproc_reply(req, probe_held, .n = 1);
	r = mproc_reply(req, probe_held, .n = 2);
	return mproc_emit(&self->base, probe_code, .code = r);
}

static int
c__relapse(struct probe *self, const struct probe_relapse *args,
    struct mproc_request *req)
{
	(void)self;
	(void)args;
	(void)mproc_reply(req, probe_held, .n = 1);
	return mproc_fail(req, -EDOM, "too late");
}

static int
c__wrong(struct probe *self, const struct probe_wrong *args,
    struct mproc_request *req)
{
	(void)self;
	(void)args;
	return mproc_reply(req, probe_held, .n = 1);
}

static int
c__silent(struct probe *self, const struct probe_silent *args,
    struct mproc_request *req)
{
	(void)self;
	(void)args;
	(void)req;
	return 0;
}

static int
c__open(struct probe *self, const struct probe_open *args,
    struct mproc_request *req)
{
	char text[64] = "";
	struct mproc_fd back = args->fd;
	int fd, r;

	(void)self;
	if (!args->fd.present)
		return mproc_fail(req, -EBADF, "no descriptor came");
	if (args->take) {
		if ((fd = mproc_take_fd(req, args->fd)) < 0)
			return fd;
		if (mproc_take_fd(req, args->fd) != -EBADF)
			return -EIO;
		back = MPROC_FD(fd);
	}
	if (read(back.fd, text, sizeof(text) - 1) < 0)
		return -errno;
	r = mproc_reply(req, probe_opened, .fd = back, .text = text);
	if (args->take)
		close(back.fd);
	return r;
}

static int
c__say(struct probe *self, const struct probe_say *args,
    struct mproc_request *req)
{
	(void)req;
	mproc_log(&self->base, (enum mproc_level)args->level, "%s",
	    args->text);
	return 0;
}

static int
c__print(struct probe *self, const struct probe_print *args,
    struct mproc_request *req)
{
	(void)self;
	(void)req;
	printf("out %s\n", args->text);
	fflush(stdout);
	fprintf(stderr, "err %s\n", args->text);
	return 0;
}

static int
c__quit(struct probe *self, const struct probe_quit *args,
    struct mproc_request *req)
{
	(void)req;
	mproc_quit(&self->base, args->code);
	return 0;
}

static int
c__block(struct probe *self, const struct probe_block *args,
    struct mproc_request *req)
{
	sigset_t set;

	(void)self;
	(void)req;
	sigemptyset(&set);
	sigaddset(&set, args->sig);
	return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int
c__grandchild(struct probe *self, const struct probe_grandchild *args,
    struct mproc_request *req)
{
	pid_t pid = fork();

	(void)self;
	(void)args;
	if (pid == 0)
		for (;;)
			pause();
	return mproc_reply(req, probe_started, .pid = pid);
}

static int
c__poll(struct probe *self, const struct probe_poll *args,
    struct mproc_request *req)
{
	(void)args;
	return mproc_reply(req, probe_code,
	    .code = mproc_poll_once(&self->base, 0));
}

static int
on_tick(struct mproc_backend *base, void *arg)
{
	struct probe *self = arg;

	if (++self->ticks >= self->ticks_wanted)
		(void)mproc_timer_cancel(base, self->timer);
	return mproc_emit(base, probe_tick, .n = self->ticks);
}

static int
c__timer(struct probe *self, const struct probe_timer *args,
    struct mproc_request *req)
{
	(void)req;
	self->ticks_wanted = args->count;
	self->timer = mproc_timer(&self->base, args->ms, args->ms, on_tick,
	    self);
	return self->timer < 0 ? self->timer : 0;
}

static int
on_readable(struct mproc_backend *base, int fd, int events, void *arg)
{
	struct probe *self = arg;
	char buf[256];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)events;
	if (n > 0) {
		self->watched_bytes += n;
		return 0;
	}
	if (n < 0 && errno == EAGAIN)
		return 0;
	(void)mproc_unwatch(base, fd);
	close(fd);
	return mproc_emit(base, probe_watched, .bytes = self->watched_bytes);
}

static int
c__watch(struct probe *self, const struct probe_watch *args,
    struct mproc_request *req)
{
	self->watched = mproc_take_fd(req, args->fd);
	if (self->watched < 0)
		return self->watched;
	return mproc_watch(&self->base, self->watched, POLLIN, on_readable,
	    self);
}

static int
c__flood(struct probe *self, const struct probe_flood *args,
    struct mproc_request *req)
{
	char *data = calloc(1, (size_t)args->size + 1);
	int64_t n = 0;

	(void)req;
	while (data != NULL)
		(void)mproc_emit(&self->base, probe_item, .n = n++,
		    .data = { data, (size_t)args->size });
	return -ENOMEM;
}

static int
c__last(struct probe *self, const struct probe_last *args,
    struct mproc_request *req)
{
	(void)req;
	mproc_log(&self->base, MPROC_INFO, "%s", args->text);
	(void)kill(getpid(), args->sig);
	return 0;
}

static int
c__burst(struct probe *self, const struct probe_burst *args,
    struct mproc_request *req)
{
	int i;

	(void)self;
	(void)req;
	for (i = 0; i < args->count; i++)
		mproc_log_info(mproc_logger(args->name), "burst %d", i);
	return 0;
}

static int
c__files(struct probe *self, const struct probe_files *args,
    struct mproc_request *req)
{
	char text[8192];

	(void)self;
	(void)args;
	return mproc_reply(req, probe_listed,
	    .text = os_files(text, sizeof(text)));
}

static int
c__mask(struct probe *self, const struct probe_mask *args,
    struct mproc_request *req)
{
	char text[512];

	(void)self;
	(void)args;
	return mproc_reply(req, probe_listed,
	    .text = os_signals(text, sizeof(text)));
}

/* Replies the pids of all that it started, top-down. */
static int
c__nest(struct probe *self, const struct probe_nest *args,
    struct mproc_request *req)
{
	const struct probe_listed *below;
	struct mproc_msg *reply;
	char text[256];
	int r;

	if (args->depth == 0)
		return mproc_reply(req, probe_listed, .text = "");
	if ((r = mproc_new(&probe_class, NULL, &self->child)) < 0 ||
	    (r = mproc_start(self->child)) < 0 ||
	    (r = mproc_call(self->child, 10000, &reply, probe_nest,
	    .depth = args->depth - 1)) < 0)
		return mproc_fail(req, r, "%s", mproc_errmsg(NULL));
	below = mproc_args(reply, probe_listed);
	snprintf(text, sizeof(text), "%d %s", mproc_pid(self->child),
	    below->text);
	mproc_msg_free(reply);
	return mproc_reply(req, probe_listed, .text = text);
}

static int
c__ruin(struct probe *self, const struct probe_ruin *args,
    struct mproc_request *req)
{
	(void)self;
	(void)req;
	os_ruin(args->how);
	return -EINVAL;
}
