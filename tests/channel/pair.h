/*
 * pair.h - two channels that are connected, and frames whose bytes follow
 * from a number.
 *
 * A test that holds for both kinds of channel is listed with BOTH_KINDS()
 * and runs twice; the ring is the smallest, so that everything wraps.
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

#define BOTH_KINDS(f)							\
	{ #f "(socket)", f, pair_socket, NULL, NULL },			\
	{ #f "(ring)", f, pair_ring, NULL, NULL }
#define SOCKET_ONLY(f)	{ #f, f, pair_socket, NULL, NULL }
#define RING_ONLY(f)	{ #f, f, pair_ring, NULL, NULL }

/* The kind from now on: setup functions. */
int		pair_socket(void **state);
int		pair_ring(void **state);
bool		pair_is_ring(void);
/* Make it a pair of that kind: 0 or -errno */
int		pair_share(struct pair *);

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
/* Sleep until there is something to fill, in the way of its kind. */
bool	await_input(struct mproc__channel *);
/* The frame, after as many fills as it takes. */
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
