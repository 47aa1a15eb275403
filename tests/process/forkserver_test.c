/*
 * forkserver_test.c - the fork server and the classes that it knows.
 */
#include <sys/wait.h>

#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch_fake.h"
#include "test.h"

#define MIN_STARTS	200
#define N_BUSY		8

static struct fake f;

static void
a_class_has_static_storage(void **state)
{
	struct mproc_class *heap = malloc(sizeof(*heap)), stack = fake_class;
	struct mproc__launch l = { .capture = { -1, -1 }, .class = &stack };
	int how;

	(void)state;
	assert_non_null(heap);
	*heap = fake_class;
	for (how = MPROC_AUTO; how <= MPROC_THREAD; how++) {
		l.class = heap;
		assert_int_equal(fake_start(&f, (enum mproc_launch)how, &l),
		    -EINVAL);
		l.class = &stack;
		assert_int_equal(fake_start(&f, (enum mproc_launch)how, &l),
		    -EINVAL);
	}
	free(heap);
	assert_int_equal(fake_start(&f, (enum mproc_launch)77, NULL),
	    -EINVAL);
}

/* A class found again by its place, in the program and in a library. */
static void
a_place_is_found_again(void **state)
{
	const struct mproc_class *found = NULL, *in_libc;
	struct mproc__place place;

	(void)state;
	in_libc = (const struct mproc_class *)(const void *)
	    dlsym(RTLD_DEFAULT, "_res_context_send");
	if (in_libc == NULL)
		in_libc = (const void *)dlsym(RTLD_DEFAULT, "qsort");
	assert_int_equal(mproc__place_of(&fake_class, &place), 0);
	assert_int_equal(mproc__place_find(&place, &found), 0);
	assert_ptr_equal(found, &fake_class);
	assert_int_equal(mproc__place_of(in_libc, &place), 0);
	assert_int_equal(mproc__place_find(&place, &found), 0);
	assert_ptr_equal(found, in_libc);
	place.id[3] ^= 1;
	assert_int_equal(mproc__place_find(&place, &found), -ENOENT);
	place.id[3] ^= 1;
	place.offset = UINT64_MAX;
	assert_int_equal(mproc__place_find(&place, &found), -ENOENT);
}

/* tests/process/late.c, as a library; NULL where it was not built. */
static const struct mproc_class *
load_late_class(void **ret_lib)
{
	const char *dir = getenv("top_builddir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/process/.libs/late.so",
	    dir != NULL ? dir : ".");
	*ret_lib = dlopen(path, RTLD_NOW);
	return *ret_lib == NULL ? NULL : dlsym(*ret_lib, "late_class");
}

/* Loaded after mproc_init(): the helper and a new program have it not. */
static void
a_class_of_a_later_library_is_unknown(void **state)
{
	struct mproc__launch l = { .capture = { -1, -1 } };
	struct mproc__exit ex;
	void *lib;

	(void)state;
	if ((l.class = load_late_class(&lib)) == NULL)
		skip();
	assert_int_equal(fake_start(&f, MPROC_FORKSERVER, &l), -ENOENT);
	assert_non_null(strstr(mproc__err_text(), "Late"));
	fake_must_start(&f, MPROC_FORK, &l);
	fake_end(&f);
	if (!fake_valgrind()) {
		fake_must_start(&f, MPROC_SPAWN, &l);
		ex = fake_wait(&f);
		assert_true(ex.known);
		assert_int_equal(ex.exit_code, 127);
	}
	dlclose(lib);
}

static void
load_before_init(void)
{
	struct mproc__launch l = { .capture = { -1, -1 } };
	void *lib;

	CHECK((l.class = load_late_class(&lib)) != NULL);
	CHECK(mproc_init(0, NULL) == 0);
	CHECK(fake_start(&f, MPROC_FORKSERVER, &l) == 0);
	CHECK(fake_valgrind() || strstr(fake_ask(&f, "title"), "Late") != NULL);
	mproc__close(f.control);
	f.control = -1;
	CHECK(fake_wait(&f).exit_code == 0);
}

static void
a_class_of_an_early_library_is_known(void **state)
{
	void *lib;

	(void)state;
	if (load_late_class(&lib) == NULL)
		skip();
	dlclose(lib);
	fake_in_fork(load_before_init);
}

/* A host that waits for all its children must not wait for the helper. */
static void
the_helper_is_hidden_from_wait(void **state)
{
	(void)state;
	assert_int_equal(wait(NULL), -1);
	assert_int_equal(errno, ECHILD);
}

static _Atomic bool busy_end;

static void *
busy(void *arg)
{
	void *blocks[16] = { NULL };
	unsigned i = 0;

	while (!busy_end) {
		free(blocks[i % 16]);
		blocks[i % 16] = malloc(i * 37 % 5000 + 1);
		i++;
	}
	for (i = 0; i < 16; i++)
		free(blocks[i]);
	return arg;
}

static void
vk70_starts_while_threads_allocate(void **state)
{
	pthread_t threads[N_BUSY];
	int i, n = fake_valgrind() ? 5 : MIN_STARTS;

	(void)state;
	busy_end = false;
	for (i = 0; i < N_BUSY; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, busy,
		    NULL), 0);
	for (i = 0; i < n; i++) {
		fake_must_start(&f, MPROC_AUTO, NULL);
		assert_int_equal(f.child.how, MPROC_FORKSERVER);
		assert_string_equal(fake_ask(&f, "ping"), "pong");
		fake_end(&f);
	}
	busy_end = true;
	for (i = 0; i < N_BUSY; i++)
		pthread_join(threads[i], NULL);
}

static void
start_with_a_thread_beside(void)
{
	pthread_t thread;

	busy_end = false;
	CHECK(pthread_create(&thread, NULL, busy, NULL) == 0);
	CHECK(fake_start(&f, MPROC_AUTO, NULL) == -EOPNOTSUPP);
	CHECK(strstr(mproc__err_text(), "mproc_init()") != NULL);
	CHECK(fake_start(&f, MPROC_FORKSERVER, NULL) == -EOPNOTSUPP);
	CHECK(strstr(mproc__err_text(), "mproc_init()") != NULL);
	CHECK(mproc_init(0, NULL) == -EBUSY);
	busy_end = true;
	CHECK(pthread_join(thread, NULL) == 0);
	/* A fork by name is done as asked. */
	CHECK(fake_start(&f, MPROC_FORK, NULL) == 0);
	mproc__close(f.control);
	f.control = -1;
	CHECK(fake_wait(&f).exit_code == 0);
}

static void
vk70_threads_and_no_helper_are_refused(void **state)
{
	(void)state;
	fake_in_fork(start_with_a_thread_beside);
}

/* In a fork, which has no helper yet: its pid. */
static pid_t
own_helper(void)
{
	char path[64];
	int pid = 0;
	FILE *children;

	CHECK(mproc_init(0, NULL) == 0);
	CHECK(mproc_init(0, NULL) == 0);	/* again: the same one */
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	CHECK((children = fopen(path, "re")) != NULL);
	CHECK(fscanf(children, "%d", &pid) == 1);
	fclose(children);
	return pid;
}

static void
outlive_the_helper(void)
{
	pid_t pid = own_helper();
	int pidfd;

	CHECK(mproc__pidfd_open(pid, &pidfd) == 0);
	CHECK(mproc__pidfd_signal(pidfd, SIGKILL) == 0);
	CHECK(test_poll(pidfd, POLLIN, FAKE_WAIT_MS) != 0);
	CHECK(fake_start(&f, MPROC_AUTO, NULL) == 0);
	CHECK(f.child.how == MPROC_FORK);
	mproc__close(f.control);
	f.control = -1;
	CHECK(fake_wait(&f).exit_code == 0);
	CHECK(waitpid(-1, NULL, __WALL) == -1);	/* it was reaped */
	CHECK(fake_start(&f, MPROC_FORKSERVER, NULL) == -EOPNOTSUPP);
	mproc__close(pidfd);
}

static void
a_dead_helper_is_noticed(void **state)
{
	(void)state;
	fake_in_fork(outlive_the_helper);
}

static void
wait_for_a_stopped_helper(void)
{
	pid_t pid = own_helper();
	int64_t begin;

	mproc__server_answer_ms = 200;
	CHECK(kill(pid, SIGSTOP) == 0);
	begin = test_now_ms();
	CHECK(fake_start(&f, MPROC_FORKSERVER, NULL) == -ETIMEDOUT);
	CHECK(fake_start(&f, MPROC_AUTO, NULL) == -ETIMEDOUT);
	CHECK(test_now_ms() - begin < FAKE_WAIT_MS);
	CHECK(kill(pid, SIGCONT) == 0);
	/* Answers to those who went are not taken for ours. */
	mproc__server_answer_ms = FAKE_WAIT_MS;
	CHECK(fake_start(&f, MPROC_FORKSERVER, NULL) == 0);
	CHECK(strcmp(fake_ask(&f, "ping"), "pong") == 0);
	mproc__close(f.control);
	f.control = -1;
	CHECK(fake_wait(&f).exit_code == 0);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(-1, NULL, __WALL) == pid);
	CHECK(waitpid(-1, NULL, __WALL) == -1);
}

static void
a_stopped_helper_does_not_hang_us(void **state)
{
	(void)state;
	fake_in_fork(wait_for_a_stopped_helper);
}

static void
init_with_a_strange_environment(void)
{
	CHECK(setenv("MPROC_BACKEND", "nonsense", 1) == 0);
	CHECK(mproc_init(0, NULL) == -EBADMSG);
	CHECK(setenv("MPROC_BACKEND", "12345", 1) == 0);
	CHECK(mproc_init(0, NULL) == -EBADMSG);
	CHECK(unsetenv("MPROC_BACKEND") == 0);
	CHECK(mproc_init(0, NULL) == 0);
}

static void
a_foreign_variable_is_refused(void **state)
{
	(void)state;
	fake_in_fork(init_with_a_strange_environment);
}

static void
drop_privileges(void)
{
	CHECK(mproc_init(0, NULL) == 0);
	CHECK(setgid(65534) == 0 && setuid(65534) == 0);
	CHECK(fake_start(&f, MPROC_FORKSERVER, NULL) == -EPERM);
}

static void
a_helper_with_other_credentials_is_not_used(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	fake_in_fork(drop_privileges);
}

static void
fail_to_init(void)
{
	test_fail_sys("socketpair", 1, EMFILE);
	CHECK(mproc_init(0, NULL) == -EMFILE);
	CHECK(test_fail_sys_done());
	CHECK(fake_start(&f, MPROC_FORKSERVER, NULL) == -EOPNOTSUPP);
	CHECK(mproc_init(0, NULL) == 0);
	CHECK(fake_start(&f, MPROC_FORKSERVER, NULL) == 0);
	mproc__close(f.control);
	f.control = -1;
	CHECK(fake_wait(&f).exit_code == 0);
}

static void
init_may_be_tried_again(void **state)
{
	(void)state;
	fake_in_fork(fail_to_init);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_class_has_static_storage),
		cmocka_unit_test(a_place_is_found_again),
		cmocka_unit_test(a_class_of_a_later_library_is_unknown),
		cmocka_unit_test(a_class_of_an_early_library_is_known),
		cmocka_unit_test(the_helper_is_hidden_from_wait),
		cmocka_unit_test(vk70_starts_while_threads_allocate),
		cmocka_unit_test(vk70_threads_and_no_helper_are_refused),
		cmocka_unit_test(a_dead_helper_is_noticed),
		cmocka_unit_test(a_stopped_helper_does_not_hang_us),
		cmocka_unit_test(a_foreign_variable_is_refused),
		cmocka_unit_test(a_helper_with_other_credentials_is_not_used),
		cmocka_unit_test(init_may_be_tried_again),
	};

	if (mproc_init(argc, argv) < 0)
		return EXIT_FAILURE;
	return TEST_RUN(tests);
}
