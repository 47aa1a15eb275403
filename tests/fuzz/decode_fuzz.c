/*
 * decode_fuzz.c - any body as a message object: msgpack-c takes what our scan
 * took, reading in every way leaves the message as it came, and what is sent
 * on is the same.
 */
#include <msgpack.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mproc/message.h>

#include "agree.h"
#include "fuzz.h"
#include "message/message.h"
#include "message/token.h"

MPROC_MESSAGE(fuzz, all, (bool, b), (int, i), (int64_t, l), (uint64_t, u),
    (double, d), (const char *, s), (struct mproc_bytes, bytes),
    (struct mproc_fd, fd), (struct mproc_value, value), (const char *, t));

static void
msgpack_c_agrees(const uint8_t *body, size_t size)
{
	msgpack_unpacked u;
	size_t off = 0;

	msgpack_unpacked_init(&u);
	MUST(msgpack_unpack_next(&u, (const char *)body, size, &off) ==
	    MSGPACK_UNPACK_SUCCESS);
	MUST(off == size && u.data.type == MSGPACK_OBJECT_ARRAY);
	msgpack_unpacked_destroy(&u);
}

/* One field in every way; most of them refuse. */
static void
read_field(struct mproc_msg *m, const char *name)
{
	struct mproc_bytes bytes;
	struct mproc_value value;
	struct mproc_fd fd;
	const char *str;
	uint64_t u;
	int64_t l;
	double d;
	int32_t i;
	bool b;

	(void)mproc_msg_get(m, name, &b);
	(void)mproc_msg_get(m, name, &i);
	(void)mproc_msg_get(m, name, &l);
	(void)mproc_msg_get(m, name, &u);
	(void)mproc_msg_get(m, name, &d);
	(void)mproc_msg_get(m, name, &fd);
	(void)mproc_msg_get(m, name, &value);
	if (mproc_msg_get(m, name, &bytes) == 0 &&
	    mproc_msg_get(m, name, &str) == 0)
		MUST(str == bytes.data && strlen(str) == bytes.size);
}

static void
read_all(struct mproc_msg *m)
{
	struct mproc_schema schema = *MPROC_SCHEMA(fuzz_all);
	struct mproc_value value;
	char before[512], after[512], name[256];
	const struct fuzz_all *all;
	const char *field;
	size_t i;
	int n;

	n = mproc_msg_print(m, before, sizeof(before));
	schema.command = mproc_msg_command(m);
	schema.hash = NULL;
	all = mproc_args_typed(m, &schema);
	for (i = 0; i < mproc_msg_count(m) && i < 40; i++) {
		MUST(mproc_msg_field(m, i, &field, &value) == 0);
		MUST(strlen(field) < sizeof(name));
		snprintf(name, sizeof(name), "%s", field);
		read_field(m, name);
		MUST(mproc_value_type(value) >= 0);
	}
	MUST(mproc_args_typed(m, &schema) == all);
	MUST(mproc_msg_print(m, after, sizeof(after)) == n);
	MUST(strcmp(before, after) == 0);
}

/* The entries of an args map, behind its head, which may have been longer. */
static size_t
entries(const struct mproc__envelope *env, const uint8_t **ret)
{
	struct mproc__token t;

	*ret = mproc__token(env->args, env->args + env->args_size, &t);
	MUST(*ret != NULL);
	return env->args_size - (size_t)(*ret - env->args);
}

/* What is sent on has the same arguments, byte for byte but for fds. */
static void
send_on(struct mproc_msg *m, const struct mproc__envelope *env)
{
	struct mproc__buf buf = { .data = NULL };
	struct mproc__envelope again;
	struct mproc__fdset fds;
	struct mproc_msg *copy;
	const uint8_t *a, *b;
	size_t n;

	MUST(mproc__encode_msg(&buf, env->kind, env->id, NULL, m, NULL,
	    SIZE_MAX, &fds) == 0);
	MUST(fds.n == env->n_fds);
	MUST(mproc__envelope_read(buf.data, buf.len, &again) == 0);
	MUST(again.id == env->id && again.command_len == env->command_len);
	if (env->n_fds == 0) {
		n = entries(&again, &a);
		MUST(entries(env, &b) == n && memcmp(a, b, n) == 0);
	}
	mproc__buf_done(&buf);
	MUST(mproc_msg_dup(m, &copy) == 0);
	MUST(mproc_msg_count(copy) == mproc_msg_count(m));
	MUST(mproc_msg_set(copy, "b", 1) == 0);
	MUST(mproc_msg_int_or(copy, "b", 0) == 1);
	read_all(copy);
	mproc_msg_free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mproc__envelope env;
	struct mproc_msg *m = NULL;
	int fds[MPROC__FDS_MAX], i;
	uint8_t *body;

	if (size > 1 << 16 || (body = malloc(size + 1)) == NULL)
		return 0;
	if (size > 0)
		memcpy(body, data, size);
	body[size] = 0;
	agree(MPROC_SCHEMA(fuzz_all), body, size);
	if (mproc__envelope_read(body, size, &env) == 0) {
		msgpack_c_agrees(body, size);
		for (i = 0; i < env.n_fds; i++)
			MUST((fds[i] = dup(STDIN_FILENO)) >= 0);
		MUST(mproc__msg_copy(body, size, fds, env.n_fds, &m) == 0);
		read_all(m);
		send_on(m, &env);
		mproc_msg_free(m);
	} else {
		MUST(mproc__msg_copy(body, size, NULL, 0, &m) < 0);
	}
	free(body);
	return 0;
}
