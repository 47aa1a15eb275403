/*
 * turnover_test.c - a pool as trio-parallel has it, continued: workers that
 * come and go, what they leave behind, what they cost, how they are chained.
 */
#include <sys/socket.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"

/* tpw4: it is the pool that says when one goes. */
static void
tp16_no_job_meets_a_leaving_worker(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .min_workers = -1, .idle_ms = 1 });
	long i, count = test_count(NULL, 60);
	struct mproc_pool_stats s;
	unsigned seed = 16;

	(void)state;
	for (i = 0; i < count; i++) {
		assert_true(crew_pid(pool) > 0);
		(void)mproc_pool_dispatch(pool, rand_r(&seed) % 4);
	}
	task_law(pool, &s);
	assert_int_equal(s.done, count);
	assert_int_equal(s.retried + s.died + s.killed, 0);
	task_finish(pool);
}

static void
tp17_why_there_is_no_worker(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .min_workers = -1, .max_fails = 2,
	    .process.args = MPROC_PACK(crew_start, .fail = -EROFS) });
	struct mproc_pool_stats s;

	(void)state;
	assert_int_equal(mproc_pool_call(pool, SOON, NULL, crew_mul),
	    -ECHILD);
	assert_non_null(strstr(mproc_errmsg(NULL), "no ledger"));
	task_law(pool, &s);
	assert_true(s.broken);
	task_finish(pool);
}

/* tpw2: one limit for the jobs and the workers. */
static void
tp19_those_that_do_not_end_are_killed(void **state)
{
	struct crew_fate fate = { 0, 0 };
	struct mproc_pool *pool = task_pool((struct mproc_pool_options){
	    .workers = 3, .on_worker = crew_on_worker, .arg = &fate });
	struct mproc_pool_stats s;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, SOON, NULL, task_spin), 0);
	assert_int_equal(mproc_pool_stop(pool, 100 * task_slow()),
	    -ETIMEDOUT);
	assert_int_equal(fate.killed, SIGKILL);
	task_law(pool, &s);
	assert_int_equal(s.killed, 1);
	assert_int_equal(s.retired, 2);
	assert_int_equal(s.canceled, 1);
	mproc_pool_free(pool);
}

static void
tp21_two_pools_share_no_worker(void **state)
{
	struct mproc_pool *a = crew_pool((struct mproc_pool_options){
	    .workers = 1, .name = "a" });
	struct mproc_pool *b = crew_pool((struct mproc_pool_options){
	    .workers = 1 });

	(void)state;
	assert_int_not_equal(crew_pid(a), crew_pid(b));
	/* tp22: what it is can be asked, and it is closed when it is */
	assert_string_equal(mproc_pool_name(a), "a");
	assert_string_equal(mproc_pool_name(b), "Crew");
	assert_ptr_equal(mproc_pool_class_of(a), &crew_class);
	assert_int_equal(mproc_pool_close(a), 0);
	assert_int_equal(mproc_pool_call(a, SOON, NULL, crew_mul),
	    -ESHUTDOWN);
	assert_int_not_equal(crew_pid(b), getpid());
	task_finish(a);
	task_finish(b);
}

static int
entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
tp30_nothing_that_could_be_left_behind(void **state)
{
	int before = entries("/dev/shm"), k;

	(void)state;
	for (k = 0; k < 2; k++) {
		struct mproc_pool *pool = crew_pool(
		    (struct mproc_pool_options){ .workers = 2,
		    .process.channel = k ? MPROC_RING : MPROC_SOCKET });

		crew_bounce(pool, 100000);
		assert_int_equal(entries("/dev/shm"), before);
		task_finish(pool);
	}
}

struct lines {
	unsigned n, bad;
};

static void
on_line(const struct mproc_log_record *rec, void *arg)
{
	struct lines *lines = arg;
	int n = -1;
	char end;

	lines->n++;
	lines->bad += sscanf(rec->text, "a line of some length.%d%c", &n,
	    &end) != 1 || n < 0 || n >= 50;
}

static bool
has_lines(const struct mproc_pool_stats *s, void *arg)
{
	(void)s;
	return ((struct lines *)arg)->n == 100;
}

static void
tp31_lines_stay_whole(void **state)
{
	struct lines lines = { 0 };
	struct mproc_sink sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT,
	    on_line, &lines);
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .process.capture_output = true });
	struct mproc_future *f[2];
	int i;

	(void)state;
	assert_int_equal(mproc_pool_log_capture(pool, "Crew", &sink, false),
	    0);
	for (i = 0; i < 2; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    crew_print, .text = "a line of some length",
		    .times = 50), 0);
	crew_wait_all(f, 2);
	assert_true(task_until(pool, has_lines, &lines));
	assert_int_equal(lines.bad, 0);
	task_finish(pool);
}

/* What a call costs is printed; only what is absurd fails. */
static void
tp32_calls_do_not_block_and_are_quick(void **state)
{
	struct gate gate;
	struct mproc_pool *pool = crew_gated(&gate, (struct mproc_pool_options){
	    .workers = 1, .min_workers = -1 });
	int64_t begun = task_now_ms(), cold, warm, large;
	struct mproc_future *f;
	int i;

	(void)state;
	assert_int_equal(mproc_pool_submit(pool, 0, &f, crew_wait, .n = 1),
	    0);
	assert_false(mproc_future_done(f));	/* and we go on */
	gate_open(&gate);
	crew_wait_all(&f, 1);
	cold = task_now_ms() - begun;
	begun = task_now_ms();
	for (i = 0; i < 100; i++)
		assert_true(crew_pid(pool) > 0);
	warm = task_now_ms() - begun;
	begun = task_now_ms();
	crew_bounce(pool, 4 << 20);
	large = task_now_ms() - begun;
	print_message("cold start %d ms, 100 calls %d ms, 4 MiB %d ms\n",
	    (int)cold, (int)warm, (int)large);
	assert_true(cold < SOON / 2 * test_slow());
	assert_true(warm < SOON / 2 * test_slow());
	task_finish(pool);
	gate_free(&gate);
}

struct stage {
	struct mproc_pool *pool;
	struct mproc_stream *from, *to;
	int64_t	 made;		/* by the first one */
};

static int
next_of_stage(void *arg, struct mproc_msg **ret_msg)
{
	struct stage *s = arg;
	int64_t n = s->made;
	struct mproc_result r;
	int code;

	if (s->from != NULL) {
		if ((code = mproc_stream_next(s->from, SOON, &r)) != 1)
			return code;
		n = crew_number(r.reply);
	} else {
		s->made++;
	}
	if ((code = mproc_msg_new("mul", ret_msg)) < 0)
		return code;
	(void)mproc_msg_set_int(*ret_msg, "a", n);
	(void)mproc_msg_set_int(*ret_msg, "b", 2);
	return 1;
}

#define STAGES	4
#define AHEAD	4

static void
tp34_a_pipeline_waits_for_its_last_stage(void **state)
{
	struct mproc_stream_options o = { .window = AHEAD };
	struct stage s[STAGES] = { { .made = 0 } };
	struct mproc_result r;
	int i;

	(void)state;
	for (i = 0; i < STAGES; i++) {
		s[i].pool = crew_pool((struct mproc_pool_options){
		    .workers = 1 });
		s[i].from = i > 0 ? s[i - 1].to : NULL;
		assert_int_equal(mproc_pool_stream(s[i].pool, next_of_stage,
		    &s[i], &o, &s[i].to), 0);
	}
	for (i = 0; i < 50; i++) {	/* of an endless source */
		assert_int_equal(mproc_stream_next(s[STAGES - 1].to, SOON,
		    &r), 1);
		assert_int_equal(crew_number(r.reply), 16 * i);
		assert_true(s[0].made <= i + 1 + STAGES * AHEAD);
	}
	for (i = STAGES - 1; i >= 0; i--) {
		mproc_stream_free(s[i].to);
		task_finish(s[i].pool);
	}
}

static void
tp35_workers_for_one_job_each(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .max_jobs = 1 });
	struct crew_mul in[6] = { { .a = 1 } };
	struct mproc_result out[6];
	const struct crew_number *t;
	int i, k, pid[6];

	(void)state;
	assert_int_equal(mproc_pool_map(pool, crew_mul, in, 6, NULL, out), 0);
	for (i = 0; i < 6; i++) {
		t = mproc_args(out[i].reply, crew_number);
		assert_int_equal(t->calls, 1);
		pid[i] = t->pid;
		for (k = 0; k < i; k++)
			assert_int_not_equal(pid[k], pid[i]);
	}
	mproc_results_free(out, 6);
	task_finish(pool);
}

/* The same dispatcher over what is no process: limits, errors, order. */
static void
tp38_over_threads(void **state)
{
	struct gate gate;
	struct mproc_pool *pool = crew_gated(&gate, (struct mproc_pool_options){
	    .workers = 2, .ordered = true, .queue_jobs = 1,
	    .process.launch = MPROC_THREAD });
	struct mproc_result r;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(mproc_pool_put(pool, 0, crew_wait, .n = i),
		    0);
	assert_int_equal(mproc_pool_put(pool, 0, crew_wait), -EAGAIN);
	gate_open(&gate);
	assert_int_equal(mproc_pool_put(pool, SOON, crew_divide, .a = 1), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(mproc_pool_get(pool, SOON, &r), 1);
		assert_int_equal(r.index, i);
		assert_int_equal(r.code, i == 3 ? -EDOM : 0);
		mproc_msg_free(r.reply);
	}
	task_finish(pool);
	gate_free(&gate);
}

static void
tpw1_no_worker_has_anothers_descriptors(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 4, .fifo = true, .process.launch = MPROC_FORK });
	struct mproc_msg *reply;
	int64_t n, first = 0;
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		assert_int_equal(mproc_pool_call(pool, SOON, &reply,
		    crew_fds), 0);
		n = crew_number(reply);
		if (i == 0)
			first = n;
		assert_int_equal(n, first);
	}
	task_finish(pool);
}

/* Also tpw3: an idle worker, and not the one that is next. */
static void
tpw5_a_death_is_told_at_once(void **state)
{
	struct crew_fate fate = { 0, 0 };
	int pid[2], i;
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2, .fifo = true, .on_worker = crew_on_worker,
	    .arg = &fate });
	struct pollfd pfd = { mproc_pool_fd(pool), POLLIN, 0 };

	(void)state;
	for (i = 0; i < 2; i++)
		pid[i] = crew_pid(pool);
	(void)mproc_pool_dispatch(pool, 0);
	assert_int_equal(kill(pid[1], SIGKILL), 0);
	while (fate.died == 0) {
		assert_int_equal(poll(&pfd, 1, SOON), 1);
		(void)mproc_pool_dispatch(pool, 0);
	}
	assert_int_equal(fate.died, SIGKILL);
	task_finish(pool);
}

static void
tpw9_its_children_are_killed_with_it(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct pollfd pfd = { .events = POLLIN };
	struct mproc_future *f;
	struct mproc_msg *item;
	char byte;
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pfd.fd = fd[0];
	assert_int_equal(mproc_pool_submit(pool, SOON, &f, crew_breed,
	    .fd = MPROC_FD(fd[1])), 0);
	close(fd[1]);
	assert_int_equal(mproc_future_next(f, SOON * task_slow(), &item), 1);
	mproc_msg_free(item);
	assert_int_equal(mproc_future_cancel_as(f, MPROC_CANCEL_KILL), 0);
	assert_int_equal(task_result(f), -ECANCELED);
	mproc_future_free(f);
	/* the child has the descriptor: when it is gone there is an end */
	assert_int_equal(poll(&pfd, 1, SOON * task_slow()), 1);
	assert_int_equal(read(fd[0], &byte, 1), 0);
	close(fd[0]);
	task_finish(pool);
}

static void
tpw11_workers_may_talk_to_each_other(void **state)
{
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 2 });
	struct mproc_future *f[2];
	int i, sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    crew_talk, .n = 10 + i, .fd = MPROC_FD(sv[i])), 0);
		close(sv[i]);
	}
	for (i = 0; i < 2; i++) {
		assert_int_equal(task_result(f[i]), 0);
		assert_int_equal(crew_number(mproc_future_take(f[i])),
		    11 - i);
		mproc_future_free(f[i]);
	}
	task_finish(pool);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tp16_no_job_meets_a_leaving_worker),
		cmocka_unit_test(tp17_why_there_is_no_worker),
		TASK_NOT_THREADS(tp19_those_that_do_not_end_are_killed,
		    TASK_KILLS),
		cmocka_unit_test(tp21_two_pools_share_no_worker),
		cmocka_unit_test(tp30_nothing_that_could_be_left_behind),
		TASK_NOT_THREADS(tp31_lines_stay_whole, TASK_PROCESSES),
		cmocka_unit_test(tp32_calls_do_not_block_and_are_quick),
		cmocka_unit_test(tp34_a_pipeline_waits_for_its_last_stage),
		cmocka_unit_test(tp35_workers_for_one_job_each),
		cmocka_unit_test(tp38_over_threads),
		TASK_NOT_THREADS(tpw1_no_worker_has_anothers_descriptors,
		    TASK_PROCESSES),
		TASK_NOT_THREADS(tpw5_a_death_is_told_at_once, TASK_KILLS),
		TASK_NOT_THREADS(tpw9_its_children_are_killed_with_it,
		    TASK_KILLS),
		cmocka_unit_test(tpw11_workers_may_talk_to_each_other),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
