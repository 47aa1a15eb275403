/*
 * launch_test.c - every way of launching gives the same child: its
 * descriptors, signals, group, title, output; and a thread that is one.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "launch_fake.h"
#include "test.h"

static struct fake f;

/* Launch, send the command that ends it, and wait. */
static struct mproc__exit
die(enum mproc_launch how, const char *command)
{
	fake_must_start(&f, how, NULL);
	assert_null(fake_ask(&f, "%s", command));
	return fake_wait(&f);
}

static void
vk21_every_way_starts_a_child(void **state)
{
	int pid, ppid, group;

	(void)state;
	FOR_EACH_WAY(how) {
		fake_must_start(&f, how, NULL);
		assert_int_equal(f.child.how, how);
		assert_int_equal(sscanf(fake_ask(&f, "pid"), "%d %d %d", &pid,
		    &ppid, &group), 3);
		assert_int_equal(pid, f.child.pid);
		assert_int_equal(ppid, getpid());
		assert_int_equal(group, pid);
		fake_end(&f);
	}
}

static int
compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The words of a text, sorted. */
static const char *
sorted(const char *text)
{
	static char out[4096];
	char copy[4096], *words[256], *at;
	size_t i, n = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (at = strtok(copy, " "); at != NULL && n < 256;
	    at = strtok(NULL, " "))
		words[n++] = at;
	qsort(words, n, sizeof(words[0]), compare_words);
	out[0] = '\0';
	for (i = 0; i < n; i++)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s",
		    i > 0 ? " " : "", words[i]);
	return out;
}

#define OWN_FDS	"control data log parent status stdio stdio stdio"

static void
child_has_its_own_descriptors_only(void **state)
{
	int foreign[2];

	(void)state;
	assert_int_equal(pipe(foreign), 0);	/* not even close-on-exec */
	openlog("launch_test", LOG_NDELAY, LOG_USER);
	FOR_EACH_WAY(how) {
		fake_must_start(&f, how, NULL);
		assert_string_equal(sorted(fake_ask(&f, "fds")), OWN_FDS);
		fake_end(&f);
	}
	closelog();
	mproc__close(foreign[0]);
	mproc__close(foreign[1]);
}

/*
 * Also with close-on-exec as it was, at high numbers, twice, and at numbers
 * that the helper would give to what it receives.
 */
static void
child_keeps_named_descriptors(void **state)
{
	int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int b = dup(a), c = fcntl(a, F_DUPFD, 900), i;
	int low[3] = { fcntl(a, F_DUPFD, 5), fcntl(a, F_DUPFD, 6),
	    fcntl(a, F_DUPFD, 7) };
	const int keep[] = { a, b, c, low[0], low[1], low[2], c, 1 };
	const struct mproc__launch l = {
		.capture = { -1, -1 }, .keep_fds = keep,
		.n_keep = TEST_COUNT(keep)
	};
	char want[512];

	(void)state;
	snprintf(want, sizeof(want), OWN_FDS " other%de other%d other%d "
	    "other%d other%d other%d", a, b, c, low[0], low[1], low[2]);
	snprintf(want, sizeof(want), "%s", sorted(want));
	FOR_EACH_WAY(how) {
		fake_must_start(&f, how, &l);
		assert_string_equal(sorted(fake_ask(&f, "fds")), want);
		fake_end(&f);
	}
	for (i = 0; i < 3; i++)
		mproc__close(low[i]);
	mproc__close(a);
	mproc__close(b);
	mproc__close(c);
}

static void
vk26_signals_are_the_defaults(void **state)
{
	const struct mproc__launch l = {
		.capture = { -1, -1 }, .sigint_default = true
	};
	struct sigaction old_usr, ignore = { .sa_flags = 0 };
	char want[64];
	sigset_t set, old;

	(void)state;
	ignore.sa_handler = SIG_IGN;
	sigaction(SIGUSR1, &ignore, &old_usr);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	FOR_EACH_WAY(how) {
		snprintf(want, sizeof(want), "%d=ignored %d=handled "
		    "%d=handled ", SIGINT, SIGTERM, SIGURG);
		fake_must_start(&f, how, NULL);
		assert_string_equal(fake_ask(&f, "signals"), want);
		fake_end(&f);
		snprintf(want, sizeof(want), "%d=handled %d=handled ",
		    SIGTERM, SIGURG);
		fake_must_start(&f, how, &l);
		assert_string_equal(fake_ask(&f, "signals"), want);
		fake_end(&f);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	sigaction(SIGUSR1, &old_usr, NULL);
}

static void
vk31_title_names_program_class_and_process(void **state)
{
	char want[128];

	(void)state;
	if (fake_valgrind())
		skip();			/* it has an argv of its own */
	snprintf(want, sizeof(want), "fake-1|%s: Fake fake-1",
	    program_invocation_short_name);
	FOR_EACH_WAY(how) {
		fake_must_start(&f, how, NULL);
		assert_string_equal(fake_ask(&f, "title"), want);
		fake_end(&f);
	}
}

/* What a pipe has until all its writers are gone. */
static void
read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && test_poll(fd, POLLIN, FAKE_WAIT_MS) != 0 &&
	    (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
}

static int pipe_fds[2];

static void
print_from_both(void)
{
	static char buffer[4096];

	CHECK(dup2(pipe_fds[1], STDOUT_FILENO) >= 0);
	mproc__close(pipe_fds[1]);
	mproc__close(pipe_fds[0]);
	CHECK(setvbuf(stdout, buffer, _IOFBF, sizeof(buffer)) == 0);
	CHECK(printf("parent ") > 0);
	CHECK(mproc_init(0, NULL) == 0);
	FOR_EACH_WAY(how) {
		CHECK(printf("to-%s ", fake_way_name(how)) > 0);
		CHECK(fake_start(&f, how, NULL) == 0);
		(void)fake_ask(&f, "print [child]");
		mproc__close(f.control);
		f.control = -1;
		CHECK(fake_wait(&f).exit_code == 0);
	}
	CHECK(printf("end") > 0);
	CHECK(fflush(stdout) == 0);
}

/* It also says that standard streams are those that the frontend has now. */
static void
pr3_buffered_output_appears_once(void **state)
{
	char buf[512];

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	fake_in_fork(print_from_both);
	mproc__close(pipe_fds[1]);
	read_all(pipe_fds[0], buf, sizeof(buf));
	mproc__close(pipe_fds[0]);
	assert_string_equal(buf, fake_valgrind() ?
	    "parent to-fork [child]to-forkserver [child]end" :
	    "parent to-fork [child]to-forkserver [child]"
	    "to-spawn [child]end");
}

static void
output_is_captured(void **state)
{
	struct mproc__launch l = { .capture = { -1, -1 } };
	char buf[64];
	int out[2], err[2];

	(void)state;
	FOR_EACH_WAY(how) {
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		assert_int_equal(pipe2(err, O_CLOEXEC), 0);
		l.capture[0] = out[1];
		l.capture[1] = err[1];
		fake_must_start(&f, how, &l);
		(void)fake_ask(&f, "print caught");
		assert_string_equal(sorted(fake_ask(&f, "fds")), OWN_FDS);
		fake_end(&f);
		read_all(out[0], buf, sizeof(buf));
		assert_string_equal(buf, "caught");
		read_all(err[0], buf, sizeof(buf));
		assert_string_equal(buf, "");
		mproc__close(out[0]);
		mproc__close(err[0]);
	}
}

static void
thread_ids_and_robust_locks_work(void **state)
{
	struct mproc__launch l = { .capture = { -1, -1 }, .n_keep = 1 };
	pthread_mutexattr_t attr;
	pthread_mutex_t *mutex;
	void *map;
	int fd;

	(void)state;
	FOR_EACH_WAY(how) {
		assert_int_equal(mproc__memfd("lock", 4096, &fd), 0);
		assert_int_equal(mproc__map_shared(fd, 4096, &map), 0);
		mutex = map;
		pthread_mutexattr_init(&attr);
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
		pthread_mutex_init(mutex, &attr);
		l.keep_fds = &fd;
		fake_must_start(&f, how, &l);
		assert_string_equal(fake_ask(&f, "thread-id"), "same");
		assert_string_equal(fake_ask(&f, "robust %d", fd), "0");
		assert_int_equal(pthread_mutex_trylock(mutex), EBUSY);
		assert_null(fake_ask(&f, "kill %d", SIGKILL));
		assert_int_equal(fake_wait(&f).signal, SIGKILL);
		assert_int_equal(pthread_mutex_trylock(mutex), EOWNERDEAD);
		assert_int_equal(pthread_mutex_consistent(mutex), 0);
		assert_int_equal(pthread_mutex_unlock(mutex), 0);
		pthread_mutexattr_destroy(&attr);
		munmap(map, 4096);
		mproc__close(fd);
	}
}

static void
the_working_directory_is_the_present_one(void **state)
{
	char old[1024];

	(void)state;
	assert_non_null(getcwd(old, sizeof(old)));
	assert_int_equal(chdir("/proc/self"), 0);
	assert_int_equal(chdir("/"), 0);
	FOR_EACH_WAY(how) {
		fake_must_start(&f, how, NULL);
		assert_string_equal(fake_ask(&f, "cwd"), "/");
		fake_end(&f);
	}
	assert_int_equal(chdir(old), 0);
}

/* An actor may own actors; AUTO is a fork there, while it has one thread. */
static void
a_backend_starts_backends(void **state)
{
	(void)state;
	FOR_EACH_WAY(how) {
		fake_must_start(&f, how, NULL);
		assert_string_equal(fake_ask(&f, "start %d", MPROC_AUTO),
		    "fork pong 0");
		assert_string_equal(fake_ask(&f, "start %d",
		    MPROC_FORKSERVER), "-95");
		if (!fake_valgrind())
			assert_string_equal(fake_ask(&f, "start %d",
			    MPROC_SPAWN), "spawn pong 0");
		fake_end(&f);
	}
}

static void
vk30_a_thread_is_a_backend_too(void **state)
{
	struct mproc__exit ex;
	int fds = fake_fds();

	(void)state;
	fake_must_start(&f, MPROC_THREAD, NULL);
	assert_int_equal(f.child.how, MPROC_THREAD);
	assert_int_equal(f.child.pid, 0);
	assert_int_equal(f.child.pidfd, -1);
	assert_string_equal(fake_ask(&f, "ping"), "pong");
	assert_false(mproc__child_dead(&f.child));
	assert_int_equal(mproc__child_reap(&f.child, &ex), -EAGAIN);
	assert_int_equal(mproc__child_signal(&f.child, SIGTERM),
	    -EOPNOTSUPP);
	fake_end(&f);
	ex = die(MPROC_THREAD, "exit 3");
	assert_true(ex.known);
	assert_int_equal(ex.exit_code, 3);
	assert_int_equal(fake_fds(), fds);
}

/* When its log lane hangs up it is dead, and needs no second look. */
static void
a_thread_is_dead_at_the_hang_up(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 50; i++) {
		fake_must_start(&f, MPROC_THREAD, NULL);
		mproc__close(f.control);
		f.control = -1;
		while ((test_poll(f.log, POLLIN, FAKE_WAIT_MS) & POLLHUP) ==
		    0)
			;
		assert_true(mproc__child_dead(&f.child));
		assert_int_equal(fake_wait(&f).exit_code, 0);
	}
}

static void
a_thread_can_be_abandoned(void **state)
{
	(void)state;
	fake_must_start(&f, MPROC_THREAD, NULL);
	assert_string_equal(fake_ask(&f, "ping"), "pong");
	mproc__child_abandon(&f.child);
	mproc__child_done(&f.child);
	/* It ends by itself, later. */
	mproc__close(f.control);
	f.control = -1;
	assert_true(test_poll(f.log, POLLIN, FAKE_WAIT_MS) != 0);
	fake_close(&f);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk21_every_way_starts_a_child),
		cmocka_unit_test(child_has_its_own_descriptors_only),
		cmocka_unit_test(child_keeps_named_descriptors),
		cmocka_unit_test(vk26_signals_are_the_defaults),
		cmocka_unit_test(vk31_title_names_program_class_and_process),
		cmocka_unit_test(pr3_buffered_output_appears_once),
		cmocka_unit_test(output_is_captured),
		cmocka_unit_test(thread_ids_and_robust_locks_work),
		cmocka_unit_test(the_working_directory_is_the_present_one),
		cmocka_unit_test(a_backend_starts_backends),
		cmocka_unit_test(vk30_a_thread_is_a_backend_too),
		cmocka_unit_test(a_thread_is_dead_at_the_hang_up),
		cmocka_unit_test(a_thread_can_be_abandoned),
	};

	if (mproc_init(argc, argv) < 0)
		return EXIT_FAILURE;
	return TEST_RUN(tests);
}
