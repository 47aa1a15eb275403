/*
 * over_raw.c - the same over a bare socketpair: the floor.
 *
 * Nothing is checked, encoded, counted or supervised here; a stream socket
 * with the kernel's own buffers, or, one way, with the large ones that mproc
 * asks for, so that the comparison is with the better floor.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define TRIP_BYTES	64
#define BUFFER		(4 << 20)
#define CHUNK		(256 << 10)

/* Echo until end of file. */
static void
echo(int fd)
{
	char data[TRIP_BYTES];

	while (read_full(fd, data, sizeof(data)) == 0)
		if (write_full(fd, data, sizeof(data)) < 0)
			return;
}

/* Read it all, then say so. */
static void
drain(int fd, int64_t total)
{
	char *data = malloc(CHUNK);
	int64_t done = 0;
	ssize_t n;

	while (data != NULL && done < total) {
		if ((n = read(fd, data, CHUNK)) <= 0)
			break;
		done += n;
	}
	(void)write_full(fd, "", 1);
	free(data);
}

static int
fork_twin(int *ret_fd, pid_t *ret_pid, int64_t total)
{
	int fds[2], size = BUFFER;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return complain("socketpair", -errno);
	if (total > 0) {
		(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size,
		    sizeof(size));
		(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size,
		    sizeof(size));
	}
	if ((*ret_pid = fork()) < 0) {
		close(fds[0]);
		close(fds[1]);
		return complain("fork", -errno);
	}
	if (*ret_pid == 0) {
		close(fds[0]);
		if (total > 0)
			drain(fds[1], total);
		else
			echo(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return 0;
}

static void
end_twin(int fd, pid_t pid)
{
	close(fd);
	(void)waitpid(pid, NULL, 0);
}

int
trip_raw(const struct plan *plan, double ret[2])
{
	size_t n = (size_t)plan->trips, i;
	char data[TRIP_BYTES] = "";
	double *us;
	int64_t t;
	pid_t pid;
	int fd, r;

	if ((us = calloc(n, sizeof(*us))) == NULL)
		return complain("calloc", -ENOMEM);
	if ((r = fork_twin(&fd, &pid, 0)) < 0)
		goto out;
	for (i = 0; i < n && r == 0; i++) {
		t = now_ns();
		if ((r = write_full(fd, data, sizeof(data))) == 0)
			r = read_full(fd, data, sizeof(data));
		us[i] = (double)(now_ns() - t) / 1e3;
	}
	end_twin(fd, pid);
	ret[0] = percentile(us, n, 0.50);
	ret[1] = percentile(us, n, 0.99);
out:
	free(us);
	return r;
}

int
oneway_raw(size_t size, int64_t n, double *ret)
{
	char *data = calloc(1, size);
	int64_t i, t;
	pid_t pid;
	int fd, r;

	if (data == NULL)
		return complain("calloc", -ENOMEM);
	if ((r = fork_twin(&fd, &pid, (int64_t)size * n)) < 0)
		goto out;
	t = now_ns();
	for (i = 0; i < n && r == 0; i++)
		r = write_full(fd, data, size);
	if (r == 0)
		r = read_full(fd, data, 1);
	*ret = (double)n / ((double)(now_ns() - t) / 1e9);
	end_twin(fd, pid);
out:
	free(data);
	return r;
}

int
start_raw(int n, double *ret)
{
	char data[TRIP_BYTES] = "";
	int64_t t = now_ns();
	pid_t pid;
	int fd, i, r = 0;

	for (i = 0; i < n && r == 0; i++) {
		if ((r = fork_twin(&fd, &pid, 0)) < 0)
			return r;
		if ((r = write_full(fd, data, sizeof(data))) == 0)
			r = read_full(fd, data, sizeof(data));
		end_twin(fd, pid);
	}
	*ret = n / ((double)(now_ns() - t) / 1e9);
	return r;
}

int
memory_raw(int n, double *ret)
{
	pid_t *pid = calloc((size_t)n, sizeof(*pid));
	int *fd = calloc((size_t)n, sizeof(*fd));
	char data[TRIP_BYTES] = "";
	double sum = 0;
	int i, made = 0, r = pid != NULL && fd != NULL ? 0 : -ENOMEM;

	for (; made < n && r == 0; made += r == 0) {
		if ((r = fork_twin(&fd[made], &pid[made], 0)) < 0)
			break;
		/* one echo: it has come up as far as it ever will */
		if ((r = write_full(fd[made], data, sizeof(data))) == 0)
			r = read_full(fd[made], data, sizeof(data));
	}
	for (i = 0; i < made; i++)
		sum += pss_kib(pid[i]);
	*ret = sum / n;
	/* each holds copies of the ends made before it: end them in reverse */
	while (made-- > 0)
		end_twin(fd[made], pid[made]);
	free(pid);
	free(fd);
	return r;
}
