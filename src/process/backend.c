/*
 * backend.c - the life of a backend: go, pre_run, the loop, post_run, exit.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "process/backend.h"

/*
 * Of a process; not allocated, since for one so large the allocator tidies up
 * first, and so touches pages that were shared with the frontend until then.
 * A backend's own backend finds it taken.
 */
static struct mproc__core first_core;
static struct mproc__core *the_core;	/* no leak: a checker finds it here */

/* The frontend made it; a frame of start arguments may be large. */
#define CONTROL_FRAME_MAX	UINT32_MAX

struct mproc__core *
mproc__core_of(struct mproc_backend *base)
{
	return base->core;
}

int
mproc_backend_fail(struct mproc_backend *base, int code, const char *fmt, ...)
{
	struct mproc__core *core = base->core;
	va_list ap;

	core->fail_code = code < 0 ? code : -EINVAL;
	va_start(ap, fmt);
	(void)vsnprintf(core->fail_text, sizeof(core->fail_text), fmt, ap);
	va_end(ap);
	return core->fail_code;
}

const char *
mproc__callback_text(struct mproc__core *core, int code)
{
	if (core->fail_code == code)
		return core->fail_text;
	core->fail_code = 0;		/* its text may go */
	return mproc__code_words(code, core->fail_text,
	    sizeof(core->fail_text));
}

/* A hook that has no words of its own may return what a call here refused. */
static const char *
hook_text(struct mproc__core *core, int code)
{
	if (core->fail_code != code && mproc__err_code() == code)
		return mproc__err_text();
	return mproc__callback_text(core, code);
}

static int
call_hook(struct mproc__core *core, int (*hook)(struct mproc_backend *))
{
	core->fail_code = 0;
	mproc__err_forget();
	return hook(core->base);
}

static int
open_channels(struct mproc__core *core)
{
	struct mproc__channel_options opt = {
		.max_frame = CONTROL_FRAME_MAX, .allow_fds = true
	};
	int *fd = core->boot.fd, r;
	void *page;

	r = mproc__channel_new(fd[MPROC__BOOT_CONTROL], &opt,
	    &core->control);
	if (r < 0)
		return r;
	fd[MPROC__BOOT_CONTROL] = -1;
	r = mproc__channel_new(fd[MPROC__BOOT_DATA], &opt, &core->data);
	if (r < 0)
		return r;
	fd[MPROC__BOOT_DATA] = -1;
	core->page = core->boot.page;
	if (core->page == NULL) {
		r = mproc__map_shared(fd[MPROC__BOOT_STATUS],
		    MPROC__PAGE_SIZE, &page);
		if (r < 0)
			return r;
		core->page = page;
	}
	core->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (core->wake_fd < 0)
		return mproc__fd_error(errno, "the backend's wake-up");
	return 0;
}

static int
keep_args(struct mproc__core *core, const struct ctl_go *go)
{
	const struct mproc_fd *fds[MPROC__ARGS_FDS] = {
		&go->fd0, &go->fd1, &go->fd2, &go->fd3
	};
	int i, fd;

	for (i = 0; i < MPROC__ARGS_FDS && fds[i]->present; i++) {
		if ((fd = mproc__dup(fds[i]->fd)) < 0)
			return fd;
		core->args_fds[core->n_args_fds++] = fd;
	}
	if (go->notify.present) {
		if ((fd = mproc__dup(go->notify.fd)) < 0)
			return fd;
		core->notify_fd = fd;
	}
	if (go->args.size == 0)
		return 0;
	/* one spare byte: strings are ended in place */
	if ((core->args = malloc(go->args.size + 1)) == NULL)
		return -ENOMEM;
	memcpy(core->args, go->args.data, go->args.size);
	return mproc__envelope_read(core->args, go->args.size,
	    &core->args_env);
}

/*
 * By hand: the C library's formatting takes four pages that a backend might
 * never need.
 */
static void
set_names(struct mproc__core *core, const char *name)
{
	size_t n = strnlen(name, sizeof(core->name) - 1);
	size_t of_class = strlen(core->class->name);	/* bounded: checked */

	memcpy(core->name, name, n);
	memcpy(core->logger, core->class->name, of_class);
	core->logger[of_class] = '.';
	memcpy(core->logger + of_class + 1, name, n);
}

static int
on_go(struct mproc__core *core, struct mproc__frame *frame)
{
	struct mproc__envelope env;
	struct mproc__poke poke;
	int fds[MPROC__MAX_FDS], n = 0, r;
	struct ctl_go go;

	if ((r = mproc__envelope_read(frame->data, frame->size, &env)) < 0)
		return r;
	if (env.kind != MPROC__CONTROL || !mproc__envelope_is(&env, "go"))
		return -EPROTO;
	if (env.n_fds > 0)
		n = mproc__channel_take_fds(core->control, env.n_fds, fds);
	if (n < env.n_fds)
		r = mproc__fd_error(EMFILE, "start arguments");
	else
		r = mproc__decode(MPROC_SCHEMA(ctl_go), env.args,
		    env.args_size, fds, n, &go, &poke);
	if (r == 0 && (go.version != MPROC__WIRE_VERSION ||
	    go.table != mproc__class_hash(core->class)))
		r = -EPROTO;
	if (r == 0) {
		core->control_seen++;
		core->max_message = (size_t)go.max_message;
		core->inbox_messages = go.inbox_messages;
		core->inbox_bytes = go.inbox_bytes;
		core->emit_overflow = (enum mproc_overflow)go.emit_overflow;
		core->block_ms = go.block_ms;
		core->batch = go.batch && !go.ring;
		mproc__channel_set_spin(core->data, go.spin_us * 1000LL);
		core->log_block_ms = go.log_block_ms;
		if (!core->boot.is_thread)
			atomic_store(&mproc__term.grace_ms, go.stop_grace_ms);
		set_names(core, go.name);
		r = keep_args(core, &go);
		if (r >= 0 && go.ring)
			r = mproc__channel_join(core->data);
		mproc__channel_trust(core->data);	/* it made us */
	}
	while (n > 0)
		mproc__close(fds[--n]);
	return r;
}

/* The first control frame; until it came the frontend may not know us yet. */
static int
wait_go(struct mproc__core *core)
{
	struct mproc__frame frame;
	struct pollfd fds[2];
	int r;

	for (;;) {
		if ((r = mproc__channel_next(core->control, &frame)) > 0)
			return on_go(core, &frame);
		if (r < 0)
			return r;
		/* mostly it is there by now */
		r = mproc__channel_fill(core->control);
		if (mproc__channel_ready(core->control))
			continue;
		if (r < 0)
			return r;
		fds[0] = (struct pollfd){ mproc__channel_fd(core->control),
		    POLLIN, 0 };
		fds[1] = (struct pollfd){ core->boot.parent_pidfd, POLLIN,
		    0 };
		if (r == 0 && poll(fds, 2, -1) > 0 && fds[1].revents)
			return -EPIPE;
	}
}

static int
make_object(struct mproc__core *core)
{
	const struct mproc_class *cls = core->class;
	size_t i, largest = 1;

	for (i = 0; i < cls->n_handlers; i++)
		if (cls->handlers[i].schema->size > largest)
			largest = cls->handlers[i].schema->size;
	core->scratch_size = largest;
	core->scratch = calloc(1, largest);
	core->object = calloc(1, cls->size);
	core->request = calloc(1, sizeof(*core->request));
	if (core->scratch == NULL || core->object == NULL ||
	    core->request == NULL)
		return -ENOMEM;
	core->base = (struct mproc_backend *)(void *)
	    ((char *)core->object + cls->base_offset);
	core->base->core = core;
	return mproc__index_init(&core->index, cls);
}

static int
set_up(struct mproc__core *core)
{
	int r;

	if ((r = open_channels(core)) < 0 || (r = make_object(core)) < 0 ||
	    (r = wait_go(core)) < 0)
		return r;
	mproc__loop_init(core);
	if (!core->boot.is_thread) {
		core->log_level = atomic_load(&core->page->log_level);
		mproc__log_forward(core->name, mproc__core_record, core,
		    (enum mproc_level)core->log_level);
		atomic_store(&mproc__term.wake_fd, core->wake_fd);
	}
	return 0;
}

/*
 * So that a record which nobody wants costs no formatting.  A thread shares
 * the loggers of its frontend, whose levels are not ours to set.
 */
void
mproc__sync_log_level(struct mproc__core *core)
{
	int level = core->page != NULL ?
	    atomic_load(&core->page->log_level) : core->log_level;

	if (core->boot.is_thread || level == core->log_level ||
	    level <= MPROC_LEVEL_DEFAULT || level > MPROC_OFF)
		return;
	core->log_level = level;
	(void)mproc_log_set_level("", (enum mproc_level)level);
}

static int
send_ready(struct mproc__core *core, int code, const char *text)
{
	struct ctl_ready ready = {
		.code = code, .text = text, .version = MPROC__WIRE_VERSION
	};

	return mproc__send_control(core, MPROC__CONTROL, 0,
	    MPROC_SCHEMA(ctl_ready), &ready);
}

/* A hook's or loop's result as an exit status. */
static int
exit_status(struct mproc__core *core, const char *what, int r)
{
	if (r >= 0)
		return r & 0xff;
	mproc__core_log(core, MPROC_ERROR, "%s failed: %s (%s)", what,
	    hook_text(core, r), mproc_errname(r));
	return 1;
}

static int
pre_run(struct mproc__core *core)
{
	char text[sizeof("pre_run: ") + sizeof(core->fail_text)];
	int r = 0;

	if (core->class->pre_run != NULL)
		r = call_hook(core, core->class->pre_run);
	if (r >= 0 && (r = mproc__notifier_start(core)) >= 0)
		return 0;
	(void)snprintf(text, sizeof(text), "pre_run: %s", hook_text(core, r));
	(void)send_ready(core, r, text);
	return r;
}

static int
live(struct mproc__core *core)
{
	const struct mproc_class *cls = core->class;
	int status = 1, r;

	if (pre_run(core) < 0)
		return status;
	/* who hears that it is ready sees the row, too */
	atomic_store(&core->page->row, MPROC__ROW_NONE);
	mproc__loop_stay_awake(core);
	if (send_ready(core, 0, "") == 0)	/* else nobody waits */
		status = exit_status(core, "run", call_hook(core,
		    cls->run != NULL ? cls->run : mproc_run));
	atomic_store(&core->page->row, MPROC__ROW_BOOT);
	mproc__drop_rest(core);
	mproc__cancel_deferred(core);
	mproc__notifier_stop(core);
	if (cls->post_run != NULL) {
		r = exit_status(core, "post_run",
		    call_hook(core, cls->post_run));
		if (r != 0)
			status = r;
	}
	return core->exit_code != 0 && status == 0 ? core->exit_code : status;
}

/*
 * Of a thread.  A process takes its memory and descriptors with it, and the
 * frontend hears of its end once, not of each of its ends.
 */
static void
tear_down(struct mproc__core *core)
{
	int i;

	mproc__loop_done(core);
	(void)mproc__channel_free(core->data);
	(void)mproc__channel_free(core->control);
	if (core->page != NULL)
		(void)munmap(core->page, MPROC__PAGE_SIZE);
	for (i = 0; i < core->n_args_fds; i++)
		mproc__close(core->args_fds[i]);
	mproc__close(core->notify_fd);
	mproc__close(core->wake_fd);
	mproc__close(core->boot.fd[MPROC__BOOT_DATA]);
	mproc__close(core->boot.fd[MPROC__BOOT_CONTROL]);
	mproc__close(core->boot.fd[MPROC__BOOT_STATUS]);
	mproc__close(core->boot.fd[MPROC__BOOT_LOG]);
	mproc__index_done(&core->index);
	free(core->args);
	free(core->args_struct);
	free(core->scratch);
	mproc__buf_done(&core->side);
	free(core->request);
	free(core->spare);
	free(core->object);
	free(core);
}

void
mproc__backend_hang_up(void)
{
	if (the_core != NULL && the_core->control != NULL)
		mproc__channel_shutdown(the_core->control);
}

int
mproc__backend_main(const struct mproc__boot *boot)
{
	struct mproc__core *core = &first_core;
	int status = 1, i, r;

	if ((boot->is_thread || core->class != NULL) &&
	    (core = calloc(1, sizeof(*core))) == NULL) {
		/* a process closes them by its end */
		for (i = 0; i < MPROC__BOOT_FDS && boot->is_thread; i++)
			mproc__close(boot->fd[i]);
		return status;
	}
	if (!boot->is_thread)
		the_core = core;
	core->boot = *boot;
	core->class = boot->class;
	core->epfd = core->wake_fd = core->timerfd = core->notify_fd = -1;
	r = set_up(core);
	if (r == 0)
		status = live(core);
	else if (core->control != NULL && r != -EPIPE)
		(void)send_ready(core, r, mproc__err_text());
	if (core->control != NULL && core->data != NULL)
		mproc__flush_all(core);
	if (boot->is_thread)
		tear_down(core);
	return status;
}

const char *
mproc_backend_name(const struct mproc_backend *base)
{
	return base->core->name;
}

/* Decoded once; another message's schema gets NULL. */
const void *
mproc_start_args_typed(struct mproc_backend *base,
    const struct mproc_schema *schema)
{
	struct mproc__core *core = base->core;
	void *args;

	if (core->args == NULL ||
	    !mproc__envelope_is(&core->args_env, schema->command)) {
		(void)mproc__err(-ENOENT, "%s has no start arguments %s",
		    core->name, schema->command);
		return NULL;
	}
	if (core->args_struct != NULL)
		return mproc__schema_hash(core->args_schema) ==
		    mproc__schema_hash(schema) ? core->args_struct : NULL;
	if ((args = malloc(schema->size)) == NULL)
		return NULL;
	if (mproc__decode(schema, core->args_env.args,
	    core->args_env.args_size, core->args_fds, core->n_args_fds,
	    args, &core->args_poke) < 0) {
		free(args);
		return NULL;
	}
	core->args_struct = args;
	core->args_schema = schema;
	return args;
}
