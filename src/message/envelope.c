/*
 * envelope.c - take a received body apart: [kind, id, command, args(, meta)].
 *
 * Reading the shape and the bounded scan are one walk: the shape's own heads
 * are read here, each value inside args and meta by mproc__scan().  After it
 * every byte of the body was looked at once, and readers further in may rely
 * on well-formed, bounded values; they check lengths all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "message/message.h"
#include "message/token.h"

#define KEY_MAX	255		/* bytes of an argument's name */

struct walk {
	const uint8_t	*p, *end;
	uint32_t	 items;		/* parts still allowed */
	uint32_t	 fds;		/* bit i: descriptor i was named */
};

static int
bad(const char *what)
{
	return mproc__err(-EBADMSG, "message: %s", what);
}

static inline int
head(struct walk *w, enum mproc_type type, const char *what,
    struct mproc__token *t)
{
	const uint8_t *next = mproc__token(w->p, w->end, t);

	if (next == NULL || t->type != type)
		return bad(what);
	w->p = next;
	return 0;
}

static inline bool
has_nul(const struct mproc__token *t)
{
	return t->len < 16 ? mproc__has_nul_short(t->payload, t->len) :
	    memchr(t->payload, '\0', t->len) != NULL;
}

/* What stands before the arguments. */
struct top {
	uint32_t		 n_parts;
	int			 kind;
	uint64_t		 id;
	struct mproc__token	 command;
};

static int
read_top(struct walk *w, struct top *top)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = head(w, MPROC_TYPE_ARRAY, "the body is no array", &t)) < 0)
		return r;
	top->n_parts = t.len;
	if (t.len != 4 && t.len != 5)
		return bad("the body has not 4 or 5 parts");
	if ((r = head(w, MPROC_TYPE_INT64, "the kind is no integer", &t)) < 0)
		return r;
	if (t.v.i < MPROC__CAST || t.v.i > MPROC__CREDIT)
		return bad("unknown kind");
	top->kind = (int)t.v.i;
	next = mproc__token(w->p, w->end, &t);
	if (next == NULL || mproc__token_uint(&t, &top->id) < 0)
		return bad("the id is no unsigned integer");
	w->p = next;
	if ((r = head(w, MPROC_TYPE_STR, "the command is no text",
	    &top->command)) < 0)
		return r;
	if (top->command.len > MPROC_COMMAND_MAX || has_nul(&top->command))
		return bad("the command is too long, or has a NUL inside");
	return 0;
}

/* A descriptor stands for itself as an argument, nowhere deeper. */
static int
name_fd(struct walk *w, const struct mproc__token *t)
{
	int i = t->payload[0];

	if (i >= MPROC__FDS_MAX || (w->fds & (1U << i)) != 0)
		return bad("a descriptor's index is too large, or there twice");
	w->fds |= 1U << i;
	return 0;
}

static int
read_value(struct walk *w)
{
	struct mproc__token t;
	const uint8_t *next = mproc__token(w->p, w->end, &t);

	if (next != NULL && t.type < MPROC_TYPE_ARRAY && w->items > 0) {
		w->p = next;
		w->items--;
		return 0;
	}
	if (next != NULL && t.type == MPROC_TYPE_EXT &&
	    t.ext == MPROC__EXT_FD && t.len == 1) {
		w->p = next;
		return name_fd(w, &t);
	}
	return mproc__scan(&w->p, w->end, MPROC_VALUE_DEPTH, &w->items);
}

static int
read_args(struct walk *w)
{
	struct mproc__token t, key;
	uint32_t i;
	int r;

	if ((r = head(w, MPROC_TYPE_MAP, "the arguments are no map", &t)) < 0)
		return r;
	if (t.len > (size_t)(w->end - w->p) / 2)
		return bad("more arguments than bytes");
	for (i = 0; i < t.len; i++) {
		if ((r = head(w, MPROC_TYPE_STR,
		    "the name of an argument is no text", &key)) < 0)
			return r;
		if (key.len > KEY_MAX || has_nul(&key))
			return bad("the name of an argument is too long, or "
			    "has a NUL inside");
		if ((r = read_value(w)) < 0)
			return r;
	}
	return 0;
}

static int
read_deadline(const struct mproc__token *t, struct mproc__meta *meta)
{
	if (mproc__token_int(t, &meta->deadline_ns) < 0 ||
	    meta->deadline_ns < 0)
		return bad("the deadline is no time");
	return 0;
}

static int
read_meta(struct walk *w, struct mproc__meta *meta)
{
	struct mproc__token t, key, value;
	uint32_t i;
	int r;

	if ((r = head(w, MPROC_TYPE_MAP, "the metadata is no map", &t)) < 0)
		return r;
	if (t.len > (size_t)(w->end - w->p) / 2)
		return bad("more metadata than bytes");
	for (i = 0; i < t.len; i++) {
		if ((r = head(w, MPROC_TYPE_STR,
		    "the name of metadata is no text", &key)) < 0)
			return r;
		if (mproc__token(w->p, w->end, &value) == NULL)
			return bad("truncated");
		if (mproc__token_is(&key, "deadline") &&
		    (r = read_deadline(&value, meta)) < 0)
			return r;
		if ((r = mproc__scan(&w->p, w->end, MPROC_VALUE_DEPTH,
		    &w->items)) < 0)
			return r;
	}
	return 0;
}

int
mproc__envelope_any(uint8_t *body, size_t size, struct mproc__envelope *ret)
{
	struct walk w = {
		.p = body, .end = body + size, .items = MPROC__ITEMS_MAX,
	};
	struct mproc__meta meta = { .deadline_ns = 0 };
	struct top top;
	size_t at, args_size;
	int r;

	if (size == 0)
		return bad("the body is empty");
	if ((r = read_top(&w, &top)) < 0)
		return r;
	at = (size_t)(w.p - body);
	if ((r = read_args(&w)) < 0)
		return r;
	args_size = (size_t)(w.p - body) - at;
	if (top.n_parts == 5 && (r = read_meta(&w, &meta)) < 0)
		return r;
	if (w.p != w.end)
		return mproc__err(-EBADMSG, "message: %zu bytes left over",
		    (size_t)(w.end - w.p));
	if ((w.fds & (w.fds + 1)) != 0)
		return bad("the descriptors' indices have a gap");
	*ret = (struct mproc__envelope){
		.kind = top.kind, .id = top.id,
		.command = (const char *)top.command.payload,
		.command_len = (uint8_t)top.command.len,
		.has_meta = top.n_parts == 5,
		.args = body + at, .args_size = args_size,
		.n_fds = w.fds != 0 ? 32 - __builtin_clz(w.fds) : 0,
		.meta = meta,
	};
	return 0;
}

int
mproc__envelope_read(uint8_t *body, size_t size, struct mproc__envelope *ret)
{
	return mproc__envelope_fast(body, size, ret) ? 0 :
	    mproc__envelope_any(body, size, ret);
}

bool
mproc__envelope_is(const struct mproc__envelope *env, const char *command)
{
	return strlen(command) == env->command_len &&
	    memcmp(command, env->command, env->command_len) == 0;
}

int
mproc__error_code(int64_t code, char *text, size_t text_size)
{
	size_t n = text_size > 0 ? strlen(text) : 0;
	char number[32];

	if (code > 0 && code < 4096)
		code = -code;
	if (code < 0 && code > -4096)
		return (int)code;
	(void)snprintf(number, sizeof(number), "(code %lld)",
	    (long long)code);
	if (text_size > 0 && strstr(text, number) == NULL)
		(void)snprintf(text + n, text_size - n, "%s %s",
		    n > 0 ? "" : "no errno", number);
	return -EREMOTEIO;
}

int
mproc__envelope_error(const struct mproc__envelope *env, int *ret_code,
    char *text, size_t text_size)
{
	const uint8_t *p, *end = env->args + env->args_size;
	struct mproc__token t;
	struct mproc__entry e;
	int64_t code = 0;
	uint32_t i, n;

	p = mproc__token(env->args, end, &t);
	if (p == NULL || t.type != MPROC_TYPE_MAP)
		return bad("the error is no map");
	if (text_size > 0)
		text[0] = '\0';
	for (i = 0, n = t.len; i < n; i++) {
		if ((p = mproc__entry(p, end, &e)) == NULL ||
		    mproc__token(e.value, e.end, &t) == NULL)
			return bad("the error is broken");
		if (mproc__token_is(&e.key, "code") &&
		    mproc__token_int(&t, &code) < 0)
			return bad("the error's code is no integer");
		if (mproc__token_is(&e.key, "text") && text_size > 0 &&
		    t.type == MPROC_TYPE_STR)
			snprintf(text, text_size, "%.*s", (int)(t.len <
			    INT16_MAX ? t.len : INT16_MAX), t.payload);
	}
	*ret_code = mproc__error_code(code, text, text_size);
	return 0;
}
