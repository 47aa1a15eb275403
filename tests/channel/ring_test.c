/*
 * A ring: built in place, rung for once a sleep and never while awake, read
 * to the end after the other side is gone.
 */
#include "pair.h"

/* Bytes that wait in the socket: doorbells */
static int
bells(const struct mproc__channel *ch)
{
	uint8_t bytes[1024];
	ssize_t n;

	n = recv(mproc__channel_fd(ch), bytes, sizeof(bytes),
	    MSG_PEEK | MSG_DONTWAIT);
	assert_true(n >= 0 || errno == EAGAIN);
	return n < 0 ? 0 : (int)n;
}

static void
send_some(struct mproc__channel *ch, uint64_t *seed, int n)
{
	while (n-- > 0)
		assert_int_equal(send_frame(ch, 10, (*seed)++, false, true),
		    0);
}

static void
take_some(struct mproc__channel *ch, uint64_t *seed, int n)
{
	while (n-- > 0)
		expect_frame(ch, 10, (*seed)++);
}

static bool
is_in_ring(const struct mproc__channel *ch, const struct mproc__buf *buf)
{
	return buf->lent && buf->data >= ch->ring->out &&
	    buf->data + buf->cap <= ch->ring->out + 2 * ch->ring->size;
}

static void
small_frames_are_built_in_place(void **state)
{
	struct pair p = pair_new(0);
	const uint8_t *bytes;
	struct mproc__buf *buf;
	uint64_t i;
	size_t size;

	(void)state;
	for (i = 0; i < 3000; i++) {
		size = 1 + rnd(2000);
		buf = mproc__channel_begin(p.a);
		assert_true(is_in_ring(p.a, buf));
		bytes = buf->data;
		assert_non_null(mproc__buf_reserve(buf, size));
		assert_ptr_equal(buf->data, bytes);
		bytes_make(buf->data + buf->len, size, i);
		buf->len += size;
		assert_int_equal(mproc__channel_commit(p.a, NULL, 0, false, i,
		    true), 0);
		assert_int_equal(mproc__channel_fill(p.b), size + 4);
		expect_frame(p.b, size, i);
	}
	pair_free(&p);
}

static void
what_does_not_fit_is_built_elsewhere(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__buf *buf;
	unsigned allocs = 0;
	uint64_t i;

	(void)state;
	for (i = 0; i < 10; i++) {
		allocs = i < 3 ? test_alloc_count() : allocs;
		assert_int_equal(send_frame(p.a, 100000, i, false, true), 1);
		while (mproc__channel_flush(p.a) == 1)
			assert_true(mproc__channel_fill(p.b) > 0);
		await_frame(p.b, 100000, i);
	}
	assert_int_equal(test_alloc_count(), allocs);
	/* the first small one is not in place again, the second is */
	buf = mproc__channel_begin(p.a);
	assert_false(buf->lent);
	mproc__channel_abort(p.a);
	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	buf = mproc__channel_begin(p.a);
	assert_true(is_in_ring(p.a, buf));
	mproc__channel_abort(p.a);
	await_frame(p.b, 10, 1);
	pair_free(&p);
}

/* Where something waits, or shall, a frame goes behind it. */
static void
in_place_keeps_the_order(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__buf *buf;
	uint64_t i, n, tag;
	size_t size;

	(void)state;
	assert_int_equal(send_frame(p.a, 10, 0, false, true), 0);
	assert_int_equal(send_frame(p.a, 10, 1, false, false), 1);
	assert_int_equal(send_frame(p.a, 10, 2, false, true), 1);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	for (i = 0; i < 3; i++)
		await_frame(p.b, 10, i);
	n = fill_up(p.a, 100, true);
	assert_true(mproc__channel_midframe(p.a));
	assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag), 0);
	buf = mproc__channel_begin(p.a);
	assert_false(buf->lent);
	mproc__channel_abort(p.a);
	for (i = 0; i < n; i++) {
		assert_true(mproc__channel_flush(p.a) >= 0);
		await_frame(p.b, 100, i);
	}
	/* a refused one leaves no trace */
	buf = mproc__channel_begin(p.a);
	assert_true(buf->lent);
	assert_int_equal(mproc__channel_commit(p.a, NULL, 0, false, 0, true),
	    -EMSGSIZE);
	assert_int_equal(send_frame(p.a, 10, 7, false, true), 0);
	await_frame(p.b, 10, 7);
	pair_free(&p);
}

static void
no_bell_while_awake_and_one_a_sleep(void **state)
{
	struct pair p = pair_new(0);
	uint64_t sent = 0, got = 0;
	int i;

	(void)state;
	send_some(p.a, &sent, 5);
	assert_int_equal(bells(p.b), 0);
	/* something is there: no sleep, no call */
	assert_true(mproc__channel_listen(p.b));
	assert_true(mproc__channel_listen(p.b));
	send_some(p.a, &sent, 1);
	assert_int_equal(bells(p.b), 0);
	assert_true(mproc__channel_pull(p.b) > 0);
	take_some(p.b, &got, 6);
	for (i = 0; i < 5; i++) {
		assert_false(mproc__channel_listen(p.b));
		assert_false(mproc__channel_listen(p.b));
		assert_false(mproc__channel_pending(p.b));
		send_some(p.a, &sent, 4);
		assert_int_equal(bells(p.b), 1);
		assert_true(mproc__channel_fill(p.b) > 0);
		take_some(p.b, &got, 4);
		send_some(p.a, &sent, 3);	/* awake now */
		assert_int_equal(bells(p.b), 0);
		assert_true(mproc__channel_pull(p.b) > 0);
		take_some(p.b, &got, 3);
	}
	/* a call that was taken back */
	assert_false(mproc__channel_listen(p.b));
	mproc__channel_hush(p.b);
	send_some(p.a, &sent, 1);
	assert_int_equal(bells(p.b), 0);
	assert_int_equal(bells(p.a), 0);
	pair_free(&p);
}

/* Found by ring_model_test: a bell for bytes that were read, then a sleep */
static void
a_bell_without_bytes_ends_the_call(void **state)
{
	struct pair p = pair_new(0);
	uint64_t seed = 0;

	(void)state;
	assert_false(mproc__channel_listen(p.b));
	send_some(p.a, &seed, 1);
	assert_true(mproc__channel_pull(p.b) > 0);
	expect_frame(p.b, 10, 0);
	/* as a writer does that was slow to look at the call */
	assert_false(mproc__channel_listen(p.b));
	p.a->ring->rung_reader = p.b->ring->reader_call;
	assert_int_equal(mproc__ring_bell(p.a), 0);
	assert_int_equal(mproc__channel_fill(p.b), 0);
	assert_false(mproc__channel_listen(p.b));
	assert_false(test_poll(mproc__channel_fd(p.b), POLLIN, 0));
	send_some(p.a, &seed, 1);
	assert_true(test_poll(mproc__channel_fd(p.b), POLLIN, 0));
	await_frame(p.b, 10, 1);
	pair_free(&p);
}

/* Nor is one lost that was heard by who waits for room. */
static void
a_bell_that_was_heard_without_reading(void **state)
{
	struct pair p = pair_new(0);
	uint64_t seed = 0;

	(void)state;
	assert_false(mproc__channel_listen(p.b));
	send_some(p.a, &seed, 1);
	assert_int_equal(mproc__channel_hear(p.b), 0);
	assert_int_equal(bells(p.b), 0);
	assert_true(mproc__channel_listen(p.b));
	await_frame(p.b, 10, 0);
	/* nor where there was no memory to read into */
	assert_false(mproc__channel_listen(p.b));
	(void)send_frame(p.a, 200000, 1, false, true);
	test_fail_alloc_from(1);
	while (mproc__channel_fill(p.b) != -ENOMEM)
		assert_true(mproc__channel_flush(p.a) >= 0);
	assert_true(test_fail_done());
	assert_true(mproc__channel_listen(p.b));
	while (mproc__channel_flush(p.a) == 1)
		assert_true(mproc__channel_fill(p.b) >= 0);
	await_frame(p.b, 200000, 1);
	pair_free(&p);
}

static void
a_writer_is_told_of_much_room_once(void **state)
{
	struct pair p = pair_new(0);
	uint8_t bytes[4096];
	uint64_t i, n;

	(void)state;
	/* nobody waits: reading rings for nobody */
	n = fill_up(p.a, 100, false);
	assert_int_equal(bells(p.a), 0);
	mproc__channel_limit_io(p.b, 100);
	for (i = 0; i < 20; i++) {
		assert_int_equal(mproc__ring_read(p.b, bytes, 100), 100);
		assert_int_equal(bells(p.a), 0);
	}
	/* half of it is read with the next */
	assert_int_equal(mproc__ring_read(p.b, bytes, 100), 100);
	assert_int_equal(bells(p.a), 1);
	assert_int_equal(mproc__ring_read(p.b, bytes, 100), 100);
	assert_int_equal(bells(p.a), 1);
	assert_true(test_poll(mproc__channel_fd(p.a), POLLIN, 0));
	assert_int_equal(mproc__channel_hear(p.a), 0);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	/* nothing waits any more, so nothing rings any more */
	while (mproc__ring_read(p.b, bytes, sizeof(bytes)) > 0)
		assert_int_equal(bells(p.a), 0);
	assert_true(n * 104 > 4096);
	pair_free(&p);
}

/* Asleep: readable when and only when there is something. */
static void
readable_exactly_when_there_is_something(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__frame frame;
	bool asleep;
	int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		if (rnd(2))
			assert_true(send_frame(p.a, 1 + rnd(1000), 0, false,
			    true) >= 0);
		if (rnd(2))
			mproc__channel_hush(p.b);
		asleep = !mproc__channel_listen(p.b);
		assert_int_equal(!asleep, mproc__channel_pending(p.b));
		if (asleep)
			assert_false(test_poll(mproc__channel_fd(p.b), POLLIN,
			    0));
		if (asleep && rnd(2)) {
			assert_true(send_frame(p.a, 1 + rnd(1000), 0, false,
			    true) >= 0);
			assert_true(test_poll(mproc__channel_fd(p.b), POLLIN,
			    0));
		}
		assert_true((rnd(2) ? mproc__channel_fill(p.b) :
		    mproc__channel_pull(p.b)) >= 0);
		while (mproc__channel_next(p.b, &frame) == 1)
			continue;
		(void)mproc__channel_hear(p.b);
		assert_true(mproc__channel_flush(p.a) >= 0);
	}
	pair_free(&p);
}

static void
what_the_dead_have_sent_is_read(void **state)
{
	int fd = mproc__dup(0), taken, i, variant;
	struct pair p;

	(void)state;
	for (variant = 0; variant < 4; variant++) {
		p = pair_new(0);
		if (variant & 1)
			assert_false(mproc__channel_listen(p.b));
		for (i = 0; i < 10; i++)
			assert_int_equal(send_fds(p.a, (unsigned)i, &fd,
			    i % 2), 0);
		if (variant & 2)
			mproc__channel_shutdown(p.a);
		p.a = mproc__channel_free(p.a);
		assert_true(test_poll(mproc__channel_fd(p.b), POLLIN, 0));
		for (i = 0; i < 10; i++) {
			await_frame(p.b, 10, (unsigned)i);
			assert_int_equal(mproc__channel_take_fds(p.b, 1,
			    &taken), i % 2);
			if (i % 2)
				mproc__close(taken);
		}
		assert_int_equal(mproc__channel_fill(p.b), -EPIPE);
		assert_int_equal(mproc__channel_fill(p.b), -EPIPE);
		pair_free(&p);
	}
	mproc__close(fd);
}

/* The bell cannot be rung: the frame is there, and the bell comes later. */
static void
a_bell_that_fails_is_rung_again(void **state)
{
	static const int errors[] = { ENOBUFS, ENOMEM, EAGAIN };
	struct pair p = pair_new(0);
	uint8_t bytes[4096];
	uint64_t seed;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(errors); i++) {
		assert_false(mproc__channel_listen(p.b));
		test_fail_sys("send", 1, errors[i]);
		assert_int_equal(send_frame(p.a, 10, i, false, true), 1);
		assert_true(test_fail_sys_done());
		assert_int_equal(mproc__channel_queued(p.a), 0);
		assert_true(mproc__channel_blocked(p.a));
		assert_int_equal(bells(p.b), 0);
		assert_int_equal(mproc__channel_flush(p.a), 0);
		assert_false(mproc__channel_blocked(p.a));
		assert_int_equal(bells(p.b), 1);
		await_frame(p.b, 10, i);
	}
	/* the reader's */
	seed = fill_up(p.a, 100, false);
	test_fail_sys("send", 1, ENOBUFS);
	while (mproc__ring_read(p.b, bytes, 500) > 0)
		continue;
	assert_true(test_fail_sys_done());
	assert_true(mproc__channel_blocked(p.b));
	assert_int_equal(bells(p.a), 0);
	assert_int_equal(mproc__channel_flush(p.b), 0);
	assert_int_equal(bells(p.a), 1);
	assert_true(seed > 0);
	pair_free(&p);
}

static void
a_bell_for_the_dead(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	assert_false(mproc__channel_listen(p.b));
	test_fail_sys("send", 1, EPIPE);
	assert_int_equal(send_frame(p.a, 10, 1, false, true), -EPIPE);
	assert_true(mproc__channel_gone(p.a));
	assert_int_equal(send_frame(p.a, 10, 1, false, true), -EPIPE);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	(void)test_fail_sys_done();
	pair_free(&p);

	/* one that was due, and then nobody is there */
	p = pair_new(0);
	assert_false(mproc__channel_listen(p.b));
	test_fail_sys("send", 1, ENOBUFS);
	assert_int_equal(send_frame(p.a, 10, 1, false, true), 1);
	(void)test_fail_sys_done();
	p.b = mproc__channel_free(p.b);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	assert_false(mproc__channel_blocked(p.a));
	pair_free(&p);
}

/* Descriptors go through the socket: what a failing call means */
static void
check_send(int error, int times, int committed, bool blocked)
{
	struct pair p = pair_new(0);
	int fd = mproc__dup(0), i;

	for (i = 0; i < times; i++) {
		test_fail_sys("sendmsg", 1, error);
		assert_int_equal(send_fds(p.a, 1, &fd, 1), committed);
		assert_true(test_fail_sys_done());
		assert_int_equal(mproc__channel_blocked(p.a), blocked);
	}
	if (committed >= 0)
		await_frame(p.b, 10, 1);
	else
		assert_false(mproc__channel_pending(p.b));
	mproc__close(fd);
	pair_free(&p);
}

static void
each_error_of_sending_descriptors(void **state)
{
	(void)state;
	check_send(EINTR, 1, 0, false);
	check_send(EAGAIN, 1, 0, false);	/* tried again at once */
	check_send(ENOBUFS, 1, 0, false);
	check_send(ETOOMANYREFS, 1, 0, false);
	check_send(EPIPE, 1, -EPIPE, false);
	check_send(EPERM, 2, -EPERM, false);
}

static void
check_receive(int error, int filled)
{
	struct pair p = pair_new(0);

	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	test_fail_sys("recvmsg", 1, error);
	assert_int_equal(mproc__channel_fill(p.b), filled);
	assert_true(test_fail_sys_done());
	expect_frame(p.b, 10, 1);
	assert_int_equal(mproc__channel_fill(p.b),
	    error == ECONNRESET ? -EPIPE : 0);
	pair_free(&p);
}

static void
each_error_of_receiving(void **state)
{
	(void)state;
	check_receive(EINTR, 14);
	check_receive(EAGAIN, 14);
	check_receive(ENOMEM, 14);
	check_receive(ENOBUFS, 14);
	check_receive(EIO, -EIO);
	check_receive(ECONNRESET, 14);
}

/* More than half a ring: half being free does not do, nor is it asked again. */
static void
room_for_more_than_half(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	assert_true(mproc__channel_has_room(p.a, 4092));
	assert_false(mproc__channel_has_room(p.a, 4093));
	mproc__ring_hush_writer(p.a->ring);
	assert_int_equal(send_frame(p.a, 1500, 1, false, true), 0);
	assert_true(mproc__channel_has_room(p.a, 2500));
	assert_false(mproc__channel_has_room(p.a, 3000));
	assert_int_equal(bells(p.a), 0);
	await_frame(p.b, 1500, 1);
	assert_int_equal(bells(p.a), 1);
	assert_true(mproc__channel_has_room(p.a, 3000));
	pair_free(&p);
}

static void
large_frames_of_the_trusted_are_lent(void **state)
{
	struct mproc__frame frame;
	struct pair p;
	uint64_t i, head;
	size_t size;

	(void)pair_socket(state);
	p = pair_new(0);
	assert_int_equal(mproc__channel_share(p.a, 1 << 17), 0);
	assert_int_equal(mproc__channel_join(p.b), 0);
	(void)pair_ring(state);
	mproc__channel_trust(p.b);
	for (i = 0; i < 100; i++) {
		size = 20000 + rnd(40000);
		head = p.b->ring->head;
		assert_int_equal(send_frame(p.a, size, i, false, true), 0);
		assert_int_equal(send_frame(p.a, 10, i, false, true), 0);
		assert_int_equal(mproc__channel_next(p.b, &frame), 1);
		assert_true(frame.is_shared && frame.size == size);
		assert_true(frame.data > p.b->ring->in &&
		    bytes_are(frame.data, size, i));
		/* lent until the next call */
		assert_int_equal(p.b->ring->head, head);
		assert_true(mproc__channel_listen(p.b));
		await_frame(p.b, 10, i);
		assert_int_equal(p.b->ring->head, head + size + 18);
	}
	/* the dead are trusted, too, and what is lent may be freed */
	assert_int_equal(send_frame(p.a, 30000, 1, false, true), 0);
	assert_int_equal(send_frame(p.a, 30000, 2, false, true), 0);
	p.a = mproc__channel_free(p.a);
	assert_int_equal(mproc__channel_next(p.b, &frame), 1);
	assert_true(bytes_are(frame.data, frame.size, 1));
	assert_int_equal(mproc__channel_next(p.b, &frame), 1);
	assert_true(bytes_are(frame.data, frame.size, 2));
	if (rnd(2))
		assert_int_equal(mproc__channel_fill(p.b), -EPIPE);
	pair_free(&p);
}

static bool
never(void *arg)
{
	*(int *)arg += 1;
	return false;
}

static void
spinning_is_bounded(void **state)
{
	struct pair p = pair_new(0);
	int64_t start;
	int asked = 0, i;

	(void)state;
	assert_false(mproc__channel_spin(p.b, never, &asked));
	mproc__channel_set_spin(p.b, 1000000);
	start = test_now_ms();
	for (i = 0; i < 20; i++)
		assert_false(mproc__channel_spin(p.b, never, &asked));
	assert_true(test_now_ms() - start < 5000);
	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	assert_true(mproc__channel_spin(p.b, never, &asked));
	pair_free(&p);
}

/* What is nothing for sockets */
static void
a_socket_does_not_listen(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	assert_false(mproc__channel_is_ring(p.a));
	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	assert_false(mproc__channel_listen(p.b));
	assert_false(mproc__channel_pending(p.b));
	assert_int_equal(mproc__channel_pull(p.b), 0);
	assert_int_equal(mproc__channel_hear(p.b), 0);
	assert_false(mproc__channel_spin(p.b, never, NULL));
	mproc__channel_hush(p.b);
	await_frame(p.b, 10, 1);
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RING_ONLY(small_frames_are_built_in_place),
		RING_ONLY(what_does_not_fit_is_built_elsewhere),
		RING_ONLY(in_place_keeps_the_order),
		RING_ONLY(no_bell_while_awake_and_one_a_sleep),
		RING_ONLY(a_bell_without_bytes_ends_the_call),
		RING_ONLY(a_bell_that_was_heard_without_reading),
		RING_ONLY(a_writer_is_told_of_much_room_once),
		RING_ONLY(readable_exactly_when_there_is_something),
		RING_ONLY(what_the_dead_have_sent_is_read),
		RING_ONLY(a_bell_that_fails_is_rung_again),
		RING_ONLY(a_bell_for_the_dead),
		RING_ONLY(each_error_of_sending_descriptors),
		RING_ONLY(each_error_of_receiving),
		RING_ONLY(room_for_more_than_half),
		cmocka_unit_test(large_frames_of_the_trusted_are_lent),
		RING_ONLY(spinning_is_bounded),
		SOCKET_ONLY(a_socket_does_not_listen),
	};

	return TEST_RUN(tests);
}
