/*
 * death_test.c - workers that die, are killed, or do not start: what becomes
 * of their jobs and of the pool.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

static bool
all_there(const struct mproc_pool_stats *s, void *arg)
{
	(void)arg;
	return s->workers == s->configured && s->stopping == 0;
}

static void
tp13_a_crash_is_told_and_the_pool_recovers(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2 });
	const struct mproc_death *d;
	struct mproc_pool_stats s;
	struct mproc_future *f;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_die,
	    .status = 42), 0);
	assert_int_equal(task_result(f), -EPIPE);
	d = mproc_future_death(f);
	assert_non_null(d);
	assert_int_equal(d->exit_code, 42);
	assert_string_equal(d->command, "die");
	mproc_future_free(f);
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_die,
	    .sig = SIGSEGV), 0);
	assert_int_equal(task_result(f), -EPIPE);
	d = mproc_future_death(f);
	assert_int_equal(d->signal, SIGSEGV);
	assert_int_equal(d->value, -1);
	assert_non_null(strstr(d->text, "(pid "));
	assert_non_null(strstr(d->text, "was killed by SIGSEGV"));
	assert_non_null(strstr(d->text, " in c__die after "));
	mproc_future_free(f);
	assert_true(task_until(pool, all_there, NULL));
	assert_int_not_equal(task_pid(pool), getpid());
	task_law(pool, &s);
	assert_int_equal(s.crashed, 2);
	assert_int_equal(s.died, 2);
	assert_int_equal(s.retried, 0);	/* tp14: never repeated unasked */
	task_finish(pool);
}

static int poisons;

static void
on_poison(struct mproc_msg *msg, const struct mproc_death *death, void *arg)
{
	(void)arg;
	assert_non_null(strstr(death->text, "in c__mark"));
	assert_string_equal(death->last_log, "");
	assert_true(mproc_msg_is(msg, "mark"));
	assert_int_equal(death->signal, SIGKILL);
	poisons++;
}

static const char *
temp_file(void)
{
	static char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/mproc-pool-%d",
	    (int)getpid());
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	return path;
}

static void
pmw4_poison_after_its_retries(void **state)
{
	const char *path = temp_file();
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .retries = 2, .on_poison = on_poison,
	    .process.args = MPROC_PACK(task_start, .path = path) });
	struct mproc_pool_stats s;
	struct mproc_future *f, *g;

	(void)state;
	poisons = 0;
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_mark,
	    .die = SIGKILL), 0);
	assert_int_equal(mproc_pool_submit(pool, SOON, &g, task_mark,
	    .n = 7), 0);
	assert_int_equal(task_result(f), -EPIPE);
	assert_int_equal(task_result(g), 0);
	assert_int_equal(task_size(path), 4);	/* three runs and one */
	assert_int_equal(poisons, 1);
	task_law(pool, &s);
	assert_int_equal(s.retried, 2);
	assert_int_equal(s.poisoned, 1);
	assert_int_equal(s.died, 3);
	mproc_future_free(f);
	mproc_future_free(g);
	task_finish(pool);
	unlink(path);
}

static void
tpw10_a_death_does_not_harm_what_waits_there(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .prefetch = 8 });
	struct mproc_future *f[8];
	int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		if (i == 2)
			assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
			    task_die, .sig = SIGKILL), 0);
		else
			assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
			    task_nap, .ms = 20, .n = i), 0);
	}
	for (i = 0; i < 8; i++) {
		assert_int_equal(task_result(f[i]), i == 2 ? -EPIPE : 0);
		mproc_future_free(f[i]);
	}
	task_finish(pool);
}

static void
note_pid(enum mproc_worker_event event, const struct mproc_worker *w,
    void *arg)
{
	if (event != MPROC_WORKER_KILLED && event != MPROC_WORKER_DIED)
		return;
	*(int *)arg = w->pid;
	assert_non_null(strstr(w->death->text, "(pid "));
}

static void
a_death_has_its_pid(void **state)
{
	int told = -1, pid;
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .on_worker = note_pid, .arg = &told });

	(void)state;
	pid = task_pid(pool);
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, task_die,
	    .sig = SIGKILL), -EPIPE);
	(void)task_pid(pool);
	assert_int_equal(told, pid);
	task_finish(pool);
}

static void
tp11_timeouts_kill(void **state)
{
	int told = -1, pid;
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .name = "slow", .workers = 1, .on_worker = note_pid,
	    .arg = &told });
	char text[100];
	struct mproc_pool_stats s;
	struct mproc_future *f, *g;
	int64_t begun = task_now_ms();

	(void)state;
	pid = task_pid(pool);
	assert_int_equal(mproc_pool_submit_job(pool, SOON,
	    &(struct mproc_job){ .timeout_ms = 30 }, &f, task_spin), 0);
	assert_int_equal(mproc_pool_submit_job(pool, SOON,
	    &(struct mproc_job){ .expire_ms = 5 }, &g, task_square), 0);
	assert_int_equal(task_result(f), -ETIMEDOUT);
	(void)snprintf(text, sizeof(text), "c__spin in slow-1 (pid %d) ran "
	    "longer than its timeout of 30 ms", pid);
	assert_string_equal(mproc_future_errmsg(f), text);
	assert_int_equal(task_result(g), -ETIMEDOUT);
	assert_true(task_now_ms() - begun >= 30);
	assert_int_not_equal(task_pid(pool), pid);
	task_law(pool, &s);
	assert_int_equal(s.timed_out, 2);
	assert_int_equal(s.killed, 1);
	assert_int_equal(told, pid);
	mproc_future_free(f);
	mproc_future_free(g);
	task_finish(pool);
}

static void
pm23_the_kinds_of_cancel(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .queue_jobs = 10 });
	struct mproc_future *run, *f[4];
	struct mproc_pool_stats s;
	int i, pid = task_pid(pool);

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &run, task_spin,
	    .polite = true), 0);
	for (i = 0; i < 4; i++) {	/* none of them ever runs */
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_die, .sig = SIGKILL), 0);
		assert_int_equal(mproc_future_cancel_as(f[i],
		    (enum mproc_cancel)i), 0);
		assert_int_equal(mproc_future_result(f[i]), -ECANCELED);
		assert_int_equal(mproc_future_cancel_as(f[i],
		    MPROC_CANCEL_COOP), -EALREADY);
		mproc_future_free(f[i]);
	}
	assert_int_equal(mproc_future_cancel_as(run, MPROC_CANCEL_QUEUED),
	    -EBUSY);
	assert_int_equal(mproc_future_cancel_as(run, MPROC_CANCEL_COOP), 0);
	assert_int_equal(task_result(run), -ECANCELED);
	mproc_future_free(run);
	assert_int_equal(task_pid(pool), pid);
	/* the future ends now, the job later */
	assert_int_equal(mproc_pool_submit(pool, SOON, &run, task_nap,
	    .ms = 10), 0);
	assert_int_equal(mproc_future_cancel_as(run, MPROC_CANCEL_ABANDON),
	    0);
	assert_int_equal(mproc_future_result(run), -ECANCELED);
	mproc_future_free(run);
	assert_int_equal(task_pid(pool), pid);
	/* by force: tpw8, both there are */
	assert_int_equal(mproc_pool_submit(pool, SOON, &run, task_spin), 0);
	assert_int_equal(mproc_future_cancel_as(run, MPROC_CANCEL_KILL), 0);
	assert_int_equal(task_result(run), -ECANCELED);
	mproc_future_free(run);
	assert_int_not_equal(task_pid(pool), pid);
	task_law(pool, &s);
	assert_int_equal(s.killed, 1);
	task_finish(pool);
}

/* In a worker's hands, behind another: it is not begun, and costs nobody. */
static void
pm23_what_is_canceled_is_not_begun(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .prefetch = 4 });
	struct mproc_future *run, *f[2];
	int i, pid = task_pid(pool);

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &run, task_spin,
	    .polite = true), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_die, .sig = SIGKILL), 0);
		assert_int_equal(mproc_future_cancel_as(f[i],
		    MPROC_CANCEL_QUEUED), -EBUSY);
		assert_int_equal(mproc_future_cancel_as(f[i],
		    MPROC_CANCEL_COOP), 0);
	}
	assert_int_equal(mproc_future_cancel_as(run, MPROC_CANCEL_COOP), 0);
	assert_int_equal(task_result(run), -ECANCELED);
	for (i = 0; i < 2; i++) {
		assert_int_equal(task_result(f[i]), -ECANCELED);
		mproc_future_free(f[i]);
	}
	mproc_future_free(run);
	assert_int_equal(task_pid(pool), pid);
	task_finish(pool);
}

/* More than there are words in the status page. */
static void
pm23_many_are_canceled_at_once(void **state)
{
	enum { MANY = 200 };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .prefetch = MANY + 2 });
	struct mproc_future *run, *other, *f[MANY];
	int i, pid = task_pid(pool);

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, &run, task_spin,
	    .polite = true), 0);
	for (i = 0; i < MANY; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_die, .sig = SIGKILL), 0);
	assert_int_equal(mproc_pool_submit(pool, SOON, &other, task_square,
	    .n = 3), 0);
	for (i = 0; i < MANY; i++)
		assert_int_equal(mproc_future_cancel_as(f[i],
		    MPROC_CANCEL_COOP), 0);
	assert_int_equal(mproc_future_cancel_as(run, MPROC_CANCEL_COOP), 0);
	assert_int_equal(task_result(run), -ECANCELED);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(task_result(f[i]), -ECANCELED);
		mproc_future_free(f[i]);
	}
	assert_int_equal(task_result(other), 0);
	mproc_future_free(other);
	mproc_future_free(run);
	assert_int_equal(task_pid(pool), pid);
	task_finish(pool);
}

static void
bm14_no_workers_no_jobs(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .no_respawn = true, .queue_jobs = 4 });
	struct mproc_future *f[3];
	struct mproc_pool_stats s;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_die, .sig = SIGKILL), 0);
	assert_int_equal(task_result(f[0]), -EPIPE);
	assert_int_equal(task_result(f[1]), -ECHILD);
	assert_int_equal(task_result(f[2]), -ECHILD);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, task_square),
	    -ECHILD);
	task_law(pool, &s);
	assert_true(s.broken);
	assert_int_equal(s.workers, 0);
	for (i = 0; i < 3; i++)
		mproc_future_free(f[i]);
	task_finish(pool);
}

static void
pm15_fail_open_runs_here(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .fail_open = true, .max_fails = 1,
	    .process.args = MPROC_PACK(task_start, .fail = 0) });
	struct mproc_pool_stats s;

	(void)state;
	assert_int_not_equal(task_pid(pool), getpid());
	/* PM-17: offload off */
	assert_int_equal(mproc_pool_set_offload(pool,
	    MPROC_OFFLOAD_OFF_STICKY), 0);
	assert_int_equal(task_home(pool), getpid());
	/* PM-18 */
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_ON_IF),
	    0);
	assert_int_equal(task_home(pool), getpid());
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_ON), 0);
	assert_int_not_equal(task_pid(pool), getpid());
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_OFF), 0);
	/* PM-16 */
	assert_int_equal(mproc_pool_set_fail_open(pool, false), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, task_square),
	    -ECHILD);
	assert_int_equal(mproc_pool_set_offload(pool, MPROC_OFFLOAD_ON_IF),
	    0);
	assert_int_not_equal(task_pid(pool), getpid());
	task_law(pool, &s);
	assert_int_equal(s.local, 2);
	task_finish(pool);
}

static void
pm15_workers_that_cannot_start(void **state)
{
	struct mproc_pool_options o = {
		.workers = 2, .fail_open = true, .max_fails = 1,
		.process.launch = task_launch(),
		.process.start_timeout_ms = 1,
		.process.args = MPROC_PACK(task_start, .delay_ms = 30)
	};
	struct mproc_pool *pool;
	struct mproc_pool_stats s;

	(void)state;
	assert_int_equal(mproc_pool_new(&task_class, &o, &pool), 0);
	assert_int_equal(mproc_pool_start(pool), 0);
	task_law(pool, &s);
	assert_true(s.start_failures > 0);
	task_finish(pool);
}

static void
tp29_many_crashes(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .retries = 20, .prefetch = 4, .queue_jobs = 64 });
	struct mproc_future *f[300];
	struct mproc_msg *reply;
	struct mproc_pool_stats s;
	int i, pid, kills = 0;

	(void)state;
	for (i = 0; i < 300; i++) {
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    task_nap, .ms = 0, .n = i), 0);
		if (i % 10 == 5 && i > 100 &&
		    (reply = mproc_future_reply(f[i - 100])) != NULL) {
			pid = mproc_args(reply, task_squared)->pid;
			kills += kill(pid, SIGKILL) == 0;
		}
	}
	for (i = 0; i < 300; i++) {
		assert_int_equal(task_result(f[i]), 0);
		assert_int_equal(mproc_args(mproc_future_reply(f[i]),
		    task_squared)->n, i);
		mproc_future_free(f[i]);
	}
	task_law(pool, &s);
	assert_int_equal(s.done, 300);
	assert_true(kills > 0);
	task_finish(pool);
}

static void
pm7_a_stopped_worker_is_ended(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 2, .process.stop_grace_ms = 50 });
	int pid = task_pid(pool);
	int64_t begun = task_now_ms();

	(void)state;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(mproc_pool_close(pool), 0);
	assert_int_equal(mproc_pool_join(pool, SOON), 0);
	assert_true(task_now_ms() - begun < SOON / 2);
	mproc_pool_free(pool);
}

static void
pm40_pings_find_the_stuck(void **state)
{
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 1, .ping_ms = 20 });
	int pid = task_pid(pool);
	struct mproc_future *f;

	(void)state;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, task_square), 0);
	assert_int_equal(task_result(f), 0);	/* it was not begun there */
	assert_int_not_equal(mproc_args(mproc_future_reply(f),
	    task_squared)->pid, pid);
	mproc_future_free(f);
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TASK_NOT_THREADS(tp13_a_crash_is_told_and_the_pool_recovers,
		    TASK_CRASHES),
		TASK_NOT_THREADS(pmw4_poison_after_its_retries, TASK_CRASHES),
		TASK_NOT_THREADS(tpw10_a_death_does_not_harm_what_waits_there,
		    TASK_CRASHES),
		TASK_NOT_THREADS(tp11_timeouts_kill, TASK_KILLS),
		TASK_NOT_THREADS(a_death_has_its_pid, TASK_CRASHES),
		TASK_NOT_THREADS(pm23_the_kinds_of_cancel, TASK_KILLS),
		TASK_NOT_THREADS(pm23_what_is_canceled_is_not_begun,
		    TASK_CRASHES),
		TASK_NOT_THREADS(pm23_many_are_canceled_at_once,
		    TASK_CRASHES),
		TASK_NOT_THREADS(bm14_no_workers_no_jobs, TASK_CRASHES),
		cmocka_unit_test(pm15_fail_open_runs_here),
		cmocka_unit_test(pm15_workers_that_cannot_start),
		TASK_NOT_THREADS(tp29_many_crashes, TASK_KILLS),
		TASK_NOT_THREADS(pm7_a_stopped_worker_is_ended, TASK_KILLS),
		TASK_NOT_THREADS(pm40_pings_find_the_stuck, TASK_KILLS),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
