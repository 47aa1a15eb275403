/*
 * fixture.h - what the tests of processes have in common: starting with the
 * failure told, the accounting law at the end, bounded waits for a condition.
 */
#ifndef MPROC_TESTS_FIXTURE_H
#define MPROC_TESTS_FIXTURE_H

#include <sys/types.h>

#include <mproc.h>

#include "probe.h"
#include "test.h"

#define SOON	20000	/* ms; only a hang takes that long */

/* One test a placement; its number is in the state. */
extern enum mproc_launch fix_placements[4];
#define FIX_ONE(test, i, name)						\
	{ #test " (" name ")", test, NULL, NULL, &fix_placements[i] }
#define FIX_PROCESSES(test)						\
	FIX_ONE(test, 0, "forkserver"), FIX_ONE(test, 1, "fork"),	\
	FIX_ONE(test, 2, "spawn")
#define FIX_ALL(test)	FIX_PROCESSES(test), FIX_ONE(test, 3, "thread")

/*
 * As TEST_RUN(), but valgrind, which cannot run what it execs itself, leaves
 * out those of MPROC_SPAWN.
 */
#define FIX_RUN(tests)		fix_run(tests, TEST_COUNT(tests))
int fix_run(const struct CMUnitTest *tests, size_t n);

static inline enum mproc_launch
fix_placement(void **state)
{
	return *(enum mproc_launch *)*state;
}

/* New, not started; .launch as given. */
struct mproc *fix_new(const struct mproc_class *cls,
    struct mproc_options opt);
/* Started; the test's placement. */
struct mproc *fix_start(void **state, struct mproc_options opt);
/* One by the fork server, with no options. */
struct mproc *fix_plain(void);
/* Stop it, hold it to the accounting law, free it. */
void fix_finish(struct mproc *p);
/* The law, of one that is dead. */
void fix_law(struct mproc *p, struct mproc_stats *ret_stats);

/* The sum of all notes so far, which came in order. */
int64_t fix_summed(struct mproc *p, int64_t *ret_count);

/* Until condition(arg): true, or false after SOON. */
bool fix_until(bool (*condition)(void *), void *arg);
/* Until the backend runs this command. */
void fix_runs(struct mproc *p, const char *command);
/* Until it is dead; its death record. */
const struct mproc_death *fix_dead(struct mproc *p);
/* Take all that comes, until -EPIPE: how many, and the last item's n. */
int64_t fix_receive_all(struct mproc *p, int64_t *ret_last);

/* A path of this test's own, which does not exist; static storage. */
const char *fix_path(void);
bool fix_exists(const char *path);
/* A number in /proc/PID/status; -1: none. */
long fix_proc_number(pid_t pid, const char *field);
/* Until the process is gone (also one that is not our child). */
bool fix_gone(pid_t pid, int ms);

/* Run fn in a fork; its CHECKs decide. */
void fix_in_fork(void (*fn)(void));
#define CHECK(condition) do {						\
	if (!(condition))						\
		fix_check_failed(__FILE__, __LINE__, #condition);	\
} while (0)
_Noreturn void fix_check_failed(const char *file, int line,
    const char *what);

#endif
