/*
 * launch_fake.c - the backend of the launch tests, and how they talk to it.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch_fake.h"
#include "test.h"

#define GO_ON	(-1)	/* a command's result: otherwise the exit status */

const struct mproc_class fake_class = { .name = "Fake" };

const enum mproc_launch fake_ways[3] = {
	MPROC_FORK, MPROC_FORKSERVER, MPROC_SPAWN
};

const char *
fake_way_name(enum mproc_launch how)
{
	static const char *const names[] = {
		"auto", "fork", "forkserver", "spawn", "thread"
	};

	return names[how];
}

bool
fake_valgrind(void)
{
	const char *s = getenv("LD_PRELOAD");

	return s != NULL && strstr(s, "vgpreload") != NULL;
}

int
fake_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

bool
fake_can_spin(void)
{
#if defined(__SANITIZE_THREAD__)
	return false;
#elif defined(__has_feature)
	return !__has_feature(thread_sanitizer);
#else
	return true;
#endif
}

/* In the backend. */

struct back {
	const struct mproc__boot *boot;
	char	out[16384];
	size_t	len;
};

static void say(struct back *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
say(struct back *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(b->out + b->len, sizeof(b->out) - b->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		b->len += (size_t)n;
	if (b->len >= sizeof(b->out))
		b->len = sizeof(b->out) - 1;
}

static const char *
role(const struct back *b, int fd)
{
	static const char *const names[] = {
		"data", "control", "log", "status"
	};
	int i;

	for (i = 0; i < MPROC__BOOT_FDS; i++)
		if (fd == b->boot->fd[i])
			return names[i];
	if (fd == b->boot->parent_pidfd)
		return "parent";
	return fd <= STDERR_FILENO ? "stdio" : "other";
}

static void
list_fds(struct back *b)
{
	struct dirent *d;
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit limit;
	int fd;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		fd = (int)strtol(d->d_name, NULL, 10);
		/* Above the limit are those of valgrind. */
		if (d->d_name[0] == '.' || fd == dirfd(dir) ||
		    (rlim_t)fd >= limit.rlim_cur)
			continue;
		if (strcmp(role(b, fd), "other") == 0)
			say(b, "other%d%s ", fd, (fcntl(fd, F_GETFD) &
			    FD_CLOEXEC) ? "e" : "");
		else
			say(b, "%s ", role(b, fd));
	}
	if (dir != NULL)
		closedir(dir);
}

/* All dispositions that are not the default, and the mask. */
static void
list_signals(struct back *b)
{
	struct sigaction sa;
	sigset_t mask;
	int sig;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigaction(sig, NULL, &sa) == 0 &&
		    sa.sa_handler != SIG_DFL)
			say(b, "%d=%s ", sig, sa.sa_handler == SIG_IGN ?
			    "ignored" : "handled");
		if (sigismember(&mask, sig) == 1)
			say(b, "%d=blocked ", sig);
	}
}

static void
show_title(struct back *b)
{
	char comm[32] = "", line[256] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

	(void)prctl(PR_GET_NAME, comm, 0, 0, 0);
	if (fd >= 0 && read(fd, line, sizeof(line) - 1) < 0)
		line[0] = '\0';
	mproc__close(fd);
	say(b, "%s|%s", comm, line);
}

static void
spin(void)
{
	volatile unsigned n = 0;

	for (;;)
		n = n + 1;
}

static pid_t
grandchild(void)
{
	pid_t pid = fork();

	while (pid == 0)
		(void)pause();
	return pid;
}

/* Its owner as the C library has it is the thread as the kernel has it. */
static void
check_thread_id(struct back *b)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&mutex, &attr);
	pthread_mutex_lock(&mutex);
	say(b, "%s", mutex.__data.__owner == gettid() ? "same" : "other");
	pthread_mutex_unlock(&mutex);
	pthread_mutex_destroy(&mutex);
	pthread_mutexattr_destroy(&attr);
}

/* Lock the mutex in the memfd, and never unlock it. */
static void
lock_robust(struct back *b, int fd)
{
	pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);

	say(b, "%d", mutex == MAP_FAILED ? -1 : pthread_mutex_lock(mutex));
}

/* A backend that is itself a frontend. */
static void
start_another(struct back *b, enum mproc_launch how)
{
	struct fake *f = calloc(1, sizeof(*f));
	int r;

	if (f == NULL)
		return;
	if ((r = fake_start(f, how, NULL)) < 0) {
		say(b, "%d", r);
	} else {
		say(b, "%s", fake_way_name(f->child.how));
		say(b, " %s", fake_ask(f, "ping"));
		mproc__close(f->control);
		f->control = -1;
		say(b, " %d", fake_wait(f).exit_code);
	}
	free(f);
}

/* Fill the log lane, and say so; then the frontend makes room. */
static void
fill_log(struct back *b)
{
	int fd = b->boot->fd[MPROC__BOOT_LOG], n = 0;

	while (send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
		n++;
	say(b, "%d", n);
}

/* Does a SIGTERM wake a loop? */
static void
wake(struct back *b)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t n = 0;

	mproc__term.wake_fd = fd;
	(void)raise(SIGTERM);
	mproc__term.wake_fd = -1;
	if (read(fd, &n, sizeof(n)) < 0)
		n = 0;
	mproc__close(fd);
	say(b, "%d", (int)n);
}

static int
obey_more(struct back *b, const char *line)
{
	char cwd[1024];
	int n = 0;

	if (sscanf(line, "kill %d", &n) == 1)
		(void)raise(n);
	else if (strcmp(line, "signals") == 0)
		list_signals(b);
	else if (strcmp(line, "title") == 0)
		show_title(b);
	else if (strcmp(line, "thread-id") == 0)
		check_thread_id(b);
	else if (strcmp(line, "cwd") == 0)
		say(b, "%s", getcwd(cwd, sizeof(cwd)));
	else if (strcmp(line, "wake") == 0)
		wake(b);
	else if (strcmp(line, "fill-log") == 0)
		fill_log(b);
	else if (sscanf(line, "robust %d", &n) == 1)
		lock_robust(b, n);
	else if (sscanf(line, "start %d", &n) == 1)
		start_another(b, (enum mproc_launch)n);
	else
		say(b, "what is %s?", line);
	return GO_ON;
}

static int
obey(struct back *b, const char *line)
{
	int n = 0;

	if (sscanf(line, "exit %d", &n) == 1)
		return n;
	if (strcmp(line, "spin") == 0)
		spin();
	else if (strcmp(line, "ping") == 0)
		say(b, "pong");
	else if (strcmp(line, "pid") == 0)
		say(b, "%d %d %d", getpid(), getppid(), getpgrp());
	else if (strcmp(line, "fds") == 0)
		list_fds(b);
	else if (strcmp(line, "term") == 0)
		say(b, "%d %d", mproc__term.requested, mproc__term.orphaned);
	else if (strcmp(line, "grandchild") == 0)
		say(b, "%d", grandchild());
	else if (strncmp(line, "print ", 6) == 0)
		say(b, "%d", printf("%s", line + 6));
	else
		return obey_more(b, line);
	return GO_ON;
}

/* 0, or -1 at the end of the control end */
static int
wait_for_command(const struct back *b, char *line, size_t size)
{
	struct pollfd pfd[2] = {
		{ b->boot->fd[MPROC__BOOT_CONTROL], POLLIN, 0 },
		{ b->boot->fd[MPROC__BOOT_DATA], POLLIN, 0 }
	};
	ssize_t n;

	for (;;) {
		if (poll(pfd, 2, -1) < 0)
			continue;
		n = read(pfd[1].fd, line, size - 1);
		if (n > 0) {
			line[n] = '\0';
			return 0;
		}
		if (pfd[0].revents != 0)
			return -1;
		pfd[1].fd = n == 0 ? -1 : pfd[1].fd;
	}
}

/* It ends by _exit() alone. */
void
mproc__backend_hang_up(void)
{
}

int
mproc__backend_main(const struct mproc__boot *boot)
{
	struct back b = { .boot = boot };
	char line[1024];
	int i, status = GO_ON;

	if (!boot->is_thread)
		mproc__term.grace_ms = FAKE_GRACE_MS;
	while (status == GO_ON && wait_for_command(&b, line,
	    sizeof(line)) == 0) {
		b.len = 0;
		b.out[0] = '\0';
		status = obey(&b, line);
		if (status == GO_ON &&
		    send(boot->fd[MPROC__BOOT_DATA], b.out, b.len + 1,
		    MSG_NOSIGNAL) < 0)
			break;
	}
	for (i = 0; i < MPROC__BOOT_FDS; i++)
		mproc__close(boot->fd[i]);
	return status == GO_ON ? 0 : status;
}

/* In the frontend. */

static int
open_ends(struct fake *f, struct mproc__launch *l)
{
	int pair[MPROC__BOOT_STATUS][2], i, r;

	for (i = 0; i < MPROC__BOOT_STATUS; i++)
		pair[i][0] = pair[i][1] = -1;
	for (i = 0, r = 0; i < MPROC__BOOT_STATUS && r == 0; i++)
		r = mproc__socketpair(i == MPROC__BOOT_LOG ? SOCK_SEQPACKET :
		    SOCK_STREAM, 0, pair[i]);
	l->fd[MPROC__BOOT_STATUS] = -1;
	if (r == 0)
		r = mproc__memfd("status", 4096, &l->fd[MPROC__BOOT_STATUS]);
	for (i = 0; i < MPROC__BOOT_STATUS; i++)
		l->fd[i] = pair[i][1];
	f->data = pair[MPROC__BOOT_DATA][0];
	f->control = pair[MPROC__BOOT_CONTROL][0];
	f->log = pair[MPROC__BOOT_LOG][0];
	return r;
}

int
fake_start(struct fake *f, enum mproc_launch how,
    const struct mproc__launch *given)
{
	struct mproc__launch l = { .capture = { -1, -1 } };
	int i, r;

	memset(f, 0, sizeof(*f));
	f->child.pidfd = -1;
	if (given != NULL)
		l = *given;
	l.how = how;
	if (l.class == NULL)
		l.class = &fake_class;
	if (l.name == NULL)
		l.name = "fake-1";
	if ((r = open_ends(f, &l)) == 0 &&
	    (r = mproc__launch(&l, &f->child)) == 0)
		return 0;
	for (i = 0; i < MPROC__BOOT_FDS; i++)
		mproc__close(l.fd[i]);
	fake_close(f);
	return r;
}

void
fake_must_start(struct fake *f, enum mproc_launch how,
    const struct mproc__launch *l)
{
	int r = fake_start(f, how, l);

	if (r != 0)
		fail_msg("%s: %d: %s", fake_way_name(how), r,
		    mproc__err_text());
}

const char *
fake_ask(struct fake *f, const char *fmt, ...)
{
	char line[1024];
	size_t len = 0;
	ssize_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (send(f->data, line, strlen(line), MSG_NOSIGNAL) < 0)
		return NULL;
	do {
		if (test_poll(f->data, POLLIN, FAKE_WAIT_MS) == 0)
			return NULL;
		n = read(f->data, f->answer + len, sizeof(f->answer) - len);
		if (n <= 0)
			return NULL;
		len += (size_t)n;
	} while (f->answer[len - 1] != '\0');
	return f->answer;
}

void
fake_close(struct fake *f)
{
	mproc__close(f->data);
	mproc__close(f->control);
	mproc__close(f->log);
	f->data = f->control = f->log = -1;
}

struct mproc__exit
fake_wait(struct fake *f)
{
	struct mproc__exit ex = { .signal = -1, .exit_code = -1 };
	int fd = f->child.pidfd >= 0 ? f->child.pidfd : f->log;
	int64_t end = test_now_ms() + FAKE_WAIT_MS;
	char byte;

	/* A thread's log lane may have records before its hang-up. */
	while (!mproc__child_dead(&f->child) && test_now_ms() < end) {
		(void)test_poll(fd, POLLIN, FAKE_WAIT_MS);
		if (fd == f->log)
			(void)!read(fd, &byte, 1);
	}
	if (mproc__child_reap(&f->child, &ex) < 0)
		ex.signal = -2;
	mproc__child_done(&f->child);
	fake_close(f);
	return ex;
}

void
fake_end(struct fake *f)
{
	struct mproc__exit ex;

	mproc__close(f->control);
	f->control = -1;
	ex = fake_wait(f);
	assert_int_equal(ex.signal, 0);
	assert_int_equal(ex.exit_code, 0);
	assert_true(ex.known);
}

void
fake_check(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d: not so: %s (%s)\n", file, line, what,
	    mproc__err_text());
	_exit(99);
}

void
fake_in_fork(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		fn();
		mproc__run_exit_hooks();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}
