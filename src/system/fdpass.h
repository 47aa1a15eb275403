/*
 * fdpass.h - one datagram with many descriptors, for the fork server.
 *
 * Layer: system.  Frames over streams, with few descriptors, are the
 * channel's.
 */
#ifndef MPROC_SYSTEM_FDPASS_H
#define MPROC_SYSTEM_FDPASS_H

#include <stdbool.h>
#include <stddef.h>

#define MPROC__PASS_MAX	253	/* SCM_MAX_FD: the kernel's limit */

/*
 * mproc__pass_send - send one datagram.
 *
 * @fds  borrowed, n of them; n <= MPROC__PASS_MAX
 *
 * Returns 0, -EAGAIN (no room now), -ETOOMANYREFS (too many descriptors in
 * flight), -EPIPE, or another -errno of sendmsg(2).  Never blocks.
 */
int	mproc__pass_send(int sock, const void *data, size_t size,
	    const int *fds, int n);

/*
 * mproc__pass_receive - receive one datagram.
 *
 * @fds    room for MPROC__PASS_MAX; new, close-on-exec, never 0..2
 * @ret_n  how many there are
 * @ret_truncated  some were lost: this process may have no more
 *
 * Returns the datagram's bytes (at most size), or -EAGAIN (none now), -EPIPE
 * at the end, or another -errno of recvmsg(2).  Never blocks.
 */
int	mproc__pass_receive(int sock, void *data, size_t size, int *fds,
	    int *ret_n, bool *ret_truncated);

#endif
