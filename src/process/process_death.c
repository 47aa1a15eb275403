/*
 * process_death.c - what is done when a backend has died: everything that it
 * sent is taken in first, then the status, then all who wait are told.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "process/process.h"

/*
 * Until the kernel has no more (not until end of file: a grandchild may hold
 * the other end and live on).  Each fill takes what is there, and a dead
 * process writes no more, so this ends; the bound is for a grandchild that
 * goes on writing.
 */
#define DRAIN_ROUNDS	4096

/* Is there anything?  Without a system call where all have ended. */
static bool
look(struct pollfd *fds, nfds_t n)
{
	nfds_t i;

	for (i = 0; i < n && fds[i].fd < 0; i++)
		;
	return i < n && poll(fds, n, 0) > 0;
}

static void
drain(struct mproc *p)
{
	struct pollfd fds[5];
	int i;

	for (i = 0; i < DRAIN_ROUNDS; i++) {
		fds[0] = (struct pollfd){ p->control_eof ? -1 :
		    mproc__channel_fd(p->control), POLLIN, 0 };
		fds[1] = (struct pollfd){ p->log_eof ? -1 : p->log_fd,
		    POLLIN, 0 };
		fds[2] = (struct pollfd){ p->data_eof ? -1 :
		    mproc__channel_fd(p->data), POLLIN, 0 };
		fds[3] = (struct pollfd){ p->capture[0], POLLIN, 0 };
		fds[4] = (struct pollfd){ p->capture[1], POLLIN, 0 };
		if (!look(fds, 5) && (p->data_eof ||
		    !mproc__channel_pending(p->data)))
			return;
		if (fds[0].revents)
			mproc__read_control(p);
		if (fds[1].revents)
			mproc__read_log(p);
		if (fds[2].revents)
			mproc__read_data(p);
		else
			(void)mproc__read_ring(p);
		if (fds[3].revents)
			mproc__read_capture(p, 0);
		if (fds[4].revents)
			mproc__read_capture(p, 1);
	}
}

static void
put_cause(struct mproc *p, const struct mproc_death *d, char *buf,
    size_t size)
{
	if (p->fault[0] != '\0')
		(void)snprintf(buf, size, "was killed for a breach of "
		    "protocol: %s", p->fault);
	else if (!d->known)
		(void)snprintf(buf, size, "ended, its exit status was taken "
		    "by somebody else");
	else if (d->signal != 0)
		(void)snprintf(buf, size, "was killed by SIG%s%s",
		    sigabbrev_np(d->signal) != NULL ?
		    sigabbrev_np(d->signal) : "?",
		    d->core ? " (core dumped)" : "");
	else
		(void)snprintf(buf, size, "exited with status %d",
		    d->exit_code);
}

static void
put_text(struct mproc *p)
{
	const struct mproc_death *d = &p->death;
	const char *cls = p->index.class->name;
	char cause[200], where[80] = "";
	bool same = strcmp(cls, p->name) == 0;	/* no name was given */
	int n = 0;

	put_cause(p, d, cause, sizeof(cause));
	if (d->command[0] != '\0')
		n = snprintf(where, sizeof(where), " in c__%s", d->command);
	if (n > 0 && (size_t)n < sizeof(where) && d->value >= 0)
		(void)snprintf(where + n, sizeof(where) - (size_t)n,
		    " at value %lld", (long long)d->value);
	(void)snprintf(p->death_text, sizeof(p->death_text),
	    "%s%s%s (pid %d) %s%s after %lld ms", cls, same ? "" : " ",
	    same ? "" : p->name, (int)p->child.pid, cause, where,
	    (long long)d->uptime_ms);
}

static void
record(struct mproc *p, const struct mproc__exit *ex)
{
	struct mproc_death *d = &p->death;

	memset(d, 0, sizeof(*d));
	d->known = ex->known;
	d->signal = ex->known ? ex->signal : 0;
	d->exit_code = ex->known ? ex->exit_code : -1;
	d->core = ex->core;
	d->uptime_ms = (mproc__now_ns() - p->started_ns) / 1000000;
	mproc__page_command(p, p->death_command, sizeof(p->death_command));
	d->command = p->death_command;
	d->value = -1;
	if (d->command[0] != '\0') {
		d->msg_id = mproc__page_get(&p->page->msg_id);
		d->value = (int64_t)mproc__page_get(&p->page->value) - 1;
	}
	d->last_log = p->last_log;
	d->text = p->death_text;
	put_text(p);
}

struct mproc_death *
mproc__death_dup(const struct mproc_death *death)
{
	const char *from[3] = { death->command, death->last_log, death->text };
	const char **to[3];
	struct mproc_death *d;
	size_t size = sizeof(*d);
	char *at;
	int i;

	for (i = 0; i < 3; i++)
		size += strlen(from[i]) + 1;
	if ((d = malloc(size)) == NULL)
		return NULL;
	*d = *death;
	to[0] = &d->command;
	to[1] = &d->last_log;
	to[2] = &d->text;
	for (i = 0, at = (char *)(d + 1); i < 3; i++) {
		*to[i] = at;
		at = stpcpy(at, from[i]) + 1;
	}
	return d;
}

void
mproc__on_death(struct mproc *p)
{
	struct mproc__exit ex = { .exit_code = -1 };

	drain(p);
	if (mproc__child_reap(&p->child, &ex) == -EAGAIN)
		return;		/* not quite: the next round comes soon */
	record(p, &ex);
	mproc__stats_close(p);
	mproc__close_channel(p, &p->data);
	mproc__close_channel(p, &p->control);
	mproc__capture_free(p);
	p->data_eof = p->control_eof = true;
	p->retry_ns = p->eof_deadline = MPROC__NEVER;
	p->status = MPROC_STATUS_DEAD;
	mproc__futures_fail(p, -EPIPE, p->death_text);
}
