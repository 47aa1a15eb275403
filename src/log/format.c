/*
 * format.c - a record as one line of text.
 *
 * The line is built whole in a bounded buffer, so that one write(2) can send
 * it.  Whatever a record holds, the line has one newline, at its end, and no
 * control characters: a log must not move the cursor of who reads it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log/registry.h"

struct line {
	char	*at;		/* where the next byte goes */
	char	*end;		/* from here on: the mark, newline and NUL */
	bool	 full;
};

int
mproc__log_check_format(const char *format)
{
	const char *p;

	for (p = format; *p != '\0'; p++) {
		if (*p != '%')
			continue;
		p++;
		if (*p == '\0' || strchr("nlmPptT%", *p) == NULL)
			return mproc__err(-EINVAL, "log format \"%.64s\": "
			    "%%%.1s is not one of %%n %%l %%m %%P %%p %%t %%T "
			    "%%%%", format, p);
	}
	return 0;
}

size_t
mproc__log_utf8_cut(const char *text, size_t len, size_t max)
{
	size_t cut = max;

	if (len <= max)
		return len;
	/* Back over at most three continuation bytes to the first of them. */
	while (cut > 0 && max - cut < 3 && ((uint8_t)text[cut] & 0xc0) == 0x80)
		cut--;
	return ((uint8_t)text[cut] & 0xc0) == 0x80 ? max : cut;
}

static void
put(struct line *l, const char *bytes, size_t n)
{
	if (l->full || n > (size_t)(l->end - l->at)) {
		l->full = true;
		return;
	}
	memcpy(l->at, bytes, n);
	l->at += n;
}

static void
put_number(struct line *l, long value)
{
	char digits[32];
	int n = snprintf(digits, sizeof(digits), "%ld", value);

	put(l, digits, n < 0 ? 0 : (size_t)n);
}

static bool
is_control(char c)
{
	return (uint8_t)c < 0x20 || c == 0x7f;
}

static void
put_control(struct line *l, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char hex[] = { '\\', 'x', digits[(uint8_t)c >> 4],
	    digits[(uint8_t)c & 15] };

	switch (c) {
	case '\n':
		put(l, "\\n", 2);
		break;
	case '\r':
		put(l, "\\r", 2);
		break;
	case '\t':
		put(l, "\\t", 2);
		break;
	default:
		put(l, hex, sizeof(hex));
	}
}

/* As much of the text as there is room for. */
static void
put_text(struct line *l, const char *text, size_t len)
{
	size_t n, room;

	while (len > 0 && !l->full) {
		for (n = 0; n < len && !is_control(text[n]); n++)
			continue;
		room = (size_t)(l->end - l->at);
		if (n > room) {
			put(l, text, mproc__log_utf8_cut(text, n, room));
			l->full = true;
			return;
		}
		put(l, text, n);
		text += n;
		len -= n;
		if (len > 0) {
			put_control(l, *text++);
			len--;
		}
	}
}

static void
put_time(struct line *l, int64_t time_ns)
{
	time_t s = (time_t)(time_ns / 1000000000);
	int us = (int)(time_ns % 1000000000 / 1000);
	char text[128];
	struct tm tm;
	int n;

	if (us < 0) {			/* before 1970 */
		us += 1000000;
		s--;
	}
	if (gmtime_r(&s, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec, us);
	put(l, text, n < 0 ? 0 : (size_t)n);
}

static void
put_field(struct line *l, char letter, const struct mproc_log_record *rec)
{
	const char *level = mproc_level_name(rec->level);

	switch (letter) {
	case 'n':
		put_text(l, rec->name, strlen(rec->name));
		break;
	case 'l':
		put(l, level, strlen(level));
		break;
	case 'm':
		put_text(l, rec->text, rec->text_len);
		break;
	case 'P':
		put_text(l, rec->process, strlen(rec->process));
		break;
	case 'p':
		put_number(l, rec->pid);
		break;
	case 't':
		put_number(l, rec->tid);
		break;
	case 'T':
		put_time(l, rec->time_ns);
		break;
	default:
		put(l, &letter, 1);
	}
}

size_t
mproc__log_format(const char *format, const struct mproc_log_record *rec,
    char *line, size_t size)
{
	static const char cut[] = MPROC__LOG_CUT;
	struct line l = { .at = line, .end = line + size - sizeof(cut) - 1 };
	const char *p;
	size_t n;

	for (p = format; *p != '\0' && !l.full; p++) {
		n = strcspn(p, "%");
		if (n > 0) {
			put_text(&l, p, n);
			p += n - 1;
		} else {
			put_field(&l, *++p, rec);
		}
	}
	if (l.full) {
		memcpy(l.at, cut, sizeof(cut) - 1);
		l.at += sizeof(cut) - 1;
	}
	*l.at++ = '\n';
	*l.at = '\0';
	return (size_t)(l.at - line);
}
