/*
 * output_test.c - captured stdout and stderr come line by line as log
 * records, to the last line before a death.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define KEEP	8192

static struct kept {
	int		 n;
	struct line {
		enum mproc_level level;
		char	 name[40], text[64];
		size_t	 len;
	} line[KEEP];
} kept;

static void
keep(const struct mproc_log_record *rec, void *arg)
{
	struct line *l = &kept.line[kept.n % KEEP];

	(void)arg;
	kept.n++;
	l->level = rec->level;
	l->len = rec->text_len;
	snprintf(l->name, sizeof(l->name), "%s", rec->name);
	snprintf(l->text, sizeof(l->text), "%s", rec->text);
}

static int
keep_lines(void **state)
{
	struct mproc_sink sink = mproc_sink_callback(MPROC_DEBUG, keep, NULL);

	(void)state;
	kept.n = 0;
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

/* The i-th line of that stream. */
static const struct line *
line(const char *stream, int i)
{
	static const struct line none;
	char name[40];
	int at;

	snprintf(name, sizeof(name), "Probe.p.%s", stream);
	for (at = 0; at < kept.n; at++)
		if (strcmp(kept.line[at].name, name) == 0 && i-- == 0)
			return &kept.line[at];
	return &none;
}

static void
lines_become_records(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "p", .capture_output = true });
	struct mproc_stats s;

	assert_int_equal(mproc_send(p, probe_print, .text = "one\ntwo"), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_print,
	    .text = "three"), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(kept.n, 6);
	assert_string_equal(line("stdout", 0)->text, "out one");
	assert_string_equal(line("stdout", 1)->text, "two");
	assert_string_equal(line("stdout", 2)->text, "out three");
	assert_int_equal(line("stdout", 0)->level, MPROC_INFO);
	assert_string_equal(line("stderr", 0)->text, "err one");
	assert_string_equal(line("stderr", 1)->text, "two");
	assert_string_equal(line("stderr", 2)->text, "err three");
	assert_int_equal(line("stderr", 0)->level, MPROC_WARNING);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.logs, 6);
	fix_finish(p);
}

/* Without an end, of no length, too long. */
static void
odd_lines(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "p", .capture_output = true });
	char *text = malloc(5000);

	assert_non_null(text);
	memset(text, 'x', 4999);
	text[4999] = '\0';
	assert_int_equal(mproc_send(p, probe_print, .text = ""), 0);
	assert_int_equal(mproc_send(p, probe_print, .text = "cr\r\n"), 0);
	assert_int_equal(mproc_send(p, probe_print, .text = text), 0);
	free(text);
	assert_int_equal(mproc_stop(p), 0);
	assert_string_equal(line("stdout", 0)->text, "out ");
	assert_string_equal(line("stdout", 1)->text, "out cr");
	assert_string_equal(line("stdout", 2)->text, "");
	assert_int_equal(line("stdout", 2)->len, 0);
	assert_int_equal(line("stdout", 3)->len, MPROC_LOG_TEXT_MAX);
	assert_true(line("stdout", 4)->len > 900);
	fix_finish(p);
}

/* abort(3) speaks last: what came before it is not lost. */
static void
the_last_line_before_a_death(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "p", .capture_output = true });

	assert_int_equal(mproc_send(p, probe_print, .text = "farewell"), 0);
	assert_int_equal(mproc_send(p, probe_die, .sig = SIGKILL), 0);
	assert_int_equal(fix_dead(p)->signal, SIGKILL);
	assert_string_equal(line("stdout", 0)->text, "out farewell");
	assert_string_equal(line("stderr", 0)->text, "err farewell");
	assert_non_null(strstr(mproc_death(p)->last_log, "farewell"));
	fix_finish(p);
}

/* More than a pipe holds, while the frontend does something else. */
static void
a_flood_of_lines(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "p", .capture_output = true, .stop_grace_ms = SOON });
	char text[32];
	int i, n = 3000 / test_slow();

	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%d with some text", i);
		assert_int_equal(mproc_send(p, probe_print, .text = text), 0);
	}
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(kept.n, 2 * n);
	for (i = 0; i < n; i += 97) {
		snprintf(text, sizeof(text), "out %d with some text", i);
		assert_string_equal(line("stdout", i)->text, text);
	}
	fix_finish(p);
}

/* The descriptor is readable for a line, and silent after it. */
static void
the_fd_tells_of_lines(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "p", .capture_output = true });
	int fd = mproc_fd(p);
	struct mproc_msg *msg;
	int64_t end = test_now_ms() + SOON;

	assert_int_equal(mproc_send(p, probe_print, .text = "hello"), 0);
	while (kept.n < 2 && test_now_ms() < end) {
		assert_int_not_equal(test_poll(fd, POLLIN, SOON), 0);
		assert_int_equal(mproc_recv(p, 0, &msg), 0);
	}
	assert_int_equal(kept.n, 2);
	/* over restarts, too */
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_print,
	    .text = "again"), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(kept.n, 4);
	fix_finish(p);
}

/* A grandchild holds the pipe: its line comes, and it ends nothing. */
static void
what_a_grandchild_holds(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "p", .capture_output = true });

	assert_int_equal(mproc_call(p, SOON, NULL, probe_grandchild), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_print,
	    .text = "still"), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_string_equal(line("stdout", 0)->text, "out still");
	fix_finish(p);
}

/* Not captured, it goes where the program's goes. */
static void
not_captured(void **state)
{
	struct mproc *p;
	char buf[64] = "";
	int fds[2], old = dup(STDOUT_FILENO);

	assert_int_equal(pipe(fds), 0);
	fflush(stdout);
	assert_true(dup2(fds[1], STDOUT_FILENO) >= 0);
	p = fix_start(state, (struct mproc_options){ .name = "p" });
	assert_true(dup2(old, STDOUT_FILENO) >= 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_print,
	    .text = "plain"), 0);
	fix_finish(p);
	close(fds[1]);
	assert_true(read(fds[0], buf, sizeof(buf) - 1) > 0);
	assert_string_equal(buf, "out plain\n");
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 0);
	assert_int_equal(kept.n, 0);
	close(fds[0]);
	close(old);
}

#define KEPT(test, i, name)						\
	{ #test " (" name ")", test, keep_lines, reset, &fix_placements[i] }
#define KEPT_PROCESSES(test)						\
	KEPT(test, 0, "forkserver"), KEPT(test, 1, "fork"),		\
	KEPT(test, 2, "spawn")

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		KEPT_PROCESSES(lines_become_records),
		KEPT_PROCESSES(odd_lines),
		KEPT_PROCESSES(the_last_line_before_a_death),
		KEPT_PROCESSES(a_flood_of_lines),
		KEPT_PROCESSES(the_fd_tells_of_lines),
		KEPT_PROCESSES(what_a_grandchild_holds),
		KEPT(not_captured, 0, "forkserver"),
		KEPT(not_captured, 1, "fork"),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
