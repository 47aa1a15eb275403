/*
 * backend.h (private) - the backend's insides.
 *
 * Layer: core, process.  One thread; nothing here is locked.
 *
 * Messages are handled straight from the data channel's read buffer, one at a
 * time; between two of them control is looked at (by a word in the status
 * page, so that a look costs no system call).
 */
#ifndef MPROC_PROCESS_BACKEND_H
#define MPROC_PROCESS_BACKEND_H

#include <mproc/backend.h>
#include <mproc/error.h>
#include <mproc/process.h>

#include "channel/channel.h"
#include "message/message.h"
#include "process/class.h"
#include "process/control.h"
#include "process/launch.h"
#include "process/page.h"

#define MPROC__UNKNOWN_MAX	16
#define MPROC__RETRY_MS		10	/* the kernel refused descriptors */

struct mproc_request {
	struct mproc__core *core;
	uint64_t	 id;		/* 0: a cast */
	int		 row;		/* -1: unknown command */
	bool		 is_call, answered, deferred;
	bool		 urgent;	/* in the thread of notifications */
	bool		 counted;	/* its outcome is in the accounts */
	bool		 lost_logged;	/* a second reply is in the log */
	int64_t		 deadline_ns;	/* 0: none */
	uint64_t	 bytes;
	const char	*command;	/* the row's, or `unknown` */
	char		 unknown[64];
	int		 fail_code;	/* of mproc_fail, in the handler */
	char		 fail_text[256];
	/* while its handler runs */
	uint8_t		*body;
	size_t		 body_size;
	struct mproc__poke *poke;
	struct mproc_msg *msg;		/* what on_unknown sees, or NULL */
	int		*fds;		/* received; -1 once taken */
	int		 n_fds;
	struct mproc_request *prev, *next; /* deferred */
};

struct mproc__watch {
	int		 fd, events;
	bool		 gone;		/* removed while callbacks run */
	bool		 stuck;		/* closed first: epoll may know it */
	mproc_watch_fn	*fn;
	void		*arg;
	struct mproc__watch *next;
};

struct mproc__timer {
	int		 id, repeat_ms;
	int64_t		 when;
	mproc_timer_fn	*fn;
	void		*arg;
	struct mproc__timer *next;	/* by time */
};

struct mproc__core {
	const struct mproc_class *class;
	struct mproc__index index;
	struct mproc_backend *base;	/* in the object */
	void		*object;
	struct mproc__boot boot;
	struct mproc__channel *data, *control;
	struct mproc__page *page;
	char		 name[64], logger[160];

	/* from `go` */
	int64_t		 inbox_messages, inbox_bytes;
	size_t		 max_message;
	enum mproc_overflow emit_overflow;
	int		 block_ms, log_block_ms;
	bool		 batch;		/* replies may wait for each other */
	uint8_t		*args;		/* start arguments' body */
	struct mproc__envelope args_env;
	struct mproc__poke args_poke;
	int		 args_fds[MPROC__ARGS_FDS], n_args_fds;
	int		 notify_fd;	/* ours; -1 */
	struct mproc__notifier *notifier;	/* while it is served */
	void		*args_struct;
	const struct mproc_schema *args_schema;

	bool		 kept;		/* items wait for more of them */
	int64_t		 kept_ns;	/* since when what waits does so */

	/* the loop */
	int		 epfd;		/* -1 before the first message */
	int		 wake_fd, timerfd; /* timerfd: once fd is used */
	int64_t		 armed_ns;	/* what timerfd is set to, 0: not */
	uint32_t	 data_events, control_events;
	int		 unlooked;	/* messages since the last epoll_wait */
	int64_t		 tick_ns;	/* when that was, coarsely */
	int64_t		 awake_ns;	/* until then it looks, and not sleeps */
	struct mproc__watch *watches;
	struct mproc__timer *timers, *running;
	int		 last_timer;
	uint32_t	 control_seen;
	int		 log_level;	/* as the root logger has it */
	uint64_t	 received;	/* data frames */
	bool		 in_handler;
	bool		 stopping, quitting, frontend_gone;
	bool		 terminated;	/* a thread; see mproc__terminated() */
	int		 stop_mode;
	uint64_t	 stop_upto;
	int		 exit_code;
	int		 fail_code;	/* of mproc_backend_fail, since the */
	char		 fail_text[256]; /* hook or callback was called */

	/* messages */
	const struct mproc__route *last_route;	/* of the message before */
	void		*scratch;	/* decoded arguments */
	size_t		 scratch_size;
	struct mproc__buf side;		/* texts of frames in the ring */
	struct mproc_request *request;	/* the next or current one */
	struct mproc_request *spare;	/* when that one is deferred */
	struct mproc_request *deferred;
	char		 unknown[MPROC__UNKNOWN_MAX][64]; /* were logged */
	size_t		 n_unknown;
};

struct mproc__core *mproc__core_of(struct mproc_backend *);
/* Of a callback that returned this code: its own words, or the system's. */
const char *mproc__callback_text(struct mproc__core *, int code);

/* backend_loop.c */
void	mproc__loop_init(struct mproc__core *);
void	mproc__loop_done(struct mproc__core *);
/* Read and act on control frames; false: the frontend is gone. */
void	mproc__poll_control(struct mproc__core *);
/* Sync epoll's interest with what is queued. */
void	mproc__loop_interest(struct mproc__core *);
/*
 * The frontend waits for what was just sent, and will mostly say what is next
 * in less time than a sleep costs.
 */
void	mproc__loop_stay_awake(struct mproc__core *);
/* The epoll set is made when it is wanted: 0, -EMFILE, ... */
int	mproc__loop_open(struct mproc__core *);
/* Set the timer for a loop of the class's own, if there is one. */
void	mproc__loop_arm(struct mproc__core *);
/* One turn: wait at most to the deadline; things done. */
int	mproc__turn(struct mproc__core *, int64_t deadline);
bool	mproc__loop_ended(struct mproc__core *);
/*
 * Shall what waits or runs end now?  To a process SIGTERM says so, to a
 * thread the stop that comes a second time.
 */
bool	mproc__terminated(const struct mproc__core *);

/* backend_notify.c: 0 or -errno; none if the class has no notifications */
int	mproc__notifier_start(struct mproc__core *);
/* Handles what has come, and waits for the one that is being handled. */
void	mproc__notifier_stop(struct mproc__core *);

/* backend_watch.c */
/* Call its function; 1, or 0 when it was removed meanwhile. */
int	mproc__watch_run(struct mproc__core *, struct mproc__watch *,
	    uint32_t events);
void	mproc__watches_free(struct mproc__core *);	/* removed ones */
int	mproc__timers_run(struct mproc__core *);	/* how many were due */

/* backend_message.c */
int	mproc__dispatch(struct mproc__core *, struct mproc__frame *);
void	mproc__account(struct mproc_request *, _Atomic uint64_t *word);
/*
 * What a call on the request was refused with are the caller's words, too,
 * should the handler return that code.  Returns it.
 */
int	mproc__keep_words(struct mproc_request *, int code);
void	mproc__cancel_deferred(struct mproc__core *);
void	mproc__drop_rest(struct mproc__core *);

/* Has the frontend said that it does not want this call's result? */
static inline bool
mproc__is_canceled(const struct mproc_request *req)
{
	return atomic_load_explicit(
	    &req->core->page->cancel[req->id % MPROC__CANCELS],
	    memory_order_relaxed) == req->id && req->id != 0;
}

/* For a death record: the value, counted from 1, that it works on; 0 none. */
static inline void
mproc__say_value(const struct mproc_request *req, uint64_t value)
{
	atomic_store_explicit(&req->core->page->value, value,
	    memory_order_relaxed);
}

/* backend_send.c */
/* The kernel refuses descriptors or memory: retry after MPROC__RETRY_MS. */
bool	mproc__output_blocked(struct mproc__core *);
/* Write all that is queued, waiting for the frontend to take it. */
void	mproc__flush_all(struct mproc__core *);
int	mproc__answer_error(struct mproc_request *, int code,
	    const char *text);
/* The reply of a handler that has none. */
int	mproc__answer_ok(struct mproc_request *);
int	mproc__send_control(struct mproc__core *, int kind, uint64_t id,
	    const struct mproc_schema *, const void *args);
/* A sink of the log module: sends a record that any logger here made. */
void	mproc__core_record(const struct mproc_log_record *, void *arg);
/* The frontend's level becomes that of this process's root logger. */
void	mproc__sync_log_level(struct mproc__core *);
void	mproc__core_log(struct mproc__core *, enum mproc_level,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
