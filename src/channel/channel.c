/*
 * channel.c - making and freeing a channel.
 */
#include <stdlib.h>

#include "channel/parts.h"
#include "system/system.h"

int
mproc__channel_new(int fd, const struct mproc__channel_options *opt,
    struct mproc__channel **ret_ch)
{
	struct mproc__channel *ch;

	if (fd < 0 || opt->max_frame == 0 || opt->max_frame > UINT32_MAX)
		return mproc__err(-EINVAL, "a channel on descriptor %d with "
		    "messages of %zu bytes", fd, opt->max_frame);
	if ((ch = calloc(1, sizeof(*ch))) == NULL)
		return -ENOMEM;
	ch->fd = fd;
	ch->max_frame = opt->max_frame;
	mproc__in_fds_init(&ch->in, opt->allow_fds);
	*ret_ch = ch;
	return 0;
}

struct mproc__channel *
mproc__channel_free(struct mproc__channel *ch)
{
	if (ch == NULL)
		return NULL;
	mproc__queue_done(&ch->out);
	free(ch->out.rec);
	mproc__buf_done(&ch->out.buf);
	mproc__buf_done(&ch->out.direct);
	(void)mproc__ring_close(ch->ring);
	mproc__in_fds_done(&ch->in);
	free(ch->in.data);
	mproc__close(ch->fd);
	free(ch);
	return NULL;
}

int
mproc__channel_fd(const struct mproc__channel *ch)
{
	return ch->fd;
}

void
mproc__channel_limit_io(struct mproc__channel *ch, size_t n)
{
	ch->limit = n;
}

void
mproc__channel_shutdown(struct mproc__channel *ch)
{
	(void)shutdown(ch->fd, SHUT_RDWR);
}
