/*
 * native.h - system calls that a checking tool may not know.
 *
 * Layer: system.  Valgrind answers a call that is younger than itself with
 * ENOSYS, so that no process could be started under it.  Such a call is then
 * made by the real processor; it must not block, and must not write to
 * memory that valgrind ought to know about.
 */
#ifndef MPROC_SYSTEM_NATIVE_H
#define MPROC_SYSTEM_NATIVE_H

/* The call's result, or -errno; not through errno. */
long mproc__native(long number, long a, long b, long c, long d);

#endif
