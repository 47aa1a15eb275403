/*
 * capture.h - a sink's function that keeps what it gets, and a pipe as sink.
 */
#ifndef MPROC_TESTS_LOG_CAPTURE_H
#define MPROC_TESTS_LOG_CAPTURE_H

#include "test.h"

#include <mproc/log.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CAPTURE_MAX	64

struct capture {
	int			n;
	struct mproc_log_record	last;	/* without the strings */
	char			name[CAPTURE_MAX][64];
	char			text[CAPTURE_MAX][128];
	enum mproc_level	level[CAPTURE_MAX];
	char			process[64];
};

static inline void
capture(const struct mproc_log_record *rec, void *arg)
{
	struct capture *c = arg;

	if (c->n < CAPTURE_MAX) {
		(void)strncpy(c->name[c->n], rec->name, 63);
		(void)strncpy(c->text[c->n], rec->text, 127);
		c->level[c->n] = rec->level;
	}
	(void)strncpy(c->process, rec->process, 63);
	c->last = *rec;
	c->n++;
}

static inline int
add_capture(const char *name, enum mproc_level level, struct capture *c)
{
	struct mproc_sink sink = mproc_sink_callback(level, capture, c);
	int id = 0;

	memset(c, 0, sizeof(*c));
	assert_int_equal(mproc_log_add_sink(name, &sink, &id), 0);
	assert_true(id > 0);
	return id;
}

/* A pipe whose writing end is a sink on the logger; returns the other. */
static inline int
add_pipe(const char *name, const char *format)
{
	struct mproc_sink sink = { .kind = MPROC_SINK_FD, .format = format };
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	sink.fd = fds[1];
	assert_int_equal(mproc_log_add_sink(name, &sink, NULL), 0);
	close(fds[1]);
	return fds[0];
}

/* All that is in the pipe, as a string. */
static inline const char *
drain(int fd)
{
	static char all[65536];
	ssize_t n = read(fd, all, sizeof(all) - 1);

	all[n < 0 ? 0 : n] = '\0';
	return all;
}

static inline int
reset(void **state)
{
	(void)state;
	mproc_log_reset();
	return 0;
}

#define LOG_TEST(fn)	cmocka_unit_test_teardown(fn, reset)

#endif
