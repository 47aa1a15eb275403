/*
 * backend_loop.c - the backend's loop: control first, then messages and the
 * user's descriptors and timers in turns.
 */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/backend.h"

/* Messages in a row before descriptors and timers get their turn. */
#define MESSAGES_A_TURN	64
#define EVENTS		32

static int
add(struct mproc__core *core, int fd, uint32_t events, void *tag)
{
	struct epoll_event ev = { .events = events, .data.ptr = tag };

	if (fd < 0)
		return 0;
	return epoll_ctl(core->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ?
	    mproc__fd_error(errno, "the backend's loop") : 0;
}

void
mproc__loop_init(struct mproc__core *core)
{
	core->data_events = core->control_events = EPOLLIN;
}

static int
add_all(struct mproc__core *core)
{
	int r;

	if ((r = add(core, mproc__channel_fd(core->data), core->data_events,
	    &core->data)) < 0 ||
	    (r = add(core, mproc__channel_fd(core->control),
	    core->control_events, &core->control)) < 0 ||
	    (r = add(core, core->wake_fd, EPOLLIN, &core->wake_fd)) < 0)
		return r;
	return add(core, core->boot.parent_pidfd, EPOLLIN, &core->boot);
}

int
mproc__loop_open(struct mproc__core *core)
{
	int r;

	if (core->epfd >= 0)
		return 0;
	if ((core->epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return mproc__fd_error(errno, "the backend's loop");
	if ((r = add_all(core)) < 0) {
		mproc__close(core->epfd);
		core->epfd = -1;
	}
	return r;
}

void
mproc__loop_done(struct mproc__core *core)
{
	struct mproc__watch *w;
	struct mproc__timer *t;

	while ((w = core->watches) != NULL) {
		core->watches = w->next;
		free(w);
	}
	while ((t = core->timers) != NULL) {
		core->timers = t->next;
		free(t);
	}
	mproc__close(core->epfd);
	mproc__close(core->timerfd);
}

static void
interest(struct mproc__core *core, struct mproc__channel *ch, void *tag,
    uint32_t *current)
{
	bool out = mproc__channel_queued(ch) > 0 &&
	    !mproc__channel_blocked(ch) && !mproc__channel_is_ring(ch);
	struct epoll_event ev = {
		.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = tag
	};

	if (ev.events == *current)
		return;
	if (core->epfd < 0 || epoll_ctl(core->epfd, EPOLL_CTL_MOD,
	    mproc__channel_fd(ch), &ev) == 0)
		*current = ev.events;
}

void
mproc__loop_interest(struct mproc__core *core)
{
	interest(core, core->data, &core->data, &core->data_events);
	interest(core, core->control, &core->control,
	    &core->control_events);
}

void
mproc__loop_stay_awake(struct mproc__core *core)
{
	uint32_t us = atomic_load_explicit(&core->page->look_us,
	    memory_order_relaxed);

	if (us > 0)
		core->awake_ns = mproc__now_ns() + us * 1000LL;
}

static void
on_stop(struct mproc__core *core, const struct mproc__envelope *env)
{
	struct mproc__poke poke;
	struct ctl_stop stop;

	if (mproc__decode(MPROC_SCHEMA(ctl_stop), env->args, env->args_size,
	    NULL, 0, &stop, &poke) < 0)
		return;
	core->terminated = core->stopping && core->boot.is_thread;
	core->stopping = true;
	core->stop_mode = stop.mode;
	core->stop_upto = stop.upto;
}

static void
on_control(struct mproc__core *core, struct mproc__frame *frame)
{
	struct mproc__envelope env;

	core->control_seen++;
	if (mproc__envelope_read(frame->data, frame->size, &env) < 0 ||
	    env.kind != MPROC__CONTROL)
		return;		/* a credit is only a doorbell */
	if (mproc__envelope_is(&env, "ping")) {
		(void)mproc__send_control(core, MPROC__CONTROL, env.id,
		    MPROC_SCHEMA(ctl_pong), &(struct ctl_pong){ });
		mproc__loop_stay_awake(core);
	} else if (mproc__envelope_is(&env, "stop")) {
		on_stop(core, &env);
	}
}

void
mproc__poll_control(struct mproc__core *core)
{
	struct mproc__frame frame;
	int r, n;

	r = mproc__channel_fill(core->control);
	while ((n = mproc__channel_next(core->control, &frame)) > 0)
		on_control(core, &frame);
	if (n < 0 || (r < 0 && r != -ENOMEM && r != -EMFILE))
		core->frontend_gone = true;
	mproc__sync_log_level(core);
}

/* The frontend counts its control frames in the page. */
static bool
control_waits(struct mproc__core *core)
{
	return atomic_load_explicit(&core->page->control_sent,
	    memory_order_acquire) != core->control_seen;
}

/* Who does not hear us is gone, too. */
static bool
is_cut_off(const struct mproc__core *core)
{
	return core->frontend_gone || mproc__channel_gone(core->data) ||
	    mproc__channel_gone(core->control);
}

bool
mproc__terminated(const struct mproc__core *core)
{
	return core->boot.is_thread ? core->terminated :
	    atomic_load_explicit(&mproc__term.requested,
	    memory_order_relaxed);
}

bool
mproc__loop_ended(struct mproc__core *core)
{
	if (core->quitting || is_cut_off(core) || mproc__terminated(core))
		return true;
	return core->stopping && (core->stop_mode == MPROC_NOW ||
	    core->received >= core->stop_upto);
}

bool
mproc_going(struct mproc_backend *base)
{
	struct mproc__core *core = mproc__core_of(base);

	if (control_waits(core))
		mproc__poll_control(core);
	if (core->stopping || core->quitting || is_cut_off(core) ||
	    atomic_load_explicit(&core->page->no_go, memory_order_relaxed))
		return false;
	return !mproc__terminated(core);
}

/* What cannot be read cannot come any more: as if the frontend had gone. */
static void
lost(struct mproc__core *core, int r)
{
	if (r != -EPIPE)
		mproc__core_log(core, MPROC_CRITICAL, "the stream of "
		    "messages is broken: %s", strerrordesc_np(-r));
	core->frontend_gone = true;
}

/* Handle what is buffered, a bounded number; returns how many. */
static int
messages(struct mproc__core *core)
{
	struct mproc__frame frame;
	int n = 0, r = 0;

	while (n < MESSAGES_A_TURN) {
		if (control_waits(core))
			mproc__poll_control(core);
		if (mproc__loop_ended(core))
			break;
		r = mproc__channel_next(core->data, &frame);
		if (r == 0 && mproc__channel_pending(core->data) &&
		    (r = mproc__channel_pull(core->data)) > 0)
			continue;
		if (r == -ENOMEM)
			r = 0;		/* another time */
		if (r <= 0)
			break;
		if (core->epfd < 0)
			(void)mproc__loop_open(core);
		if ((r = mproc__dispatch(core, &frame)) < 0)
			break;
		n++;
	}
	if (r < 0)
		lost(core, r);
	return n;
}

static void
read_data(struct mproc__core *core)
{
	int r;

	if (mproc__channel_ready(core->data))
		return;		/* these first */
	r = mproc__channel_fill(core->data);
	if (r < 0 && r != -EMFILE && r != -ENOMEM &&
	    !mproc__channel_ready(core->data))
		lost(core, r);
}

static int
on_event(struct mproc__core *core, const struct epoll_event *ev)
{
	void *tag = ev->data.ptr;
	uint64_t n;

	if (tag == &core->data) {
		if (ev->events & ~(uint32_t)EPOLLOUT)
			read_data(core);
		if (mproc__channel_queued(core->data) > 0)
			(void)mproc__channel_flush(core->data);
	} else if (tag == &core->control) {
		if (ev->events & EPOLLOUT)
			(void)mproc__channel_flush(core->control);
		if (ev->events & ~(uint32_t)EPOLLOUT)
			mproc__poll_control(core);
	} else if (tag == &core->boot) {
		core->frontend_gone = true;
	} else if (tag == &core->wake_fd) {
		(void)!read(core->wake_fd, &n, sizeof(n));
	} else if (tag == &core->timerfd) {
		(void)!read(core->timerfd, &n, sizeof(n));
		core->armed_ns = 0;
	} else {
		return mproc__watch_run(core, tag, ev->events);
	}
	return 0;
}

/*
 * The timerfd stands in the epoll set for a loop of the class's own.  It is
 * due at once when there is something to do that no other descriptor tells
 * of: messages that are read already, and the end of the loop.
 */
void
mproc__loop_arm(struct mproc__core *core)
{
	int64_t when = 0;

	if (core->timerfd < 0)
		return;
	if (mproc__channel_ready(core->data) || mproc__loop_ended(core) ||
	    mproc__channel_listen(core->data) ||
	    mproc__channel_pending(core->data))
		when = 1;
	else if (core->timers != NULL)
		when = core->timers->when + 1;
	if (when != 1 && mproc__output_blocked(core))
		when = mproc__deadline(MPROC__RETRY_MS);
	if (when == core->armed_ns)
		return;
	if (mproc__timer_set(core->timerfd, when == 0 ? MPROC__NEVER :
	    when) == 0)
		core->armed_ns = when;
}

/*
 * The same without an epoll set, whose events have poll(2)'s numbers.  The
 * set costs as much to make as it saves in many sleeps: a backend has none
 * before its first message.
 */
static int
poll_events(struct mproc__core *core, struct epoll_event ev[EVENTS],
    int timeout)
{
	void *const tags[] = {
		&core->data, &core->control, &core->wake_fd, &core->boot
	};
	struct pollfd fds[] = {
		{ mproc__channel_fd(core->data), (short)core->data_events, 0 },
		{ mproc__channel_fd(core->control),
		    (short)core->control_events, 0 },
		{ core->wake_fd, POLLIN, 0 },
		{ core->boot.parent_pidfd, POLLIN, 0 },
	};
	int i, n = 0;

	if (poll(fds, 4, timeout) <= 0)
		return 0;
	for (i = 0; i < 4; i++)
		if (fds[i].revents != 0)
			ev[n++] = (struct epoll_event){
			    .events = (uint32_t)fds[i].revents,
			    .data.ptr = tags[i] };
	return n;
}

static int
wait_once(struct mproc__core *core, struct epoll_event ev[EVENTS],
    int timeout)
{
	return core->epfd < 0 ? poll_events(core, ev, timeout) :
	    epoll_wait(core->epfd, ev, EVENTS, timeout);
}

/* Asleep, and idle unless something that was deferred is under way. */
static int
sleep_events(struct mproc__core *core, struct epoll_event ev[EVENTS],
    int timeout)
{
	_Atomic int64_t *idle = &core->page->idle;
	int64_t before, since;
	int n;

	if (core->deferred != NULL)
		return wait_once(core, ev, timeout);
	before = atomic_load_explicit(idle, memory_order_relaxed) +
	    mproc__channel_spun(core->data);
	since = mproc__now_ns();
	atomic_store_explicit(idle, before - since, memory_order_relaxed);
	n = wait_once(core, ev, timeout);
	atomic_store_explicit(idle, before + mproc__now_ns() - since,
	    memory_order_relaxed);
	return n;
}

static int
wait_events(struct mproc__core *core, struct epoll_event ev[EVENTS],
    int timeout)
{
	int n;

	if (timeout == 0)
		return wait_once(core, ev, 0);
	while (mproc__now_ns() < core->awake_ns)
		if ((n = wait_once(core, ev, 0)) != 0)
			return n;
	return sleep_events(core, ev, timeout);
}

/* Descriptors: wait for them until the deadline. */
static int
events(struct mproc__core *core, int64_t deadline)
{
	struct epoll_event ev[EVENTS];
	int i, n, done = 0;

	if (core->timers != NULL)
		deadline = mproc__min_deadline(deadline, core->timers->when);
	/* look again soon: also at bytes that there was no memory for */
	if (mproc__output_blocked(core) || mproc__channel_pending(core->data))
		deadline = mproc__min_deadline(deadline,
		    mproc__deadline(MPROC__RETRY_MS));
	n = wait_events(core, ev, mproc__remaining_ms(deadline));
	for (i = 0; i < n; i++)
		done += on_event(core, &ev[i]);
	if (mproc__output_blocked(core)) {
		(void)mproc__channel_flush(core->data);
		(void)mproc__channel_flush(core->control);
	}
	mproc__watches_free(core);
	return done;
}

/*
 * Descriptors and timers had their turn not long ago: they are looked at
 * after so many messages, or so much time (a tick of the kernel, which costs
 * no more than a glance), not after each.
 */
static bool
may_skip_events(struct mproc__core *core, int messages_done)
{
	int64_t tick = mproc__tick_ns();

	core->unlooked += messages_done;
	if (core->unlooked < MESSAGES_A_TURN && tick == core->tick_ns)
		return true;
	core->unlooked = 0;
	core->tick_ns = tick;
	return false;
}

/* What a spinning loop must not miss. */
static bool
must_act(void *arg)
{
	struct mproc__core *core = arg;

	return control_waits(core) || mproc__loop_ended(core);
}

/* Nothing to do: 0 after sleep was announced, or what came just then. */
static int
last_look(struct mproc__core *core, int64_t deadline)
{
	if (deadline != MPROC__NEVER && mproc__now_ns() >= deadline)
		return 0;
	mproc__channel_hush(core->data);
	return mproc__channel_spin(core->data, must_act, core) ?
	    messages(core) : 0;
}

int
mproc__turn(struct mproc__core *core, int64_t deadline)
{
	int done;

	if ((done = messages(core)) == 0)
		done = last_look(core, deadline);
	if (mproc__loop_ended(core))
		return done;
	mproc__loop_interest(core);
	if (done > 0 && may_skip_events(core, done))
		return done;
	/* something done or buffered: only look, do not wait */
	if (done > 0 || mproc__channel_ready(core->data) ||
	    control_waits(core) || mproc__channel_listen(core->data))
		deadline = 0;
	done += events(core, deadline);
	done += mproc__timers_run(core);
	if (done == 0)
		done += messages(core);
	mproc__loop_interest(core);
	return done;
}

static int
poll_once(struct mproc__core *core, int64_t deadline)
{
	int n;

	do {
		if (control_waits(core))
			mproc__poll_control(core);
		if (mproc__loop_ended(core))
			return -ESHUTDOWN;
		n = mproc__turn(core, deadline);
	} while (n == 0 && mproc__now_ns() < deadline);
	return n == 0 && mproc__loop_ended(core) ? -ESHUTDOWN : n;
}

int
mproc_poll_once(struct mproc_backend *base, int timeout_ms)
{
	struct mproc__core *core = mproc__core_of(base);
	int n;

	if (core->in_handler)
		return mproc__err(-EDEADLK, "mproc_poll_once inside a "
		    "handler or callback of %s", core->name);
	n = poll_once(core, mproc__deadline(timeout_ms));
	mproc__loop_arm(core);
	return n;
}

int
mproc_run(struct mproc_backend *base)
{
	struct mproc__core *core = mproc__core_of(base);

	while (mproc_poll_once(base, -1) >= 0)
		;
	return core->exit_code;
}

void
mproc_quit(struct mproc_backend *base, int code)
{
	struct mproc__core *core = mproc__core_of(base);

	core->quitting = true;
	core->exit_code = code & 0xff;
	mproc__loop_arm(core);
}

int
mproc_backend_fd(struct mproc_backend *base)
{
	struct mproc__core *core = mproc__core_of(base);
	int r;

	if (core->timerfd >= 0)
		return core->epfd;
	if ((r = mproc__loop_open(core)) < 0)
		return r;
	core->timerfd = timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK);
	if (core->timerfd < 0)
		return mproc__fd_error(errno, "the backend's loop");
	if ((r = add(core, core->timerfd, EPOLLIN, &core->timerfd)) < 0)
		return r;
	mproc__loop_arm(core);
	return core->epfd;
}
