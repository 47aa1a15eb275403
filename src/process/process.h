/*
 * process.h (private) - the frontend's insides.
 *
 * Layer: core, process.
 *
 * One mutex guards a process.  Of the threads that wait on it one, the
 * leader, polls the descriptors with the mutex released; the others sleep
 * on condition variables of their own, and the leader, after each round of
 * work, wakes those whose condition has come true.  A leader that is done
 * hands over to the next waiter.
 *
 * What a round does, in this order: control, log lane, data, then death: so
 * all that a backend sent before it died is delivered before its death is.
 */
#ifndef MPROC_PROCESS_PROCESS_H
#define MPROC_PROCESS_PROCESS_H

#include <pthread.h>
#include <poll.h>
#include <stdatomic.h>

#include <mproc/process.h>

#include "channel/channel.h"
#include "future/future.h"
#include "message/message.h"
#include "process/awake.h"
#include "process/class.h"
#include "process/control.h"
#include "process/launch.h"
#include "process/page.h"

#define MPROC__LOG_RECORD_MAX	8192	/* >= MPROC__LOG_DATAGRAM_MAX */

struct mproc__log_captures;
struct mproc_context;	/* of the layer's other folder: not known here */

/* A thread that waits for something of a process. */
struct mproc__waiter {
	pthread_cond_t	 cond;
	bool		 (*ready)(struct mproc *, void *arg);
	void		*arg;
	struct mproc__waiter *next;
};

/*
 * Who takes what the backend answers, in place of futures: a pool.  Called
 * with the process locked; must not unlock it.  Descriptors that are not
 * moved (the function says how many were) are closed by the caller.
 */
struct mproc__mate {
	int	(*answer)(void *arg, const struct mproc__frame *,
		    const struct mproc__envelope *, const int *fds,
		    int n_fds);
	/* an item that call `id` yielded; moved */
	void	(*item)(void *arg, uint64_t id, struct mproc_msg *);
};

/* A log record on its way to the sinks, which run without the lock. */
struct mproc__log_item {
	struct mproc__log_item *next;
	size_t	 size;
	uint8_t	 data[];	/* as it came */
};

struct mproc__futures {
	struct mproc_future **bucket;	/* by id */
	size_t		 n_buckets, count;
	struct mproc_future *first, *last; /* by deadline, with a deadline */
};

struct mproc {
	pthread_mutex_t	 lock;
	unsigned	 fork_generation; /* of the process that owns it */
	struct mproc__index index;
	struct mproc_options opt;	/* defaults filled in */
	char		*name;
	int		*keep_fds;	/* copy; n_keep of them */
	int		 n_keep;
	struct mproc__buf args;		/* start arguments' body */
	_Atomic(struct mproc_context *) context; /* what it is in; theirs */
	/* take it out of there; true: they call mproc__release(), later */
	bool		 (*on_free)(struct mproc *);
	struct mproc__fdset args_fds;	/* ours, duplicated */

	enum mproc_status status;
	int		 start_code;	/* pre_run's, from `ready` */
	char		 start_text[256];
	bool		 ready;
	bool		 stop_sent;
	bool		 exit_awaited;	/* once, as its ends are closed */
	bool		 no_go;
	int64_t		 started_ns;
	int64_t		 start_deadline;

	/* this generation's ends */
	struct mproc__channel *data, *control;
	int		 boot_data;	/* the child's end until the start */
	int		 log_fd;
	int		 notify_fd;	/* -1: its class has none */
	int		 boot_notify;	/* the child's end, until `go` */
	unsigned	 notifying;	/* threads that wait for room there */
	int		 capture[2];	/* our ends of stdout, stderr */
	struct mproc__capture *lines;	/* splitters of those */
	struct mproc__child child;
	struct mproc__page *page;
	bool		 data_eof, control_eof, log_eof;
	int64_t		 eof_deadline;	/* a mute backend is killed then */

	/* waiting */
	int		 epfd, timerfd;	/* -1 until they are needed */
	bool		 fd_used;	/* someone may poll epfd */
	int64_t		 armed_ns;	/* what timerfd is set to */
	uint32_t	 data_events, control_events, log_events;
	bool		 leading;	/* a thread polls, or is about to */
	int		 quick_rounds;	/* of the leader, without a poll */
	bool		 (*led_ready)(struct mproc *, void *arg);
	void		*led_arg;	/* what the leader waits for */
	uint32_t	 led_events;	/* data | control POLLOUT it polls for */
	struct mproc__awake awake;	/* it looks, and does not sleep */
	struct mproc__waiter *waiters;

	/* what goes out */
	uint64_t	 next_id;
	uint64_t	 gen_frames;	/* data frames queued, for `upto` */
	uint64_t	 gen_sent, gen_bytes; /* of those: in the mailbox */
	uint64_t	 mail_n, mail_bytes; /* what it holds at most */
	struct mproc__futures futures;
	bool		 is_slow;	/* it took nothing while we waited */
	int64_t		 retry_ns;	/* the kernel refused descriptors */

	/* mproc_reserve(): a message is open in data, or was in `kept` */
	bool		 reserved;
	pthread_t	 reserver;
	size_t		 reserved_at, reserved_size; /* of its body */
	struct mproc__fdset reserved_fds;
	struct mproc__channel *kept;	/* of a generation that has ended */

	/* what came in */
	struct mproc_msg *inbox, *inbox_tail;
	uint64_t	 inbox_count;
	uint64_t	 inbox_bytes;
	uint64_t	 gen_emits;	/* that came, of this generation */

	/* items of streams that nobody took yet, and who gets answers */
	uint64_t	 items_n, items_bytes;
	const struct mproc__mate *mate;
	void		*mate_arg;

	/* log records that wait for unlocking */
	struct mproc__log_item *logs, *logs_tail;
	size_t		 logs_bytes;
	bool		 dispatching;
	struct mproc__log_captures *captures; /* see them first; or NULL */

	/* pings */
	uint64_t	 ping_id, pong_id;
	int64_t		 ping_sent_ns, pong_ns;

	/* accounts: of earlier generations, and what only we know */
	struct mproc_stats total;	/* closed generations */
	struct mproc_stats own;		/* this one, our side */
	struct mproc_death death;
	char		 death_command[64];
	char		 death_text[512];
	char		 last_log[512];
	char		 fault[160];	/* why we killed it, "" */
};

/* process.c: the memory of what mproc_free() has ended. */
void	mproc__release(struct mproc *);
/* process_pump.c: 0 and locked, or -ECHILD, -EINVAL. */
int	mproc__enter(struct mproc *);
/* Feeds the sinks, arms the timer, unlocks. */
void	mproc__leave(struct mproc *);
/*
 * The same at the end of a program's call: then calls the callbacks of the
 * futures that it completed.  They may free the process.
 */
void	mproc__leave_calling(struct mproc *);
/* Locked: an emit of so many bytes is gone, its room is the backend's. */
void	mproc__give_room(struct mproc *, size_t size);

/* process_pump.c, all locked */
/* May a wait until then ever end?  0, or -ENOTCONN. */
int	mproc__may_wait(struct mproc *, int64_t deadline);
/* Wait until ready(p, arg); 0, -ETIMEDOUT, or the code of may_wait. */
int	mproc__wait(struct mproc *, bool (*ready)(struct mproc *, void *),
	    void *arg, int64_t deadline);
/* Do all that can be done without waiting. */
void	mproc__work(struct mproc *);
void	mproc__wake_waiters(struct mproc *);
/*
 * The backend is asked for what takes it a moment: for about as long as a
 * wake-up takes, who waits for that looks, and does not sleep.
 */
void	mproc__stay_awake(struct mproc *, enum mproc__asked);
/* A write found that nobody reads: it is dead, or will be soon. */
void	mproc__cut_off(struct mproc *);
/* A protocol error: note it and kill the backend. */
void	mproc__fault(struct mproc *, const char *what, int code);

/* process_set.c, all locked */
/* Bring epoll interest, the inbox flag and the leader up to date. */
void	mproc__interest(struct mproc *);
/* Make the epoll set, and its timer: 0, -EMFILE, -ENOMEM, ... */
int	mproc__set_open(struct mproc *);
/* The timer alone: for a leader that others may have to kick. */
int	mproc__timer_open(struct mproc *);
int	mproc__epoll_add(struct mproc *, int fd);
/* Out of all epoll sets; before every close of what was added. */
void	mproc__epoll_del(struct mproc *, int fd);
/* POLLOUT, if output waits for the kernel. */
uint32_t mproc__output_events(const struct mproc__channel *, bool eof);
uint32_t mproc__data_events(const struct mproc *);
/* When something is to be done that no descriptor tells of. */
int64_t	mproc__next_deadline(struct mproc *);
void	mproc__settime(struct mproc *, int64_t when);
/* Before the lock is given up: set the timer for who polls mproc_fd(). */
void	mproc__arm(struct mproc *);
#define MPROC__KICK	1		/* armed_ns: the timer is a kick */
#define MPROC__RETRY_NS	(10 * 1000000LL)	/* no room for fds */

/* MPROC_DROP_OLD: messages leave one at a time. */
static inline bool
mproc__paced(const struct mproc *p)
{
	return p->opt.overflow == MPROC_DROP_OLD;
}

/* process_input.c, locked */
void	mproc__read_control(struct mproc *);
void	mproc__read_data(struct mproc *);
/* What a ring holds, without a system call; nothing for a socket. */
int	mproc__read_ring(struct mproc *);	/* as _pull */
void	mproc__read_log(struct mproc *);
/* Lets go of the lock while log records go to the sinks. */
void	mproc__dispatch_logs(struct mproc *);
void	mproc__read_capture(struct mproc *, int which);
int	mproc__capture_new(struct mproc *);	/* 0, -ENOMEM */
/* Also takes what came after the last newline as a line. */
void	mproc__capture_free(struct mproc *);
void	mproc__inbox_clear(struct mproc *);

/* process_send.c, locked */
/* Done by the backend, as far as believable: messages, bytes. */
void	mproc__done(struct mproc *, uint64_t *ret_n, uint64_t *ret_bytes);
/* MPROC_DROP_OLD: let the next message leave if it is its turn. */
void	mproc__flush_some(struct mproc *);
/* A message of `size` bytes has been committed to data. */
void	mproc__count_sent(struct mproc *, size_t size);
/* May a cast go?  0, 1 it was dropped, or why not; may wait. */
int	mproc__admit(struct mproc *, const struct mproc_schema *,
	    const void *args);
/* The message that is open in data, of `size` bytes: send and count it. */
int	mproc__finish(struct mproc *, int kind, uint64_t id, size_t size,
	    const struct mproc__fdset *);
/* Give up what is reserved, and what was kept for it. */
void	mproc__unreserve(struct mproc *);
/* Append a control message; errors are those of channel_commit. */
int	mproc__control_send(struct mproc *, int kind, uint64_t id,
	    const struct mproc_schema *, const void *args);

/* process_stats.c, locked */
/* Add this generation's accounts; what is open counts as in flight. */
void	mproc__stats_add(struct mproc *, struct mproc_stats *);
/* The generation is over: what is open was lost with it. */
void	mproc__stats_close(struct mproc *);
/* The command that runs by the page, "" if none. */
void	mproc__page_command(struct mproc *, char *buf, size_t size);

/* process_future.c, locked */
extern const struct mproc__future_ops mproc__process_future_ops;
int	mproc__futures_add(struct mproc *, struct mproc_future *);
struct mproc_future *mproc__futures_find(struct mproc *, uint64_t id);
void	mproc__futures_forget(struct mproc *, struct mproc_future *);
/* Complete those whose time is over; returns the next deadline. */
int64_t	mproc__futures_expire(struct mproc *);
/* Complete all with a code. */
void	mproc__futures_fail(struct mproc *, int code, const char *text);
/* What is waited for on a descriptor has changed. */
void	mproc__futures_events(struct mproc *, int fd, uint32_t events);
void	mproc__futures_unwatch(struct mproc *, int fd);
/* There are more descriptors than when they were asked for theirs. */
void	mproc__futures_watch(struct mproc *);
void	mproc__futures_done(struct mproc *);

/* process_batch.c, locked */
/* A cast with an id: an item of that call's stream. */
void	mproc__on_item(struct mproc *, const struct mproc__frame *,
	    uint64_t id, const int *fds, int n_fds);
/* An item of so many bytes was taken, or dropped: its room is free. */
void	mproc__item_taken(struct mproc *, size_t size);
/* Queue a call that was encoded before: 0, -EPIPE, -ESHUTDOWN, ... */
int	mproc__batch_put(struct mproc *, const void *body, size_t size,
	    const int *fds, int n_fds);
/* Write what was queued, as far as it goes. */
void	mproc__batch_flush(struct mproc *);
/* Would that have to wake the backend?  Only a guess. */
bool	mproc__batch_sleeps(const struct mproc *);
/* Until the next call nobody looks after it: what was queued leaves alone. */
void	mproc__batch_leave(struct mproc *);
/* How many messages of this generation were begun, in the order sent. */
uint64_t mproc__batch_begun(struct mproc *);
/* How long it has slept by now with nothing to do, as it says: 0 to now. */
int64_t	mproc__batch_idle(struct mproc *, int64_t now);
/*
 * Take back the calls that were not begun, and say how many messages were.
 * The backend answers those taken back with -ECANCELED, in its time, and so
 * all calls that come before _restore.
 */
uint64_t mproc__batch_revoke(struct mproc *);
void	mproc__batch_restore(struct mproc *);
/*
 * Tell the backend that a call is not wanted, in place of the one that has
 * the same word, which _canceled_call tells; false: it has no such words.
 */
uint64_t mproc__canceled_call(struct mproc *, uint64_t id);
bool	mproc__cancel_call(struct mproc *, uint64_t id);
/* SIGKILL, not waiting: 0, or -EOPNOTSUPP for a thread. */
int	mproc__kill_nowait(struct mproc *, int sig);

/* process_notify.c, locked; of a class that has notifications */
int	mproc__notify_open(struct mproc *);
void	mproc__notify_close(struct mproc *);
/* Is there room for one, or an error to be had? */
bool	mproc__notify_room(struct mproc *);
/* Tell an epoll set once, with `tag`, when there is room. */
void	mproc__notify_watch(struct mproc *, int epfd, void *tag);
/* 0, -EAGAIN (no room), or a code of mproc_notify(). */
int	mproc__notify(struct mproc *, const struct mproc_schema *,
	    const void *args);

/* process_start.c, locked */
int	mproc__open_data(struct mproc *);
void	mproc__close_channel(struct mproc *, struct mproc__channel **);
void	mproc__generation_free(struct mproc *);
/* process_death.c, locked: the backend is dead and drained. */
void	mproc__on_death(struct mproc *);
/* With its texts in one block, for free(3); NULL without memory. */
struct mproc_death *mproc__death_dup(const struct mproc_death *);

/* process_stop.c, locked */
int	mproc__stop_locked(struct mproc *);
/* A step of the ladder; -EOPNOTSUPP of a thread, which does what it can. */
int	mproc__signal(struct mproc *, int sig);
/*
 * To wait for: has the generation ended that *arg (unsigned) names?  It may
 * be dead and the next one alive before a thread that waits can look.
 */
bool	mproc__is_over(struct mproc *, void *generation);

/*
 * For the context, which must not wait and is in the middle of things, so
 * that no callback may be called: mproc_request_stop(); send a ping (0 or
 * -errno); when the last pong came, CLOCK_MONOTONIC ns, 0 never.  Not locked.
 */
int	mproc__request_stop(struct mproc *);
int	mproc__ping_start(struct mproc *);
int64_t	mproc__ping_state(struct mproc *);

#endif
