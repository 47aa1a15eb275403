/*
 * inside.c - what a message costs between a struct and the wire: encode,
 * decode, dispatch, with tables of 1 to 1,000 handlers, and msgpack-c at the
 * same work in the same run.
 *
 *	bench/inside [ROUNDS]
 *
 * One line a number: name, metric, value, unit.  The rounds of all cases are
 * interleaved; the value is the lowest of all rounds, since what else runs
 * on the machine can only add.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <msgpack.h>

#include "inside_case.h"

#define TURNS	20000		/* of the work in one round */
#define HIDE(p_)	__asm__ volatile("" : : "r"(p_) : "memory")

struct job {
	const char	*name;
	void		(*run)(void *arg, size_t turns);
	void		*arg;
	double		 best;	/* ns a turn */
};

static void
encode_cast(void *arg, size_t turns)
{
	struct bench_add add = { .b = 40, .text = BENCH_TEXT };
	struct mproc__buf *buf = arg;
	struct mproc__meta meta = { .deadline_ns = 0 };
	struct mproc__fdset fds;
	size_t i;

	for (i = 0; i < turns; i++) {
		buf->len = 0;
		add.a = (int64_t)i;
		HIDE(&add);
		if (mproc__encode(buf, MPROC__CAST, 0, MPROC_SCHEMA(bench_add),
		    &add, &meta, 1 << 20, &fds) < 0)
			errx(1, "encode: %s", mproc__err_text());
		HIDE(buf->data);
	}
}

static void
encode_reply(void *arg, size_t turns)
{
	struct mproc__buf *buf = arg;
	struct bench_total total;
	struct mproc__fdset fds;
	size_t i;

	for (i = 0; i < turns; i++) {
		buf->len = 0;
		total.total = (int64_t)i;
		HIDE(&total);
		if (mproc__encode(buf, MPROC__REPLY, i + 1,
		    MPROC_SCHEMA(bench_total), &total, NULL, 1 << 20,
		    &fds) < 0)
			errx(1, "encode: %s", mproc__err_text());
		HIDE(buf->data);
	}
}

/* From the bytes to the handler: all but the backend's accounts. */
static void
decode_frames(struct bench_case *c, size_t n, size_t turns)
{
	const struct mproc__route *route;
	struct mproc__envelope env;
	struct mproc__poke poke;
	struct mproc__frame *f;
	size_t i, at = 0;

	for (i = 0; i < turns; i++) {
		f = &c->frames[at];
		if (!mproc__envelope_head(f->data, f->size, &env) ||
		    (route = mproc__index_guess(&c->core->index,
		    &c->core->last_route, env.command, env.command_len)) ==
		    NULL ||
		    !mproc__decode_body(route->schema, &env,
		    c->core->scratch, &poke))
			errx(1, "decode");
		c->handlers[route->row].entry(c->core->base,
		    c->core->scratch, NULL);
		mproc__poke_undo(&poke);
		if (++at == n)
			at = 0;
	}
}

static void
decode(void *arg, size_t turns)
{
	struct bench_case *c = arg;

	decode_frames(c, c->n, turns);
}

/* The table is as large, but only one of its commands comes. */
static void
decode_same(void *arg, size_t turns)
{
	decode_frames(arg, 1, turns);
}

/* All that a backend does for a cast that has come. */
static void
dispatch(void *arg, size_t turns)
{
	struct bench_case *c = arg;
	size_t i, at = 0;

	for (i = 0; i < turns; i++) {
		if (mproc__dispatch(c->core, &c->frames[at]) < 0)
			errx(1, "dispatch: %s", mproc__err_text());
		if (++at == c->n)
			at = 0;
	}
	if (c->core->page->failed != 0)
		errx(1, "dispatch: %s", mproc__err_text());
}

/* The bytes of one frame, read as a message that no class declares. */
static void
envelope(void *arg, size_t turns)
{
	struct bench_case *c = arg;
	struct mproc__envelope env;
	size_t i;

	for (i = 0; i < turns; i++) {
		if (mproc__envelope_read(c->frames[0].data,
		    c->frames[0].size, &env) < 0)
			errx(1, "envelope: %s", mproc__err_text());
		HIDE(&env);
	}
}

static void
put_text(msgpack_packer *pk, const char *text)
{
	size_t len = strlen(text);

	msgpack_pack_str(pk, len);
	msgpack_pack_str_body(pk, text, len);
}

static void
peer_pack(void *arg, size_t turns)
{
	msgpack_sbuffer *buf = arg;
	msgpack_packer pk;
	size_t i;

	msgpack_packer_init(&pk, buf, msgpack_sbuffer_write);
	for (i = 0; i < turns; i++) {
		msgpack_sbuffer_clear(buf);
		msgpack_pack_array(&pk, 4);
		msgpack_pack_int(&pk, 0);
		msgpack_pack_uint64(&pk, 0);
		put_text(&pk, "add_0000");
		msgpack_pack_map(&pk, 3);
		put_text(&pk, "a");
		msgpack_pack_int64(&pk, (int64_t)i);
		put_text(&pk, "b");
		msgpack_pack_int64(&pk, 40);
		put_text(&pk, "text");
		put_text(&pk, BENCH_TEXT);
		HIDE(buf->data);
	}
}

static bool
is(const msgpack_object *o, const char *text)
{
	return o->type == MSGPACK_OBJECT_STR &&
	    o->via.str.size == strlen(text) &&
	    memcmp(o->via.str.ptr, text, o->via.str.size) == 0;
}

/* The fields out of a tree that was unpacked; only what is right is there. */
static void
peer_read(const msgpack_object *map)
{
	const msgpack_object_kv *kv = map->via.map.ptr;
	struct bench_add add = { .text = NULL };
	uint32_t i;

	for (i = 0; i < map->via.map.size; i++, kv++) {
		if (is(&kv->key, "a"))
			add.a = kv->val.via.i64;
		else if (is(&kv->key, "b"))
			add.b = kv->val.via.i64;
		else if (is(&kv->key, "text"))
			add.text = kv->val.via.str.ptr;
		else
			errx(1, "msgpack: unknown field");
	}
	bench_sum += add.a + add.b + (add.text != NULL ? add.text[0] : 0);
}

static void
peer_unpack(void *arg, size_t turns)
{
	struct bench_case *c = arg;
	const char *data = (const char *)c->frames[0].data;
	const msgpack_object *body;
	msgpack_object root;
	msgpack_zone zone;
	size_t i, off;

	msgpack_zone_init(&zone, 4096);
	for (i = 0; i < turns; i++) {
		off = 0;
		if (msgpack_unpack(data, c->frames[0].size, &off, &zone,
		    &root) != MSGPACK_UNPACK_SUCCESS)
			errx(1, "msgpack: unpack");
		body = root.via.array.ptr;
		if (!is(&body[2], "add_0000"))
			errx(1, "msgpack: unknown command");
		peer_read(&body[3]);
		msgpack_zone_clear(&zone);
	}
	msgpack_zone_destroy(&zone);
}

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
run(struct job *job, int n_jobs, int rounds)
{
	double t;
	int i, r;

	for (r = 0; r < rounds; r++) {
		for (i = 0; i < n_jobs; i++) {
			t = now_ns();
			job[i].run(job[i].arg, TURNS);
			t = (now_ns() - t) / TURNS;
			if (r == 0 || t < job[i].best)
				job[i].best = t;
		}
	}
	for (i = 0; i < n_jobs; i++)
		printf("%-26s time %7.1f ns\n", job[i].name, job[i].best);
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 25, i;
	struct mproc__buf buf = { .data = NULL };
	struct bench_case *c[5];
	msgpack_sbuffer sbuf;

	for (i = 0; i < 4; i++)
		c[i] = bench_case_new((size_t[]){ 1, 10, 100, 1000 }[i],
		    MPROC__CAST, 0);
	c[4] = bench_case_new(1, MPROC__CAST, INT64_MAX);
	msgpack_sbuffer_init(&sbuf);
	run((struct job[]){
		{ "codec.encode", encode_cast, &buf, 0 },
		{ "codec.encode_reply", encode_reply, &buf, 0 },
		{ "codec.envelope", envelope, c[0], 0 },
		{ "codec.decode_1", decode, c[0], 0 },
		{ "codec.decode_10", decode, c[1], 0 },
		{ "codec.decode_100", decode, c[2], 0 },
		{ "codec.decode_1000", decode, c[3], 0 },
		{ "codec.decode_same_of_1000", decode_same, c[3], 0 },
		{ "codec.dispatch_1", dispatch, c[0], 0 },
		{ "codec.dispatch_10", dispatch, c[1], 0 },
		{ "codec.dispatch_100", dispatch, c[2], 0 },
		{ "codec.dispatch_1000", dispatch, c[3], 0 },
		{ "codec.dispatch_deadline", dispatch, c[4], 0 },
		{ "peer.msgpack_pack", peer_pack, &sbuf, 0 },
		{ "peer.msgpack_unpack", peer_unpack, c[0], 0 },
	}, 15, rounds > 0 ? rounds : 1);
	msgpack_sbuffer_destroy(&sbuf);
	mproc__buf_done(&buf);
	for (i = 0; i < 5; i++)
		bench_case_free(c[i]);
	return 0;
}
