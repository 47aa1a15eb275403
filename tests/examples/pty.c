/*
 * pty.c - run a program on a terminal of its own and type Ctrl-C.
 *
 *	pty PATTERN COMMAND [ARGUMENT...]
 *
 * Types ^C when the program's output contains PATTERN; an empty one: never.
 * The output is copied to stdout, and a line "exit STATUS MILLISECONDS LEFT"
 * is added: the status as a shell knows it, the time from ^C (or the start)
 * to the end of the program, and how many processes of its session are left
 * a second later, zombies not counted.  It is killed after 60 seconds.
 */
#include <sys/wait.h>

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS	60000

static long
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* One read: false at the end of the terminal. */
static bool
copy(int fd, char *seen, size_t *n, size_t room)
{
	char buf[4096];
	ssize_t got = read(fd, buf, sizeof(buf));

	if (got <= 0)
		return got < 0 && errno == EINTR;
	if (fwrite(buf, 1, (size_t)got, stdout) != (size_t)got)
		err(1, "stdout");
	if ((size_t)got > room - *n)
		*n = 0;			/* only what came last matters */
	memcpy(seen + *n, buf, (size_t)got);
	*n += (size_t)got;
	return true;
}

/* Returns when ^C was typed. */
static long
talk(int fd, const char *pattern, long start)
{
	char seen[65536];
	long typed = 0;
	size_t n = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (now_ms() < start + LIMIT_MS) {
		if (typed == 0 && *pattern != '\0' &&
		    memmem(seen, n, pattern, strlen(pattern)) != NULL) {
			if (write(fd, "\003", 1) != 1)
				err(1, "typing");
			typed = now_ms();
		}
		if (poll(&p, 1, 1000) > 0 &&
		    !copy(fd, seen, &n, sizeof(seen)))
			break;
	}
	return typed != 0 ? typed : start;
}

/* Is it a living process of that session?  From /proc/PID/stat. */
static bool
belongs(const char *pid, pid_t session)
{
	char path[300], line[1024], state, *end;
	bool yes = false;
	int its;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	if ((f = fopen(path, "re")) == NULL)
		return false;
	/* pid (name) state ppid pgrp session ...; the name is anything */
	if (fgets(line, sizeof(line), f) != NULL &&
	    (end = strrchr(line, ')')) != NULL &&
	    sscanf(end, ") %c %*d %*d %d", &state, &its) == 2)
		yes = its == session && state != 'Z';
	(void)fclose(f);
	return yes;
}

static int
count_session(pid_t session)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	int n = 0;

	if (proc == NULL)
		err(1, "/proc");
	while ((e = readdir(proc)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]))
			n += belongs(e->d_name, session);
	(void)closedir(proc);
	return n;
}

int
main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	long since, end, start = now_ms();
	int fd, status, left = 0;
	pid_t pid;

	if (argc < 3)
		errx(2, "usage: pty pattern command [argument ...]");
	if ((pid = forkpty(&fd, NULL, NULL, &size)) < 0)
		err(1, "forkpty");
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	since = talk(fd, argv[1], start);
	if (now_ms() >= start + LIMIT_MS)
		(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	status = WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
	since = now_ms() - since;
	for (end = now_ms() + 1000; now_ms() < end;)
		if ((left = count_session(pid)) == 0)
			break;
	printf("exit %d %ld %d\n", status, since, left);
	return fflush(stdout) == 0 ? 0 : 1;
}
