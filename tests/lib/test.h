/*
 * test.h - what every unit test of mproc includes: cmocka, the leak checks
 * round each test, and failing allocations on demand.
 *
 *  1. Write tests and put them into an array with cmocka_unit_test() and its
 *     relatives.
 *  2. End main() with `return TEST_RUN(tests);`.  After every test, and its
 *     teardown, the program must have the same open descriptors, children,
 *     threads, signal dispositions, /dev/shm entries and live allocations as
 *     before, or the test fails.
 *  3. To make allocations and system calls fail, see test_fail_alloc() and
 *     test_fail_sys().
 *
 * The environment variables TEST_FILTER and TEST_SKIP (a name with * and ?)
 * pick tests and leave tests out.  The time limit is the harness's, see tests/local.mk.
 */
#ifndef MPROC_TESTS_TEST_H
#define MPROC_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST_COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define TEST_RUN(tests)		test_run(tests, TEST_COUNT(tests))

/*
 * test_run - run n tests, each between two looks at the process.
 *
 * Returns the exit status for main(): 0 when all passed.
 */
int test_run(const struct CMUnitTest *tests, size_t n);

/*
 * test_fail_alloc - let the n-th allocation from now on fail, once.
 * test_fail_alloc_from - and all after it.
 *
 * @n  1 is the next one; 0 means none, and counts from zero again
 *
 * Allocations are those of the library and of the test, in any thread of the
 * calling process (not of its children): malloc, calloc, realloc,
 * reallocarray, strdup, strndup, asprintf, vasprintf, posix_memalign and
 * aligned_alloc.  The idiom, until nothing is left to fail:
 *
 *	for (n = 1;; n++) {
 *		test_fail_alloc(n);
 *		r = what_is_tested();
 *		if (!test_fail_done())
 *			break;
 *		assert_int_equal(r, -ENOMEM);
 *	}
 */
void test_fail_alloc(unsigned n);
void test_fail_alloc_from(unsigned n);
/* End the failing; true if an allocation did fail. */
bool test_fail_done(void);
/* Allocations since the last test_fail_alloc() or the start of the test. */
unsigned test_alloc_count(void);

/*
 * test_fail_sys - let the n-th call of `name` from now on fail, once, with
 * an errno; 0 ends it.  For the calls in tests/lib/sys_fail.c; in any thread
 * of the calling process, not in its children.
 */
void test_fail_sys(const char *name, unsigned n, int error);
/* End the failing; true if a call did fail. */
bool test_fail_sys_done(void);
/* Calls of that name since test_fail_sys(). */
unsigned test_sys_count(void);

/* Blocks that are allocated now. */
unsigned test_alloc_live(void);
/* Say on standard error who allocated what `mark` did not know. */
void test_alloc_report(void);
/* Forget what is live: test_alloc_report() tells only of later ones. */
void test_alloc_mark(void);

/* The number of open descriptors. */
int test_open_fds(void);
/* Wait for events (as POLLIN) on fd, up to ms: the revents, 0 = timed out. */
int test_poll(int fd, int events, int ms);
/*
 * Does valgrind run this?  Descriptors at the limit behave otherwise there,
 * and /proc/self/exe, which is what a spawned process executes, is valgrind.
 */
bool test_on_valgrind(void);
/* How many times slower this build is than a plain one, roughly. */
int test_slow(void);
/* The number in the environment variable `name`, or this. */
long test_env(const char *name, long otherwise);
/*
 * How often to do something: n times; in a slow build, or with TEST_PART=k in
 * the environment, only a part of it, at least once.  A number in `name`, if
 * not NULL, goes before.
 */
long test_count(const char *name, long n);
/* CLOCK_MONOTONIC in milliseconds. */
int64_t test_now_ms(void);

/* Private to tests/lib. */
extern int test_settle_ms;	/* how long a difference must last */
void test_leaks_start(void);	/* before the first test */
void test_leaks_before(void);	/* before each test */
int test_leaks_after(void);	/* after it: number of differences, told */

#endif
