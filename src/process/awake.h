/*
 * awake.h - to look for a moment before sleeping.
 *
 * Layer: core, process.  What the other side does in less time than a sleep
 * and a wake-up take is not worth a sleep.  Whether that is so is learnt, for
 * each kind of wait, of all processes together, as one of them may not live
 * for long.
 */
#ifndef MPROC_PROCESS_AWAKE_H
#define MPROC_PROCESS_AWAKE_H

#include <poll.h>
#include <stdint.h>

enum mproc__asked {
	MPROC__ASKED_READY, MPROC__ASKED_PONG, MPROC__ASKED_END,
	MPROC__ASKED_KINDS
};

struct mproc__awake {
	enum mproc__asked what;
	int64_t	until;		/* 0: it is not worth it */
};

/*
 * It has just been asked for.  Who waits looks for spin_us (0: never), twice
 * as long for what a fork or an exit takes.
 */
void	mproc__awake_for(struct mproc__awake *, enum mproc__asked,
	    int spin_us);
/* poll(2), but awake until then. */
int	mproc__awake_poll(const struct mproc__awake *, struct pollfd *,
	    nfds_t n, int timeout);

#endif
