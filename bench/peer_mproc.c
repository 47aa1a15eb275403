/*
 * peer_mproc.c - mproc, through its public interface: typed messages that are
 * checked on both sides, accounted for and supervised.
 *
 * Variants, joined by commas: `ring` or `socket`, the channel; `batch`;
 * `fork`, `forkserver` (the default) or `spawn`, the launch.
 *
 * Work besides that of peer.h:
 *	handlers	rows of the table	ns a message
 *	processes	in one context		ns a message to one of them
 *	backlog		messages that wait	ns to send one more, ns to
 *						send and handle one of them
 *	idle		-			wake-ups of backend, frontend
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer_mproc.h"

struct work {
	struct mproc_backend base;
	int64_t	taken;
};

MPROC_COMMAND(work, put);
MPROC_COMMAND(work, ask);
MPROC_COMMAND(work, bounce);
MPROC_COMMAND(work, hold);

static const struct mproc_handler work_handlers[] = {
	MPROC_HANDLER(work, put, "take"),
	MPROC_HANDLER(work, ask, "take and answer",
	    .reply = MPROC_SCHEMA(work_answer)),
	MPROC_HANDLER(work, bounce, "take and emit"),
	MPROC_HANDLER(work, hold, "wait until something can be read"),
};

const struct mproc_class work_class =
    MPROC_CLASS("Work", work, work_handlers);

struct mproc_options options = { .block_ms = SOON };

static struct { struct mproc *p; struct mproc_future *f; } end[PEER_MAX];
static int n_ends, polling;
static bool in_place;			/* payloads by mproc_reserve() */

static int
c__put(struct work *self, const struct work_put *args,
    struct mproc_request *req)
{
	(void)args;
	(void)req;
	self->taken++;
	return 0;
}

static int
c__ask(struct work *self, const struct work_ask *args,
    struct mproc_request *req)
{
	struct peer_answer answer;

	(void)args;
	peer_answer(++self->taken, &answer);
	return mproc_reply(req, work_answer,
	    .data = { &answer, sizeof(answer) });
}

static int
c__bounce(struct work *self, const struct work_bounce *args,
    struct mproc_request *req)
{
	struct peer_answer answer;

	(void)args;
	(void)req;
	peer_answer(++self->taken, &answer);
	return mproc_emit(&self->base, work_answer,
	    .data = { &answer, sizeof(answer) });
}

static int
c__hold(struct work *self, const struct work_hold *args,
    struct mproc_request *req)
{
	int fd = mproc_take_arg_fd(req, args->until);
	char byte;

	(void)self;
	if (fd < 0)
		return fd;
	(void)read_full(fd, &byte, 1);
	close(fd);
	return 0;
}

int
mproc_fault(const char *what, int code)
{
	const char *text = mproc_errmsg(NULL);

	(void)fprintf(stderr, "%s: %s\n", what, text[0] != '\0' ? text :
	    mproc_strerror(code));
	return code;
}

int
start_one(const struct mproc_class *cls, struct mproc **ret_p)
{
	struct mproc *p;
	int r;

	if ((r = mproc_new(cls, &options, &p)) < 0)
		return mproc_fault("mproc_new", r);
	if ((r = mproc_start(p)) < 0) {
		(void)mproc_fault("mproc_start", r);
		mproc_free(p);
		return r;
	}
	*ret_p = p;
	return 0;
}

/* Take the answer out of a message, and free that. */
static int
read_answer(struct mproc_msg *msg, struct peer_answer *ret)
{
	const struct work_answer *t = mproc_args(msg, work_answer);
	int r = t != NULL && t->data.size == sizeof(*ret) ? 0 : -EPROTO;

	if (r == 0 && ret != NULL)
		memcpy(ret, t->data.data, sizeof(*ret));
	mproc_msg_free(msg);
	return r;
}

int
ask_one(struct mproc *p, struct peer_answer *ret)
{
	static const char data[PEER_MIN];
	struct mproc_msg *reply;
	int r;

	r = mproc_call(p, SOON, &reply, work_ask,
	    .data = { data, sizeof(data) });
	return r < 0 ? mproc_fault("mproc_call", r) : read_answer(reply, ret);
}

static int
init(int argc, char **argv, const char *variant)
{
	in_place = strstr(variant, "place") != NULL;
	options.batch = strstr(variant, "batch") != NULL;
	options.channel = strstr(variant, "socket") != NULL ? MPROC_SOCKET :
	    strstr(variant, "ring") != NULL ? MPROC_RING :
	    MPROC_CHANNEL_DEFAULT;
	options.launch = strstr(variant, "forkserver") != NULL ?
	    MPROC_FORKSERVER : strstr(variant, "fork") != NULL ? MPROC_FORK :
	    strstr(variant, "spawn") != NULL ? MPROC_SPAWN : MPROC_AUTO;
	prepare_handlers();
	return mproc_init(argc, argv);
}

static int
open_all(int n, size_t size)
{
	int r = 0;

	(void)size;
	for (; n_ends < n; n_ends++)
		if ((r = start_one(&work_class, &end[n_ends].p)) < 0)
			break;
	return r;
}

/*
 * An ask is not sent before recv when it is the only one, so that it can be a
 * plain call: the usual way of a round trip.
 */
static int
send_one(int i, const void *data, size_t size)
{
	const unsigned char *first = data;
	struct mproc *p = end[i].p;
	void *at;
	int r = 0;

	if (*first == PEER_TAKE && in_place) {
		r = mproc_reserve(p, &at, work_put, .data = MPROC_ROOM(size));
		if (r == 0) {
			memset(at, *first, size);	/* it is built here */
			r = mproc_commit(p);
		}
	} else if (*first == PEER_TAKE)
		r = mproc_send(p, work_put, .data = { data, size });
	else if (polling)
		r = mproc_send(p, work_bounce, .data = { data, size });
	else if (n_ends > 1)
		r = mproc_ask(p, SOON, &end[i].f, work_ask,
		    .data = { data, size });
	return r < 0 ? mproc_fault("send", r) : 0;
}

static int
recv_polling(struct mproc *p, struct peer_answer *ret)
{
	struct pollfd pfd = { .fd = mproc_fd(p), .events = POLLIN };
	struct mproc_msg *msg;
	int r;

	do {
		if (poll(&pfd, 1, -1) < 0)
			return -errno;
	} while ((r = mproc_recv(p, 0, &msg)) == 0);
	return r < 0 ? mproc_fault("mproc_recv", r) : read_answer(msg, ret);
}

static int
recv_one(int i, struct peer_answer *ret)
{
	struct mproc_future *f = end[i].f;
	int r;

	if (polling)
		return recv_polling(end[i].p, ret);
	if (f == NULL)
		return ask_one(end[i].p, ret);
	if ((r = mproc_future_wait(f, SOON)) == 0 &&
	    (r = mproc_future_result(f)) == 0)
		r = read_answer(mproc_future_take(f), ret);
	end[i].f = mproc_future_free(f);
	return r < 0 ? mproc_fault("mproc_future_wait", r) : 0;
}

static int
poll_all(void)
{
	polling = 1;
	return 0;
}

static void
close_all(void)
{
	struct mproc *list[PEER_MAX];
	int i, n = n_ends;

	for (i = 0; i < n; i++)
		list[i] = end[i].p;
	n_ends = 0;
	if (n > 0 && (i = mproc_stop_all(list, n)) < 0)
		(void)mproc_fault("mproc_stop_all", i);
	for (i = 0; i < n; i++)
		mproc_free(list[i]);
	close_pool();
}

int
main(int argc, char **argv)
{
	static const struct peer_work more[] = {
		{ "handlers", grow_handlers },
		{ "processes", grow_processes },
		{ "backlog", grow_backlog },
		{ "idle", stay_idle },
		{ NULL, NULL },
	};
	static const struct peer mproc = {
		.init = init, .open = open_all, .send = send_one,
		.recv = recv_one, .poll = poll_all, .close = close_all,
		.pool = &mproc_pool_peer, .more = more,
	};

	return peer_main(argc, argv, &mproc);
}
