/*
 * The ring of frames: order, refusing, overwriting, dead sides.
 */
#include <pthread.h>

#include <mproc/shm.h>

#include "child.h"

static struct mproc_shm_ring *
new_ring(int slots, size_t size, bool overwrite, bool selectable)
{
	const struct mproc_shm_ring_options options = { .slots = slots,
	    .slot_size = size, .overwrite = overwrite,
	    .selectable = selectable };
	struct mproc_shm_ring *ring = NULL;

	assert_int_equal(mproc_shm_ring_new(&options, &ring), 0);
	return ring;
}

static int
send_number(struct mproc_shm_ring *ring, int n)
{
	return mproc_shm_ring_send(ring, &n, sizeof(n));
}

/* The next frame's number, or the (negative or zero) result less 1000 */
static int
recv_number(struct mproc_shm_ring *ring, int ms)
{
	const void *data;
	size_t len;
	int n, r = mproc_shm_ring_recv(ring, ms, &data, &len);

	if (r != 1)
		return r - 1000;
	assert_int_equal(len, sizeof(n));
	memcpy(&n, data, sizeof(n));
	return n;
}

#define NONE (-1000)

static void
check_counts(struct mproc_shm_ring *ring, uint64_t sent, uint64_t received,
    uint64_t dropped)
{
	struct mproc_shm_ring_counts c;

	assert_int_equal(mproc_shm_ring_stat(ring, &c), 0);
	assert_int_equal(c.sent, sent);
	assert_int_equal(c.received, received);
	assert_int_equal(c.dropped, dropped);
	assert_int_equal(c.waiting, sent - received - dropped);
}

static void
vk72_frames_in_order_then_full(void **state)
{
	struct mproc_shm_ring *ring = new_ring(3, 16, false, false);
	const void *data;
	size_t len;
	int i, round;

	(void)state;
	assert_int_equal(recv_number(ring, 0), NONE);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 3; i++)
			assert_int_equal(send_number(ring, i), 0);
		assert_int_equal(send_number(ring, 3), -EAGAIN);
		assert_int_equal(recv_number(ring, 0), 0);
		/* The frame being read keeps its slot until released. */
		assert_int_equal(send_number(ring, 3), -EAGAIN);
		assert_int_equal(mproc_shm_ring_release(ring), 0);
		assert_int_equal(send_number(ring, 3), 0);
		for (i = 1; i < 4; i++)
			assert_int_equal(recv_number(ring, 0), i);
		assert_int_equal(recv_number(ring, 0), NONE);
	}
	check_counts(ring, 20, 20, 0);
	assert_int_equal(mproc_shm_ring_send(ring, NULL, 0), 0);
	assert_int_equal(mproc_shm_ring_recv(ring, -1, &data, &len), 1);
	assert_int_equal(len, 0);
	assert_int_equal((uintptr_t)data % 64, 0);
	assert_null(mproc_shm_ring_free(ring));
}

static void
vk72_overwriting_keeps_the_newest(void **state)
{
	struct mproc_shm_ring *ring = new_ring(4, 16, true, false);
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(send_number(ring, i), 0);
	check_counts(ring, 10, 0, 6);
	for (i = 6; i < 10; i++)
		assert_int_equal(recv_number(ring, 0), i);
	assert_int_equal(recv_number(ring, 0), NONE);
	check_counts(ring, 10, 4, 6);
	mproc_shm_ring_free(ring);
}

static void
vk72_overwriting_spares_the_frame_being_read(void **state)
{
	struct mproc_shm_ring *ring = new_ring(3, 16, true, false);
	const void *data;
	size_t len;
	int first, i, n = -1;

	(void)state;
	assert_int_equal(send_number(ring, 0), 0);
	assert_int_equal(mproc_shm_ring_recv(ring, 0, &data, &len), 1);
	for (i = 1; i < 50; i++)
		assert_int_equal(send_number(ring, i), 0);
	memcpy(&first, data, sizeof(first));
	assert_int_equal(first, 0);
	/* Then the newest, in order, and nothing skipped is seen. */
	while ((i = recv_number(ring, 0)) != NONE) {
		assert_true(i > n);
		n = i;
	}
	assert_int_equal(n, 49);
	for (i = 0; i < 3; i++)
		assert_int_equal(send_number(ring, 100 + i), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(recv_number(ring, 0), 100 + i);
	mproc_shm_ring_release(ring);
	mproc_shm_ring_free(ring);
}

static void
vk72_descriptor_is_silent_when_empty(void **state)
{
	struct mproc_shm_ring *ring = new_ring(4, 16, false, true);
	int fd = mproc_shm_ring_fd(ring);

	(void)state;
	assert_int_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(send_number(ring, 1), 0);
	assert_int_equal(send_number(ring, 2), 0);
	assert_int_equal(test_poll(fd, POLLIN, 0), POLLIN);
	assert_int_equal(recv_number(ring, 0), 1);
	assert_int_equal(test_poll(fd, POLLIN, 0), POLLIN);
	assert_int_equal(recv_number(ring, 0), 2);
	assert_int_equal(recv_number(ring, 0), NONE);
	assert_int_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_shm_ring_abort(ring, -EPIPE), 0);
	assert_int_equal(test_poll(fd, POLLIN, 0), POLLIN);
	assert_int_equal(recv_number(ring, -1), -EPIPE - 1000);
	assert_int_equal(test_poll(fd, POLLIN, 0), POLLIN);
	assert_int_equal(send_number(ring, 3), 0);	/* a new sender */
	assert_int_equal(recv_number(ring, -1), 3);
	assert_int_equal(recv_number(ring, 0), NONE);
	mproc_shm_ring_free(ring);
}

#define FRAMES	400
#define BIG	(64 * 1024)

/* Every byte of frame n is n: torn frames show. */
static int
fill_and_send(struct mproc_shm_ring *ring, int n)
{
	void *slot;
	int r = mproc_shm_ring_begin(ring, &slot);

	if (r < 0)
		return r;
	memset(slot, n & 0xff, BIG);
	memcpy(slot, &n, sizeof(n));
	return mproc_shm_ring_commit(ring, BIG);
}

static int
child_streams(void *arg)
{
	int n, r;

	for (n = 0; n < FRAMES; n++) {
		do
			r = fill_and_send(arg, n);
		while (r == -EAGAIN);
		if (r != 0)
			return 1;
	}
	return 0;
}

static int
check_frame(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	size_t i;
	int n;

	assert_int_equal(len, BIG);
	memcpy(&n, data, sizeof(n));
	for (i = sizeof(n); i < len; i++)
		if (bytes[i] != (n & 0xff))
			fail_msg("frame %d is torn at byte %zu", n, i);
	return n;
}

static void
stream(bool overwrite)
{
	struct mproc_shm_ring *ring = new_ring(4, BIG, overwrite, false);
	int last = -1, n = -1;
	const void *data;
	size_t len;
	pid_t pid;

	pid = start_child(child_streams, ring);
	while (last < FRAMES - 1) {
		assert_int_equal(mproc_shm_ring_recv(ring, BOUND_MS, &data,
		    &len), 1);
		n = check_frame(data, len);
		assert_true(overwrite ? n > last : n == last + 1);
		last = n;
	}
	assert_int_equal(end_child(pid), 0);
	mproc_shm_ring_free(ring);
}

static void
vk72_stream_between_processes(void **state)
{
	(void)state;
	stream(false);
}

static void
vk72_stream_overwriting(void **state)
{
	(void)state;
	stream(true);
}

static void *
thread_streams(void *arg)
{
	return (void *)(intptr_t)child_streams(arg);
}

/* The same in one process, where a race detector sees both sides. */
static void
vk72_stream_between_threads(void **state)
{
	struct mproc_shm_ring *ring = new_ring(3, BIG, true, true);
	pthread_t thread;
	const void *data;
	size_t len;
	void *result;
	int last = -1, n;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, thread_streams, ring),
	    0);
	while (last < FRAMES - 1) {
		assert_int_equal(mproc_shm_ring_recv(ring, BOUND_MS, &data,
		    &len), 1);
		n = check_frame(data, len);
		assert_true(n > last);
		last = n;
	}
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	mproc_shm_ring_free(ring);
}

static int
child_dies_holding(void *arg)
{
	const void *data;
	size_t len;

	if (mproc_shm_ring_recv(arg, BOUND_MS, &data, &len) != 1)
		return 1;
	raise(SIGKILL);
	return 2;
}

static void
vk72_dead_consumer_does_not_block_the_producer(void **state)
{
	struct mproc_shm_ring *ring = new_ring(3, 16, true, false);
	int i, n, last = -1;

	(void)state;
	assert_int_equal(send_number(ring, 0), 0);
	assert_int_equal(end_child(start_child(child_dies_holding, ring)),
	    128 + SIGKILL);
	for (i = 1; i < 100; i++)
		assert_int_equal(send_number(ring, i), 0);
	/* Another consumer takes its place, slots and all. */
	while ((n = recv_number(ring, 0)) != NONE)
		last = n;
	assert_int_equal(last, 99);
	for (i = 0; i < 3; i++)
		assert_int_equal(send_number(ring, i), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(recv_number(ring, 0), i);
	mproc_shm_ring_free(ring);
}

static int
child_dies_sending(void *arg)
{
	void *slot;

	if (send_number(arg, 1) != 0 ||
	    mproc_shm_ring_begin(arg, &slot) != 0)
		return 1;
	memset(slot, 7, 16);
	raise(SIGKILL);
	return 2;
}

static void
vk72_dead_producer_leaves_whole_frames(void **state)
{
	struct mproc_shm_ring *ring = new_ring(3, 16, false, false);

	(void)state;
	assert_int_equal(end_child(start_child(child_dies_sending, ring)),
	    128 + SIGKILL);
	assert_int_equal(mproc_shm_ring_abort(ring, -EPIPE), 0);
	assert_int_equal(recv_number(ring, -1), 1);
	assert_int_equal(recv_number(ring, -1), -EPIPE - 1000);
	assert_int_equal(send_number(ring, 2), 0);
	assert_int_equal(recv_number(ring, -1), 2);
	mproc_shm_ring_free(ring);
}

/* A child that frees its copy leaves the parent's slot alone. */
static int
child_frees(void *arg)
{
	mproc_shm_ring_free(arg);
	return 0;
}

static void
test_a_forked_copy_does_not_release(void **state)
{
	struct mproc_shm_ring *ring = new_ring(2, 16, false, false);
	const void *data;
	size_t len;

	(void)state;
	assert_int_equal(send_number(ring, 1), 0);
	assert_int_equal(send_number(ring, 2), 0);
	assert_int_equal(mproc_shm_ring_recv(ring, 0, &data, &len), 1);
	assert_int_equal(end_child(start_child(child_frees, ring)), 0);
	assert_int_equal(send_number(ring, 3), -EAGAIN);
	mproc_shm_ring_free(ring);
}

static void
test_handed_over_by_descriptors(void **state)
{
	struct mproc_shm_ring *ring = new_ring(2, 16, true, true), *same;
	int fds[3];

	(void)state;
	assert_int_equal(mproc_shm_ring_fds(ring, fds, 2), -EMSGSIZE);
	assert_int_equal(mproc_shm_ring_fds(ring, fds, 3), 3);
	assert_int_equal(mproc_shm_ring_from_fds(fds, 3, &same), 0);
	assert_int_equal(send_number(ring, 1), 0);
	assert_int_equal(send_number(ring, 2), 0);
	assert_int_equal(send_number(ring, 3), 0);
	assert_int_equal(test_poll(mproc_shm_ring_fd(same), POLLIN, 0),
	    POLLIN);
	assert_int_equal(recv_number(same, 0), 2);
	assert_int_equal(recv_number(same, 0), 3);
	assert_int_equal(recv_number(same, 0), NONE);
	mproc_shm_ring_free(ring);
	mproc_shm_ring_free(same);
}

static void
test_forged_rings_are_refused(void **state)
{
	struct mproc_shm_ring *ring = new_ring(2, 16, false, false);
	struct mproc_shm_ring *same = NULL;
	struct mproc_shm *shm;
	uint32_t *page;
	int fds[3], forged[2];

	(void)state;
	assert_int_equal(mproc_shm_ring_fds(ring, fds, 3), 2);
	assert_int_equal(mproc_shm_ring_from_fds(fds, 1, &same), -EINVAL);
	assert_int_equal(mproc_shm_ring_from_fds(NULL, 2, &same), -EINVAL);
	assert_int_equal(mproc_shm_new(4096, NULL, &shm), 0);
	page = mproc_shm_data(shm);
	forged[0] = mproc_shm_fd(shm);
	forged[1] = fds[1];
	assert_int_equal(mproc_shm_ring_from_fds(forged, 2, &same), -EBADMSG);
	assert_int_equal(pread(fds[0], page, 32, 0), 32);
	page[1]++;
	assert_int_equal(mproc_shm_ring_from_fds(forged, 2, &same), -EPROTO);
	page[1]--;
	page[2] = 60000;		/* more slots than bytes */
	assert_int_equal(mproc_shm_ring_from_fds(forged, 2, &same), -EBADMSG);
	page[2] = 1;
	assert_int_equal(mproc_shm_ring_from_fds(forged, 2, &same), -EBADMSG);
	memset(&page[4], 0xff, 8);	/* the slots' size */
	page[2] = 2;
	assert_int_equal(mproc_shm_ring_from_fds(forged, 2, &same), -EBADMSG);
	forged[0] = -1;
	assert_int_equal(mproc_shm_ring_from_fds(forged, 2, &same), -EBADF);
	assert_null(same);
	mproc_shm_free(shm);
	mproc_shm_ring_free(ring);
}

/* Nonsense from the other side: refused, and no byte outside is touched. */
static void
test_nonsense_in_the_page(void **state)
{
	struct mproc_shm_ring *ring = new_ring(2, 16, true, false);
	struct mproc_shm *view;
	uint64_t *words;
	int fds[2];
	size_t i;

	(void)state;
	assert_int_equal(mproc_shm_ring_fds(ring, fds, 2), 2);
	assert_int_equal(mproc_shm_from_fd(fds[0], NULL, &view), 0);
	words = mproc_shm_data(view);
	for (i = 4; i < 32; i++)	/* past the header: counters, lengths */
		words[i] = UINT64_C(0x123456789abcdef);
	assert_int_equal(recv_number(ring, 0), -EBADMSG - 1000);
	assert_int_equal(send_number(ring, 1), -EBADMSG);
	mproc_shm_free(view);
	mproc_shm_ring_free(ring);
}

static void
test_bad_arguments(void **state)
{
	struct mproc_shm_ring_options o = { .slots = 2, .slot_size = 8 };
	struct mproc_shm_ring *ring = NULL;
	struct mproc_shm_ring_counts c;
	const void *data;
	void *slot;
	size_t len;
	int fd;

	(void)state;
	assert_int_equal(mproc_shm_ring_new(NULL, &ring), -EINVAL);
	assert_int_equal(mproc_shm_ring_new(&o, NULL), -EINVAL);
	o.slots = 1;
	assert_int_equal(mproc_shm_ring_new(&o, &ring), -EINVAL);
	o.slots = -1;
	assert_int_equal(mproc_shm_ring_new(&o, &ring), -EINVAL);
	o.slots = MPROC_SHM_RING_MAX + 1;
	assert_int_equal(mproc_shm_ring_new(&o, &ring), -EINVAL);
	o = (struct mproc_shm_ring_options){ .slots = 9, .slot_size = 0 };
	assert_int_equal(mproc_shm_ring_new(&o, &ring), -EINVAL);
	o.slot_size = SIZE_MAX / 2;
	assert_int_equal(mproc_shm_ring_new(&o, &ring), -EINVAL);
	assert_null(ring);
	ring = new_ring(2, 8, false, false);
	assert_int_equal(mproc_shm_ring_commit(ring, 1), -EALREADY);
	assert_int_equal(mproc_shm_ring_begin(ring, &slot), 0);
	assert_int_equal(mproc_shm_ring_commit(ring, 9), -EMSGSIZE);
	assert_int_equal(mproc_shm_ring_commit(ring, 8), 0);
	assert_int_equal(mproc_shm_ring_send(ring, "123456789", 9),
	    -EMSGSIZE);
	assert_int_equal(mproc_shm_ring_send(ring, NULL, 1), -EINVAL);
	assert_int_equal(mproc_shm_ring_send(NULL, "1", 1), -EINVAL);
	assert_int_equal(mproc_shm_ring_begin(NULL, &slot), -EINVAL);
	assert_int_equal(mproc_shm_ring_commit(NULL, 1), -EINVAL);
	assert_int_equal(mproc_shm_ring_recv(ring, 0, NULL, &len), -EINVAL);
	assert_int_equal(mproc_shm_ring_recv(NULL, 0, &data, &len), -EINVAL);
	assert_int_equal(mproc_shm_ring_release(NULL), -EINVAL);
	assert_int_equal(mproc_shm_ring_fd(ring), -EOPNOTSUPP);
	assert_int_equal(mproc_shm_ring_fd(NULL), -EINVAL);
	assert_int_equal(mproc_shm_ring_abort(ring, 0), -EINVAL);
	assert_int_equal(mproc_shm_ring_abort(NULL, -EPIPE), -EINVAL);
	assert_int_equal(mproc_shm_ring_stat(NULL, &c), -EINVAL);
	assert_int_equal(mproc_shm_ring_stat(ring, NULL), -EINVAL);
	assert_int_equal(mproc_shm_ring_fds(NULL, &fd, 1), -EINVAL);
	assert_null(mproc_shm_ring_free(NULL));
	mproc_shm_ring_free(ring);
}

static void
test_no_memory(void **state)
{
	const struct mproc_shm_ring_options o = { .slots = 2,
	    .slot_size = 8 };
	struct mproc_shm_ring *ring = NULL;
	unsigned n;
	int r;

	(void)state;
	for (n = 1;; n++) {
		test_fail_alloc(n);
		r = mproc_shm_ring_new(&o, &ring);
		if (!test_fail_done())
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(ring);
	}
	assert_int_equal(r, 0);
	mproc_shm_ring_free(ring);
}

/* A ring needs all that events and memory need: each call fails in turn. */
static void
test_failing_system_calls(void **state)
{
	static const char *const calls[] = { "memfd_create", "ftruncate",
	    "mmap", "fcntl", "eventfd" };
	const struct mproc_shm_ring_options o = { .slots = 2,
	    .slot_size = 8, .selectable = true };
	struct mproc_shm_ring *made = new_ring(2, 8, false, true);
	struct mproc_shm_ring *ring = NULL;
	int fds[3], r;
	unsigned n;
	size_t i;

	(void)state;
	assert_int_equal(mproc_shm_ring_fds(made, fds, 3), 3);
	for (i = 0; i < TEST_COUNT(calls) * 2; i++) {
		for (n = 1;; n++) {
			test_fail_sys(calls[i / 2], n, ENOMEM);
			r = i % 2 == 0 ? mproc_shm_ring_new(&o, &ring) :
			    mproc_shm_ring_from_fds(fds, 3, &ring);
			if (!test_fail_sys_done())
				break;
			assert_in_range(-r, 1, 4095);
			assert_null(ring);
		}
		assert_int_equal(r, 0);
		ring = mproc_shm_ring_free(ring);
	}
	mproc_shm_ring_free(made);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk72_frames_in_order_then_full),
		cmocka_unit_test(vk72_overwriting_keeps_the_newest),
		cmocka_unit_test(vk72_overwriting_spares_the_frame_being_read),
		cmocka_unit_test(vk72_descriptor_is_silent_when_empty),
		cmocka_unit_test(vk72_stream_between_processes),
		cmocka_unit_test(vk72_stream_overwriting),
		cmocka_unit_test(vk72_stream_between_threads),
		cmocka_unit_test(
		    vk72_dead_consumer_does_not_block_the_producer),
		cmocka_unit_test(vk72_dead_producer_leaves_whole_frames),
		cmocka_unit_test(test_a_forked_copy_does_not_release),
		cmocka_unit_test(test_handed_over_by_descriptors),
		cmocka_unit_test(test_forged_rings_are_refused),
		cmocka_unit_test(test_nonsense_in_the_page),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_failing_system_calls),
	};

	return TEST_RUN(tests);
}
