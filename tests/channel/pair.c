#include <dirent.h>

#include "pair.h"

static size_t ring_size;	/* 0: sockets */

int
pair_socket(void **state)
{
	(void)state;
	ring_size = 0;
	return 0;
}

int
pair_ring(void **state)
{
	(void)state;
	ring_size = MPROC__RING_MIN;
	return 0;
}

bool
pair_is_ring(void)
{
	return ring_size > 0;
}

int
pair_share(struct pair *p)
{
	int r;

	if (ring_size == 0)
		return 0;
	if ((r = mproc__channel_share(p->a, ring_size)) < 0)
		return r;
	return mproc__channel_join(p->b);
}

static uint64_t rnd_state = 0x2545f4914f6cdd1d;

uint32_t
rnd(uint32_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (uint32_t)(rnd_state >> 32) % below;
}

struct pair
pair_new(int bufsize)
{
	const struct mproc__channel_options opt = { MAX_FRAME, true };
	struct pair p;
	int fds[2];

	assert_int_equal(mproc__socketpair(SOCK_STREAM, bufsize, fds), 0);
	assert_int_equal(mproc__channel_new(fds[0], &opt, &p.a), 0);
	assert_int_equal(mproc__channel_new(fds[1], &opt, &p.b), 0);
	assert_int_equal(mproc__channel_fd(p.a), fds[0]);
	assert_int_equal(pair_share(&p), 0);
	return p;
}

void
pair_free(struct pair *p)
{
	assert_null(mproc__channel_free(p->a));
	assert_null(mproc__channel_free(p->b));
}

struct mproc__channel *
half_new(size_t max_frame, bool allow_fds, int *ret_fd)
{
	const struct mproc__channel_options opt = { max_frame, allow_fds };
	struct mproc__channel *ch;
	int fds[2];

	assert_int_equal(mproc__socketpair(SOCK_STREAM, 0, fds), 0);
	assert_int_equal(mproc__channel_new(fds[0], &opt, &ch), 0);
	*ret_fd = fds[1];
	return ch;
}

static uint64_t
word(uint64_t seed, size_t i)
{
	return (seed + i + 1) * 0x9e3779b97f4a7c15;
}

void
bytes_make(uint8_t *to, size_t size, uint64_t seed)
{
	uint64_t w;
	size_t i;

	for (i = 0; i < size; i += sizeof(w)) {
		w = word(seed, i);
		memcpy(to + i, &w, size - i < sizeof(w) ? size - i :
		    sizeof(w));
	}
}

bool
bytes_are(const uint8_t *data, size_t size, uint64_t seed)
{
	uint64_t w;
	size_t i;

	for (i = 0; i < size; i += sizeof(w)) {
		w = word(seed, i);
		if (memcmp(data + i, &w, size - i < sizeof(w) ? size - i :
		    sizeof(w)) != 0)
			return false;
	}
	return true;
}

/* Where a sender keeps its bytes, until the frame was committed. */
static _Thread_local uint8_t senders[1 << 20];

/* As an encoder does it: all, or, where that is possible, all but a middle. */
static bool
encode(struct mproc__channel *ch, size_t size, uint64_t seed)
{
	struct mproc__buf *buf = mproc__channel_begin(ch);
	uint8_t *to = mproc__buf_reserve(buf, size);
	size_t from = size / 3, n = size / 2;

	if (to == NULL)
		return false;
	bytes_make(to, size, seed);
	if (buf->apart != NULL && n > 0 && n <= sizeof(senders) &&
	    seed % 2 == 1) {
		memcpy(senders, to + from, n);
		memset(to + from, 0xee, n);
		buf->hole = buf->len + from;
		*buf->apart = (struct mproc__apart){ senders, n };
	}
	buf->len += size;
	return true;
}

int
send_frame(struct mproc__channel *ch, size_t size, uint64_t seed,
    bool droppable, bool write)
{
	(void)encode(ch, size, seed);
	return mproc__channel_commit(ch, NULL, 0, droppable, seed, write);
}

int
send_fds(struct mproc__channel *ch, uint64_t seed, const int *fds, int n)
{
	(void)encode(ch, 10, seed);
	return mproc__channel_commit(ch, fds, n, true, seed, true);
}

static void
check_frame(const struct mproc__frame *frame, size_t size, uint64_t seed)
{
	assert_int_equal(frame->size, size);
	assert_true(bytes_are(frame->data, size, seed));
	frame->data[size] = 0;		/* as promised */
}

void
expect_frame(struct mproc__channel *ch, size_t size, uint64_t seed)
{
	struct mproc__frame frame;

	assert_true(mproc__channel_ready(ch));
	assert_int_equal(mproc__channel_next(ch, &frame), 1);
	check_frame(&frame, size, seed);
}

bool
await_input(struct mproc__channel *ch)
{
	return mproc__channel_listen(ch) ||
	    test_poll(mproc__channel_fd(ch), POLLIN, 10000);
}

void
await_frame(struct mproc__channel *ch, size_t size, uint64_t seed)
{
	struct mproc__frame frame;
	int r;

	while ((r = mproc__channel_next(ch, &frame)) == 0) {
		assert_true(await_input(ch));
		r = mproc__channel_fill(ch);
		/* a doorbell may have been all there was */
		assert_true(r > 0 || (r == 0 && pair_is_ring()));
	}
	assert_int_equal(r, 1);
	check_frame(&frame, size, seed);
}

uint64_t
fill_up(struct mproc__channel *ch, size_t size, bool droppable)
{
	uint64_t n = 0;
	int r;

	while ((r = send_frame(ch, size, n++, droppable, true)) == 0)
		assert_int_equal(mproc__channel_queued(ch), 0);
	assert_int_equal(r, 1);
	assert_int_equal(mproc__channel_queued(ch), 1);
	return n;
}

void
raw(int fd, const void *bytes, size_t size)
{
	assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

int
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3;		/* ".", ".." and the listing itself */
}
