/*
 * Every allocation and every system call fails once: what is refused is not
 * done, what was accepted arrives.
 */
#include <stdio.h>

#include "pair.h"

static int
new_pair(struct pair *ret)
{
	const struct mproc__channel_options opt = { MAX_FRAME, true };
	int fds[2], r;

	ret->a = ret->b = NULL;
	assert_int_equal(mproc__socketpair(SOCK_STREAM, 0, fds), 0);
	if ((r = mproc__channel_new(fds[0], &opt, &ret->a)) < 0) {
		mproc__close(fds[0]);
		mproc__close(fds[1]);
		return r;
	}
	if ((r = mproc__channel_new(fds[1], &opt, &ret->b)) < 0) {
		ret->a = mproc__channel_free(ret->a);
		mproc__close(fds[1]);
		return r;
	}
	if ((r = pair_share(ret)) < 0)
		pair_free(ret);
	return r;
}

/* Send until it is accepted; how often it was refused. */
static int
insist(struct mproc__channel *ch, size_t size, uint64_t seed, int fd)
{
	int r, refused = 0;
	struct mproc__buf *buf;

	do {
		buf = mproc__channel_begin(ch);
		if (mproc__buf_reserve(buf, size) != NULL) {
			bytes_make(buf->data + buf->len, size, seed);
			buf->len += size;
		}
		r = mproc__channel_commit(ch, &fd, fd >= 0, false, seed,
		    seed % 2);
		assert_true(r >= 0 || r == -ENOMEM);
		refused += r < 0;
	} while (r < 0);
	return refused;
}

static size_t
size_of(uint64_t seed)
{
	return seed % 10 == 9 ? 500000 : 1 + (size_t)seed * 13;
}

/* Frames small and large, queued, with descriptors: the failures seen */
static int
go_through(struct pair *p, int fd)
{
	struct mproc__frame frame;
	uint64_t sent, got = 0;
	int r, failed = 0;

	for (sent = 0; sent < 60; sent++)
		failed += insist(p->a, size_of(sent), sent,
		    sent % 7 == 6 ? fd : -1);
	while (got < sent) {
		assert_true((r = mproc__channel_flush(p->a)) >= 0);
		r = mproc__channel_fill(p->b);
		assert_true(r >= 0 || r == -ENOMEM);
		failed += r < 0;
		while (mproc__channel_next(p->b, &frame) == 1) {
			assert_int_equal(frame.size, size_of(got));
			assert_true(bytes_are(frame.data, frame.size, got));
			assert_int_equal(frame.n_fds, got % 7 == 6);
			got++;
		}
	}
	return failed;
}

static void
each_allocation_fails_once(void **state)
{
	struct pair p;
	unsigned n;
	int r, fd = mproc__dup(0);

	(void)state;
	for (n = 1;; n++) {
		test_fail_alloc(n);
		while ((r = new_pair(&p)) < 0)
			assert_int_equal(r, -ENOMEM);
		(void)go_through(&p, fd);
		pair_free(&p);
		if (!test_fail_done())
			break;
	}
	assert_true(n > 20);
	mproc__close(fd);
}

static void
a_wish_to_shrink_that_fails(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__frame frame;
	const size_t size = 3 << 20;

	(void)state;
	(void)send_frame(p.a, size, 1, false, true);
	while (mproc__channel_flush(p.a) == 1)
		(void)mproc__channel_fill(p.b);
	await_frame(p.b, size, 1);
	test_fail_alloc(1);
	assert_int_equal(mproc__channel_next(p.b, &frame), 0);
	assert_true(test_fail_done());
	assert_true(p.b->in.cap > size);
	assert_int_equal(mproc__channel_next(p.b, &frame), 0);
	assert_true(p.b->in.cap < size);
	pair_free(&p);
}

/* A failing call: what commit says, whether it waits, what flush says then */
static void
check_send(const char *call, int error, int committed, bool blocked,
    int flushed)
{
	struct pair p = pair_new(0);
	int fd = mproc__dup(0);
	bool with_fd = strcmp(call, "sendmsg") == 0;

	test_fail_sys(call, 1, error);
	/* an even one is in one piece, which send(2) takes */
	assert_int_equal(send_fds(p.a, 2, &fd, with_fd), committed);
	assert_true(test_fail_sys_done());
	assert_int_equal(mproc__channel_blocked(p.a), blocked);
	assert_int_equal(mproc__channel_queued(p.a), committed == 1);
	if (committed == 1) {
		test_fail_sys(call, 1, ETOOMANYREFS);
		assert_int_equal(mproc__channel_flush(p.a), 1);
		assert_true(test_fail_sys_done());
		assert_true(mproc__channel_blocked(p.a));
	}
	assert_int_equal(mproc__channel_flush(p.a), flushed);
	assert_false(mproc__channel_blocked(p.a));
	if (committed >= 0)
		await_frame(p.b, 10, 2);
	mproc__close(fd);
	pair_free(&p);
}

static void
each_error_of_sending(void **state)
{
	static const char *const calls[] = { "send", "sendmsg" };
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		check_send(calls[i], EINTR, 0, false, 0);
		check_send(calls[i], EAGAIN, 1, false, 0);
		check_send(calls[i], ENOBUFS, 1, true, 0);
		check_send(calls[i], ENOMEM, 1, true, 0);
		check_send(calls[i], ETOOMANYREFS, 1, true, 0);
		check_send(calls[i], EPIPE, -EPIPE, false, -EPIPE);
		check_send(calls[i], ECONNRESET, -EPIPE, false, -EPIPE);
		check_send(calls[i], EPERM, -EPERM, false, 0);
	}
}

static void
a_queue_that_cannot_go_on_is_lost(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	(void)send_frame(p.a, 10, 1, false, false);
	test_fail_sys("send", 1, EPERM);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	assert_true(test_fail_sys_done());
	assert_int_equal(mproc__channel_queued(p.a), 0);
	pair_free(&p);
}

static void
check_receive(int error, int filled)
{
	struct pair p = pair_new(0);

	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	test_fail_sys("recvmsg", 1, error);
	assert_int_equal(mproc__channel_fill(p.b), filled);
	assert_true(test_fail_sys_done());
	if (filled != -EPIPE)
		await_frame(p.b, 10, 1);
	else
		assert_int_equal(mproc__channel_fill(p.b), -EPIPE);
	pair_free(&p);
}

static void
each_error_of_receiving(void **state)
{
	(void)state;
	check_receive(EINTR, 14);
	check_receive(EAGAIN, 0);
	check_receive(ENOMEM, -ENOMEM);
	check_receive(ENOBUFS, -ENOMEM);
	check_receive(EIO, -EIO);
	check_receive(ECONNRESET, -EPIPE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_KINDS(each_allocation_fails_once),
		BOTH_KINDS(a_wish_to_shrink_that_fails),
		SOCKET_ONLY(each_error_of_sending),
		SOCKET_ONLY(a_queue_that_cannot_go_on_is_lost),
		SOCKET_ONLY(each_error_of_receiving),
	};

	return TEST_RUN(tests);
}
