/*
 * boss.h - a class whose backend owns a process of the same class, and so on
 * down, each in a context of its own.
 */
#ifndef MPROC_TESTS_CONTEXT_BOSS_H
#define MPROC_TESTS_CONTEXT_BOSS_H

#include <mproc.h>

MPROC_MESSAGE(boss, start, (int, levels));
MPROC_MESSAGE(boss, pid, (int, pid), (int, level));	/* emitted, upwards */

extern const struct mproc_class boss_class;

#endif
