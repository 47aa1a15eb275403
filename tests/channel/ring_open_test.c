/*
 * The memory of a ring: made, sealed, passed, checked, mapped; what is none
 * is refused, and what fails leaves nothing behind.
 */
#include <sys/mman.h>

#include <fcntl.h>
#include <stdio.h>

#include "pair.h"

#define SIZE	MPROC__RING_MIN

/* The number of mappings of rings */
static int
ring_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "mproc-ring") != NULL;
	fclose(f);
	return n;
}

static void
send_record(int to, const void *bytes, size_t size, const int *fds, size_t n)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, size };

	assert_int_equal(mproc__out_send(to, &iov, 1, fds, n), size);
}

/* A raw end takes the two files that were shared: the maker's, ours. */
static void
take_files(int fd, int ret_fds[2])
{
	union {
		struct cmsghdr	head;
		uint8_t		bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	uint8_t record = 0;
	struct iovec iov = { &record, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };

	assert_int_equal(recvmsg(fd, &msg, MSG_CMSG_CLOEXEC), 1);
	assert_int_equal(record, 2);
	assert_int_equal(control.head.cmsg_len, CMSG_LEN(2 * sizeof(int)));
	memcpy(ret_fds, CMSG_DATA(&control.head), 2 * sizeof(int));
}

static void
expect_no_writing(int fd)
{
	const size_t size = MPROC__RING_HEAD + SIZE;
	void *at;

	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(at == MAP_FAILED && errno == EPERM);
	at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(at != MAP_FAILED);
	assert_int_equal(mprotect(at, size, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(errno, EACCES);
	munmap(at, size);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
	    FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	assert_int_equal(errno, EPERM);
}

static void
expect_no_resize(int fd)
{
	assert_int_equal(ftruncate(fd, MPROC__RING_HEAD), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(errno, EPERM);
}

static void
nobody_else_writes_or_shrinks_what_a_side_sends(void **state)
{
	struct mproc__channel *ch;
	struct mproc__ring *ring;
	int fd, fds[2];

	(void)state;
	ch = half_new(1000, true, &fd);
	assert_int_equal(mproc__channel_share(ch, SIZE), 0);
	take_files(fd, fds);
	expect_no_writing(fds[0]);
	expect_no_resize(fds[0]);
	expect_no_resize(fds[1]);
	assert_int_equal(mproc__ring_open((int[]){ fds[1], fds[0] }, &ring),
	    0);
	expect_no_writing(fds[1]);
	mproc__ring_close(ring);
	mproc__close(fds[0]);
	mproc__close(fds[1]);
	mproc__channel_free(ch);
	mproc__close(fd);
}

static void
no_size_but_powers_of_two(void **state)
{
	static const size_t sizes[] = { 0, 1, 2048, 4095, 4097, 12288,
		(size_t)1 << 31, SIZE_MAX };
	struct mproc__channel *ch;
	size_t i;
	int fd;

	(void)state;
	ch = half_new(1000, true, &fd);
	for (i = 0; i < TEST_COUNT(sizes); i++) {
		assert_int_equal(mproc__channel_share(ch, sizes[i]), -EINVAL);
		assert_false(mproc__channel_is_ring(ch));
	}
	mproc__channel_free(ch);
	mproc__close(fd);
}

static int
memory(size_t size, int seals)
{
	int fd = memfd_create("mproc-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (seals != 0)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int
reopened(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	assert_true(again >= 0);
	mproc__close(fd);
	return again;
}

/* Two files, which are closed here, offered to one who joins */
static int
join_with(int theirs, int ours)
{
	const uint8_t record = 2;
	struct mproc__channel *ch;
	int fd, r, fds[2] = { theirs, ours };

	ch = half_new(1000, true, &fd);
	send_record(fd, &record, 1, fds, 2);
	mproc__close(theirs);
	mproc__close(ours);
	r = mproc__channel_join(ch);
	assert_int_equal(mproc__channel_is_ring(ch), r == 0);
	mproc__channel_free(ch);
	mproc__close(fd);
	return r;
}

static void
no_file_but_ours_is_mapped(void **state)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
	const size_t size = MPROC__RING_HEAD + SIZE;
	int maps = ring_maps();

	(void)state;
#define GOOD	memory(size, seals)
#define CHECK_BOTH(file)						\
	assert_int_equal(join_with(file, GOOD), -EPROTO);		\
	assert_int_equal(join_with(GOOD, file), -EPROTO)
	assert_int_equal(join_with(GOOD, GOOD), 0);
	CHECK_BOTH(memory(size, 0));
	CHECK_BOTH(memory(size, F_SEAL_GROW));
	CHECK_BOTH(memory(size, F_SEAL_SHRINK));
	CHECK_BOTH(memory(size + 1, seals));
	CHECK_BOTH(memory(size - 4096, seals));
	CHECK_BOTH(memory(0, seals));
	CHECK_BOTH(memory(MPROC__RING_HEAD + 3 * SIZE, seals));
	CHECK_BOTH(memory(MPROC__RING_HEAD + ((size_t)1 << 31), seals));
	CHECK_BOTH(memory(MPROC__RING_HEAD + 2 * SIZE, seals));
	CHECK_BOTH(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	CHECK_BOTH(open("/dev/null", O_RDWR | O_CLOEXEC));
	CHECK_BOTH(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	CHECK_BOTH(open("/", O_PATH | O_CLOEXEC));
	CHECK_BOTH(mproc__dup(0));
	/* ours must be for us to write, and to seal */
	assert_int_equal(join_with(GOOD, reopened(GOOD, O_RDONLY)), -EPROTO);
	assert_int_equal(join_with(GOOD, memory(size, seals | F_SEAL_WRITE)),
	    -EPROTO);
	assert_int_equal(join_with(GOOD, memory(size, seals | F_SEAL_SEAL)),
	    -EPROTO);
	assert_int_equal(join_with(memory(size, seals | F_SEAL_WRITE), GOOD),
	    0);
	assert_int_equal(ring_maps(), maps);
}

static int
join_after(const void *bytes, size_t size, const int *fds, size_t n)
{
	struct mproc__channel *ch;
	int fd, r;

	ch = half_new(1000, true, &fd);
	if (size > 0)
		send_record(fd, bytes, size, fds, n);
	r = mproc__channel_join(ch);
	mproc__channel_free(ch);
	mproc__close(fd);
	return r;
}

static void
what_is_no_record_of_a_ring(void **state)
{
	struct mproc__channel *ch;
	int fds[3], fd, i;

	(void)state;
	for (i = 0; i < 3; i++)
		fds[i] = memory(MPROC__RING_HEAD + SIZE, F_SEAL_SHRINK |
		    F_SEAL_GROW);
	assert_int_equal(join_after(NULL, 0, NULL, 0), -EAGAIN);
	assert_int_equal(join_after("\2", 1, NULL, 0), -EPROTO);
	assert_int_equal(join_after("\2", 1, fds, 1), -EPROTO);
	assert_int_equal(join_after("\2", 1, fds, 3), -EPROTO);
	assert_int_equal(join_after("\0", 1, fds, 2), -EPROTO);
	assert_int_equal(join_after("\1", 1, fds, 2), -EPROTO);
	assert_int_equal(join_after("\2", 1, fds, 2), 0);
	ch = half_new(1000, true, &fd);
	mproc__close(fd);
	assert_int_equal(mproc__channel_join(ch), -EPROTO);
	mproc__channel_free(ch);
	ch = half_new(1000, false, &fd);
	send_record(fd, "\2", 1, fds, 2);
	assert_int_equal(mproc__channel_join(ch), -EINVAL);
	mproc__channel_free(ch);
	mproc__close(fd);
	for (i = 0; i < 3; i++)
		mproc__close(fds[i]);
}

/* Share and join, of which either may fail: nothing must be left. */
static int
try_both(void)
{
	const struct mproc__channel_options opt = { 1000, true };
	struct mproc__channel *to, *from;
	int fds[2], r, open, maps = ring_maps();

	assert_int_equal(mproc__socketpair(SOCK_STREAM, 0, fds), 0);
	assert_int_equal(mproc__channel_new(fds[0], &opt, &from), 0);
	assert_int_equal(mproc__channel_new(fds[1], &opt, &to), 0);
	open = open_fds();
	if ((r = mproc__channel_share(from, SIZE)) == 0)
		r = mproc__channel_join(to);
	assert_int_equal(open_fds(), open);
	if (r == 0) {
		assert_int_equal(send_frame(from, 10, 1, false, true), 0);
		assert_int_equal(mproc__channel_fill(to), 14);
		expect_frame(to, 10, 1);
		/* page and bytes, and bytes again, of both, on both sides */
		assert_int_equal(ring_maps(), maps + 8);
	}
	mproc__channel_free(from);
	mproc__channel_free(to);
	assert_int_equal(ring_maps(), maps);
	return r;
}

/* The n-th such call fails with an error: all that was seen, for every n. */
static unsigned
fail_each(const char *call, int error)
{
	unsigned n;
	bool failed;
	int r;

	for (n = 1;; n++) {
		test_fail_sys(call, n, error);
		r = try_both();
		failed = test_fail_sys_done();
		if (r == 0)
			return failed ? n : n - 1;
		assert_true(failed);
		assert_true(r == -error || r == -EPROTO);
	}
}

static void
each_call_fails_once(void **state)
{
	(void)state;
	assert_int_equal(fail_each("memfd_create", EMFILE), 2);
	assert_int_equal(fail_each("memfd_create", ENFILE), 2);
	assert_int_equal(fail_each("ftruncate", ENOMEM), 2);
	assert_int_equal(fail_each("mmap", ENOMEM), 12);
	assert_true(fail_each("fcntl", ENOMEM) >= 6);
	assert_int_equal(fail_each("sendmsg", EPIPE), 1);
	assert_int_equal(fail_each("sendmsg", ENOBUFS), 1);
	/* the second is of _fill, which goes on without */
	assert_int_equal(fail_each("recvmsg", ENOMEM), 2);
	test_fail_sys("sendmsg", 1, ETOOMANYREFS);
	assert_int_equal(try_both(), -EAGAIN);
	test_fail_sys("recvmsg", 1, EAGAIN);
	assert_int_equal(try_both(), 0);
	test_fail_sys("sendmsg", 1, EINTR);
	assert_int_equal(try_both(), 0);
	assert_true(test_fail_sys_done());
}

/* Only of share and join: making the channels takes allocations, too. */
static void
each_allocation_fails_once(void **state)
{
	struct pair p;
	unsigned n;
	int r = -ENOMEM, maps = ring_maps();

	(void)state;
	for (n = 1; r != 0; n++) {
		assert_int_equal(pair_socket(NULL), 0);
		p = pair_new(0);
		assert_int_equal(pair_ring(NULL), 0);
		test_fail_alloc(n);
		r = pair_share(&p);
		assert_int_equal(test_fail_done(), r != 0);
		assert_true(r == 0 || r == -ENOMEM);
		pair_free(&p);
		assert_int_equal(ring_maps(), maps);
	}
	assert_true(n > 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    nobody_else_writes_or_shrinks_what_a_side_sends),
		cmocka_unit_test(no_size_but_powers_of_two),
		cmocka_unit_test(no_file_but_ours_is_mapped),
		cmocka_unit_test(what_is_no_record_of_a_ring),
		cmocka_unit_test(each_call_fails_once),
		cmocka_unit_test(each_allocation_fails_once),
	};

	return TEST_RUN(tests);
}
