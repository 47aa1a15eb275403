/*
 * Single events: set, clear, wait, abort; in threads, in children, as
 * descriptors, and handed over.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "child.h"

static const struct mproc_event_options selectable = { .selectable = true };

static bool
readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLIN) != 0;
}

static void
vk55_set_clear_wait(void **state)
{
	struct mproc_event *ev;
	int64_t begin;

	(void)state;
	assert_int_equal(mproc_event_new(NULL, &ev), 0);
	assert_false(mproc_event_is_set(ev));
	assert_int_equal(mproc_event_wait(ev, 0), -ETIMEDOUT);
	begin = mproc__now_ns();
	assert_int_equal(mproc_event_wait(ev, 30), -ETIMEDOUT);
	assert_true(mproc__now_ns() - begin >= 30 * MS);
	assert_int_equal(mproc_event_set(ev), 0);
	assert_int_equal(mproc_event_set(ev), 0);
	assert_true(mproc_event_is_set(ev));
	assert_int_equal(mproc_event_wait(ev, 0), 0);
	assert_int_equal(mproc_event_wait(ev, -1), 0);
	assert_int_equal(mproc_event_clear(ev), 0);
	assert_int_equal(mproc_event_wait(ev, 0), -ETIMEDOUT);
	assert_null(mproc_event_free(ev));
}

static void
test_bad_arguments(void **state)
{
	struct mproc_event *ev;
	int fd;

	(void)state;
	assert_int_equal(mproc_event_new(NULL, NULL), -EINVAL);
	assert_int_equal(mproc_event_set(NULL), -EINVAL);
	assert_int_equal(mproc_event_clear(NULL), -EINVAL);
	assert_int_equal(mproc_event_abort(NULL, -EPIPE), -EINVAL);
	assert_int_equal(mproc_event_wait(NULL, 0), -EINVAL);
	assert_int_equal(mproc_event_wait_fd(NULL, 0, 0), -EINVAL);
	assert_int_equal(mproc_event_fd(NULL), -EINVAL);
	assert_int_equal(mproc_event_fds(NULL, &fd, 1), -EINVAL);
	assert_false(mproc_event_is_set(NULL));
	assert_null(mproc_event_free(NULL));
	assert_int_equal(mproc_event_new(NULL, &ev), 0);
	assert_int_equal(mproc_event_abort(ev, 0), -EINVAL);
	assert_int_equal(mproc_event_abort(ev, -4096), -EINVAL);
	assert_int_equal(mproc_event_wait_fd(ev, -1, 0), -EINVAL);
	assert_int_equal(mproc_event_wait_fd(ev, 0, 0), -EOPNOTSUPP);
	assert_int_equal(mproc_event_fd(ev), -EOPNOTSUPP);
	mproc_event_free(ev);
}

struct pair {
	struct mproc_event *ping, *pong;
};

static int
child_answers(void *arg)
{
	struct pair *p = arg;
	int i;

	for (i = 0; i < 20; i++) {
		if (mproc_event_wait(p->ping, BOUND_MS) != 0 ||
		    mproc_event_clear(p->ping) != 0 ||
		    mproc_event_set(p->pong) != 0)
			return 1;
	}
	return 0;
}

static void
vk55_shared_with_children_forked_later(void **state)
{
	struct pair p;
	pid_t pid;
	int i;

	(void)state;
	assert_int_equal(mproc_event_new(NULL, &p.ping), 0);
	assert_int_equal(mproc_event_new(NULL, &p.pong), 0);
	pid = start_child(child_answers, &p);
	for (i = 0; i < 20; i++) {
		assert_int_equal(mproc_event_set(p.ping), 0);
		assert_int_equal(mproc_event_wait(p.pong, BOUND_MS), 0);
		assert_int_equal(mproc_event_clear(p.pong), 0);
	}
	assert_int_equal(end_child(pid), 0);
	mproc_event_free(p.ping);
	mproc_event_free(p.pong);
}

static void *
thread_waits(void *arg)
{
	return (void *)(intptr_t)mproc_event_wait(arg, BOUND_MS);
}

/* Those who sleep go on, even if the setter clears at once. */
static void
test_set_and_clear_at_once_wakes_the_sleeper(void **state)
{
	struct mproc_event *ev;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(mproc_event_new(NULL, &ev), 0);
	assert_int_equal(pthread_create(&thread, NULL, thread_waits, ev), 0);
	/* Until it has looked first, a pulse is over: pulse until it ends. */
	while (pthread_tryjoin_np(thread, &result) != 0) {
		mproc_event_set(ev);
		mproc_event_clear(ev);
	}
	assert_int_equal((intptr_t)result, 0);
	mproc_event_free(ev);
}

static void
test_abort_ends_waits_until_cleared(void **state)
{
	struct mproc_event *ev;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	assert_int_equal(pthread_create(&thread, NULL, thread_waits, ev), 0);
	assert_int_equal(mproc_event_abort(ev, -EPIPE), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, -EPIPE);
	assert_int_equal(mproc_event_wait(ev, -1), -EPIPE);
	assert_true(readable(mproc_event_fd(ev)));
	assert_false(mproc_event_is_set(ev));
	mproc_event_clear(ev);
	assert_int_equal(mproc_event_wait(ev, 0), -ETIMEDOUT);
	assert_false(readable(mproc_event_fd(ev)));
	mproc_event_abort(ev, -4095);
	assert_int_equal(mproc_event_wait(ev, -1), -4095);
	mproc_event_set(ev);		/* somebody was left after all */
	assert_int_equal(mproc_event_wait(ev, -1), 0);
	mproc_event_abort(ev, -EPIPE);	/* what is set stays set */
	assert_int_equal(mproc_event_wait(ev, -1), 0);
	mproc_event_free(ev);
}

static void
vk65_descriptor_follows_the_event(void **state)
{
	struct mproc_event *ev;
	int fd, i;

	(void)state;
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	fd = mproc_event_fd(ev);
	assert_true(fd > 2);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	for (i = 0; i < 3; i++) {
		assert_false(readable(fd));
		assert_int_equal(mproc_event_clear(ev), 0);
		assert_int_equal(mproc_event_set(ev), 0);
		assert_int_equal(mproc_event_set(ev), 0);
		assert_true(readable(fd));
		assert_int_equal(mproc_event_clear(ev), 0);
	}
	mproc_event_free(ev);
}

static int
child_sets(void *arg)
{
	return mproc_event_set(arg) == 0 ? 0 : 1;
}

static void
vk61_poll_on_what_a_child_sets(void **state)
{
	struct mproc_event *ev;
	struct pollfd pfd = { .events = POLLIN };
	pid_t pid;

	(void)state;
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	pfd.fd = mproc_event_fd(ev);
	pid = start_child(child_sets, ev);
	assert_int_equal(mproc_poll(&pfd, 1, BOUND_MS), 1);
	assert_true(mproc_event_is_set(ev));
	assert_int_equal(end_child(pid), 0);
	mproc_event_free(ev);
}

static void *
thread_flips(void *arg)
{
	struct mproc_event *ev = arg;
	int i;

	for (i = 0; i < 300; i++) {
		mproc_event_set(ev);
		mproc_event_clear(ev);
	}
	return NULL;
}

/* Whatever the order of changes, the bell agrees with the word at the end. */
static void
test_bell_agrees_after_concurrent_changes(void **state)
{
	struct mproc_event *ev;
	pthread_t threads[4];
	int i, round;

	(void)state;
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
			    thread_flips, ev), 0);
		for (i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(readable(mproc_event_fd(ev)),
		    mproc_event_is_set(ev));
	}
	mproc_event_free(ev);
}

static int
child_holds_pipe(void *arg)
{
	close(*(int *)arg);
	while (pause() < 0)
		continue;
	return 1;
}

/* vk66: the backend dies before it sets: the wait ends, and soon */
static void
vk66_wait_ends_when_the_setter_dies(void **state)
{
	struct mproc_event *ev;
	int64_t begin;
	pid_t pid;
	int p[2];

	(void)state;
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	assert_int_equal(pipe(p), 0);
	pid = start_child(child_holds_pipe, &p[0]);
	close(p[1]);
	assert_int_equal(mproc_event_wait_fd(ev, p[0], 20), -ETIMEDOUT);
	begin = mproc__now_ns();
	kill(pid, SIGKILL);
	assert_int_equal(mproc_event_wait_fd(ev, p[0], BOUND_MS), -EPIPE);
	assert_true(mproc__now_ns() - begin < BOUND_MS / 2 * MS);
	mproc_event_set(ev);		/* set before it died counts */
	assert_int_equal(mproc_event_wait_fd(ev, p[0], BOUND_MS), 0);
	assert_int_equal(end_child(pid), 128 + SIGKILL);
	close(p[0]);
	mproc_event_free(ev);
}

/* A bell left ringing by a killed setter makes no wait spin or succeed. */
static void
test_false_bell_is_silenced(void **state)
{
	struct mproc_event *ev;
	uint64_t one = 1;
	int p[2];

	(void)state;
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(mproc_event_fd(ev), &one, 8), 8);
	assert_int_equal(mproc_event_wait_fd(ev, p[0], 10), -ETIMEDOUT);
	assert_false(readable(mproc_event_fd(ev)));
	close(p[0]);
	close(p[1]);
	mproc_event_free(ev);
}

struct with_fds {
	struct mproc_event *ev;
	int	fds[2];
};

/* A child without the descriptors: nothing foreign is written or closed. */
static int
child_with_foreign_fds(void *arg)
{
	struct with_fds *w = arg;
	struct mproc_event *ev = w->ev;
	int *fds = w->fds, foreign[2], i;
	uint64_t n;

	foreign[0] = eventfd(0, EFD_NONBLOCK);
	foreign[1] = memfd_create("foreign", 0);
	if (dup2(foreign[1], fds[0]) < 0 || dup2(foreign[0], fds[1]) < 0)
		return 2;
	if (mproc_event_set(ev) != -EBADF || !mproc_event_is_set(ev) ||
	    mproc_event_clear(ev) != -EBADF ||
	    mproc_event_fd(ev) != -EBADF ||
	    mproc_event_wait_fd(ev, 0, 0) != -EBADF ||
	    mproc_event_fds(ev, fds, 2) != -EBADF)
		return 3;
	if (read(foreign[0], &n, 8) >= 0)
		return 4;
	mproc_event_set(ev);
	mproc_event_free(ev);
	for (i = 0; i < 2; i++)
		if (fcntl(fds[i], F_GETFD) < 0)
			return 5;
	return 0;
}

static void
test_foreign_descriptors_are_left_alone(void **state)
{
	struct mproc_event *ev;
	struct with_fds w;
	pid_t pid;

	(void)state;
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	w.ev = ev;
	assert_int_equal(mproc_event_fds(ev, w.fds, 2), 2);
	pid = start_child(child_with_foreign_fds, &w);
	/* A futex waiter goes on all the same. */
	assert_int_equal(mproc_event_wait(ev, BOUND_MS), 0);
	assert_int_equal(end_child(pid), 0);
	assert_true(mproc_event_is_set(ev));
	assert_true(mproc_event_fd(ev) >= 0);
	mproc_event_free(ev);
}

static void
test_handed_over_by_descriptors(void **state)
{
	struct mproc_event *ev, *same, *poor;
	int fds[2];

	(void)state;
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	assert_int_equal(mproc_event_fds(ev, fds, 1), -EMSGSIZE);
	assert_int_equal(mproc_event_fds(ev, fds, 2), 2);
	assert_int_equal(mproc_event_from_fds(fds, 2, &same), 0);
	assert_int_equal(mproc_event_set(same), 0);
	assert_true(readable(mproc_event_fd(ev)));
	assert_true(readable(mproc_event_fd(same)));
	assert_int_equal(mproc_event_clear(ev), 0);
	assert_false(mproc_event_is_set(same));
	assert_int_equal(mproc_event_from_fds(fds, 1, &poor), 0);
	assert_int_equal(mproc_event_set(poor), -EBADF);
	assert_true(mproc_event_is_set(ev));
	assert_int_equal(mproc_event_fd(poor), -EBADF);
	assert_int_equal(mproc_event_wait(poor, 0), 0);
	mproc_event_free(ev);
	assert_true(mproc_event_is_set(same));	/* each frees its share */
	mproc_event_free(same);
	mproc_event_free(poor);
}

/* A memfd of `size` bytes, beginning with the five words */
static int
forged(uint32_t magic, uint32_t version, uint32_t n, uint32_t sel,
    size_t size)
{
	uint32_t head[4] = { magic, version, n, sel };
	int fd;

	assert_int_equal(mproc__memfd("forged", size, &fd), 0);
	assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
	return fd;
}

static void
check_forged(int fd, int expected)
{
	struct mproc_event *ev = NULL;

	assert_int_equal(mproc_event_from_fds(&fd, 1, &ev), expected);
	assert_null(ev);
	close(fd);
}

static void
test_forged_memory_is_refused(void **state)
{
	struct mproc_event *ev = NULL;
	struct mproc_event_group *eg;
	int fds[2], magic, p[2];

	(void)state;
	assert_int_equal(mproc_event_new(NULL, &ev), 0);
	assert_int_equal(mproc_event_fds(ev, fds, 2), 1);
	assert_int_equal(pread(fds[0], &magic, 4, 0), 4);
	check_forged(forged(7, 1, 1, 0, 4096), -EBADMSG);
	check_forged(forged((uint32_t)magic, 999, 1, 0, 4096), -EPROTO);
	check_forged(forged((uint32_t)magic, 1, 0, 0, 4096), -EBADMSG);
	check_forged(forged((uint32_t)magic, 1, 1u << 31, 0, 4096), -EBADMSG);
	check_forged(forged((uint32_t)magic, 1, 4096, 0, 4096), -EBADMSG);
	check_forged(forged((uint32_t)magic, 1, 2, 0, 4096), -EINVAL);
	check_forged(forged((uint32_t)magic, 1, 1, 0, 16), -EBADMSG);
	check_forged(memfd_create("unsealed", MFD_ALLOW_SEALING), -EBADMSG);
	assert_int_equal(pipe(p), 0);
	close(p[1]);
	check_forged(p[0], -EBADMSG);
	fds[1] = fds[0];		/* a memfd is no eventfd, and one too many */
	mproc_event_free(ev);
	assert_int_equal(mproc_event_new(&selectable, &ev), 0);
	assert_int_equal(mproc_event_fds(ev, fds, 2), 2);
	fds[1] = fds[0];
	assert_int_equal(mproc_event_group_from_fds(fds, 2, &eg), -EINVAL);
	assert_int_equal(mproc_event_group_from_fds(fds, 3, &eg), -EINVAL);
	assert_int_equal(mproc_event_group_from_fds(NULL, 1, &eg), -EINVAL);
	assert_int_equal(mproc_event_group_from_fds(fds, 0, &eg), -EINVAL);
	fds[0] = -1;
	assert_int_equal(mproc_event_group_from_fds(fds, 1, &eg), -EBADF);
	mproc_event_free(ev);
}

/* Every descriptor that cannot be had in turn: -EMFILE, nothing left */
static void
test_out_of_descriptors(void **state)
{
	struct rlimit old, few;
	struct mproc_event_group *eg = NULL;
	int r, top;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	top = dup(0);
	close(top);
	few = old;
	for (few.rlim_cur = (rlim_t)top; ; few.rlim_cur++) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = mproc_event_group_new(3, &selectable, &eg);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		if (r == 0)
			break;
		assert_int_equal(r, -EMFILE);
		assert_null(eg);
	}
	assert_true(few.rlim_cur >= (rlim_t)top + 4);
	mproc_event_group_free(eg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk55_set_clear_wait),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(vk55_shared_with_children_forked_later),
		cmocka_unit_test(test_set_and_clear_at_once_wakes_the_sleeper),
		cmocka_unit_test(test_abort_ends_waits_until_cleared),
		cmocka_unit_test(vk65_descriptor_follows_the_event),
		cmocka_unit_test(vk61_poll_on_what_a_child_sets),
		cmocka_unit_test(test_bell_agrees_after_concurrent_changes),
		cmocka_unit_test(vk66_wait_ends_when_the_setter_dies),
		cmocka_unit_test(test_false_bell_is_silenced),
		cmocka_unit_test(test_foreign_descriptors_are_left_alone),
		cmocka_unit_test(test_handed_over_by_descriptors),
		cmocka_unit_test(test_forged_memory_is_refused),
		cmocka_unit_test(test_out_of_descriptors),
	};

	return TEST_RUN(tests);
}
