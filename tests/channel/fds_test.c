/*
 * Descriptors: each reaches the frame that it was sent with, whatever is
 * lost on the way, and none stays open.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <stdio.h>

#include "pair.h"

#define SIZE	10		/* of send_fds() */
#define NOT_TRIED	77
/* In a child, where an assertion cannot be told to cmocka */
#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			print_error("line %d: %s\n", __LINE__,		\
			    #condition);				\
			return 1;					\
		}							\
	} while (0)

/* n files, told apart by their length */
static void
files_new(int *fds, int n, int from)
{
	int i;

	for (i = 0; i < n; i++) {
		fds[i] = memfd_create("test", MFD_CLOEXEC);
		assert_true(fds[i] >= 0);
		assert_int_equal(ftruncate(fds[i], from + i), 0);
	}
}

static void
files_close(const int *fds, int n)
{
	int i;

	for (i = 0; i < n; i++)
		mproc__close(fds[i]);
}

static bool
files_are(const int *fds, int n, int from)
{
	struct stat st;
	int i;

	for (i = 0; i < n; i++)
		if (fstat(fds[i], &st) < 0 || st.st_size != from + i ||
		    (fcntl(fds[i], F_GETFD) & FD_CLOEXEC) == 0)
			return false;
	return true;
}

/* Take the n descriptors of the frame just returned: files from, ... */
static void
expect_files(struct mproc__channel *ch, int n, int from)
{
	int fds[MPROC__MAX_FDS];

	assert_int_equal(mproc__channel_take_fds(ch, n, fds), n);
	assert_true(files_are(fds, n, from));
	files_close(fds, n);
}

static void
sixteen_pass_and_seventeen_do_not(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__frame frame;
	int fds[17];

	(void)state;
	files_new(fds, 17, 0);
	assert_int_equal(send_fds(p.a, 1, fds, 17), -EINVAL);
	assert_int_equal(send_fds(p.a, 1, fds, -1), -EINVAL);
	assert_int_equal(mproc__channel_queued(p.a), 0);
	assert_int_equal(send_fds(p.a, 1, fds, 16), 0);
	files_close(fds, 17);
	assert_int_equal(mproc__channel_fill(p.b), SIZE + 4);
	assert_int_equal(mproc__channel_next(p.b, &frame), 1);
	assert_int_equal(frame.n_fds, 16);
	assert_true(files_are(frame.fds, 16, 0));
	expect_files(p.b, 16, 0);
	assert_int_equal(mproc__channel_take_fds(p.b, 16, fds), 0);
	pair_free(&p);
}

/* Frames with 0 to 16 descriptors, at once, queued, or byte by byte */
static void
check_neighbours(size_t limit_out, size_t limit_in, bool at_once)
{
	struct pair p = pair_new(0);
	int fds[MPROC__MAX_FDS], i, n;

	mproc__channel_limit_io(p.a, limit_out);
	mproc__channel_limit_io(p.b, limit_in);
	if (!at_once)
		(void)send_frame(p.a, SIZE, 100, false, false);
	for (i = 0; i < 40; i++) {
		n = i % 3 == 0 ? 0 : i % 17;
		files_new(fds, n, i * 20);
		assert_true(send_fds(p.a, (unsigned)i, fds, n) >= 0);
		files_close(fds, n);	/* the channel's copies are its own */
	}
	while (mproc__channel_flush(p.a) == 1)
		assert_true(mproc__channel_fill(p.b) >= 0);
	if (!at_once)
		await_frame(p.b, SIZE, 100);
	for (i = 0; i < 40; i++) {
		await_frame(p.b, SIZE, (unsigned)i);
		expect_files(p.b, i % 3 == 0 ? 0 : i % 17, i * 20);
	}
	pair_free(&p);
}

static void
order_with_neighbours(void **state)
{
	(void)state;
	check_neighbours(0, 0, true);
	check_neighbours(0, 0, false);
	check_neighbours(1, 0, false);
	check_neighbours(0, 1, false);
	check_neighbours(1, 1, true);
	check_neighbours(5, 7, false);
}

static void
not_taken_are_closed_with_their_frame(void **state)
{
	struct pair p = pair_new(0);
	struct mproc__frame frame;
	int fds[4], open;

	(void)state;
	files_new(fds, 4, 0);
	open = open_fds();
	assert_int_equal(send_fds(p.a, 1, fds, 4), 0);
	assert_int_equal(send_fds(p.a, 2, fds + 1, 2), 0);
	await_frame(p.b, SIZE, 1);
	expect_files(p.b, 1, 0);
	await_frame(p.b, SIZE, 2);
	assert_int_equal(open_fds(), open + 2);
	expect_files(p.b, 1, 1);
	assert_int_equal(mproc__channel_next(p.b, &frame), 0);
	assert_int_equal(open_fds(), open);
	assert_int_equal(send_fds(p.a, 3, fds, 4), 0);
	assert_int_equal(send_fds(p.a, 4, fds, 4), 0);
	await_frame(p.b, SIZE, 3);	/* freed with some waiting */
	files_close(fds, 4);
	pair_free(&p);
}

static void
queued_copies_are_closed(void **state)
{
	struct pair p = pair_new(0);
	int fds[3], open, i;
	uint64_t tag;
	size_t size;

	(void)state;
	files_new(fds, 3, 0);
	fill_up(p.a, 100, false);
	open = open_fds();
	for (i = 0; i < 5; i++)
		assert_int_equal(send_fds(p.a, (unsigned)i, fds, 3), 1);
	assert_int_equal(open_fds(), open + 15);
	assert_int_equal(mproc__channel_drop_oldest(p.a, &size, &tag), 1);
	assert_int_equal(tag, 0);
	assert_int_equal(open_fds(), open + 12);
	p.b = mproc__channel_free(p.b);
	(void)mproc__channel_hear(p.a);	/* a ring alone does not tell */
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	assert_int_equal(open_fds(), open - 1);
	pair_free(&p);

	p = pair_new(0);
	fill_up(p.a, 100, false);
	for (i = 0; i < 5; i++)
		assert_int_equal(send_fds(p.a, (unsigned)i, fds, 3), 1);
	files_close(fds, 3);
	pair_free(&p);		/* with its queue */
}

static void
refused_where_none_are_allowed(void **state)
{
	struct mproc__channel_options opt = { 1000, true };
	struct mproc__channel *from, *to;
	struct mproc__frame frame;
	int fd, fds[3], open;

	(void)state;
	files_new(fds, 3, 0);
	to = half_new(1000, false, &fd);
	assert_int_equal(mproc__channel_new(fd, &opt, &from), 0);
	open = open_fds();
	assert_int_equal(send_frame(from, SIZE, 1, false, true), 0);
	assert_true(mproc__channel_fill(to) > 0);
	assert_int_equal(send_fds(from, 2, fds, 3), 0);
	assert_int_equal(send_frame(from, SIZE, 3, false, true), 0);
	assert_int_equal(mproc__channel_fill(to), -EPROTO);
	assert_int_equal(open_fds(), open);
	expect_frame(to, SIZE, 1);
	assert_int_equal(mproc__channel_next(to, &frame), -EPROTO);
	assert_int_equal(mproc__channel_fill(to), -EPROTO);
	assert_int_equal(mproc__channel_take_fds(to, 3, fds + 1), 0);
	mproc__channel_free(from);
	mproc__channel_free(to);
	files_close(fds, 3);
}

static void
send_raw(int to, const void *bytes, size_t size, int fd, size_t n)
{
	union {
		struct cmsghdr	head;
		uint8_t		bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	int fds[253];
	size_t i;

	for (i = 0; i < n; i++)
		fds[i] = fd;
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
	assert_int_equal(sendmsg(to, &msg, 0), size);
}

static void
more_than_can_wait_end_the_stream(void **state)
{
	static const uint8_t part[] = { 100, 0, 0, 0, 'x' };
	struct mproc__channel *ch;
	struct mproc__frame frame;
	int fd, open;

	(void)state;
	ch = half_new(1000, true, &fd);
	open = open_fds();
	send_raw(fd, part, sizeof(part), fd, 253);
	assert_int_equal(mproc__channel_fill(ch), sizeof(part));
	assert_int_equal(open_fds(), open + 253);
	assert_int_equal(mproc__channel_next(ch, &frame), 0);
	send_raw(fd, "x", 1, fd, 1);
	assert_int_equal(mproc__channel_fill(ch), -EPROTO);
	assert_int_equal(mproc__channel_fill(ch), -EPROTO);
	assert_int_equal(mproc__channel_next(ch, &frame), -EPROTO);
	assert_int_equal(open_fds(), open + 253);
	mproc__channel_free(ch);
	assert_int_equal(open_fds(), open - 1);
	mproc__close(fd);
}

/* A peer that keeps to the limit is never refused, however far it is ahead. */
static void
many_frames_with_sixteen_each(void **state)
{
	struct pair p = pair_new(0);
	int fds[MPROC__MAX_FDS], i, n, got;

	(void)state;
	files_new(fds, MPROC__MAX_FDS, 0);
	for (n = 0; n < 40; n++)
		assert_int_equal(send_fds(p.a, (unsigned)n, fds,
		    MPROC__MAX_FDS), 0);
	for (i = 0; i < 60; i++) {
		assert_true((got = mproc__channel_fill(p.b)) >= 0);
		if (got == 0)
			break;
	}
	assert_int_equal(got, 0);
	assert_true(test_poll(mproc__channel_fd(p.b), POLLIN, 0));
	for (i = 0; i < n; i++) {
		await_frame(p.b, SIZE, (unsigned)i);
		expect_files(p.b, MPROC__MAX_FDS, 0);
	}
	files_close(fds, MPROC__MAX_FDS);
	pair_free(&p);
}

/* Run fn in a child: it returns 0 or NOT_TRIED. */
static int
in_child(int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) == 0)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != NOT_TRIED)
		assert_int_equal(WEXITSTATUS(status), 0);
	return WEXITSTATUS(status);
}

/* Does the kernel have the limit?  Valgrind keeps it to itself. */
static bool
is_nofile(rlim_t n)
{
	FILE *f = fopen("/proc/self/limits", "re");
	char line[200];
	unsigned long soft = 0;

	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Max open files", 14) == 0)
			soft = strtoul(line + 14, NULL, 10);
	fclose(f);
	return soft == n;
}

static int
set_nofile(rlim_t n)
{
	struct rlimit lim;

	CHECK(getrlimit(RLIMIT_NOFILE, &lim) == 0);
	lim.rlim_cur = n;
	CHECK(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	return 0;
}

/* The lowest n so that `spare` descriptors can still be opened */
static rlim_t
limit_for(int spare)
{
	int fd = fcntl(0, F_DUPFD, 0);

	if (fd < 0)
		fd = open("/dev/null", O_RDONLY);
	mproc__close(fd);
	return (rlim_t)(fd + spare);
}

/* The next frame is this one, and has n descriptors. */
static int
check_next(struct mproc__channel *ch, uint64_t seed, int n)
{
	struct mproc__frame frame;

	while (!mproc__channel_ready(ch))
		CHECK(mproc__channel_fill(ch) > 0);
	CHECK(mproc__channel_next(ch, &frame) == 1);
	CHECK(bytes_are(frame.data, frame.size, seed) && frame.n_fds == n);
	return 0;
}

/* Three frames with ten each; there is room for four when the first comes. */
static int
lose_some(void)
{
	struct pair p = pair_new(0);
	int fds[10], taken[10], i, open;

	CHECK(set_nofile(256) == 0);
	if (!is_nofile(256))
		return NOT_TRIED;
	files_new(fds, 10, 0);
	for (i = 0; i < 3; i++)
		CHECK(send_fds(p.a, (unsigned)i, fds, 10) == 0);
	open = open_fds();
	CHECK(set_nofile(limit_for(4)) == 0);
	CHECK(mproc__channel_fill(p.b) == -EMFILE);
	CHECK(set_nofile(256) == 0);
	CHECK(open_fds() == open);
	CHECK(check_next(p.b, 0, 0) == 0);
	CHECK(mproc__channel_take_fds(p.b, 10, taken) == 0);
	/* the next one's are the next one's */
	CHECK(check_next(p.b, 1, 10) == 0);
	CHECK(mproc__channel_take_fds(p.b, 10, taken) == 10);
	CHECK(files_are(taken, 10, 0));
	files_close(taken, 10);
	CHECK(set_nofile(limit_for(0)) == 0);	/* and none at all */
	/* a ring has got the third's, to see where the second ends */
	if (!pair_is_ring())
		CHECK(mproc__channel_fill(p.b) == -EMFILE);
	CHECK(check_next(p.b, 2, pair_is_ring() ? 10 : 0) == 0);
	CHECK(mproc__channel_fill(p.b) == 0);
	files_close(fds, 10);
	pair_free(&p);
	return 0;
}

static void
try_in_child(int (*fn)(void))
{
	if (in_child(fn) == NOT_TRIED) {
		print_message("the limits cannot be set here: not tried\n");
		skip();
	}
}

static void
truncated_by_the_limit_of_descriptors(void **state)
{
	(void)state;
	try_in_child(lose_some);
}

/* At the limit of descriptors in flight, which root does not have */
static int
send_too_many(void)
{
	struct pair p = pair_new(1 << 20);
	int fds[MPROC__MAX_FDS], taken[MPROC__MAX_FDS], r, n = 0, i;
	struct mproc__frame frame;

	files_new(fds, MPROC__MAX_FDS, 0);
	CHECK(set_nofile(64) == 0);
	if (!is_nofile(64) || (geteuid() == 0 && setuid(65534) < 0))
		return NOT_TRIED;
	do
		r = send_fds(p.a, (unsigned)n++, fds, MPROC__MAX_FDS);
	while (r == 0 && n < 100);
	CHECK(r == 1 && mproc__channel_blocked(p.a));
	CHECK(mproc__channel_queued(p.a) == 1);
	CHECK(!mproc__channel_midframe(p.a));
	CHECK(mproc__channel_flush(p.a) == 1 && mproc__channel_blocked(p.a));
	CHECK(send_frame(p.a, SIZE, (unsigned)n++, true, true) == 1);
	for (i = 0; i < n; i++) {
		while (mproc__channel_next(p.b, &frame) == 0) {
			(void)mproc__channel_fill(p.b);
			(void)mproc__channel_flush(p.a);
		}
		CHECK(bytes_are(frame.data, frame.size, (unsigned)i));
		CHECK(frame.n_fds == (i < n - 1 ? MPROC__MAX_FDS : 0));
		CHECK(mproc__channel_take_fds(p.b, MPROC__MAX_FDS, taken) ==
		    frame.n_fds);
		CHECK(files_are(taken, frame.n_fds, 0));
		files_close(taken, frame.n_fds);
	}
	CHECK(!mproc__channel_blocked(p.a));
	CHECK(mproc__channel_queued(p.a) == 0);
	files_close(fds, MPROC__MAX_FDS);
	pair_free(&p);
	return 0;
}

static void
too_many_in_flight_is_back_pressure(void **state)
{
	(void)state;
	try_in_child(send_too_many);
}

static void
no_descriptor_for_the_copy(void **state)
{
	struct pair p = pair_new(0);
	int fds[3], open;
	size_t queued;

	(void)state;
	files_new(fds, 3, 0);
	fill_up(p.a, 100, false);
	queued = mproc__channel_queued(p.a);
	open = open_fds();
	test_fail_sys("fcntl", 3, EMFILE);
	assert_int_equal(send_fds(p.a, 1, fds, 3), -EMFILE);
	assert_true(test_fail_sys_done());
	assert_non_null(strstr(mproc__err_text(), "out of descriptors"));
	assert_int_equal(open_fds(), open);
	assert_int_equal(mproc__channel_queued(p.a), queued);
	assert_int_equal(send_fds(p.a, 1, &(int){ 9999 }, 1), -EBADF);
	files_close(fds, 3);
	pair_free(&p);

	p = pair_new(0);
	assert_int_equal(send_fds(p.a, 1, &(int){ 9999 }, 1), -EBADF);
	assert_int_equal(send_fds(p.a, 2, NULL, 0), 0);
	await_frame(p.b, SIZE, 2);
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_KINDS(sixteen_pass_and_seventeen_do_not),
		BOTH_KINDS(order_with_neighbours),
		BOTH_KINDS(not_taken_are_closed_with_their_frame),
		BOTH_KINDS(queued_copies_are_closed),
		SOCKET_ONLY(refused_where_none_are_allowed),
		SOCKET_ONLY(more_than_can_wait_end_the_stream),
		BOTH_KINDS(many_frames_with_sixteen_each),
		BOTH_KINDS(truncated_by_the_limit_of_descriptors),
		BOTH_KINDS(too_many_in_flight_is_back_pressure),
		BOTH_KINDS(no_descriptor_for_the_copy),
	};

	return TEST_RUN(tests);
}
