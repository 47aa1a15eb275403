/*
 * launch_test.c - every way of launching gives the same child: its
 * descriptors, signals, group, title; and the frontend gets its true end.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "launch_fake.h"
#include "test.h"

#define MIN_STARTS	200
#define N_BUSY		8

/* One child after the other, made each way; `f` is in scope. */
#define FOR_EACH_WAY(how_)						\
	for (size_t w_ = 0; w_ < TEST_COUNT(fake_ways); w_++)		\
		for (enum mproc_launch how_ = fake_ways[w_]; how_ != 0; how_ = 0) \
			if (how_ != MPROC_SPAWN || !fake_valgrind())

static struct fake f;

static void
start(enum mproc_launch how, const struct mproc__launch *l)
{
	int r = fake_start(&f, how, l);

	if (r != 0)
		fail_msg("%s: %d: %s", fake_way_name(how), r,
		    mproc__err_text());
}

static void
vk21_every_way_starts_a_child(void **state)
{
	int pid, ppid, group;

	(void)state;
	FOR_EACH_WAY(how) {
		start(how, NULL);
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
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
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
		start(how, NULL);
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
		start(how, &l);
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
wrong_kept_descriptors_are_refused(void **state)
{
	const int bad = 999;
	struct mproc__launch l = {
		.capture = { -1, -1 }, .keep_fds = &bad, .n_keep = 1
	};
	int fds[MPROC__KEEP_MAX + 1], i;

	(void)state;
	FOR_EACH_WAY(how)
		assert_int_equal(fake_start(&f, how, &l), -EBADF);
	for (i = 0; i <= MPROC__KEEP_MAX; i++)
		assert_true((fds[i] = mproc__dup(0)) >= 0);
	l.keep_fds = fds;
	l.n_keep = MPROC__KEEP_MAX + 1;
	FOR_EACH_WAY(how)
		assert_int_equal(fake_start(&f, how, &l), -E2BIG);
	l.n_keep = MPROC__KEEP_MAX;
	FOR_EACH_WAY(how) {
		start(how, &l);
		assert_string_equal(fake_ask(&f, "ping"), "pong");
		fake_end(&f);
	}
	for (i = 0; i <= MPROC__KEEP_MAX; i++)
		mproc__close(fds[i]);
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
		start(how, NULL);
		assert_string_equal(fake_ask(&f, "signals"), want);
		fake_end(&f);
		snprintf(want, sizeof(want), "%d=handled %d=handled ",
		    SIGTERM, SIGURG);
		start(how, &l);
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
		start(how, NULL);
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
		start(how, &l);
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

static struct mproc__exit
die(enum mproc_launch how, const char *command)
{
	start(how, NULL);
	assert_null(fake_ask(&f, "%s", command));
	return fake_wait(&f);
}

static void
ends_are_told_truly(void **state)
{
	struct mproc__exit ex;
	struct rlimit old, none = { 0, 0 };

	(void)state;
	getrlimit(RLIMIT_CORE, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_CORE, &none);
	FOR_EACH_WAY(how) {
		ex = die(how, "exit 37");
		assert_true(ex.known && ex.signal == 0);
		assert_int_equal(ex.exit_code, 37);
		ex = die(how, "kill 11");
		assert_true(ex.known && ex.exit_code == -1 && !ex.core);
		assert_int_equal(ex.signal, SIGSEGV);
	}
	setrlimit(RLIMIT_CORE, &old);
}

static void
reap_says_again_while_it_lives(void **state)
{
	struct mproc__exit ex;

	(void)state;
	FOR_EACH_WAY(how) {
		start(how, NULL);
		assert_false(mproc__child_dead(&f.child));
		assert_int_equal(mproc__child_reap(&f.child, &ex), -EAGAIN);
		assert_int_equal(mproc__child_signal(&f.child, SIGKILL), 0);
		assert_int_equal(fake_wait(&f).signal, SIGKILL);
	}
}

/* SIGCHLD ignored: the kernel reaps.  A thief: the host's own wait(2). */
static void
a_stolen_status_is_never_invented(void **state)
{
	struct sigaction old, ignore = { .sa_flags = 0 };
	struct mproc__exit ex;
	int thief;

	(void)state;
	ignore.sa_handler = SIG_IGN;
	for (thief = 0; thief < 2; thief++) FOR_EACH_WAY(how) {
		if (thief == 0)
			sigaction(SIGCHLD, &ignore, &old);
		start(how, NULL);
		assert_null(fake_ask(&f, "exit 5"));
		test_poll(f.child.pidfd, POLLIN, FAKE_WAIT_MS);
		if (thief == 1)
			assert_int_equal(waitpid(-1, NULL, WNOHANG),
			    how == MPROC_FORKSERVER ? -1 : f.child.pid);
		ex = fake_wait(&f);
		if (how == MPROC_FORKSERVER)
			assert_true(ex.known);
		if (ex.known)
			assert_true(ex.exit_code == 5 && ex.signal == 0);
		else
			assert_int_equal(ex.exit_code, -1);
		if (thief == 0)
			sigaction(SIGCHLD, &old, NULL);
	}
}

/* A host that waits for all its children must not wait for the helper. */
static void
the_helper_is_hidden_from_wait(void **state)
{
	(void)state;
	assert_int_equal(wait(NULL), -1);
	assert_int_equal(errno, ECHILD);
}

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
	start(MPROC_FORK, &l);
	fake_end(&f);
	if (!fake_valgrind()) {
		start(MPROC_SPAWN, &l);
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
		start(how, &l);
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
		start(how, NULL);
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
		start(how, NULL);
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
		start(MPROC_AUTO, NULL);
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

/* With no descriptor too many left it is refused, and nothing is lost. */
static void
descriptors_running_out(void **state)
{
	struct rlimit old, low;
	int fds, fails, r, top;
	enum mproc_launch last;

	(void)state;
	if (fake_valgrind())
		skip();			/* it keeps some for itself */
	getrlimit(RLIMIT_NOFILE, &old);
	fds = open_fds();
	FOR_EACH_WAY(how) {
		last = how;
		fails = 0;
		for (top = 4; top < 64; top++) {
			low = (struct rlimit){ (rlim_t)top, old.rlim_max };
			setrlimit(RLIMIT_NOFILE, &low);
			r = fake_start(&f, last, NULL);
			setrlimit(RLIMIT_NOFILE, &old);
			if (r == 0) {
				fake_end(&f);
			} else {
				assert_int_equal(r, -EMFILE);
				fails++;
			}
			assert_int_equal(open_fds(), fds);
		}
		assert_true(fails > 0 && fails < 60);
	}
}

static void
memory_running_out(void **state)
{
	unsigned n;
	int r;

	(void)state;
	FOR_EACH_WAY(how) {
		for (n = 1;; n++) {
			test_fail_alloc(n);
			r = fake_start(&f, how, NULL);
			if (!test_fail_done())
				break;
			assert_int_equal(r, -ENOMEM);
		}
		assert_int_equal(r, 0);
		fake_end(&f);
	}
}

static void
vk30_a_thread_is_a_backend_too(void **state)
{
	struct mproc__exit ex;
	int fds = open_fds();

	(void)state;
	start(MPROC_THREAD, NULL);
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
	assert_int_equal(open_fds(), fds);
}

/* When its log lane hangs up it is dead, and needs no second look. */
static void
a_thread_is_dead_at_the_hang_up(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 50; i++) {
		start(MPROC_THREAD, NULL);
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
	start(MPROC_THREAD, NULL);
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
		cmocka_unit_test(wrong_kept_descriptors_are_refused),
		cmocka_unit_test(vk26_signals_are_the_defaults),
		cmocka_unit_test(vk31_title_names_program_class_and_process),
		cmocka_unit_test(pr3_buffered_output_appears_once),
		cmocka_unit_test(output_is_captured),
		cmocka_unit_test(ends_are_told_truly),
		cmocka_unit_test(reap_says_again_while_it_lives),
		cmocka_unit_test(a_stolen_status_is_never_invented),
		cmocka_unit_test(the_helper_is_hidden_from_wait),
		cmocka_unit_test(a_class_has_static_storage),
		cmocka_unit_test(a_place_is_found_again),
		cmocka_unit_test(a_class_of_a_later_library_is_unknown),
		cmocka_unit_test(a_class_of_an_early_library_is_known),
		cmocka_unit_test(thread_ids_and_robust_locks_work),
		cmocka_unit_test(the_working_directory_is_the_present_one),
		cmocka_unit_test(a_backend_starts_backends),
		cmocka_unit_test(vk70_starts_while_threads_allocate),
		cmocka_unit_test(vk70_threads_and_no_helper_are_refused),
		cmocka_unit_test(a_dead_helper_is_noticed),
		cmocka_unit_test(a_stopped_helper_does_not_hang_us),
		cmocka_unit_test(a_foreign_variable_is_refused),
		cmocka_unit_test(a_helper_with_other_credentials_is_not_used),
		cmocka_unit_test(descriptors_running_out),
		cmocka_unit_test(memory_running_out),
		cmocka_unit_test(vk30_a_thread_is_a_backend_too),
		cmocka_unit_test(a_thread_is_dead_at_the_hang_up),
		cmocka_unit_test(a_thread_can_be_abandoned),
	};

	if (mproc_init(argc, argv) < 0)
		return EXIT_FAILURE;
	return TEST_RUN(tests);
}
