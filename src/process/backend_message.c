/*
 * backend_message.c - a message on its way through a handler.
 *
 * A request is made for each message and used again for the next, unless the
 * handler defers it.  Its outcome is counted exactly once: when a call is
 * answered, else when the handler has returned.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "process/backend.h"

/*
 * Ring if the frontend waits for so much.  What is deferred counts here: the
 * next message may be the one that its answer waits for.
 */
static void
ring(struct mproc__core *core)
{
	struct mproc__page *page = core->page;
	uint64_t done, wake;

	atomic_thread_fence(memory_order_seq_cst);
	wake = atomic_load(&page->wake_done);
	if (wake == 0)
		return;
	done = page->handled + page->failed + page->expired +
	    page->dropped_stop + page->deferred;
	if (done < wake && page->done_bytes < atomic_load(&page->wake_bytes))
		return;
	if (atomic_exchange(&page->wake_done, 0) != 0 &&
	    mproc__send_control(core, MPROC__CREDIT, 0,
	    MPROC_SCHEMA(ctl_credit), &(struct ctl_credit){ }) < 0)
		atomic_store(&page->wake_done, wake);	/* next time */
}

void
mproc__account(struct mproc_request *req, _Atomic uint64_t *word)
{
	struct mproc__page *page = req->core->page;

	if (req->counted)
		return;
	req->counted = true;
	mproc__page_add(&page->done_bytes, req->bytes);
	mproc__page_add(word, 1);
	ring(req->core);
}

static void
name_unknown(struct mproc_request *req, const struct mproc__envelope *env)
{
	size_t n = env->command_len;

	if (n >= sizeof(req->unknown))
		n = sizeof(req->unknown) - 1;
	memcpy(req->unknown, env->command, n);
	req->unknown[n] = '\0';
	req->command = req->unknown;
}

static void
begin(struct mproc__core *core, struct mproc_request *req,
    const struct mproc__envelope *env, struct mproc__frame *frame, int row)
{
	req->core = core;
	req->id = env->id;
	req->row = row;
	req->is_call = env->kind == MPROC__CALL;
	req->answered = req->deferred = req->counted = false;
	req->lost_logged = false;
	req->deadline_ns = env->meta.deadline_ns;
	req->bytes = frame->size;
	if (row >= 0)
		req->command = core->class->handlers[row].command;
	else
		name_unknown(req, env);
	req->fail_code = 0;
	req->fail_text[0] = '\0';
	req->body = frame->data;
	req->body_size = frame->size;
	req->msg = NULL;
	req->prev = req->next = NULL;
}

static void
set_activity(struct mproc__core *core, int row, uint64_t id)
{
	struct mproc__page *page = core->page;

	if (row != MPROC__ROW_NONE) {
		atomic_store_explicit(&page->msg_id, id,
		    memory_order_relaxed);
		atomic_store_explicit(&page->since_ns, mproc__tick_ns(),
		    memory_order_relaxed);
	}
	atomic_store_explicit(&page->row, row, memory_order_release);
}

/* What is cut short fails: no news after an interrupt. */
static void
log_failure(struct mproc_request *req, int code, const char *text)
{
	struct mproc__core *core = req->core;
	enum mproc_level level = mproc__terminated(core) ? MPROC_INFO :
	    MPROC_WARNING;

	if (req->is_call)
		mproc__core_log(core, level, "c__%s failed: %s (%s), call "
		    "%llu", req->command, text, mproc_errname(code),
		    (unsigned long long)req->id);
	else
		mproc__core_log(core, level, "c__%s failed: %s (%s)",
		    req->command, text, mproc_errname(code));
}

/* Nobody gets an error any more that comes after the answer. */
static void
log_lost(struct mproc_request *req, int code, const char *text)
{
	mproc__core_log(req->core, MPROC_WARNING, "class %s, c__%s failed "
	    "after its reply, which stands: %s (%s), call %llu",
	    req->core->class->name, req->command, text, mproc_errname(code),
	    (unsigned long long)req->id);
}

/* The handler has returned r. */
static void
finish(struct mproc__core *core, struct mproc_request *req, int r)
{
	const char *text = req->fail_text;
	char none[48];

	req->body = NULL;
	req->poke = NULL;
	req->fds = NULL;
	req->n_fds = 0;
	if (r < 0 && (text[0] == '\0' || req->fail_code != r))
		text = mproc__code_words(r, none, sizeof(none));
	if (r < 0 && req->answered && !req->lost_logged)
		log_lost(req, r, text);
	if (r < 0 && !req->answered) {
		/* first: who has the answer may end us at once */
		log_failure(req, r, text);
		(void)mproc__answer_error(req, r, text);
		req->deferred = false;
	}
	if (req->deferred && !req->answered) {
		core->request = core->spare;	/* it lives on, in the list */
		core->spare = NULL;
		req->next = core->deferred;
		if (req->next != NULL)
			req->next->prev = req;
		core->deferred = req;
		mproc__page_add(&core->page->deferred, 1);
		ring(core);
		return;
	}
	if (r >= 0 && req->is_call && !req->answered &&
	    (r = mproc__answer_ok(req)) < 0)
		(void)mproc__answer_error(req, r, "no memory for the reply");
	mproc__account(req, &core->page->handled);
}

static int
refuse(struct mproc__core *core, struct mproc_request *req, int code,
    const char *text)
{
	int r = mproc__answer_error(req, code, text);

	if (!req->is_call)
		mproc__core_log(core, MPROC_WARNING, "refused: %s", text);
	return r;
}

/* Said once for a command, or a flood of casts would flood the log. */
static bool
seen_before(struct mproc__core *core, const char *command)
{
	size_t i;

	for (i = 0; i < core->n_unknown; i++)
		if (strcmp(core->unknown[i], command) == 0)
			return true;
	if (core->n_unknown < MPROC__UNKNOWN_MAX)
		(void)strlcpy(core->unknown[core->n_unknown++], command,
		    sizeof(core->unknown[0]));
	else
		return true;	/* enough was said */
	return false;
}

/* A command that no row takes. */
static int
unknown(struct mproc__core *core, struct mproc_request *req,
    int *fds, int n_fds)
{
	char text[128];
	struct mproc_msg *msg;
	int r;

	if (core->class->on_unknown != NULL) {
		r = mproc__msg_copy(req->body, req->body_size, fds, n_fds,
		    &msg);
		if (r < 0)
			return refuse(core, req, r, "no memory");
		while (n_fds > 0)
			fds[--n_fds] = -1;	/* moved into msg */
		set_activity(core, MPROC__ROW_UNKNOWN, req->id);
		req->msg = msg;
		core->in_handler = true;
		r = core->class->on_unknown(core->base, msg, req);
		core->in_handler = false;
		req->msg = NULL;
		mproc_msg_free(msg);
		finish(core, req, r);
		set_activity(core, MPROC__ROW_NONE, 0);
		return 0;
	}
	(void)snprintf(text, sizeof(text), "class %s has no command %s",
	    core->class->name, req->command);
	if (req->is_call)
		return mproc__answer_error(req, -ENOSYS, text);
	if (seen_before(core, req->command)) {
		mproc__account(req, &core->page->failed);
		return 0;
	}
	return refuse(core, req, -ENOSYS, text);
}

static bool
is_expired(const struct mproc__envelope *env)
{
	return env->kind == MPROC__CALL && env->meta.deadline_ns != 0 &&
	    mproc__has_passed(env->meta.deadline_ns);
}

/* The row's handler, with what was decoded to scratch. */
static void
run_handler(struct mproc__core *core, struct mproc_request *req, int row,
    struct mproc__poke *poke, int *fds, int n_fds)
{
	int r;

	req->poke = poke;
	req->fds = fds;
	req->n_fds = n_fds;
	set_activity(core, row, req->id);
	core->in_handler = true;
	r = core->class->handlers[row].entry(core->base, core->scratch, req);
	core->in_handler = false;
	finish(core, req, r);
	set_activity(core, MPROC__ROW_NONE, 0);
}

/* Is it ours?  Not a call that the frontend took back before it was begun. */
static bool
claim(struct mproc__core *core, const struct mproc_request *req)
{
	_Atomic uint64_t *word = &core->page->claim;
	uint64_t was = atomic_load_explicit(word, memory_order_relaxed);

	if ((was & MPROC__CLAIM_COUNTS) == 0)
		return true;
	do {
		if (req->is_call && (was & MPROC__CLAIM_REVOKED) != 0)
			return false;
	} while (!atomic_compare_exchange_weak(word, &was,
	    was + MPROC__CLAIM_ONE));
	return true;
}

static bool
is_wanted(struct mproc__core *core, const struct mproc_request *req)
{
	return claim(core, req) && !(req->is_call && mproc__is_canceled(req));
}

static int
refuse_canceled(struct mproc__core *core, struct mproc_request *req)
{
	return refuse(core, req, -ECANCELED, "canceled");
}

/* In one pass, as nearly all come; false: look again, step by step. */
static bool
dispatch_usual(struct mproc__core *core, struct mproc__frame *frame)
{
	struct mproc_request *req = core->request;
	const struct mproc__route *route;
	struct mproc__envelope env;
	struct mproc__poke poke;

	if (!mproc__envelope_head(frame->data, frame->size, &env) ||
	    (route = mproc__index_guess(&core->index, &core->last_route,
	    env.command, env.command_len)) == NULL)
		return false;
	poke.n = 0;
	if (frame->is_shared ? !mproc__decode_apart(route->schema, &env,
	    core->scratch, &core->side) : !mproc__decode_body(route->schema,
	    &env, core->scratch, &poke))
		return false;
	core->received++;
	begin(core, req, &env, frame, route->row);
	if (!is_wanted(core, req))
		(void)refuse_canceled(core, req);
	else if (is_expired(&env))
		mproc__account(req, &core->page->expired);
	else
		run_handler(core, req, route->row, &poke, NULL, 0);
	return true;
}

static void
dispatch_row(struct mproc__core *core, struct mproc_request *req, int row,
    const struct mproc__envelope *env, int *fds, int n_fds)
{
	struct mproc__poke poke;
	int r;

	r = mproc__decode(core->class->handlers[row].schema, env->args,
	    env->args_size, fds, n_fds, core->scratch, &poke);
	if (r < 0)
		(void)refuse(core, req, r, mproc__err_text());
	else
		run_handler(core, req, row, &poke, fds, n_fds);
}

/* An unusual one in the ring is copied, to be written to. */
static int
dispatch_copy(struct mproc__core *core, const struct mproc__frame *frame)
{
	struct mproc__frame copy = { .size = frame->size };
	int r;

	if ((copy.data = malloc(frame->size + 1)) == NULL)
		return -ENOMEM;
	memcpy(copy.data, frame->data, frame->size);
	r = mproc__dispatch(core, &copy);
	free(copy.data);
	return r;
}

int
mproc__dispatch(struct mproc__core *core, struct mproc__frame *frame)
{
	struct mproc__envelope env;
	int fds[MPROC__MAX_FDS], n = 0, i, r, row;
	struct mproc_request *req;

	if (dispatch_usual(core, frame))
		return 0;
	if (frame->is_shared)
		return dispatch_copy(core, frame);
	if ((r = mproc__envelope_read(frame->data, frame->size, &env)) < 0)
		return r;
	if (env.kind != MPROC__CAST && env.kind != MPROC__CALL)
		return -EPROTO;
	core->received++;
	if (env.n_fds > 0)
		n = mproc__channel_take_fds(core->data, env.n_fds, fds);
	req = core->request;
	row = mproc__index_find(&core->index, env.command, env.command_len);
	begin(core, req, &env, frame, row);
	if (!is_wanted(core, req))
		(void)refuse_canceled(core, req);
	else if (is_expired(&env))
		mproc__account(req, &core->page->expired);
	else if (n < env.n_fds)
		(void)refuse(core, req, -EMFILE, "descriptors of the message "
		    "were lost: out of descriptors");
	else if (row < 0)
		(void)unknown(core, req, fds, n);
	else
		dispatch_row(core, req, row, &env, fds, n);
	for (i = 0; i < n; i++)
		mproc__close(fds[i]);
	return r;
}

void
mproc__cancel_deferred(struct mproc__core *core)
{
	struct mproc_request *req;

	while ((req = core->deferred) != NULL)
		(void)mproc_fail(req, -ECANCELED, "the process stopped");
}

void
mproc__drop_rest(struct mproc__core *core)
{
	struct mproc__page *page = core->page;

	if (!core->stopping || core->stop_mode != MPROC_NOW ||
	    core->stop_upto <= core->received)
		return;
	mproc__page_add(&page->dropped_stop,
	    core->stop_upto - core->received);
}

int
mproc__keep_words(struct mproc_request *req, int code)
{
	if (mproc__err_code() == code) {
		req->fail_code = code;
		(void)strlcpy(req->fail_text, mproc__err_text(),
		    sizeof(req->fail_text));
	}
	return code;
}

int
mproc_defer(struct mproc_request *req)
{
	struct mproc__core *core = req->core;

	if (req->answered)
		return mproc__err(-EALREADY, "command %s was answered before",
		    req->command);
	if (core->spare == NULL)	/* for the next message */
		core->spare = calloc(1, sizeof(*core->spare));
	if (core->spare == NULL)
		return -ENOMEM;
	req->deferred = true;
	return 0;
}

const char *
mproc_request_command(const struct mproc_request *req)
{
	return req->command;
}

uint64_t
mproc_request_id(const struct mproc_request *req)
{
	return req->id;
}

bool
mproc_request_is_call(const struct mproc_request *req)
{
	return req->is_call;
}

int
mproc_request_msg(struct mproc_request *req, struct mproc_msg **ret_msg)
{
	int fds[MPROC__MAX_FDS], i, n = 0, r = 0;

	if (req->body == NULL)
		return mproc__err(-EALREADY, "the handler of %s has returned",
		    req->command);
	if (req->msg != NULL)	/* in on_unknown: it has the descriptors */
		return mproc_msg_dup(req->msg, ret_msg);
	for (i = 0; i < req->n_fds && r >= 0; i++, n++) {
		fds[n] = -1;	/* was taken */
		if (req->fds[i] >= 0)
			r = fds[n] = mproc__dup(req->fds[i]);
	}
	if (r >= 0) {
		if (req->poke != NULL)
			mproc__poke_undo(req->poke);
		r = mproc__msg_copy(req->body, req->body_size, fds, n,
		    ret_msg);
		if (req->poke != NULL)
			mproc__poke_redo(req->poke);
	}
	if (r < 0)
		while (n > 0)
			mproc__close(fds[--n]);
	return r < 0 ? r : 0;
}

int
mproc_request_remaining_ms(const struct mproc_request *req)
{
	if (req->deadline_ns == 0)
		return -1;
	return mproc__remaining_ms(req->deadline_ns);
}

int
mproc_take_arg_fd(struct mproc_request *req, struct mproc_fd field)
{
	int i;

	if (!field.present)
		return mproc__keep_words(req, mproc__err(-ENOENT, "command "
		    "%s: the descriptor is absent", req->command));
	if (req->msg != NULL)	/* in on_unknown: it has the descriptors */
		return mproc_take_fd(req->msg, field);
	for (i = 0; i < req->n_fds; i++) {
		if (req->fds[i] != field.fd || field.fd < 0)
			continue;
		req->fds[i] = -1;
		return field.fd;
	}
	return mproc__keep_words(req, mproc__err(-EBADF, "command %s: "
	    "descriptor %d was taken, or is not of this request, or its "
	    "handler has returned", req->command, field.fd));
}
