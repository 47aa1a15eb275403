/*
 * scope.c - what MPROC_SYNC_INDEX calls.
 *
 * The result is written when the block begins, as if it were left early, so
 * that leaving it needs no word.
 */
#include "sync/share.h"
#include "system/system.h"

static void
report(const struct mproc_sync_scope *sync, int r)
{
	if (sync->result != NULL)
		*sync->result = r;
}

struct mproc_sync_scope
mproc_sync_begin(struct mproc_event_group *eg, int timeout_ms, int *result,
    struct mproc_sync_options options)
{
	struct mproc_sync_scope sync = {
		.eg = eg,
		.timeout_ms = timeout_ms,
		.abort_fd = options.abort_fd > 0 ? options.abort_fd : -1,
		.result = result,
	};
	int r;

	if (eg != NULL && sync.abort_fd >= 0 && !eg->selectable)
		r = mproc__err(-EOPNOTSUPP, "MPROC_SYNC_INDEX: an abort_fd "
		    "wants a selectable event group");
	else
		r = mproc_event_group_reserve(eg, &sync.token);
	sync.open = r == 0;
	report(&sync, r < 0 ? r : -ECANCELED);
	return sync;
}

void
mproc_sync_leave(struct mproc_sync_scope *sync)
{
	/* Refused only if the block has released it already. */
	if (sync->open)
		(void)mproc_event_group_release(sync->eg, sync->token);
	sync->open = false;
}

void
mproc_sync_finish(struct mproc_sync_scope *sync)
{
	report(sync, mproc_event_group_wait(sync->eg, sync->token,
	    sync->abort_fd, sync->timeout_ms));
	mproc_sync_leave(sync);
}
