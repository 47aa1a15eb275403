/*
 * process_send.c - messages to the backend: the mailbox, casts and calls.
 *
 * The mailbox is what was sent less what the status page says is done.  A
 * backend may lie there; then its share of the accounts is wrong, but what
 * waits in this process stays bounded: a message that the kernel has not
 * taken yet cannot have been done.
 */
#include <stdlib.h>
#include <string.h>

#include "process/process.h"

/* What to send, typed or not. */
struct item {
	const struct mproc_schema *schema;	/* typed, with args */
	const void	*args;
	const struct mproc_msg *msg;		/* or this */
	const char	*command;
};

void
mproc__done(struct mproc *p, uint64_t *ret_n, uint64_t *ret_bytes)
{
	uint64_t n = 0, bytes = 0;

	if (p->page != NULL) {
		n = mproc__page_get(&p->page->handled) +
		    mproc__page_get(&p->page->failed) +
		    mproc__page_get(&p->page->expired) +
		    mproc__page_get(&p->page->dropped_stop);
		bytes = mproc__page_get(&p->page->done_bytes);
	}
	*ret_n = n < p->gen_sent ? n : p->gen_sent;
	*ret_bytes = bytes < p->gen_bytes ? bytes : p->gen_bytes;
}

/* How much the mailbox holds; what is not written cannot be done. */
static void
mailbox(struct mproc *p, uint64_t *ret_n, uint64_t *ret_bytes)
{
	uint64_t queued = mproc__channel_queued(p->data);
	uint64_t n, bytes;

	mproc__done(p, &n, &bytes);
	*ret_n = p->gen_sent - n > queued ? p->gen_sent - n : queued;
	*ret_bytes = p->gen_bytes - bytes;
	p->mail_n = *ret_n;
	p->mail_bytes = *ret_bytes;
}

static bool
fits(struct mproc *p, uint64_t n, uint64_t bytes)
{
	if (n == 0)
		return true;	/* one always does, however large */
	return (p->opt.mailbox_messages < 0 ||
	    n < (uint64_t)p->opt.mailbox_messages) &&
	    (p->opt.mailbox_bytes < 0 ||
	    bytes < (uint64_t)p->opt.mailbox_bytes);
}

/*
 * When there is no room, ask to be woken when a quarter of it is free again
 * (paced output: at the next message, whose turn it then is), and look once
 * more: the backend may have been faster than the asking.
 */
static bool
has_room(struct mproc *p, void *arg)
{
	uint64_t n, bytes, quarter;

	(void)arg;
	if (p->data == NULL || p->status == MPROC_STATUS_DEAD ||
	    p->stop_sent)
		return true;	/* the sender finds out why not */
	if (p->reserved)
		return false;
	/* it can only have got emptier: the page costs a cache miss */
	if (fits(p, p->mail_n, p->mail_bytes))
		return true;
	mailbox(p, &n, &bytes);
	if (fits(p, n, bytes))
		return true;
	if (p->page == NULL)
		return false;
	quarter = p->opt.overflow == MPROC_DROP_OLD ? 1 : (n + 3) / 4;
	atomic_store(&p->page->wake_done, p->gen_sent - n + quarter);
	atomic_store(&p->page->wake_bytes,
	    p->gen_bytes - bytes + (bytes + 3) / 4);
	atomic_thread_fence(memory_order_seq_cst);
	mailbox(p, &n, &bytes);
	return fits(p, n, bytes);
}

/* Queued messages are written again at every so manyth. */
#define FLUSH_EVERY	64
#define LOOK_EVERY	16
#define HEAVY_BYTES	((size_t)1 << 20)
#define LIGHT_BYTES	((size_t)256 << 10)
#define PATIENCE_NS	1000000

/* Make room by dropping the oldest cast that has not left. */
static bool
drop_oldest(struct mproc *p)
{
	uint64_t tag;
	size_t size;

	if (mproc__channel_drop_oldest(p->data, &size, &tag) != 1)
		return false;
	p->gen_sent--;
	p->gen_bytes -= size;
	p->mail_n--;
	p->mail_bytes -= size;
	p->gen_frames--;
	p->own.sent++;
	p->own.dropped_overflow++;
	return true;
}

/* 0 go on, 1 dropped (counted), or the code of the overflow policy. */
static int
make_room(struct mproc *p, bool is_call, int64_t deadline)
{
	int64_t limit;
	int r;

	if (has_room(p, NULL))
		return 0;
	mproc__work(p);		/* what fills it may be ours to write */
	if (has_room(p, NULL))
		return 0;
	if (p->opt.overflow == MPROC_REJECT)
		return mproc__err(-EAGAIN, "the mailbox of %s is full",
		    p->name);
	while (!is_call && p->opt.overflow == MPROC_DROP_OLD &&
	    !p->reserved && drop_oldest(p))
		if (has_room(p, NULL))
			return 0;
	/* also when all that is older has left */
	if (!is_call && p->opt.overflow != MPROC_BLOCK && !p->reserved) {
		p->own.sent++;
		p->own.dropped_overflow++;
		return 1;
	}
	limit = mproc__deadline(p->opt.block_ms);
	if (is_call)
		limit = deadline;
	r = mproc__wait(p, has_room, NULL, limit);
	if (r < 0 && r != -ENOTCONN)	/* that one has its words */
		return mproc__err(r, "the mailbox of %s stayed full",
		    p->name);
	return r;
}

/* May anything be sent?  0 or why not. */
static int
check_state(struct mproc *p)
{
	if (p->status == MPROC_STATUS_DEAD || p->data == NULL ||
	    p->data_eof)
		return mproc__err(-EPIPE, "%s is dead%s%s", p->name,
		    p->death_text[0] != '\0' ? ": " : "", p->death_text);
	if (p->stop_sent)
		return mproc__err(-ESHUTDOWN, "%s was asked to stop",
		    p->name);
	if (p->reserved && pthread_equal(p->reserver, pthread_self()))
		return mproc__err(-EBUSY, "%s: a message is reserved and not "
		    "committed", p->name);
	return 0;
}

/* Does the class take it?  Refused here already, before it is sent. */
static int
check_command(struct mproc *p, const struct item *it)
{
	const char *command = it->command;

	if (command == NULL && it->schema == NULL)
		command = mproc_msg_command(it->msg);
	return mproc__index_check(&p->index, it->schema, command);
}

/*
 * May a message wait for others to be written with it?  While the backend
 * has some that it has not handled, where that was asked for.
 */
static bool
may_wait(struct mproc *p)
{
	uint64_t n, bytes;

	if (!p->opt.batch || p->page == NULL ||
	    mproc__channel_is_ring(p->data))
		return false;
	mproc__done(p, &n, &bytes);
	return n < p->gen_sent - mproc__channel_queued(p->data);
}

/* What waits is written when it is much, or the backend has caught up. */
static bool
is_due(struct mproc *p)
{
	size_t queued = mproc__channel_queued(p->data);

	if (!p->opt.batch)
		return queued % FLUSH_EVERY == 0;
	return mproc__channel_queued_bytes(p->data) >= MPROC__BATCH_BYTES ||
	    (queued % LOOK_EVERY == 0 && !may_wait(p));
}

static bool
is_light(struct mproc *p, void *arg)
{
	(void)arg;
	return p->data == NULL || p->status == MPROC_STATUS_DEAD ||
	    mproc__channel_queued_bytes(p->data) <= LIGHT_BYTES;
}

/*
 * A backend that keeps up gets the time to: what waits then stays in the
 * processor's cache instead of filling the mailbox, which is several times
 * as fast.  Once it has taken nothing for so long, nobody waits for it
 * before it is done with all.
 */
static void
keep_light(struct mproc *p)
{
	uint64_t before = mproc__channel_queued_bytes(p->data);

	if (before <= HEAVY_BYTES) {
		if (before == 0)
			p->is_slow = false;
		return;
	}
	if (p->is_slow)
		return;
	(void)mproc__wait(p, is_light, NULL,
	    mproc__now_ns() + PATIENCE_NS);
	p->is_slow = p->data != NULL &&
	    mproc__channel_queued_bytes(p->data) >= before;
}

void
mproc__count_sent(struct mproc *p, size_t size)
{
	p->gen_frames++;
	p->gen_sent++;
	p->gen_bytes += size;
	p->mail_n++;
	p->mail_bytes += size;
}

int
mproc__finish(struct mproc *p, int kind, uint64_t id, size_t size,
    const struct mproc__fdset *fds)
{
	int r;

	r = mproc__channel_commit(p->data, fds->fd, fds->n,
	    kind == MPROC__CAST, id,
	    p->opt.overflow != MPROC_DROP_OLD && !may_wait(p));
	if (r == -EPIPE)
		mproc__cut_off(p);
	if (r < 0)
		return r;
	mproc__count_sent(p, size);
	if (r > 0 && p->opt.overflow == MPROC_DROP_OLD)
		mproc__flush_some(p);
	else if (r > 0 && is_due(p))
		(void)mproc__channel_flush(p->data);
	if (r > 0)
		mproc__interest(p);
	if (r > 0 && p->opt.overflow == MPROC_BLOCK)
		keep_light(p);
	return 0;
}

static int
put(struct mproc *p, const struct item *it, int kind, uint64_t id,
    int64_t deadline)
{
	struct mproc__meta meta = {
		.deadline_ns = deadline != MPROC__NEVER ? deadline : 0
	};
	struct mproc__fdset fds = { .n = 0 };
	struct mproc__buf *buf;
	size_t before;
	int r;

	buf = mproc__channel_begin(p->data);
	before = buf->len;
	if (it->schema != NULL)
		r = mproc__encode(buf, kind, id, it->schema, it->args, &meta,
		    (size_t)p->opt.max_message, &fds);
	else
		r = mproc__encode_msg(buf, kind, id, it->command, it->msg,
		    &meta, (size_t)p->opt.max_message, &fds);
	if (r < 0) {
		mproc__channel_abort(p->data);
		return r;
	}
	return mproc__finish(p, kind, id, buf->len - before, &fds);
}

/*
 * With MPROC_DROP_OLD what has left cannot be dropped any more, so only one
 * message at a time leaves; the rest follows as the backend asks for it.
 */
/* Taken by the backend and deferred, as far as believable. */
static uint64_t
deferred(struct mproc *p)
{
	uint64_t n = p->page != NULL ?
	    mproc__page_get(&p->page->deferred) : 0;

	return n < p->gen_sent ? n : p->gen_sent;
}

void
mproc__flush_some(struct mproc *p)
{
	uint64_t n, bytes, out;
	int tries;

	for (tries = 0; tries < 2; tries++) {
		mproc__done(p, &n, &bytes);
		n += deferred(p);
		out = p->gen_sent - mproc__channel_queued(p->data);
		if (out <= n)
			(void)mproc__channel_flush_frames(p->data, 1);
		if (mproc__channel_queued(p->data) == 0 || p->page == NULL)
			return;
		atomic_store(&p->page->wake_done, n + 1);
		atomic_thread_fence(memory_order_seq_cst);
	}
}

/* Until it may go: 0, 1 it was dropped, or why it may not. */
static int
admit(struct mproc *p, const struct item *it, bool is_call, int64_t deadline)
{
	int r;

	if ((r = check_command(p, it)) < 0)
		return r;
	do {
		if ((r = check_state(p)) < 0 ||
		    (r = make_room(p, is_call, deadline)) != 0)
			return r;
	} while (check_state(p) < 0);
	return 0;
}

/* The way of every message to the backend. */
static int
post(struct mproc *p, const struct item *it, int kind, uint64_t id,
    int64_t deadline)
{
	int r;

	if ((r = admit(p, it, kind == MPROC__CALL, deadline)) != 0)
		return r < 0 ? r : 0;
	return put(p, it, kind, id, deadline);
}

int
mproc__admit(struct mproc *p, const struct mproc_schema *schema,
    const void *args)
{
	return admit(p, &(struct item){ .schema = schema, .args = args },
	    false, MPROC__NEVER);
}

static int
cast(struct mproc *p, const struct item *it)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	r = post(p, it, MPROC__CAST, 0, MPROC__NEVER);
	mproc__leave_calling(p);
	return r;
}

int
mproc_send_typed(struct mproc *p, const struct mproc_schema *schema,
    const void *args)
{
	return cast(p, &(struct item){ .schema = schema, .args = args });
}

int
mproc_send_msg(struct mproc *p, const struct mproc_msg *msg)
{
	return mproc_forward(p, msg, NULL);
}

int
mproc_forward(struct mproc *p, const struct mproc_msg *msg,
    const char *command)
{
	if (msg == NULL)
		return mproc__err(-EINVAL, "no message given");
	return cast(p, &(struct item){ .msg = msg, .command = command });
}

/* Locked: post a call whose result goes to f. */
static int
ask(struct mproc *p, const struct item *it, struct mproc_future *f)
{
	int r;

	f->id = ++p->next_id;
	if ((r = mproc__futures_add(p, f)) < 0)
		return r;
	if ((r = post(p, it, MPROC__CALL, f->id, f->deadline)) < 0)
		mproc__futures_forget(p, f);
	return r;
}

static bool
is_done(struct mproc *p, void *arg)
{
	(void)p;
	return ((struct mproc_future *)arg)->done;
}

static int
call(struct mproc *p, int timeout_ms, struct mproc_msg **ret_reply,
    const struct item *it)
{
	struct mproc_future f;
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	mproc__future_init(&f, &mproc__process_future_ops, p);
	f.deadline = mproc__deadline(timeout_ms);
	f.waited = true;
	if ((r = mproc__may_wait(p, f.deadline)) == 0 &&
	    (r = ask(p, it, &f)) == 0) {
		r = mproc__wait(p, is_done, &f, f.deadline);
		if (!f.done) {
			mproc__futures_forget(p, &f);
			mproc__err(r, p->status == MPROC_STATUS_NEW ?
			    "%s was not started, and did not answer %s "
			    "within %d ms" :
			    "%s did not answer %s within %d ms",
			    p->name, it->schema != NULL ?
			    it->schema->command : mproc_msg_command(it->msg),
			    timeout_ms);
		} else if ((r = f.result) < 0) {
			mproc__err(r, "%s", f.text != NULL ? f.text :
			    strerrordesc_np(-r));
		}
	}
	if (r == 0 && ret_reply != NULL) {
		*ret_reply = f.reply;
		f.reply = NULL;
	}
	mproc__leave_calling(p);
	mproc__future_release(&f);
	return r;
}

int
mproc_call_typed(struct mproc *p, int timeout_ms,
    struct mproc_msg **ret_reply, const struct mproc_schema *schema,
    const void *args)
{
	return call(p, timeout_ms, ret_reply,
	    &(struct item){ .schema = schema, .args = args });
}

int
mproc_call_msg(struct mproc *p, int timeout_ms,
    struct mproc_msg **ret_reply, const struct mproc_msg *msg)
{
	if (msg == NULL)
		return mproc__err(-EINVAL, "no message given");
	return call(p, timeout_ms, ret_reply, &(struct item){ .msg = msg });
}

static int
ask_new(struct mproc *p, int timeout_ms, struct mproc_future **ret_future,
    const struct item *it)
{
	struct mproc_future *f;
	int r;

	if (ret_future == NULL)
		return mproc__err(-EINVAL, "no place for the future");
	if ((r = mproc__enter(p)) < 0)
		return r;
	if ((f = malloc(sizeof(*f))) == NULL) {
		r = -ENOMEM;
		goto out;
	}
	mproc__future_init(f, &mproc__process_future_ops, p);
	f->deadline = mproc__deadline(timeout_ms);
	if ((r = ask(p, it, f)) < 0) {
		mproc__future_release(f);
		free(f);
	} else
		*ret_future = f;
out:
	mproc__leave_calling(p);
	return r;
}

int
mproc_ask_typed(struct mproc *p, int timeout_ms,
    struct mproc_future **ret_future, const struct mproc_schema *schema,
    const void *args)
{
	return ask_new(p, timeout_ms, ret_future,
	    &(struct item){ .schema = schema, .args = args });
}

int
mproc_ask_msg(struct mproc *p, int timeout_ms,
    struct mproc_future **ret_future, const struct mproc_msg *msg)
{
	if (msg == NULL)
		return mproc__err(-EINVAL, "no message given");
	return ask_new(p, timeout_ms, ret_future,
	    &(struct item){ .msg = msg });
}

int
mproc__control_send(struct mproc *p, int kind, uint64_t id,
    const struct mproc_schema *schema, const void *args)
{
	struct mproc__meta meta = { .deadline_ns = 0 };
	struct mproc__fdset fds = { .n = 0 };
	struct mproc__buf *buf;
	int r;

	if (p->control == NULL || p->control_eof)
		return -EPIPE;
	buf = mproc__channel_begin(p->control);
	r = mproc__encode(buf, kind, id, schema, args, &meta, SIZE_MAX, &fds);
	if (r < 0) {
		mproc__channel_abort(p->control);
		return r;
	}
	atomic_fetch_add(&p->page->control_sent, 1);
	r = mproc__channel_commit(p->control, fds.fd, fds.n, false, 0, true);
	if (r < 0)
		atomic_fetch_sub(&p->page->control_sent, 1);
	if (r == -EPIPE)
		mproc__cut_off(p);
	if (r > 0)
		mproc__interest(p);
	return r < 0 ? r : 0;
}
