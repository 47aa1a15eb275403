/*
 * share.h - the memory and descriptors behind events.
 *
 * Layer: base, private to src/sync.  A group is one sealed memfd with a page
 * header and n slots, mapped in every process that takes part, and an
 * eventfd an event if selectable.  A single event is a group of one.
 */
#ifndef MPROC_SYNC_SHARE_H
#define MPROC_SYNC_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mproc/sync.h>

#include "sync/memory.h"

/*
 * One event in shared memory.  `word` is the whole truth, so that one
 * compare-and-swap reserves and clears, or sets only for the right holder:
 *
 *	bits 32..62  generation: how often reserved, from a random start
 *	bits 22..31  count of sets, for those who slept through set and clear
 *	bits 14..21  the generation's low bits: a sleeper sees a new holder
 *	bit  13      reserved
 *	bits  0..12  0 clear, 1 set, else aborted with -(this - 1)
 *
 * Waiters sleep on the low half.
 */
struct mproc__slot {
	_Atomic uint64_t word;
	_Atomic uint32_t waiters;	/* too high after a killed waiter */
	uint32_t	 unused;
};

struct mproc__events_page {
	uint32_t	 magic;
	uint32_t	 version;
	uint32_t	 n;
	uint32_t	 selectable;
	_Atomic uint32_t next;		/* where the search for a free one
					 * begins: oldest first, about */
	_Atomic uint32_t released;	/* counts releases; a futex */
	_Atomic uint32_t waiters;	/* in reserve_wait */
	uint32_t	 unused;
	struct mproc__slot slots[];
};

struct mproc_event {			/* this process's view of a slot */
	struct mproc_event_group *group;
	struct mproc__slot *slot;
	int	fd;			/* eventfd or -1 */
	int64_t	fd_id;			/* which eventfd, see share.c */
	_Atomic uint64_t fd_seen;	/* the last look at it, see share.c */
};

struct mproc_event_group {
	struct mproc__events_page *page;	/* memory.addr */
	struct mproc__memory memory;
	int	 n;			/* ours: the page's may be scribbled */
	bool	 selectable;
	bool	 single;		/* freed with its only event */
	unsigned made_in;		/* fork generation */
	struct mproc_event events[];
};

/*
 * The event's eventfd, checked to be still that in this process: the number,
 * -EOPNOTSUPP (not selectable) or -EBADF (closed here, or never given).
 */
int	mproc__event_own_fd(struct mproc_event *ev);

#endif
