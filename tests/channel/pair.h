/*
 * pair.h - two channels that are connected, and frames whose bytes follow
 * from a number.
 */
#ifndef MPROC_TESTS_CHANNEL_PAIR_H
#define MPROC_TESTS_CHANNEL_PAIR_H

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "channel/channel.h"
#include "channel/parts.h"
#include "system/system.h"

#define MAX_FRAME	((size_t)128 << 20)

struct pair {
	struct mproc__channel *a, *b;
};

/* Both ends take descriptors; bufsize as mproc__socketpair(). */
struct pair	pair_new(int bufsize);
void		pair_free(struct pair *);
/* A channel and, without one, the other end of its socket. */
struct mproc__channel *half_new(size_t max_frame, bool allow_fds, int *ret_fd);

/* Bytes that follow from `seed`; is it they? */
void	bytes_make(uint8_t *to, size_t size, uint64_t seed);
bool	bytes_are(const uint8_t *data, size_t size, uint64_t seed);
/* A frame's seed is its tag, its size its caller's. */
int	send_frame(struct mproc__channel *, size_t size, uint64_t seed,
	    bool droppable, bool write);
int	send_fds(struct mproc__channel *, uint64_t seed, const int *fds, int n);
/* The next frame, which must be there, is this one. */
void	expect_frame(struct mproc__channel *, size_t size, uint64_t seed);
/* The same, after as many fills as it takes. */
void	await_frame(struct mproc__channel *, size_t size, uint64_t seed);
/* Send until something is queued: seeds 0 .. n - 1; returns n. */
uint64_t fill_up(struct mproc__channel *, size_t size, bool droppable);
/* Write bytes that no channel made. */
void	raw(int fd, const void *bytes, size_t size);

/* The number of open descriptors */
int	open_fds(void);
/* xorshift, so that a failure comes again */
uint32_t rnd(uint32_t below);

#endif
