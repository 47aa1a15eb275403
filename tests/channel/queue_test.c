/*
 * Frames that wait: written in order and in batches, dropped while they have
 * not begun, in memory that does not grow with what has passed.
 */
#include "pair.h"

static void
queued_when_full_and_written_in_order(void **state)
{
	struct pair p = pair_new(0);
	uint64_t i, n;

	(void)state;
	n = fill_up(p.a, 100, false);
	assert_false(mproc__channel_blocked(p.a));
	for (i = 0; i < 500; i++)
		assert_int_equal(send_frame(p.a, 100, n + i, false, true), 1);
	assert_int_equal(mproc__channel_queued(p.a), 501);
	assert_true(mproc__channel_queued_bytes(p.a) <= (size_t)501 * 104);
	assert_true(mproc__channel_queued_bytes(p.a) > (size_t)500 * 104);
	assert_int_equal(mproc__channel_flush(p.a), 1);
	for (i = 0; i < n + 500; i++) {
		if (!mproc__channel_ready(p.b))
			(void)mproc__channel_flush(p.a);
		await_frame(p.b, 100, i);
	}
	assert_int_equal(mproc__channel_flush(p.a), 0);
	assert_int_equal(mproc__channel_queued(p.a), 0);
	assert_int_equal(mproc__channel_queued_bytes(p.a), 0);
	pair_free(&p);
}

static void
only_queued_when_asked(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	assert_int_equal(send_frame(p.a, 9, 1, false, false), 1);
	assert_int_equal(send_frame(p.a, 9, 2, false, true), 1);
	assert_int_equal(mproc__channel_queued(p.a), 2);
	assert_int_equal(mproc__channel_queued_bytes(p.a), 26);
	assert_false(mproc__channel_midframe(p.a));
	assert_int_equal(mproc__channel_fill(p.b), 0);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	await_frame(p.b, 9, 1);
	await_frame(p.b, 9, 2);
	pair_free(&p);
}

static int
put_frame(struct mproc__channel *ch, size_t size, uint64_t seed)
{
	uint8_t body[512];

	assert_true(size <= sizeof(body));
	bytes_make(body, size, seed);
	return mproc__channel_put(ch, body, size, NULL, 0);
}

/* As many as one likes, among frames of the other way, in order. */
static void
what_is_put_waits_for_a_flush(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	assert_int_equal(put_frame(p.a, 100, 0), 1);
	assert_int_equal(put_frame(p.a, 9, 1), 1);
	assert_int_equal(mproc__channel_queued(p.a), 2);
	assert_int_equal(mproc__channel_queued_bytes(p.a), 100 + 9 + 8);
	assert_false(mproc__channel_is_idle(p.a));
	assert_int_equal(mproc__channel_fill(p.b), 0);
	assert_false(mproc__channel_pending(p.b));
	assert_int_equal(mproc__channel_flush(p.a), 0);
	assert_int_equal(mproc__channel_queued(p.a), 0);
	await_frame(p.b, 100, 0);
	await_frame(p.b, 9, 1);
	/* what comes after it does not overtake it */
	assert_int_equal(put_frame(p.a, 50, 2), 1);
	(void)send_frame(p.a, 60, 3, false, true);
	assert_int_equal(put_frame(p.a, 70, 4), 1);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	await_frame(p.b, 50, 2);
	await_frame(p.b, 60, 3);
	await_frame(p.b, 70, 4);
	assert_true(mproc__channel_is_idle(p.a));
	pair_free(&p);
}

/* More than a ring, or a socket, holds; and what is put is never lost. */
static void
what_is_put_may_be_more_than_fits(void **state)
{
	struct pair p = pair_new(0);
	uint64_t i, n = 5000, got = 0;

	(void)state;
	for (i = 0; i < n; i++)
		assert_int_equal(put_frame(p.a, 1 + i % 300, i), 1);
	assert_int_equal(mproc__channel_queued(p.a), n);
	while (got < n) {
		(void)mproc__channel_flush(p.a);
		await_frame(p.b, 1 + got % 300, got);
		got++;
	}
	assert_int_equal(mproc__channel_queued(p.a), 0);
	assert_int_equal(mproc__channel_queued_bytes(p.a), 0);
	pair_free(&p);
}

static void
what_cannot_be_put_is_refused(void **state)
{
	struct pair p = pair_new(0);
	int fds[17] = { 0 };

	(void)state;
	assert_int_equal(mproc__channel_put(p.a, "", 0, NULL, 0), -EMSGSIZE);
	assert_int_equal(mproc__channel_put(p.a, "x", 1, fds, 17), -EINVAL);
	test_fail_alloc(1);
	assert_int_equal(put_frame(p.a, 300, 0), pair_is_ring() ? 1 : -ENOMEM);
	test_fail_alloc(0);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	if (pair_is_ring()) {
		await_frame(p.b, 300, 0);
		(void)mproc__channel_listen(p.b); /* so it is rung for */
	}
	mproc__channel_shutdown(p.b);
	assert_int_equal(put_frame(p.a, 100, 1), 1);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	assert_int_equal(put_frame(p.a, 100, 1), -EPIPE);
	assert_int_equal(mproc__channel_queued(p.a), 0);
	pair_free(&p);
}

/* The second system call would fail: there is none. */
static void
a_thousand_frames_are_one_system_call(void **state)
{
	struct pair p = pair_new(1 << 20);
	uint64_t i, size, tag;

	(void)state;
	for (i = 0; i < 1000; i++)
		(void)send_frame(p.a, 100, i, i == 500, false);
	test_fail_sys("send", 2, EIO);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	assert_false(test_fail_sys_done());
	for (i = 0; i < 1000; i++)
		await_frame(p.b, 100, i);
	/* Nor does a hole in the queue cost a second one. */
	for (i = 0; i < 1000; i++)
		(void)send_frame(p.a, 100, i, i == 500, false);
	assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag), 1);
	test_fail_sys("sendmsg", 2, EIO);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	assert_false(test_fail_sys_done());
	for (i = 0; i < 1000; i++)
		if (i != 500)
			await_frame(p.b, 100, i);
	pair_free(&p);
}

/* A hole behind every frame: more pieces than one call takes. */
static void
many_holes(void **state)
{
	struct pair p = pair_new(1 << 20);
	uint64_t i, tag;
	size_t size;

	(void)state;
	for (i = 0; i < 1000; i++)
		(void)send_frame(p.a, 50, i, i % 2 == 0, false);
	for (i = 0; i < 500; i++) {
		assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag),
		    1);
		assert_int_equal(tag, 2 * i);
		assert_int_equal(size, 50);
	}
	assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag), 0);
	assert_int_equal(mproc__channel_queued(p.a), 500);
	assert_int_equal(mproc__channel_queued_bytes(p.a), 500 * 54);
	while (mproc__channel_flush(p.a) == 1)
		(void)mproc__channel_fill(p.b);
	for (i = 1; i < 1000; i += 2)
		await_frame(p.b, 50, i);
	pair_free(&p);
}

static void
dropping_all_leaves_nothing(void **state)
{
	struct pair p = pair_new(0);
	uint64_t i, tag = 99;
	size_t size = 99;

	(void)state;
	assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag), 0);
	assert_int_equal(size, 99);
	for (i = 0; i < 10; i++)
		(void)send_frame(p.a, 1 + i, i, true, false);
	for (i = 0; i < 10; i++) {
		assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag),
		    1);
		assert_int_equal(size, 1 + i);
		assert_int_equal(tag, i);
	}
	assert_int_equal(mproc__channel_queued(p.a), 0);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	assert_int_equal(send_frame(p.a, 3, 1, true, true), 0);
	await_frame(p.b, 3, 1);
	pair_free(&p);
}

static void
a_frame_that_has_begun_is_not_dropped(void **state)
{
	struct pair p = pair_new(0);
	uint64_t tag;
	size_t size;

	(void)state;
	mproc__channel_limit_io(p.a, 3);
	assert_int_equal(send_frame(p.a, 20, 1, true, true), 1);
	assert_true(mproc__channel_midframe(p.a));
	assert_int_equal(mproc__channel_queued(p.a), 1);
	assert_int_equal(mproc__channel_queued_bytes(p.a), 21);
	assert_int_equal(send_frame(p.a, 20, 2, true, true), 1);
	assert_int_equal(send_frame(p.a, 20, 3, true, true), 1);
	assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag), 1);
	assert_int_equal(tag, 2);
	assert_int_equal(mproc__channel_queued(p.a), 2);
	assert_int_equal(mproc__channel_flush_frames(p.a, 1), 1);
	assert_false(mproc__channel_midframe(p.a));
	await_frame(p.b, 20, 1);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	await_frame(p.b, 20, 3);
	pair_free(&p);
}

static void
some_frames_at_a_time(void **state)
{
	struct pair p = pair_new(0);
	uint64_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		(void)send_frame(p.a, 20, i, true, false);
	assert_int_equal(mproc__channel_flush_frames(p.a, 0), 1);
	assert_int_equal(mproc__channel_queued(p.a), 10);
	assert_int_equal(mproc__channel_flush_frames(p.a, 1), 1);
	assert_int_equal(mproc__channel_queued(p.a), 9);
	assert_int_equal(mproc__channel_flush_frames(p.a, 8), 1);
	assert_int_equal(mproc__channel_queued(p.a), 1);
	assert_int_equal(mproc__channel_flush_frames(p.a, 8), 0);
	for (i = 0; i < 10; i++)
		await_frame(p.b, 20, i);
	pair_free(&p);
}

/* The queue as a list of numbers */
struct model {
	struct {
		uint64_t tag;
		size_t	 size;
		bool	 droppable;
	} of[1000];
	size_t	n;
};

static void
model_remove(struct model *m, size_t i)
{
	m->n--;
	memmove(&m->of[i], &m->of[i + 1], (m->n - i) * sizeof(m->of[0]));
}

static void
model_drop(struct model *m, struct mproc__channel *ch)
{
	size_t i = mproc__channel_midframe(ch), size;
	uint64_t tag;

	while (i < m->n && !m->of[i].droppable)
		i++;
	if (i == m->n) {
		assert_int_equal(mproc__channel_drop_oldest(ch, &size, &tag),
		    0);
		return;
	}
	assert_int_equal(mproc__channel_drop_oldest(ch, &size, &tag), 1);
	assert_int_equal(tag, m->of[i].tag);
	assert_int_equal(size, m->of[i].size);
	model_remove(m, i);
}

/* What was written by now is what the model had first. */
static void
model_receive(struct model *m, struct pair *p, size_t n)
{
	struct mproc__frame frame;
	size_t written = m->n - n;
	int r;

	while (written > 0) {
		while ((r = mproc__channel_next(p->b, &frame)) == 0)
			assert_true(mproc__channel_fill(p->b) > 0);
		assert_int_equal(r, 1);
		assert_true(m->n > 0);
		assert_int_equal(frame.size, m->of[0].size);
		assert_true(bytes_are(frame.data, frame.size, m->of[0].tag));
		model_remove(m, 0);
		written--;
	}
	(void)mproc__channel_fill(p->b);
}

static void
random_drops_against_a_model(void **state)
{
	static struct model m;
	struct pair p = pair_new(0);
	uint64_t i;

	(void)state;
	m.n = 0;
	for (i = 0; i < 30000; i++) {
		m.of[m.n].tag = i;
		m.of[m.n].size = 1 + rnd(400);
		m.of[m.n].droppable = rnd(3) > 0;
		assert_true(send_frame(p.a, m.of[m.n].size, i,
		    m.of[m.n].droppable, rnd(2)) >= 0);
		m.n++;
		model_receive(&m, &p, mproc__channel_queued(p.a));
		if (rnd(2))
			model_drop(&m, p.a);
		if (m.n < 990 && rnd(300) > 0)
			continue;
		mproc__channel_limit_io(p.a, rnd(3) ? 0 : 1 + rnd(1000));
		assert_true(mproc__channel_flush_frames(p.a,
		    1 + (int)rnd(500)) >= 0);
		model_receive(&m, &p, mproc__channel_queued(p.a));
	}
	pair_free(&p);
}

/* A peer that is stuck, and the newest messages kept: the memory is theirs. */
static void
dropping_for_ever_takes_no_memory(void **state)
{
	struct pair p = pair_new(0);
	uint64_t i, tag, n;
	size_t size;

	(void)state;
	n = fill_up(p.a, 1000, false);
	mproc__channel_limit_io(p.a, 10);
	(void)mproc__channel_fill(p.b);
	(void)mproc__channel_flush(p.a);	/* so that one has begun */
	for (i = 0; i < 100; i++)
		(void)send_frame(p.a, 200, n + i, true, false);
	for (; i < 100000; i++) {
		assert_int_equal(send_frame(p.a, 200, n + i, true, false), 1);
		assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag),
		    1);
		assert_int_equal(tag, n + i - 100);
	}
	assert_true(p.a->out.buf.cap <= 256 << 10);
	assert_true(p.a->out.cap <= 512);
	pair_free(&p);
}

/* The same while messages pass. */
static void
a_queue_that_is_never_empty_takes_no_memory(void **state)
{
	struct pair p = pair_new(0);
	uint64_t i;

	(void)state;
	for (i = 0; i < 100; i++)
		(void)send_frame(p.a, 200, i, true, false);
	for (; i < 100000; i++) {
		(void)send_frame(p.a, 200, i, true, true);
		assert_int_equal(mproc__channel_flush_frames(p.a, 1), 1);
		await_frame(p.b, 200, i - 100);
	}
	assert_true(p.a->out.buf.cap <= 128 << 10);
	assert_true(p.a->out.cap <= 512);
	pair_free(&p);
}

static void
memory_of_a_long_queue_is_given_back(void **state)
{
	struct pair p = pair_new(1 << 20);
	uint64_t i, got = 0;

	(void)state;
	for (i = 0; i < 100000; i++)
		(void)send_frame(p.a, 100, i, true, false);
	assert_true(p.a->out.buf.cap > 8 << 20);
	/* first while it shrinks ... */
	while (mproc__channel_queued(p.a) > 1000) {
		(void)mproc__channel_flush_frames(p.a, 500);
		while (got < i - mproc__channel_queued(p.a) -
		    mproc__channel_midframe(p.a))
			await_frame(p.b, 100, got++);
		(void)send_frame(p.a, 100, i++, true, false);
	}
	assert_true(p.a->out.buf.cap <= 4 << 20);
	/* ... then wholly when it is empty */
	while (got < i) {
		(void)mproc__channel_flush(p.a);
		await_frame(p.b, 100, got++);
	}
	assert_int_equal(mproc__channel_flush(p.a), 0);
	assert_true(p.a->out.buf.cap <= 2 << 20);
	assert_int_equal(p.a->out.cap, 0);
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_KINDS(queued_when_full_and_written_in_order),
		BOTH_KINDS(only_queued_when_asked),
		BOTH_KINDS(what_is_put_waits_for_a_flush),
		BOTH_KINDS(what_is_put_may_be_more_than_fits),
		BOTH_KINDS(what_cannot_be_put_is_refused),
		SOCKET_ONLY(a_thousand_frames_are_one_system_call),
		BOTH_KINDS(many_holes),
		BOTH_KINDS(dropping_all_leaves_nothing),
		SOCKET_ONLY(a_frame_that_has_begun_is_not_dropped),
		BOTH_KINDS(some_frames_at_a_time),
		BOTH_KINDS(random_drops_against_a_model),
		BOTH_KINDS(dropping_for_ever_takes_no_memory),
		BOTH_KINDS(a_queue_that_is_never_empty_takes_no_memory),
		BOTH_KINDS(memory_of_a_long_queue_is_given_back),
	};

	return TEST_RUN(tests);
}
