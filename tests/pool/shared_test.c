/*
 * shared_test.c - what a pool's workers share: a lock and memory, a socket.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

MPROC_MESSAGE(till, start, (struct mproc_fd, lock), (struct mproc_fd, cash),
    (struct mproc_fd, door));
MPROC_MESSAGE(till, add, (int, n));
MPROC_MESSAGE(till, grab);		/* the lock, and die with it */
MPROC_MESSAGE(till, serve, (int, n));	/* so many guests */
MPROC_MESSAGE(till, done, (int, code), (int, pid));

struct till {
	struct mproc_backend base;
	struct mproc_lock *lock;
	struct mproc_shm *shm;
	int64_t	*cash;
	int	 door;
};

MPROC_COMMAND(till, add)
{
	int i, r, code = 0;

	for (i = 0; i < args->n; i++) {
		MPROC_LOCKED(self->lock, -1, &r)
			MPROC_LOCKED(self->lock, -1, NULL)
				++*self->cash;
		if (r < 0)
			code = r;
	}
	return mproc_reply(req, till_done, .code = code, .pid = getpid());
}

MPROC_COMMAND(till, grab)
{
	if (mproc_lock_acquire(self->lock, -1) == 0)
		raise(SIGKILL);
	return 0;
}

MPROC_COMMAND(till, serve)
{
	int fd, i, pid = getpid();

	for (i = 0; i < args->n; i++) {
		if ((fd = accept(self->door, NULL, NULL)) < 0)
			return -errno;
		if (write(fd, &pid, sizeof(pid)) != sizeof(pid))
			i--;
		close(fd);
	}
	return mproc_reply(req, till_done, .pid = pid);
}

static int
pre_run(struct mproc_backend *base)
{
	const struct till_start *args = mproc_start_args(base, till_start);
	struct till *self = MPROC_SELF(till, base);
	int r;

	self->door = args->door.present ? args->door.fd : -1;
	if (!args->lock.present)
		return 0;
	if ((r = mproc_lock_from_fd(args->lock.fd, &self->lock)) < 0 ||
	    (r = mproc_shm_from_fd(args->cash.fd, NULL, &self->shm)) < 0)
		return r;
	self->cash = mproc_shm_data(self->shm);
	return 0;
}

static int
post_run(struct mproc_backend *base)
{
	struct till *self = MPROC_SELF(till, base);

	mproc_lock_free(self->lock);
	mproc_shm_free(self->shm);
	return 0;
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(till, add, "so often one, under the lock"),
	MPROC_HANDLER(till, grab, "acquire the lock and die"),
	MPROC_HANDLER(till, serve, "tell guests who serves them"),
};

static const struct mproc_class till_class = MPROC_CLASS("Till", till,
    handlers, .pre_run = pre_run, .post_run = post_run);

static struct mproc_pool *
till_pool(const struct till_start *start)
{
	struct mproc_pool_options o = {
		.workers = 4, .fifo = true,
		.process.launch = task_launch(),
		.process.args = { MPROC_SCHEMA(till_start), start }
	};
	struct mproc_pool *pool = NULL;

	if (mproc_pool_new(&till_class, &o, &pool) < 0 ||
	    mproc_pool_start(pool) < 0)
		fail_msg("till pool: %s", mproc_errmsg(NULL));
	return pool;
}

static void
pm27_pmw20_a_lock_for_all_workers(void **state)
{
	const struct mproc_lock_options recursive = { .recursive = true };
	int i, dead = 0, n = test_on_valgrind() ? 1000 : 25000;
	struct till_start start = { .lock.present = false };
	struct mproc_future *f[4];
	struct mproc_lock *lock;
	struct mproc_pool *pool;
	struct mproc_shm *shm;

	(void)state;
	assert_int_equal(mproc_lock_new(&recursive, &lock), 0);
	assert_int_equal(mproc_shm_new(sizeof(int64_t), NULL, &shm), 0);
	start.lock = MPROC_FD(mproc_lock_fd(lock));
	start.cash = MPROC_FD(mproc_shm_fd(shm));
	pool = till_pool(&start);
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    till_add, .n = n), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	assert_int_equal(*(int64_t *)mproc_shm_data(shm), 4 * n);
	/* PM-W20: who dies with the lock keeps nobody waiting */
	assert_int_equal(mproc_pool_call(pool, SOON * task_slow(), NULL,
	    till_grab), -EPIPE);
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    till_add, .n = 10), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(task_result(f[i]), 0);
		dead += mproc_args(mproc_future_reply(f[i]),
		    till_done)->code == -EOWNERDEAD;
		mproc_future_free(f[i]);
	}
	assert_int_equal(dead, 1);
	assert_int_equal(*(int64_t *)mproc_shm_data(shm), 4 * n + 40);
	task_finish(pool);
	mproc_shm_free(shm);
	mproc_lock_free(lock);
}

/* A socket that listens on an abstract name, which the kernel chooses. */
static int
listen_somewhere(struct sockaddr_un *ret, socklen_t *ret_len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*ret_len = sizeof(*ret);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)ret,
	    sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, ret_len), 0);
	return fd;
}

static int
served_by(const struct sockaddr_un *addr, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pid;

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)addr, len), 0);
	assert_int_equal(read(fd, &pid, sizeof(pid)), sizeof(pid));
	close(fd);
	return pid;
}

static void
pr94_workers_accept_on_one_socket(void **state)
{
	struct till_start start = { .lock.present = false };
	struct mproc_future *f[4];
	struct sockaddr_un addr;
	struct mproc_pool *pool;
	int i, n, door, pid[8];
	socklen_t len;

	(void)state;
	door = listen_somewhere(&addr, &len);
	start.door = MPROC_FD(door);
	pool = till_pool(&start);
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    till_serve, .n = 2), 0);
	for (i = 0; i < 8; i++)
		pid[i] = served_by(&addr, len);
	for (i = 0; i < 4; i++) {
		assert_int_equal(task_result(f[i]), 0);
		/* each has served two */
		for (n = 0; n < 8; n++)
			if (pid[n] == mproc_args(mproc_future_reply(f[i]),
			    till_done)->pid)
				pid[n] = 0;
		mproc_future_free(f[i]);
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(pid[i], 0);
	task_finish(pool);
	close(door);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TASK_NOT_THREADS(pm27_pmw20_a_lock_for_all_workers,
		    TASK_CRASHES),
		cmocka_unit_test(pr94_workers_accept_on_one_socket),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
