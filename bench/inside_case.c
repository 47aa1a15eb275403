/*
 * inside_case.c - a backend's core without a channel.
 *
 * Who decodes gives the bytes back that were overwritten, so that one frame
 * serves for any number of rounds; this costs about a nanosecond.
 */
#include <sys/socket.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside_case.h"

int64_t bench_sum;

static int
handle_add(struct mproc_backend *base, const void *data,
    struct mproc_request *req)
{
	const struct bench_add *args = data;

	(void)base;
	bench_sum += args->a + args->b + args->text[0];
	if (req == NULL)
		return 0;
	mproc__poke_undo(req->poke);
	return mproc_request_is_call(req) ?
	    mproc_reply(req, bench_total, .total = bench_sum) : 0;
}

static void *
zeroed(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		err(1, "calloc");
	return p;
}

/* Each row has a message of its own, as in a class that people write. */
static void
make_class(struct bench_case *c)
{
	size_t i;

	c->handlers = zeroed(c->n, sizeof(*c->handlers));
	c->schemas = zeroed(c->n, sizeof(*c->schemas));
	c->commands = zeroed(c->n, sizeof(*c->commands));
	c->hashes = zeroed(c->n, sizeof(*c->hashes));
	for (i = 0; i < c->n; i++) {
		snprintf(c->commands[i], sizeof(c->commands[i]), "add_%04zu",
		    i);
		c->schemas[i] = *MPROC_SCHEMA(bench_add);
		c->schemas[i].command = c->commands[i];
		c->schemas[i].hash = &c->hashes[i];
		c->handlers[i] = (struct mproc_handler){
			.command = c->commands[i], .schema = &c->schemas[i],
			.entry = handle_add, .help = "adds",
			.reply = MPROC_SCHEMA(bench_total),
		};
	}
	c->class = (struct mproc_class){
		.version = MPROC_CLASS_VERSION,
		.handler_size = sizeof(struct mproc_handler),
		.name = "bench", .size = sizeof(struct mproc_backend),
		.handlers = c->handlers, .n_handlers = c->n,
	};
	if (mproc_class_check(&c->class) < 0)
		errx(1, "%s", mproc__err_text());
}

static void
make_core(struct bench_case *c)
{
	struct mproc__core *core = zeroed(1, sizeof(*core));

	c->core = core;
	core->class = &c->class;
	core->object = zeroed(1, c->class.size);
	core->base = core->object;
	core->base->core = core;
	core->scratch = zeroed(1, sizeof(struct bench_add));
	core->request = zeroed(1, sizeof(*core->request));
	core->page = aligned_alloc(64, MPROC__PAGE_SIZE);
	if (core->page == NULL)
		err(1, "aligned_alloc");
	memset(core->page, 0, MPROC__PAGE_SIZE);
	if (mproc__index_init(&core->index, &c->class) < 0)
		errx(1, "no memory");
	core->max_message = 1 << 20;
}

/* In an order that no cache of the last command can guess. */
static void
make_frames(struct bench_case *c, int kind, int64_t deadline_ns)
{
	struct mproc__meta meta = { .deadline_ns = deadline_ns };
	struct bench_add add = { .text = BENCH_TEXT };
	size_t i, start, at = 0;
	uint32_t rnd = 1;

	c->frames = zeroed(c->n, sizeof(*c->frames));
	for (i = 0; i < c->n; i++) {
		at = (at + 7919) % c->n;	/* a prime: every row once */
		rnd = rnd * 1103515245 + 12345;
		add.a = rnd >> 16;
		add.b = rnd & 63;
		start = c->bytes.len;
		if (mproc__encode(&c->bytes, kind, i + 1, &c->schemas[at],
		    &add, &meta, SIZE_MAX, NULL) < 0)
			errx(1, "%s", mproc__err_text());
		c->frames[i].size = c->bytes.len - start;
		mproc__buf_append(&c->bytes, "\0\0\0\0", 4);
	}
	for (i = start = 0; i < c->n; i++) {
		c->frames[i].data = c->bytes.data + start;
		start += c->frames[i].size + 4;
	}
}

struct bench_case *
bench_case_new(size_t n, int kind, int64_t deadline_ns)
{
	struct bench_case *c = zeroed(1, sizeof(*c));

	c->n = n;
	make_class(c);
	make_core(c);
	make_frames(c, kind, deadline_ns);
	return c;
}

void
bench_channels(size_t ring_size, struct mproc__channel *ret_ch[2])
{
	struct mproc__channel_options opt = {
		.max_frame = 1 << 20, .allow_fds = true
	};
	int fds[2], i;

	if (mproc__socketpair(SOCK_STREAM, 0, fds) < 0)
		errx(1, "socketpair: %s", mproc__err_text());
	for (i = 0; i < 2; i++)
		if (mproc__channel_new(fds[i], &opt, &ret_ch[i]) < 0)
			errx(1, "channel: %s", mproc__err_text());
	if (ring_size != 0 &&
	    (mproc__channel_share(ret_ch[0], ring_size) < 0 ||
	    mproc__channel_join(ret_ch[1]) < 0))
		errx(1, "ring: %s", mproc__err_text());
}

void
bench_case_connect(struct bench_case *c, struct mproc__channel **ret_peer)
{
	struct mproc__channel *ch[2];

	bench_channels(0, ch);
	c->core->data = ch[0];
	*ret_peer = ch[1];
}

void
bench_case_free(struct bench_case *c)
{
	(void)mproc__channel_free(c->core->data);
	mproc__index_done(&c->core->index);
	free(c->core->page);
	free(c->core->request);
	free(c->core->scratch);
	free(c->core->object);
	free(c->core);
	mproc__buf_done(&c->bytes);
	free(c->frames);
	free(c->hashes);
	free(c->commands);
	free(c->schemas);
	free(c->handlers);
	free(c);
}
