/*
 * The datagram, dispatch in the frontend, forwarding in the backend, and
 * captured output.
 */
#include <stdio.h>
#include <stdlib.h>

#include "capture.h"

#include "log/log.h"

static const struct mproc_log_record sample = {
	.level = MPROC_WARNING,
	.name = "Counter.counter-1",
	.process = "counter-1",
	.pid = 4711,
	.tid = 4712,
	.time_ns = INT64_C(1700000000123456789),
	.text = "hello",
	.text_len = 5,
};

static void
datagram_and_back(void **state)
{
	uint8_t buf[MPROC__LOG_DATAGRAM_MAX];
	struct mproc_log_record rec;
	int n;

	(void)state;
	n = mproc__log_encode(&sample, buf, sizeof(buf));
	assert_int_equal(n, MPROC__LOG_HEADER + 18 + 10 + 6);
	assert_int_equal(mproc__log_decode(buf, (size_t)n, &rec), 0);
	assert_int_equal(rec.level, sample.level);
	assert_string_equal(rec.name, sample.name);
	assert_string_equal(rec.process, sample.process);
	assert_int_equal(rec.pid, sample.pid);
	assert_int_equal(rec.tid, sample.tid);
	assert_true(rec.time_ns == sample.time_ns);
	assert_string_equal(rec.text, sample.text);
	assert_int_equal(rec.text_len, 5);
}

static void
datagram_layout_is_fixed(void **state)
{
	static const uint8_t want[] = {
		1, 3, 1, 0, 1, 0, 2, 0,
		0x67, 0x12, 0, 0, 0x68, 0x12, 0, 0,
		0x15, 0xcd, 0x5b, 0x07, 0, 0, 0, 0,
		'n', 0, 'p', 0, 't', 0, 0
	};
	struct mproc_log_record rec = sample;
	uint8_t buf[64];

	(void)state;
	rec.name = "n";
	rec.process = "p";
	rec.time_ns = 123456789;
	rec.text = "t\0";
	rec.text_len = 2;		/* with a NUL: captured output may */
	assert_int_equal(mproc__log_encode(&rec, buf, sizeof(buf)),
	    sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	assert_int_equal(mproc__log_decode(want, sizeof(want), &rec), 0);
	assert_int_equal(rec.text_len, 2);
}

static void
datagram_cuts_what_is_too_long(void **state)
{
	static char name[1000], text[10000];
	uint8_t buf[MPROC__LOG_DATAGRAM_MAX];
	struct mproc_log_record rec = sample, got;
	size_t size;
	int n;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	memset(text, 't', sizeof(text) - 1);
	rec.name = rec.process = name;
	rec.text = text;
	rec.text_len = sizeof(text) - 1;
	n = mproc__log_encode(&rec, buf, sizeof(buf));
	assert_int_equal(n, MPROC__LOG_DATAGRAM_MAX);
	assert_int_equal(mproc__log_decode(buf, (size_t)n, &got), 0);
	assert_int_equal(strlen(got.name), MPROC_LOG_NAME_MAX);
	assert_int_equal(strlen(got.process), MPROC__LOG_PROCESS_MAX);
	assert_int_equal(got.text_len, MPROC_LOG_TEXT_MAX);
	assert_string_equal(got.text + got.text_len - 7, "t [...]");
	/* Every size is either too small or filled, and never passed. */
	rec.name = "nn";
	rec.process = "p";
	for (size = 0; size < 200; size++) {
		memset(buf, 0xee, sizeof(buf));
		n = mproc__log_encode(&rec, buf, size);
		assert_int_equal(buf[size], 0xee);
		if (size < MPROC__LOG_HEADER + 3 + 2 + 1 + 6) {
			assert_int_equal(n, -EMSGSIZE);
			continue;
		}
		assert_int_equal(n, size);
		assert_int_equal(mproc__log_decode(buf, size, &got), 0);
	}
	rec.level = MPROC_OFF;
	assert_int_equal(mproc__log_encode(&rec, buf, sizeof(buf)), -EINVAL);
}

static void
hostile_datagrams_are_refused(void **state)
{
	static const struct {
		size_t	at;
		uint8_t	byte;
	} bad[] = {
		{ 0, 0 }, { 0, 2 }, { 1, 0 }, { 1, 6 }, { 1, 255 },
		{ 2, 16 }, { 2, 18 }, { 3, 1 }, { 3, 255 }, { 4, 8 },
		{ 4, 10 }, { 5, 255 }, { 6, 4 }, { 6, 6 }, { 7, 255 },
		{ 11, 0x80 }, { 15, 0xff },
		{ 24 + 3, 0 },			/* NUL in the name */
		{ 24 + 17, 'x' },		/* no NUL after it */
		{ 24 + 18 + 1, 0 }, { 24 + 18 + 9, 'x' },
		{ 24 + 18 + 10 + 5, 'x' },
	};
	uint8_t good[128], *exact;
	struct mproc_log_record rec;
	int n = mproc__log_encode(&sample, good, sizeof(good));
	size_t i, size = (size_t)n;

	(void)state;
	assert_true(n > 0);
	memset(&rec, 0x5a, sizeof(rec));
	for (i = 0; i < TEST_COUNT(bad); i++) {
		exact = malloc(size);	/* so that ASan sees its ends */
		assert_non_null(exact);
		memcpy(exact, good, size);
		exact[bad[i].at] = bad[i].byte;
		assert_int_equal(mproc__log_decode(exact, size, &rec),
		    -EBADMSG);
		free(exact);
	}
	for (i = 0; i < size; i++) {
		exact = malloc(i + 1);
		assert_non_null(exact);
		memcpy(exact, good, i);
		assert_int_equal(mproc__log_decode(exact, i, &rec), -EBADMSG);
		free(exact);
	}
	good[size] = 0;
	assert_int_equal(mproc__log_decode(good, size + 1, &rec), -EBADMSG);
	assert_int_equal(rec.pid, 0x5a5a5a5a);	/* as before */
}

/* Any bytes: refused, or a record that can be read and encoded again. */
static void
random_datagrams(void **state)
{
	uint8_t buf[128], again[MPROC__LOG_DATAGRAM_MAX];
	struct mproc_log_record rec;
	int i, j, n, taken = 0;
	size_t size;

	(void)state;
	srandom(34);
	for (i = 0; i < 200000; i++) {
		n = mproc__log_encode(&sample, buf, sizeof(buf));
		size = (size_t)n;
		for (j = (int)(random() % 4); j >= 0; j--)
			buf[random() % n] = (uint8_t)random();
		if (mproc__log_decode(buf, size, &rec) < 0)
			continue;
		taken++;
		assert_int_equal(mproc__log_encode(&rec, again,
		    sizeof(again)), n);
		assert_memory_equal(buf, again, size);
	}
	assert_true(taken > 0);
}

static void
dispatch_honours_levels_and_sinks(void **state)
{
	struct mproc_log_record rec = sample;
	unsigned live;
	struct capture c;

	(void)state;
	mproc__log_dispatch(&rec);		/* no sinks: nothing */
	add_capture("Counter", MPROC_LEVEL_DEFAULT, &c);
	live = test_alloc_live();
	mproc__log_dispatch(&rec);
	rec.level = MPROC_DEBUG;
	mproc__log_dispatch(&rec);
	rec.level = MPROC_ERROR;
	rec.name = "Other.x";
	mproc__log_dispatch(&rec);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.name[0], "Counter.counter-1");
	assert_string_equal(c.process, "counter-1");
	assert_int_equal(c.last.pid, 4711);
	/* Names that a backend invents cost nothing. */
	assert_int_equal(test_alloc_live(), live);
	assert_int_equal(mproc_log_set_level("Counter.counter-1",
	    MPROC_ERROR), 0);
	rec = sample;
	mproc__log_dispatch(&rec);
	rec.name = "Counter.counter-2.db";
	mproc__log_dispatch(&rec);
	assert_int_equal(c.n, 2);
}

static void
forward_replaces_all_sinks(void **state)
{
	struct mproc_logger *l = mproc_logger("Counter.counter-1");
	struct capture parent, c = { 0 };
	struct mproc_sink sink;
	int fds[2], sink_fd;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	/* The lowest number that is free is what the sink will have. */
	sink_fd = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
	close(sink_fd);
	sink = mproc_sink_fd(MPROC_LEVEL_DEFAULT, fds[1]);
	assert_int_equal(mproc_log_add_sink("", &sink, NULL), 0);
	add_capture("Counter", MPROC_LEVEL_DEFAULT, &parent);
	mproc_log_set_level("Counter", MPROC_CRITICAL);
	mproc_log_set_propagate("Counter", false);
	mproc__log_forward("counter-1", capture, &c, MPROC_DEBUG);
	mproc_log_debug(l, "1");
	assert_int_equal(parent.n, 0);
	assert_string_equal(drain(fds[0]), "");
	assert_int_equal(c.n, 1);
	assert_string_equal(c.name[0], "Counter.counter-1");
	assert_string_equal(c.process, "counter-1");
	mproc_log_set_level("", MPROC_ERROR);
	mproc_log_warning(l, "2");
	mproc_log_error(l, "3");
	assert_int_equal(c.n, 2);
	/* The backend may add its own beside. */
	add_capture("", MPROC_LEVEL_DEFAULT, &parent);
	mproc_log_error(l, "4");
	assert_int_equal(c.n, 3);
	assert_int_equal(parent.n, 1);
	/* It has left the descriptor to the caller, who closes them all. */
	assert_int_equal(close(sink_fd), 0);
	close(fds[0]);
	close(fds[1]);
}

struct lines {
	int	n;
	char	all[65536];
	size_t	len, longest;
};

static void
take_line(const char *line, size_t len, void *arg)
{
	struct lines *t = arg;

	assert_int_equal(line[len], '\0');
	assert_true(len <= MPROC_LOG_TEXT_MAX);
	memcpy(t->all + t->len, line, len);
	t->len += len;
	t->all[t->len++] = '|';
	t->all[t->len] = '\0';
	if (len > t->longest)
		t->longest = len;
	t->n++;
}

static void
output_is_taken_into_lines(void **state)
{
	static const char in[] = "one\ntwo\r\n\nthr\0ee\nrest";
	static struct mproc__lines l;
	static struct lines t;
	size_t step, i, n;

	(void)state;
	for (step = 1; step < sizeof(in); step++) {
		memset(&t, 0, sizeof(t));
		for (i = 0; i < sizeof(in) - 1; i += n) {
			n = sizeof(in) - 1 - i;
			n = n < step ? n : step;
			mproc__lines_feed(&l, in + i, n, take_line, &t);
		}
		assert_int_equal(t.n, 4);
		mproc__lines_flush(&l, take_line, &t);
		mproc__lines_flush(&l, take_line, &t);
		assert_int_equal(t.n, 5);
		assert_memory_equal(t.all, "one|two||thr\0ee|rest|", 21);
	}
}

static void
long_output_is_cut_into_pieces(void **state)
{
	static char in[MPROC_LOG_TEXT_MAX + 2];
	static struct mproc__lines l;
	static struct lines t;
	int i;

	(void)state;
	/* As long as may be: whole. */
	memset(in, 'x', sizeof(in));
	mproc__lines_feed(&l, in, MPROC_LOG_TEXT_MAX, take_line, &t);
	assert_int_equal(t.n, 0);
	mproc__lines_feed(&l, "\n", 1, take_line, &t);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.longest, MPROC_LOG_TEXT_MAX);
	/* One byte more: two pieces, with nothing lost. */
	memset(&t, 0, sizeof(t));
	mproc__lines_feed(&l, in, MPROC_LOG_TEXT_MAX + 1, take_line, &t);
	mproc__lines_feed(&l, "\n", 1, take_line, &t);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.len, MPROC_LOG_TEXT_MAX + 1 + 6 + 2);
	/* No newline ever: memory stays bounded, characters whole. */
	memset(&t, 0, sizeof(t));
	for (i = 0; i < 10000; i++)
		mproc__lines_feed(&l, "\xe2\x82\xac", 3, take_line, &t);
	mproc__lines_flush(&l, take_line, &t);
	assert_int_equal(t.n, 8);
	for (i = 0; i < (int)t.len; i++)
		if (t.all[i] == ' ')
			assert_int_equal((uint8_t)t.all[i - 1], 0xac);
	assert_int_equal(l.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(datagram_and_back),
		LOG_TEST(datagram_layout_is_fixed),
		LOG_TEST(datagram_cuts_what_is_too_long),
		LOG_TEST(hostile_datagrams_are_refused),
		LOG_TEST(random_datagrams),
		LOG_TEST(dispatch_honours_levels_and_sinks),
		LOG_TEST(forward_replaces_all_sinks),
		LOG_TEST(output_is_taken_into_lines),
		LOG_TEST(long_output_is_cut_into_pieces),
	};

	return TEST_RUN(tests);
}
