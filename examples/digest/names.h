/*
 * names.h - file names as sha256sum(1) of GNU coreutils prints them.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Print "SUM  NAME" and a newline, as `sha256sum -c` reads it: a name with a
 * backslash or an end of line in it is escaped, and a backslash before the
 * sum says so.  False when stdio failed.
 */
bool print_sum(FILE *out, const unsigned char *sum, size_t size,
    const char *name);

/*
 * The name for a message to people, quoted as a shell reads it when it is
 * not plain text.  New: free(); NULL when there is no memory.
 */
char *quote_name(const char *name);

#endif
