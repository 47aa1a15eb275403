/*
 * test.c - run cmocka tests with the leak checks round each of them.
 *
 * Each test is given to cmocka with our setup and teardown, which call its
 * own in between.  Tests run one after the other, so one `current` is enough
 * to know which one they belong to.
 */
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct CMUnitTest current;

static int
before(void **state)
{
	current = *(const struct CMUnitTest *)*state;
	*state = current.initial_state;
	test_leaks_before();
	test_fail_alloc(0);
	return current.setup_func != NULL ? current.setup_func(state) : 0;
}

static int
after(void **state)
{
	int r = 0;

	(void)test_fail_done();
	(void)test_fail_sys_done();
	if (current.teardown_func != NULL)
		r = current.teardown_func(state);
	if (test_leaks_after() > 0)
		r = -1;
	return r;
}

int
test_run(const struct CMUnitTest *tests, size_t n)
{
	struct CMUnitTest *wrapped;
	size_t i;
	int r;

	/* A child of a test must not print what is buffered here again. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getenv("TEST_FILTER") != NULL)
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	if (getenv("TEST_SKIP") != NULL)
		cmocka_set_skip_filter(getenv("TEST_SKIP"));
	if ((wrapped = calloc(n, sizeof(*wrapped))) == NULL)
		return EXIT_FAILURE;
	for (i = 0; i < n; i++) {
		wrapped[i] = tests[i];
		wrapped[i].setup_func = before;
		wrapped[i].teardown_func = after;
		wrapped[i].initial_state = (void *)(uintptr_t)&tests[i];
	}
	test_leaks_start();
	r = _cmocka_run_group_tests("tests", wrapped, n, NULL, NULL);
	free(wrapped);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

bool
test_on_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

int
test_slow(void)
{
	if (test_on_valgrind())
		return 20;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	return 5;
#else
	return 1;
#endif
}

long
test_env(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? strtol(text, NULL, 0) :
	    otherwise;
}

long
test_count(const char *name, long n)
{
	n /= test_slow() * test_env("TEST_PART", 1);
	n = n > 0 ? n : 1;
	return name != NULL ? test_env(name, n) : n;
}

int64_t
test_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
test_poll(int fd, int events, int ms)
{
	struct pollfd p = { .fd = fd, .events = (short)events };
	int64_t end = test_now_ms() + ms;
	int64_t left;

	/* A signal during a test (a profiler's, say) shortens no wait. */
	do {
		left = end - test_now_ms();
		if (poll(&p, 1, left > 0 ? (int)left : 0) > 0)
			return p.revents;
	} while (left > 0);
	return 0;
}
