/*
 * mproc/process.h - the frontend: start a process of a class, talk to it,
 * stop it.
 *
 * Layer: core.  Life cycle:
 *  1. mproc_new() makes the handle; nothing runs yet, messages sent now wait.
 *  2. mproc_start() launches the backend and returns when it is ready.
 *  3. mproc_send(), mproc_call(), mproc_ask(), mproc_recv() talk.
 *  4. mproc_stop() ends it, in order and in bounded time; mproc_death() says
 *     how it ended.  mproc_start() may begin the next generation.
 *  5. mproc_free() stops what still runs and gives everything back.
 *
 * Threads: every function may be called from any thread, mproc_free() when
 * no other call is under way.  Times are int milliseconds; -1 means no
 * limit, 0 do not wait.  A process handle used in another process than the
 * one that made it gives -ECHILD.
 */
#ifndef MPROC_PROCESS_H
#define MPROC_PROCESS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include <mproc/class.h>
#include <mproc/future.h>
#include <mproc/log.h>
#include <mproc/message.h>

#ifdef __cplusplus
extern "C" {
/* As in C, mproc_fd() and struct mproc_fd are two things. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

struct mproc;

/* How the backend comes into being. */
enum mproc_launch {
	MPROC_AUTO,		/* fork server if mproc_init() was called, else
				 * fork while the program has one thread */
	MPROC_FORK,		/* fork of the calling process */
	MPROC_FORKSERVER,	/* by the helper that mproc_init() set aside */
	MPROC_SPAWN,		/* fork and exec of the same program */
	MPROC_THREAD		/* a thread of this process, for debuggers */
};

enum mproc_channel_kind {
	MPROC_CHANNEL_DEFAULT,	/* the library's choice: a socketpair */
	MPROC_SOCKET,
	MPROC_RING		/* shared memory; a socketpair rings for it */
};

/* What happens to a message for which the mailbox has no room. */
enum mproc_overflow {
	MPROC_BLOCK,		/* wait up to block_ms, then -ETIMEDOUT */
	MPROC_REJECT,		/* -EAGAIN at once */
	MPROC_DROP_OLD,		/* the oldest unsent cast goes, counted */
	MPROC_DROP_NEW		/* this one goes, counted; returns 0 */
};

enum mproc_stop_mode {
	MPROC_DRAIN,		/* handle what was sent before */
	MPROC_NOW		/* only the handler that runs */
};

enum mproc_sigint {
	MPROC_SIGINT_IGNORE,
	MPROC_SIGINT_DEFAULT
};

/*
 * struct mproc_options - zero is the default of every member; -1 means no
 * limit where a limit is meant.
 *
 * @name             of the process: titles, logs, errors; default the
 *                   class's name; copied
 * @launch, @channel, @overflow, @stop_mode, @sigint  see the enums
 * @args             start arguments, MPROC_PACK(message, .field = ...);
 *                   encoded by mproc_new(), read by mproc_start_args();
 *                   at most 4 descriptors in it
 * @keep_fds         descriptors that the child keeps under the same numbers,
 *                   ended by -1, at most 240 (start gives -E2BIG);
 *                   the numbers are copied, the descriptors borrowed at
 *                   each start
 * @start_timeout_ms from launch to ready; default 10000
 * @stop_grace_ms    each rung of the stop ladder; default 2000.  When this
 *                   process ends without a stop, by SIGKILL too, an idle
 *                   backend ends at once, and a handler that runs has so long
 *                   to return before its process is killed; -1: no limit
 * @block_ms         MPROC_BLOCK's limit; default 5000
 * @max_message      bytes of one message, both ways; default 256 MiB
 * @mailbox_messages messages sent and not yet handled; default 131072
 * @mailbox_bytes    their bytes; default 64 MiB; a message larger than this
 *                   passes when it is alone
 * @inbox_messages, @inbox_bytes  the same for what the backend emits and
 *                   nobody has received yet; same defaults
 * @emit_overflow    policy of mproc_emit() when the inbox is full
 * @log_level        of the backend; default MPROC_INFO
 * @log_block_ms     how long a backend waits for a full log lane before it
 *                   drops a record, counted; default 100
 * @capture_output   the backend's stdout and stderr come line by line as log
 *                   records of logger CLASS.NAME.stdout (INFO) and
 *                   CLASS.NAME.stderr (WARNING); two more descriptors
 * @batch            MPROC_SOCKET: a message may wait in the library, while
 *                   the other side has some that it has not handled, to be
 *                   written with others: until there are 32 KiB, or the next
 *                   call that finds the other side idle or that waits, or
 *                   mproc_flush(); mproc_fd() is readable meanwhile.  So do a
 *                   backend's replies and emits while it has more to handle
 *                   and all is handled within a tick of the clock (1 to
 *                   10 ms); they are late when the handler after that takes
 *                   long, and lost when it crashes or is killed.
 *                   Many times as many small messages a second; without it
 *                   each is written at once.  A ring does not need it
 * @ring_bytes       MPROC_RING: size of the ring, each way, a power of two;
 *                   default 4 MiB; a larger message goes through in pieces
 * @spin_us          how long a side that waits looks before it sleeps, in
 *                   microseconds; default 50 (what waking it costs), -1 never.
 *                   MPROC_RING: at the ring.  Both: for the end of a start,
 *                   a ping or a stop, twice as long for a start or an end.
 *                   It learns whether that is worth it, and does not where
 *                   there is one processor
 */
struct mproc_options {
	const char		*name;
	enum mproc_launch	 launch;
	enum mproc_channel_kind	 channel;
	enum mproc_overflow	 overflow;
	enum mproc_stop_mode	 stop_mode;
	enum mproc_sigint	 sigint;
	struct mproc_pack	 args;
	const int		*keep_fds;
	int			 start_timeout_ms;
	int			 stop_grace_ms;
	int			 block_ms;
	int64_t			 max_message;
	int64_t			 mailbox_messages;
	int64_t			 mailbox_bytes;
	int64_t			 inbox_messages;
	int64_t			 inbox_bytes;
	enum mproc_overflow	 emit_overflow;
	enum mproc_level	 log_level;
	int			 log_block_ms;
	bool			 capture_output;
	bool			 batch;
	int64_t			 ring_bytes;
	int			 spin_us;
};

/*
 * mproc_init - prepare the fork server and process titles; first thing in
 * main(), but after daemonising, dropping privileges and loading libraries
 * that hold classes: the helper stays as the program is now.
 *
 * In a program started by MPROC_SPAWN this call becomes the backend and does
 * not return.  Its main() was called with argv[0] alone, without the
 * program's arguments: what comes before this call must not need them, and
 * what a class needs of them goes into the start arguments.  Otherwise it
 * forks the small, single-threaded helper that MPROC_FORKSERVER (and
 * MPROC_AUTO) launch from; the helper ends with this process.  argv is
 * borrowed for ever (titles overwrite it).  In a backend
 * that the helper made, handlers of pthread_atfork(3) have not run.
 *
 * Returns 0, also when called again, or -errno of fork or socketpair, or
 *   -EBUSY    the program has more than one thread already
 *   -EBADMSG  the environment's MPROC_BACKEND was set by somebody else
 */
int mproc_init(int argc, char **argv);

/*
 * mproc_new - make a process handle; nothing is started.
 *
 * @cls     borrowed, must outlive the process; static storage
 * @options may be NULL: all defaults; copied
 * @ret_p   new: free with mproc_free()
 *
 * Returns 0, or -EINVAL, -EEXIST, -EPROTO (class or options are refused,
 * mproc_errmsg() says why), -ENOMEM, -EMFILE, -EAGAIN (MPROC_RING: this user
 * has too many descriptors on their way in sockets).
 */
int mproc_new(const struct mproc_class *cls,
    const struct mproc_options *options, struct mproc **ret_p);

/*
 * mproc_start - launch the backend; returns when it is ready (pre_run done).
 *
 * Returns 0, or -EALREADY (it runs), -ETIMEDOUT (not ready within
 * start_timeout_ms; it was killed), the code that pre_run returned, whose
 * words are in mproc_errmsg() (see mproc_backend_fail()), or -EREMOTEIO and
 * its number there, if it is no errno; -EPIPE (it died before it was ready:
 * see mproc_death()), -EOPNOTSUPP (AUTO in a program with threads,
 * FORKSERVER or SPAWN anywhere, without mproc_init(); an explicit FORK is
 * done as asked), -EINVAL (the class lies on the heap or a stack), -ENOENT
 * (its module was loaded after mproc_init()), or -errno of what launching
 * needs.  After a failure nothing is left running and start may be tried
 * again; what was sent before is lost with the backend that did not come up,
 * counted as dropped_dead, except when launching failed.
 */
int mproc_start(struct mproc *p);
/* The same in two steps; wait_ready: also -ENOTCONN when not started. */
int mproc_start_nowait(struct mproc *p);
int mproc_wait_ready(struct mproc *p, int timeout_ms);

/*
 * mproc_send - cast a message: queue it for the backend.
 *
 *	mproc_send(p, counter_add, .by = 3, .label = "x");
 *
 * Returns 0, or
 *   -EAGAIN     the mailbox is full (MPROC_REJECT)
 *   -ETIMEDOUT  it was full for block_ms (MPROC_BLOCK)
 *   -ESHUTDOWN  stop was requested
 *   -EPIPE      the backend is dead
 *   -ENOSYS     the class has no such command
 *   -EINVAL     the class takes another message under this name, or only by
 *               mproc_notify()
 *   -EMSGSIZE   larger than max_message;  -EBADF a bad MPROC_FD
 *   -ENOMEM, -EMFILE, -ECHILD
 * Nothing is queued on failure.  Sends before the start wait for it.
 */
#define mproc_send(p_, message_, ...)					\
	mproc__kwargs(message_, mproc_send_typed((p_),			\
	    MPROC_SCHEMA(message_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int mproc_send_typed(struct mproc *p, const struct mproc_schema *schema,
    const void *args);
/* The same for a message built with mproc_msg_new(); borrowed. */
int mproc_send_msg(struct mproc *p, const struct mproc_msg *msg);
/* Cast a received message on, under another command (NULL: its own). */
int mproc_forward(struct mproc *p, const struct mproc_msg *msg,
    const char *command);

/*
 * mproc_notify - send a notification: a message of a row that is `.urgent`.
 * It waits for no other message, and is handled also while a handler runs;
 * notifications are handled in the order of sending.
 *
 * @wait_ms  for room: some hundred small ones may wait to be handled
 *
 * Nothing of it is in the accounts.  What the backend has not handled when it
 * ends by mproc_stop() it still handles.
 *
 * Returns 0, or, with nothing sent,
 *   -EAGAIN     no room (wait_ms 0);  -ETIMEDOUT no room for wait_ms
 *   -ENOTCONN   not started;  -ESHUTDOWN stop was requested;  -EPIPE dead
 *   -ENOSYS     the class has no such command
 *   -EINVAL     the row is not urgent, or takes another message
 *   -EMSGSIZE   larger than 65536 bytes
 *   -ENOMEM, -ECHILD
 */
#define mproc_notify(p_, wait_ms_, message_, ...)			\
	mproc__kwargs(message_, mproc_notify_typed((p_), (wait_ms_),	\
	    MPROC_SCHEMA(message_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int mproc_notify_typed(struct mproc *p, int wait_ms,
    const struct mproc_schema *schema, const void *args);

/*
 * mproc_reserve - begin a cast whose payload is built where it is sent from:
 * in the ring itself if there is room, so that a large payload is not copied
 * once more.
 *
 *	void *at;
 *	mproc_reserve(p, &at, camera_frame, .seq = 7,
 *	    .pixels = MPROC_ROOM(1920 * 1080));
 *	grab(at);
 *	mproc_commit(p);
 *
 * @ret_at  room for the bytes of the one field that is MPROC_ROOM(size); not
 *          zeroed; yours until mproc_commit() or mproc_unreserve(), which the
 *          same thread calls, also when the backend has died meanwhile
 *
 * Other threads that send wait in the meantime as for a full mailbox, so be
 * quick; pings, receiving and stop go on.
 *
 * Returns 0, the codes of mproc_send(), or
 *   -EBUSY   this thread has reserved, and not committed (so says mproc_send()
 *            and relatives, too)
 *   -EINVAL  not exactly one field is MPROC_ROOM
 *   -EAGAIN  also: the overflow policy would have dropped it
 */
#define mproc_reserve(p_, ret_at_, message_, ...)			\
	mproc__kwargs(message_, mproc_reserve_typed((p_), (ret_at_),	\
	    MPROC_SCHEMA(message_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int mproc_reserve_typed(struct mproc *p, void **ret_at,
    const struct mproc_schema *schema, const void *args);
/*
 * Send what was reserved: 0, -EPIPE (the backend has died), -ENOMEM,
 * -EINVAL (this thread has reserved nothing).  Nothing is reserved afterwards.
 */
int mproc_commit(struct mproc *p);
/* Give it up instead: 0, or -EINVAL. */
int mproc_unreserve(struct mproc *p);

/*
 * mproc_call - request and response.
 *
 *	mproc_call(p, 1000, &reply, counter_add, .by = 4);
 *
 * @timeout_ms  for all of it; the backend drops an expired call unhandled
 * @ret_reply   new: mproc_msg_free(); may be NULL
 *
 * Returns 0, or the negative code of the handler (text in mproc_errmsg()),
 * -ETIMEDOUT, -EPIPE (the backend died), -ECANCELED (it stopped with the
 * call deferred), -ENOTCONN (see below), and the codes of mproc_send().
 * Before the start it waits for that, as what is sent does, and for the
 * reply: another thread may start it.  In a program of one thread nobody can,
 * and without a limit that is -ENOTCONN, nothing sent; with one -ETIMEDOUT.
 * A full mailbox is waited for within timeout_ms, or refused with -EAGAIN
 * under MPROC_REJECT; calls are never dropped.  A reply that comes too late
 * is counted and dropped.
 */
#define mproc_call(p_, timeout_ms_, ret_reply_, message_, ...)		\
	mproc__kwargs(message_, mproc_call_typed((p_), (timeout_ms_),	\
	    (ret_reply_), MPROC_SCHEMA(message_), &mproc__kw)			\
	    __VA_OPT__(,) __VA_ARGS__)
int mproc_call_typed(struct mproc *p, int timeout_ms,
    struct mproc_msg **ret_reply, const struct mproc_schema *schema,
    const void *args);
int mproc_call_msg(struct mproc *p, int timeout_ms,
    struct mproc_msg **ret_reply, const struct mproc_msg *msg);

/*
 * mproc_ask - the same, not waiting: the result comes as a future
 * (mproc/future.h), new: free with mproc_future_free().
 */
#define mproc_ask(p_, timeout_ms_, ret_future_, message_, ...)		\
	mproc__kwargs(message_, mproc_ask_typed((p_), (timeout_ms_),	\
	    (ret_future_), MPROC_SCHEMA(message_), &mproc__kw)			\
	    __VA_OPT__(,) __VA_ARGS__)
int mproc_ask_typed(struct mproc *p, int timeout_ms,
    struct mproc_future **ret_future, const struct mproc_schema *schema,
    const void *args);
int mproc_ask_msg(struct mproc *p, int timeout_ms,
    struct mproc_future **ret_future, const struct mproc_msg *msg);

/*
 * mproc_recv - what the backend emitted, in order.
 *
 * @ret_msg  new: mproc_msg_free()
 *
 * Returns 1 and a message, 0 when timeout_ms passed, -EPIPE when the backend
 * is dead and everything that it had sent was received (sticky until the
 * next start), -ENOTCONN when not started and timeout_ms is -1.
 */
int mproc_recv(struct mproc *p, int timeout_ms, struct mproc_msg **ret_msg);

/*
 * mproc_fd - for select, poll, epoll: readable while there is something to
 * receive or to do; call mproc_recv(p, 0, ...) then until it returns 0.  The
 * number is fixed from the first call to free.  Borrowed: do not read or close
 * it.  Or -EMFILE, -ENFILE, -ENOMEM: the first call makes it.
 */
int mproc_fd(struct mproc *p);

/*
 * mproc_flush - wait until all that was sent has left for the backend.
 * Returns 0, -ETIMEDOUT, -EPIPE.
 */
int mproc_flush(struct mproc *p, int timeout_ms);

/*
 * mproc_ping - is the backend's loop alive?  Overtakes queued messages,
 * waits for the handler that runs (unless it calls mproc_going()).
 * Returns 0, -ETIMEDOUT, -EPIPE, -ENOTCONN.
 */
int mproc_ping(struct mproc *p, int timeout_ms);

/*
 * Stopping.  All are legal in every state, idempotent and bounded, and keep
 * receiving what the backend still sends.
 *
 * request_stop  ask, do not wait; later sends give -ESHUTDOWN.  0.
 * wait_stop     0 when it has ended, -ETIMEDOUT, -ENOTCONN never started.
 * stop          both, then SIGTERM, then SIGKILL, each after stop_grace_ms.
 *               0 when it has ended, else -ETIMEDOUT (uninterruptible sleep;
 *               a thread that does not return).
 * stop_all      stop n processes within one shared set of deadlines.
 * kill          SIGKILL, and wait up to 1 s.  -EOPNOTSUPP for a thread.
 */
int mproc_request_stop(struct mproc *p);
int mproc_wait_stop(struct mproc *p, int timeout_ms);
int mproc_stop(struct mproc *p);
int mproc_stop_all(struct mproc *const *list, int n);
int mproc_kill(struct mproc *p);

/* mproc_free - stop, bounded, and free; NULL is fine.  Returns NULL. */
struct mproc *mproc_free(struct mproc *p);

enum mproc_status {
	MPROC_STATUS_NEW,	/* not started */
	MPROC_STATUS_STARTING,
	MPROC_STATUS_RUNNING,
	MPROC_STATUS_STOPPING,	/* asked to stop */
	MPROC_STATUS_DEAD
};
const char *mproc_status_name(enum mproc_status status);

/*
 * struct mproc_death - how a backend ended.
 *
 * @signal    that ended it, 0 if none
 * @exit_code -1 if signalled or unknown
 * @known     false: somebody else took the exit status and the kernel cannot
 *            tell any more; signal and exit_code say nothing
 * @core      a core was dumped
 * @command   of the handler in progress, "" if none
 * @msg_id    of the call in progress, 0 for a cast or none
 * @value     that a map over a plain function (mproc/function.h) was at: its
 *            position in the array; -1: none
 * @uptime_ms from launch to death
 * @last_log  the last log record's text, "" if none
 * @text      all of it as a sentence: "Counter counter-1 (pid 7) was killed by
 *            SIGSEGV in c__add after 12 ms"; texts are borrowed as the record
 */
struct mproc_death {
	int		 signal;
	int		 exit_code;
	bool		 known;
	bool		 core;
	const char	*command;
	uint64_t	 msg_id;
	int64_t		 value;
	int64_t		 uptime_ms;
	const char	*last_log;
	const char	*text;
};

/*
 * NULL while it lives or was never started; borrowed until the next start or
 * free.
 */
const struct mproc_death *mproc_death(struct mproc *p);
/* Print its text; like snprintf(3).  "" while alive.  Of a future's or a pool
 * worker's record, where there is no struct mproc, take .text. */
int mproc_death_print(struct mproc *p, char *buf, size_t size);

pid_t mproc_pid(struct mproc *p);		/* 0 while none */
/*
 * mproc_pidfd - readable once this generation has ended: the .abort_fd of
 * mproc/sync.h, so that no wait outlasts the backend.  Borrowed until the
 * next start or free; another number then.
 *
 * Returns it, or -ENOTCONN (never started), -EOPNOTSUPP (a thread), -ECHILD.
 */
int mproc_pidfd(struct mproc *p);
enum mproc_status mproc_status(struct mproc *p);
const char *mproc_name(const struct mproc *p);
const struct mproc_class *mproc_class_of(const struct mproc *p);

/*
 * struct mproc_stats - the accounts of a process, over all generations:
 *
 *	sent = handled + failed + dropped + expired + in_flight
 *	emitted = received + emits_waiting (+ emits of a dead backend that
 *	    never left it)
 *
 * @sent       casts and calls accepted by mproc_send(), call, ask
 * @handled    their handlers returned >= 0 (or replied)
 * @failed     handlers returned < 0, or the arguments were refused
 * @dropped    = dropped_overflow + dropped_stop + dropped_dead
 * @expired    calls whose deadline passed before their turn
 * @in_flight  sent and none of these yet
 * @late       replies that came after their call had ended
 * @emitted    by the backend; @emits_dropped by its overflow policy (not
 *             part of emitted); @received by mproc_recv()
 * @logs, @logs_dropped  log records that came; that the backend gave up
 * @pings      answered; @ping_us the last one's round trip
 * @generation 1 after the first start
 */
struct mproc_stats {
	uint64_t sent, handled, failed, dropped, expired, in_flight;
	uint64_t dropped_overflow, dropped_stop, dropped_dead;
	uint64_t late;
	uint64_t emitted, emits_dropped, received, emits_waiting;
	uint64_t logs, logs_dropped;
	uint64_t pings;
	int64_t	 ping_us;
	unsigned generation;
};
int mproc_stats(struct mproc *p, struct mproc_stats *ret_stats);

/* What the backend does now, from the status page; also after SIGKILL. */
struct mproc_activity {
	char	 command[64];	/* of the handler that runs, "" idle */
	int64_t	 since_ms;	/* how long it has been running, to a few ms */
	uint64_t msg_id;
	bool	 in_loop;	/* it has reached its loop */
};
int mproc_activity(struct mproc *p, struct mproc_activity *ret_activity);

/* Level of the backend's loggers, at once. */
int mproc_set_log_level(struct mproc *p, enum mproc_level level);
/* go / no-go: what mproc_going() answers in the backend. */
int mproc_set_going(struct mproc *p, bool going);

/*
 * mproc_errmsg - the text of the calling thread's last failed call on any
 * object; `p` may be NULL and is there for the reader.  Borrowed until the
 * thread's next failed call.
 */
const char *mproc_errmsg(const struct mproc *p);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif
