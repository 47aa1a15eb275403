/*
 * Processes by descriptor: how they end, who took the status, groups.
 */
#include <sys/wait.h>

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "system/system.h"
#include "test.h"

#define BOUND_MS 20000

static void
wait_dead(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, BOUND_MS), 1);
	assert_true(mproc__pidfd_dead(pidfd));
}

/* A child that waits to be killed, in its own process group */
static pid_t
start_waiting(int *ret_pidfd)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	assert_int_equal(mproc__pidfd_open(pid, ret_pidfd), 0);
	return pid;
}

/* A child that waits on a pipe and then exits: nothing races its pidfd */
static pid_t
start_exiting(int code, int *ret_pidfd, int *ret_go)
{
	int go[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(go[1]);
		_exit(read(go[0], &c, 1) == 1 ? code : 99);
	}
	close(go[0]);
	assert_int_equal(mproc__pidfd_open(pid, ret_pidfd), 0);
	*ret_go = go[1];
	return pid;
}

static void
say_go(int fd)
{
	assert_int_equal(write(fd, "g", 1), 1);
	close(fd);
}

static void
test_exit_code(void **state)
{
	struct mproc__exit e;
	int fd, go;

	(void)state;
	start_exiting(7, &fd, &go);
	assert_false(mproc__pidfd_dead(fd));
	assert_int_equal(mproc__pidfd_reap(fd, &e), -EAGAIN);
	say_go(go);
	wait_dead(fd);
	assert_int_equal(mproc__pidfd_reap(fd, &e), 0);
	assert_true(e.known);
	assert_int_equal(e.exit_code, 7);
	assert_int_equal(e.signal, 0);
	assert_false(e.core);
	close(fd);
}

static void
test_killed_by_signal(void **state)
{
	struct mproc__exit e;
	int fd;

	(void)state;
	start_waiting(&fd);
	assert_int_equal(mproc__pidfd_signal(fd, 0), 0);
	assert_int_equal(mproc__pidfd_signal(fd, SIGKILL), 0);
	wait_dead(fd);
	assert_int_equal(mproc__pidfd_reap(fd, &e), 0);
	assert_true(e.known);
	assert_int_equal(e.signal, SIGKILL);
	assert_int_equal(e.exit_code, -1);
	assert_false(e.core);
	assert_int_equal(mproc__pidfd_signal(fd, 0), -ESRCH);
	close(fd);
}

/* The core flag must be what wait(2) says, on machines with cores and without */
static void
test_core_flag(void **state)
{
	struct mproc__exit e;
	siginfo_t si;
	int fd;
	pid_t pid;

	(void)state;
	pid = start_waiting(&fd);
	assert_int_equal(mproc__pidfd_signal(fd, SIGABRT), 0);
	wait_dead(fd);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(mproc__pidfd_reap(fd, &e), 0);
	assert_int_equal(e.signal, SIGABRT);
	assert_int_equal(e.core, si.si_code == CLD_DUMPED);
	close(fd);
}

/* True where the kernel keeps the status for us (Linux 6.15) */
static void
check_stolen(const struct mproc__exit *e, int code, int sig)
{
	if (!e->known) {
		print_message("kernel keeps no status: unknown\n");
		assert_int_equal(e->exit_code, -1);
		assert_int_equal(e->signal, 0);
		return;
	}
	assert_int_equal(e->exit_code, code);
	assert_int_equal(e->signal, sig);
}

static void
test_status_stolen_by_waitpid(void **state)
{
	struct mproc__exit e;
	int fd, go, status;
	pid_t pid;

	(void)state;
	pid = start_exiting(23, &fd, &go);
	say_go(go);
	assert_int_equal(waitpid(-1, &status, 0), pid);
	assert_int_equal(mproc__pidfd_reap(fd, &e), 0);
	check_stolen(&e, 23, 0);
	close(fd);

	pid = start_waiting(&fd);
	assert_int_equal(mproc__pidfd_signal(fd, SIGTERM), 0);
	assert_int_equal(waitpid(-1, &status, 0), pid);
	assert_int_equal(mproc__pidfd_reap(fd, &e), 0);
	check_stolen(&e, -1, SIGTERM);
	close(fd);
}

static void
test_status_lost_to_ignored_sigchld(void **state)
{
	struct sigaction old, ignore = { .sa_handler = SIG_IGN };
	struct mproc__exit e;
	int fd, go;

	(void)state;
	assert_int_equal(sigaction(SIGCHLD, &ignore, &old), 0);
	start_exiting(42, &fd, &go);
	assert_int_equal(mproc__pidfd_reap(fd, &e), -EAGAIN);
	say_go(go);
	wait_dead(fd);
	assert_int_equal(mproc__pidfd_reap(fd, &e), 0);
	assert_int_equal(sigaction(SIGCHLD, &old, NULL), 0);
	check_stolen(&e, 42, 0);
	close(fd);
}

/* Somebody else's living process: not dead, nothing to take */
static void
test_not_our_child(void **state)
{
	struct mproc__exit e;
	int fd;

	(void)state;
	assert_int_equal(mproc__pidfd_open(getppid(), &fd), 0);
	assert_false(mproc__pidfd_dead(fd));
	assert_int_equal(mproc__pidfd_reap(fd, &e), -EAGAIN);
	close(fd);
	assert_int_equal(mproc__pidfd_open(-5, &fd), -EINVAL);
	assert_int_equal(mproc__pidfd_reap(-1, &e), -EINVAL);
	assert_false(mproc__pidfd_dead(-1));
}

/* The leader makes a grandchild that holds the pipe's end, then ends. */
static pid_t
start_leader(int *ret_pidfd, int *ret_pipe)
{
	int p[2], go[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		if (fork() == 0) {
			close(p[0]);
			for (;;)
				pause();
		}
		_exit(read(go[0], &c, 1) == 1 ? 0 : 99);
	}
	setpgid(pid, pid);
	assert_int_equal(mproc__pidfd_open(pid, ret_pidfd), 0);
	assert_int_equal(write(go[1], "g", 1), 1);
	close(p[1]);
	close(go[0]);
	close(go[1]);
	*ret_pipe = p[0];
	return pid;
}

static void
test_kill_group_of_dead_leader(void **state)
{
	struct mproc__exit e;
	struct pollfd pfd;
	int fd;
	pid_t pid;

	(void)state;
	pid = start_leader(&fd, &pfd.fd);
	wait_dead(fd);
	pfd.events = POLLIN;
	assert_int_equal(poll(&pfd, 1, 0), 0);		/* it lives */
	assert_int_equal(mproc__pidfd_kill_group(fd, pid), 0);
	assert_int_equal(poll(&pfd, 1, BOUND_MS), 1);	/* end of file */
	assert_int_equal(pfd.revents & POLLHUP, POLLHUP);
	assert_int_equal(mproc__pidfd_reap(fd, &e), 0);
	assert_int_equal(e.exit_code, 0);
	close(pfd.fd);
	close(fd);
}

static void
test_kill_group_refuses_bad_pids(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mproc__pidfd_open(getpid(), &fd), 0);
	assert_int_equal(mproc__pidfd_kill_group(fd, 0), -EINVAL);
	assert_int_equal(mproc__pidfd_kill_group(fd, 1), -EINVAL);
	assert_int_equal(mproc__pidfd_kill_group(fd, -1), -EINVAL);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_code),
		cmocka_unit_test(test_killed_by_signal),
		cmocka_unit_test(test_core_flag),
		cmocka_unit_test(test_status_stolen_by_waitpid),
		cmocka_unit_test(test_status_lost_to_ignored_sigchld),
		cmocka_unit_test(test_not_our_child),
		cmocka_unit_test(test_kill_group_of_dead_leader),
		cmocka_unit_test(test_kill_group_refuses_bad_pids),
	};

	return TEST_RUN(tests);
}
