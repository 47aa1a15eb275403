/*
 * process_input.c - what comes from the backend: control, log records,
 * captured output, emits and replies.
 *
 * Nothing here trusts the backend: a frame that no honest backend sends is a
 * fault, which kills it; the frontend lives on.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include "log/captures.h"
#include "log/log.h"
#include "process/process.h"

#define LOGS_A_ROUND	256
#define LOGS_BYTES	((size_t)8 << 20)	/* that wait for the sinks */

struct mproc__capture {
	struct mproc__lines	lines[2];	/* stdout, stderr */
};

int
mproc__capture_new(struct mproc *p)
{
	if (p->lines == NULL)
		p->lines = calloc(1, sizeof(*p->lines));
	return p->lines != NULL ? 0 : -ENOMEM;
}

/* No more to read there: take the descriptor out of the epoll set. */
static void
end_of(struct mproc *p, struct mproc__channel *ch, bool *eof, int r)
{
	if (r != -EPIPE && r != -EMFILE && r != -ENOMEM)
		mproc__fault(p, "its stream is broken", r);
	else if (r != -EPIPE)
		return;		/* try again in the next round */
	if (!*eof)
		mproc__epoll_del(p, mproc__channel_fd(ch));
	*eof = true;
}

static void
on_ready(struct mproc *p, const struct mproc__envelope *env)
{
	struct mproc__poke poke;
	struct ctl_ready args;

	if (mproc__decode(MPROC_SCHEMA(ctl_ready), env->args, env->args_size,
	    NULL, 0, &args, &poke) < 0 || p->ready) {
		mproc__fault(p, "a bad `ready`", -EPROTO);
		return;
	}
	p->ready = true;
	p->start_code = args.code;
	if (args.version != MPROC__WIRE_VERSION)
		p->start_code = -EPROTO;
	(void)strlcpy(p->start_text, args.text != NULL ? args.text : "",
	    sizeof(p->start_text));
	if (p->start_code < 0)
		p->start_code = mproc__error_code(p->start_code,
		    p->start_text, sizeof(p->start_text));
	if (p->start_code >= 0 && p->status == MPROC_STATUS_STARTING)
		p->status = MPROC_STATUS_RUNNING;
}

static void
on_pong(struct mproc *p, uint64_t id)
{
	if (id > p->ping_id || id <= p->pong_id)
		return;		/* not one of ours, or twice */
	p->pong_id = id;
	p->pong_ns = mproc__now_ns();
	p->own.pings++;
	if (id == p->ping_id)
		p->total.ping_us = (p->pong_ns - p->ping_sent_ns) / 1000;
}

static void
on_control(struct mproc *p, struct mproc__frame *frame)
{
	struct mproc__envelope env;
	int r;

	if ((r = mproc__envelope_read(frame->data, frame->size, &env)) < 0) {
		mproc__fault(p, "a control frame does not decode", r);
		return;
	}
	if (env.kind == MPROC__CREDIT)
		return;		/* a doorbell: whoever waits looks again */
	if (env.kind != MPROC__CONTROL)
		mproc__fault(p, "a message on the control channel", -EPROTO);
	else if (mproc__envelope_is(&env, "ready"))
		on_ready(p, &env);
	else if (mproc__envelope_is(&env, "pong"))
		on_pong(p, env.id);
}

void
mproc__read_control(struct mproc *p)
{
	struct mproc__frame frame;
	int r, n = 0;

	if (p->control == NULL || p->control_eof)
		return;
	r = mproc__channel_fill(p->control);
	while (!p->control_eof &&
	    (n = mproc__channel_next(p->control, &frame)) > 0)
		on_control(p, &frame);
	if (n < 0 || r < 0)
		end_of(p, p->control, &p->control_eof, n < 0 ? n : r);
}

static void
inbox_put(struct mproc *p, struct mproc_msg *msg)
{
	if (p->inbox == NULL)
		p->inbox = msg;
	else
		mproc__msg_set_next(p->inbox_tail, msg);
	p->inbox_tail = msg;
	p->inbox_count++;
	p->inbox_bytes += mproc__msg_size(msg);
}

void
mproc__inbox_clear(struct mproc *p)
{
	struct mproc_msg *msg;

	while ((msg = p->inbox) != NULL) {
		p->inbox = mproc__msg_next(msg);
		mproc_msg_free(msg);
	}
	p->inbox_tail = NULL;
	p->inbox_count = p->inbox_bytes = 0;
}

static bool
inbox_overrun(const struct mproc *p)
{
	return (p->opt.inbox_messages >= 0 &&
	    p->inbox_count >= (uint64_t)p->opt.inbox_messages) ||
	    (p->opt.inbox_bytes >= 0 && p->inbox_bytes >
	    (uint64_t)p->opt.inbox_bytes + (uint64_t)p->opt.max_message);
}

static void
on_emit(struct mproc *p, const struct mproc__frame *frame,
    const struct mproc__envelope *env, const int *fds, int n_fds)
{
	struct mproc_msg *msg;

	if (inbox_overrun(p)) {
		mproc__fault(p, "it emits beyond the inbox", -EPROTO);
		goto out;
	}
	p->gen_emits++;
	if (mproc__msg_of(env, frame->size, fds, n_fds, &msg) == 0) {
		inbox_put(p, msg);
		return;
	}
	/* no memory for it, or its descriptors were lost */
	p->own.emits_dropped++;
	mproc__give_room(p, frame->size);
out:
	while (n_fds > 0)
		mproc__close(fds[--n_fds]);
}

static void
on_answer(struct mproc *p, const struct mproc__frame *frame,
    const struct mproc__envelope *env, const int *fds, int n_fds)
{
	struct mproc_future *f;
	struct mproc_msg *reply = NULL;
	char text[512];
	int code = 0, n;

	text[0] = '\0';

	if (p->mate != NULL) {
		n = p->mate->answer(p->mate_arg, frame, env, fds, n_fds);
		while (n_fds > n)
			mproc__close(fds[--n_fds]);
		return;
	}
	f = mproc__futures_find(p, env->id);
	if (f == NULL) {
		p->own.late++;
	} else if (env->kind == MPROC__ERROR) {
		if (mproc__envelope_error(env, &code, text, sizeof(text)) < 0)
			code = -EBADMSG;
	} else if (n_fds < env->n_fds) {
		code = -EMFILE;
		(void)strlcpy(text, "descriptors of the reply were lost: out "
		    "of descriptors", sizeof(text));
	} else if ((code = mproc__msg_of(env, frame->size, fds, n_fds,
	    &reply)) == 0) {
		n_fds = 0;	/* moved */
	}
	while (n_fds > 0)
		mproc__close(fds[--n_fds]);
	if (f != NULL) {
		mproc__futures_forget(p, f);
		mproc__future_complete(f, code, reply, text);
	}
}

static void
on_data(struct mproc *p, struct mproc__frame *frame)
{
	struct mproc__envelope env;
	int fds[MPROC__MAX_FDS], n = 0, r;

	if ((r = mproc__envelope_read(frame->data, frame->size, &env)) < 0) {
		mproc__fault(p, "a message does not decode", r);
		return;
	}
	if (env.n_fds > 0)
		n = mproc__channel_take_fds(p->data, env.n_fds, fds);
	switch (env.kind) {
	case MPROC__CAST:
		if (env.id != 0)
			mproc__on_item(p, frame, env.id, fds, n);
		else
			on_emit(p, frame, &env, fds, n);
		return;
	case MPROC__REPLY:
	case MPROC__ERROR:
		on_answer(p, frame, &env, fds, n);
		return;
	default:
		mproc__fault(p, "a message of no kind for a frontend",
		    -EPROTO);
	}
	while (n > 0)
		mproc__close(fds[--n]);
}

/* The frames that are there, after a fill that said r. */
static void
take_frames(struct mproc *p, int r)
{
	struct mproc__frame frame;
	int n = 0;

	while (p->fault[0] == '\0' &&
	    (n = mproc__channel_next(p->data, &frame)) > 0)
		on_data(p, &frame);
	if (p->fault[0] != '\0')
		n = -EPIPE;	/* nothing more of it is believed */
	if (n < 0 || r < 0)
		end_of(p, p->data, &p->data_eof, n < 0 ? n : r);
}

void
mproc__read_data(struct mproc *p)
{
	if (p->data != NULL && !p->data_eof)
		take_frames(p, mproc__channel_fill(p->data));
}

int
mproc__read_ring(struct mproc *p)
{
	int r;

	if (p->data == NULL || p->data_eof ||
	    !mproc__channel_pending(p->data))
		return 0;
	take_frames(p, 0);	/* a frame that is there alone is quick */
	if (p->data_eof || !mproc__channel_pending(p->data))
		return 0;
	r = mproc__channel_pull(p->data);
	take_frames(p, r);
	return r;
}

/*
 * Keep a record for the time when the lock is free; false: no memory, or
 * there are too many, because a sink in another thread is slow.
 */
static bool
log_keep(struct mproc *p, const uint8_t *data, size_t size)
{
	struct mproc__log_item *item;

	if (p->logs_bytes > LOGS_BYTES ||
	    (item = malloc(sizeof(*item) + size)) == NULL)
		return false;
	p->logs_bytes += sizeof(*item) + size;
	item->next = NULL;
	item->size = size;
	memcpy(item->data, data, size);
	if (p->logs == NULL)
		p->logs = item;
	else
		p->logs_tail->next = item;
	p->logs_tail = item;
	return true;
}

static void
on_log(struct mproc *p, const uint8_t *data, size_t size)
{
	struct mproc_log_record rec;

	if (mproc__log_decode(data, size, &rec) < 0) {
		mproc__fault(p, "a log record does not decode", -EBADMSG);
		return;
	}
	p->own.logs++;
	(void)strlcpy(p->last_log, rec.text, sizeof(p->last_log));
	if (!log_keep(p, data, size))
		p->own.logs_dropped++;
}

static void
log_end(struct mproc *p)
{
	p->log_eof = true;
	mproc__futures_unwatch(p, p->log_fd);
}

/* Not of its caller's frame: its end is all that a short life reads there. */
static __attribute__((noinline)) void
read_records(struct mproc *p)
{
	uint8_t buf[MPROC__LOG_RECORD_MAX];
	ssize_t n;
	int i;

	for (i = 0; i < LOGS_A_ROUND && !p->log_eof && p->log_fd >= 0; i++) {
		n = recv(p->log_fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			on_log(p, buf, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			log_end(p);
		else if (errno == EAGAIN)
			return;
	}
}

void
mproc__read_log(struct mproc *p)
{
	uint8_t byte;

	if (p->log_eof || p->log_fd < 0)
		return;
	if (recv(p->log_fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
		log_end(p);
	else
		read_records(p);
}

void
mproc__dispatch_logs(struct mproc *p)
{
	struct mproc__log_item *item, *next;
	struct mproc_log_record rec;

	while (p->logs != NULL && !p->dispatching) {
		p->dispatching = true;
		item = p->logs;
		p->logs = p->logs_tail = NULL;
		p->logs_bytes = 0;
		pthread_mutex_unlock(&p->lock);
		for (; item != NULL; item = next) {
			next = item->next;
			if (mproc__log_decode(item->data, item->size, &rec)
			    == 0 && !mproc__log_captured(p->captures, &rec))
				mproc__log_dispatch(&rec);
			free(item);
		}
		pthread_mutex_lock(&p->lock);
		p->dispatching = false;
	}
}

/* A captured line becomes a record of CLASS.NAME.stdout or .stderr. */
static void
on_line(const char *line, size_t len, void *arg)
{
	struct mproc *p = ((void **)arg)[0];
	bool is_err = ((void **)arg)[1] != NULL;
	uint8_t buf[MPROC__LOG_RECORD_MAX];
	char name[256];
	struct timespec now;
	struct mproc_log_record rec = {
		.level = is_err ? MPROC_WARNING : MPROC_INFO,
		.name = name,
		.process = p->name,
		.pid = p->child.pid,
		.tid = p->child.pid,
		.text = line,
		.text_len = len
	};
	int n;

	(void)snprintf(name, sizeof(name), "%s.%s.%s",
	    p->index.class->name, p->name, is_err ? "stderr" : "stdout");
	clock_gettime(CLOCK_REALTIME, &now);
	rec.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	n = mproc__log_encode(&rec, buf, sizeof(buf));
	if (n > 0)
		on_log(p, buf, (size_t)n);
}

static void
end_capture(struct mproc *p, int which)
{
	void *arg[2] = { p, which == 1 ? p : NULL };

	if (p->capture[which] < 0)
		return;
	if (p->status != MPROC_STATUS_NEW)
		mproc__lines_flush(&p->lines->lines[which], on_line, arg);
	mproc__epoll_del(p, p->capture[which]);
	mproc__close(p->capture[which]);
	p->capture[which] = -1;
}

void
mproc__capture_free(struct mproc *p)
{
	end_capture(p, 0);
	end_capture(p, 1);
	free(p->lines);
	p->lines = NULL;
}

void
mproc__read_capture(struct mproc *p, int which)
{
	void *arg[2] = { p, which == 1 ? p : NULL };
	char buf[4096];
	ssize_t n;

	if (p->capture[which] < 0)
		return;
	n = read(p->capture[which], buf, sizeof(buf));
	if (n > 0) {
		mproc__lines_feed(&p->lines->lines[which], buf, (size_t)n,
		    on_line, arg);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	end_capture(p, which);
}
