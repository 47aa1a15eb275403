/*
 * task.h - a class whose jobs do what a test of pools wants.
 */
#ifndef MPROC_TESTS_TASK_H
#define MPROC_TESTS_TASK_H

#include <mproc.h>

#include "test.h"

#define SOON	20000	/* ms; only a hang takes that long */

MPROC_MESSAGE(task, square, (int64_t, n));
MPROC_MESSAGE(task, squared, (int64_t, n), (int, pid), (int64_t, calls));
MPROC_MESSAGE(task, nap, (int, ms), (int64_t, n));
MPROC_MESSAGE(task, die, (int, sig), (int, status));
MPROC_MESSAGE(task, fail, (int, code), (const char *, text));
MPROC_MESSAGE(task, count, (int64_t, n), (bool, forever));
MPROC_MESSAGE(task, item, (int64_t, n));
MPROC_MESSAGE(task, spin, (bool, polite));
/* Append a byte to the file that the start arguments name; maybe die. */
MPROC_MESSAGE(task, mark, (int64_t, n), (int, die));
MPROC_MESSAGE(task, say, (int, level), (const char *, text));
MPROC_MESSAGE(task, tell, (int64_t, n));	/* a notification; sums up */
MPROC_MESSAGE(task, told);
MPROC_MESSAGE(task, eat, (int64_t, bytes));	/* memory, for good */
MPROC_MESSAGE(task, start, (int, fail), (int, delay_ms), (const char *, path),
    (struct mproc_bytes, data));

extern const struct mproc_class task_class;

/* Started, with the fork server unless it says otherwise. */
struct mproc_pool *task_pool(struct mproc_pool_options o);
/* The accounting law; then free it. */
void task_finish(struct mproc_pool *pool);
void task_law(struct mproc_pool *pool, struct mproc_pool_stats *ret);
/* Until f is done; its result. */
int task_result(struct mproc_future *f);
/* The pid that a `squared` came from. */
int task_pid(struct mproc_pool *pool);
/* Wait until this much has changed, moving the pool: false after SOON. */
bool task_until(struct mproc_pool *pool,
    bool (*ready)(const struct mproc_pool_stats *, void *), void *arg);
/* SIGSTOP; returns when none of its threads runs any more. */
void task_stop_still(int pid);
int64_t task_now_ms(void);
int task_slow(void);

#endif
