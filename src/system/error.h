/*
 * error.h - the thread's last error text.
 *
 * Layer: system.  Knows nothing of the rest.  A function that refuses
 * something says why with mproc__err(), whose text mproc_errmsg(3) returns
 * until the thread's next refusal.
 */
#ifndef MPROC_SYSTEM_ERROR_H
#define MPROC_SYSTEM_ERROR_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>

/* Sets the thread's error text and returns `code` (a negative errno). */
int mproc__err(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int mproc__verr(int code, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
#ifdef __clang_analyzer__
/* Or the analyser goes on where the caller was refused. */
#define mproc__err(code_, ...)						\
	((void)(mproc__err)((code_), __VA_ARGS__), (code_))
#endif

/*
 * Words for a code (< 0) that a user's function returned: those of its errno,
 * or, in buf, the number of what is none.
 */
const char *mproc__code_words(int code, char *buf, size_t size);

/* The thread's last text, "" if there was none. */
const char *mproc__err_text(void);
/* The code that came with it; 0 since mproc__err_forget(). */
int mproc__err_code(void);
/* So that it is seen whether what follows sets a text; keeps the last one. */
void mproc__err_forget(void);

#endif
