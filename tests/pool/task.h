/*
 * task.h - a class whose jobs do what a test of pools wants.
 */
#ifndef MPROC_TESTS_TASK_H
#define MPROC_TESTS_TASK_H

#include <mproc.h>

#include "test.h"

#define SOON	20000	/* ms; only a hang takes that long */

MPROC_MESSAGE(task, square, (int64_t, n));
/*
 * pid: of the worker; of one that is a thread, the thread's id.  home: of the
 * process that it is, or is in.
 */
MPROC_MESSAGE(task, squared, (int64_t, n), (int, pid), (int, home),
    (int64_t, calls));
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

/*
 * Where workers are launched when nothing else is said: from the fork server,
 * or, with TEST_LAUNCH=thread in the environment, as threads (PR-92).
 */
enum mproc_launch task_launch(void);
/* In a list of tests: one that is skipped, and why, if workers are threads. */
#define TASK_NOT_THREADS(test, why)					\
	TASK_NOT_THREADS_SETUP(test, why, NULL, NULL)
#define TASK_NOT_THREADS_SETUP(test, why, setup, teardown)		\
	(task_launch() == MPROC_THREAD ? (struct CMUnitTest){ #test,	\
	    task_skip, NULL, NULL, (void *)(uintptr_t)(why) } :		\
	    (struct CMUnitTest){ #test, (test), setup, teardown, NULL })
#define TASK_KILLS	"a thread cannot be killed"
#define TASK_CRASHES	"a thread's crash is that of the program"
#define TASK_PROCESSES	"it is about processes"
void task_skip(void **why);
/* Started, with task_launch() unless it says otherwise. */
struct mproc_pool *task_pool(struct mproc_pool_options o);
/* The accounting law; then free it. */
void task_finish(struct mproc_pool *pool);
void task_law(struct mproc_pool *pool, struct mproc_pool_stats *ret);
/* Until f is done; its result. */
int task_result(struct mproc_future *f);
/* What the `squared` of the next job says. */
int task_pid(struct mproc_pool *pool);
int task_home(struct mproc_pool *pool);
/* Wait until this much has changed, moving the pool: false after SOON. */
bool task_until(struct mproc_pool *pool,
    bool (*ready)(const struct mproc_pool_stats *, void *), void *arg);
/* SIGSTOP; returns when none of its threads runs any more. */
void task_stop_still(int pid);
/* Bytes of a file: of one that `mark` appends to, how many there were. */
int64_t task_size(const char *path);
int64_t task_now_ms(void);
int task_slow(void);

#endif
