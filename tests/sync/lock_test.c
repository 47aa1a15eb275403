/*
 * Locks: their codes, their scope, their owner's death, their way to others.
 */
#include <mproc/shm.h>

#include "child.h"

/* A checker of threads would complain of the attempt. */
static void
assert_not_ours(struct mproc_lock *lock)
{
#if !defined(__SANITIZE_THREAD__)
	assert_int_equal(mproc_lock_release(lock), -EPERM);
#else
	(void)lock;
#endif
}

static void
pr50_the_codes(void **state)
{
	struct mproc_lock *lock;

	(void)state;
	assert_int_equal(mproc_lock_new(NULL, NULL), -EINVAL);
	assert_int_equal(mproc_lock_acquire(NULL, 0), -EINVAL);
	assert_int_equal(mproc_lock_release(NULL), -EINVAL);
	assert_int_equal(mproc_lock_fd(NULL), -EINVAL);
	assert_null(mproc_lock_free(NULL));
	assert_int_equal(mproc_lock_new(NULL, &lock), 0);
	assert_not_ours(lock);
	assert_int_equal(mproc_lock_acquire(lock, 0), 0);
	assert_int_equal(mproc_lock_acquire(lock, 0), -EDEADLK);
	assert_int_equal(mproc_lock_acquire(lock, -1), -EDEADLK);
	assert_int_equal(mproc_lock_acquire(lock, 1000), -EDEADLK);
	assert_int_equal(mproc_lock_release(lock), 0);
	assert_not_ours(lock);
	mproc_lock_free(lock);
}

static int
try_it(void *lock)
{
	int r = mproc_lock_acquire(lock, 0);

	if (r == 0)
		r = mproc_lock_release(lock);
	return -r;
}

static void
pr51_recursive_as_often_released(void **state)
{
	const struct mproc_lock_options o = { .recursive = true };
	struct mproc_lock *lock;
	int i;

	(void)state;
	assert_int_equal(mproc_lock_new(&o, &lock), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(mproc_lock_acquire(lock, i - 1), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(end_child(start_child(try_it, lock)),
		    EAGAIN);
		assert_int_equal(mproc_lock_release(lock), 0);
	}
	assert_not_ours(lock);
	assert_int_equal(end_child(start_child(try_it, lock)), 0);
	mproc_lock_free(lock);
}

static int
early(struct mproc_lock *lock, int *r)
{
	MPROC_LOCKED(lock, -1, r)
		return 7;
	return 0;
}

static void
pr56_a_block_that_is_left_early(void **state)
{
	struct mproc_lock *lock;
	int r = 1, n = 0;

	(void)state;
	assert_int_equal(mproc_lock_new(NULL, &lock), 0);
	assert_int_equal(early(lock, &r), 7);
	assert_int_equal(r, 0);
	MPROC_LOCKED(lock, 0, &r) {
		n++;
		MPROC_LOCKED(lock, 0, &r)
			n += 10;
		assert_int_equal(r, -EDEADLK);
	}
	MPROC_LOCKED(lock, 0, NULL) {
		n++;
	}
	assert_int_equal(n, 2);
	assert_int_equal(try_it(lock), 0);
	mproc_lock_free(lock);
}

struct hold {
	struct mproc_lock *lock;
	int	 pipe[2];
};

static int
hold(void *arg)
{
	struct hold *h = arg;

	if (mproc_lock_acquire(h->lock, -1) < 0 ||
	    write(h->pipe[1], "x", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static void
prw1_a_dead_owner_frees_it(void **state)
{
	struct hold h;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(mproc_lock_new(NULL, &h.lock), 0);
	assert_int_equal(pipe(h.pipe), 0);
	pid = start_child(hold, &h);
	assert_int_equal(read(h.pipe[0], &c, 1), 1);
	assert_int_equal(mproc_lock_acquire(h.lock, 0), -EAGAIN);
	assert_int_equal(mproc_lock_acquire(h.lock, 5), -ETIMEDOUT);
	assert_int_equal(kill_child(pid), 128 + SIGKILL);
	assert_int_equal(mproc_lock_acquire(h.lock, 0), -EOWNERDEAD);
	assert_int_equal(mproc_lock_release(h.lock), 0);
	/* told once */
	assert_int_equal(mproc_lock_acquire(h.lock, BOUND_MS), 0);
	assert_int_equal(mproc_lock_release(h.lock), 0);
	close(h.pipe[0]);
	close(h.pipe[1]);
	mproc_lock_free(h.lock);
}

struct shared {
	struct mproc_lock *lock;
	struct mproc_shm *shm;
	int	 n;
};

static int
count(void *arg)
{
	struct shared *s = arg;
	struct mproc_lock *lock;
	int64_t *sum = mproc_shm_data(s->shm);
	int i;

	/* made anew of its descriptor, as a stranger would */
	if (mproc_lock_from_fd(mproc_lock_fd(s->lock), &lock) < 0)
		return 1;
	for (i = 0; i < s->n; i++)
		MPROC_LOCKED(lock, -1, NULL)
			(*sum)++;
	mproc_lock_free(lock);
	return 0;
}

static void
pm27_sums_are_exact(void **state)
{
	struct shared s = { .n = test_on_valgrind() ? 1000 : 20000 };
	pid_t pid[4];
	int i;

	(void)state;
	assert_int_equal(mproc_lock_new(NULL, &s.lock), 0);
	assert_int_equal(mproc_shm_new(sizeof(int64_t), NULL, &s.shm), 0);
	for (i = 0; i < 4; i++)
		pid[i] = start_child(count, &s);
	for (i = 0; i < 4; i++)
		assert_int_equal(end_child(pid[i]), 0);
	assert_int_equal(*(int64_t *)mproc_shm_data(s.shm), 4 * s.n);
	mproc_shm_free(s.shm);
	mproc_lock_free(s.lock);
}

static void
pm27_what_is_no_lock(void **state)
{
	struct mproc_lock *lock = NULL;
	struct mproc_shm *shm;

	(void)state;
	assert_int_equal(mproc_shm_new(4096, NULL, &shm), 0);
	assert_int_equal(mproc_lock_from_fd(mproc_shm_fd(shm), &lock),
	    -EBADMSG);
	((uint32_t *)mproc_shm_data(shm))[0] = 0x6d70726c;
	assert_int_equal(mproc_lock_from_fd(mproc_shm_fd(shm), &lock),
	    -EPROTO);
	assert_int_equal(mproc_lock_from_fd(-1, &lock), -EBADF);
	assert_int_equal(mproc_lock_from_fd(0, NULL), -EINVAL);
	assert_null(lock);
	mproc_shm_free(shm);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pr50_the_codes),
		cmocka_unit_test(pr51_recursive_as_often_released),
		cmocka_unit_test(pr56_a_block_that_is_left_early),
		cmocka_unit_test(prw1_a_dead_owner_frees_it),
		cmocka_unit_test(pm27_sums_are_exact),
		cmocka_unit_test(pm27_what_is_no_lock),
	};

	return TEST_RUN(tests);
}
