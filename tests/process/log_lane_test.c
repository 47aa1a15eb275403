/*
 * log_lane_test.c - what backends log, in the sinks of the program: the
 * classic line, levels at run time, the last record before a death, and
 * nothing lost but what is counted.
 */
#include <sys/resource.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define KEEP	4096	/* records */

/* A sink that keeps what it gets; its calls come one at a time. */
static struct kept {
	_Atomic int	 n;
	enum mproc_level level[KEEP];
	pid_t		 pid[KEEP];
	char		 name[KEEP][48];
	char		 text[KEEP][96];
} kept;

static void
keep(const struct mproc_log_record *rec, void *arg)
{
	int i = kept.n;

	(void)arg;
	if (i < KEEP) {
		kept.level[i] = rec->level;
		kept.pid[i] = rec->pid;
		snprintf(kept.name[i], sizeof(kept.name[0]), "%s", rec->name);
		snprintf(kept.text[i], sizeof(kept.text[0]), "%s", rec->text);
	}
	kept.n++;
}

static int
keep_logs(void **state)
{
	struct mproc_sink sink = mproc_sink_callback(MPROC_DEBUG, keep, NULL);

	(void)state;
	kept.n = 0;
	assert_int_equal(mproc_log_set_level("", MPROC_DEBUG), 0);
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	return 0;
}

static int
reset(void **state)
{
	(void)state;
	mproc_log_reset();
	return 0;
}

/* How many records of that text came. */
static int
count(const char *text)
{
	int i, found = 0;

	for (i = 0; i < kept.n && i < KEEP; i++)
		found += strcmp(kept.text[i], text) == 0;
	return found;
}

static void
say(struct mproc *p, enum mproc_level level, const char *text)
{
	assert_int_equal(mproc_call(p, SOON, NULL, probe_say,
	    .level = (int)level, .text = text), 0);
	assert_int_equal(mproc_ping(p, SOON), 0);
}

static void
vk27_the_classic_line(void **state)
{
	static char line[4096];
	struct mproc_sink sink;
	struct mproc *p;
	ssize_t n;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	sink = mproc_sink_fd(MPROC_DEBUG, fds[1]);
	assert_int_equal(mproc_log_add_sink("Probe", &sink, NULL), 0);
	p = fix_start(state, (struct mproc_options){
	    .name = "my-process" });
	say(p, MPROC_INFO, "hello");
	say(p, MPROC_DEBUG, "unsaid");
	say(p, MPROC_CRITICAL, "two\nlines");
	assert_int_equal(mproc_stop(p), 0);
	n = read(fds[0], line, sizeof(line) - 1);
	assert_true(n > 0);
	assert_string_equal(line, "Probe.my-process - INFO - hello\n"
	    "Probe.my-process - CRITICAL - two\\nlines\n");
	memset(line, 0, sizeof(line));
	fix_finish(p);
	close(fds[0]);
	close(fds[1]);
}

/* By the last one's name, so that all of a generation has come. */
static void
vk28_levels_change_at_run_time(void **state)
{
	struct mproc *a, *b;
	int i;

	a = fix_start(state, (struct mproc_options){ .name = "a" });
	b = fix_start(state, (struct mproc_options){ .name = "b",
	    .log_level = MPROC_ERROR });
	say(a, MPROC_DEBUG, "a debug 1");
	say(a, MPROC_INFO, "a info 1");
	say(b, MPROC_WARNING, "b warning 1");
	assert_int_equal(mproc_set_log_level(a, MPROC_DEBUG), 0);
	assert_int_equal(mproc_set_log_level(b, MPROC_WARNING), 0);
	say(a, MPROC_DEBUG, "a debug 2");
	say(b, MPROC_INFO, "b info 2");
	say(b, MPROC_WARNING, "b warning 2");
	assert_int_equal(mproc_set_log_level(a, MPROC_OFF), 0);
	say(a, MPROC_CRITICAL, "a critical 3");
	/* of the next generation, too */
	assert_int_equal(mproc_stop(a), 0);
	assert_int_equal(mproc_start(a), 0);
	say(a, MPROC_CRITICAL, "a critical 4");
	fix_finish(a);
	fix_finish(b);
	assert_int_equal(count("a debug 1"), 0);
	assert_int_equal(count("a info 1"), 1);
	assert_int_equal(count("b warning 1"), 0);
	assert_int_equal(count("a debug 2"), 1);
	assert_int_equal(count("b info 2"), 0);
	assert_int_equal(count("b warning 2"), 1);
	assert_int_equal(count("a critical 3"), 0);
	assert_int_equal(count("a critical 4"), 0);
	for (i = 0; i < kept.n; i++)
		assert_int_equal(strncmp(kept.name[i], "Probe.", 6), 0);
}

/* Any logger of the backend, not only the process's own. */
static void
other_loggers_travel_too(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "p" });
	pid_t pid = mproc_pid(p);

	assert_int_equal(mproc_call(p, SOON, NULL, probe_burst,
	    .name = "lib.part", .count = 3), 0);
	fix_finish(p);
	assert_int_equal(kept.n, 3);
	assert_string_equal(kept.name[2], "lib.part");
	assert_string_equal(kept.text[2], "burst 2");
	assert_int_equal(kept.pid[2], pid);
}

static void
vk43_a_thousand_failures_are_logged(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "failing" });
	struct mproc_stats s;
	int i, warnings = 0;

	for (i = 0; i < 1000; i++)
		assert_int_equal(mproc_send(p, probe_fail, .code = -EIO,
		    .text = "broken"), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_status(p), MPROC_STATUS_RUNNING);
	assert_int_equal(mproc_stop(p), 0);
	fix_law(p, &s);
	assert_int_equal(s.failed, 1000);
	assert_int_equal(s.logs, 1000);
	assert_int_equal(s.logs_dropped, 0);
	fix_finish(p);
	for (i = 0; i < kept.n; i++) {
		warnings += kept.level[i] == MPROC_WARNING;
		assert_non_null(strstr(kept.text[i], "c__fail"));
		assert_non_null(strstr(kept.text[i], "broken"));
	}
	assert_int_equal(warnings, 1000);
}

/* An unknown cast is said once, and counted each time. */
static void
vk8_unknown_casts_are_logged_once(void **state)
{
	struct mproc_options opt = { .launch = fix_placement(state),
		.name = "u" };
	struct mproc *p = fix_new(&probe_class, opt);
	struct mproc_stats s;
	struct mproc_msg *msg;
	int i;

	assert_int_equal(mproc_start(p), 0);
	/* the frontend refuses it: so a wrong argument stands for it here */
	assert_int_equal(mproc_msg_new("note", &msg), 0);
	assert_int_equal(mproc_msg_set(msg, "surplus", 1), 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(mproc_send_msg(p, msg), 0);
	mproc_msg_free(msg);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_stop(p), 0);
	fix_law(p, &s);
	assert_int_equal(s.failed, 5);
	assert_true(kept.n >= 1);
	assert_non_null(strstr(kept.text[0], "refused"));
	mproc_free(p);
}

/* Ask 34: logged, then dead: it is there, before the death is told. */
static void
the_last_record_arrives(void **state)
{
	static const int sigs[] = { SIGABRT, SIGKILL, SIGSEGV };
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state), .name = "last" });
	int i, tries = (int)test_count("MPROC_CHAOS_LOGS", 60);
	char text[48];

	for (i = 0; i < tries; i++) {
		kept.n = 0;
		snprintf(text, sizeof(text), "last words %d", i);
		assert_int_equal(mproc_start(p), 0);
		assert_int_equal(mproc_call(p, -1, NULL, probe_last,
		    .text = text, .sig = sigs[i % 3]), -EPIPE);
		assert_string_equal(mproc_death(p)->last_log, text);
		assert_int_equal(mproc_death(p)->signal, sigs[i % 3]);
		assert_int_equal(count(text), 1);
	}
	fix_finish(p);
}

/* Who has the error of a call may end the backend: its record is here. */
static void
vk43_a_failure_is_logged_before_its_answer(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state), .name = "brief" });
	int i, tries = (int)test_count("MPROC_CHAOS_LOGS", 60);

	for (i = 0; i < tries; i++) {
		kept.n = 0;
		assert_int_equal(mproc_start(p), 0);
		assert_int_equal(mproc_call(p, SOON, NULL, probe_fail,
		    .code = -EIO, .text = "broken"), -EIO);
		assert_int_equal(mproc_kill(p), 0);
		assert_int_equal(kept.n, 1);
		assert_non_null(strstr(kept.text[0], "broken"));
	}
	fix_finish(p);
}

/* Many records before it: the last of them. */
static void
many_records_then_death(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "many" });
	struct mproc_stats s;

	assert_int_equal(mproc_send(p, probe_burst, .name = "x",
	    .count = 300), 0);
	assert_int_equal(mproc_send(p, probe_last, .text = "the end",
	    .sig = SIGKILL), 0);
	assert_string_equal(fix_dead(p)->last_log, "the end");
	fix_law(p, &s);
	assert_int_equal(s.logs, 301);
	assert_int_equal(s.logs_dropped, 0);
	assert_int_equal(kept.n, 301);
	fix_finish(p);
}

/* Nobody reads: bounded waiting, then dropped, and counted to the last. */
static void
a_full_lane_drops_and_counts(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "full", .log_block_ms = 1 });
	struct mproc_activity a;
	struct mproc_stats s;
	int64_t end = test_now_ms() + SOON;

	assert_int_equal(mproc_send(p, probe_burst, .name = "x",
	    .count = 3000), 0);
	/* activity looks at the page only, and receives nothing */
	fix_runs(p, "burst");
	do
		assert_int_equal(mproc_activity(p, &a), 0);
	while (a.command[0] != '\0' && test_now_ms() < end);
	assert_int_equal(mproc_stop(p), 0);
	fix_law(p, &s);
	assert_int_equal(s.logs + s.logs_dropped, 3000);
	assert_true(s.logs_dropped > 0);
	assert_int_equal(kept.n, s.logs);
	fix_finish(p);
}

/* A reader that comes in time loses nothing. */
static void
a_full_lane_waits_a_little(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "slow", .log_block_ms = SOON });
	struct mproc_stats s;

	assert_int_equal(mproc_call(p, SOON, NULL, probe_burst, .name = "x",
	    .count = 4000), 0);
	assert_int_equal(mproc_stop(p), 0);
	fix_law(p, &s);
	assert_int_equal(s.logs, 4000);
	assert_int_equal(s.logs_dropped, 0);
	assert_int_equal(kept.n, 4000);
	fix_finish(p);
}

/* A sink that talks to the process whose record it has. */
static void
call_back(const struct mproc_log_record *rec, void *arg)
{
	struct mproc *p = *(struct mproc **)arg;

	(void)rec;
	kept.n++;
	(void)mproc_send(p, probe_note, .n = 1);
	(void)mproc_status(p);
}

static void
a_sink_may_use_the_process(void **state)
{
	struct mproc *p = NULL;
	struct mproc_sink sink = mproc_sink_callback(MPROC_DEBUG, call_back,
	    &p);

	kept.n = 0;
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	p = fix_start(state, (struct mproc_options){ .name = "back" });
	assert_int_equal(mproc_call(p, SOON, NULL, probe_burst, .name = "x",
	    .count = 50), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(kept.n, 50);
	fix_law(p, NULL);
	mproc_free(p);
}

/*
 * All that a sink may want of its process: receive, ask, send, wait.  A
 * round of the library is under way further up the same stack.
 */
struct deep {
	struct mproc	*p;
	_Atomic int	 records, received, bad;
};

static void
use_all_of_it(const struct mproc_log_record *rec, void *arg)
{
	struct deep *d = arg;
	struct mproc_future *f;
	struct mproc_stats s;
	struct mproc_msg *msg;

	if (strcmp(rec->text, "deep") != 0)
		return;
	d->records++;
	d->bad += mproc_stats(d->p, &s) != 0 || s.logs == 0;
	d->bad += mproc_send(d->p, probe_emit, .count = 1) != 0;
	d->bad += mproc_ping(d->p, SOON) != 0;
	d->bad += mproc_call(d->p, SOON, NULL, probe_echo) != 0;
	d->bad += mproc_ask(d->p, SOON, &f, probe_echo) != 0 ||
	    mproc_future_wait(f, SOON) != 0 || mproc_future_result(f) != 0;
	mproc_future_free(f);
	/* the call came after it: what was emitted is here, or was taken */
	while (mproc_recv(d->p, 0, &msg) == 1) {
		d->received++;
		mproc_msg_free(msg);
	}
}

static void *
receive_items(void *arg)
{
	struct deep *d = arg;
	struct mproc_msg *msg;

	while (mproc_recv(d->p, SOON, &msg) == 1) {
		d->received++;
		mproc_msg_free(msg);
	}
	return NULL;
}

#define DEEP	200

static void
a_sink_may_wait_for_the_process(void **state)
{
	struct deep d = { .records = 0 };
	struct mproc_sink sink = mproc_sink_callback(MPROC_DEBUG,
	    use_all_of_it, &d);
	int i, rounds = DEEP / test_slow();
	pthread_t thread;

	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	d.p = fix_start(state, (struct mproc_options){ .name = "deep" });
	/* alone, then with another thread that leads, or waits, at any time */
	for (i = 0; i < 2 * rounds; i++) {
		if (i == rounds)
			assert_int_equal(pthread_create(&thread, NULL,
			    receive_items, &d), 0);
		assert_int_equal(mproc_call(d.p, SOON, NULL, probe_say,
		    .level = MPROC_INFO, .text = "deep"), 0);
	}
	/* none is on its way when the stop begins to refuse what it sends */
	for (i = 0; d.received < 2 * rounds && i < SOON; i++)
		assert_int_equal(mproc_ping(d.p, SOON), 0);
	assert_int_equal(mproc_stop(d.p), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(d.bad, 0);
	assert_int_equal(d.records, 2 * rounds);
	assert_int_equal(d.received, 2 * rounds);
	fix_finish(d.p);
}

/* What comes after the reply reaches no caller, but the log. */
static void
vk43_what_follows_a_reply_is_logged(void **state)
{
	static const char *const texts[] = {
		"class Probe, c__relapse failed after its reply, which "
		    "stands: too late (EDOM), call 1",
		"class Probe, c__twice replied again: the first reply "
		    "stands, call 2"
	};
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	int i;

	assert_int_equal(mproc_call(p, SOON, NULL, probe_relapse), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_twice), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(kept.n, 2);
	for (i = 0; i < 2; i++) {
		assert_string_equal(kept.text[i], texts[i]);
		assert_int_equal(kept.level[i], MPROC_WARNING);
	}
	fix_finish(p);
}

/* No sink at all: received, counted, thrown away. */
static void
without_a_sink_nothing_happens(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "silent" });
	struct mproc_stats s;

	say(p, MPROC_ERROR, "into the void");
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.logs, 1);
	assert_string_equal(mproc_death(p)->last_log, "into the void");
	fix_finish(p);
}

#define KEPT(test, i, name)						\
	{ #test " (" name ")", test, keep_logs, reset, &fix_placements[i] }
#define KEPT_PROCESSES(test)						\
	KEPT(test, 0, "forkserver"), KEPT(test, 1, "fork"),		\
	KEPT(test, 2, "spawn")
#define BARE(test, i, name)						\
	{ #test " (" name ")", test, NULL, reset, &fix_placements[i] }

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BARE(vk27_the_classic_line, 0, "forkserver"),
		BARE(vk27_the_classic_line, 1, "fork"),
		BARE(vk27_the_classic_line, 2, "spawn"),
		BARE(vk27_the_classic_line, 3, "thread"),
		KEPT_PROCESSES(vk28_levels_change_at_run_time),
		KEPT(vk28_levels_change_at_run_time, 3, "thread"),
		KEPT_PROCESSES(other_loggers_travel_too),
		KEPT_PROCESSES(vk43_a_thousand_failures_are_logged),
		KEPT_PROCESSES(vk43_a_failure_is_logged_before_its_answer),
		KEPT(vk43_a_thousand_failures_are_logged, 3, "thread"),
		KEPT_PROCESSES(vk43_what_follows_a_reply_is_logged),
		KEPT(vk43_what_follows_a_reply_is_logged, 3, "thread"),
		KEPT_PROCESSES(vk8_unknown_casts_are_logged_once),
		KEPT_PROCESSES(the_last_record_arrives),
		KEPT_PROCESSES(many_records_then_death),
		KEPT(a_full_lane_drops_and_counts, 0, "forkserver"),
		KEPT_PROCESSES(a_full_lane_waits_a_little),
		BARE(a_sink_may_use_the_process, 0, "forkserver"),
		BARE(a_sink_may_use_the_process, 3, "thread"),
		BARE(a_sink_may_wait_for_the_process, 0, "forkserver"),
		BARE(a_sink_may_wait_for_the_process, 1, "fork"),
		BARE(a_sink_may_wait_for_the_process, 3, "thread"),
		BARE(without_a_sink_nothing_happens, 0, "forkserver"),
	};
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
