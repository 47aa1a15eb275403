/*
 * process_start.c - a generation of a backend: its ends, its launch, its
 * being ready.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"

/*
 * Large socket buffers: the kernel charges some 770 bytes for a small
 * message, so that default buffers hold only 280 of them.  It cuts this to
 * net.core.wmem_max.
 */
#define DATA_BUFFER	(4 << 20)
#define LOG_BUFFER	(512 << 10)

#define UNDO_MS		1000	/* for SIGKILL */

static int
open_channel(struct mproc *p, int *fd, size_t max_frame,
    struct mproc__channel **ret_ch, uint32_t *ret_events)
{
	struct mproc__channel_options opt = {
		.max_frame = max_frame, .allow_fds = true
	};
	int r;

	if ((r = mproc__epoll_add(p, *fd)) < 0)
		return r;
	if ((r = mproc__channel_new(*fd, &opt, ret_ch)) < 0)
		return r;
	*fd = -1;
	*ret_events = EPOLLIN;
	return 0;
}

void
mproc__close_channel(struct mproc *p, struct mproc__channel **ch)
{
	if (*ch != NULL)
		mproc__epoll_del(p, mproc__channel_fd(*ch));
	if (ch == &p->data && p->reserved && p->kept == NULL) {
		p->kept = *ch;	/* its memory is being written to */
		*ch = NULL;
	}
	*ch = mproc__channel_free(*ch);
}

/*
 * The data channel is there from mproc_new() on, so that messages sent
 * before the start wait in it.
 */
int
mproc__open_data(struct mproc *p)
{
	size_t max_frame;
	int fds[2], r;

	if ((r = mproc__socketpair(SOCK_STREAM, DATA_BUFFER, fds)) < 0)
		return r;
	max_frame = (size_t)p->opt.max_message;
	if (max_frame < MPROC__ERROR_MAX)
		max_frame = MPROC__ERROR_MAX;
	r = open_channel(p, &fds[0], max_frame, &p->data,
	    &p->data_events);
	if (r == 0 && p->opt.channel == MPROC_RING)
		r = mproc__channel_share(p->data, (size_t)p->opt.ring_bytes);
	if (r < 0) {
		if (p->data != NULL)
			mproc__close_channel(p, &p->data);
		else
			mproc__close(fds[0]);
		mproc__close(fds[1]);
		return r;
	}
	mproc__channel_set_spin(p->data, p->opt.spin_us * 1000LL);
	p->boot_data = fds[1];
	p->data_eof = false;
	return 0;
}

/* Everything of a generation, at its end and before the next. */
void
mproc__generation_free(struct mproc *p)
{
	mproc__close_channel(p, &p->data);
	mproc__close_channel(p, &p->control);
	mproc__epoll_del(p, p->log_fd);
	mproc__epoll_del(p, p->child.pidfd);
	mproc__close(p->boot_data);
	mproc__close(p->log_fd);
	p->boot_data = p->log_fd = -1;
	mproc__notify_close(p);
	mproc__capture_free(p);
	mproc__child_done(&p->child);
	p->child = (struct mproc__child){ .pidfd = -1 };
	if (p->page != NULL)
		(void)munmap(p->page, MPROC__PAGE_SIZE);
	p->page = NULL;
	p->eof_deadline = MPROC__NEVER;
}

static int
open_page(struct mproc *p, struct mproc__launch *l)
{
	int *ret_fd = &l->fd[MPROC__BOOT_STATUS];
	void *page;
	int r;

	if (!mproc__launch_forks(p->opt.launch) &&
	    (r = mproc__memfd("mproc-status", MPROC__PAGE_SIZE, ret_fd)) < 0)
		return r;
	if ((r = mproc__map_shared(*ret_fd, MPROC__PAGE_SIZE, &page)) < 0)
		return r;
	p->page = page;
	if (*ret_fd < 0)
		l->page = page;
	atomic_store(&p->page->row, MPROC__ROW_BOOT);
	atomic_store(&p->page->log_level, (int32_t)p->opt.log_level);
	atomic_store(&p->page->no_go, p->no_go);
	atomic_store(&p->page->claim,
	    p->mate != NULL ? MPROC__CLAIM_COUNTS : 0);
	/*
	 * What the last generation left in the inbox takes room there, as if
	 * it had been emitted by this one: emitted - taken wraps.
	 */
	atomic_store(&p->page->taken, -p->inbox_count);
	atomic_store(&p->page->taken_bytes, -p->inbox_bytes);
	return 0;
}

static int
open_log(struct mproc *p, int *ret_fd)
{
	int fds[2], r;

	if ((r = mproc__socketpair(SOCK_SEQPACKET, 0, fds)) < 0)
		return r;
	mproc__set_sndbuf(fds[1], LOG_BUFFER);	/* only this end sends */
	if ((r = mproc__epoll_add(p, fds[0])) < 0) {
		mproc__close(fds[0]);
		mproc__close(fds[1]);
		return r;
	}
	p->log_fd = fds[0];
	p->log_events = EPOLLIN;
	p->log_eof = false;
	*ret_fd = fds[1];
	return 0;
}

static int
open_control(struct mproc *p, int *ret_fd)
{
	int fds[2], r;

	if ((r = mproc__socketpair(SOCK_STREAM, 0, fds)) < 0)
		return r;
	/* `go` carries the start arguments */
	r = open_channel(p, &fds[0], MPROC__CONTROL_MAX + p->args.len,
	    &p->control, &p->control_events);
	if (r < 0) {
		mproc__close(fds[0]);
		mproc__close(fds[1]);
		return r;
	}
	p->control_eof = false;
	*ret_fd = fds[1];
	return 0;
}

static int
open_capture(struct mproc *p, int theirs[2])
{
	int i, fds[2], r;

	if (!p->opt.capture_output)
		return 0;
	if ((r = mproc__capture_new(p)) < 0)
		return r;
	for (i = 0; i < 2; i++) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			return mproc__fd_error(errno, "captured output");
		/* only our end: a program may not expect EAGAIN from stdout */
		(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
		p->capture[i] = fds[0];
		theirs[i] = fds[1];
		if ((r = mproc__epoll_add(p, fds[0])) < 0)
			return r;
	}
	return 0;
}

static int
open_ends(struct mproc *p, struct mproc__launch *l)
{
	int r;

	if (p->data == NULL && (r = mproc__open_data(p)) < 0)
		return r;
	l->fd[MPROC__BOOT_DATA] = p->boot_data;
	p->boot_data = -1;
	if ((r = open_control(p, &l->fd[MPROC__BOOT_CONTROL])) < 0 ||
	    (r = open_log(p, &l->fd[MPROC__BOOT_LOG])) < 0 ||
	    (r = open_page(p, l)) < 0 ||
	    (r = mproc__notify_open(p)) < 0)
		return r;
	return open_capture(p, l->capture);
}

/* The first frame: all that the backend has to know. */
static int
send_go(struct mproc *p)
{
	struct ctl_go go = {
		.version = MPROC__WIRE_VERSION,
		.table = mproc__class_hash(p->index.class),
		.name = p->name,
		.args = { p->args.data, p->args.len },
		.max_message = p->opt.max_message,
		.inbox_messages = p->opt.inbox_messages,
		.inbox_bytes = p->opt.inbox_bytes,
		.emit_overflow = (int)p->opt.emit_overflow,
		.block_ms = p->opt.block_ms,
		.log_block_ms = p->opt.log_block_ms,
		.stop_grace_ms = p->opt.stop_grace_ms,
		.ring = mproc__channel_is_ring(p->data),
		.spin_us = p->opt.spin_us,
		.batch = p->opt.batch
	};
	struct mproc_fd *fds[MPROC__ARGS_FDS] = {
		&go.fd0, &go.fd1, &go.fd2, &go.fd3
	};
	int i, r;

	for (i = 0; i < p->args_fds.n; i++)
		*fds[i] = MPROC_FD(p->args_fds.fd[i]);
	if (p->boot_notify >= 0)
		go.notify = MPROC_FD(p->boot_notify);
	r = mproc__control_send(p, MPROC__CONTROL, 0, MPROC_SCHEMA(ctl_go),
	    &go);
	mproc__close(p->boot_notify);
	p->boot_notify = -1;
	return r;
}

static void
close_launch(struct mproc__launch *l)
{
	int i;

	for (i = 0; i < MPROC__BOOT_FDS; i++)
		mproc__close(l->fd[i]);
	mproc__close(l->capture[0]);
	mproc__close(l->capture[1]);
}

static void
begin(struct mproc *p)
{
	p->status = MPROC_STATUS_STARTING;
	p->ready = p->stop_sent = p->exit_awaited = false;
	p->start_code = 0;
	p->start_text[0] = p->fault[0] = p->last_log[0] = '\0';
	p->death_text[0] = '\0';
	p->pong_id = p->ping_id;
	p->pong_ns = 0;
	p->started_ns = mproc__now_ns();
	p->start_deadline = mproc__deadline(p->opt.start_timeout_ms);
	p->total.generation++;
}

/*
 * Nothing was launched.  What was sent before the first start waits for the
 * next try, so the data channel stays, with both of its ends.
 */
static void
not_begun(struct mproc *p, struct mproc__launch *l)
{
	struct mproc__channel *data = p->data;
	int fd = l->fd[MPROC__BOOT_DATA];

	l->fd[MPROC__BOOT_DATA] = -1;
	close_launch(l);
	if (p->status == MPROC_STATUS_NEW)
		p->data = NULL;
	mproc__generation_free(p);
	if (p->status == MPROC_STATUS_NEW) {
		p->data = data;
		p->boot_data = fd;
	} else {
		mproc__close(fd);
	}
}

/* Launched, but it cannot be watched, or told what to do: it has to end. */
static int
undo(struct mproc *p, int r)
{
	unsigned generation = p->total.generation;

	mproc__close_channel(p, &p->control);	/* so a thread ends, too */
	p->control_eof = true;
	(void)mproc__child_signal(&p->child, SIGKILL);
	(void)mproc__wait(p, mproc__is_over, &generation,
	    mproc__deadline(UNDO_MS));
	return r;
}

static int
launch(struct mproc *p)
{
	struct mproc__launch l = {
		.how = p->opt.launch, .class = p->index.class,
		.name = p->name, .fd = { -1, -1, -1, -1 },
		.capture = { -1, -1 }, .keep_fds = p->keep_fds,
		.n_keep = p->n_keep,
		.sigint_default = p->opt.sigint == MPROC_SIGINT_DEFAULT
	};
	int r;

	if ((r = open_ends(p, &l)) < 0 ||
	    (r = mproc__launch(&l, &p->child)) < 0) {
		not_begun(p, &l);
		return r;
	}
	begin(p);
	p->led_events = UINT32_MAX;	/* who polls, polls too little now */
	mproc__stay_awake(p, MPROC__ASKED_READY);
	if ((p->child.pidfd >= 0 &&
	    (r = mproc__epoll_add(p, p->child.pidfd)) < 0) ||
	    ((r = send_go(p)) < 0 && r != -EPIPE))
		return undo(p, r);
	/* -EPIPE: dead already; who waits for `ready' hears why */
	mproc__futures_watch(p);
	mproc__interest(p);
	return 0;
}

static int
start_locked(struct mproc *p)
{
	if (p->status != MPROC_STATUS_NEW && p->status != MPROC_STATUS_DEAD)
		return mproc__err(-EALREADY, "%s was started already",
		    p->name);
	if (p->status == MPROC_STATUS_DEAD)
		mproc__generation_free(p);
	return launch(p);
}

static bool
is_settled(struct mproc *p, void *arg)
{
	return p->total.generation != *(unsigned *)arg ||
	    p->status != MPROC_STATUS_STARTING ||
	    (p->ready && p->start_code < 0);
}

/* Not ready: nothing is left running when the caller hears of it. */
static int
failed_start(struct mproc *p, int r)
{
	unsigned generation = p->total.generation;

	if (r == -ETIMEDOUT || mproc__wait(p, mproc__is_over, &generation,
	    mproc__min_deadline(p->start_deadline,
	    mproc__deadline(p->opt.stop_grace_ms))) < 0)
		(void)undo(p, 0);
	if (r == -ETIMEDOUT)
		return mproc__err(r, "%s was not ready within %d ms", p->name,
		    p->opt.start_timeout_ms);
	if (p->start_code < 0)
		return mproc__err(p->start_code, "%s did not start: %s",
		    p->name, p->start_text);
	if (atomic_load(&p->page->row) == MPROC__ROW_NO_CLASS)
		return mproc__err(-ENOENT, "class %s: the new program has not "
		    "loaded its module: load it before mproc_init()",
		    p->index.class->name);
	return mproc__err(-EPIPE, "%s died before it was ready: %s", p->name,
	    p->death_text);
}

static int
wait_ready(struct mproc *p, int64_t deadline, bool kill_it)
{
	unsigned generation = p->total.generation;
	int r;

	if (p->status == MPROC_STATUS_NEW)
		return mproc__err(-ENOTCONN, "%s was not started", p->name);
	if (p->ready && p->start_code >= 0 &&
	    p->status == MPROC_STATUS_DEAD)
		return mproc__err(-EPIPE, "%s is dead: %s", p->name,
		    p->death_text);
	r = mproc__wait(p, is_settled, &generation,
	    mproc__min_deadline(deadline, p->start_deadline));
	if (p->total.generation != generation)
		return mproc__err(-EPIPE, "%s ended before it was ready, and "
		    "was started again", p->name);
	/* that it may have ended since is another matter */
	if (p->ready && p->start_code >= 0)
		return 0;
	if (r == 0 && !kill_it && p->status == MPROC_STATUS_STOPPING)
		return mproc__err(-ESHUTDOWN, "%s was asked to stop",
		    p->name);
	if (r == -ETIMEDOUT && !kill_it &&
	    mproc__now_ns() < p->start_deadline)
		return mproc__err(r, "%s is not ready yet", p->name);
	return failed_start(p, r);
}

int
mproc_start(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	if ((r = start_locked(p)) == 0)
		r = wait_ready(p, MPROC__NEVER, true);
	mproc__leave_calling(p);
	return r;
}

int
mproc_start_nowait(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	r = start_locked(p);
	mproc__leave_calling(p);
	return r;
}

int
mproc_wait_ready(struct mproc *p, int timeout_ms)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	r = wait_ready(p, mproc__deadline(timeout_ms), false);
	mproc__leave_calling(p);
	return r;
}
