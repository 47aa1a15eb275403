/*
 * hotpath.c - each hot path of the library a thousand times, for
 * instructions.sh to count its instructions under callgrind: those of
 * hot() and what it calls.
 *
 *	bench/hotpath		the names of the paths
 *	bench/hotpath compiler	what they were compiled with
 *	bench/hotpath PATH	run it
 *
 * All is in one thread and without waiting, so that a count is a matter of
 * the code alone.  Messages are those of inside_case.h.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside_case.h"

#define ROUNDS	20
#define TURNS	50		/* a round: few enough for a socket */
#ifdef __clang__
#define COMPILER	"clang"
#else
#define COMPILER	"gcc"
#endif
#define HIDE(p_)	__asm__ volatile("" : : "r"(p_) : "memory")

static struct mproc__buf buf;
static struct bench_case *cast, *cast_1000, *call;
static struct mproc__channel *sock[2], *ring[2], *caller;
static struct mproc__frame reply;

static void
encode(int kind, uint64_t id, int64_t deadline_ns)
{
	struct bench_add add = { .a = 1000, .b = 40, .text = BENCH_TEXT };
	struct mproc__meta meta = { .deadline_ns = deadline_ns };
	struct mproc__fdset fds;

	buf.len = 0;
	HIDE(&add);
	if (mproc__encode(&buf, kind, id, MPROC_SCHEMA(bench_add), &add,
	    &meta, 1 << 20, &fds) < 0)
		errx(1, "encode");
}

static void
encode_cast(void)
{
	encode(MPROC__CAST, 0, 0);
}

static void
encode_call(void)
{
	encode(MPROC__CALL, 100000, INT64_MAX / 2);
}

static void
encode_long_way(void)
{
	struct bench_add add = { .a = 1000, .b = 40, .text = BENCH_TEXT };
	struct mproc__fdset fds;

	buf.len = 0;
	if (mproc__encode_any(&buf, MPROC__CAST, 0, MPROC_SCHEMA(bench_add),
	    &add, NULL, 1 << 20, &fds) < 0)
		errx(1, "encode");
}

static void
check_message(void)
{
	if (!mproc__index_takes(&cast->core->index, &cast->schemas[5]))
		errx(1, "takes");
}

static void
decode(void)
{
	struct mproc__frame *f = &cast->frames[3];
	const struct mproc__route *route;
	struct mproc__envelope env;
	struct mproc__poke poke;

	if (!mproc__envelope_head(f->data, f->size, &env) ||
	    (route = mproc__index_guess(&cast->core->index,
	    &cast->core->last_route, env.command, env.command_len)) == NULL ||
	    !mproc__decode_body(route->schema, &env, cast->core->scratch,
	    &poke))
		errx(1, "decode");
	mproc__poke_undo(&poke);
}

static void
decode_long_way(void)
{
	struct mproc__frame *f = &cast->frames[0];
	struct mproc__envelope env;
	struct mproc__poke poke;

	if (mproc__envelope_read(f->data, f->size, &env) < 0 ||
	    mproc__decode_any(&cast->schemas[0], env.args, env.args_size,
	    NULL, 0, cast->core->scratch, &poke) < 0)
		errx(1, "decode");
	mproc__poke_undo(&poke);
}

static void
dispatch(struct bench_case *c)
{
	static size_t at;

	if (mproc__dispatch(c->core, &c->frames[at++ % c->n]) < 0)
		errx(1, "dispatch");
}

static void
dispatch_cast(void)
{
	dispatch(cast);
}

static void
dispatch_cast_1000(void)
{
	dispatch(cast_1000);
}

/* With the reply, up to the system call. */
static void
dispatch_call(void)
{
	dispatch(call);
}

/* What a caller does with its reply, from the frame on. */
static void
read_reply(void)
{
	const struct bench_total *total;
	struct mproc__envelope env;
	struct mproc_msg *msg;

	if (mproc__envelope_read(reply.data, reply.size, &env) < 0 ||
	    mproc__msg_of(&env, reply.size, NULL, 0, &msg) < 0 ||
	    (total = mproc_args(msg, bench_total)) == NULL)
		errx(1, "reply: %s", mproc__err_text());
	bench_sum += total->total;
	mproc_msg_free(msg);
}

static void
transmit(struct mproc__channel *ch)
{
	struct mproc__buf *out = mproc__channel_begin(ch);
	struct bench_add add = { .a = 1000, .b = 40, .text = BENCH_TEXT };

	if (mproc__encode(out, MPROC__CAST, 0, MPROC_SCHEMA(bench_add), &add,
	    NULL, 1 << 20, NULL) < 0 ||
	    mproc__channel_commit(ch, NULL, 0, true, 0, true) < 0)
		errx(1, "transmit");
}

static void
receive(struct mproc__channel *ch)
{
	struct mproc__frame frame;

	if (mproc__channel_next(ch, &frame) == 1)
		return;
	if (mproc__channel_fill(ch) <= 0 ||
	    mproc__channel_next(ch, &frame) != 1)
		errx(1, "receive");
}

static void
transmit_socket(void)
{
	transmit(sock[0]);
}

static void
receive_socket(void)
{
	receive(sock[1]);
}

static void
transmit_ring(void)
{
	transmit(ring[0]);
}

static void
receive_ring(void)
{
	receive(ring[1]);
}

/* Between rounds: put there what is taken, take what was put. */
static void
drain(struct mproc__channel *ch)
{
	struct mproc__frame frame;

	do {
		while (mproc__channel_next(ch, &frame) == 1)
			;
	} while (mproc__channel_fill(ch) > 0);
}

static void
drain_socket(void)
{
	drain(sock[1]);
}

static void
drain_ring(void)
{
	drain(ring[1]);
}

static void
drain_caller(void)
{
	drain(caller);
}

static void
feed_socket(void)
{
	int i;

	for (i = 0; i < TURNS; i++)
		transmit(sock[0]);
}

static void
feed_ring(void)
{
	int i;

	for (i = 0; i < TURNS; i++)
		transmit(ring[0]);
}

static const struct path {
	const char	*name;
	void		(*run)(void);
	void		(*before)(void);	/* each round */
} paths[] = {
	{ "encode_cast", encode_cast, NULL },
	{ "encode_call", encode_call, NULL },
	{ "encode_long_way", encode_long_way, NULL },
	{ "check_message", check_message, NULL },
	{ "decode", decode, NULL },
	{ "decode_long_way", decode_long_way, NULL },
	{ "dispatch_cast", dispatch_cast, NULL },
	{ "dispatch_cast_1000", dispatch_cast_1000, NULL },
	{ "dispatch_call", dispatch_call, drain_caller },
	{ "read_reply", read_reply, NULL },
	{ "transmit_socket", transmit_socket, drain_socket },
	{ "receive_socket", receive_socket, feed_socket },
	{ "transmit_ring", transmit_ring, drain_ring },
	{ "receive_ring", receive_ring, feed_ring },
};
#define N_PATHS	(sizeof(paths) / sizeof(paths[0]))

static void
set_up(void)
{
	struct mproc__channel *ch[2];

	cast = bench_case_new(10, MPROC__CAST, 0);
	cast_1000 = bench_case_new(1000, MPROC__CAST, 0);
	call = bench_case_new(10, MPROC__CALL, INT64_MAX / 2);
	bench_case_connect(call, &caller);
	bench_channels(0, sock);
	bench_channels(256 << 10, ring);
	/* a reply that stays: the channel that it came by is kept */
	bench_channels(0, ch);
	if (mproc__encode(mproc__channel_begin(ch[0]), MPROC__REPLY, 100000,
	    MPROC_SCHEMA(bench_total), &(struct bench_total){ .total = 1000 }, NULL,
	    1 << 20, NULL) < 0 ||
	    mproc__channel_commit(ch[0], NULL, 0, false, 0, true) < 0 ||
	    mproc__channel_fill(ch[1]) <= 0 ||
	    mproc__channel_next(ch[1], &reply) != 1)
		errx(1, "no reply");
}

/* callgrind counts in here. */
static __attribute__((noinline)) void
hot(const struct path *path)
{
	int i;

	for (i = 0; i < TURNS; i++)
		path->run();
}

static void
run(const struct path *path)
{
	int i;

	if (path->before != NULL)
		path->before();
	for (i = 0; i < TURNS; i++)	/* what happens the first time only */
		path->run();
	for (i = 0; i < ROUNDS; i++) {
		if (path->before != NULL)
			path->before();
		hot(path);
	}
}

int
main(int argc, char **argv)
{
	size_t i;

	if (argc > 1 && strcmp(argv[1], "compiler") == 0) {
		printf("%s %s, %zu bits\n", COMPILER, __VERSION__,
		    8 * sizeof(void *));
		return 0;
	}
	if (argc > 1)
		set_up();
	for (i = 0; i < N_PATHS; i++) {
		if (argc == 1)
			puts(paths[i].name);
		else if (strcmp(argv[1], paths[i].name) == 0) {
			run(&paths[i]);
			return 0;
		}
	}
	return argc > 1;
}
