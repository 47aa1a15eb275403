/*
 * lines.c - captured output taken into lines.
 */
#include <string.h>

#include "log/registry.h"

/* What buf may hold before it must be cut: room for the mark stays. */
#define PIECE_MAX	(MPROC_LOG_TEXT_MAX - (sizeof(MPROC__LOG_CUT) - 1))

static void
line_out(struct mproc__lines *l, mproc__line_fn *fn, void *arg)
{
	size_t len = l->len;

	/* A line that was cut just before its newline has no rest. */
	if (len > 0 && l->buf[len - 1] == '\r')
		len--;
	if (len > 0 || !l->cut) {
		l->buf[len] = '\0';
		fn(l->buf, len, arg);
	}
	l->len = 0;
	l->cut = false;
}

/* buf is full, and the line goes on: out with it, up to a whole character. */
static void
piece_out(struct mproc__lines *l, mproc__line_fn *fn, void *arg)
{
	static const char cut[] = MPROC__LOG_CUT;
	char rest[sizeof(cut) + 4];
	size_t len, n;

	len = mproc__log_utf8_cut(l->buf, l->len, PIECE_MAX);
	n = l->len - len;
	memcpy(rest, l->buf + len, n);
	memcpy(l->buf + len, cut, sizeof(cut));
	fn(l->buf, len + sizeof(cut) - 1, arg);
	memcpy(l->buf, rest, n);
	l->len = n;
	l->cut = true;
}

void
mproc__lines_feed(struct mproc__lines *l, const char *data, size_t size,
    mproc__line_fn *fn, void *arg)
{
	const char *newline;
	size_t n;

	while (size > 0) {
		newline = memchr(data, '\n', size);
		n = newline == NULL ? size : (size_t)(newline - data);
		if (n > MPROC_LOG_TEXT_MAX - l->len)
			n = MPROC_LOG_TEXT_MAX - l->len;
		memcpy(l->buf + l->len, data, n);
		l->len += n;
		data += n;
		size -= n;
		if (size > 0 && *data == '\n') {
			line_out(l, fn, arg);
			data++;
			size--;
		} else if (size > 0) {
			piece_out(l, fn, arg);
		}
	}
}

void
mproc__lines_flush(struct mproc__lines *l, mproc__line_fn *fn, void *arg)
{
	if (l->len > 0)
		line_out(l, fn, arg);
}
