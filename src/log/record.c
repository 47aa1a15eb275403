/*
 * record.c - a record as one datagram, and back.
 *
 * The layout stands in log.h.  Strings travel with their NUL, so that the
 * receiver's record can point into the datagram.
 */
#include <limits.h>
#include <string.h>

#include "log/registry.h"

#define VERSION	1

static void
put_le(uint8_t *p, uint64_t v, int n)
{
	while (n-- > 0) {
		*p++ = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t
get_le(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static uint8_t *
put_string(uint8_t *p, const char *s, size_t len)
{
	memcpy(p, s, len);
	p[len] = '\0';
	return p + len + 1;
}

int
mproc__log_encode(const struct mproc_log_record *rec, uint8_t *buf,
    size_t size)
{
	static const char cut[] = MPROC__LOG_CUT;
	const size_t mark = sizeof(cut) - 1;
	size_t name, process, text, fixed, room;
	uint8_t *p;

	if (rec->level < MPROC_DEBUG || rec->level > MPROC_CRITICAL)
		return -EINVAL;
	name = mproc__log_utf8_cut(rec->name, strlen(rec->name),
	    MPROC_LOG_NAME_MAX);
	process = mproc__log_utf8_cut(rec->process, strlen(rec->process),
	    MPROC__LOG_PROCESS_MAX);
	fixed = MPROC__LOG_HEADER + name + 1 + process + 1 + 1;
	if (size < fixed + mark)
		return -EMSGSIZE;
	room = size - fixed;
	if (room > MPROC_LOG_TEXT_MAX)
		room = MPROC_LOG_TEXT_MAX;
	text = rec->text_len;
	if (text > room)
		text = mproc__log_utf8_cut(rec->text, text, room - mark);
	p = put_string(buf + MPROC__LOG_HEADER, rec->name, name);
	p = put_string(p, rec->process, process);
	p = put_string(p, rec->text, text);
	if (text < rec->text_len) {
		p = put_string(p - 1, cut, mark);
		text += mark;
	}
	put_le(buf, VERSION, 1);
	put_le(buf + 1, (uint64_t)rec->level, 1);
	put_le(buf + 2, name, 2);
	put_le(buf + 4, process, 2);
	put_le(buf + 6, text, 2);
	put_le(buf + 8, (uint64_t)rec->pid, 4);
	put_le(buf + 12, (uint64_t)rec->tid, 4);
	put_le(buf + 16, (uint64_t)rec->time_ns, 8);
	return (int)(p - buf);
}

/* The string of `len` bytes at p, with a NUL after it and none inside. */
static bool
is_string(const uint8_t *p, size_t len)
{
	return memchr(p, '\0', len + 1) == p + len;
}

int
mproc__log_decode(const uint8_t *buf, size_t size,
    struct mproc_log_record *ret)
{
	size_t name, process, text;
	const uint8_t *p, *q, *t;
	uint64_t pid, tid;

	if (size < MPROC__LOG_HEADER || buf[0] != VERSION ||
	    buf[1] < MPROC_DEBUG || buf[1] > MPROC_CRITICAL)
		return -EBADMSG;
	name = get_le(buf + 2, 2);
	process = get_le(buf + 4, 2);
	text = get_le(buf + 6, 2);
	pid = get_le(buf + 8, 4);
	tid = get_le(buf + 12, 4);
	if (name > MPROC_LOG_NAME_MAX || process > MPROC__LOG_PROCESS_MAX ||
	    text > MPROC_LOG_TEXT_MAX || pid > INT_MAX || tid > INT_MAX ||
	    size != MPROC__LOG_HEADER + name + 1 + process + 1 + text + 1)
		return -EBADMSG;
	p = buf + MPROC__LOG_HEADER;
	q = p + name + 1;
	t = q + process + 1;
	if (!is_string(p, name) || !is_string(q, process) || t[text] != '\0')
		return -EBADMSG;
	ret->level = (enum mproc_level)buf[1];
	ret->name = (const char *)p;
	ret->process = (const char *)q;
	ret->pid = (pid_t)pid;
	ret->tid = (pid_t)tid;
	ret->time_ns = (int64_t)get_le(buf + 16, 8);
	ret->text = (const char *)t;
	ret->text_len = text;
	return 0;
}
