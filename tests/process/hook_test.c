/*
 * hook_test.c - what hooks and callbacks that fail say, classes without
 * commands, and descriptors that a backend keeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

MPROC_MESSAGE(hook, start, (const char *, how));
MPROC_MESSAGE(hook, tick, (int, n));
MPROC_MESSAGE(hook, keep, (struct mproc_fd, fd));
MPROC_MESSAGE(hook, write, (const char *, text));

struct hook {
	struct mproc_backend base;
	int	n;
	int	fd;			/* kept; 0: none */
	struct mproc_request *held;
};

/* ------------------------------------------------------ without commands */

static int
on_tick(struct mproc_backend *base, void *arg)
{
	struct hook *self = arg;

	return mproc_emit(base, hook_tick, .n = ++self->n);
}

static int
begin_ticks(struct mproc_backend *base)
{
	int r = mproc_timer(base, 0, 1, on_tick, MPROC_SELF(hook, base));

	return r < 0 ? r : 0;
}

static int
tick_and_end(struct mproc_backend *base)
{
	return mproc_emit(base, hook_tick, .n = 7) < 0 ? 1 : 3;
}

static const struct mproc_class ticker_class =
    MPROC_CLASS("Ticker", hook, NULL, .pre_run = begin_ticks);
static const struct mproc_class runner_class =
    MPROC_CLASS("Runner", hook, NULL, .run = tick_and_end);
static const struct mproc_class idle_class =
    MPROC_CLASS("Idle", hook, NULL);

static struct mproc *
start(void **state, const struct mproc_class *cls, struct mproc_options opt)
{
	struct mproc *p;

	opt.launch = fix_placement(state);
	p = fix_new(cls, opt);
	if (mproc_start(p) < 0)
		fail_msg("mproc_start: %s", mproc_errmsg(p));
	return p;
}

static int
next_tick(struct mproc *p)
{
	const struct hook_tick *tick;
	struct mproc_msg *msg;
	int n;

	assert_int_equal(mproc_recv(p, SOON, &msg), 1);
	assert_non_null(tick = mproc_args(msg, hook_tick));
	n = tick->n;
	mproc_msg_free(msg);
	return n;
}

static void
a_class_without_commands(void **state)
{
	struct mproc *p;
	char text[8] = "x";

	assert_int_equal(mproc_class_check(&ticker_class), 0);
	assert_int_equal(mproc_class_describe(&ticker_class, text,
	    sizeof(text)), 0);
	assert_string_equal(text, "");

	p = start(state, &ticker_class, (struct mproc_options){ .name = 0 });
	assert_int_equal(next_tick(p), 1);
	assert_int_equal(next_tick(p), 2);
	assert_int_equal(mproc_send(p, hook_tick, .n = 1), -ENOSYS);
	assert_int_equal(mproc_call(p, SOON, NULL, hook_tick), -ENOSYS);
	assert_int_equal(mproc_ping(p, SOON), 0);
	fix_finish(p);

	p = start(state, &runner_class, (struct mproc_options){ .name = 0 });
	assert_int_equal(next_tick(p), 7);
	assert_int_equal(fix_dead(p)->exit_code, 3);
	assert_true(mproc_death_print(p, text, sizeof(text)) > 8);
	assert_string_equal(text, "Runner ");	/* once, having no name */
	fix_finish(p);

	p = start(state, &idle_class, (struct mproc_options){ .name = 0 });
	assert_int_equal(mproc_ping(p, SOON), 0);
	fix_finish(p);
}

/* -------------------------------------------------- what failures say */

static int
fail_in_timer(struct mproc_backend *base, void *arg)
{
	(void)arg;
	return mproc_backend_fail(base, -EIO, "the %s broke", "clock");
}

static int
fail_in_watch(struct mproc_backend *base, int fd, int events, void *arg)
{
	(void)fd;
	(void)events;
	(void)arg;
	return mproc_backend_fail(base, 1, "the pipe broke");
}

static int
fail_somehow(struct mproc_backend *base)
{
	const struct hook_start *args = mproc_start_args(base, hook_start);
	struct hook *self = MPROC_SELF(hook, base);
	int fds[2], r;

	if (args == NULL || args->how == NULL)
		return 0;
	if (strcmp(args->how, "words") == 0)
		return mproc_backend_fail(base, -EDOM, "no %s", "luck");
	if (strcmp(args->how, "library") == 0)
		return mproc_timer(base, -7, 0, fail_in_timer, NULL);
	if (strcmp(args->how, "other") == 0) {
		(void)mproc_timer(base, -7, 0, fail_in_timer, NULL);
		return -ENOTBLK;
	}
	if (strcmp(args->how, "number") == 0)
		return -123456;
	if (strcmp(args->how, "timer") == 0) {
		r = mproc_timer(base, 0, 0, fail_in_timer, NULL);
		return r < 0 ? r : 0;
	}
	if (strcmp(args->how, "watch") != 0 || pipe2(fds, O_CLOEXEC) < 0)
		return -ENOTSUP;
	close(fds[1]);
	self->fd = fds[0];
	return mproc_watch(base, fds[0], POLLIN, fail_in_watch, NULL);
}

static int
fail_at_last(struct mproc_backend *base)
{
	struct hook *self = MPROC_SELF(hook, base);

	if (self->fd > 0)
		close(self->fd);
	return mproc_backend_fail(base, -EBUSY, "cannot part");
}

static const struct mproc_class failing_class = MPROC_CLASS("Failing", hook,
    NULL, .pre_run = fail_somehow, .post_run = fail_at_last);

static struct mproc *
failing(void **state, const char *how)
{
	return fix_new(&failing_class, (struct mproc_options){
	    .launch = fix_placement(state), .name = "one",
	    .args = MPROC_PACK(hook_start, .how = how) });
}

static void
vk15_what_pre_run_says_reaches_start(void **state)
{
	static const struct {
		const char *how;
		int code;
		const char *text;
	} ways[] = {
		{ "words", -EDOM, "one did not start: pre_run: no luck" },
		{ "other", -ENOTBLK,
		    "one did not start: pre_run: Block device required" },
		{ "number", -EREMOTEIO,
		    "one did not start: pre_run: no errno (code -123456)" },
	};
	struct mproc *p;
	size_t i;

	for (i = 0; i < TEST_COUNT(ways); i++) {
		p = failing(state, ways[i].how);
		assert_int_equal(mproc_start(p), ways[i].code);
		assert_string_equal(mproc_errmsg(p), ways[i].text);
		/* the same for who asks later */
		assert_int_equal(mproc_wait_ready(p, 0), ways[i].code);
		assert_string_equal(mproc_errmsg(p), ways[i].text);
		fix_finish(p);
	}
	/* a call of the library that was refused has words of its own */
	p = failing(state, "library");
	assert_int_equal(mproc_start(p), -EINVAL);
	assert_non_null(strstr(mproc_errmsg(p), "pre_run: a timer needs"));
	fix_finish(p);
}

static bool
died_with(void *arg)
{
	struct mproc *p = arg;

	return mproc_status(p) == MPROC_STATUS_DEAD;
}

static void
what_callbacks_say_is_logged(void **state)
{
	struct mproc *p;

	p = failing(state, "timer");
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_ping(p, SOON), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_true(fix_until(died_with, p));
	assert_string_equal(mproc_death(p)->last_log,
	    "post_run failed: cannot part (EBUSY)");
	assert_int_equal(mproc_death(p)->exit_code, 1);
	fix_finish(p);
}

static void
words_of(const struct mproc_log_record *record, void *arg)
{
	char *all = arg;

	strncat(all, record->text, 500 - strlen(all));
	strncat(all, "\n", 500 - strlen(all));
}

static void
words_of_timers_and_watches(void **state)
{
	static const char *const hows[] = { "timer", "watch" };
	char all[512] = "";
	struct mproc_sink sink = mproc_sink_callback(MPROC_DEBUG, words_of,
	    all);
	struct mproc *p;
	size_t i;

	assert_int_equal(mproc_log_add_sink("Failing", &sink, NULL), 0);
	for (i = 0; i < TEST_COUNT(hows); i++) {
		p = failing(state, hows[i]);
		assert_int_equal(mproc_start(p), 0);
		while (strstr(all, "broke") == NULL)
			assert_int_equal(mproc_ping(p, SOON), 0);
		assert_non_null(strstr(all, i == 0 ?
		    "the clock broke" : "the pipe broke"));
		all[0] = '\0';
		fix_finish(p);
	}
	mproc_log_reset();
}

/* ------------------------------------------------------- descriptors kept */

MPROC_COMMAND(hook, keep);
MPROC_COMMAND(hook, write);

static int
put(const struct hook *self, const char *text)
{
	size_t n = strlen(text);

	return write(self->fd, text, n) == (ssize_t)n ? 0 : -EIO;
}

static int
c__keep(struct hook *self, const struct hook_keep *args,
    struct mproc_request *req)
{
	int fd = mproc_take_fd(req, args->fd);

	if (fd < 0)
		return fd;
	self->fd = fd;
	if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
		return -EIO;
	return mproc_take_fd(req, args->fd) == -EBADF ? 0 : -EIO;
}

static int
c__write(struct hook *self, const struct hook_write *args,
    struct mproc_request *req)
{
	(void)req;
	return put(self, args->text);
}

/* The same, of messages that no row takes. */
static int
any_command(struct mproc_backend *base, const struct mproc_msg *msg,
    struct mproc_request *req)
{
	struct hook *self = MPROC_SELF(hook, base);
	struct mproc_fd field = { .present = false };

	if (mproc_msg_is(msg, "write"))
		return put(self, "late");
	(void)mproc_msg_get(msg, "fd", &field);
	if ((self->fd = mproc_take_fd(req, field)) < 0)
		return self->fd;
	return mproc_take_fd(req, field) == -EBADF ? 0 : -EIO;
}

static int
close_kept(struct mproc_backend *base)
{
	struct hook *self = MPROC_SELF(hook, base);

	return self->fd > 0 ? close(self->fd) : 0;
}

static const struct mproc_handler keeper_handlers[] = {
	MPROC_HANDLER(hook, keep, "keep the descriptor"),
	MPROC_HANDLER(hook, write, "write to it"),
};
static const struct mproc_class keeper_class = MPROC_CLASS("Keeper", hook,
    keeper_handlers, .post_run = close_kept);
static const struct mproc_class any_class = MPROC_CLASS("Any", hook, NULL,
    .on_unknown = any_command, .post_run = close_kept);

static void
keep_one(void **state, const struct mproc_class *cls)
{
	struct mproc *p = start(state, cls, (struct mproc_options){ .name = 0 });
	char text[8] = "";
	int fds[2];

	assert_int_equal(mproc_call(p, SOON, NULL, hook_keep), -ENOENT);
	assert_string_equal(mproc_errmsg(p),
	    "command keep: the descriptor is absent");
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, hook_keep,
	    .fd = MPROC_FD(fds[1])), 0);
	close(fds[1]);
	assert_int_equal(mproc_call(p, SOON, NULL, hook_write,
	    .text = "late"), 0);
	assert_int_equal(read(fds[0], text, sizeof(text)), 4);
	assert_string_equal(text, "late");
	fix_finish(p);
	/* it was the backend's, and is closed with it */
	assert_int_equal(read(fds[0], text, sizeof(text)), 0);
	close(fds[0]);
}

static void
a_handler_keeps_a_descriptor(void **state)
{
	keep_one(state, &keeper_class);
}

static void
on_unknown_keeps_a_descriptor(void **state)
{
	keep_one(state, &any_class);
}

static void
a_call_of_what_was_not_started(void **state)
{
	struct mproc *p = fix_new(&keeper_class, (struct mproc_options){
	    .launch = fix_placement(state), .name = "k" });

	assert_int_equal(mproc_call(p, 1, NULL, hook_write), -ETIMEDOUT);
	assert_non_null(strstr(mproc_errmsg(p), "k was not started"));
	mproc_free(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(a_class_without_commands),
		FIX_ALL(vk15_what_pre_run_says_reaches_start),
		FIX_ALL(what_callbacks_say_is_logged),
		FIX_ALL(words_of_timers_and_watches),
		FIX_ALL(a_handler_keeps_a_descriptor),
		FIX_ALL(on_unknown_keeps_a_descriptor),
		FIX_ALL(a_call_of_what_was_not_started),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
