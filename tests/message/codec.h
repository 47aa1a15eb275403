/*
 * codec.h - what the message tests share: a message with a field of every
 * type, and bodies there and back.
 */
#ifndef MPROC_TESTS_MESSAGE_CODEC_H
#define MPROC_TESTS_MESSAGE_CODEC_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc/message.h>

#include "message/message.h"
#include "test.h"

MPROC_MESSAGE(test, all, (bool, b), (int, i), (int64_t, l), (uint64_t, u),
    (double, d), (const char *, s), (struct mproc_bytes, raw),
    (struct mproc_fd, fd), (struct mproc_value, v));
MPROC_MESSAGE(test, empty);
MPROC_MESSAGE(counter, add, (int64_t, by), (const char *, label));
MPROC_MESSAGE(counter, pair, (const char *, a), (const char *, b));

/* Append a cast: test_put(&buf, counter_add, .by = 3) */
#define test_put(buf_, message_, ...)					\
	mproc__kwargs(message_, mproc__encode((buf_), MPROC__CAST, 0,	\
	    MPROC_SCHEMA(message_), &mproc__kw, NULL, SIZE_MAX,		\
	    &test_fds) __VA_OPT__(,) __VA_ARGS__)

extern struct mproc__fdset test_fds;	/* what the last test_put named */

/* A writable body, one byte longer, as a channel gives it; free(). */
static inline uint8_t *
test_body(const void *bytes, size_t size)
{
	uint8_t *body = malloc(size + 1);

	assert_non_null(body);
	memcpy(body, bytes, size);
	body[size] = 0x5a;
	return body;
}

/* Read the envelope of a buffer that was just encoded. */
static inline void
test_open(struct mproc__buf *buf, struct mproc__envelope *ret)
{
	assert_non_null(mproc__buf_reserve(buf, 1));
	assert_int_equal(mproc__envelope_read(buf->data, buf->len, ret), 0);
}

/* A received message of a buffer that was just encoded. */
static inline struct mproc_msg *
test_receive(struct mproc__buf *buf, const int *fds, int n_fds)
{
	struct mproc_msg *msg = NULL;

	assert_int_equal(mproc__msg_copy(buf->data, buf->len, fds, n_fds,
	    &msg), 0);
	mproc__buf_done(buf);
	return msg;
}

static inline struct mproc_msg *
test_build(const char *command)
{
	struct mproc_msg *msg = NULL;

	assert_int_equal(mproc_msg_new(command, &msg), 0);
	return msg;
}

/* Send it and receive it again; the fds it names are duplicated. */
static inline struct mproc_msg *
test_resend(const struct mproc_msg *msg, const char *command)
{
	struct mproc__buf buf = { .data = NULL };
	int fds[MPROC__FDS_MAX], i;

	assert_int_equal(mproc__encode_msg(&buf, MPROC__CALL, 9, command, msg,
	    NULL, SIZE_MAX, &test_fds), 0);
	for (i = 0; i < test_fds.n; i++) {
		fds[i] = dup(test_fds.fd[i]);
		assert_true(fds[i] >= 0);
	}
	return test_receive(&buf, fds, test_fds.n);
}

#define test_errmsg(text_)	assert_string_equal(mproc__err_text(), text_)

#endif
