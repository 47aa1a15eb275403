/*
 * leaks.c - what a process has before a test and must have after it.
 *
 * A thread that was joined and a process that was reaped stay visible in
 * /proc for a moment, so a difference counts when it lasts for a second.
 */
#include "test.h"

#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES	1024

int test_settle_ms = 1000;

/* The entries of a directory; static, so that looking leaks nothing. */
struct names {
	int	n;
	char	name[NAMES][256];
};

struct look {
	struct names	 fds, threads, children, shm;
	struct sigaction signals[NSIG];
	unsigned	 live;
};

static struct look first, now;

static bool
has(const struct names *names, const char *name)
{
	int i;

	for (i = 0; i < names->n; i++)
		if (strcmp(names->name[i], name) == 0)
			return true;
	return false;
}

static void
add(struct names *names, const char *name)
{
	if (names->n < NAMES)
		snprintf(names->name[names->n++], sizeof(names->name[0]),
		    "%s", name);
}

static void
list(const char *path, struct names *ret)
{
	const struct dirent *e;
	char self[16];
	DIR *dir;

	ret->n = 0;
	if ((dir = opendir(path)) == NULL)
		return;
	snprintf(self, sizeof(self), "%d", dirfd(dir));
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (strcmp(path, "/proc/self/fd") == 0 &&
		    strcmp(e->d_name, self) == 0)
			continue;
		add(ret, e->d_name);
	}
	closedir(dir);
}

static void
list_children(const struct names *threads, struct names *ret)
{
	char path[300], pid[32];
	FILE *f;
	int i;

	ret->n = 0;
	for (i = 0; i < threads->n; i++) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/children",
		    threads->name[i]);
		if ((f = fopen(path, "re")) == NULL)
			continue;
		while (fscanf(f, "%31s", pid) == 1)
			add(ret, pid);
		fclose(f);
	}
}

static void
look(struct look *ret)
{
	int sig;

	list("/proc/self/fd", &ret->fds);
	list("/proc/self/task", &ret->threads);
	list("/dev/shm", &ret->shm);
	list_children(&ret->threads, &ret->children);
	for (sig = 1; sig < NSIG; sig++)
		if (sigaction(sig, NULL, &ret->signals[sig]) != 0)
			memset(&ret->signals[sig], 0, sizeof(ret->signals[0]));
	ret->live = test_alloc_live();
}

static int
tell_new(const char *what, const char *dir, const struct names *names,
    const struct names *old, bool tell)
{
	char path[300], target[128];
	ssize_t len;
	int i, n = 0;

	for (i = 0; i < names->n; i++) {
		if (has(old, names->name[i]))
			continue;
		n++;
		if (!tell)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", dir, names->name[i],
		    strcmp(what, "child") == 0 ? "/exe" : "");
		len = readlink(path, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		fprintf(stderr, "leak: %s %s is new: %s\n", what,
		    names->name[i], target);
	}
	return n;
}

/* glibc adds SA_RESTORER to what it sets, restoring included. */
static bool
same_action(const struct sigaction *a, const struct sigaction *b)
{
	const int restorer = 0x04000000;

	return a->sa_handler == b->sa_handler &&
	    (a->sa_flags | restorer) == (b->sa_flags | restorer);
}

/* The number of differences between `first` and `now`. */
static int
compare(bool tell)
{
	int sig, n = 0;

	n += tell_new("descriptor", "/proc/self/fd/", &now.fds, &first.fds,
	    tell);
	if (tell_new("descriptor", "", &first.fds, &now.fds, false) > 0) {
		n++;
		if (tell)
			fprintf(stderr, "leak: a descriptor was closed that "
			    "was open before\n");
	}
	n += tell_new("thread", "/proc/self/task/", &now.threads,
	    &first.threads, tell);
	n += tell_new("child", "/proc/", &now.children, &first.children, tell);
	n += tell_new("shared memory", "/dev/shm/", &now.shm, &first.shm, tell);
	for (sig = 1; sig < NSIG; sig++) {
		if (same_action(&now.signals[sig], &first.signals[sig]))
			continue;
		n++;
		if (tell)
			fprintf(stderr, "leak: the disposition of signal %d "
			    "changed\n", sig);
	}
	if (now.live > first.live) {
		n++;
		if (tell)
			fprintf(stderr, "leak: %u allocations\n",
			    now.live - first.live);
	}
	return n;
}

/* So that one leaking test does not spoil the next ones. */
static void
remove_children(void)
{
	pid_t pid;
	int i;

	for (i = 0; i < now.children.n; i++) {
		if (has(&first.children, now.children.name[i]))
			continue;
		pid = (pid_t)strtol(now.children.name[i], NULL, 10);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, __WALL);
	}
}

static void *
nothing(void *arg)
{
	return arg;
}

void
test_leaks_start(void)
{
	pthread_t thread;

	/* ThreadSanitizer starts a thread of its own with the first one. */
	if (pthread_create(&thread, NULL, nothing, NULL) == 0)
		pthread_join(thread, NULL);
}

void
test_leaks_before(void)
{
	look(&first);
	test_alloc_mark();
}

int
test_leaks_after(void)
{
	int64_t end = test_now_ms() + test_settle_ms;
	int n;

	for (;;) {
		look(&now);
		if ((n = compare(false)) == 0 || test_now_ms() >= end)
			break;
		poll(NULL, 0, 5);
	}
	if (n == 0)
		return 0;
	compare(true);
	if (now.live > first.live)
		test_alloc_report();
	remove_children();
	return n;
}

int
test_open_fds(void)
{
	static struct names fds;

	list("/proc/self/fd", &fds);
	return fds.n;
}
