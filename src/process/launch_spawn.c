/*
 * launch_spawn.c - MPROC_SPAWN: the same program anew, which mproc_init()
 * turns into the backend.
 *
 * The order travels in a sealed memfd, whose number is in the environment.
 * Descriptors keep their numbers over the exec.  The new program must get as
 * far as mproc_init(): if it does not, or does not know the class (127, and
 * the status page says so), the frontend sees that its backend died before it
 * was ready.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/boot.h"
#include "process/page.h"
#include "system/fdpass.h"
#include "system/system.h"

#define ENV_NAME	"MPROC_BACKEND"
#define EXE		"/proc/self/exe"
#define EXIT_UNKNOWN	127
#define FD_MAX		(MPROC__PASS_MAX + 1)

static char program[1024] = "mproc";	/* argv[0] */
static bool ready;

void
mproc__spawn_init(char **argv)
{
	ready = true;
	if (argv != NULL && argv[0] != NULL)
		snprintf(program, sizeof(program), "%s", argv[0]);
}

bool
mproc__spawn_ready(void)
{
	return ready;
}

/* The environment with one more variable; strings are borrowed. */
static int
make_env(char *variable, char ***ret_env)
{
	size_t n = 0, out = 0, i;
	char **env;

	while (environ != NULL && environ[n] != NULL)
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (env == NULL)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (strncmp(environ[i], ENV_NAME "=",
		    sizeof(ENV_NAME)) != 0)
			env[out++] = environ[i];
	env[out] = variable;
	*ret_env = env;
	return 0;
}

static int
make_memfd(const struct mproc__order *o, int *ret_fd)
{
	int fd, r;

	if ((r = mproc__memfd("mproc-order", sizeof(*o), &fd)) < 0)
		return r;
	if (pwrite(fd, o, sizeof(*o), 0) != (ssize_t)sizeof(*o)) {
		mproc__close(fd);
		return -EIO;
	}
	*ret_fd = fd;
	return 0;
}

/* dup2 of a descriptor onto itself makes it survive the exec. */
static int
add_actions(const struct mproc__launch *l, const struct mproc__order *o,
    int order_fd, posix_spawn_file_actions_t *fa)
{
	int fds[FD_MAX], i, n, r;

	n = mproc__order_fds(o, l, -1, fds);
	fds[n++] = order_fd;
	for (i = 0; i < n; i++)
		if ((r = posix_spawn_file_actions_adddup2(fa, fds[i],
		    fds[i])) != 0)
			return -r;
	for (i = 0; i < 2; i++)
		if (l->capture[i] >= 0 &&
		    (r = posix_spawn_file_actions_adddup2(fa, l->capture[i],
		    STDOUT_FILENO + i)) != 0)
			return -r;
	return 0;
}

static int
set_attributes(posix_spawnattr_t *attr)
{
	sigset_t set;
	int r;

	(void)sigfillset(&set);
	if ((r = posix_spawnattr_setsigdefault(attr, &set)) != 0)
		return -r;
	/* until it has a group of its own, and knows what to ignore */
	mproc__terminal_signals(&set);
	if ((r = posix_spawnattr_setsigmask(attr, &set)) != 0 ||
	    (r = posix_spawnattr_setpgroup(attr, 0)) != 0)
		return -r;
	return -posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF |
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
}

static int
run_program(const struct mproc__launch *l, const struct mproc__order *o,
    int order_fd, pid_t *ret_pid)
{
	char *argv[2] = { program, NULL };
	char variable[sizeof(ENV_NAME) + 16], **env = NULL;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int r;

	snprintf(variable, sizeof(variable), ENV_NAME "=%d", order_fd);
	if ((r = posix_spawn_file_actions_init(&fa)) != 0)
		return -r;
	if ((r = posix_spawnattr_init(&attr)) != 0) {
		posix_spawn_file_actions_destroy(&fa);
		return -r;
	}
	if ((r = make_env(variable, &env)) == 0 &&
	    (r = add_actions(l, o, order_fd, &fa)) == 0 &&
	    (r = set_attributes(&attr)) == 0)
		r = -posix_spawn(ret_pid, EXE, &fa, &attr, argv, env);
	free(env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	return r;
}

/*
 * A new program can end before it waits for us (a broken constructor), and
 * the host's wait(2) may take it then: the number might be another's.
 */
static int
open_pidfd(pid_t pid, int *ret_pidfd)
{
	siginfo_t si;
	int r;

	if ((r = mproc__pidfd_open(pid, ret_pidfd)) == 0) {
		if (waitid((idtype_t)3 /* P_PIDFD */, (id_t)*ret_pidfd, &si,
		    WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD)
			return 0;
		mproc__close(*ret_pidfd);
		return mproc__err(-EPIPE, "the new program ended at once");
	}
	if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return r;
}

int
mproc__launch_spawn(const struct mproc__launch *l, struct mproc__order *o,
    struct mproc__child *ret)
{
	int order_fd, pidfd, r;
	pid_t pid;

	if ((r = make_memfd(o, &order_fd)) < 0)
		return r;
	r = run_program(l, o, order_fd, &pid);
	mproc__close(order_fd);
	if (r < 0)
		return mproc__err(r, "spawn of " EXE ": %s", strerror(-r));
	if ((r = open_pidfd(pid, &pidfd)) < 0)
		return r;
	ret->pid = pid;
	ret->pidfd = pidfd;
	return 0;
}

/* Of the variable's text: 0 and an order, or -EBADMSG. */
static int
read_order(const char *text, struct mproc__order *ret)
{
	char *end;
	long fd = strtol(text, &end, 10);
	ssize_t n;

	if (end == text || *end != '\0' || fd <= STDERR_FILENO ||
	    fd > INT32_MAX)
		return -EBADMSG;
	n = pread((int)fd, ret, sizeof(*ret), 0);
	if (n < 0 || !mproc__order_valid(ret, (size_t)n))
		return -EBADMSG;
	return 0;
}

static void
restore_cloexec(const struct mproc__order *o)
{
	int i;

	for (i = 0; i < MPROC__BOOT_FDS; i++)
		(void)mproc__set_cloexec(o->fd[i], true);
	for (i = 0; i < o->n_keep; i++)
		if (o->cloexec[i])
			(void)mproc__set_cloexec(o->keep[i], true);
}

static _Noreturn void
end_without_class(const struct mproc__order *o)
{
	void *page;

	if (mproc__map_shared(o->fd[MPROC__BOOT_STATUS], MPROC__PAGE_SIZE,
	    &page) == 0)
		atomic_store(&((struct mproc__page *)page)->row,
		    MPROC__ROW_NO_CLASS);
	_exit(EXIT_UNKNOWN);
}

static _Noreturn void
be_backend(struct mproc__order *o)
{
	struct mproc__birth b = {
		.name = o->name, .keep = o->keep, .n_keep = o->n_keep,
		.capture = { -1, -1 }, .parent = o->parent,
		.sigint_default = (o->flags & MPROC__ORDER_SIGINT) != 0
	};
	sigset_t old;

	mproc__block_signals(&old);
	if (mproc__place_find(&o->place, &b.class) < 0)
		end_without_class(o);
	memcpy(b.fd, o->fd, sizeof(b.fd));
	restore_cloexec(o);
	mproc__child_run(&b);
}

int
mproc__spawned(void)
{
	const char *text = secure_getenv(ENV_NAME);
	struct mproc__order order;
	int r;

	if (text == NULL)
		return 0;
	if ((r = read_order(text, &order)) < 0)
		return mproc__err(r, ENV_NAME " is set, and not by this "
		    "library: unset it");
	(void)unsetenv(ENV_NAME);
	be_backend(&order);
}
