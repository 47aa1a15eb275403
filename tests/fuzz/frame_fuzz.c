/*
 * frame_fuzz.c - any bytes on the socket: frames come out whole, or one
 * error does, for ever.
 *
 * The first byte of the input says how many bytes a system call moves.
 */
#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "channel/channel.h"
#include "fuzz.h"
#include "system/system.h"

#define FRAME_MAX	(64U * 1024)

/* Read all that comes; the bytes of all frames. */
static size_t
drain(struct mproc__channel *ch)
{
	struct mproc__frame frame;
	size_t total = 0;
	int filled, r;

	do {
		filled = mproc__channel_fill(ch);
		while ((r = mproc__channel_next(ch, &frame)) == 1) {
			MUST(frame.size <= FRAME_MAX);
			MUST(frame.n_fds == 0);
			frame.data[frame.size] = 0;	/* as promised */
			total += frame.size;
		}
		MUST(r <= 0 && !mproc__channel_ready(ch));
		if (r < 0) {
			MUST(mproc__channel_next(ch, &frame) == r);
			return total;
		}
	} while (filled > 0);
	MUST(filled == -EPIPE || filled == -EMSGSIZE || filled == -ENOMEM);
	return total;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mproc__channel_options options = { .max_frame = FRAME_MAX };
	struct mproc__channel *ch;
	int fds[2];

	if (size < 1 || size > FRAME_MAX)
		return 0;
	MUST(mproc__socketpair(SOCK_STREAM, 4 * (int)FRAME_MAX, fds) == 0);
	MUST(mproc__channel_new(fds[0], &options, &ch) == 0);
	mproc__channel_limit_io(ch, data[0]);
	MUST(write(fds[1], data + 1, size - 1) == (ssize_t)(size - 1));
	mproc__close(fds[1]);
	MUST(drain(ch) <= size);
	mproc__channel_free(ch);
	return 0;
}
