/*
 * process.c - the handle of a process: made, asked, freed.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/process.h"

#define DEFAULT_START_MS	10000
#define DEFAULT_GRACE_MS	2000
#define DEFAULT_BLOCK_MS	5000
#define DEFAULT_LOG_BLOCK_MS	100
#define DEFAULT_MAX_MESSAGE	(256LL << 20)
#define DEFAULT_MESSAGES	131072
#define DEFAULT_BYTES		(64LL << 20)
/* Another build can try the tests on the other one (`./dev ring`). */
#ifndef MPROC__DEFAULT_CHANNEL
#define MPROC__DEFAULT_CHANNEL	MPROC_SOCKET
#endif
#define DEFAULT_RING		(4LL << 20)
#define DEFAULT_SPIN_US		50
#define MAX_NAME		63
#define WORK_EVERY		64	/* messages from the inbox */

/* Where one runs the other does not: looking for it would be in its way. */
static bool
one_processor(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 &&
	    CPU_COUNT(&set) == 1;
}

static void
defaults(struct mproc_options *o)
{
	if (o->start_timeout_ms == 0)
		o->start_timeout_ms = DEFAULT_START_MS;
	if (o->stop_grace_ms == 0)
		o->stop_grace_ms = DEFAULT_GRACE_MS;
	if (o->block_ms == 0)
		o->block_ms = DEFAULT_BLOCK_MS;
	if (o->log_block_ms == 0)
		o->log_block_ms = DEFAULT_LOG_BLOCK_MS;
	if (o->max_message == 0)
		o->max_message = DEFAULT_MAX_MESSAGE;
	if (o->max_message < 0 || o->max_message > UINT32_MAX)
		o->max_message = UINT32_MAX;	/* what a length can say */
	if (o->mailbox_messages == 0)
		o->mailbox_messages = DEFAULT_MESSAGES;
	if (o->mailbox_bytes == 0)
		o->mailbox_bytes = DEFAULT_BYTES;
	if (o->inbox_messages == 0)
		o->inbox_messages = DEFAULT_MESSAGES;
	if (o->inbox_bytes == 0)
		o->inbox_bytes = DEFAULT_BYTES;
	if (o->log_level == MPROC_LEVEL_DEFAULT)
		o->log_level = MPROC_INFO;
	if (o->channel == MPROC_CHANNEL_DEFAULT)
		o->channel = MPROC__DEFAULT_CHANNEL;
	if (o->ring_bytes == 0)
		o->ring_bytes = DEFAULT_RING;
	if (o->spin_us == 0)
		o->spin_us = DEFAULT_SPIN_US;
	if (o->spin_us < 0 || one_processor())
		o->spin_us = 0;
}

static int
check_options(const struct mproc_options *o)
{
	const char *bad = NULL;

	if (o->launch < MPROC_AUTO || o->launch > MPROC_THREAD)
		bad = ".launch";
	else if (o->channel < MPROC_CHANNEL_DEFAULT ||
	    o->channel > MPROC_RING)
		bad = ".channel";
	else if (o->overflow < MPROC_BLOCK || o->overflow > MPROC_DROP_NEW)
		bad = ".overflow";
	else if (o->emit_overflow < MPROC_BLOCK ||
	    o->emit_overflow > MPROC_DROP_NEW)
		bad = ".emit_overflow";
	else if (o->stop_mode < MPROC_DRAIN || o->stop_mode > MPROC_NOW)
		bad = ".stop_mode";
	else if (o->sigint < MPROC_SIGINT_IGNORE ||
	    o->sigint > MPROC_SIGINT_DEFAULT)
		bad = ".sigint";
	else if (o->log_level < MPROC_LEVEL_DEFAULT ||
	    o->log_level > MPROC_OFF)
		bad = ".log_level";
	else if (o->ring_bytes < 4096 || o->ring_bytes > 1 << 30 ||
	    (o->ring_bytes & (o->ring_bytes - 1)) != 0)
		bad = ".ring_bytes (a power of two from 4096 to 2^30)";
	else if (o->name != NULL && (o->name[0] == '\0' ||
	    strlen(o->name) > MAX_NAME))
		bad = ".name (1 to 63 bytes)";
	else if (o->launch == MPROC_THREAD && o->capture_output)
		bad = ".capture_output (a thread has no output of its own)";
	if (bad != NULL)
		return mproc__err(-EINVAL, "options: bad %s", bad);
	return 0;
}

static int
copy_keep_fds(struct mproc *p, const int *fds)
{
	int n;

	if (fds == NULL)
		return 0;
	for (n = 0; fds[n] >= 0; n++)
		if (fcntl(fds[n], F_GETFD) < 0)
			return mproc__err(-EBADF, "options: .keep_fds has %d, "
			    "which is not open", fds[n]);
	p->keep_fds = reallocarray(NULL, (size_t)n + 1, sizeof(*fds));
	if (p->keep_fds == NULL)
		return -ENOMEM;
	memcpy(p->keep_fds, fds, (size_t)n * sizeof(*fds));
	p->n_keep = n;
	return 0;
}

/* Start arguments are kept encoded: each generation gets the same. */
static int
encode_args(struct mproc *p, const struct mproc_pack *pack)
{
	struct mproc__fdset fds = { .n = 0 };
	int i, fd, r;

	if (pack->schema == NULL)
		return 0;
	r = mproc__encode(&p->args, MPROC__CAST, 0, pack->schema, pack->args,
	    NULL, (size_t)p->opt.max_message, &fds);
	if (r < 0)
		return r;
	if (fds.n > MPROC__ARGS_FDS)
		return mproc__err(-EINVAL, "options: .args has more than %d "
		    "descriptors", MPROC__ARGS_FDS);
	for (i = 0; i < fds.n; i++) {
		if ((fd = mproc__dup(fds.fd[i])) < 0)
			return fd;
		p->args_fds.fd[p->args_fds.n++] = fd;
	}
	return 0;
}

static struct mproc *
alloc(void)
{
	struct mproc *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	p->fork_generation = mproc__fork_generation();
	p->epfd = p->timerfd = p->boot_data = p->log_fd = -1;
	p->notify_fd = p->boot_notify = -1;
	p->capture[0] = p->capture[1] = p->child.pidfd = -1;
	p->armed_ns = p->retry_ns = p->eof_deadline = MPROC__NEVER;
	return p;
}

int
mproc_new(const struct mproc_class *cls, const struct mproc_options *options,
    struct mproc **ret_p)
{
	struct mproc *p;
	int r;

	if (ret_p == NULL)
		return mproc__err(-EINVAL, "no place for the process");
	if ((r = mproc_class_check(cls)) < 0)
		return r;
	if ((p = alloc()) == NULL)
		return -ENOMEM;
	if (options != NULL)
		p->opt = *options;
	defaults(&p->opt);
	if ((r = check_options(&p->opt)) < 0)
		goto fail;
	p->name = strdup(p->opt.name != NULL ? p->opt.name : cls->name);
	r = -ENOMEM;
	if (p->name == NULL || mproc__index_init(&p->index, cls) < 0)
		goto fail;
	if ((r = copy_keep_fds(p, p->opt.keep_fds)) < 0 ||
	    (r = encode_args(p, &p->opt.args)) < 0 ||
	    (r = mproc__open_data(p)) < 0)
		goto fail;
	p->opt.name = p->name;
	p->opt.keep_fds = p->keep_fds;
	p->opt.args = (struct mproc_pack){ 0 };	/* encoded above */
	*ret_p = p;
	return 0;

fail:
	mproc_free(p);
	return r;
}

void
mproc__release(struct mproc *p)
{
	struct mproc__log_item *item;
	int i;

	/* a fork of the host has not got the thread */
	if (p->fork_generation != mproc__fork_generation())
		p->child.box = NULL;
	p->reserved = false;
	p->kept = mproc__channel_free(p->kept);
	mproc__generation_free(p);
	mproc__inbox_clear(p);
	mproc__futures_done(p);
	while ((item = p->logs) != NULL) {
		p->logs = item->next;
		free(item);
	}
	for (i = 0; i < p->args_fds.n; i++)
		mproc__close(p->args_fds.fd[i]);
	mproc__buf_done(&p->args);
	mproc__close(p->epfd);
	mproc__close(p->timerfd);
	mproc__index_done(&p->index);
	pthread_mutex_destroy(&p->lock);
	free(p->keep_fds);
	free(p->name);
	free(p);
}

struct mproc *
mproc_free(struct mproc *p)
{
	bool later = false;

	if (p == NULL)
		return NULL;
	if (p->fork_generation == mproc__fork_generation()) {
		if (atomic_load(&p->context) != NULL)
			later = p->on_free(p);
		pthread_mutex_lock(&p->lock);
		(void)mproc__stop_locked(p);
		mproc__futures_fail(p, -ECANCELED, "the process was freed");
		mproc__leave_calling(p);
	}
	if (!later)
		mproc__release(p);
	return NULL;
}

/* What waits for the next receive. */
static bool
has_message(struct mproc *p, void *arg)
{
	(void)arg;
	return p->inbox != NULL || p->status == MPROC_STATUS_DEAD;
}

/* Above three quarters of a limit? */
static bool
above(uint64_t n, int64_t limit)
{
	return limit >= 0 && n > (uint64_t)limit - (uint64_t)(limit + 3) / 4;
}

void
mproc__give_room(struct mproc *p, size_t size)
{
	struct mproc__page *page = p->page;

	if (page == NULL)
		return;
	atomic_fetch_add(&page->taken, 1);
	atomic_fetch_add(&page->taken_bytes, size);
	if (atomic_load(&page->backend_waiting) == 0)
		return;
	if (p->control != NULL && mproc__channel_queued(p->control) > 0)
		return;		/* what it has not read yet is a doorbell, too */
	if (p->inbox != NULL && (above(p->inbox_count, p->opt.inbox_messages)
	    || above(p->inbox_bytes, p->opt.inbox_bytes)))
		return;		/* wake it for a quarter, not for each */
	atomic_store(&page->backend_waiting, 0);
	(void)mproc__control_send(p, MPROC__CREDIT, 0,
	    MPROC_SCHEMA(ctl_credit), &(struct ctl_credit){ });
}

static struct mproc_msg *
inbox_take(struct mproc *p)
{
	struct mproc_msg *msg = p->inbox;

	p->inbox = mproc__msg_next(msg);
	if (p->inbox == NULL)
		p->inbox_tail = NULL;
	mproc__msg_set_next(msg, NULL);
	p->inbox_count--;
	p->inbox_bytes -= mproc__msg_size(msg);
	p->own.received++;
	mproc__give_room(p, mproc__msg_size(msg));
	return msg;
}

int
mproc_recv(struct mproc *p, int timeout_ms, struct mproc_msg **ret_msg)
{
	int r;

	if (ret_msg == NULL)
		return mproc__err(-EINVAL, "no place for the message");
	if ((r = mproc__enter(p)) < 0)
		return r;
	if (p->status == MPROC_STATUS_NEW && timeout_ms < 0)
		r = mproc__err(-ENOTCONN, "%s was not started", p->name);
	else if (p->inbox == NULL)
		(void)mproc__wait(p, has_message, NULL,
		    mproc__deadline(timeout_ms));
	else if (p->own.received % WORK_EVERY == 0 || (p->data != NULL &&
	    mproc__channel_queued(p->data) > 0))
		mproc__work(p);		/* the rest must not starve */
	if (r == 0 && p->inbox != NULL) {
		*ret_msg = inbox_take(p);
		r = 1;
	} else if (r == 0 && p->status == MPROC_STATUS_DEAD) {
		r = mproc__err(-EPIPE, "%s is dead: %s", p->name,
		    p->death_text);
	}
	mproc__interest(p);
	mproc__leave_calling(p);
	return r;
}

int
mproc_fd(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	if ((r = mproc__set_open(p)) == 0) {
		p->fd_used = true;
		mproc__interest(p);
		r = p->epfd;
	}
	mproc__leave_calling(p);
	return r;
}

const struct mproc_death *
mproc_death(struct mproc *p)
{
	bool dead;

	if (mproc__enter(p) < 0)
		return NULL;
	if (p->status != MPROC_STATUS_DEAD)
		mproc__work(p);
	dead = p->status == MPROC_STATUS_DEAD;
	mproc__leave_calling(p);
	return dead ? &p->death : NULL;
}

int
mproc_death_print(struct mproc *p, char *buf, size_t size)
{
	const char *text = mproc_death(p) != NULL ? p->death_text : "";

	return snprintf(buf, size, "%s", text);
}

pid_t
mproc_pid(struct mproc *p)
{
	pid_t pid;

	if (mproc__enter(p) < 0)
		return 0;
	pid = p->status == MPROC_STATUS_DEAD ? 0 : p->child.pid;
	mproc__leave_calling(p);
	return pid;
}

int
mproc_pidfd(struct mproc *p)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	if (p->status == MPROC_STATUS_NEW)
		r = mproc__err(-ENOTCONN, "%s was not started", p->name);
	else if (p->child.pidfd < 0)
		r = mproc__err(-EOPNOTSUPP, "%s is a thread and has no "
		    "process descriptor", p->name);
	else
		r = p->child.pidfd;
	mproc__leave_calling(p);
	return r;
}

enum mproc_status
mproc_status(struct mproc *p)
{
	enum mproc_status status;

	if (mproc__enter(p) < 0)
		return MPROC_STATUS_DEAD;
	if (p->status != MPROC_STATUS_NEW && p->status != MPROC_STATUS_DEAD)
		mproc__work(p);
	status = p->status;
	mproc__leave_calling(p);
	return status;
}

const char *
mproc_status_name(enum mproc_status status)
{
	static const char *const names[] = {
		"new", "starting", "running", "stopping", "dead"
	};

	return status <= MPROC_STATUS_DEAD ? names[status] : "?";
}

const char *
mproc_name(const struct mproc *p)
{
	return p != NULL ? p->name : "";
}

const struct mproc_class *
mproc_class_of(const struct mproc *p)
{
	return p != NULL ? p->index.class : NULL;
}

const char *
mproc_errmsg(const struct mproc *p)
{
	(void)p;
	return mproc__err_text();
}
