/*
 * state_test.c - how a pool is at each time of its life, and what each call
 * does then.
 */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../log/capture.h"
#include "task.h"

static void
pm4_made_is_not_started(void **state)
{
	struct mproc_pool_options o = { .workers = 2 };
	struct mproc_pool_stats s;
	struct mproc_lock *lock;
	struct mproc_pool *pool;

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.configured, 2);
	assert_int_equal(mproc_lock_new(NULL, &lock), 0);
	assert_int_equal(mproc_lock_acquire(lock, 0), 0);
	assert_int_equal(mproc_lock_release(lock), 0);
	mproc_lock_free(lock);
	assert_string_equal(mproc_pool_name(pool), "Task");
	assert_ptr_equal(mproc_pool_class_of(pool), &task_class);
	/* set beforehand, for workers to come */
	assert_int_equal(mproc_pool_set_log_level(pool, MPROC_ERROR), 0);
	assert_int_equal(mproc_pool_stats(pool, &s), 0);
	assert_int_equal(s.started + s.starting + s.workers, 0);
	mproc_pool_free(pool);
}

/* Every call that controls, in a process that is not the owner. */
static int
all_refused(struct mproc_pool *pool)
{
	struct mproc_pool_stats s;
	struct mproc_result r;
	int bad = 0;

	bad += mproc_pool_start(pool) != -ECHILD;
	bad += mproc_pool_start_nowait(pool) != -ECHILD;
	bad += mproc_pool_wait_ready(pool, 0) != -ECHILD;
	bad += mproc_pool_add_init(pool, task_told) != -ECHILD;
	bad += mproc_pool_put(pool, 0, task_square) != -ECHILD;
	bad += mproc_pool_get(pool, 0, &r) != -ECHILD;
	bad += mproc_pool_call(pool, 0, NULL, task_square) != -ECHILD;
	bad += mproc_pool_notify(pool, 0, task_tell) != -ECHILD;
	bad += mproc_pool_clear(pool) != -ECHILD;
	bad += mproc_pool_set_going(pool, false) != -ECHILD;
	bad += mproc_pool_set_log_level(pool, MPROC_ERROR) != -ECHILD;
	bad += mproc_pool_set_offload(pool, MPROC_OFFLOAD_OFF) != -ECHILD;
	bad += mproc_pool_set_fail_open(pool, true) != -ECHILD;
	bad += mproc_pool_stats(pool, &s) != -ECHILD;
	bad += mproc_pool_join(pool, 0) != -ECHILD;
	bad += mproc_pool_stop(pool, 0) != -ECHILD;
	return bad;
}

static void
pm1_every_call_is_the_owners(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	int status = -1;
	pid_t pid;

	(void)state;
	if ((pid = fork()) == 0)
		_exit(all_refused(pool));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_not_equal(task_pid(pool), getpid());
	task_finish(pool);
}

/* The size that a pool gets on so many processors. */
static int
size_on(int cpus, int workers)
{
	struct mproc_pool_options o = {
		.workers = workers, .cap = true, .reserve_cpus = 1
	};
	struct mproc_pool_stats s;
	struct mproc_pool *pool;
	cpu_set_t all, some;
	size_t i;
	int n = 0;

	if (sched_getaffinity(0, sizeof(all), &all) < 0 ||
	    CPU_COUNT(&all) < cpus)
		return -ENOSYS;
	CPU_ZERO(&some);
	for (i = 0; n < cpus; i++)
		if (CPU_ISSET(i, &all)) {
			CPU_SET(i, &some);
			n++;
		}
	if (sched_setaffinity(0, sizeof(some), &some) < 0)
		return -errno;
	if (mproc_pool_new(&task_class, &o, &pool) < 0)
		return -EINVAL;
	(void)mproc_pool_stats(pool, &s);
	mproc_pool_free(pool);
	(void)sched_setaffinity(0, sizeof(all), &all);
	return (int)s.configured;
}

static void
pm2_sizes_by_affinity(void **state)
{
	int n, got;

	(void)state;
	/* no more than the control group has */
	for (n = 1; n <= 4 && n <= mproc_cpu_count(); n++) {
		if ((got = size_on(n, 0)) == -ENOSYS)
			break;
		assert_int_equal(got, n > 1 ? n - 1 : 1);
		assert_int_equal(size_on(n, 99), n > 1 ? n - 1 : 1);
		assert_int_equal(size_on(n, 1), 1);
	}
}

/* A class whose processes end, or hang, before they are ready. */
MPROC_MESSAGE(grave, start, (int, sig));
struct grave { struct mproc_backend base; };

static int
grave_pre_run(struct mproc_backend *base)
{
	raise(mproc_start_args(base, grave_start)->sig);
	return 0;
}

static const struct mproc_class grave_class = {
	.version = MPROC_CLASS_VERSION,
	.handler_size = sizeof(struct mproc_handler),
	.name = "Grave", .size = sizeof(struct grave),
	.pre_run = grave_pre_run
};

static void
pm6_a_death_at_the_start_is_told(void **state)
{
	struct mproc_pool_options o = {
		.workers = 1, .process.launch = task_launch(),
		.process.args = MPROC_PACK(grave_start, .sig = SIGKILL)
	};
	struct mproc_pool *pool;
	int64_t begun = task_now_ms();

	(void)state;
	assert_int_equal(mproc_pool_new(&grave_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_start(pool), -EPIPE);
	/* by name, with the reason, and not when the time is over */
	assert_non_null(strstr(mproc_errmsg(NULL), "Grave"));
	assert_non_null(strstr(mproc_errmsg(NULL), "SIGKILL"));
	assert_true(task_now_ms() - begun < SOON / 2);
	mproc_pool_free(pool);
}

static void
pm8_three_ways_to_stop(void **state)
{
	struct mproc_future *f[10];
	struct mproc_pool *pool;
	int i, way, done;

	(void)state;
	for (way = 0; way < 3; way++) {
		pool = task_pool((struct mproc_pool_options){ .workers = 1,
		    .queue_jobs = 10 });
		for (i = 0; i < 10; i++)
			assert_int_equal(way < 2 ? mproc_pool_submit(pool,
			    SOON, &f[i], task_nap, .ms = 5) :
			    mproc_pool_submit(pool, SOON, &f[i], task_spin,
			    .polite = true), 0);
		if (way == 1)
			assert_int_equal(mproc_pool_clear(pool), 9);
		if (way < 2)
			assert_int_equal(mproc_pool_stop(pool, SOON), 0);
		else
			assert_int_equal(mproc_pool_terminate(pool), 0);
		done = way == 0 ? 10 : way == 1 ? 1 : 0;
		for (i = 0; i < 10; i++) {
			assert_int_equal(mproc_future_result(f[i]),
			    i < done ? 0 : -ECANCELED);
			mproc_future_free(f[i]);
		}
		mproc_pool_free(pool);
	}
}

static void
pm9_each_refusal_has_its_code(void **state)
{
	struct mproc_pool_options o = {
		.workers = 1, .queue_jobs = 1,
		.process.launch = task_launch()
	};
	struct mproc_pool *pool;
	struct mproc_future *f = NULL;

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_submit(pool, -1, &f, task_square),
	    -ENOTCONN);
	assert_int_equal(mproc_pool_start(pool), 0);
	assert_int_equal(mproc_pool_set_going(pool, false), 0);
	assert_int_equal(mproc_pool_submit(pool, -1, &f, task_square),
	    -ECANCELED);
	assert_int_equal(mproc_pool_set_going(pool, true), 0);
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_OFF), 0);
	assert_int_equal(mproc_pool_submit(pool, -1, &f, task_square),
	    -ECHILD);
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_ON), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, task_spin,
	    .polite = true), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, &f, task_square),
	    -EAGAIN);
	assert_int_equal(mproc_pool_submit(pool, 2, &f, task_square),
	    -ETIMEDOUT);
	assert_int_equal(mproc_pool_close(pool), 0);
	assert_int_equal(mproc_pool_submit(pool, -1, &f, task_square),
	    -ESHUTDOWN);
	assert_null(f);
	task_finish(pool);
}

static void
pm16_refused_without_fail_open(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .fail_open = true });

	(void)state;
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_OFF), 0);
	assert_int_equal(mproc_pool_set_fail_open(pool, false), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, task_square),
	    -ECHILD);
	assert_int_equal(mproc_pool_set_fail_open(pool, true), 0);
	assert_int_equal(task_home(pool), getpid());
	task_finish(pool);
}

static void
pm17_offload_off_is_for_new_jobs(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .fail_open = true });
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_nap,
	    .ms = 50), 0);
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_OFF), 0);
	assert_int_equal(task_home(pool), getpid());
	assert_int_equal(task_result(f), 0);
	assert_int_not_equal(mproc_args(mproc_future_reply(f),
	    task_squared)->pid, getpid());
	mproc_future_free(f);
	assert_int_equal(mproc_pool_set_offload(pool, (enum mproc_offload)9),
	    -EINVAL);
	task_finish(pool);
}

static void
pm18_sticky_from_before_the_start(void **state)
{
	struct mproc_pool_options o = {
		.workers = 1, .fail_open = true,
		.process.launch = task_launch()
	};
	struct mproc_pool *pool;

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_set_offload(pool,
	    MPROC_OFFLOAD_OFF_STICKY), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	assert_int_equal(task_home(pool), getpid());
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_ON_IF),
	    0);
	assert_int_equal(task_home(pool), getpid());
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_ON), 0);
	assert_int_not_equal(task_pid(pool), getpid());
	task_finish(pool);
}

static void
pm19_the_last_worker_is_lost(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .no_respawn = true, .fail_open = true });
	struct mproc_pool_stats s;

	(void)state;
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, task_die,
	    .sig = SIGKILL), -EPIPE);
	assert_int_equal(task_home(pool), getpid());
	task_law(pool, &s);
	assert_true(s.broken);
	assert_int_equal(s.local, 1);
	task_finish(pool);
}

static void
pm30_pm31_how_many_there_are(void **state)
{
	struct mproc_pool_options o = {
		.workers = 2, .no_respawn = true,
		.process.launch = task_launch()
	};
	struct mproc_pool_stats s;
	struct mproc_pool *pool;

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	task_law(pool, &s);
	assert_int_equal(s.configured, 2);
	assert_int_equal(s.workers, 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	task_law(pool, &s);
	assert_int_equal(s.workers, s.configured);
	assert_int_equal(s.idle, 2);
	assert_int_equal(s.started, 2);
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, task_die,
	    .sig = SIGKILL), -EPIPE);
	task_law(pool, &s);
	assert_int_equal(s.workers, 1);
	assert_int_equal(s.died, 1);
	assert_int_equal(s.configured, 2);
	task_finish(pool);
}

static void
pm32_not_started_is_told_at_once(void **state)
{
	struct mproc_pool_options o = { .workers = 1 };
	struct mproc_pool *pool;
	int64_t begun = task_now_ms();

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_wait_ready(pool, SOON), -ENOTCONN);
	assert_true(task_now_ms() - begun < SOON / 2);
	mproc_pool_free(pool);
}

static void
pm33_launched_and_ready(void **state)
{
	struct mproc_pool_options o = {
		.workers = 2, .process.launch = task_launch(),
		.process.args = MPROC_PACK(task_start, .delay_ms = 300)
	};
	struct mproc_pool_stats s;
	struct mproc_pool *pool;
	int64_t begun = task_now_ms();

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_start_nowait(pool), 0);
	if (task_now_ms() - begun < 200) {	/* else it may be over */
		assert_int_equal(mproc_pool_wait_ready(pool, 0),
		    -ETIMEDOUT);
		task_law(pool, &s);
		assert_int_equal(s.starting + s.workers, 2);
	}
	assert_int_equal(mproc_pool_wait_ready(pool, SOON * task_slow()), 0);
	assert_true(task_now_ms() - begun >= 300);
	task_law(pool, &s);
	assert_int_equal(s.workers, 2);
	task_finish(pool);
}

/* A process with a pool; tells a worker's pid, and waits to be killed. */
static void
own_a_pool(int fd)
{
	struct mproc_pool_options o = {
		.workers = 1, .process.launch = MPROC_FORK
	};
	struct mproc_msg *reply;
	struct mproc_pool *pool;
	int pid;

	if (mproc_pool_new(&task_class, &o, &pool) < 0 ||
	    mproc_pool_start(pool) < 0 || mproc_pool_call(pool, SOON, &reply,
	    task_square) < 0)
		_exit(1);
	pid = mproc_args(reply, task_squared)->pid;
	(void)mproc_pool_submit(pool, 0, NULL, task_nap, .ms = 600000);
	if (write(fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(2);
	for (;;)
		pause();
}

static bool
is_gone(int pid)
{
	char path[64], line[256] = "";
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if ((file = fopen(path, "r")) == NULL)
		return true;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	return line[0] == '\0' || strstr(line, ") Z ") != NULL ||
	    strstr(line, ") X ") != NULL;
}

static void
pm40_workers_end_with_their_owner(void **state)
{
	int64_t end = task_now_ms() + SOON * task_slow();
	int fds[2], pid = 0, status;
	pid_t owner;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	if ((owner = fork()) == 0)
		own_a_pool(fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
	assert_false(is_gone(pid));
	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, &status, 0), owner);
	while (!is_gone(pid) && task_now_ms() < end)
		(void)poll(NULL, 0, 5);
	assert_true(is_gone(pid));
	close(fds[0]);
}

static void
pm44_the_librarys_own_lines_by_level(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct capture c;
	int id = add_capture("", MPROC_DEBUG, &c), i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(mproc_pool_set_log_level(pool, i == 1 ?
		    MPROC_ERROR : MPROC_WARNING), 0);
		assert_int_equal(mproc_pool_call(pool, SOON, NULL, task_fail,
		    .code = -EDOM), -EDOM);
		assert_int_equal(task_pid(pool) > 0, 1);
		assert_int_equal(c.n, i < 2 ? 1 : 2);
	}
	assert_int_equal(mproc_log_remove_sink(id), 0);
	task_finish(pool);
}

static void
pm45_workers_have_names(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .name = "Crew" });
	char path[64], comm[32] = "";
	FILE *file;

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", task_pid(pool));
	assert_non_null(file = fopen(path, "r"));
	assert_non_null(fgets(comm, sizeof(comm), file));
	fclose(file);
	assert_int_equal(strncmp(comm, "Crew-", 5), 0);
	assert_string_equal(mproc_pool_name(pool), "Crew");
	task_finish(pool);
}

static void
pr83_a_pool_without_options(void **state)
{
	struct mproc_pool_stats s;
	struct mproc_pool *pool;

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, NULL, &pool), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	task_law(pool, &s);
	assert_int_equal(s.workers, mproc_cpu_count());
	assert_int_not_equal(task_pid(pool), getpid());
	task_finish(pool);
}

static void
pr91_close_join_terminate(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = 4 });
	struct mproc_future *f;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_nap,
	    .ms = 20), 0);
	assert_int_equal(mproc_pool_join(pool, SOON), -EBUSY);
	assert_int_equal(mproc_pool_close(pool), 0);
	assert_int_equal(mproc_pool_submit(pool, SOON, NULL, task_square),
	    -ESHUTDOWN);
	assert_int_equal(mproc_pool_join(pool, SOON * task_slow()), 0);
	assert_int_equal(mproc_future_result(f), 0);
	mproc_future_free(f);
	assert_int_equal(mproc_pool_start(pool), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, NULL,
		    task_spin, .polite = true), 0);
	assert_int_equal(mproc_pool_terminate(pool), 0);
	assert_int_equal(mproc_pool_terminate(pool), 0);
	mproc_pool_free(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pm1_every_call_is_the_owners),
		cmocka_unit_test(pm2_sizes_by_affinity),
		cmocka_unit_test(pm4_made_is_not_started),
		TASK_NOT_THREADS(pm6_a_death_at_the_start_is_told,
		    TASK_CRASHES),
		cmocka_unit_test(pm8_three_ways_to_stop),
		cmocka_unit_test(pm9_each_refusal_has_its_code),
		cmocka_unit_test(pm16_refused_without_fail_open),
		cmocka_unit_test(pm17_offload_off_is_for_new_jobs),
		cmocka_unit_test(pm18_sticky_from_before_the_start),
		TASK_NOT_THREADS(pm19_the_last_worker_is_lost, TASK_CRASHES),
		TASK_NOT_THREADS(pm30_pm31_how_many_there_are, TASK_CRASHES),
		cmocka_unit_test(pm32_not_started_is_told_at_once),
		cmocka_unit_test(pm33_launched_and_ready),
		TASK_NOT_THREADS(pm40_workers_end_with_their_owner,
		    TASK_PROCESSES),
		LOG_TEST(pm44_the_librarys_own_lines_by_level),
		cmocka_unit_test(pm45_workers_have_names),
		cmocka_unit_test(pr83_a_pool_without_options),
		cmocka_unit_test(pr91_close_join_terminate),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
