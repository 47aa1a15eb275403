/*
 * captures.h (private) - records of certain processes taken out by logger
 * name, before the program's own sinks see them.
 *
 * Layer: base.  For a pool, which has one set for all its workers.
 *
 * A set is used by any thread, and by its own sinks' functions.  Each of its
 * entries is a logger that is in no tree, so that its sink is kept, called
 * and taken away as every other one.
 */
#ifndef MPROC_LOG_CAPTURES_H
#define MPROC_LOG_CAPTURES_H

#include <mproc/log.h>

struct mproc__log_capture;

/* Zero is its start. */
struct mproc__log_captures {
	struct mproc__log_capture *first;	/* the longest name first */
};

/*
 * Records named `name`, or below it, go to the sink, and on to the program's
 * only if `propagate`; of several names the longest counts.  Takes the place
 * of what there was for that name, without a gap.
 *
 * Returns 0, -EINVAL (the name is too long), or as mproc_log_add_sink().
 */
int	mproc__log_capture(struct mproc__log_captures *, const char *name,
	    const struct mproc_sink *, bool propagate);
/* 0, or -ENOENT; the sink is closed, as by mproc_log_remove_sink(). */
int	mproc__log_release(struct mproc__log_captures *, const char *name);
void	mproc__log_captures_done(struct mproc__log_captures *);

/*
 * Give a record to the set (which may be NULL).  True: that is all; false: it
 * is for mproc__log_dispatch(), too.
 */
bool	mproc__log_captured(struct mproc__log_captures *,
	    const struct mproc_log_record *);

#endif
