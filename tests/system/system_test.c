/*
 * Deadlines, descriptors, memfds, futexes, buffers, fork generation.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "system/buf.h"
#include "system/system.h"
#include "test.h"

#define MS INT64_C(1000000)

/* Run fn in a child; its result is the exit code */
static int
in_child(int (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(20);
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_deadlines(void **state)
{
	int64_t d, now = mproc__now_ns(), before;
	int ms;

	(void)state;
	assert_true(mproc__deadline(-1) == MPROC__NEVER);
	assert_true(mproc__deadline(INT_MIN) == MPROC__NEVER);
	assert_int_equal(mproc__remaining_ms(MPROC__NEVER), -1);
	d = mproc__deadline(1000);
	assert_true(d >= now + 1000 * MS);
	assert_true(d <= mproc__now_ns() + 1000 * MS);
	assert_in_range(mproc__remaining_ms(d), 0, 1000);
	assert_int_equal(mproc__remaining_ms(mproc__deadline(0)), 0);
	assert_int_equal(mproc__remaining_ms(0), 0);
	/* Rounded up: one nanosecond left is one millisecond to poll. */
	do {			/* until nobody was in between */
		before = mproc__now_ns();
		ms = mproc__remaining_ms(before + MS * 9 / 10);
	} while (mproc__now_ns() - before >= MS * 9 / 10);
	assert_int_equal(ms, 1);
	assert_int_equal(mproc__remaining_ms(MPROC__NEVER - 1), INT_MAX);
	assert_true(mproc__deadline(INT_MAX) > now);
	assert_true(mproc__min_deadline(5, MPROC__NEVER) == 5);
	assert_true(mproc__min_deadline(9, 3) == 3);
}

static bool
is_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	assert_true(flags >= 0);
	return (flags & FD_CLOEXEC) != 0;
}

static void
test_socketpair_birth_flags(void **state)
{
	int fds[2], i;

	(void)state;
	assert_int_equal(mproc__socketpair(SOCK_STREAM, 1 << 16, fds), 0);
	for (i = 0; i < 2; i++) {
		assert_true(is_cloexec(fds[i]));
		assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
		mproc__close(fds[i]);
	}
	assert_int_equal(mproc__socketpair(12345, 0, fds), -EINVAL);
}

static void
test_close_keeps_errno(void **state)
{
	(void)state;
	errno = EXDEV;
	mproc__close(-1);
	mproc__close(1 << 20);
	assert_int_equal(errno, EXDEV);
}

static void
test_cloexec_and_dup(void **state)
{
	int fd, copy;

	(void)state;
	fd = open("/dev/null", O_RDONLY);
	assert_false(is_cloexec(fd));
	assert_int_equal(mproc__set_cloexec(fd, true), 0);
	assert_true(is_cloexec(fd));
	assert_int_equal(mproc__set_cloexec(fd, false), 0);
	assert_false(is_cloexec(fd));
	copy = mproc__dup(fd);
	assert_true(copy > 2);
	assert_true(is_cloexec(copy));
	close(copy);
	close(fd);
	assert_int_equal(mproc__dup(fd), -EBADF);
	assert_int_equal(mproc__set_cloexec(-1, true), -EBADF);
}

static void
test_fd_error_says_descriptors(void **state)
{
	(void)state;
	assert_int_equal(mproc__fd_error(EMFILE, "pipe"), -EMFILE);
	assert_non_null(strstr(mproc__err_text(), "out of descriptors"));
	assert_int_equal(mproc__fd_error(-ENFILE, "pipe"), -ENFILE);
	assert_non_null(strstr(mproc__err_text(), "out of descriptors"));
	assert_int_equal(mproc__fd_error(EPERM, "pipe"), -EPERM);
	assert_non_null(strstr(mproc__err_text(), "pipe: "));
}

static int
child_close_all_but(void *arg)
{
	int keep[] = { 40, -1, 50, 2, 41, 40 }, fd, i;

	(void)arg;
	for (i = 30; i <= 60; i++)
		if (dup2(0, i) < 0)
			return 1;
	if (mproc__close_all_but(keep, 6) != 0)
		return 2;
	for (fd = 0; fd < 100; fd++) {
		bool open = fcntl(fd, F_GETFD) >= 0;
		bool wanted = fd == 2 || fd == 40 || fd == 41 || fd == 50;

		if (open != wanted)
			return 3;
	}
	return mproc__close_all_but(NULL, 0) == 0 &&
	    fcntl(40, F_GETFD) < 0 ? 0 : 4;
}

static void
test_close_all_but(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_close_all_but, NULL), 0);
}

static int
child_without_stdio(void *arg)
{
	int fds[2], fd;

	(void)arg;
	close(0);
	close(1);
	if (mproc__socketpair(SOCK_STREAM, 0, fds) != 0 ||
	    mproc__memfd("test", 1, &fd) != 0)
		return 1;
	return fds[0] > 2 && fds[1] > 2 && fd > 2 && is_cloexec(fd) ? 0 : 2;
}

static void
test_new_fds_are_never_stdio(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_without_stdio, NULL), 0);
}

static void
test_memfd_is_size_sealed(void **state)
{
	void *addr;
	int fd, seals;

	(void)state;
	assert_int_equal(mproc__memfd("test", 8192, &fd), 0);
	assert_true(is_cloexec(fd));
	seals = fcntl(fd, F_GET_SEALS);
	assert_int_equal(seals & (F_SEAL_SHRINK | F_SEAL_GROW),
	    F_SEAL_SHRINK | F_SEAL_GROW);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, 16384), -1);
	assert_int_equal(mproc__map_shared(fd, 8192, &addr), 0);
	memset(addr, 7, 8192);
	assert_int_equal(munmap(addr, 8192), 0);
	/* More seals may still come, F_SEAL_FUTURE_WRITE above all. */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	assert_int_equal(mproc__map_shared(fd, 8192, &addr), -EPERM);
	close(fd);
	assert_int_equal(mproc__memfd("test", 0, &fd), -EINVAL);
	assert_int_equal(mproc__memfd("test", SIZE_MAX, &fd), -EINVAL);
}

static void *
wake_it(void *arg)
{
	_Atomic uint32_t *word = arg;

	atomic_store(word, 1);
	mproc__futex_wake(word, INT_MAX);
	return NULL;
}

static void
test_futex(void **state)
{
	_Atomic uint32_t *word;
	int64_t deadline;
	pthread_t thread;
	void *page;
	int fd, r = 0;

	(void)state;
	assert_int_equal(mproc__memfd("test", 4096, &fd), 0);
	assert_int_equal(mproc__map_shared(fd, 4096, &page), 0);
	word = page;
	assert_int_equal(mproc__futex_wait(word, 5, MPROC__NEVER), -EAGAIN);
	assert_int_equal(mproc__futex_wait(word, 0, mproc__deadline(0)),
	    -ETIMEDOUT);
	deadline = mproc__deadline(20);
	assert_int_equal(mproc__futex_wait(word, 0, deadline), -ETIMEDOUT);
	assert_true(mproc__now_ns() >= deadline);
	assert_int_equal(mproc__futex_wake(word, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, wake_it, page), 0);
	while (atomic_load(word) == 0 && r == 0)
		r = mproc__futex_wait(word, 0, mproc__deadline(5000));
	assert_true(r == 0 || r == -EAGAIN);
	pthread_join(thread, NULL);
	munmap(page, 4096);
	close(fd);
}

static void
test_buf(void **state)
{
	struct mproc__buf b = { .data = NULL };
	uint8_t big[1000];
	int i;

	(void)state;
	memset(big, 'b', sizeof(big));
	assert_non_null(mproc__buf_reserve(&b, 0));
	for (i = 0; i < 10; i++)
		mproc__buf_append(&b, big, sizeof(big));
	mproc__buf_append(&b, NULL, 0);
	assert_int_equal(b.len, 10000);
	assert_true(b.cap >= b.len);
	assert_int_equal(b.data[9999], 'b');
	assert_false(b.failed);
	/* A failure sticks, and what is there stays. */
	assert_null(mproc__buf_reserve(&b, SIZE_MAX - 5));
	assert_true(b.failed);
	assert_null(mproc__buf_reserve(&b, 1));
	mproc__buf_append(&b, big, 1);
	assert_int_equal(b.len, 10000);
	mproc__buf_done(&b);
	assert_null(b.data);
	assert_false(b.failed);
	mproc__buf_done(&b);
}

static int
child_generation(void *arg)
{
	unsigned before = *(unsigned *)arg, after = mproc__fork_generation();

	if (after != before + 1)
		return 1;
	mproc__forked();
	return mproc__fork_generation() == after + 1 ? 0 : 2;
}

static void
test_fork_generation(void **state)
{
	unsigned before = mproc__fork_generation();

	(void)state;
	assert_int_equal(mproc__fork_generation(), before);
	assert_int_equal(in_child(child_generation, &before), 0);
	assert_int_equal(mproc__fork_generation(), before);
}

static void *
wait_for_lock(void *arg)
{
	pthread_mutex_lock(arg);
	pthread_mutex_unlock(arg);
	return NULL;
}

static void
test_thread_count(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int before = mproc__thread_count();
	pthread_t thread;

	(void)state;
	assert_true(before >= 1);
	pthread_mutex_lock(&lock);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, &lock),
	    0);
	assert_int_equal(mproc__thread_count(), before + 1);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_socketpair_birth_flags),
		cmocka_unit_test(test_close_keeps_errno),
		cmocka_unit_test(test_cloexec_and_dup),
		cmocka_unit_test(test_fd_error_says_descriptors),
		cmocka_unit_test(test_close_all_but),
		cmocka_unit_test(test_new_fds_are_never_stdio),
		cmocka_unit_test(test_memfd_is_size_sealed),
		cmocka_unit_test(test_futex),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_fork_generation),
		cmocka_unit_test(test_thread_count),
	};

	return TEST_RUN(tests);
}
