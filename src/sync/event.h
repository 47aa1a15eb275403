/*
 * event.h - what groups do with an event's word.
 *
 * Layer: base, private to src/sync.  `generation` 0 stands for any holder.
 */
#ifndef MPROC_SYNC_EVENT_H
#define MPROC_SYNC_EVENT_H

#include "sync/share.h"

/* States of an event; above MPROC__EV_SET: aborted, see mproc__ev_abort. */
#define MPROC__EV_CLEAR	0U
#define MPROC__EV_SET	1U
#define MPROC__EV_CODE_MAX 4095

/* The state in which waits end with `code` */
static inline uint32_t
mproc__ev_abort(int code)
{
	return (uint32_t)(1 - code);
}

/* 0, -ESTALE (nothing changed), or -EBADF (changed, but not rung) */
int	mproc__event_change(struct mproc_event *ev, uint32_t generation,
	    uint32_t state);
/* As mproc_event_group_wait(), which see; abort_fd -1 for none */
int	mproc__event_wait(struct mproc_event *ev, uint32_t generation,
	    int abort_fd, int timeout_ms);

/* Reserve and clear: the new generation, 0 if it was not free */
uint32_t mproc__event_reserve(struct mproc_event *ev);
/* 0 or -ESTALE */
int	mproc__event_release(struct mproc_event *ev, uint32_t generation);
/* The present holder's generation, 0 if free */
uint32_t mproc__event_holder(const struct mproc_event *ev);
/* Bring the eventfd in line with the word: 0 or -EBADF */
int	mproc__event_settle(struct mproc_event *ev);

#endif
