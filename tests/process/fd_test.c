/*
 * fd_test.c - descriptors in a backend: passed both ways, in messages that no
 * row takes, watched, and closed before they were unwatched.
 *
 * Who closes one twice closes another's, and who forgets one keeps its peer
 * from the end of file: so each is a pipe, and the backend counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

MPROC_MESSAGE(opener, count);
MPROC_MESSAGE(opener, counted, (int, n), (int, called), (int, stale));
MPROC_MESSAGE(opener, take_one, (struct mproc_fd, a), (struct mproc_fd, b));
MPROC_MESSAGE(opener, close_watched, (const char *, how));
MPROC_MESSAGE(opener, pair, (int, way), (struct mproc_fd, a),
    (struct mproc_fd, b));		/* no row takes it */

struct opener {
	struct mproc_backend base;
	struct mproc_msg *kept;		/* a message, beyond its handler */
	int	 guard;			/* ours, with a number just closed */
	int	 called, stale;		/* callbacks */
	int	 pipes[2][2], copy;
};

static void
descriptors_travel_both_ways(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	const struct probe_opened *t;
	struct mproc_msg *reply;
	char text[8] = "";
	int fds[2], take, fd;

	for (take = 0; take < 2; take++) {
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		assert_int_equal(write(fds[1], "hello", 5), 5);
		assert_int_equal(mproc_call(p, SOON, &reply, probe_open,
		    .fd = MPROC_FD(fds[0]), .take = take), 0);
		t = mproc_args(reply, probe_opened);
		assert_non_null(t);
		assert_string_equal(t->text, "hello");
		assert_true(t->fd.present);
		fd = mproc_take_fd(reply, t->fd);
		assert_true(fd >= 0);
		mproc_msg_free(reply);
		assert_int_equal(write(fds[1], "again", 5), 5);
		assert_int_equal(read(fd, text, 5), 5);
		assert_string_equal(text, "again");
		close(fd);
		close(fds[0]);
		close(fds[1]);
	}
	assert_int_equal(mproc_call(p, SOON, NULL, probe_open), -EBADF);
	assert_int_equal(mproc_send(p, probe_open, .fd = MPROC_FD(9999)),
	    -EBADF);
	fix_finish(p);
}

static void
vk18_watches_and_messages_take_turns(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	const struct probe_watched *t;
	struct mproc_msg *msg;
	int64_t i, count;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(mproc_send(p, probe_watch, .fd = MPROC_FD(fds[0])),
	    0);
	close(fds[0]);
	for (i = 1; i <= 10000; i++) {
		assert_int_equal(write(fds[1], "x", 1), 1);
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	}
	close(fds[1]);
	assert_int_equal(mproc_recv(p, SOON, &msg), 1);
	t = mproc_args(msg, probe_watched);
	assert_non_null(t);
	assert_int_equal(t->bytes, 10000);
	mproc_msg_free(msg);
	(void)fix_summed(p, &count);
	assert_int_equal(count, 10000);
	fix_finish(p);
}

/* -------------------------------------------- of messages no row takes */

enum way {
	LEAVE,			/* all to the library */
	TAKE,			/* one, out of the message */
	COPY,			/* the message, twice, and free the copies */
	TAKE_OF_COPY,
	TAKE_OF_BOTH,
	KEEP_COPY,		/* to the next one */
	COPY_AFTER_TAKE,	/* lacks what was taken */
	BY_ROW,			/* the same of a command that a row takes */
	WAYS
};

/*
 * Close what was taken.  The number is used again at once: who closes it
 * once more closes what we have there then.
 */
static int
close_taken(struct opener *self, int fd)
{
	if (fd < 0)
		return fd;
	if (self->guard >= 0)
		return close(fd);
	self->guard = fd;
	return dup3(STDERR_FILENO, fd, O_CLOEXEC) == fd ? 0 : -errno;
}

static int
take_of_request(struct opener *self, struct mproc_request *req,
    const struct mproc_msg *msg)
{
	struct mproc_fd field = { .present = false };
	int r;

	if ((r = mproc_msg_get(msg, "b", &field)) < 0 ||
	    (r = close_taken(self, mproc_take_fd(req, field))) < 0)
		return r;
	return mproc_take_fd(req, field) == -EBADF ? 0 : -EIO;
}

static int
take_of_copy(struct opener *self, struct mproc_msg *copy)
{
	struct mproc_fd field = { .present = false };
	int r;

	if ((r = mproc_msg_get(copy, "a", &field)) < 0 ||
	    (r = close_taken(self, mproc_take_fd(copy, field))) < 0)
		return r;
	return mproc_take_fd(copy, field) == -EBADF ? 0 : -EIO;
}

static int
copy_pair(struct opener *self, struct mproc_request *req, int64_t way)
{
	struct mproc_msg *copy, *second = NULL;
	int r;

	if ((r = mproc_request_msg(req, &copy)) < 0)
		return r;
	if (way == KEEP_COPY) {
		self->kept = copy;
		return 0;
	}
	if (way == COPY)
		r = mproc_request_msg(req, &second);
	else
		r = take_of_copy(self, copy);
	mproc_msg_free(second);
	mproc_msg_free(copy);
	return r;
}

/* "b" was taken, "a" was not. */
static int
copy_rest(struct mproc_request *req)
{
	struct mproc_fd a = { .fd = -1 }, b;
	struct mproc_msg *copy;
	int r;

	if ((r = mproc_request_msg(req, &copy)) < 0)
		return r;
	r = mproc_msg_get(copy, "b", &b) < 0 &&
	    mproc_msg_get(copy, "a", &a) == 0 &&
	    fcntl(a.fd, F_GETFD) == FD_CLOEXEC ? 0 : -EIO;
	mproc_msg_free(copy);
	return r;
}

/* What the last message left behind. */
static int
tidy(struct opener *self)
{
	int guard = self->guard;

	self->guard = -1;
	self->kept = mproc_msg_free(self->kept);
	return guard >= 0 && close(guard) < 0 ? -errno : 0;
}

static int
on_pair(struct mproc_backend *base, const struct mproc_msg *msg,
    struct mproc_request *req)
{
	struct opener *self = MPROC_SELF(opener, base);
	int64_t way = -1;
	int r;

	if ((r = tidy(self)) < 0 || (r = mproc_msg_get(msg, "way", &way)) < 0)
		return r;
	if (way == COPY || way == TAKE_OF_COPY || way == TAKE_OF_BOTH ||
	    way == KEEP_COPY)
		r = copy_pair(self, req, way);
	if (r == 0 && (way == TAKE || way == TAKE_OF_BOTH ||
	    way == COPY_AFTER_TAKE))
		r = take_of_request(self, req, msg);
	if (r == 0 && way == COPY_AFTER_TAKE)
		r = copy_rest(req);
	return r;
}

MPROC_COMMAND(opener, count);
MPROC_COMMAND(opener, take_one);
MPROC_COMMAND(opener, close_watched);

static int
c__count(struct opener *self, const struct opener_count *args,
    struct mproc_request *req)
{
	int r;

	(void)args;
	if ((r = tidy(self)) < 0)
		return r;
	return mproc_reply(req, opener_counted, .n = test_open_fds(),
	    .called = self->called, .stale = self->stale);
}

/* The same of a message that a row takes. */
static int
c__take_one(struct opener *self, const struct opener_take_one *args,
    struct mproc_request *req)
{
	int r;

	if ((r = tidy(self)) < 0 ||
	    (r = close_taken(self, mproc_take_fd(req, args->b))) < 0)
		return r;
	return mproc_take_fd(req, args->b) == -EBADF ? copy_rest(req) : -EIO;
}

/* ------------------------------------------------- closed, then unwatched */

static int
is_called(struct mproc_backend *base, int fd, int events, void *arg)
{
	struct opener *self = arg;
	char c;

	(void)base;
	(void)events;
	if (read(fd, &c, 1) == 1)
		self->called++;
	return 0;
}

static int
is_stale(struct mproc_backend *base, int fd, int events, void *arg)
{
	struct opener *self = arg;

	(void)base;
	(void)fd;
	(void)events;
	self->stale++;
	return 0;
}

static int
unwatch_closed(struct mproc_backend *base, int fd)
{
	int r;

	close(fd);
	if ((r = mproc_unwatch(base, fd)) < 0)
		return r;
	return mproc_unwatch(base, fd) == -ENOENT ? 0 : -EIO;
}

/* Both are ready: the first one called ends the other, then itself. */
static int
ends_both(struct mproc_backend *base, int fd, int events, void *arg)
{
	struct opener *self = arg;
	int other = self->pipes[fd == self->pipes[0][0]][0];

	(void)events;
	self->called++;
	self->pipes[0][0] = self->pipes[1][0] = -1;
	if (unwatch_closed(base, other) < 0)
		self->stale++;
	return unwatch_closed(base, fd);
}

static int
open_ready(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	return write(fds[1], "x", 1) == 1 ? 0 : -EIO;
}

/*
 * How: "plain", or with a "copy" of the descriptor, for which epoll goes on
 * to tell of the closed one, or both, "inside" a callback.  The number then
 * becomes that of another, and is watched again.
 */
static int
c__close_watched(struct opener *self, const struct opener_close_watched *args,
    struct mproc_request *req)
{
	struct mproc_backend *base = &self->base;
	int i, fd, r;

	(void)req;
	for (i = 0; i < 2; i++)
		if ((r = open_ready(self->pipes[i])) < 0)
			return r;
	fd = self->pipes[0][0];
	if (strcmp(args->how, "inside") == 0) {
		r = mproc_watch(base, self->pipes[1][0], POLLIN, ends_both,
		    self);
		return r < 0 ? r : mproc_watch(base, fd, POLLIN, ends_both,
		    self);
	}
	if (strcmp(args->how, "copy") == 0)
		self->copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if ((r = mproc_watch(base, fd, POLLIN, is_stale, self)) < 0 ||
	    (r = unwatch_closed(base, fd)) < 0)
		return r;
	if (dup3(self->pipes[1][0], fd, O_CLOEXEC) != fd)
		return -errno;
	return mproc_watch(base, fd, POLLIN, is_called, self);
}

static const struct mproc_handler opener_handlers[] = {
	MPROC_HANDLER(opener, count, "descriptors, and calls of watches"),
	MPROC_HANDLER(opener, take_one, "take b, copy the rest"),
	MPROC_HANDLER(opener, close_watched, "close it, then unwatch it"),
};

static int
begin(struct mproc_backend *base)
{
	struct opener *self = MPROC_SELF(opener, base);

	self->guard = self->copy = -1;
	self->pipes[0][0] = self->pipes[0][1] = -1;
	self->pipes[1][0] = self->pipes[1][1] = -1;
	return 0;
}

static int
end(struct mproc_backend *base)
{
	struct opener *self = MPROC_SELF(opener, base);
	int i;

	for (i = 0; i < 4; i++)
		if (self->pipes[i / 2][i % 2] >= 0)
			close(self->pipes[i / 2][i % 2]);
	if (self->copy >= 0)
		close(self->copy);
	return tidy(self);
}

static const struct mproc_class opener_class = MPROC_CLASS("Opener", opener,
    opener_handlers, .pre_run = begin, .post_run = end,
    .on_unknown = on_pair);

static struct mproc *
start_opener(void **state)
{
	struct mproc *p = fix_new(&opener_class, (struct mproc_options){
	    .launch = fix_placement(state) });

	if (mproc_start(p) < 0)
		fail_msg("mproc_start: %s", mproc_errmsg(p));
	return p;
}

static struct opener_counted
counted(struct mproc *p)
{
	struct opener_counted c;
	struct mproc_msg *reply;

	assert_int_equal(mproc_call(p, SOON, &reply, opener_count), 0);
	assert_non_null(mproc_args(reply, opener_counted));
	c = *mproc_args(reply, opener_counted);
	mproc_msg_free(reply);
	return c;
}

/* A cast or call of two pipes' ends; both are closed there in the end. */
static void
send_pair(struct mproc *p, int way, bool call)
{
	struct mproc_msg *msg;
	int fds[2][2], i, r;
	char c;

	assert_int_equal(mproc_msg_new(way == BY_ROW ? "take_one" : "pair",
	    &msg), 0);
	if (way != BY_ROW)
		assert_int_equal(mproc_msg_set(msg, "way", way), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(pipe2(fds[i], O_CLOEXEC), 0);
		assert_int_equal(mproc_msg_set(msg, i == 0 ? "a" : "b",
		    MPROC_FD(fds[i][1])), 0);
	}
	r = call ? mproc_call_msg(p, SOON, NULL, msg) :
	    mproc_send_msg(p, msg);
	if (r < 0)
		fail_msg("way %d: %s", way, mproc_errmsg(p));
	mproc_msg_free(msg);
	(void)counted(p);	/* tidies up, if only now */
	for (i = 0; i < 2; i++) {
		close(fds[i][1]);
		assert_int_not_equal(test_poll(fds[i][0], POLLIN, SOON), 0);
		assert_int_equal(read(fds[i][0], &c, 1), 0);
		close(fds[i][0]);
	}
}

static void
unknown_messages_own_their_descriptors(void **state)
{
	struct mproc *p = start_opener(state);
	int before, here, i, way;

	before = counted(p).n;
	here = test_open_fds();
	for (i = 0; i < 3; i++)
		for (way = 0; way < WAYS; way++) {
			send_pair(p, way, true);
			send_pair(p, way, false);
			assert_int_equal(counted(p).n, before);
			assert_int_equal(test_open_fds(), here);
		}
	fix_finish(p);
}

static void
a_kept_copy_ends_with_the_backend(void **state)
{
	struct mproc *p = start_opener(state);
	struct mproc_msg *msg;
	int fds[2];
	char c;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(mproc_msg_new("pair", &msg), 0);
	assert_int_equal(mproc_msg_set(msg, "way", KEEP_COPY), 0);
	assert_int_equal(mproc_msg_set(msg, "a", MPROC_FD(fds[1])), 0);
	assert_int_equal(mproc_call_msg(p, SOON, NULL, msg), 0);
	mproc_msg_free(msg);
	close(fds[1]);
	assert_int_equal(test_poll(fds[0], POLLIN, 20), 0);
	fix_finish(p);
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

static void
closed_before_it_was_unwatched(void **state)
{
	static const char *const hows[] = { "plain", "copy", "inside" };
	struct opener_counted c;
	int64_t until;
	struct mproc *p;
	size_t i;
	int turn;

	for (i = 0; i < TEST_COUNT(hows); i++) {
		p = start_opener(state);
		assert_int_equal(mproc_call(p, SOON, NULL,
		    opener_close_watched, .how = hows[i]), 0);
		for (until = test_now_ms() + SOON; counted(p).called == 0;)
			assert_true(test_now_ms() < until);
		for (turn = 0; turn < 100; turn++)
			c = counted(p);
		assert_int_equal(c.called, 1);
		assert_int_equal(c.stale, 0);
		fix_finish(p);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(descriptors_travel_both_ways),
		FIX_ALL(vk18_watches_and_messages_take_turns),
		FIX_ALL(unknown_messages_own_their_descriptors),
		FIX_ALL(a_kept_copy_ends_with_the_backend),
		FIX_ALL(closed_before_it_was_unwatched),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
