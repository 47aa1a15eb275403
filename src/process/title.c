/*
 * title.c - what ps(1) shows of a backend.
 *
 * The whole title overwrites argv and, if it is longer, the environment
 * behind it, so it is changed only in a program that gave us its argv,
 * through mproc_init().  setproctitle_init() moves both away; the title is
 * written here, since a backend that formats text has touched many more
 * pages of its own than one that copies three strings.
 */
#include <bsd/stdlib.h>
#include <bsd/unistd.h>

#include <sys/prctl.h>

#include <string.h>
#include <unistd.h>

#include "process/boot.h"

static struct {
	char	*at;		/* NULL: nobody gave us argv */
	size_t	 args;		/* bytes of argv */
	size_t	 all;		/* with the environment right behind it */
	const char *program;
} area;

/* The end of the strings in the list that follow one another from `end` on */
static char *
end_of(char *const *list, char *end)
{
	for (; *list != NULL; list++)
		if (*list == end)
			end += strlen(end) + 1;
	return end;
}

void
mproc__title_init(int argc, char **argv)
{
	char *args, *all;

	if (area.at != NULL || argc < 1 || argv == NULL || argv[0] == NULL)
		return;
	args = end_of(argv, argv[0]);
	all = end_of(environ, args);
	area.args = (size_t)(args - argv[0]);
	area.all = (size_t)(all - argv[0]);
	area.at = argv[0];
	setproctitle_init(argc, argv, environ);
	area.program = getprogname();
}

static size_t
add(size_t len, const char *text)
{
	size_t n = strlen(text), room = area.all - 1 - len;

	if (n > room)
		n = room;
	memcpy(area.at + len, text, n);
	return len + n;
}

void
mproc__title_set(const char *short_name, const char *first,
    const char *second)
{
	size_t len;

	/* The kernel cuts it at 15 bytes. */
	(void)prctl(PR_SET_NAME, short_name, 0, 0, 0);
	if (area.at == NULL)
		return;
	len = add(add(0, area.program), ": ");
	len = add(add(add(len, first), " "), second);
	/*
	 * When the last byte of argv is not 0 the kernel takes what is there
	 * for one string, which may go on behind it.
	 */
	if (len < area.args)
		memset(area.at + len, 0, area.args - len);
	else
		area.at[len] = '\0';
}
