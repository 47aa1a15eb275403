/*
 * fdpass.c - one datagram with many descriptors.
 */
#include <sys/socket.h>

#include <string.h>

#include "system/fdpass.h"
#include "system/system.h"

union control {
	struct cmsghdr	head;
	char		space[CMSG_SPACE(MPROC__PASS_MAX * sizeof(int))];
};

int
mproc__pass_send(int sock, const void *data, size_t size, const int *fds,
    int n)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t bytes = (size_t)n * sizeof(int);
	union control control;
	ssize_t sent;

	if (n > 0) {
		memset(&control, 0, sizeof(control));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(&control.head), fds, bytes);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(bytes);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
}

/* The descriptors that came, out of the way of 0..2; their number. */
static int
take_fds(struct msghdr *msg, int *fds, bool *lost)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int i, all, n = 0;

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS)
		return 0;
	all = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(c), (size_t)all * sizeof(int));
	for (i = 0; i < all; i++) {
		fds[n] = mproc__fd_above_stdio(fds[i]);
		if (fds[n] < 0)
			*lost = true;
		else
			n++;
	}
	return n;
}

int
mproc__pass_receive(int sock, void *data, size_t size, int *fds, int *ret_n,
    bool *ret_truncated)
{
	struct iovec iov = { data, size };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t got;

	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return -EPIPE;
	if (got < 0)
		return -errno;
	*ret_truncated = (msg.msg_flags & MSG_CTRUNC) != 0;
	*ret_n = take_fds(&msg, fds, ret_truncated);
	return (int)got;
}
