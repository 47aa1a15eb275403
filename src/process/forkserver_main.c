/*
 * forkserver_main.c - the helper that MPROC_FORKSERVER launches from.
 *
 * A fork of the program as it was in mproc_init(): one thread, no locks held,
 * no descriptors but its socket.  It stays so, and each backend is a fork of
 * it, made with CLONE_PARENT: a child of the frontend, not of the helper.
 * It ends with the frontend, by end of file, or, where a fork of the host
 * holds the socket open, by the frontend's pidfd.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "process/boot.h"
#include "process/class.h"
#include "system/fdpass.h"

#define RETRY_MS	10

struct server {
	int	sock, parent_pidfd;
	pid_t	parent;
};

/*
 * A terminal's signals, and those that a service manager sends to all of a
 * program, are for the frontend: it may need us to end in order.
 */
static void
dispose(void (*how)(int))
{
	static const int sigs[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM
	};
	struct sigaction sa = { .sa_flags = 0 };
	size_t i;

	sa.sa_handler = how;
	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		(void)sigaction(sigs[i], &sa, NULL);
}

static void
ignore_signals(void)
{
	mproc__default_signals(UINT64_MAX);
	dispose(SIG_IGN);
	/* only now: what came meanwhile, in the program's group, is dropped */
	mproc__unblock_signals();
}

/*
 * Whoever reads the program's output must see its end when the program
 * closes it; a backend's standard streams come with its order.
 */
static void
drop_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	if (fd < 0)
		return;
	for (i = 0; i <= STDERR_FILENO; i++)
		(void)dup2(fd, i);
	if (fd > STDERR_FILENO)
		mproc__close(fd);
}

static void
set_up(struct server *s)
{
	int keep[4] = { 0, 1, 2, s->sock };

	(void)setpgid(0, 0);
	ignore_signals();
	mproc__forget_output(stdout);
	mproc__forget_output(stderr);
	closelog();
	(void)mproc__close_all_but(keep, 4);
	drop_stdio();
	if (mproc__pidfd_open(s->parent, &s->parent_pidfd) < 0)
		s->parent_pidfd = -1;
	mproc__title_set("mproc-forksrv", "mproc", "fork server");
}

static _Noreturn void
be_backend(struct server *s, struct mproc__order *o,
    const struct mproc_class *class, int *fds, int n)
{
	struct mproc__birth b = {
		.class = class, .name = o->name, .keep = o->keep,
		.n_keep = o->n_keep, .parent = s->parent, .is_clean = true,
		.sigint_default = (o->flags & MPROC__ORDER_SIGINT) != 0
	};

	dispose(SIG_DFL);
	/* Out of the way: their numbers may be wanted. */
	mproc__close(s->sock);
	mproc__close(s->parent_pidfd);
	if (mproc__order_place_fds(o, fds, n, b.capture) < 0)
		_exit(1);
	memcpy(b.fd, o->fd, sizeof(b.fd));
	mproc__child_run(&b);
}

static bool
is_same(const struct mproc__place *a, const struct mproc__place *b)
{
	return a->offset == b->offset && a->id_len == b->id_len &&
	    a->id_len <= sizeof(a->id) &&
	    memcmp(a->id, b->id, a->id_len) == 0 &&
	    strncmp(a->module, b->module, sizeof(a->module)) == 0;
}

/*
 * Mostly the same again; and what is loaded here never changes.  The hash
 * stays with the class, so that no backend has to find it out.
 */
static int
find_class(const struct mproc__place *place,
    const struct mproc_class **ret_class)
{
	static const struct mproc_class *class;
	static struct mproc__place last;
	int r;

	if (class == NULL || !is_same(place, &last)) {
		if ((r = mproc__place_find(place, &class)) < 0)
			return r;
		last = *place;
		(void)mproc__class_hash(class);
	}
	*ret_class = class;
	return 0;
}

/* The backend's pid, or -errno. */
static pid_t
obey(struct server *s, struct mproc__order *o, int *fds, int n,
    int *ret_pidfd)
{
	const struct mproc_class *class;
	sigset_t old;
	pid_t pid;
	int r;

	if (o->uid != geteuid() || o->gid != getegid())
		return -EPERM;
	if (mproc__now_ns() >= o->deadline_ns)
		return -ETIMEDOUT;
	if ((r = find_class(&o->place, &class)) < 0)
		return r;
	mproc__block_signals(&old);
	pid = mproc__clone(true, ret_pidfd);
	if (pid == 0)
		be_backend(s, o, class, fds, n);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

static int
send_answer(struct server *s, const struct mproc__answer *a, int pidfd)
{
	struct pollfd pfd[2] = {
		{ .fd = s->sock, .events = POLLOUT },
		{ .fd = s->parent_pidfd, .events = POLLIN }
	};
	int r;

	while ((r = mproc__pass_send(s->sock, a, sizeof(*a), &pidfd,
	    pidfd >= 0 ? 1 : 0)) < 0) {
		if (r != -EAGAIN && r != -ETOOMANYREFS)
			return r;
		(void)poll(pfd, 2, r == -EAGAIN ? -1 : RETRY_MS);
		if (pfd[1].revents != 0)
			return -EPIPE;
	}
	return 0;
}

/* One order: 0, -EAGAIN there is none, or another code: the end. */
static int
serve(struct server *s)
{
	struct mproc__answer a = { .code = -EBADMSG };
	int fds[MPROC__PASS_MAX], i, n, pidfd = -1, r;
	struct mproc__order o = { .n_keep = 0 };
	bool truncated;

	r = mproc__pass_receive(s->sock, &o, sizeof(o), fds, &n, &truncated);
	if (r < 0)
		return r;
	if (mproc__order_valid(&o, (size_t)r)) {
		a.id = o.id;
		a.pid = truncated ? -EMFILE : obey(s, &o, fds, n, &pidfd);
		a.code = a.pid < 0 ? a.pid : 0;
	}
	for (i = 0; i < n; i++)
		mproc__close(fds[i]);
	r = send_answer(s, &a, pidfd);
	mproc__close(pidfd);
	return r;
}

_Noreturn void
mproc__server_main(int sock, pid_t parent)
{
	struct server s = { .sock = sock, .parent = parent };
	struct pollfd pfd[2];
	int r = 0;

	set_up(&s);
	pfd[0] = (struct pollfd){ .fd = sock, .events = POLLIN };
	pfd[1] = (struct pollfd){ .fd = s.parent_pidfd, .events = POLLIN };
	while ((r == 0 || r == -EAGAIN) && getppid() == parent) {
		(void)poll(pfd, 2, -1);
		if (pfd[1].revents != 0)
			break;
		r = serve(&s);
	}
	mproc__run_exit_hooks();
	_exit(0);
}
