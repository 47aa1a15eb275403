/*
 * guest_test.c - what a program sees of its processes besides their
 * messages: nothing.  Descriptors, signals, titles, the children of others,
 * the terminal, time asleep.
 */
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* Time has to pass here: nobody may wake up in it. */
#define IDLE_MS		1500

static const char *program;	/* argv[0] */

/* How often it went to sleep, once it stays asleep after its last message. */
static long
sleeps_of(pid_t pid)
{
	int64_t until = test_now_ms() + SOON;
	long n = fix_proc_number(pid, "voluntary_ctxt_switches"), last;

	do {
		last = n;
		(void)poll(NULL, 0, 50 * test_slow());
		n = fix_proc_number(pid, "voluntary_ctxt_switches");
	} while (n != last && test_now_ms() < until);
	return n;
}

static void
vk19_an_idle_backend_sleeps(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "idle" });
	pid_t pid = mproc_pid(p);
	struct mproc_msg *msg;
	long before, after;

	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	before = sleeps_of(pid);
	assert_true(before > 0);
	/* the frontend sleeps, too: it goes to sleep once */
	after = fix_proc_number(getpid(), "voluntary_ctxt_switches");
	assert_int_equal(mproc_recv(p, IDLE_MS, &msg), 0);
	if (!test_on_valgrind())
		assert_in_range(fix_proc_number(getpid(),
		    "voluntary_ctxt_switches") - after, 0, 3);
	after = fix_proc_number(pid, "voluntary_ctxt_switches");
	assert_int_equal(after - before, 0);
	fix_finish(p);
}

/* Nothing is ready either, and the timer is not set. */
static void
vk19_the_fd_is_silent(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "silent" });
	int fd = mproc_fd(p);
	struct mproc_msg *msg;

	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	while (test_poll(fd, POLLIN, 0) != 0)
		assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(test_poll(fd, POLLIN, IDLE_MS / 3), 0);
	fix_finish(p);
}

/* What /proc/self/fd says of one descriptor in a list of c__files. */
static bool
is_listed(const char *list, int fd, const char *link)
{
	char line[300];

	snprintf(line, sizeof(line), "%d=%s\n", fd, link);
	return strstr(list, line) != NULL;
}

static void
link_of(int fd, char *link, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, size - 1);
	link[n > 0 ? n : 0] = '\0';
}

static char *
files_of(struct mproc *p)
{
	struct mproc_msg *reply;
	char *list;

	assert_int_equal(mproc_call(p, SOON, &reply, probe_files), 0);
	list = strdup(mproc_args(reply, probe_listed)->text);
	mproc_msg_free(reply);
	return list;
}

static int
lines(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

/* Ask 15: exactly the declared descriptors, none of ours, none of siblings. */
static void
a_child_has_its_descriptors_only(void **state)
{
	char link[256], *list, *again;
	struct mproc *sibling, *p;
	int extra[20][2], keep[4], i;

	p = fix_start(state, (struct mproc_options){ .name = "alone" });
	list = files_of(p);
	fix_finish(p);
	/* data, control, log, page, the parent, and three of its loop */
	assert_in_range(lines(list), 3 + 5, 3 + 8);

	for (i = 0; i < 20; i++)	/* also those without close-on-exec */
		assert_int_equal(pipe2(extra[i], i % 2 ? O_CLOEXEC : 0), 0);
	sibling = fix_start(state, (struct mproc_options){ .name = "s" });
	keep[0] = extra[0][0];
	keep[1] = extra[1][1];
	keep[2] = STDERR_FILENO;
	keep[3] = -1;
	p = fix_start(state, (struct mproc_options){ .name = "kept",
	    .keep_fds = keep });
	again = files_of(p);
	assert_int_equal(lines(again), lines(list) + 2);
	for (i = 3; i < 256; i++) {
		link_of(i, link, sizeof(link));
		if (strncmp(link, "socket:", 7) != 0 &&
		    strncmp(link, "pipe:", 5) != 0)
			continue;
		if (i == keep[0] || i == keep[1])
			assert_true(is_listed(again, i, link));
		else
			assert_false(is_listed(again, i, link));
	}
	free(list);
	/* over a restart, too */
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_start(p), 0);
	list = files_of(p);
	assert_int_equal(lines(again), lines(list));
	free(list);
	free(again);
	fix_finish(p);
	fix_finish(sibling);
	for (i = 0; i < 20; i++) {
		close(extra[i][0]);
		close(extra[i][1]);
	}
}

/*
 * Ask 15: with few descriptors, here and in the backend, everything works or
 * says -EMFILE; nothing hangs, nothing is lost in between.
 */
static int
count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* How far it came: 1 new, 2 started, 3 a descriptor went there and back. */
static int
with_few(int pipe_fd)
{
	struct mproc_msg *reply = NULL;
	struct mproc *p;
	int r, far = 1;

	r = mproc_new(&probe_class, &(struct mproc_options){
	    .launch = MPROC_FORK, .args = MPROC_PACK(probe_start,
	    .fd = MPROC_FD(STDERR_FILENO)) }, &p);
	CHECK(r == 0 || r == -EMFILE);
	if (r < 0)
		return 0;
	r = mproc_start(p);
	CHECK(r == 0 || r == -EMFILE);
	if (r == 0) {
		far = 2;
		r = mproc_call(p, SOON, &reply, probe_open,
		    .fd = MPROC_FD(pipe_fd));
		CHECK(r == 0 || r == -EMFILE || r == -EPIPE);
		if (r == 0)
			far = 3;
		mproc_msg_free(reply);
		r = mproc_call(p, SOON, NULL, probe_echo);
		CHECK(r == 0 || r == -EPIPE);
	}
	CHECK(mproc_stop(p) == 0);
	mproc_free(p);
	return far;
}

static void
few_descriptors(void)
{
	int fds[2], n, before, far = 0, seen = 0;
	struct rlimit old, low;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	close(fds[1]);		/* to be read: end of file */
	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	before = count_fds();
	for (n = 4; n <= 40; n++) {
		low = old;
		low.rlim_cur = (rlim_t)n;
		CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
		far = with_few(fds[0]);
		seen |= 1 << far;
		CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
		CHECK(count_fds() == before);
	}
	CHECK(far == 3);	/* with so many all works */
	CHECK(seen & 1);
}

static void
few_descriptors_are_said(void **state)
{
	(void)state;
	/* valgrind imitates the limit, for some system calls only */
	if (test_on_valgrind())
		skip();
	fix_in_fork(few_descriptors);
}

static void
vk31_titles(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "a-long-process-name" });
	char path[64], text[512] = "", comm[32] = "";
	size_t i, n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", mproc_pid(p));
	assert_non_null(f = fopen(path, "re"));
	assert_non_null(fgets(comm, sizeof(comm), f));
	fclose(f);
	assert_string_equal(comm, "a-long-process-\n");
	snprintf(path, sizeof(path), "/proc/%d/cmdline", mproc_pid(p));
	assert_non_null(f = fopen(path, "re"));
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	for (i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	if (!test_on_valgrind())
		assert_non_null(strstr(text, "Probe a-long-process-name"));
	fix_finish(p);
}

/* Ask 11: the host waits for anything, in a loop. */
static _Atomic bool reaping;
static _Atomic int reaped_ours;
static pid_t our_child;

static void *
reap_all(void *arg)
{
	int status;
	pid_t pid;

	(void)arg;
	while (reaping) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid == our_child && WIFEXITED(status) &&
		    WEXITSTATUS(status) == 5)
			reaped_ours++;
		else if (pid <= 0)
			(void)poll(NULL, 0, 1);
	}
	return NULL;
}

/*
 * Linux 6.15 tells how a process ended that somebody else has reaped
 * (PIDFD_GET_INFO).  Without it only backends of the fork server, which the
 * host's wait(2) does not see, are sure to be known.
 */
static bool
kernel_tells(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	if (uname(&u) == 0)
		(void)sscanf(u.release, "%d.%d", &major, &minor);
	return (major > 6 || (major == 6 && minor >= 15)) && !test_on_valgrind();
}

/* How many were not known. */
static int
reasons(struct mproc *p)
{
	const struct mproc_death *d;
	int i, unknown = 0;

	for (i = 0; i < 10; i++) {
		assert_int_equal(mproc_start(p), 0);
		if (i % 2 == 0)
			assert_int_equal(mproc_send(p, probe_die,
			    .sig = SIGKILL), 0);
		else
			assert_int_equal(mproc_send(p, probe_die,
			    .status = 3 + i), 0);
		d = fix_dead(p);
		if (!d->known) {
			/* not told is right, told wrong is not */
			assert_int_equal(d->signal, 0);
			assert_int_equal(d->exit_code, -1);
			unknown++;
		} else if (i % 2 == 0) {
			assert_int_equal(d->signal, SIGKILL);
		} else {
			assert_int_equal(d->exit_code, 3 + i);
		}
	}
	return unknown;
}

static void
the_host_reaps_everything(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state) });
	pthread_t thread;
	int unknown;

	reaped_ours = 0;
	reaping = true;
	assert_true((our_child = fork()) >= 0);
	if (our_child == 0) {
		(void)poll(NULL, 0, 20);
		_exit(5);
	}
	assert_int_equal(pthread_create(&thread, NULL, reap_all, NULL), 0);
	unknown = reasons(p);
	fix_finish(p);
	while (reaped_ours == 0)	/* bounded by the harness */
		(void)poll(NULL, 0, 1);
	reaping = false;
	pthread_join(thread, NULL);
	assert_int_equal(reaped_ours, 1);
	if (kernel_tells() || fix_placement(state) == MPROC_FORKSERVER)
		assert_int_equal(unknown, 0);
}

static void
the_host_ignores_sigchld(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .launch = fix_placement(state) });
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	int unknown;

	assert_int_equal(sigaction(SIGCHLD, &ignore, &old), 0);
	unknown = reasons(p);
	fix_finish(p);
	if (kernel_tells() || fix_placement(state) == MPROC_FORKSERVER)
		assert_int_equal(unknown, 0);
	assert_int_equal(sigaction(SIGCHLD, &old, NULL), 0);
}

/* VK-70: 8 threads that allocate all the time. */
static _Atomic bool busy;

static void *
allocate(void *arg)
{
	void *block[64] = { NULL };
	size_t i = 0;

	while (busy) {
		free(block[i % 64]);
		block[i % 64] = malloc(16 + i % 5000);
		i++;
	}
	for (i = 0; i < 64; i++)
		free(block[i]);
	return arg;
}

static void
vk70_starts_in_a_program_with_threads(void **state)
{
	long i, n = test_count("MPROC_CHAOS_STARTS", 300);
	pthread_t thread[8];
	struct mproc *p;

	busy = true;
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, allocate,
		    NULL), 0);
	for (i = 0; i < n; i++) {
		p = fix_start(state, (struct mproc_options){ .name = NULL });
		assert_int_equal(mproc_call(p, SOON, NULL, probe_emit,
		    .count = 1, .size = 5000), 0);
		fix_finish(p);
	}
	busy = false;
	for (i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
}

/*
 * VK-26: Ctrl-C at the terminal.  Only the program sees it; its backends
 * live on, until it stops them.
 */
static volatile sig_atomic_t interrupts;

static void
on_interrupt(int sig)
{
	(void)sig;
	interrupts++;
}

static int
play_terminal(void)
{
	static const enum mproc_launch ways[] = {
		MPROC_FORKSERVER, MPROC_FORK, MPROC_SPAWN
	};
	struct sigaction sa = { .sa_handler = on_interrupt };
	struct mproc *p[TEST_COUNT(ways)];
	size_t i;

	CHECK(sigaction(SIGINT, &sa, NULL) == 0);
	for (i = 0; i < TEST_COUNT(ways); i++) {
		CHECK(mproc_new(&probe_class, &(struct mproc_options){
		    .launch = ways[i] }, &p[i]) == 0);
		CHECK(mproc_start(p[i]) == 0);
	}
	CHECK(write(STDOUT_FILENO, "ready\n", 6) == 6);
	while (interrupts == 0)
		(void)poll(NULL, 0, 10);
	for (i = 0; i < TEST_COUNT(ways); i++)
		CHECK(mproc_ping(p[i], SOON) == 0);
	CHECK(mproc_stop_all(p, (int)i) == 0);
	while (i-- > 0) {
		CHECK(mproc_death(p[i])->exit_code == 0);
		mproc_free(p[i]);
	}
	return interrupts == 1 ? 17 : 18;
}

/* A terminal whose session leader runs this program again. */
static pid_t
start_at_terminal(int *ret_master)
{
	char name[64];
	pid_t pid;
	int fd;

	*ret_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*ret_master >= 0);
	assert_int_equal(grantpt(*ret_master), 0);
	assert_int_equal(unlockpt(*ret_master), 0);
	assert_int_equal(ptsname_r(*ret_master, name, sizeof(name)), 0);
	assert_true((pid = fork()) >= 0);
	if (pid != 0)
		return pid;
	(void)setsid();
	fd = open(name, O_RDWR);	/* becomes the controlling one */
	(void)ioctl(fd, TIOCSCTTY, 0);
	(void)dup2(fd, 0);
	(void)dup2(fd, 1);
	(void)dup2(fd, 2);
	(void)execl("/proc/self/exe", program, "--terminal", NULL);
	_exit(71);
}

static void
vk26_only_the_program_sees_an_interrupt(void **state)
{
	char text[4096] = "";
	size_t len = 0;
	int master, status = 0;
	ssize_t got;
	pid_t pid;

	(void)state;
	if (test_on_valgrind())
		skip();		/* it execs itself */
	pid = start_at_terminal(&master);
	while (strstr(text, "ready") == NULL) {
		assert_int_not_equal(test_poll(master, POLLIN, SOON), 0);
		got = read(master, text + len, sizeof(text) - 1 - len);
		if (got <= 0)
			fail_msg("at the terminal: %s", text);
		len += (size_t)got;
	}
	assert_int_equal(write(master, "\003", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 17);
	close(master);
}

/* The number of a line of c__mask. */
static uint64_t
mask_of(struct mproc *p, const char *line)
{
	struct mproc_msg *reply;
	const char *at;
	uint64_t mask;

	assert_int_equal(mproc_call(p, SOON, &reply, probe_mask), 0);
	at = strstr(mproc_args(reply, probe_listed)->text, line);
	assert_non_null(at);
	mask = strtoull(at + strlen(line), NULL, 16);
	mproc_msg_free(reply);
	return mask;
}

/* The host's mask and dispositions are not the backend's. */
static void
vk26_signals_of_a_backend(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	const uint64_t interrupt = 1ULL << (SIGINT - 1);
	const uint64_t user = 1ULL << (SIGUSR1 - 1);
	sigset_t all, before;
	struct mproc *p;

	sigfillset(&all);
	assert_int_equal(sigaction(SIGUSR1, &ignore, &old), 0);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &all, &before), 0);
	p = fix_start(state, (struct mproc_options){ .name = "signals" });
	assert_int_equal(mask_of(p, "SigBlk:"), 0);
	assert_int_equal(mask_of(p, "SigIgn:") & (interrupt | user),
	    interrupt);
	fix_finish(p);
	p = fix_start(state, (struct mproc_options){ .name = "default",
	    .sigint = MPROC_SIGINT_DEFAULT });
	assert_int_equal(mask_of(p, "SigIgn:") & interrupt, 0);
	assert_int_equal(kill(mproc_pid(p), SIGINT), 0);
	assert_int_equal(fix_dead(p)->signal, SIGINT);
	fix_finish(p);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_PROCESSES(vk19_an_idle_backend_sleeps),
		FIX_ALL(vk19_the_fd_is_silent),
		FIX_PROCESSES(a_child_has_its_descriptors_only),
		cmocka_unit_test(few_descriptors_are_said),
		FIX_PROCESSES(vk31_titles),
		FIX_PROCESSES(the_host_reaps_everything),
		FIX_PROCESSES(the_host_ignores_sigchld),
		FIX_ONE(vk70_starts_in_a_program_with_threads, 0,
		    "forkserver"),
		cmocka_unit_test(vk26_only_the_program_sees_an_interrupt),
		FIX_PROCESSES(vk26_signals_of_a_backend),
	};

	program = argv[0];
	if (mproc_init(argc, argv) < 0)
		return 1;
	if (argc == 2 && strcmp(argv[1], "--terminal") == 0)
		return play_terminal();
	return FIX_RUN(tests);
}
