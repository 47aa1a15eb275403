/*
 * print.c - messages and values as people read them, bounded.
 *
 * What is long is abbreviated, so that neither a gigabyte of text nor a list
 * of a million is walked through; what a terminal could take for a command
 * is escaped.  Nesting is shown to DEEP levels, which bounds the recursion.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/msg.h"

#define DEEP		8	/* levels of nesting */
#define LIST		16	/* elements of a list */
#define FIELDS		64	/* fields of a message */
#define TEXT		80	/* bytes of text */

struct out {
	char	*buf;
	size_t	 size;
	size_t	 len;		/* of the whole text */
};

static void
put(struct out *o, const char *bytes, size_t n)
{
	size_t room = o->len + 1 < o->size ? o->size - 1 - o->len : 0;

	if (room > 0)
		memcpy(o->buf + o->len, bytes, n < room ? n : room);
	o->len += n;
}

__attribute__((format(printf, 2, 3))) static void
putf(struct out *o, const char *fmt, ...)
{
	char text[160];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		put(o, text, (size_t)n < sizeof(text) ? (size_t)n :
		    sizeof(text) - 1);
}

static int
done(struct out *o)
{
	if (o->size > 0)
		o->buf[o->len < o->size ? o->len : o->size - 1] = '\0';
	return o->len <= INT_MAX ? (int)o->len : INT_MAX;
}

/*
 * Bytes of the character at p that may be shown as it is; 0: escape a byte.
 * UTF-8 without its overlong forms, surrogates and C1 controls: RFC 3629.
 */
static size_t
printable(const uint8_t *p, size_t n)
{
	uint32_t c = p[0];
	size_t i, len;

	if (c < 0x80)
		return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
	len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || n < len)
		return 0;
	c &= 0xffU >> (len + 1);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < 0xa0 || (len == 3 && c < 0x800) || (len == 4 &&
	    (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000))
		return 0;
	return len;
}

static void
put_text(struct out *o, const uint8_t *p, size_t len)
{
	size_t i = 0, n, shown = len < TEXT ? len : TEXT;

	put(o, "\"", 1);
	while (i < shown) {
		if ((n = printable(p + i, len - i)) > 0)
			put(o, (const char *)p + i, n);
		else if (p[i] == '"' || p[i] == '\\')
			putf(o, "\\%c", p[i]);
		else if (p[i] == '\n')
			put(o, "\\n", 2);
		else
			putf(o, "\\x%02x", p[i]);
		i += n > 0 ? n : 1;
	}
	put(o, "\"", 1);
	if (i < len)
		putf(o, "...(%zu bytes)", len);
}

/* The shortest of three that reads back as the same number. */
static void
put_double(struct out *o, double d)
{
	char text[40];
	int digits;

	for (digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (isnan(d) || strtod(text, NULL) == d)
			break;
	}
	put(o, text, strlen(text));
	if (strspn(text, "-0123456789") == strlen(text))
		put(o, ".0", 2);
}

static void
put_scalar(struct out *o, const struct mproc__token *t)
{
	switch (t->type) {
	case MPROC_TYPE_NIL:
		put(o, "nil", 3);
		break;
	case MPROC_TYPE_BOOL:
		putf(o, "%s", t->v.b ? "true" : "false");
		break;
	case MPROC_TYPE_INT64:
		putf(o, "%" PRId64, t->v.i);
		break;
	case MPROC_TYPE_UINT64:
		putf(o, "%" PRIu64, t->v.u);
		break;
	case MPROC_TYPE_DOUBLE:
		put_double(o, t->v.d);
		break;
	case MPROC_TYPE_STR:
		put_text(o, t->payload, t->len);
		break;
	case MPROC_TYPE_BYTES:
		putf(o, "<%u bytes>", t->len);
		break;
	default:
		putf(o, "<extension %d, %u bytes>", t->ext, t->len);
	}
}

static void put_value(struct out *o, struct mproc_value v, int depth);

static void
put_container(struct out *o, struct mproc_value v, int depth)
{
	struct mproc_value_iter iter;
	struct mproc_value key, value;
	int i;

	if (mproc_value_begin(v, &iter) < 0)
		return;
	put(o, iter.map ? "{" : "[", 1);
	if (depth >= DEEP && iter.left > 0)
		put(o, "...", 3);
	for (i = 0; depth < DEEP && i < LIST &&
	    mproc_value_next(&iter, &key, &value) > 0; i++) {
		put(o, ", ", i > 0 ? 2 : 0);
		if (iter.map) {
			put_value(o, key, DEEP);
			put(o, ": ", 2);
		}
		put_value(o, value, depth + 1);
	}
	if (depth < DEEP && iter.left > 0)
		putf(o, ", ... %u more", iter.left);
	put(o, iter.map ? "}" : "]", 1);
}

static void
put_value(struct out *o, struct mproc_value v, int depth)
{
	struct mproc__token t = { .type = MPROC_TYPE_NIL };
	const uint8_t *p = v.data;

	if (p != NULL && mproc__token(p, p + v.size, &t) == NULL)
		return;
	if (t.type == MPROC_TYPE_ARRAY || t.type == MPROC_TYPE_MAP)
		put_container(o, v, depth);
	else
		put_scalar(o, &t);
}

int
mproc_value_print(struct mproc_value v, char *buf, size_t size)
{
	struct out o = { .buf = buf, .size = size };
	int r;

	if (mproc_value_type(v) == MPROC_TYPE_FD) {
		put(&o, "<fd>", 4);
		return done(&o);
	}
	if ((r = mproc_value_check(v)) < 0)
		return r;
	put_value(&o, v, 0);
	return done(&o);
}

/* A command, or the name of a field; a peer may have sent anything. */
static void
put_name(struct out *o, const uint8_t *p, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n > 0 ? n : 1) {
		if ((n = printable(p + i, len - i)) > 0)
			put(o, (const char *)p + i, n);
		else
			putf(o, "\\x%02x", p[i]);
	}
}

static void
put_entry(struct out *o, const struct mproc_msg *msg,
    const struct mproc__entry *e)
{
	struct mproc_value v = {
		.data = e->value, .size = (size_t)(e->end - e->value),
	};
	int fd = mproc__fd_index(e->value, e->end);

	put_name(o, e->key.payload, e->key.len);
	put(o, ": ", 2);
	if (fd < 0)
		put_value(o, v, 0);
	else if ((msg->taken & (1 << fd)) != 0)
		put(o, "<fd taken>", 10);
	else
		putf(o, "<fd %d>", msg->fds[fd]);
}

int
mproc_msg_print(const struct mproc_msg *msg, char *buf, size_t size)
{
	struct out o = { .buf = buf, .size = size };
	const uint8_t *p, *end;
	struct mproc__entry e;
	uint32_t i;

	if (msg == NULL) {
		put(&o, "<no message>", 12);
		return done(&o);
	}
	put(&o, "<", 1);
	put_name(&o, (const uint8_t *)msg->command, strlen(msg->command));
	put(&o, ": {", 3);
	mproc__msg_raw(msg);
	p = msg->args + msg->head;
	end = msg->args + msg->args_size;
	for (i = 0; i < msg->n && i < FIELDS &&
	    (p = mproc__entry(p, end, &e)) != NULL; i++) {
		put(&o, ", ", i > 0 ? 2 : 0);
		put_entry(&o, msg, &e);
	}
	mproc__msg_cooked(msg);
	if (i < msg->n)
		putf(&o, ", ... %u more", msg->n - i);
	put(&o, "}>", 2);
	return done(&o);
}
