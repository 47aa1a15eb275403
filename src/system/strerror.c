/*
 * strerror.c - codes by name and in words, from the list in mproc/error.h.
 */
#include <limits.h>
#include <string.h>

#include <mproc/error.h>

/* strerrordesc_np(3) is not the locale's and needs no buffer: any thread. */
const char *
mproc_strerror(int code)
{
	const char *text;

	if (code >= 0)
		return "success";
	switch (code) {
#define CASE(name, sentence) case -name: return sentence;
	MPROC_ERRORS(CASE)
#undef CASE
	default:
		text = code == INT_MIN ? NULL : strerrordesc_np(-code);
		return text != NULL ? text : "unknown error";
	}
}

const char *
mproc_errname(int code)
{
	const char *name;

	if (code >= 0)
		return "0";
	name = code == INT_MIN ? NULL : strerrorname_np(-code);
	return name != NULL ? name : "E?";
}
