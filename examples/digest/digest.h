/*
 * digest.h - what travels between the main program and its processes.
 *
 * A job of the pool of hashers is a file; its result is a sum.  A scout walks
 * the same paths ahead of them, only to know how much there is, for the
 * progress bar.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <mproc.h>

#define DIGEST_SIZE	32	/* bytes of a SHA-256 sum */

/*
 * name may be any bytes but NUL.  error: an errno value that is known
 * already; so its message comes where the file's sum would.
 */
MPROC_MESSAGE(hasher, file, (const char *, name), (int, error));
/*
 * The sum of that file, or error.  bytes were read since the last progress,
 * which is yielded now and then in a long file.
 */
MPROC_MESSAGE(hasher, sum, (const char *, name), (struct mproc_bytes, digest),
    (int, error), (uint64_t, bytes));
MPROC_MESSAGE(hasher, progress, (uint64_t, bytes));

MPROC_MESSAGE(scout, path, (const char *, path));
/* Emitted: what was found so far, below all paths. */
MPROC_MESSAGE(scout, found, (uint64_t, files), (uint64_t, bytes));

extern const struct mproc_class hasher_class;
extern const struct mproc_class scout_class;

#endif
