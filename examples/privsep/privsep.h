/*
 * privsep.h - what the two halves of the server say to each other.
 */
#ifndef PRIVSEP_H
#define PRIVSEP_H

#include <stdbool.h>
#include <string.h>

#include <mproc.h>

#define MAX_NAME	63

MPROC_MESSAGE(parser, start, (struct mproc_fd, listener));
MPROC_MESSAGE(parser, want, (const char *, name));	/* for the client */
MPROC_MESSAGE(parser, file, (struct mproc_fd, file));	/* or none */

extern const struct mproc_class parser_class;

/* Both sides check: the parser to be polite, the parent to be safe. */
static inline bool
valid_name(const char *name)
{
	size_t n = name != NULL ? strspn(name,
	    "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

	return n > 0 && n <= MAX_NAME && name[n] == '\0';
}

/* 0, or a negative errno: it has rights still. */
int	enter_jail(void);

#endif
