/*
 * title.c - what ps(1) shows of a backend.
 *
 * The whole title overwrites argv and the environment behind it, so it is
 * changed only in a program that gave us its argv, through mproc_init().
 */
#include <bsd/unistd.h>

#include <sys/prctl.h>

#include <stdlib.h>
#include <unistd.h>

#include "process/boot.h"

static bool have_argv;

void
mproc__title_init(int argc, char **argv)
{
	if (have_argv || argc < 1 || argv == NULL || argv[0] == NULL)
		return;
	setproctitle_init(argc, argv, environ);
	have_argv = true;
}

void
mproc__title_set(const char *short_name, const char *text)
{
	/* The kernel cuts it at 15 bytes. */
	(void)prctl(PR_SET_NAME, short_name, 0, 0, 0);
	if (have_argv)
		setproctitle("%s", text);
}
