/*
 * backend_send.c - what goes to the frontend: emits, replies, control, log
 * records.
 *
 * A reply always has room: its call brought it.  An emit has room while the
 * frontend holds fewer than the inbox's limit; what is beyond waits, or is
 * dropped, by the overflow policy.
 */
#include <sys/socket.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include "log/log.h"
#include "process/backend.h"

/* Queued messages are written again at every so manyth. */
#define FLUSH_EVERY	64

struct item {
	const struct mproc_schema *schema;
	const void	*args;
	const struct mproc_msg *msg;
	uint64_t	 id;	/* of the call whose item this is, or 0 */
	bool		 more;	/* follow soon */
};

/*
 * May it wait for others?  While there are more messages to handle, and all
 * since the handler of the first that waits were handled within a tick of the
 * clock: what took its time is not kept waiting for the next.
 */
static bool
may_wait(struct mproc__core *core)
{
	if (!core->batch || !core->in_handler)
		return false;
	if (mproc__channel_queued(core->data) == 0)
		core->kept_ns = atomic_load_explicit(&core->page->since_ns,
		    memory_order_relaxed);
	return mproc__channel_ready(core->data) &&
	    mproc__channel_queued_bytes(core->data) < MPROC__BATCH_BYTES &&
	    mproc__tick_ns() == core->kept_ns;
}

/* May this one be kept for those that follow it? */
static bool
may_keep(struct mproc__core *core, const struct item *it)
{
	int64_t now;

	if (!it->more || mproc__channel_is_ring(core->data))
		return false;
	now = mproc__tick_ns();
	if (mproc__channel_queued(core->data) == 0)
		core->kept_ns = now;
	return core->kept_ns == now &&
	    mproc__channel_queued_bytes(core->data) < MPROC__BATCH_BYTES;
}

/* Something is queued: is it time to write it? */
static void
write_some(struct mproc__core *core, const struct item *it)
{
	size_t queued = mproc__channel_queued(core->data);

	if (may_keep(core, it)) {
		core->kept = true;
		return;		/* no look at epoll for each, either */
	}
	if (!may_wait(core) && (core->batch || core->kept ||
	    (queued > 1 && queued % FLUSH_EVERY == 0))) {
		(void)mproc__channel_flush(core->data);
		core->kept = false;
	}
	mproc__loop_interest(core);
}

static int
put(struct mproc__core *core, int kind, const struct item *it,
    struct mproc_request *req, size_t *ret_size)
{
	uint64_t id = req != NULL ? req->id : it->id;
	struct mproc__fdset fds = { .n = 0 };
	struct mproc__buf *buf;
	size_t before;
	int r;

	buf = mproc__channel_begin(core->data);
	before = buf->len;
	if (it->schema != NULL)
		r = mproc__encode(buf, kind, id, it->schema, it->args, NULL,
		    core->max_message, &fds);
	else
		r = mproc__encode_msg(buf, kind, id, NULL, it->msg, NULL,
		    core->max_message, &fds);
	if (r < 0) {
		mproc__channel_abort(core->data);
		return r;
	}
	*ret_size = buf->len - before;
	/* before the caller can know: what is answered has been handled */
	if (req != NULL)
		mproc__account(req, &core->page->handled);
	r = mproc__channel_commit(core->data, fds.fd, fds.n,
	    kind == MPROC__CAST && id == 0, id,
	    !may_wait(core) && !may_keep(core, it));
	if (r > 0)
		write_some(core, it);
	return r < 0 ? r : 0;
}

static bool
fits(struct mproc__core *core)
{
	struct mproc__page *page = core->page;
	uint64_t n, bytes;

	n = mproc__page_get(&page->emitted) - atomic_load(&page->taken);
	bytes = mproc__page_get(&page->emitted_bytes) -
	    atomic_load(&page->taken_bytes);
	if (n == 0)
		return true;
	return (core->inbox_messages < 0 ||
	    n < (uint64_t)core->inbox_messages) &&
	    (core->inbox_bytes < 0 || bytes < (uint64_t)core->inbox_bytes);
}

bool
mproc__output_blocked(struct mproc__core *core)
{
	return mproc__channel_blocked(core->data) ||
	    mproc__channel_blocked(core->control);
}

/* What poll shall wait for until the data channel takes more. */
static short
room_events(const struct mproc__core *core, bool wanted)
{
	if (!wanted)
		return 0;
	return mproc__channel_is_ring(core->data) ? POLLIN : POLLOUT;
}

/*
 * Wait for the frontend to receive; its doorbell comes by control.  After
 * SIGTERM it does not: it stops us, so that this handler has to return.
 */
static int
wait_room(struct mproc__core *core)
{
	int64_t deadline = mproc__deadline(core->block_ms);
	struct pollfd fds[4];
	bool blocked;

	for (;;) {
		atomic_store(&core->page->backend_waiting, 1);
		if (fits(core))
			return 0;
		if (core->frontend_gone || mproc__term.orphaned)
			return -EPIPE;
		if (mproc__now_ns() >= deadline || mproc__terminated(core))
			return -ETIMEDOUT;
		(void)mproc__channel_flush(core->data);
		(void)mproc__channel_flush(core->control);
		fds[0] = (struct pollfd){ mproc__channel_fd(core->control),
		    (short)(mproc__channel_queued(core->control) > 0 ?
		    POLLIN | POLLOUT : POLLIN), 0 };
		blocked = mproc__channel_blocked(core->data);
		fds[1] = (struct pollfd){ mproc__channel_fd(core->data),
		    room_events(core, mproc__channel_queued(core->data) > 0 &&
		    !blocked), 0 };
		fds[2] = (struct pollfd){ core->boot.parent_pidfd, POLLIN,
		    0 };
		fds[3] = (struct pollfd){ core->wake_fd, POLLIN, 0 };
		(void)poll(fds, 4, blocked ? MPROC__RETRY_MS :
		    mproc__remaining_ms(deadline));
		if (fds[1].revents & POLLIN)
			(void)mproc__channel_hear(core->data);
		mproc__poll_control(core);
		if (fds[2].revents != 0)
			core->frontend_gone = true;
	}
}

static int
drop_one(struct mproc__core *core)
{
	struct mproc__page *page = core->page;
	uint64_t tag;
	size_t size;

	if (mproc__channel_drop_oldest(core->data, &size, &tag) != 1)
		return -EAGAIN;
	mproc__page_add(&page->emitted, (uint64_t)-1);
	mproc__page_add(&page->emitted_bytes, (uint64_t)-size);
	mproc__page_add(&page->emits_dropped, 1);
	return 0;
}

/* 0 go on, 1 this one is dropped, or the policy's code. */
static int
make_room(struct mproc__core *core, bool is_item)
{
	int r;

	if (fits(core))
		return 0;
	switch (is_item ? MPROC_BLOCK : core->emit_overflow) {
	case MPROC_REJECT:
		return mproc__err(-EAGAIN, "the frontend of %s has no room",
		    core->name);
	case MPROC_DROP_NEW:
		mproc__page_add(&core->page->emits_dropped, 1);
		return 1;
	case MPROC_DROP_OLD:
		while (drop_one(core) == 0)
			if (fits(core))
				return 0;
		mproc__page_add(&core->page->emits_dropped, 1);
		return 1;	/* all has left: only this one can go */
	case MPROC_BLOCK:
	default:
		r = wait_room(core);
		atomic_store(&core->page->backend_waiting, 0);
		return r == 0 ? 0 : mproc__err(r, "the frontend of %s took "
		    "nothing for %d ms", core->name, core->block_ms);
	}
}

static int
emit(struct mproc_backend *base, const struct item *it)
{
	struct mproc__core *core = mproc__core_of(base);
	size_t size = 0;
	int r;

	if (core->frontend_gone)
		return mproc__err(-EPIPE, "the frontend is gone");
	if ((r = make_room(core, it->id != 0)) != 0)
		return r < 0 ? r : 0;
	/* counted first: the frontend may take it before we return */
	mproc__page_add(&core->page->emitted, 1);
	if ((r = put(core, MPROC__CAST, it, NULL, &size)) < 0) {
		mproc__page_add(&core->page->emitted, (uint64_t)-1);
		return r;
	}
	mproc__page_add(&core->page->emitted_bytes, size);
	return 0;
}

int
mproc_emit_typed(struct mproc_backend *base,
    const struct mproc_schema *schema, const void *args)
{
	return emit(base, &(struct item){ .schema = schema, .args = args });
}

int
mproc_emit_msg(struct mproc_backend *base, const struct mproc_msg *msg)
{
	if (msg == NULL)
		return mproc__err(-EINVAL, "no message given");
	return emit(base, &(struct item){ .msg = msg });
}

static int
yield(struct mproc_request *req, struct item it)
{
	struct mproc_backend *base = req->core->base;

	if (!req->is_call)
		return 0;	/* nobody waits for it */
	if (req->answered)
		return mproc__err(-EALREADY, "command %s was answered before",
		    req->command);
	if (mproc_canceled(req))
		return mproc__err(-ECANCELED, "command %s was canceled",
		    req->command);
	it.id = req->id;
	return emit(base, &it);
}

int
mproc_yield_typed(struct mproc_request *req,
    const struct mproc_schema *schema, const void *args)
{
	return yield(req, (struct item){ .schema = schema, .args = args });
}

int
mproc_yield_more_typed(struct mproc_request *req,
    const struct mproc_schema *schema, const void *args)
{
	return yield(req, (struct item){ .schema = schema, .args = args,
	    .more = true });
}

int
mproc_yield_msg(struct mproc_request *req, const struct mproc_msg *msg)
{
	if (msg == NULL)
		return mproc__err(-EINVAL, "no message given");
	return yield(req, (struct item){ .msg = msg });
}

bool
mproc_canceled(const struct mproc_request *req)
{
	if (req->urgent)	/* what else there is belongs to the loop */
		return atomic_load(&req->core->page->no_go) != 0;
	return mproc__is_canceled(req) || !mproc_going(req->core->base);
}

static void
forget(struct mproc_request *req)
{
	struct mproc__core *core = req->core;

	if (!req->deferred || req == core->request)
		return;		/* its handler still runs */
	if (req->prev != NULL)
		req->prev->next = req->next;
	else
		core->deferred = req->next;
	if (req->next != NULL)
		req->next->prev = req->prev;
	mproc__page_add(&core->page->deferred, (uint64_t)-1);
	free(req);
}

/* The reply that the row names: by its content, not its pointer. */
static int
check_reply(struct mproc_request *req, const struct item *it)
{
	const struct mproc_class *cls = req->core->class;
	const struct mproc_schema *named;
	const char *command;
	bool same;

	if (req->row < 0 || cls->handlers[req->row].reply == NULL)
		return 0;
	named = cls->handlers[req->row].reply;
	if (it->schema != NULL) {
		command = it->schema->command;
		same = it->schema == named || mproc__schema_hash(it->schema)
		    == mproc__schema_hash(named);
	} else {
		command = mproc_msg_command(it->msg);
		same = strcmp(command, named->command) == 0;
	}
	if (same)
		return 0;
	return mproc__err(-EINVAL, "class %s, command %s replies %s, not %s",
	    cls->name, req->command, named->command, command);
}

/* The reply to a deferred cast only ends it. */
static void
end_cast(struct mproc_request *req)
{
	if (!req->deferred || req->answered)
		return;
	mproc__account(req, &req->core->page->handled);
	req->answered = true;
	forget(req);
}

/* Said here: the handler need not look at the code, or return it. */
static int
refuse_second(struct mproc_request *req)
{
	mproc__core_log(req->core, MPROC_WARNING, "class %s, c__%s replied "
	    "again: the first reply stands, call %llu",
	    req->core->class->name, req->command,
	    (unsigned long long)req->id);
	req->lost_logged = true;
	return mproc__err(-EALREADY, "command %s was answered before",
	    req->command);
}

static int
reply(struct mproc_request *req, const struct item *it)
{
	size_t size;
	int r;

	if (!req->is_call) {
		end_cast(req);
		return 0;
	}
	if (req->answered)
		return refuse_second(req);
	if ((r = check_reply(req, it)) < 0 ||
	    (r = put(req->core, MPROC__REPLY, it, req, &size)) < 0)
		return mproc__keep_words(req, r);
	req->answered = true;
	forget(req);
	return 0;
}

int
mproc_reply_typed(struct mproc_request *req,
    const struct mproc_schema *schema, const void *args)
{
	return reply(req, &(struct item){ .schema = schema, .args = args });
}

int
mproc_reply_msg(struct mproc_request *req, const struct mproc_msg *msg)
{
	if (msg == NULL)
		return mproc__err(-EINVAL, "no message given");
	return reply(req, &(struct item){ .msg = msg });
}

int
mproc__answer_ok(struct mproc_request *req)
{
	struct item it = {
		.schema = MPROC_SCHEMA(ctl_ok), .args = &(struct ctl_ok){ }
	};
	size_t size;
	int r;

	if ((r = put(req->core, MPROC__REPLY, &it, req, &size)) == 0)
		req->answered = true;
	return r;
}

/*
 * Without memory even for that much the backend ends: its callers then hear
 * of its death, instead of nothing.
 */
int
mproc__answer_error(struct mproc_request *req, int code, const char *text)
{
	struct mproc__core *core = req->core;
	struct mproc__buf *buf;
	int r;

	mproc__account(req, &core->page->failed);
	if (!req->is_call || req->answered)
		return 0;
	buf = mproc__channel_begin(core->data);
	r = mproc__encode_error(buf, req->id, req->command, code, text);
	if (r < 0)
		mproc__channel_abort(core->data);
	else
		r = mproc__channel_commit(core->data, NULL, 0, false,
		    req->id, true);
	if (r > 0)
		mproc__loop_interest(core);
	if (r >= 0) {
		req->answered = true;
	} else if (r != -EPIPE) {
		mproc__core_log(core, MPROC_CRITICAL, "a call of %s cannot "
		    "be answered: %s", req->command, strerrordesc_np(-r));
		mproc_quit(core->base, 1);
	}
	return r < 0 ? r : 0;
}

int
mproc_fail(struct mproc_request *req, int code, const char *fmt, ...)
{
	va_list ap;

	if (code >= 0)
		code = -EINVAL;
	req->fail_code = code;
	va_start(ap, fmt);
	(void)vsnprintf(req->fail_text, sizeof(req->fail_text), fmt, ap);
	va_end(ap);
	if (req->deferred && req != req->core->request) {
		(void)mproc__answer_error(req, code, req->fail_text);
		forget(req);
	}
	return code;
}

int
mproc__send_control(struct mproc__core *core, int kind, uint64_t id,
    const struct mproc_schema *schema, const void *args)
{
	struct mproc__fdset fds = { .n = 0 };
	int r;

	r = mproc__encode(mproc__channel_begin(core->control), kind, id,
	    schema, args, NULL, SIZE_MAX, &fds);
	if (r < 0) {
		mproc__channel_abort(core->control);
		return r;
	}
	r = mproc__channel_commit(core->control, NULL, 0, false, 0, true);
	if (r > 0)
		mproc__loop_interest(core);
	return r < 0 ? r : 0;
}

/*
 * One record, one datagram.  The lane is bounded by the socket; when the
 * frontend does not read, we wait a little, then give the record up.
 */
static void
send_record(struct mproc__core *core, const uint8_t *data, size_t size)
{
	int fd = core->boot.fd[MPROC__BOOT_LOG];
	struct pollfd pfd = { fd, POLLOUT, 0 };
	int64_t deadline = 0;
	ssize_t n;

	for (;;) {
		do
			n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		if (n >= 0)
			return;
		if (errno != EAGAIN)
			break;
		if (deadline == 0)
			deadline = mproc__deadline(core->log_block_ms);
		if (mproc__now_ns() >= deadline ||
		    poll(&pfd, 1, mproc__remaining_ms(deadline)) == 0)
			break;
	}
	atomic_fetch_add(&core->page->logs_dropped, 1);
}

void
mproc__core_record(const struct mproc_log_record *rec, void *arg)
{
	struct mproc__core *core = arg;
	uint8_t buf[MPROC__LOG_DATAGRAM_MAX];
	int n;

	if ((int)rec->level < atomic_load(&core->page->log_level))
		return;
	n = mproc__log_encode(rec, buf, sizeof(buf));
	if (n > 0)
		send_record(core, buf, (size_t)n);
}

static void __attribute__((format(printf, 3, 0)))
vlog(struct mproc__core *core, enum mproc_level level, const char *fmt,
    va_list ap)
{
	char text[MPROC_LOG_TEXT_MAX + 1];
	struct timespec now;
	struct mproc_log_record rec = {
		.level = level, .name = core->logger, .process = core->name,
		.pid = getpid(), .tid = gettid(), .text = text
	};
	int n;

	if ((int)level < atomic_load(&core->page->log_level) ||
	    level < MPROC_DEBUG || level > MPROC_CRITICAL)
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(text))
		memcpy(text + sizeof(text) - sizeof(MPROC__LOG_CUT),
		    MPROC__LOG_CUT, sizeof(MPROC__LOG_CUT));
	rec.text_len = strlen(text);
	clock_gettime(CLOCK_REALTIME, &now);
	rec.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	mproc__core_record(&rec, core);
}

void
mproc__core_log(struct mproc__core *core, enum mproc_level level,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(core, level, fmt, ap);
	va_end(ap);
}

void
mproc_log(struct mproc_backend *base, enum mproc_level level,
    const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	errno = saved;		/* for %m */
	vlog(mproc__core_of(base), level, fmt, ap);
	va_end(ap);
	errno = saved;
}

/*
 * The last of the output: the frontend takes it whenever it calls into the
 * library, so this waits as long as there is a frontend.  Not even SIGTERM
 * ends it: what was sent is not lost to an orderly end.
 */
void
mproc__flush_all(struct mproc__core *core)
{
	struct pollfd fds[3];
	int data, control;
	bool blocked;

	for (;;) {
		data = mproc__channel_flush(core->data);
		control = mproc__channel_flush(core->control);
		if ((data <= 0 && control <= 0) || core->frontend_gone)
			return;
		blocked = mproc__output_blocked(core);
		fds[0] = (struct pollfd){ mproc__channel_fd(core->data),
		    room_events(core, data > 0 && !blocked), 0 };
		fds[1] = (struct pollfd){ mproc__channel_fd(core->control),
		    control > 0 && !blocked ? POLLIN | POLLOUT : POLLIN, 0 };
		fds[2] = (struct pollfd){ core->boot.parent_pidfd, POLLIN,
		    0 };
		(void)poll(fds, 3, blocked ? MPROC__RETRY_MS : -1);
		if (fds[0].revents & POLLIN)
			(void)mproc__channel_hear(core->data);
		if (fds[1].revents & POLLIN)
			mproc__poll_control(core);
		if (fds[2].revents)
			return;
	}
}
