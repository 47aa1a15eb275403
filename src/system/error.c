/*
 * error.c - the thread's last error text.
 *
 * The text is formatted beside its place and copied, because an argument may
 * be the previous text itself ("start: %s", mproc__err_text()).
 */
#include <stdio.h>
#include <string.h>

#include "system/error.h"

#define TEXT_MAX 512

static _Thread_local char last_text[TEXT_MAX];
static _Thread_local int last_code;

int
mproc__verr(int code, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];
	int saved = errno;

	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	memcpy(last_text, text, strlen(text) + 1);
	last_code = code;
	errno = saved;
	return code;
}

int
(mproc__err)(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	mproc__verr(code, fmt, ap);
	va_end(ap);
	return code;
}

const char *
mproc__err_text(void)
{
	return last_text;
}

int
mproc__err_code(void)
{
	return last_code;
}

void
mproc__err_forget(void)
{
	last_code = 0;
}

const char *
mproc__code_words(int code, char *buf, size_t size)
{
	const char *words = code > -4096 ? strerrordesc_np(-code) : NULL;

	if (words != NULL)
		return words;
	(void)snprintf(buf, size, "no errno (code %d)", code);
	return buf;
}
