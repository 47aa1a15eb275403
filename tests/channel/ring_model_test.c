/*
 * Every order in which the steps of a writer and a reader of one ring can
 * happen: bytes come in order, and nobody sleeps beside something to do.
 *
 * Each step is one access to a shared word or to a socket, in the order of
 * the code and named after its function (ring.c, channel_ring.c).  Three
 * memories: one where a store is seen at once (SC); one where each side has
 * a queue of stores that its own loads see and the other's do not yet (TSO,
 * as x86 has it); and one where that queue may be overtaken by stores to
 * other words (PSO).  A full barrier is a queue that must be empty; without
 * it an exchange is a store that later loads overtake, which is what arm64
 * makes of one whose later loads are not sequentially consistent.
 *
 * That the explorer sees what goes wrong is tried, too: without any one of
 * the barriers, and of what else the protocol consists of, it does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define SKIPPED	77	/* as automake has it */
#define SIZE		2U	/* slots of the ring, a message each */
#define MESSAGES	4U
#define STORES		3U	/* that may wait; more wait for them */
#define CHOICES		3U
#define HASH_SIZE	(1U << 22)
#define STATES_MAX	(1U << 21)

enum memory { SC, TSO, PSO };

/* What the protocol has, each of which can be left out. */
enum part {
	PUBLISH_BARRIER = 1 << 0,
	CONSUME_BARRIER = 1 << 1,
	READER_FENCE	= 1 << 2,
	WRITER_FENCE	= 1 << 3,
	RELEASE		= 1 << 4,	/* of the bytes, by the tail */
	READER_LOOK	= 1 << 5,	/* once more, after the call */
	WRITER_LOOK	= 1 << 6,
	NEW_NUMBER	= 1 << 7,	/* a call for each sleep */
	BELL_ENDS_CALL	= 1 << 8,	/* whatever was found there */
	BELL_STAYS	= 1 << 9,	/* until something was looked for */
	LAST_ROOM	= 1 << 10,	/* all was read: the writer is told */
	ALL		= (1 << 11) - 1
};

enum word { TAIL, HEAD, READER_CALL, WRITER_CALL, SLOTS, WORDS = SLOTS + SIZE };
enum side { WRITER, READER };

#define WRITER_STEPS(X)							\
	X(W_ROOM) X(W_COPY) X(W_PUBLISH) X(W_IS_CALLED) X(W_BELL)	\
	X(W_NEXT) X(W_CALL) X(W_FENCE) X(W_LOOK) X(W_SLEEP) X(W_HEAR)	\
	X(W_HUSH) X(W_DONE)
#define READER_STEPS(X)							\
	X(R_HEAR) X(R_BYTES) X(R_COPY) X(R_CONSUME) X(R_CALLED)		\
	X(R_ENOUGH) X(R_IS_CALLED) X(R_BELL) X(R_NEXT) X(R_LISTEN)	\
	X(R_FENCE) X(R_LOOK) X(R_HUSH) X(R_LOOK_AGAIN) X(R_SLEEP)	\
	X(R_HEAR_ONLY) X(R_DONE)
#define ENUM(name)	name,
#define NAME(name)	#name,
enum step { WRITER_STEPS(ENUM) READER_STEPS(ENUM) DEAD };
static const char *const step_names[] = {
	WRITER_STEPS(NAME) READER_STEPS(NAME) "killed"
};

/* All bytes, so that states can be compared as such. */
struct store {
	uint8_t	word, value;
};

struct thread {
	uint8_t	step;
	uint8_t	n;		/* stores that wait, oldest first */
	struct store wait[STORES];
	uint8_t	own;		/* the truth of tail or head */
	uint8_t	seen;		/* peer_head; the tail that was read */
	uint8_t	at;		/* slots copied */
	uint8_t	call;		/* reader_call or writer_call */
	uint8_t	rung;		/* rung_reader or rung_writer */
	uint8_t	listening, hung_up;
	uint8_t	spare;		/* wake-ups and looks without a reason */
};

struct state {
	uint8_t	mem[WORDS];
	uint8_t	bell[2];	/* in the socket of that side */
	struct thread t[2];
};

struct node {
	struct state s;
	uint32_t from;
	uint8_t	side, kind;	/* of the step that led here */
};

struct model {
	enum memory memory;
	unsigned parts;
	bool	 kills;		/* either side may die at any step */
	const char *wrong;	/* what was found */
	struct node *nodes;
	uint32_t n, *hash;
};

static bool
has(const struct model *m, enum part part)
{
	return (m->parts & part) != 0;
}

/* Memory */

static uint8_t
load(const struct state *s, enum side side, unsigned word)
{
	const struct thread *t = &s->t[side];
	unsigned i;

	for (i = t->n; i > 0; i--)
		if (t->wait[i - 1].word == word)
			return t->wait[i - 1].value;
	return s->mem[word];
}

/* False: its queue is full. */
static bool
store(const struct model *m, struct state *s, enum side side, unsigned word,
    unsigned value)
{
	struct thread *t = &s->t[side];

	if (m->memory == SC) {
		s->mem[word] = (uint8_t)value;
		return true;
	}
	if (t->n == STORES)
		return false;
	t->wait[t->n++] = (struct store){ (uint8_t)word, (uint8_t)value };
	return true;
}

/* A step of its own: the k-th store that waits is seen by the other. */
static bool
drain(const struct model *m, struct state *s, enum side side, unsigned k)
{
	struct thread *t = &s->t[side];
	unsigned i;

	if (k >= t->n || (k > 0 && m->memory == TSO))
		return false;
	for (i = 0; i < k; i++)
		if (t->wait[i].word == t->wait[k].word)
			return false;
	s->mem[t->wait[k].word] = t->wait[k].value;
	t->n--;
	for (i = k; i < t->n; i++)
		t->wait[i] = t->wait[i + 1];
	t->wait[t->n] = (struct store){ 0, 0 };
	return true;
}

/* atomic_exchange: a full barrier, unless that part is left out. */
static bool
exchange(const struct model *m, struct state *s, enum side side,
    unsigned word, unsigned value, enum part barrier)
{
	if (!has(m, barrier))
		return store(m, s, side, word, value);
	if (s->t[side].n > 0 && (has(m, RELEASE) || m->memory != PSO))
		return false;
	s->mem[word] = (uint8_t)value;
	return true;
}

/* The other's call: has to be rung for. */
static bool
is_called(struct thread *t, uint8_t call)
{
	if ((call & 1) == 0 || call == t->rung)
		return false;
	t->rung = call;
	return true;
}

static unsigned
next_call(const struct model *m, struct thread *t)
{
	if (!has(m, NEW_NUMBER))
		return t->call = 1;
	return t->call = (uint8_t)(t->call + 1 + (t->call & 1));
}

static unsigned
no_call(const struct model *m, struct thread *t)
{
	if (!has(m, NEW_NUMBER))
		return t->call = 0;
	return t->call = (uint8_t)(t->call + (t->call & 1));
}

static bool
is_dead(const struct state *s, enum side side)
{
	return s->t[side].step == DEAD;
}

static bool
to(struct thread *t, enum step step)
{
	t->step = (uint8_t)step;
	return true;
}

/* Is woken, or wakes for something else; *ret_bell says which. */
static bool
wakes(struct state *s, enum side side, unsigned choice, bool *ret_bell)
{
	struct thread *t = &s->t[side];

	*ret_bell = choice == 0;
	if (choice == 0)
		return s->bell[side] > 0 || is_dead(s, 1 - side);
	return choice == 1 && t->spare > 0 && t->spare-- > 0;
}

/* The writer: mproc__channel_flush, of frames of one slot each. */

/* mproc__ring_write, mproc__ring_publish, mproc__ring_bell */
static bool
writer_writes(const struct model *m, struct state *s, unsigned choice)
{
	struct thread *t = &s->t[WRITER];

	switch (t->step) {
	case W_ROOM:
		t->seen = load(s, WRITER, HEAD);
		t->at = 0;
		return to(t, t->own - t->seen == SIZE ? W_CALL : W_COPY);
	case W_COPY:	/* one message, or as many as there is room for */
		if (!store(m, s, WRITER, SLOTS + (t->own + t->at) % SIZE,
		    t->own + t->at + 1U))
			return false;
		t->at++;
		if (choice == 1 && t->own + t->at - t->seen < (int)SIZE &&
		    t->own + t->at < (int)MESSAGES)
			return true;
		return choice <= 1 && to(t, W_PUBLISH);
	case W_PUBLISH:
		if (!exchange(m, s, WRITER, TAIL, t->own + t->at,
		    PUBLISH_BARRIER))
			return false;
		t->own = (uint8_t)(t->own + t->at);
		return to(t, W_IS_CALLED);
	case W_IS_CALLED:
		return to(t, is_called(t, load(s, WRITER, READER_CALL)) ?
		    W_BELL : W_NEXT);
	default:	/* W_BELL */
		s->bell[READER] = 1;
		return to(t, W_NEXT);
	}
}

/* mproc__ring_call_writer, poll, mproc__channel_hear */
static bool
writer_sleeps(const struct model *m, struct state *s, unsigned choice)
{
	struct thread *t = &s->t[WRITER];
	uint8_t head;
	bool bell;

	switch (t->step) {
	case W_CALL:
		return store(m, s, WRITER, WRITER_CALL, next_call(m, t)) &&
		    to(t, W_FENCE);
	case W_FENCE:
		return (t->n == 0 || !has(m, WRITER_FENCE)) && to(t, W_LOOK);
	case W_LOOK:
		head = load(s, WRITER, HEAD);
		return to(t, has(m, WRITER_LOOK) &&
		    t->own - head <= (int)SIZE / 2 ? W_ROOM : W_SLEEP);
	case W_SLEEP:
		return wakes(s, WRITER, choice, &bell) && to(t, W_HEAR);
	default:	/* W_HEAR */
		s->bell[WRITER] = 0;
		return to(t, is_dead(s, READER) ? W_DONE : W_ROOM);
	}
}

static bool
writer_step(const struct model *m, struct state *s, unsigned choice)
{
	struct thread *t = &s->t[WRITER];

	switch (t->step) {
	case W_ROOM: case W_IS_CALLED: case W_PUBLISH: case W_BELL:
		return choice == 0 && writer_writes(m, s, choice);
	case W_COPY:
		return writer_writes(m, s, choice);
	case W_NEXT:	/* that may have been the last one for long */
		t->seen = t->at = 0;
		if (choice == 0)
			return t->own < MESSAGES && to(t, W_ROOM);
		return choice == 1 && to(t, W_HUSH);
	case W_HUSH:	/* mproc__ring_hush_writer */
		return choice == 0 && ((t->call & 1) == 0 ||
		    store(m, s, WRITER, WRITER_CALL, no_call(m, t))) &&
		    to(t, W_DONE);
	case W_DONE: case DEAD:
		return false;
	default:
		return (choice == 0 || t->step == W_SLEEP) &&
		    writer_sleeps(m, s, choice);
	}
}

/* The reader */

/* mproc__ring_hear */
static void
reader_hears(const struct model *m, struct state *s)
{
	struct thread *t = &s->t[READER];

	if (s->bell[READER] > 0 && has(m, BELL_ENDS_CALL))
		t->listening = 0;
	s->bell[READER] = 0;
	t->hung_up |= is_dead(s, WRITER);
}

/* mproc__channel_fill or _pull: mproc__ring_bytes, the copy */
static bool
reader_reads(struct model *m, struct state *s)
{
	struct thread *t = &s->t[READER];

	switch (t->step) {
	case R_HEAR:
		reader_hears(m, s);
		return to(t, R_BYTES);
	case R_BYTES:
		t->seen = load(s, READER, TAIL);
		t->at = 0;
		if (t->seen - t->own > (int)SIZE || t->seen < t->own)
			m->wrong = "a tail that cannot be";
		if (t->seen != t->own)
			return to(t, R_COPY);
		t->seen = 0;
		return to(t, t->hung_up ? R_DONE : R_LISTEN);
	default:	/* R_COPY */
		if (load(s, READER, SLOTS + (t->own + t->at) % SIZE) !=
		    t->own + t->at + 1)
			m->wrong = "bytes that were not sent";
		t->at++;
		return to(t, t->own + t->at < t->seen ? R_COPY : R_CONSUME);
	}
}

/* mproc__ring_consume, mproc__ring_bell */
static bool
reader_consumes(const struct model *m, struct state *s)
{
	struct thread *t = &s->t[READER];
	unsigned left;

	switch (t->step) {
	case R_CONSUME:
		if (!exchange(m, s, READER, HEAD, t->seen, CONSUME_BARRIER))
			return false;
		t->own = t->seen;
		t->seen = t->at = t->listening = 0;
		return to(t, R_CALLED);
	case R_CALLED:
		return to(t, load(s, READER, WRITER_CALL) & 1 ? R_ENOUGH :
		    R_NEXT);
	case R_ENOUGH:
		left = load(s, READER, TAIL) - (unsigned)t->own;
		return to(t, left > SIZE / 2 ||
		    (left == 0 && !has(m, LAST_ROOM)) ? R_NEXT : R_IS_CALLED);
	case R_IS_CALLED:
		return to(t, is_called(t, load(s, READER, WRITER_CALL)) ?
		    R_BELL : R_NEXT);
	default:	/* R_BELL */
		s->bell[WRITER] = 1;
		return to(t, R_NEXT);
	}
}

/* mproc__channel_listen; or mproc__channel_hush and a look, awake */
static bool
reader_listens(const struct model *m, struct state *s, unsigned choice)
{
	struct thread *t = &s->t[READER];

	switch (t->step) {
	case R_LISTEN:
		if (choice == 1) {
			if (t->spare == 0 || ((t->call & 1) != 0 &&
			    !store(m, s, READER, READER_CALL, no_call(m, t))))
				return false;
			t->spare--;
			t->listening = 0;
			return to(t, R_BYTES);
		}
		if (t->listening)
			return to(t, R_LOOK_AGAIN);
		return store(m, s, READER, READER_CALL, next_call(m, t)) &&
		    to(t, R_FENCE);
	case R_FENCE:
		return (t->n == 0 || !has(m, READER_FENCE)) && to(t, R_LOOK);
	case R_LOOK:
		if (has(m, READER_LOOK) && load(s, READER, TAIL) != t->own)
			return to(t, R_HUSH);
		t->listening = 1;
		return to(t, R_SLEEP);
	case R_HUSH:
		return store(m, s, READER, READER_CALL, no_call(m, t)) &&
		    to(t, R_HEAR);
	default:	/* R_LOOK_AGAIN */
		return to(t, load(s, READER, TAIL) != t->own ? R_HEAR :
		    R_SLEEP);
	}
}

/* poll; then a fill, or only mproc__channel_hear */
static bool
reader_sleeps(const struct model *m, struct state *s, unsigned choice)
{
	struct thread *t = &s->t[READER];
	bool bell;

	if (t->step == R_HEAR_ONLY) {
		reader_hears(m, s);
		return to(t, R_LISTEN);
	}
	if (!has(m, BELL_STAYS))
		s->bell[READER] = 0;
	return wakes(s, READER, choice, &bell) &&
	    to(t, bell ? R_HEAR : R_HEAR_ONLY);
}

static bool
reader_step(struct model *m, struct state *s, unsigned choice)
{
	struct thread *t = &s->t[READER];

	switch (t->step) {
	case R_HEAR: case R_BYTES: case R_COPY:
		return choice == 0 && reader_reads(m, s);
	case R_CONSUME: case R_CALLED: case R_ENOUGH: case R_IS_CALLED:
	case R_BELL:
		return choice == 0 && reader_consumes(m, s);
	case R_NEXT:	/* pull what is there, or sleep */
		return choice <= 1 && to(t, choice == 0 ? R_BYTES : R_LISTEN);
	case R_SLEEP: case R_HEAR_ONLY:
		return (choice == 0 || t->step == R_SLEEP) &&
		    reader_sleeps(m, s, choice);
	case R_DONE: case DEAD:
		return false;
	default:
		return (choice == 0 || t->step == R_LISTEN) && choice <= 1 &&
		    reader_listens(m, s, choice);
	}
}

/* SIGKILL: what was stored is stored; the other's socket says so. */
static bool
kill_side(const struct model *m, struct state *s, enum side side)
{
	struct thread *t = &s->t[side];

	if (!m->kills || t->step == DEAD || t->step == W_DONE ||
	    t->step == R_DONE)
		return false;
	while (t->n > 0)
		(void)drain(m, s, side, 0);
	*t = (struct thread){ .step = DEAD };
	return true;
}

/* Nothing can happen any more: is all well? */
static const char *
judge(const struct state *s)
{
	const struct thread *w = &s->t[WRITER], *r = &s->t[READER];

	if (w->step == W_SLEEP)
		return "the writer sleeps for ever";
	if (r->step == R_SLEEP && (w->step != W_DONE ||
	    r->own != s->mem[TAIL]))
		return "the reader sleeps beside messages";
	if (r->step == R_DONE && r->own != s->mem[TAIL])
		return "the reader has left messages of the dead";
	return r->step == R_SLEEP || r->step == R_DONE || r->step == DEAD ?
	    NULL : "the reader is stuck";
}

/* The set of states that were reached */

static uint32_t
hash_of(const struct state *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint64_t h = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < sizeof(*s); i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return (uint32_t)(h ^ h >> 32) % HASH_SIZE;
}

static void
add(struct model *m, const struct state *s, uint32_t from, enum side side,
    unsigned kind)
{
	uint32_t at = hash_of(s);

	while (m->hash[at] != 0) {
		if (memcmp(&m->nodes[m->hash[at] - 1].s, s, sizeof(*s)) == 0)
			return;
		at = (at + 1) % HASH_SIZE;
	}
	assert_true(m->n < STATES_MAX);
	m->nodes[m->n] = (struct node){ *s, from, (uint8_t)side,
		(uint8_t)kind };
	m->hash[at] = ++m->n;
}

static void
print_way(const struct model *m, uint32_t i)
{
	const struct node *node = &m->nodes[i];
	const struct thread *was;

	if (i == 0)
		return;
	print_way(m, node->from);
	was = &m->nodes[node->from].s.t[node->side];
	print_message("%s%s\n", node->side == READER ? "\t\t" : "",
	    node->kind == 0 ? step_names[was->step] :
	    node->kind == 1 ? "  is seen" : "KILLED");
}

/* All that can follow; false: nothing. */
static bool
expand(struct model *m, uint32_t i)
{
	struct state s;
	uint32_t before = m->n;
	unsigned c, k;
	enum side side;
	bool any = false;

	for (k = 0; k < 2; k++) {
		side = k == 0 ? WRITER : READER;
		for (c = 0; c < CHOICES && m->wrong == NULL; c++) {
			s = m->nodes[i].s;
			if (side == WRITER ? writer_step(m, &s, c) :
			    reader_step(m, &s, c)) {
				add(m, &s, i, side, 0);
				any = true;
			}
			s = m->nodes[i].s;
			if (drain(m, &s, side, c)) {
				add(m, &s, i, side, 1);
				any = true;
			}
		}
		s = m->nodes[i].s;
		if (kill_side(m, &s, side))
			add(m, &s, i, side, 2);
	}
	return any || m->n > before;
}

/* Breadth first: what is found wrong is found in the fewest steps. */
static void
explore(struct model *m)
{
	struct state first;
	uint32_t i;

	memset(&first, 0, sizeof(first));
	first.t[WRITER].step = W_ROOM;
	first.t[READER].step = R_LISTEN;
	first.t[WRITER].spare = first.t[READER].spare = 1;
	m->wrong = NULL;
	m->n = 0;
	memset(m->hash, 0, HASH_SIZE * sizeof(*m->hash));
	add(m, &first, 0, WRITER, 0);
	for (i = 0; i < m->n && m->wrong == NULL; i++)
		if (!expand(m, i))
			m->wrong = judge(&m->nodes[i].s);
	if (m->wrong != NULL && m->parts == ALL) {
		print_way(m, i - 1);
		print_message("%s\n", m->wrong);
	}
}

static void
explore_with(enum memory memory, unsigned parts, bool kills, bool well)
{
	struct model m = { .memory = memory, .parts = parts, .kills = kills };

	m.nodes = calloc(STATES_MAX, sizeof(*m.nodes));
	m.hash = calloc(HASH_SIZE, sizeof(*m.hash));
	assert_non_null(m.nodes);
	assert_non_null(m.hash);
	explore(&m);
	print_message("memory %d, without %#x%s: %u states, %s\n",
	    (int)memory, ALL & ~parts, kills ? ", killing" : "", m.n,
	    m.wrong != NULL ? m.wrong : "all well");
	free(m.nodes);
	free(m.hash);
	assert_int_equal(m.wrong == NULL, well);
}

static void
all_orders_are_well(void **state)
{
	(void)state;
	explore_with(SC, ALL, false, true);
	explore_with(TSO, ALL, false, true);
	explore_with(PSO, ALL, false, true);
}

static void
all_orders_with_a_death_are_well(void **state)
{
	(void)state;
	explore_with(SC, ALL, true, true);
	explore_with(TSO, ALL, true, true);
	explore_with(PSO, ALL, true, true);
}

/* Where memory is as one thinks it is no barrier is needed. */
static void
each_barrier_is_needed(void **state)
{
	static const enum part barriers[] = { PUBLISH_BARRIER,
		CONSUME_BARRIER, READER_FENCE, WRITER_FENCE };
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(barriers); i++) {
		explore_with(SC, ALL & ~barriers[i], false, true);
		explore_with(TSO, ALL & ~barriers[i], false, false);
		explore_with(PSO, ALL & ~barriers[i], false, false);
	}
	explore_with(TSO, ALL & ~RELEASE, false, true);
	explore_with(PSO, ALL & ~RELEASE, false, false);
}

static void
each_step_is_needed(void **state)
{
	static const enum part parts[] = { READER_LOOK, WRITER_LOOK,
		NEW_NUMBER, BELL_ENDS_CALL, BELL_STAYS, LAST_ROOM };
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(parts); i++)
		explore_with(SC, ALL & ~parts[i], false, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_orders_are_well),
		cmocka_unit_test(all_orders_with_a_death_are_well),
		cmocka_unit_test(each_barrier_is_needed),
		cmocka_unit_test(each_step_is_needed),
	};

	/* a model, and none of the library: nothing for a sanitizer to see */
	return test_slow() > 1 ? SKIPPED : TEST_RUN(tests);
}
