/*
 * capture_test.c - what workers log, by logger name, to sinks of the pool's:
 * BM-28 to BM-33.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"

/* A sink: what it was given. */
struct box {
	unsigned n, bad;
	char	 last[64];		/* the text */
	char	 name[64];		/* the logger */
	const char *want;		/* other texts are bad */
	struct mproc_pool *pool;	/* release from it then */
};

static unsigned seen;		/* by all of them */

static void
on_record(const struct mproc_log_record *rec, void *arg)
{
	struct box *box = arg;

	seen++;
	box->n++;
	(void)snprintf(box->last, sizeof(box->last), "%s", rec->text);
	(void)snprintf(box->name, sizeof(box->name), "%s", rec->name);
	if (box->want != NULL && strcmp(rec->text, box->want) != 0)
		box->bad++;
	if (box->pool != NULL)
		assert_int_equal(mproc_pool_log_release(box->pool, "once"),
		    0);
}

static void
capture(struct mproc_pool *pool, const char *name, struct box *box)
{
	struct mproc_sink sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT,
	    on_record, box);

	*box = (struct box){ 0 };
	assert_int_equal(mproc_pool_log_capture(pool, name, &sink, false), 0);
}

static bool
has_seen(const struct mproc_pool_stats *s, void *n)
{
	(void)s;
	return seen >= *(unsigned *)n;
}

/* Records and replies come on two ways. */
static void
await(struct mproc_pool *pool, unsigned n)
{
	assert_true(task_until(pool, has_seen, &n));
}

static void
say(struct mproc_pool *pool, const char *logger, const char *text)
{
	unsigned before = seen;

	assert_int_equal(mproc_pool_call(pool, SOON, NULL, crew_say,
	    .logger = logger, .level = MPROC_WARNING, .text = text), 0);
	await(pool, before + 1);
}

struct mains {			/* the program's own sink */
	struct box box;
	int	 id;
};

static int
main_sink(void **state)
{
	static struct mains m;
	struct mproc_sink sink = mproc_sink_callback(MPROC_LEVEL_DEFAULT,
	    on_record, &m.box);

	m = (struct mains){ .id = 0 };
	*state = &m;
	return mproc_log_add_sink("", &sink, &m.id);
}

static int
no_main_sink(void **state)
{
	struct mains *m = *state;

	if (mproc_log_remove_sink(m->id) < 0)
		return -1;
	mproc_log_reset();
	return 0;
}

static void
bm30_the_longest_name_counts(void **state)
{
	struct mains *m = *state;
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct box test, sub, info;

	capture(pool, "test", &test);	/* BM-28: also after the start */
	capture(pool, "test.submodule", &sub);
	capture(pool, "information", &info);
	say(pool, "test.submodule", "one");
	say(pool, "test.submodule.deep", "two");
	assert_int_equal(sub.n, 2);
	assert_string_equal(sub.last, "two");
	assert_string_equal(sub.name, "test.submodule.deep");
	say(pool, "test.other", "three");
	say(pool, "test", "four");
	assert_int_equal(test.n, 2);
	assert_string_equal(test.last, "four");
	assert_int_equal(m->box.n, 0);
	/* bm31: what has another name is left alone */
	say(pool, "testing", "five");
	say(pool, "other", "six");
	assert_int_equal(m->box.n, 2);
	assert_string_equal(m->box.last, "six");
	assert_int_equal(info.n, 0);
	assert_int_equal(test.n + sub.n, 4);
	task_finish(pool);
}

static void
bm28_add_before_and_after_the_start(void **state)
{
	struct mains *m = *state;
	struct mproc_pool_options o = { .workers = 2,
	    .process.launch = task_launch() };
	struct mproc_sink sink;
	struct box first, second;
	struct mproc_pool *pool;

	assert_int_equal(mproc_pool_new(&crew_class, &o, &pool), 0);
	capture(pool, "test", &first);
	assert_int_equal(mproc_pool_start(pool), 0);
	say(pool, "test", "one");
	assert_int_equal(first.n, 1);
	capture(pool, "test", &second);		/* takes its place */
	say(pool, "test", "two");
	assert_int_equal(first.n, 1);
	assert_int_equal(second.n, 1);
	assert_int_equal(m->box.n, 0);
	/* with the program's as well; and not what is below its level */
	sink = mproc_sink_callback(MPROC_ERROR, on_record, &first);
	assert_int_equal(mproc_pool_log_capture(pool, NULL, &sink, true), 0);
	say(pool, "elsewhere", "three");
	assert_int_equal(first.n, 1);
	assert_int_equal(m->box.n, 1);
	/* bm8: what is no sink, or no name */
	assert_int_equal(mproc_pool_log_capture(pool, "x", NULL, false),
	    -EINVAL);
	sink = (struct mproc_sink){ .kind = (enum mproc_sink_kind)77 };
	assert_int_equal(mproc_pool_log_capture(pool, "x", &sink, false),
	    -EINVAL);
	assert_int_equal(mproc_pool_log_capture(NULL, "x", &sink, false),
	    -EINVAL);
	task_finish(pool);
}

static void
bm29_released_at_once(void **state)
{
	struct mains *m = *state;
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1 });
	struct box box;

	capture(pool, "test", &box);
	say(pool, "test", "before");
	assert_int_equal(mproc_pool_log_release(pool, "test.sub"), -ENOENT);
	assert_int_equal(mproc_pool_log_release(pool, "test"), 0);
	assert_int_equal(mproc_pool_log_release(pool, "test"), -ENOENT);
	say(pool, "test", "after");
	assert_int_equal(box.n, 1);
	assert_string_equal(m->box.last, "after");
	/* a sink may take itself away */
	capture(pool, "once", &box);
	box.pool = pool;
	say(pool, "once", "here");
	say(pool, "once", "there");
	assert_int_equal(box.n, 1);
	assert_string_equal(m->box.last, "there");
	/* and mproc_log_reset() takes all of them */
	capture(pool, "test", &box);
	mproc_log_reset();
	assert_int_equal(main_sink(state), 0);
	say(pool, "test", "again");
	assert_int_equal(box.n, 0);
	assert_string_equal(m->box.last, "again");
	task_finish(pool);
}

static void
bm33_the_constructor_logs_too(void **state)
{
	struct mproc_pool_options o = { .workers = 3, .process = {
	    .launch = task_launch(),
	    .args = MPROC_PACK(crew_start, .logger = "test.made") }};
	struct mproc_pool *pool;
	struct box box;

	(void)state;
	assert_int_equal(mproc_pool_new(&crew_class, &o, &pool), 0);
	capture(pool, "test", &box);
	box.want = "made";
	seen = 0;
	assert_int_equal(mproc_pool_start(pool), 0);
	await(pool, 3);
	assert_int_equal(box.n, 3);
	assert_int_equal(box.bad, 0);
	say(pool, NULL, "made");	/* by the logger that it kept */
	assert_int_equal(box.n, 4);
	assert_string_equal(box.name, "test.made");
	task_finish(pool);
}

/* bm26: the log is closed last. */
static void
bm26_close_loses_no_words(void **state)
{
	struct gate gate;
	struct mproc_pool *pool;
	struct mproc_pool_stats s;
	struct box box;
	int i;

	(void)state;
	gate_make(&gate);
	pool = crew_pool((struct mproc_pool_options){ .workers = 2,
	    .queue_jobs = 2, .process.args = MPROC_PACK(crew_start,
	    .logger = "test", .gate = MPROC_FD(gate.in)) });
	capture(pool, "test", &box);
	for (i = 0; i < 4; i++)		/* bmw7: until the queue is full */
		assert_int_equal(mproc_pool_submit(pool, SOON, NULL,
		    crew_wait, .n = i), 0);
	assert_int_equal(mproc_pool_submit(pool, 0, NULL, crew_wait),
	    -EAGAIN);
	assert_int_equal(mproc_pool_close(pool), 0);
	gate_open(&gate);
	assert_int_equal(mproc_pool_join(pool, SOON * task_slow()), 0);
	assert_int_equal(box.n, 4);
	assert_string_equal(box.last, "waits");
	task_law(pool, &s);
	assert_int_equal(s.done, 4);
	assert_int_equal(s.workers + s.starting + s.stopping, 0);
	assert_int_equal(s.logs, 6);
	assert_int_equal(s.logs_dropped, 0);
	mproc_pool_free(pool);
	gate_free(&gate);
}

#define LINES	200

static void
bmw8_records_of_many_stay_whole(void **state)
{
	static char text[1000];
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 4, .process.log_block_ms = -1 });
	struct mproc_pool_stats s;
	struct mproc_future *f[4];
	struct box box;
	int i;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	capture(pool, "test", &box);
	box.want = text;
	seen = 0;
	for (i = 0; i < 4; i++)
		assert_int_equal(mproc_pool_submit(pool, SOON, &f[i],
		    crew_say, .logger = "test", .level = MPROC_INFO,
		    .text = text, .times = LINES), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	await(pool, 4 * LINES);
	assert_int_equal(box.bad, 0);
	task_law(pool, &s);
	assert_int_equal(s.logs, 4 * LINES);
	task_finish(pool);
}

static bool
accounted(const struct mproc_pool_stats *s, void *arg)
{
	(void)arg;
	return s->logs + s->logs_dropped == LINES;
}

/* bm32: nobody in the parent takes the records, and the worker goes on. */
static void
bm32_logging_does_not_stop_a_worker(void **state)
{
	static char text[4000];
	struct mproc_pool *pool = crew_pool((struct mproc_pool_options){
	    .workers = 1, .prefetch = 2, .process.log_block_ms = 1 });
	struct mproc_future *f[2];
	struct mproc_pool_stats s;
	struct pollfd pfd = { .events = POLLIN };
	struct box box;
	int64_t n = 7;
	int sv[2], i;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	capture(pool, "test", &box);
	box.want = text;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	pfd.fd = sv[0];
	assert_int_equal(mproc_pool_submit(pool, SOON, &f[0], crew_say,
	    .logger = "test", .level = MPROC_INFO, .text = text,
	    .times = LINES), 0);
	assert_int_equal(mproc_pool_submit(pool, SOON, &f[1], crew_talk,
	    .n = 1, .fd = MPROC_FD(sv[1])), 0);
	assert_true(mproc_pool_fd(pool) >= 0);	/* both are written */
	/* its next job begins while the pool is not moved */
	assert_int_equal(poll(&pfd, 1, SOON * task_slow()), 1);
	assert_int_equal(write(sv[0], &n, sizeof(n)), sizeof(n));
	for (i = 0; i < 2; i++) {
		assert_int_equal(task_result(f[i]), 0);
		mproc_future_free(f[i]);
	}
	assert_true(task_until(pool, accounted, NULL));
	task_law(pool, &s);
	assert_true(s.logs_dropped > 0);
	assert_int_equal(box.n, s.logs);
	assert_int_equal(box.bad, 0);
	close(sv[0]);
	close(sv[1]);
	task_finish(pool);
}

#define IN_MAIN(test_)							\
	TASK_NOT_THREADS_SETUP(test_,					\
	    "a thread's loggers are the program's", main_sink,		\
	    no_main_sink)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_MAIN(bm30_the_longest_name_counts),
		IN_MAIN(bm28_add_before_and_after_the_start),
		IN_MAIN(bm29_released_at_once),
		IN_MAIN(bm33_the_constructor_logs_too),
		IN_MAIN(bm26_close_loses_no_words),
		IN_MAIN(bmw8_records_of_many_stay_whole),
		IN_MAIN(bm32_logging_does_not_stop_a_worker),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
