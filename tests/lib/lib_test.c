/*
 * lib_test.c - the test library's own tests: does it see what it claims to?
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run test_leaks_after() in silence: what it tells is expected here. */
static int
leaks(void)
{
	int null, saved, n;

	fflush(stderr);
	saved = fcntl(2, F_DUPFD_CLOEXEC, 3);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(saved >= 0 && null >= 0);
	dup2(null, 2);
	close(null);
	test_settle_ms = 20;
	n = test_leaks_after() - 1;	/* `saved` is one */
	test_settle_ms = 1000;
	dup2(saved, 2);
	close(saved);
	return n;
}

static void
sees_descriptors(void **state)
{
	int fd;

	(void)state;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(leaks(), 1);
	close(fd);
	assert_int_equal(leaks(), 0);
}

static void
sees_signals(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;

	(void)state;
	sigaction(SIGUSR1, &ignore, &old);
	assert_int_equal(leaks(), 1);
	sigaction(SIGUSR1, &old, NULL);
	assert_int_equal(leaks(), 0);
}

static void *
wait_for_eof(void *arg)
{
	char c;

	(void)!read(*(const int *)arg, &c, 1);
	return NULL;
}

static void
sees_threads(void **state)
{
	pthread_t thread;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pthread_create(&thread, NULL, wait_for_eof, &p[0]);
	assert_int_equal(leaks(), 3);
	close(p[1]);
	pthread_join(thread, NULL);
	close(p[0]);
	assert_int_equal(leaks(), 0);
}

static void
sees_and_removes_children(void **state)
{
	pid_t pid;

	(void)state;
	if ((pid = fork()) == 0)
		for (;;)
			pause();
	assert_int_equal(leaks(), 1);
	assert_int_equal(waitpid(pid, NULL, 0), -1);
	assert_int_equal(errno, ECHILD);
}

static void
sees_allocations(void **state)
{
	char *volatile p;

	(void)state;
	p = malloc(10);
	assert_int_equal(leaks(), 1);
	free(p);
	assert_int_equal(leaks(), 0);
}

static void
fails_the_nth_allocation(void **state)
{
	char *volatile a, *volatile b, *volatile c;

	(void)state;
	test_fail_alloc(2);
	a = malloc(10);
	b = calloc(1, 10);
	c = strdup("third");
	assert_true(test_fail_done());
	assert_int_equal(test_alloc_count(), 3);
	assert_non_null(a);
	assert_null(b);
	assert_string_equal(c, "third");
	free(a);
	free(c);
	test_fail_alloc(1);
	assert_false(test_fail_done());
}

static void
fails_from_the_nth_allocation(void **state)
{
	char *volatile a, *volatile b;
	char *c = NULL;
	int r;

	(void)state;
	a = malloc(10);
	test_fail_alloc_from(1);
	b = realloc(a, 20);
	r = asprintf(&c, "%d", 1);
	assert_true(test_fail_done());
	assert_null(b);
	assert_int_equal(r, -1);
	free(a);
}

static void
fails_the_nth_system_call(void **state)
{
	int a[2], b[2], r;

	(void)state;
	test_fail_sys("pipe2", 2, EMFILE);
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	r = pipe2(b, O_CLOEXEC);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(r, -1);
	assert_true(test_fail_sys_done());
	r = fcntl(a[0], F_GETFD);
	assert_int_equal(r, FD_CLOEXEC);
	close(a[0]);
	close(a[1]);
}

static int
made(void **state)
{
	*state = malloc(1);
	return *state == NULL;
}

static int
unmade(void **state)
{
	free(*state);
	return 0;
}

static void
keeps_setup_and_teardown(void **state)
{
	assert_non_null(*state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_descriptors),
		cmocka_unit_test(sees_signals),
		cmocka_unit_test(sees_threads),
		cmocka_unit_test(sees_and_removes_children),
		cmocka_unit_test(sees_allocations),
		cmocka_unit_test(fails_the_nth_allocation),
		cmocka_unit_test(fails_from_the_nth_allocation),
		cmocka_unit_test(fails_the_nth_system_call),
		cmocka_unit_test_setup_teardown(keeps_setup_and_teardown,
		    made, unmade),
	};

	return TEST_RUN(tests);
}
