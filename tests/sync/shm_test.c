/*
 * Shared memory: made before and after the fork, sealed, refused.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <fcntl.h>

#include <mproc/shm.h>

#include "child.h"

#define SIDE 100

static const struct mproc_shm_options readonly = { .readonly = true };

static int
child_writes_threes(void *arg)
{
	double *cells = mproc_shm_data(arg);
	size_t i;

	for (i = 0; i < SIDE * SIDE; i++)
		cells[i] = 3;
	return 0;
}

/* Made in the frontend before the start; a crash leaves nothing behind. */
static void
vk68_inherited_by_a_child(void **state)
{
	struct mproc_shm *shm;
	double *cells;
	size_t i;

	(void)state;
	assert_int_equal(mproc_shm_new(SIDE * SIDE * sizeof(double), NULL,
	    &shm), 0);
	assert_int_equal(mproc_shm_size(shm), SIDE * SIDE * sizeof(double));
	cells = mproc_shm_data(shm);
	assert_true(cells[0] == 0 && cells[SIDE * SIDE - 1] == 0);
	assert_int_equal(end_child(start_child(child_writes_threes, shm)), 0);
	for (i = 0; i < SIDE * SIDE; i++)
		assert_true(cells[i] == 3);
	assert_null(mproc_shm_free(shm));
	assert_null(mproc_shm_free(NULL));
}

static int
child_is_killed(void *arg)
{
	memset(mproc_shm_data(arg), 1, mproc_shm_size(arg));
	raise(SIGKILL);
	return 0;
}

static void
vk68_killed_child_leaves_nothing(void **state)
{
	struct mproc_shm *shm;

	(void)state;			/* the test's frame looks at /dev/shm */
	assert_int_equal(mproc_shm_new(4096, NULL, &shm), 0);
	assert_int_equal(end_child(start_child(child_is_killed, shm)),
	    128 + SIGKILL);
	assert_int_equal(*(char *)mproc_shm_data(shm), 1);
	mproc_shm_free(shm);
}

static void
send_fd(int sock, int fd)
{
	union {
		char	space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec iov = { .iov_base = "f", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &u, .msg_controllen = sizeof(u) };
	struct cmsghdr *c;

	memset(&u, 0, sizeof(u));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (sendmsg(sock, &msg, 0) != 1)
		_exit(90);
}

/* On demand: the other process makes it and sends the descriptor. */
static int
child_makes_one(void *arg)
{
	struct mproc_shm *shm;
	const int sock = *(int *)arg;

	if (mproc_shm_new(SIDE * SIDE * sizeof(double), NULL, &shm) != 0)
		return 1;
	child_writes_threes(shm);
	send_fd(sock, mproc_shm_fd(shm));
	mproc_shm_free(shm);
	return 0;
}

static int
recv_fd(int sock)
{
	union {
		char	space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	char c;
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &u, .msg_controllen = sizeof(u) };
	int fd;

	assert_int_equal(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC), 1);
	assert_non_null(CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

static void
vk69_made_on_demand_by_another_process(void **state)
{
	struct mproc_shm *shm;
	double *cells;
	int fd, socks[2];
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	pid = start_child(child_makes_one, &socks[1]);
	fd = recv_fd(socks[0]);
	assert_int_equal(mproc_shm_from_fd(fd, NULL, &shm), 0);
	close(fd);			/* borrowed: we have our own */
	assert_int_equal(end_child(pid), 0);
	assert_int_equal(mproc_shm_size(shm), SIDE * SIDE * sizeof(double));
	cells = mproc_shm_data(shm);
	assert_true(cells[0] == 3 && cells[SIDE * SIDE - 1] == 3);
	cells[0] = 4;
	mproc_shm_free(shm);
	close(socks[0]);
	close(socks[1]);
}

static int
child_writes_readonly(void *arg)
{
	signal(SIGSEGV, SIG_DFL);
	*(volatile char *)mproc_shm_data(arg) = 1;
	return 0;
}

static void
vk69_readonly_for_the_others(void **state)
{
	struct mproc_shm *shm, *reader = NULL;

	(void)state;
	assert_int_equal(mproc_shm_new(4096, &readonly, &shm), 0);
	memset(mproc_shm_data(shm), 5, 4096);
	assert_int_equal(mproc_shm_from_fd(mproc_shm_fd(shm), NULL, &reader),
	    -EPERM);
	assert_null(reader);
	assert_int_equal(mproc_shm_from_fd(mproc_shm_fd(shm), &readonly,
	    &reader), 0);
	assert_int_equal(*(char *)mproc_shm_data(reader), 5);
	memset(mproc_shm_data(shm), 6, 4096);
	assert_int_equal(*(char *)mproc_shm_data(reader), 6);
	assert_int_equal(end_child(start_child(child_writes_readonly,
	    reader)), 128 + SIGSEGV);
	mproc_shm_free(shm);
	assert_int_equal(*(char *)mproc_shm_data(reader), 6);
	mproc_shm_free(reader);
}

static void
check_refused(int fd, int expected)
{
	struct mproc_shm *shm = NULL;

	assert_int_equal(mproc_shm_from_fd(fd, &readonly, &shm), expected);
	assert_null(shm);
	if (fd >= 0)
		close(fd);
}

static void
test_what_is_refused(void **state)
{
	struct mproc_shm *shm = NULL;
	int p[2];

	(void)state;
	assert_int_equal(mproc_shm_new(0, NULL, &shm), -EINVAL);
	assert_int_equal(mproc_shm_new(SIZE_MAX, NULL, &shm), -EINVAL);
	assert_int_equal(mproc_shm_new(1, NULL, NULL), -EINVAL);
	assert_int_equal(mproc_shm_from_fd(0, NULL, NULL), -EINVAL);
	assert_null(shm);
	check_refused(-1, -EBADF);
	check_refused(open("/dev/null", O_RDWR), -EBADMSG);
	check_refused(memfd_create("unsealed", MFD_ALLOW_SEALING), -EBADMSG);
	assert_int_equal(pipe(p), 0);
	check_refused(p[0], -EBADMSG);
	check_refused(p[1], -EBADMSG);
	assert_null(mproc_shm_data(NULL));
	assert_int_equal(mproc_shm_size(NULL), 0);
	assert_int_equal(mproc_shm_fd(NULL), -EINVAL);
}

static int
child_without_the_fd(void *arg)
{
	struct mproc_shm *shm = arg;
	int fd = mproc_shm_fd(shm), foreign;

	foreign = memfd_create("foreign", 0);
	if (fd < 0 || dup2(foreign, fd) < 0)
		return 1;
	if (mproc_shm_fd(shm) != -EBADF || *(char *)mproc_shm_data(shm) != 0)
		return 2;
	mproc_shm_free(shm);
	return fcntl(fd, F_GETFD) >= 0 ? 0 : 3;
}

static void
test_foreign_descriptor_is_left_alone(void **state)
{
	struct mproc_shm *shm;

	(void)state;
	assert_int_equal(mproc_shm_new(1, NULL, &shm), 0);
	assert_int_equal(end_child(start_child(child_without_the_fd, shm)),
	    0);
	assert_true(mproc_shm_fd(shm) >= 0);
	mproc_shm_free(shm);
}

static void
test_no_memory(void **state)
{
	struct mproc_shm *shm = NULL, *made;
	int r;

	(void)state;
	test_fail_alloc(1);
	r = mproc_shm_new(1, NULL, &shm);
	assert_true(test_fail_done());
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(mproc_shm_new(1, NULL, &made), 0);
	test_fail_alloc(1);
	r = mproc_shm_from_fd(mproc_shm_fd(made), NULL, &shm);
	assert_true(test_fail_done());
	assert_int_equal(r, -ENOMEM);
	assert_null(shm);
	mproc_shm_free(made);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk68_inherited_by_a_child),
		cmocka_unit_test(vk68_killed_child_leaves_nothing),
		cmocka_unit_test(vk69_made_on_demand_by_another_process),
		cmocka_unit_test(vk69_readonly_for_the_others),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_foreign_descriptor_is_left_alone),
		cmocka_unit_test(test_no_memory),
	};

	return TEST_RUN(tests);
}
