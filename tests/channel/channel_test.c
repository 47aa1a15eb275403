/*
 * Frames over a stream: what goes in comes out, whole and in order, however
 * the bytes are cut; and what is no stream of frames ends with one error.
 */
#include <pthread.h>

#include "pair.h"

#define MIB	((size_t)1 << 20)

static void
goes_out_at_once_and_comes_whole(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__frame frame;

	(void)state;
	assert_int_equal(mproc__channel_fill(p.b), 0);
	assert_int_equal(mproc__channel_next(p.b, &frame), 0);
	assert_int_equal(send_frame(p.a, 5, 1, false, true), 0);
	assert_int_equal(mproc__channel_queued_bytes(p.a), 0);
	assert_int_equal(mproc__channel_fill(p.b), 9);
	expect_frame(p.b, 5, 1);
	assert_false(mproc__channel_ready(p.b));
	assert_int_equal(mproc__channel_next(p.b, &frame), 0);
	assert_int_equal(mproc__channel_fill(p.b), 0);
	pair_free(&p);
}

static void
one_byte_a_call(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 255, 256, 257, 3000 };
	struct pair p = pair_new(0);
	size_t i;

	(void)state;
	mproc__channel_limit_io(p.a, 1);
	mproc__channel_limit_io(p.b, 1);
	for (i = 0; i < TEST_COUNT(sizes); i++) {
		/* a ring's byte is no system call: it goes on */
		assert_int_equal(send_frame(p.a, sizes[i], i, false, true),
		    !pair_is_ring());
		assert_int_equal(send_frame(p.b, sizes[i], ~i, false, true),
		    !pair_is_ring());
		while (mproc__channel_flush(p.a) == 1 ||
		    mproc__channel_flush(p.b) == 1) {
			(void)mproc__channel_fill(p.a);
			(void)mproc__channel_fill(p.b);
		}
		await_frame(p.b, sizes[i], i);
		await_frame(p.a, sizes[i], ~i);
	}
	pair_free(&p);
}

/* One of many directions through the model: what was sent and not received */
struct way {
	struct mproc__channel *from, *to;
	size_t	 size[64];
	uint64_t sent, got;
};

static void
way_step(struct way *w, uint64_t last)
{
	struct mproc__frame frame;
	size_t size;

	mproc__channel_limit_io(w->from, rnd(2) ? 0 : 1 + rnd(70000));
	if (w->sent < last && w->sent - w->got < 64 && rnd(2)) {
		size = 1 + (rnd(4) ? rnd(300) : rnd(300 << 10));
		w->size[w->sent % 64] = size;
		assert_true(send_frame(w->from, size, w->sent++, false,
		    rnd(4)) >= 0);
	}
	if (rnd(2))
		assert_true(mproc__channel_flush(w->from) >= 0);
	mproc__channel_limit_io(w->to, rnd(2) ? 0 : 1 + rnd(70000));
	if (rnd(2))
		assert_true(mproc__channel_fill(w->to) >= 0);
	while (rnd(4) && mproc__channel_next(w->to, &frame) == 1) {
		assert_true(w->got < w->sent);
		assert_int_equal(frame.size, w->size[w->got % 64]);
		assert_true(bytes_are(frame.data, frame.size, w->got++));
		frame.data[frame.size] = 0;
	}
}

static void
random_frames_both_ways_against_a_model(void **state)
{
	const uint64_t last = 400;
	struct pair p = pair_new(0);
	struct way there = { .from = p.a, .to = p.b };
	struct way back = { .from = p.b, .to = p.a };

	(void)state;
	while (there.got < last || back.got < last) {
		way_step(&there, last);
		way_step(&back, last);
	}
	assert_int_equal(mproc__channel_queued(p.a), 0);
	assert_int_equal(mproc__channel_queued(p.b), 0);
	pair_free(&p);
}

/* What to poll for; a ring's room is told of by POLLIN. */
static short
wanted(const struct mproc__channel *ch)
{
	return mproc__channel_queued(ch) > 0 && !pair_is_ring() ?
	    POLLIN | POLLOUT : POLLIN;
}

/* Both ends, in one thread, until each has the other's frame. */
static void
exchange(struct pair *p, size_t size)
{
	struct mproc__channel *ch[2] = { p->a, p->b };
	bool input[2];
	struct pollfd fds[2];
	struct mproc__frame frame;
	int i, got = 0;

	while (got < 2) {
		for (i = 0; i < 2; i++) {
			fds[i] = (struct pollfd){ mproc__channel_fd(ch[i]),
			    wanted(ch[i]), 0 };
			input[i] = mproc__channel_listen(ch[i]);
		}
		assert_true(poll(fds, 2, input[0] || input[1] ? 0 : 10000) >
		    0 || input[0] || input[1]);
		for (i = 0; i < 2; i++) {
			if (fds[i].revents & POLLOUT)
				assert_true(mproc__channel_flush(ch[i]) >= 0);
			if (!(fds[i].revents & POLLIN) && !input[i])
				continue;
			assert_true(mproc__channel_fill(ch[i]) >= 0);
			if (pair_is_ring())
				assert_true(mproc__channel_flush(ch[i]) >= 0);
			if (mproc__channel_next(ch[i], &frame) != 1)
				continue;
			assert_int_equal(frame.size, size);
			assert_true(bytes_are(frame.data, size,
			    7 - (unsigned)i));
			got++;
		}
	}
}

static void
vk40_64_mib_both_ways_at_once(void **state)
{
	struct pair p = pair_new(1 << 20);
	struct mproc__frame frame;

	(void)state;
	assert_int_equal(send_frame(p.a, 64 * MIB, 6, false, true), 1);
	assert_int_equal(send_frame(p.b, 64 * MIB, 7, false, true), 1);
	exchange(&p, 64 * MIB);
	/* and the memory is given back */
	assert_int_equal(mproc__channel_next(p.a, &frame), 0);
	assert_int_equal(mproc__channel_next(p.b, &frame), 0);
	assert_true(p.a->in.cap <= 64 << 10 && p.b->in.cap <= 64 << 10);
	assert_true(p.a->out.buf.cap == 0 && p.b->out.buf.cap == 0);
	assert_int_equal(send_frame(p.a, 5, 1, false, true), 0);
	await_frame(p.b, 5, 1);
	pair_free(&p);
}

static void
memory_of_a_mib_is_kept(void **state)
{
	struct pair p = pair_new(0);
	unsigned allocs;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		allocs = test_alloc_count();
		(void)send_frame(p.a, MIB + 40, 1, false, true);
		while (mproc__channel_queued(p.a) > 0) {
			(void)mproc__channel_fill(p.b);
			assert_true(mproc__channel_flush(p.a) >= 0);
		}
		await_frame(p.b, MIB + 40, 1);
	}
	assert_int_equal(test_alloc_count(), allocs);
	pair_free(&p);
}

/* What is left of a stream that ends at every byte of two frames */
static void
vk41_truncated_frames_end_the_stream(void **state)
{
	static const uint8_t two[] = { 2, 0, 0, 0, 'a', 'b', 1, 0, 0, 0, 'c' };
	struct mproc__channel *ch;
	struct mproc__frame frame;
	size_t cut;
	int fd, n, frames;

	(void)state;
	for (cut = 0; cut < sizeof(two); cut++) {
		ch = half_new(16, false, &fd);
		raw(fd, two, cut);
		mproc__close(fd);
		frames = 0;
		while ((n = mproc__channel_fill(ch)) > 0)
			while (mproc__channel_next(ch, &frame) == 1)
				frames++;
		assert_int_equal(n, -EPIPE);
		assert_int_equal(mproc__channel_fill(ch), -EPIPE);
		assert_int_equal(mproc__channel_next(ch, &frame), 0);
		assert_int_equal(frames, cut >= 6 ? 1 : 0);
		mproc__channel_free(ch);
	}
}

/* A good frame, then a length word: the frame comes, then the error. */
static void
check_length(uint32_t length, int error)
{
	uint8_t bytes[] = { 1, 0, 0, 0, 'x', (uint8_t)length,
	    (uint8_t)(length >> 8), (uint8_t)(length >> 16),
	    (uint8_t)(length >> 24), 'y', 'z' };
	struct mproc__frame frame;
	struct mproc__channel *ch;
	int fd;

	ch = half_new(16, false, &fd);
	raw(fd, bytes, sizeof(bytes));
	assert_int_equal(mproc__channel_fill(ch), sizeof(bytes));
	assert_int_equal(mproc__channel_next(ch, &frame), 1);
	assert_int_equal(frame.size, 1);
	assert_int_equal(frame.data[0], 'x');
	frame.data[1] = 0;
	assert_false(mproc__channel_ready(ch));
	assert_int_equal(mproc__channel_next(ch, &frame), error);
	raw(fd, bytes, 5);	/* nothing after it is believed */
	assert_int_equal(mproc__channel_fill(ch), error);
	assert_int_equal(mproc__channel_next(ch, &frame), error);
	assert_false(mproc__channel_ready(ch));
	mproc__channel_free(ch);
	mproc__close(fd);
}

static void
vk41_oversized_and_empty_lengths(void **state)
{
	(void)state;
	check_length(17, -EMSGSIZE);
	check_length(UINT32_MAX, -EMSGSIZE);
	check_length(0x80000000, -EMSGSIZE);
	check_length(0, -EBADMSG);
}

static void
vk41_a_claimed_length_takes_no_memory(void **state)
{
	static const uint8_t head[] = { 0xff, 0xff, 0xff, 0xff };
	static const uint8_t zeros[10000];
	struct mproc__channel *ch;
	struct mproc__frame frame;
	size_t sent;
	int fd;

	(void)state;
	ch = half_new(UINT32_MAX, false, &fd);
	raw(fd, head, sizeof(head));
	for (sent = 4; sent < MIB; sent += sizeof(zeros)) {
		assert_true(mproc__channel_fill(ch) > 0);
		assert_int_equal(mproc__channel_next(ch, &frame), 0);
		assert_true(ch->in.cap <= (64 << 10) ||
		    ch->in.cap <= 2 * sent + (64 << 10));
		raw(fd, zeros, sizeof(zeros));
	}
	mproc__channel_free(ch);
	mproc__close(fd);
}

static void
vk41_nothing_past_the_limit_is_read_into_memory(void **state)
{
	static const uint8_t head[] = { 0, 0, 1, 0 };	/* 64 KiB */
	static const uint8_t zeros[10000];
	struct mproc__channel *ch;
	int fd, i;

	(void)state;
	ch = half_new(1000, false, &fd);
	raw(fd, head, sizeof(head));
	for (i = 0; i < 5; i++)
		raw(fd, zeros, sizeof(zeros));
	mproc__channel_limit_io(ch, 4);
	assert_int_equal(mproc__channel_fill(ch), -EMSGSIZE);
	assert_int_equal(ch->in.len, 4);
	mproc__channel_free(ch);
	mproc__close(fd);
}

static void
longest_and_too_long(void **state)
{
	struct mproc__channel *ch;
	struct mproc__frame frame;
	uint8_t bytes[20];
	int fd;

	(void)state;
	ch = half_new(16, false, &fd);
	assert_int_equal(send_frame(ch, 17, 1, false, true), -EMSGSIZE);
	assert_non_null(strstr(mproc__err_text(), "17 bytes"));
	assert_int_equal(send_frame(ch, 0, 1, false, true), -EMSGSIZE);
	assert_int_equal(mproc__channel_queued(ch), 0);
	assert_int_equal(send_frame(ch, 16, 1, false, true), 0);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 20);
	raw(fd, bytes, 20);
	assert_int_equal(mproc__channel_fill(ch), 20);
	assert_int_equal(mproc__channel_next(ch, &frame), 1);
	assert_true(bytes_are(frame.data, 16, 1));
	mproc__channel_free(ch);
	mproc__close(fd);
}

static void
bad_options(void **state)
{
	struct mproc__channel_options opt = { .max_frame = 0 };
	struct mproc__channel *ch = NULL;

	(void)state;
	assert_int_equal(mproc__channel_new(0, &opt, &ch), -EINVAL);
	opt.max_frame = (size_t)UINT32_MAX + 1;
	assert_int_equal(mproc__channel_new(0, &opt, &ch), -EINVAL);
	opt.max_frame = 1;
	assert_int_equal(mproc__channel_new(-1, &opt, &ch), -EINVAL);
	assert_null(ch);
	assert_null(mproc__channel_free(NULL));
}

static void
abort_takes_back_what_was_begun(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__buf *buf;

	(void)state;
	buf = mproc__channel_begin(p.a);
	mproc__buf_append(buf, "abc", 3);
	mproc__channel_abort(p.a);
	assert_int_equal(send_frame(p.a, 4, 1, false, false), 1);
	buf = mproc__channel_begin(p.a);
	mproc__buf_append(buf, "abc", 3);
	buf->failed = true;
	mproc__channel_abort(p.a);
	assert_int_equal(send_frame(p.a, 4, 2, false, false), 1);
	assert_int_equal(mproc__channel_flush(p.a), 0);
	await_frame(p.b, 4, 1);
	await_frame(p.b, 4, 2);
	pair_free(&p);
}

static void
peer_closes_after_all_it_sent(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__frame frame;
	uint64_t i, n;

	(void)state;
	n = fill_up(p.a, 100, false);
	(void)send_frame(p.b, 10, 0, false, true);	/* unread: a reset */
	p.a = mproc__channel_free(p.a);
	for (i = 0; i < n - 1; i++)
		await_frame(p.b, 100, i);
	assert_int_equal(mproc__channel_fill(p.b), -EPIPE);
	assert_int_equal(mproc__channel_fill(p.b), -EPIPE);
	assert_int_equal(mproc__channel_next(p.b, &frame), 0);
	pair_free(&p);
}

static void
peer_gone_is_sticky_and_what_it_sent_is_read(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	assert_int_equal(send_frame(p.b, 30, 3, false, true), 0);
	fill_up(p.a, 100, true);
	assert_int_equal(send_frame(p.a, 100, 1, true, true), 1);
	p.b = mproc__channel_free(p.b);
	(void)mproc__channel_hear(p.a);	/* a ring alone does not tell */
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	assert_int_equal(mproc__channel_queued(p.a), 0);
	assert_int_equal(mproc__channel_queued_bytes(p.a), 0);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	assert_int_equal(send_frame(p.a, 100, 1, true, true), -EPIPE);
	assert_int_equal(send_frame(p.a, 100, 1, true, false), -EPIPE);
	await_frame(p.a, 30, 3);
	assert_int_equal(mproc__channel_fill(p.a), -EPIPE);
	pair_free(&p);
}

static void
writing_at_once_to_a_gone_peer(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	p.b = mproc__channel_free(p.b);
	(void)mproc__channel_hear(p.a);
	assert_int_equal(send_frame(p.a, 100, 1, true, true), -EPIPE);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	pair_free(&p);
}

/* Frames that wait in the buffer are not read past without end. */
static void
fill_without_next_is_bounded(void **state)
{
	struct pair p = pair_new(1 << 20);
	uint64_t n = 0;
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		while (send_frame(p.a, 1000, n, false, true) == 0)
			n++;
		(void)mproc__channel_drop_oldest(p.a, &(size_t){ 0 },
		    &(uint64_t){ 0 });
		assert_true(mproc__channel_fill(p.b) >= 0);
	}
	assert_true(p.b->in.cap <= 64 << 10);
	assert_int_equal(mproc__channel_fill(p.b), 0);
	for (n = 0; mproc__channel_ready(p.b); n++)
		expect_frame(p.b, 1000, n);
	assert_true(n > 10);
	pair_free(&p);
}

#define FLOOD	20000

struct end {
	struct mproc__channel *ch;
	uint64_t sent, got;
	bool	 ok;
};

static bool
flood_done(const struct end *e)
{
	return e->sent == FLOOD && e->got == FLOOD &&
	    mproc__channel_queued(e->ch) == 0;
}

static bool
flood_turn(struct end *e)
{
	struct pollfd pfd = { mproc__channel_fd(e->ch), POLLIN, 0 };
	struct mproc__frame frame;
	int ms = 20000;

	while (e->sent < FLOOD && mproc__channel_queued(e->ch) < 1000)
		if (send_frame(e->ch, 1 + e->sent % 500, e->sent, false,
		    true) >= 0)
			e->sent++;
	if (flood_done(e))
		return true;	/* nobody would wake us */
	pfd.events = wanted(e->ch);
	if (mproc__channel_listen(e->ch))
		ms = 0;
	if (poll(&pfd, 1, ms) <= 0 && ms > 0)
		return false;
	(void)mproc__channel_fill(e->ch);
	while (mproc__channel_next(e->ch, &frame) == 1) {
		if (frame.size != 1 + e->got % 500 ||
		    !bytes_are(frame.data, frame.size, e->got))
			return false;
		e->got++;
	}
	/* after the fill, which may hear the bell that this is due to */
	return mproc__channel_flush(e->ch) >= 0;
}

static void *
flood(void *arg)
{
	struct end *e = arg;

	e->ok = true;
	while (e->ok && !flood_done(e))
		e->ok = flood_turn(e);
	return NULL;
}

static void
two_threads_flood_each_other(void **state)
{
	struct pair p = pair_new(0);
	struct end a = { .ch = p.a }, b = { .ch = p.b };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, flood, &a), 0);
	flood(&b);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(a.ok && b.ok);
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_KINDS(goes_out_at_once_and_comes_whole),
		BOTH_KINDS(one_byte_a_call),
		BOTH_KINDS(random_frames_both_ways_against_a_model),
		BOTH_KINDS(vk40_64_mib_both_ways_at_once),
		BOTH_KINDS(memory_of_a_mib_is_kept),
		SOCKET_ONLY(vk41_truncated_frames_end_the_stream),
		SOCKET_ONLY(vk41_oversized_and_empty_lengths),
		SOCKET_ONLY(vk41_a_claimed_length_takes_no_memory),
		SOCKET_ONLY(vk41_nothing_past_the_limit_is_read_into_memory),
		SOCKET_ONLY(longest_and_too_long),
		SOCKET_ONLY(bad_options),
		BOTH_KINDS(abort_takes_back_what_was_begun),
		BOTH_KINDS(peer_closes_after_all_it_sent),
		BOTH_KINDS(peer_gone_is_sticky_and_what_it_sent_is_read),
		BOTH_KINDS(writing_at_once_to_a_gone_peer),
		SOCKET_ONLY(fill_without_next_is_bounded),
		BOTH_KINDS(two_threads_flood_each_other),
	};

	return TEST_RUN(tests);
}
