/*
 * digest.h - what travels between the main program and its processes.
 *
 * A hasher is given files, one message each, and answers each with a sum, in
 * the same order.  A scout walks the same paths ahead of the hashers, only
 * to know how much there is, for the progress bar.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <mproc.h>

#define DIGEST_SIZE	32	/* bytes of a SHA-256 sum */

/* job: a number to find the file again by; text may be any bytes but NUL. */
MPROC_MESSAGE(hasher, file, (uint64_t, job), (const char *, name));
/*
 * Emitted: the sum, or error, an errno value.  bytes were read since the last
 * sum or progress, which is emitted now and then in a long file.
 */
MPROC_MESSAGE(hasher, sum, (uint64_t, job), (struct mproc_bytes, digest),
    (int, error), (uint64_t, bytes));
MPROC_MESSAGE(hasher, progress, (uint64_t, bytes));

MPROC_MESSAGE(scout, path, (const char *, path));
/* Emitted: what was found so far, below all paths. */
MPROC_MESSAGE(scout, found, (uint64_t, files), (uint64_t, bytes));

extern const struct mproc_class hasher_class;
extern const struct mproc_class scout_class;

#endif
