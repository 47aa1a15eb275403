/*
 * mproc/sync.h - events and locks that processes share, groups of events, and
 * waits that survive signals.
 *
 * Layer: base.  Knows no processes: whoever knows that a peer died ends the
 * waits on it with an abort, or gives the wait a descriptor to watch.
 *
 * Life cycle:
 *  1. mproc_event_group_new() makes n events before the processes that use
 *     them; a process forked later has them at the same address.
 *  2. The frontend reserves an event, sends its index in a message, and
 *     waits; the backend sets it by that index.  MPROC_SYNC_INDEX does this
 *     as one block.
 *  3. The frontend releases the event, and frees the group at the end.
 * A single event is mproc_event_new(), set, clear, wait, free.
 *
 * Where a backend does not inherit memory (MPROC_SPAWN, MPROC_FORKSERVER,
 * another program) the descriptors of mproc_event_group_fds() travel to it,
 * in `.keep_fds` or a message, and mproc_event_group_from_fds() makes the
 * same events of them.  There are no names, so nothing is left behind.
 *
 * Threads and processes: every function may be called by many at a time,
 * except free, which comes last.  Freeing gives back this process's share.
 * None may be called from a signal handler.
 */
#ifndef MPROC_SYNC_H
#define MPROC_SYNC_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------- one event */

/* A flag that processes set, clear and wait for. */
struct mproc_event;

/*
 * struct mproc_event_options - how to make an event or a group; zero is the
 * default of each.
 *
 * @selectable  give each event a descriptor for select, poll and epoll; an
 *              eventfd(2) an event.  Default: no, one futex word an event
 */
struct mproc_event_options {
	bool	selectable;
};

/*
 * mproc_event_new - make an event, not set.
 *
 * @options  may be NULL; borrowed until return
 * @ret_ev   new: free with mproc_event_free()
 *
 * Costs one descriptor, two when selectable.
 * Returns 0, or -ENOMEM, -EMFILE, -ENFILE, -EINVAL (ret_ev is NULL).
 */
int mproc_event_new(const struct mproc_event_options *options,
    struct mproc_event **ret_ev);

/*
 * mproc_event_set - set the event: all who wait for it go on, and those who
 * come later do not wait, until it is cleared.
 *
 * Those who waited in mproc_event_wait() go on even if it is cleared at once.
 * Setting twice is setting once.
 *
 * Returns 0, or
 *   -EINVAL  ev is NULL
 *   -EBADF   the event is selectable, but its descriptor is not in this
 *            process (it was not in `.keep_fds`): waiters in
 *            mproc_event_wait() went on, those in poll(2) did not
 */
int mproc_event_set(struct mproc_event *ev);

/* mproc_event_clear - back to not set; also ends an abort.  As above. */
int mproc_event_clear(struct mproc_event *ev);

/* mproc_event_is_set - is it set?  Does not wait.  NULL is not set. */
bool mproc_event_is_set(const struct mproc_event *ev);

/*
 * mproc_event_abort - end all waits, now and until the event is set or
 * cleared, with an error: nobody is left who could set it.
 *
 * @code  what the waits return; shape: a negative errno, -4095 to -1
 *
 * An event that is set stays set.  Returns as mproc_event_set().
 */
int mproc_event_abort(struct mproc_event *ev, int code);

/*
 * mproc_event_wait - wait until the event is set; leaves it set.
 *
 * @timeout_ms  unit: milliseconds; 0 only looks, -1 waits without limit.
 *              Signals do not end the wait and do not prolong it
 *
 * Returns 0, or
 *   -ETIMEDOUT  it was not set in time
 *   -EINVAL     ev is NULL
 *   the code of mproc_event_abort()
 */
int mproc_event_wait(struct mproc_event *ev, int timeout_ms);

/*
 * mproc_event_wait_fd - the same, and give up when a descriptor says so.
 *
 * @abort_fd  borrowed; the wait ends when it is readable, hung up or bad,
 *            such as a pidfd of the process that is to set the event, or
 *            the read end of a pipe whose write end only that process has
 *
 * Returns as mproc_event_wait(), also
 *   -EPIPE       abort_fd ended the wait, the event is not set
 *   -EOPNOTSUPP  the event is not selectable
 *   -EBADF       the event's own descriptor is not in this process
 */
int mproc_event_wait_fd(struct mproc_event *ev, int abort_fd,
    int timeout_ms);

/*
 * mproc_event_fd - the event's descriptor, for any select, poll, epoll.
 *
 * Level-triggered: readable while the event is set or aborted.  Do not read,
 * write or close it; clear the event with mproc_event_clear().
 *
 * Returns the descriptor, borrowed until free, or
 *   -EINVAL      ev is NULL
 *   -EOPNOTSUPP  the event is not selectable
 *   -EBADF       it is not in this process (it was not in `.keep_fds`)
 */
int mproc_event_fd(struct mproc_event *ev);

/*
 * mproc_event_fds, mproc_event_from_fds - hand an event to a process that
 * did not inherit it; exactly as mproc_event_group_fds() and
 * mproc_event_group_from_fds() for a group of one.
 */
int mproc_event_fds(struct mproc_event *ev, int *fds, int max);
int mproc_event_from_fds(const int *fds, int n_fds,
    struct mproc_event **ret_ev);

/*
 * mproc_event_free - give back this process's share; NULL is fine, an event
 * of a group is left to its group.  Returns NULL.
 */
struct mproc_event *mproc_event_free(struct mproc_event *ev);

/* ---------------------------------------------------------- event groups */

/* n events, handed out one by one. */
struct mproc_event_group;

#define MPROC_EVENT_GROUP_MAX	4096

/*
 * Tokens.  A reservation is an int64_t: index plus generation, so that a
 * token given back cannot touch the event's next holder.  Everything that
 * takes a token also takes a bare index, 0 to n - 1, which stands for
 * whoever holds the event now; messages may carry either.
 */

/* mproc_token_index - the index in a token, or the bare index itself. */
static inline int
mproc_token_index(int64_t token)
{
	return (int)(token & 0xffffffff);
}

/*
 * mproc_event_group_new - make n events, all free.
 *
 * @n        shape: 1 to MPROC_EVENT_GROUP_MAX
 * @options  may be NULL; borrowed until return
 * @ret_eg   new: free with mproc_event_group_free()
 *
 * Costs one descriptor, and one for each event when selectable.
 * Returns 0, or -EINVAL (n, ret_eg), -ENOMEM, -EMFILE, -ENFILE.
 */
int mproc_event_group_new(int n, const struct mproc_event_options *options,
    struct mproc_event_group **ret_eg);

/* mproc_event_group_free - as mproc_event_free(); NULL is fine. */
struct mproc_event_group *mproc_event_group_free(
    struct mproc_event_group *eg);

/*
 * mproc_event_group_reserve - take a free event, cleared, for yourself.
 *
 * @ret_token  written on success: give it back with
 *             mproc_event_group_release()
 *
 * The event that has been free longest comes about first.
 *
 * Returns 0, or
 *   -EAGAIN  not enough events: all are reserved
 *   -EINVAL  eg or ret_token is NULL
 *   -EBADF   as mproc_event_set(); nothing reserved
 */
int mproc_event_group_reserve(struct mproc_event_group *eg,
    int64_t *ret_token);

/*
 * mproc_event_group_reserve_wait - the same, and wait for a release.
 *
 * @timeout_ms  unit: milliseconds; 0 does not wait, -1 has no limit
 *
 * Returns as mproc_event_group_reserve(), -ETIMEDOUT in place of -EAGAIN.
 */
int mproc_event_group_reserve_wait(struct mproc_event_group *eg,
    int timeout_ms, int64_t *ret_token);

/*
 * mproc_event_group_release - give an event back.
 *
 * Whoever still waits for it by token gets -ESTALE.
 *
 * Returns 0, or
 *   -ESTALE  not reserved, or not by this token: released already, or the
 *            token of another group.  Nothing changed
 *   -EINVAL  no such index, or eg is NULL
 */
int mproc_event_group_release(struct mproc_event_group *eg, int64_t token);

/* The same for an int, for those who carry the index only. */
int mproc_event_group_release_index(struct mproc_event_group *eg, int index);

/*
 * mproc_event_group_set - set an event, in any process.
 *
 * Returns 0, or
 *   -ESTALE  the token was released meanwhile; nothing changed.  A bare
 *            index is never stale, also a free event can be set
 *   -EINVAL  no such index, or eg is NULL
 *   -EBADF   as mproc_event_set()
 */
int mproc_event_group_set(struct mproc_event_group *eg, int64_t token);

/*
 * mproc_event_group_abort - as mproc_event_abort(), by token; every reserved
 * event with the token MPROC_EVENT_ALL.  Returns as mproc_event_group_set().
 */
#define MPROC_EVENT_ALL	INT64_C(-1)
int mproc_event_group_abort(struct mproc_event_group *eg, int64_t token,
    int code);

/*
 * mproc_event_group_wait - wait for an event by token.
 *
 * @abort_fd    as mproc_event_wait_fd(), or -1 for none
 * @timeout_ms  unit: milliseconds; 0 only looks, -1 waits without limit
 *
 * Returns as mproc_event_wait() and mproc_event_wait_fd(), also -ESTALE (the
 * token was released, before or meanwhile; with an abort_fd, a release
 * meanwhile is noticed at the end only) and -EINVAL (no such index).
 */
int mproc_event_group_wait(struct mproc_event_group *eg, int64_t token,
    int abort_fd, int timeout_ms);

/*
 * mproc_event_group_from_index - the event of an index or token.
 *
 * @ret_ev  borrowed from the group until its free; also of a free event
 *
 * Returns 0, or -EINVAL (no such index; eg or ret_ev is NULL).
 */
int mproc_event_group_from_index(struct mproc_event_group *eg,
    int64_t token, struct mproc_event **ret_ev);

/*
 * mproc_event_group_as_index - the index of one of the group's events.
 *
 * Returns the index, or -EINVAL (ev is of another group, or one is NULL).
 */
int mproc_event_group_as_index(const struct mproc_event_group *eg,
    const struct mproc_event *ev);

/*
 * mproc_event_group_token - the token of an index's present holder, for
 * those who were handed the index alone.
 *
 * @ret_token  written on success
 *
 * Returns 0, or -ESTALE (the event is free), -EINVAL (no such index; a
 * pointer is NULL).
 */
int mproc_event_group_token(const struct mproc_event_group *eg, int index,
    int64_t *ret_token);

/*
 * mproc_event_group_stat - how many are free, and how many there are; either
 * pointer may be NULL.  Exact while nobody reserves.  0, or -EINVAL.
 */
int mproc_event_group_stat(const struct mproc_event_group *eg,
    int *ret_free, int *ret_total);

/*
 * mproc_event_group_print - which are free and which reserved:
 * "<EventGroup: f0 R1 >".
 *
 * @buf   at least size bytes, always terminated if size > 0
 *
 * Returns the length of the whole text, like snprintf(3), or -EINVAL.
 */
int mproc_event_group_print(const struct mproc_event_group *eg, char *buf,
    size_t size);

/*
 * mproc_event_group_fds - the descriptors that make up the group.
 *
 * @fds  room for `max`; written: the memory first, then each event's own if
 *       selectable.  Borrowed: for `.keep_fds`, or MPROC_FD() in a message
 *
 * Returns their number (1, or 1 + n), or
 *   -EINVAL    eg or fds is NULL
 *   -EMSGSIZE  more than max; nothing written
 *   -EBADF     they were closed in this process
 */
int mproc_event_group_fds(struct mproc_event_group *eg, int *fds, int max);

/*
 * mproc_event_group_from_fds - the group that another process made.
 *
 * @fds     borrowed (duplicated): as mproc_event_group_fds() gave them, the
 *          numbers may differ.  With the first one alone the events work,
 *          but setting a selectable one gives -EBADF, having woken none of
 *          those in poll(2)
 * @n_fds   shape: 1, or 1 + the group's n
 * @ret_eg  new: free with mproc_event_group_free()
 *
 * Returns 0, or
 *   -EINVAL   arguments, or n_fds does not fit the group
 *   -EBADMSG  the first is not the memory of a group, or its size could
 *             still change
 *   -EPROTO   made by another version of the library
 *   -ENOMEM, -EMFILE, -EBADF
 */
int mproc_event_group_from_fds(const int *fds, int n_fds,
    struct mproc_event_group **ret_eg);

/* ------------------------------------------------------- the scoped form */

/*
 * struct mproc_sync_options - the optional arguments of MPROC_SYNC_INDEX.
 *
 * @abort_fd  as mproc_event_wait_fd(); 0 for none.  Wants a selectable group
 */
struct mproc_sync_options {
	int	abort_fd;
};

/*
 * MPROC_SYNC_INDEX - send the other side an event's index, and be held until
 * it has set the event:
 *
 *	int r;
 *
 *	MPROC_SYNC_INDEX(eg, sync, 1000, &r) {
 *		mproc_send(p, camera_snapshot, .sync = sync);
 *	}
 *	if (r < 0)
 *		...
 *
 * @eg          borrowed
 * @index       the name of an int that the block sees: the reserved index
 * @timeout_ms  unit: milliseconds; how long to wait after the block has come
 *              to its end; 0 does not wait, -1 waits without limit
 * @result      int *, may be NULL: 0, the event was set; else
 *   -EAGAIN     not enough events; the block did not run
 *   -EOPNOTSUPP abort_fd, but the group is not selectable; it did not run
 *   -EINVAL     eg is NULL; it did not run
 *   -EBADF      as mproc_event_group_reserve(); it did not run
 *   -ETIMEDOUT  it was not set in time
 *   -EPIPE      abort_fd: the other side is gone
 *   -ECANCELED  the block was left by break, return or goto
 *   the code of mproc_event_group_abort()
 * Then: .abort_fd = fd, in the form of struct mproc_sync_options.
 *
 * The event is released in every case.  Leaving the block by break, return
 * or goto does not wait; `continue` ends it, as its last line does.  An event
 * set late, after a time-out, may reach the event's next holder, for an index
 * has no generation: send mproc_event_group_token() where that matters.
 */
#define MPROC_SYNC_INDEX(eg, index, timeout_ms, result, ...)		\
	mproc__SYNC_SCOPE(mproc__SYNC_NAME(mproc__sync_, __LINE__),	\
	    mproc__SYNC_NAME(mproc__once_, __LINE__), eg, index,	\
	    timeout_ms, result, __VA_ARGS__)

/* The rest of this section is for MPROC_SYNC_INDEX; every field is private. */
struct mproc_sync_scope {
	struct mproc_event_group *eg;
	int64_t	 token;
	int	 timeout_ms;
	int	 abort_fd;
	int	*result;
	bool	 open;		/* reserved and not yet released */
};
struct mproc_sync_scope mproc_sync_begin(struct mproc_event_group *eg,
    int timeout_ms, int *result, struct mproc_sync_options options);
void mproc_sync_finish(struct mproc_sync_scope *sync);	/* wait, release */
void mproc_sync_leave(struct mproc_sync_scope *sync);	/* release */

#define mproc__SYNC_NAME(a, b)	mproc__SYNC_NAME2(a, b)
#define mproc__SYNC_NAME2(a, b)	a##b
/*
 * The outer loop runs once and holds the clean-up; the inner one, which a
 * break of the block leaves, waits in its step.
 */
#define mproc__SYNC_SCOPE(sync, once, eg, index, timeout_ms, result, ...) \
	for (struct mproc_sync_scope sync				\
	    __attribute__((cleanup(mproc_sync_leave))) =		\
	    mproc_sync_begin((eg), (timeout_ms), (result),		\
	    mproc__SYNC_OPTIONS(__VA_ARGS__)), *once = &sync;		\
	    once != NULL; once = NULL)					\
		for (int index = mproc_token_index(sync.token);		\
		    sync.open;						\
		    (void)index, mproc_sync_finish(&sync))
#define mproc__SYNC_OPTIONS(...) (struct mproc_sync_options){ __VA_ARGS__ }

/* ----------------------------------------------------------------- locks */

/*
 * A lock in shared memory, which outlives whoever dies holding it.
 *
 * Those who share it trust each other: its memory is writable for all.  A
 * thread holds it, not a process; the lock of a thread that ends is freed.
 */
struct mproc_lock;

/*
 * struct mproc_lock_options - zero is the default.
 *
 * @recursive  a thread may acquire it again, and releases it as often
 */
struct mproc_lock_options {
	bool	recursive;
};

/*
 * mproc_lock_new - make a lock, free.
 *
 * @options   may be NULL; borrowed until return
 * @ret_lock  new: free with mproc_lock_free(); processes forked later have
 *            it, too, others get mproc_lock_fd()
 *
 * Costs one descriptor.
 * Returns 0, or -ENOMEM, -EMFILE, -ENFILE, -EINVAL (ret_lock is NULL).
 */
int mproc_lock_new(const struct mproc_lock_options *options,
    struct mproc_lock **ret_lock);

/*
 * mproc_lock_acquire - wait until the lock is free, and take it.
 *
 * @timeout_ms  unit: milliseconds; 0 only tries, -1 waits without limit
 *
 * Returns 0, or
 *   -EOWNERDEAD  it is yours, too; but its last owner died with it, so what
 *                it guards may be half changed.  Nobody else is told
 *   -EAGAIN      somebody has it (timeout_ms 0);  -ETIMEDOUT, for so long
 *   -EDEADLK     this thread has it, and it is not recursive
 *   -EOVERFLOW   this thread has it too often
 *   -EINVAL      lock is NULL
 */
int mproc_lock_acquire(struct mproc_lock *lock, int timeout_ms);

/* mproc_lock_release - 0, -EPERM (this thread does not have it), -EINVAL. */
int mproc_lock_release(struct mproc_lock *lock);

/*
 * mproc_lock_fd - the memory of the lock, for a message, start arguments or
 * `.keep_fds`; borrowed until free.  Or -EINVAL, -EBADF (closed here).
 * mproc_lock_from_fd - the same lock, of such a descriptor, which is borrowed
 * (duplicated).  Returns 0, or -EINVAL, -EBADMSG (no lock), -EPROTO (another
 * version of the library, or another C library), -ENOMEM, -EMFILE, -EBADF.
 */
int mproc_lock_fd(const struct mproc_lock *lock);
int mproc_lock_from_fd(int fd, struct mproc_lock **ret_lock);

/* mproc_lock_free - this process's share; not while held.  Returns NULL. */
struct mproc_lock *mproc_lock_free(struct mproc_lock *lock);

/*
 * MPROC_LOCKED - a block that runs with the lock, which is released however
 * the block is left but by longjmp(3):
 *
 *	MPROC_LOCKED(lock, 1000, &r)
 *		(*count)++;
 *
 * @result  int *, may be NULL: what mproc_lock_acquire() returned; the block
 *          runs if that is 0 or -EOWNERDEAD
 */
#define MPROC_LOCKED(lock, timeout_ms, result)				\
	mproc__LOCK_SCOPE(mproc__SYNC_NAME(mproc__lock_, __LINE__),	\
	    mproc__SYNC_NAME(mproc__in_, __LINE__), lock, timeout_ms, result)

/* The rest of this section is for MPROC_LOCKED; every field is private. */
struct mproc_lock_scope {
	struct mproc_lock *lock;	/* NULL: not acquired */
};
struct mproc_lock_scope mproc_lock_begin(struct mproc_lock *lock,
    int timeout_ms, int *result);
void mproc_lock_leave(struct mproc_lock_scope *scope);

#define mproc__LOCK_SCOPE(scope, in, lock_, timeout_ms, result)		\
	for (struct mproc_lock_scope scope				\
	    __attribute__((cleanup(mproc_lock_leave))) =		\
	    mproc_lock_begin((lock_), (timeout_ms), (result)),		\
	    *in = scope.lock != NULL ? &scope : NULL;			\
	    in != NULL; in = NULL)

/* -------------------------------------------------- waits against signals */

/*
 * mproc_select - select(2) with a deadline, which signals neither end nor
 * prolong.
 *
 * @nfds        shape: 0 to FD_SETSIZE
 * @timeout_ms  unit: milliseconds; 0 only looks, -1 waits without limit
 *
 * Returns the number of ready descriptors, 0 at the time-out (all sets are
 * then empty), or -EBADF, -EINVAL, -ENOMEM (the sets are as before).
 */
int mproc_select(int nfds, fd_set *readfds, fd_set *writefds,
    fd_set *exceptfds, int timeout_ms);

/*
 * mproc_poll - poll(2), the same way.
 *
 * @fds  borrowed until return; NULL is fine if n is 0
 *
 * Returns the number of entries with revents, 0 at the time-out, or -EINVAL
 * (more than the descriptor limit), -ENOMEM.
 */
int mproc_poll(struct pollfd *fds, size_t n, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
