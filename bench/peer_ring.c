/*
 * peer_ring.c - a bare ring in shared memory in each direction, one producer,
 * one consumer: the floor of everything that does not go through the kernel.
 * Nothing is framed, checked, encoded or supervised, and each side believes
 * what the other writes.
 *
 * Fast settings: 4 MiB; published every 16 messages or 16 KiB, and before
 * waiting; a waiter spins for some 40 us, yields once, then sleeps on an
 * eventfd; it does not spin when there are more processes than processors.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#define RING		(4 << 20)
#define CHUNK		(16 << 10)
#define BATCH		16
#define SPINS		2000
#define LINE		128		/* two cache lines: they come in pairs */

#if defined(__x86_64__) || defined(__i386__)
#define relax()		__builtin_ia32_pause()
#else
#define relax()		atomic_signal_fence(memory_order_seq_cst)
#endif

struct bell {
	_Alignas(LINE) atomic_int asleep;
	int	fd;
};

struct ring {
	_Alignas(LINE) atomic_size_t tail;	/* bytes written */
	_Alignas(LINE) atomic_size_t head;	/* bytes read */
	struct bell data, room;
	_Alignas(LINE) unsigned char bytes[RING];
};

/* One side's private view of a ring. */
struct view {
	struct ring *ring;
	size_t	at;			/* own index, ahead of the shared one */
	size_t	peer;			/* the other's, as last seen */
	size_t	shown;			/* own, as last published */
	int	n;			/* messages not yet published */
};

static struct { struct view out, in; pid_t pid; } end[PEER_MAX];
static int n_ends, spins;
static size_t message_size;

static void
ring_bell(struct bell *bell)
{
	/* the index was stored before `asleep` is looked at; the sleeper
	 * stores and looks the other way round, so one of the two sees */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&bell->asleep, memory_order_relaxed) != 0 &&
	    atomic_exchange(&bell->asleep, 0) != 0)
		(void)eventfd_write(bell->fd, 1);
}

/* Wait until *word is not `old`; may return early. */
static size_t
await(struct bell *bell, atomic_size_t *word, size_t old)
{
	eventfd_t value;
	size_t now;
	int i;

	for (i = 0; i <= spins; i++) {
		now = atomic_load_explicit(word, memory_order_acquire);
		if (now != old)
			return now;
		relax();
	}
	(void)sched_yield();
	atomic_store(&bell->asleep, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if ((now = atomic_load(word)) == old) {
		(void)eventfd_read(bell->fd, &value);
		now = atomic_load(word);
	}
	atomic_store(&bell->asleep, 0);
	return now;
}

static void
publish(struct view *v)
{
	v->shown = v->at;
	v->n = 0;
	atomic_store_explicit(&v->ring->tail, v->at, memory_order_release);
	ring_bell(&v->ring->data);
}

static void
put(struct view *v, const unsigned char *data, size_t n)
{
	size_t step, at;

	while (n > 0) {
		step = RING - (v->at - v->peer);
		if (step == 0) {
			publish(v);
			v->peer = await(&v->ring->room, &v->ring->head,
			    v->peer);
			continue;
		}
		at = v->at % RING;
		if (step > RING - at)
			step = RING - at;
		if (step > CHUNK)
			step = CHUNK;
		if (step > n)
			step = n;
		memcpy(v->ring->bytes + at, data, step);
		data += step;
		n -= step;
		v->at += step;
		if (v->at - v->shown >= CHUNK)
			publish(v);
	}
	if (++v->n >= BATCH)
		publish(v);
}

/* Up to n bytes, at least one. */
static size_t
get(struct view *v, unsigned char *data, size_t n)
{
	size_t at = v->at % RING;

	while (v->peer == v->at)
		v->peer = await(&v->ring->data, &v->ring->tail, v->at);
	if (n > v->peer - v->at)
		n = v->peer - v->at;
	if (n > RING - at)
		n = RING - at;
	memcpy(data, v->ring->bytes + at, n);
	v->at += n;
	atomic_store_explicit(&v->ring->head, v->at, memory_order_release);
	ring_bell(&v->ring->room);
	return n;
}

static _Noreturn void
backend(struct view *in, struct view *out, size_t size)
{
	struct peer_stream stream = { .size = size };
	static unsigned char chunk[CHUNK];
	struct peer_answer answer;
	int asked;

	do {
		asked = peer_feed(&stream, chunk, get(in, chunk,
		    sizeof(chunk)));
		for (; asked > 0; asked--) {
			peer_answer(stream.taken, &answer);
			put(out, (unsigned char *)&answer, sizeof(answer));
			publish(out);
		}
	} while (stream.at > 0 || stream.ask != PEER_STOP);
	_exit(0);
}

static int
open_all(int n, size_t size)
{
	struct ring *ring;
	int i;

	spins = peer_processors() > n ? SPINS : 0;
	message_size = size;
	for (; n_ends < n; n_ends++) {
		ring = mmap(NULL, 2 * sizeof(*ring), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (ring == MAP_FAILED)
			return -errno;
		for (i = 0; i < 2; i++) {
			ring[i].data.fd = eventfd(0, EFD_CLOEXEC);
			ring[i].room.fd = eventfd(0, EFD_CLOEXEC);
		}
		end[n_ends].out = (struct view){ .ring = &ring[0] };
		end[n_ends].in = (struct view){ .ring = &ring[1] };
		if ((end[n_ends].pid = fork()) < 0)
			return -errno;
		if (end[n_ends].pid == 0)
			backend(&end[n_ends].out, &end[n_ends].in, size);
	}
	return 0;
}

static int
send_one(int i, const void *data, size_t size)
{
	put(&end[i].out, data, size);
	if (*(const unsigned char *)data == PEER_ASK)
		publish(&end[i].out);
	return 0;
}

static int
recv_one(int i, struct peer_answer *ret)
{
	unsigned char *bytes = (unsigned char *)ret;
	size_t done = 0;

	while (done < sizeof(*ret))
		done += get(&end[i].in, bytes + done, sizeof(*ret) - done);
	return 0;
}

static void
close_all(void)
{
	unsigned char *stop = calloc(1, message_size + 1);
	struct ring *ring;
	int i;

	while (stop != NULL && n_ends > 0) {
		n_ends--;
		stop[0] = PEER_STOP;
		put(&end[n_ends].out, stop, message_size);
		publish(&end[n_ends].out);
		(void)waitpid(end[n_ends].pid, NULL, 0);
		ring = end[n_ends].out.ring;
		for (i = 0; i < 2; i++) {
			close(ring[i].data.fd);
			close(ring[i].room.fd);
		}
		(void)munmap(ring, 2 * sizeof(*ring));
	}
	free(stop);
}

int
main(int argc, char **argv)
{
	static const struct peer ring = {
		.open = open_all, .send = send_one, .recv = recv_one,
		.close = close_all,
	};

	return peer_main(argc, argv, &ring);
}
