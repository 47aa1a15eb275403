/*
 * thread_test.c - many threads on one pool, callbacks, descriptors.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "task.h"

#define THREADS	4
#define JOBS	200

struct part {
	struct mproc_pool *pool;
	int	 base, bad;
};

static void *
submit_many(void *arg)
{
	struct part *p = arg;
	struct mproc_future *f[JOBS];
	const struct task_squared *sq;
	int i;

	for (i = 0; i < JOBS; i++)
		if (mproc_pool_submit(p->pool, -1, &f[i], task_square,
		    .n = p->base + i) < 0)
			f[i] = NULL;
	for (i = 0; i < JOBS; i++) {
		p->bad += mproc_future_wait(f[i], -1) != 0 ||
		    mproc_future_result(f[i]) != 0;
		sq = mproc_args(mproc_future_reply(f[i]), task_squared);
		p->bad += sq == NULL ||
		    sq->n != (int64_t)(p->base + i) * (p->base + i);
		mproc_future_free(f[i]);
	}
	return NULL;
}

static void
i9_threads_share_a_pool(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 4 });
	struct part parts[THREADS];
	struct mproc_pool_stats st;
	pthread_t threads[THREADS];
	int i;

	(void)state;
	for (i = 0; i < THREADS; i++) {
		parts[i] = (struct part){ pool, i * 1000, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL,
		    submit_many, &parts[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(parts[i].bad, 0);
	}
	task_law(pool, &st);
	assert_int_equal(st.done, THREADS * JOBS);
	task_finish(pool);
}

static int refused;

static int
on_finish(struct mproc_msg **reply, void *arg)
{
	struct mproc_pool *pool = arg;
	struct mproc_future *f;

	(void)reply;
	/* it may call, but not wait */
	refused += mproc_pool_dispatch(pool, 10) == -EDEADLK;
	refused += mproc_pool_submit(pool, 0, &f, task_square, .n = 1) == 0;
	refused += mproc_future_wait(f, 10) == -EDEADLK;
	mproc_future_free(f);
	return 0;
}

static void
callbacks_may_not_wait(void **state)
{
	static const struct mproc_job_handler h = { .finish = on_finish };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_job job = { .handler = &h, .arg = pool };
	struct mproc_future *f;

	(void)state;
	refused = 0;
	assert_int_equal(mproc_pool_submit_job(pool, SOON, &job, &f,
	    task_square), 0);
	assert_int_equal(task_result(f), 0);
	assert_int_equal(refused, 3);
	mproc_future_free(f);
	task_finish(pool);
}

static void
pool_fd_in_a_foreign_loop(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .prefetch = 2, .queue_jobs = 50 });
	struct epoll_event ev = { .events = EPOLLIN };
	struct mproc_result r;
	int epfd = epoll_create1(EPOLL_CLOEXEC), i, got = 0;

	(void)state;
	assert_true(epfd >= 0);
	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, mproc_pool_fd(pool),
	    &ev), 0);
	for (i = 0; i < 50; i++)
		assert_int_equal(mproc_pool_put(pool, 0, task_square,
		    .n = i), 0);
	while (got < 50) {
		assert_int_equal(epoll_wait(epfd, &ev, 1, SOON), 1);
		assert_true(mproc_pool_dispatch(pool, 0) >= 0);
		while (mproc_pool_get(pool, 0, &r) == 1) {
			mproc_msg_free(r.reply);
			got++;
		}
	}
	/* and it is silent then: pr88, bmw1 */
	assert_int_equal(epoll_wait(epfd, &ev, 1, 20), 0);
	close(epfd);
	task_finish(pool);
}

static void
bmw1_waiting_costs_no_time(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct mproc_result r;
	clock_t begun;

	(void)state;
	assert_int_equal(mproc_pool_put(pool, SOON, task_nap, .ms = 300), 0);
	begun = clock();
	assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
	assert_true(clock() - begun < CLOCKS_PER_SEC / 20 * task_slow());
	mproc_msg_free(r.reply);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i9_threads_share_a_pool),
		cmocka_unit_test(callbacks_may_not_wait),
		cmocka_unit_test(pool_fd_in_a_foreign_loop),
		cmocka_unit_test(bmw1_waiting_costs_no_time),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
