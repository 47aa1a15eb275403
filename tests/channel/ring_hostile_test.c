/*
 * A peer that does not keep to the protocol of rings: it gets errors, and
 * no more than that.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <signal.h>

#include "pair.h"
#include "../fuzz/fuzz.h"

#define SCRIPTS		2500
#define STEPS		200		/* bytes of a script, some a step */
#define SCRIBBLERS	40
#define ROUNDS		2500

/* 100000 steps of tests/fuzz/ring_fuzz.c, and more */
static void
random_scripts(void **state)
{
	int i, n = test_on_valgrind() ? 100 : SCRIPTS;
	uint8_t script[STEPS];
	size_t k;

	(void)state;
	for (i = 0; i < n; i++) {
		for (k = 0; k < STEPS; k++)
			script[k] = (uint8_t)rnd(rnd(4) ? 256 : 16);
		(void)LLVMFuzzerTestOneInput(script, STEPS);
	}
}

static uint64_t
plausible(uint64_t right)
{
	switch (rnd(6)) {
	case 0:
		return right;
	case 1:
		return right + rnd(200);
	case 2:
		return right - rnd(200);
	case 3:
		return right + rnd(5000);
	case 4:
		return (uint64_t)rnd(UINT32_MAX) << 32 | rnd(UINT32_MAX);
	default:
		return rnd(2) ? 0 : UINT64_MAX;
	}
}

/* Until it is killed: what it can write is written, while it is read. */
static void
scribble(struct mproc__channel *ch)
{
	struct mproc__ring_page *page = ch->ring->own;
	const struct mproc__ring_page *other = ch->ring->peer;
	uint8_t bytes[40];
	size_t i;

	for (;;) {
		if (rnd(30) == 0)
			atomic_store(&page->tail,
			    plausible(atomic_load(&other->head)));
		else if (rnd(2))
			atomic_fetch_add(&page->tail, rnd(12));
		if (rnd(20) == 0)
			atomic_store(&page->head,
			    plausible(atomic_load(&other->tail)));
		else
			atomic_store(&page->head, atomic_load(&other->tail));
		if (rnd(50) == 0)
			atomic_store(&page->fds, plausible(0));
		atomic_store(&page->reader_call, rnd(4));
		atomic_store(&page->writer_call, rnd(4));
		ch->ring->out[rnd((uint32_t)ch->ring->size)] =
		    (uint8_t)rnd(rnd(3) ? 3 : 256);
		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(rnd(100) == 0);
		if (rnd(50) == 0)
			(void)send(mproc__channel_fd(ch), bytes,
			    1 + rnd(sizeof(bytes)), MSG_NOSIGNAL |
			    MSG_DONTWAIT);
	}
}

static int
use(struct mproc__channel *ch)
{
	struct mproc__frame frame;
	size_t i, size;
	uint64_t tag;
	uint8_t sum = 0;
	int r, n;

	if (rnd(2))
		(void)mproc__channel_listen(ch);
	r = rnd(2) ? mproc__channel_fill(ch) : mproc__channel_pull(ch);
	while ((n = mproc__channel_next(ch, &frame)) == 1) {
		for (i = 0; i < frame.size; i++)
			sum = (uint8_t)(sum + frame.data[i]);
		frame.data[frame.size] = sum;
	}
	if (n < 0 || r < 0)
		return n < 0 ? n : r;
	r = send_frame(ch, 1 + rnd(300), 0, true, true);
	while (mproc__channel_queued(ch) > 10 &&
	    mproc__channel_drop_oldest(ch, &size, &tag) == 1)
		continue;
	return r >= 0 ? mproc__channel_flush(ch) : r;
}

static void
scribbled_over_while_it_is_read(void **state)
{
	int i, k, r, n = test_on_valgrind() ? 5 : SCRIBBLERS, ended = 0;
	const struct mproc__channel_options opt = { 3000, true };
	struct mproc__channel *from, *to;
	int fds[2];
	pid_t pid;

	(void)state;
	for (i = 0; i < n; i++) {
		(void)rnd(7);		/* each child has its own numbers */
		assert_int_equal(mproc__socketpair(SOCK_STREAM, 0, fds), 0);
		assert_int_equal(mproc__channel_new(fds[0], &opt, &to), 0);
		assert_int_equal(mproc__channel_new(fds[1], &opt, &from), 0);
		assert_int_equal(mproc__channel_share(to, 4096), 0);
		if ((pid = fork()) == 0) {
			if (mproc__channel_join(from) == 0)
				scribble(from);
			_exit(1);
		}
		assert_true(pid > 0);
		mproc__channel_free(from);
		for (k = 0, r = 0; k < ROUNDS && r >= 0; k++)
			r = use(to);
		assert_true(r >= 0 || r == -EPROTO || r == -EPIPE ||
		    r == -EBADMSG || r == -EMSGSIZE);
		ended += r < 0;
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		mproc__channel_free(to);
	}
	assert_true(ended > 0);
}

/* Bytes that no channel made, into the ring */
static void
raw_bytes(struct pair *p, const void *bytes, size_t n)
{
	uint8_t *at;

	assert_true(mproc__ring_room(p->a->ring, SIZE_MAX, &at) >= n);
	memcpy(at, bytes, n);
	(void)mproc__ring_publish(p->a->ring, n);
}

static void
truncated_frames_end_the_stream(void **state)
{
	static const uint8_t two[] = { 2, 0, 0, 0, 'a', 'b', 1, 0, 0, 0, 'c' };
	struct mproc__frame frame;
	struct pair p;
	size_t cut;
	int n, frames;

	(void)state;
	for (cut = 0; cut < sizeof(two); cut++) {
		p = pair_new(0);
		raw_bytes(&p, two, cut);
		p.a = mproc__channel_free(p.a);
		frames = 0;
		while ((n = mproc__channel_fill(p.b)) > 0)
			while (mproc__channel_next(p.b, &frame) == 1)
				frames++;
		assert_int_equal(n, -EPIPE);
		assert_int_equal(frames, cut >= 6);
		pair_free(&p);
	}
}

static void
check_length(uint32_t length, int error)
{
	uint8_t bytes[] = { 1, 0, 0, 0, 'x', (uint8_t)length,
	    (uint8_t)(length >> 8), (uint8_t)(length >> 16),
	    (uint8_t)(length >> 24), 'y', 'z' };
	struct pair p = pair_new(0);
	struct mproc__frame frame;

	raw_bytes(&p, bytes, sizeof(bytes));
	assert_int_equal(mproc__channel_fill(p.b), sizeof(bytes));
	assert_int_equal(mproc__channel_next(p.b, &frame), 1);
	frame.data[1] = 0;
	assert_int_equal(mproc__channel_next(p.b, &frame), error);
	raw_bytes(&p, bytes, 5);
	assert_int_equal(mproc__channel_fill(p.b), error);
	assert_int_equal(mproc__channel_pull(p.b), error);
	assert_int_equal(mproc__channel_next(p.b, &frame), error);
	assert_true(p.b->in.cap <= 64 << 10);
	pair_free(&p);
}

static void
lengths_that_cannot_be(void **state)
{
	(void)state;
	check_length(0, -EBADMSG);
	check_length((uint32_t)MAX_FRAME + 1, -EMSGSIZE);
	check_length(UINT32_MAX, -EMSGSIZE);
}

static void
check_tail(uint64_t tail)
{
	struct pair p = pair_new(0);

	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	assert_int_equal(mproc__channel_fill(p.b), 14);
	atomic_store(&p.a->ring->own->tail, tail);
	expect_frame(p.b, 10, 1);
	assert_true(mproc__channel_pending(p.b));
	assert_true(mproc__channel_listen(p.b));
	assert_int_equal(mproc__channel_fill(p.b), -EPROTO);
	atomic_store(&p.a->ring->own->tail, 14);
	assert_int_equal(mproc__channel_fill(p.b), -EPROTO);
	pair_free(&p);
}

static void
tails_that_cannot_be(void **state)
{
	(void)state;
	check_tail(0);
	check_tail(13);
	check_tail(14 + 4097);
	check_tail(UINT64_MAX);
	check_tail((uint64_t)1 << 63);
}

static void
check_head(uint64_t head)
{
	struct pair p = pair_new(0);

	assert_int_equal(send_frame(p.a, 3000, 0, false, true), 0);
	assert_true(mproc__channel_fill(p.b) > 0);
	assert_int_equal(send_frame(p.a, 3000, 1, false, true), 0);
	atomic_store(&p.b->ring->own->head, head);
	assert_int_equal(send_frame(p.a, 3000, 2, false, true), -EPIPE);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	await_frame(p.b, 3000, 0);
	pair_free(&p);
}

static void
heads_that_cannot_be(void **state)
{
	(void)state;
	check_head(0);
	check_head(3003);
	check_head(6009);
	check_head(UINT64_MAX);
}

/* Ours has written all; the other says that it has read less than before. */
static void
a_head_that_goes_back_while_ours_waits(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	(void)send_frame(p.a, 20000, 1, false, true);
	assert_true(mproc__channel_fill(p.b) > 0);
	assert_int_equal(mproc__channel_flush(p.a), 1);
	atomic_store(&p.b->ring->own->head, 1);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	assert_true(mproc__channel_gone(p.a));
	pair_free(&p);
}

/* Of the socket: a record of descriptors for the byte before `end` */
static void
record(struct mproc__channel *ch, int bells, uint64_t end, size_t n_fds)
{
	union {
		struct cmsghdr	head;
		uint8_t		bytes[CMSG_SPACE(17 * sizeof(int))];
	} control = { .bytes = { 0 } };
	uint8_t bytes[512] = { 0 };
	struct iovec iov = { bytes, 9 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t i;

	while (bells-- > 0)
		assert_int_equal(mproc__ring_bell(ch), 0);
	bytes[0] = 1;
	for (i = 0; i < 8; i++)
		bytes[1 + i] = (uint8_t)(end >> (8 * i));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	for (i = 0; i < n_fds; i++)
		memcpy(CMSG_DATA(&control.head) + i * sizeof(int),
		    &(int){ mproc__channel_fd(ch) }, sizeof(int));
	msg.msg_control = n_fds > 0 ? control.bytes : NULL;
	msg.msg_controllen = n_fds > 0 ? CMSG_SPACE(n_fds * sizeof(int)) : 0;
	assert_int_equal(sendmsg(mproc__channel_fd(ch), &msg, 0), 9);
}

/* No lie: the buffer of the reader ends anywhere in the record. */
static void
a_record_behind_many_bells(void **state)
{
	struct pair p;
	int bells;

	(void)state;
	for (bells = 240; bells < 260; bells++) {
		p = pair_new(0);
		record(p.a, bells, 1, 1);
		p.a->ring->fds_sent = 1;
		atomic_store(&p.a->ring->own->fds, 1);
		assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
		await_frame(p.b, 10, 1);
		assert_int_equal(mproc__in_fds_before(&p.b->in, UINT64_MAX),
		    1);
		pair_free(&p);
	}
}

/* No lie either: descriptors are sent before the page tells of them. */
static void
a_record_that_was_not_told_of_yet(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	record(p.a, 0, 15, 1);
	await_frame(p.b, 10, 1);
	p.a->ring->fds_sent = 1;
	atomic_store(&p.a->ring->own->fds, 1);
	assert_int_equal(send_frame(p.a, 10, 2, false, true), 0);
	await_frame(p.b, 10, 2);
	assert_int_equal(mproc__channel_take_fds(p.b, 0, NULL), 0);
	pair_free(&p);
}

static void
check_record(uint64_t end, size_t n_fds, int filled)
{
	struct pair p = pair_new(0);
	struct mproc__frame frame;
	int open = open_fds();

	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	assert_int_equal(send_frame(p.a, 10, 2, false, true), 0);
	await_frame(p.b, 10, 1);
	record(p.a, 3, end, n_fds);
	assert_int_equal(mproc__channel_fill(p.b), filled);
	if (filled < 0) {
		expect_frame(p.b, 10, 2);
		assert_int_equal(mproc__channel_next(p.b, &frame), filled);
		assert_int_equal(open_fds(), open);
	}
	pair_free(&p);
}

static void
records_that_cannot_be(void **state)
{
	(void)state;
	check_record(29, 16, 0);		/* what an honest one says */
	check_record(29 + 4095, 1, 0);
	check_record(29 + 4096, 1, -EPROTO);	/* would not fit */
	check_record(28, 1, -EPROTO);		/* was read without */
	check_record(0, 1, -EPROTO);
	check_record(UINT64_MAX, 1, -EPROTO);
	check_record(29, 17, -EPROTO);
	check_record(29, 0, -EPROTO);
}

static void
check_junk(const void *bytes, size_t n, int filled)
{
	struct pair p = pair_new(0);

	raw(mproc__channel_fd(p.a), bytes, n);
	assert_int_equal(mproc__channel_fill(p.b), filled);
	pair_free(&p);
}

static void
what_is_no_record(void **state)
{
	(void)state;
	check_junk("\0\0\0", 3, 0);
	check_junk("\1", 1, -EPROTO);
	check_junk("\2", 1, -EPROTO);
	check_junk("\0\0\xff", 3, -EPROTO);
	check_junk("\1\1\0\0\0\0\0\0\0", 9, -EPROTO);
	check_junk("\0\1\1\0\0\0\0\0\0\0", 10, -EPROTO);
}

static void
descriptors_that_never_come(void **state)
{
	struct pair p = pair_new(0);

	(void)state;
	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	atomic_store(&p.a->ring->own->fds, 1);
	assert_int_equal(mproc__channel_fill(p.b), -EPROTO);
	assert_int_equal(mproc__channel_pull(p.b), -EPROTO);
	pair_free(&p);

	/* and two records before the first one's frame */
	p = pair_new(0);
	record(p.a, 0, 1, 1);
	record(p.a, 0, 2, 1);
	assert_int_equal(mproc__channel_fill(p.b), -EPROTO);
	pair_free(&p);

	/* many descriptors, of which no frame ever comes whole */
	p = pair_new(0);
	raw_bytes(&p, "\0\x10\0\0", 4);
	for (uint64_t i = 5; i < 30; i++) {
		record(p.a, 0, i, 16);
		atomic_fetch_add(&p.a->ring->own->fds, 1);
		raw_bytes(&p, "x", 1);
	}
	while (mproc__channel_fill(p.b) > 0)
		continue;
	assert_int_equal(mproc__channel_fill(p.b), -EPROTO);
	pair_free(&p);
}

static void
a_flood_of_bells_is_read_in_turns(void **state)
{
	struct pair p = pair_new(1 << 20);
	uint8_t bells[65536] = { 0 };
	size_t before = 0;
	ssize_t n;

	(void)state;
	while ((n = send(mproc__channel_fd(p.a), bells, sizeof(bells),
	    MSG_DONTWAIT)) > 0)
		before += (size_t)n;
	if (before > 3 * sizeof(bells)) {
		assert_int_equal(mproc__channel_fill(p.b), 0);
		assert_true(test_poll(mproc__channel_fd(p.b), POLLIN, 0));
	}
	assert_int_equal(send_frame(p.a, 10, 1, false, true), 0);
	await_frame(p.b, 10, 1);
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_scripts),
		cmocka_unit_test(scribbled_over_while_it_is_read),
		RING_ONLY(truncated_frames_end_the_stream),
		RING_ONLY(lengths_that_cannot_be),
		RING_ONLY(tails_that_cannot_be),
		RING_ONLY(heads_that_cannot_be),
		RING_ONLY(a_head_that_goes_back_while_ours_waits),
		RING_ONLY(a_record_behind_many_bells),
		RING_ONLY(a_record_that_was_not_told_of_yet),
		RING_ONLY(records_that_cannot_be),
		RING_ONLY(what_is_no_record),
		RING_ONLY(descriptors_that_never_come),
		RING_ONLY(a_flood_of_bells_is_read_in_turns),
	};

	return TEST_RUN(tests);
}
