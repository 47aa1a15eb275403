/*
 * pool.h (private) - the pool's insides.
 *
 * Layer: services, above process.
 *
 * One mutex guards a pool, its jobs and its workers' processes: nobody else
 * has these, so their own locks are never waited for.  Of the threads that
 * wait on a pool one leads: it sleeps in epoll_wait with the mutex released.
 *
 * A job is in exactly one place: the queue (or a queue of those that wait for
 * a token or a certain worker), a worker's list `out`, or, done, the list of
 * those whose handler is to be called.  A worker with room is in `idle` or in
 * `partial`, so finding one takes constant time.
 *
 * User code runs with the mutex released, from mproc__pool_leave() and the
 * leader's rounds; jobs' and workers' callbacks by one thread at a time.
 */
#ifndef MPROC_POOL_POOL_H
#define MPROC_POOL_POOL_H

#include <pthread.h>

#include <mproc/pool.h>

#include "future/future.h"
#include "log/captures.h"
#include "message/message.h"
#include "process/process.h"
#include "system/system.h"

struct mproc__job;
struct mproc__worker;
struct mproc_function;	/* mproc/function.h */

/* Where a job's result goes, in place of a future.  Locked. */
struct mproc__sink {
	/* job->index says which; reply is moved; text may be NULL */
	void	(*put)(struct mproc__sink *, const struct mproc__job *job,
		    int code, struct mproc_msg *reply, const char *text);
	/*
	 * If not NULL: the same for a small reply, whose bytes are kept, so
	 * that it becomes a message only when it is wanted.  Thousands of
	 * messages that wait are dear to allocate and to free.
	 */
	void	(*keep)(struct mproc__sink *, const struct mproc__job *job,
		    const struct mproc__frame *,
		    const struct mproc__envelope *);
};
#define MPROC__KEEP_MAX	128U	/* bytes of such a reply */

struct mproc__jobs {
	struct mproc__job *first, *last;
	size_t	 n;
};

#define MPROC__JOB_SMALL	96U	/* bytes that need no memory of their own */
struct mproc__job {
	struct mproc__job *prev, *next;	/* in `in` */
	struct mproc__jobs *in;
	uint64_t	 id;
	uint8_t		*body;		/* encoded, with the id */
	size_t		 size;
	struct mproc_future *f;		/* or */
	struct mproc__sink *sink;	/* or neither: nobody wants it */
	uint64_t	 index;		/* for the sink */
	struct mproc__worker *worker;	/* has it */
	uint64_t	 seq;		/* the worker's seq'th job */
	/*
	 * Nothing was asked for but that it be done and its sink be told.  What
	 * is below is then as in a new job, but for what options set.
	 */
	bool		 plain;

	int		*fds;		/* ours, n_fds of them */
	int		 n_fds;
	int64_t		 timeout_ns;	/* of running, 0 none */
	int64_t		 expires;	/* MPROC__NEVER: not */
	struct mproc__job *exp_prev, *exp_next;
	bool		 in_exp;
	int		 retries;	/* left */
	struct mproc_limiter *limiter;
	bool		 has_token;
	uint64_t	 key;
	int		 verdict;	/* why its worker is being killed */
	bool		 unwanted;	/* told to stop */
	int64_t		 value;		/* of a map: it died there; -1 */
	int		 item_code;	/* an item callback's refusal */

	const struct mproc_job_handler *handler;
	void		*arg;
	struct mproc__job *call_next;
	bool		 in_calls, ended;
	struct mproc_msg *items, *items_tail;
	int		 code;
	struct mproc_msg *reply;
	char		*text;
	uint8_t		 small[MPROC__JOB_SMALL]; /* where a small body is */
};

enum mproc__worker_state {
	MPROC__WORKER_STARTING, MPROC__WORKER_READY,
	MPROC__WORKER_CLOSED,	/* gets no more jobs, has some */
	MPROC__WORKER_STOPPING
};

struct mproc__workers {
	struct mproc__worker *first, *last;
	unsigned n;
};

struct mproc__worker {
	struct mproc__worker *prev, *next;	/* of all */
	struct mproc__worker *room_prev, *room_next;
	struct mproc__workers *room;	/* idle, partial, or NULL */
	struct mproc_pool *pool;
	struct mproc	*p;
	enum mproc__worker_state state;
	unsigned	 id;
	int		 slot;		/* of keys; -1: local */
	bool		 local, dirty, active, late;
	bool		 killed;	/* by us */
	bool		 retiring;	/* a replacement is on its way */
	struct mproc__worker *replaces;
	struct mproc__worker *dirty_next;
	struct mproc__jobs out;
	uint64_t	 seq;		/* messages given to it, of them, less
					 * those that were taken back, ... */
	unsigned	 revoked;	/* ... so many of which it has still */
	uint64_t	 given;		/* jobs, as long as they are counted */
	enum { MPROC__INIT_NONE, MPROC__INIT_BEGUN, MPROC__INIT_DONE }
			 init_state;
	unsigned	 inits;		/* not answered yet */
	uint64_t	 done;		/* jobs that it has answered */
	int64_t		 started, idle_since;
	int64_t		 head_since;	/* since when out.first may run */
	int64_t		 stop_at;	/* next rung of the ladder */
	int		 rung;
	int64_t		 ping_at;
	int64_t		 rss_at;	/* not looked at before */
	/* pace.c */
	size_t		 depth;		/* jobs in its hands at most */
	size_t		 run, left;	/* so many in a row; of this one */
	unsigned	 runs;		/* that it has had */
	uint64_t	 paced;		/* jobs that it has answered, and ... */
	int64_t		 busy;		/* ... how long that took, in ns */
	uint64_t	 fresh;		/* more of them since paced_at, when */
	int64_t		 paced_at, paced_idle, tick; /* its idle was that */
	uint64_t	 seen_done;	/* of done; since when it is that */
	int64_t		 seen_at;
};

/* A call that each worker does before its first job. */
struct mproc__init {
	struct mproc__init *next;
	struct mproc__buf body;		/* encoded, with an id of no job's */
	struct mproc__fdset fds;	/* ours */
};

/* A worker's news, on its way to .on_worker. */
struct mproc__news {
	struct mproc__news *next;
	enum mproc_worker_event event;
	struct mproc_worker w;
	struct mproc_death *death;
	char	 text[256];
};

struct mproc__poison {
	struct mproc__poison *next;
	struct mproc_msg *msg;
	struct mproc_death *death;
};

enum mproc__pool_state {
	MPROC__POOL_NEW, MPROC__POOL_RUNNING, MPROC__POOL_CLOSED
};

struct mproc__feed {
	struct mproc__feed *next;
	mproc_feed_fn	*fn;
	void		*arg;
	struct mproc_future *f;
	struct mproc_msg *msg;		/* given, not handed in yet */
	struct mproc_stream *stream;	/* whose it is */
	const struct mproc_job *job;
	int		 code;
	bool		 running;	/* its function, unlocked */
};

/* Who is told how far it is, and when next. */
struct mproc__reporter {
	mproc_progress_fn *fn;
	void		*arg;
	int64_t		 begun, next;
};

/* put and get; streams have one each. */
struct mproc_stream {
	struct mproc__sink sink;
	struct mproc_pool *pool;
	bool		 ordered;
	int64_t		 window;
	uint64_t	 next_in, next_out;	/* indices */
	uint64_t	 open;		/* handed in, not got */
	struct mproc__result **ring;	/* ordered: by index, or */
	size_t		 ring_size;
	struct mproc__result *first, *last; /* by completion */
	struct mproc__result *spare;	/* one for each that is open, and */
	unsigned	 n_idle;	/* so many more */
	unsigned	 feeding;	/* feeds that have not ended */
	int		 feed_code;
	struct mproc_job job;
	struct mproc__reporter reporter; /* of puts; of this run: */
	uint64_t	 first_in, came, failed;
	struct mproc_stream *next;	/* of the pool's */
};

struct mproc__result {
	struct mproc__result *next;
	uint64_t	 index;
	uint64_t	 id;
	struct mproc_msg *reply;
	int		 code;
	bool		 has_text;
	/* its reply is in `bytes` still, so many of them, and where there */
	uint8_t		 kept, command, command_len, args, args_size;
	uint8_t		 bytes[MPROC__KEEP_MAX];
	char		 text[sizeof(((struct mproc_result *)0)->text)];
};

struct mproc_pool {
	pthread_mutex_t	 lock;
	pthread_cond_t	 cond;
	unsigned	 fork_generation;
	struct mproc__index index;
	struct mproc_pool_options opt;
	char		*name;
	int		*keep_fds;
	struct mproc__buf args;		/* .process.args, kept */
	void		*args_struct;
	struct mproc__fdset args_fds;

	enum mproc__pool_state state;
	bool		 no_go, broken, offload_off, offload_sticky;
	bool		 terminating, adapts;	/* .prefetch by itself */
	unsigned	 inside;	/* calls under way */
	bool		 freeing;	/* by the last of them */
	enum mproc_level log_level;
	struct mproc__log_captures captures; /* has its own lock */

	/* waiting */
	int		 epfd;		/* workers, timer, wake */
	int		 timerfd, wakefd;
	int		 outer, flagfd;	/* for the user, once asked */
	bool		 flagged, want_room;
	bool		 leading, kicked;
	unsigned	 waiting;	/* threads */
	int64_t		 armed, next_timer;
	unsigned	 n_futures_fd;

	/* jobs */
	uint64_t	 last_id;
	struct mproc__jobs queue, limited, *keyed;
	size_t		 n_queued;	/* in all of these */
	size_t		 n_out;
	size_t		 room;		/* workers' free places */
	struct mproc__job *exp_first, *exp_last;
	unsigned	 n_timed;	/* out, with a timeout */
	struct mproc__job *spare;
	unsigned	 n_spare;
	struct mproc__buf scratch;	/* to encode a job */
	uint64_t	 taken;		/* a schema's hash, as one of the class */
	uint64_t	 ended;		/* jobs, ever */

	/* workers */
	struct mproc__init *inits;	/* n_inits of them */
	unsigned	 n_inits, n_initing; /* the latter: workers */
	struct mproc__workers all, idle, partial;
	struct mproc__worker *local, *dirty, *dead;
	struct mproc__worker **slots;
	unsigned	 last_worker;
	unsigned	 n_ready, n_starting, n_active;
	unsigned	 fails;		/* starts in a row */
	int64_t		 start_at;	/* not before; backoff */
	int		 start_code;	/* of the last that failed */
	char		 start_text[256];

	/* callbacks */
	struct mproc__job *calls, **calls_tail;
	struct mproc__news *news, **news_tail;
	struct mproc__poison *poison;
	bool		 calling;
	pthread_t	 caller;

	struct mproc_stream puts;	/* put and get */
	struct mproc_stream *streams;
	struct mproc__feed *feeds, *feed_turn;
	struct mproc_pool_stats st;
};

/* Who has a pool locked does not call what its processes completed. */
static inline void
mproc__pool_lock(struct mproc_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	mproc__future_hold();
}

static inline void
mproc__pool_unlock(struct mproc_pool *pool)
{
	mproc__future_unhold();
	pthread_mutex_unlock(&pool->lock);
}

/* pool.c */
int	mproc__pool_check_owner(const struct mproc_pool *);
int	mproc__pool_enter(struct mproc_pool *);
/* Locked, and unlocks for what futures that are complete want called. */
void	mproc__pool_call_futures(struct mproc_pool *);
void	mproc__pool_leave(struct mproc_pool *);
/*
 * Unlocked: for several calls in a row.  A callback may free the pool in one
 * of them; it is there until it is let go.  -EDEADLK in a callback.
 */
int	mproc__pool_hold(struct mproc_pool *);
void	mproc__pool_let_go(struct mproc_pool *);
/* Locked: 0, or -EDEADLK in a callback. */
int	mproc__pool_may_wait(struct mproc_pool *);
bool	mproc__pool_is_over(void *pool);	/* has it ended? */

/* For jobs, where a block ends. */
static inline int
mproc__pool_grace(const struct mproc_pool_options *o)
{
	return o != NULL && o->process.stop_grace_ms != 0 ?
	    o->process.stop_grace_ms : 2000;
}

/* schedule.c, locked */
int	mproc__pool_wait(struct mproc_pool *, bool (*ready)(void *),
	    void *arg, int64_t deadline);
void	mproc__pool_work(struct mproc_pool *);
void	mproc__pool_schedule(struct mproc_pool *);
/* A new job: to a worker, or into the queue. */
void	mproc__pool_give(struct mproc_pool *, struct mproc__job *);
void	mproc__pool_flush(struct mproc_pool *);
void	mproc__pool_kick(struct mproc_pool *);
void	mproc__pool_flag(struct mproc_pool *);
void	mproc__pool_time(struct mproc_pool *, int64_t when);

/* Do new jobs run in this process? */
static inline bool
mproc__pool_is_local(const struct mproc_pool *pool)
{
	return (pool->offload_off || pool->broken) && pool->opt.fail_open;
}

/* job.c, locked */
static inline void
mproc__jobs_add(struct mproc__jobs *list, struct mproc__job *job)
{
	job->in = list;
	job->next = NULL;
	job->prev = list->last;
	if (list->last != NULL)
		list->last->next = job;
	else
		list->first = job;
	list->last = job;
	list->n++;
}

static inline void
mproc__jobs_del(struct mproc__job *job)
{
	struct mproc__jobs *list = job->in;

	if (job->prev != NULL)
		job->prev->next = job->next;
	else
		list->first = job->next;
	if (job->next != NULL)
		job->next->prev = job->prev;
	else
		list->last = job->prev;
	list->n--;
	job->in = NULL;
}

void	mproc__jobs_add_first(struct mproc__jobs *, struct mproc__job *);
void	mproc__job_end(struct mproc_pool *, struct mproc__job *, int code,
	    struct mproc_msg *reply, const char *text,
	    const struct mproc_death *);
/* The same for a plain one that succeeded with a small reply. */
void	mproc__job_done(struct mproc_pool *, struct mproc__job *,
	    const struct mproc__frame *, const struct mproc__envelope *);
/* End one that is in no worker's hands with -ECANCELED or so. */
void	mproc__job_drop(struct mproc_pool *, struct mproc__job *, int code,
	    const char *text);
/* All that wait; returns how many. */
int	mproc__pool_drop_queue(struct mproc_pool *, int code,
	    const char *text);
/* The text of its timeout, while a worker has it. */
void	mproc__job_too_long(const struct mproc__job *, char *buf,
	    size_t size);
void	mproc__job_requeue(struct mproc_pool *, struct mproc__job *);
void	mproc__job_free(struct mproc_pool *, struct mproc__job *);
static inline void
mproc__job_unwanted(struct mproc__job *job)
{
	job->unwanted = true;
	job->plain = false;
}

int	mproc__job_cancel(struct mproc_pool *, struct mproc__job *,
	    enum mproc_cancel how);
int64_t	mproc__jobs_expire(struct mproc_pool *, int64_t now);
void	mproc__exp_del(struct mproc_pool *, struct mproc__job *);

/* submit.c, locked */
struct mproc__item {
	const struct mproc_schema *schema;
	const void	*args;
	const struct mproc_msg *msg;
};
/* Room is there, or is waited for; to a future or a sink. */
int	mproc__pool_submit(struct mproc_pool *, const struct mproc__item *,
	    const struct mproc_job *, struct mproc_future *,
	    struct mproc__sink *, uint64_t index);
static inline bool
mproc__pool_has_room(const struct mproc_pool *pool)
{
	return pool->opt.queue_jobs < 0 ||
	    pool->n_queued < (size_t)pool->opt.queue_jobs;
}

int	mproc__pool_await_room(struct mproc_pool *, bool (*ready)(void *),
	    void *arg, int wait_ms);
/* Does the class take it?  The last one that it took it takes again. */
int	mproc__pool_check_item(struct mproc_pool *,
	    const struct mproc__item *);
static inline int
mproc__pool_check(struct mproc_pool *pool, const struct mproc__item *it)
{
	return it->schema != NULL &&
	    mproc__schema_hash(it->schema) == pool->taken ? 0 :
	    mproc__pool_check_item(pool, it);
}

int	mproc__pool_future(struct mproc_pool *, struct mproc_future **ret);

/* worker.c, locked */
int	mproc__worker_start(struct mproc_pool *, bool local,
	    struct mproc__worker *replaces);
/* A thread, which cannot be killed? */
bool	mproc__worker_is_thread(const struct mproc__worker *);
int	mproc__worker_give(struct mproc__worker *, struct mproc__job *);
void	mproc__worker_active(struct mproc__worker *, bool active);
void	mproc__worker_close(struct mproc__worker *);
void	mproc__worker_room(struct mproc__worker *);
void	mproc__worker_kill(struct mproc__worker *);
void	mproc__worker_stop(struct mproc__worker *);
void	mproc__worker_gone(struct mproc__worker *);
extern const struct mproc__mate mproc__worker_mate;

void	mproc__worker_take_back(struct mproc__worker *, struct mproc__job *);
/*
 * Those that it has not begun are queued again, or end if nobody wants them.
 * How many it has begun: jobs whose seq is above that may be gone.
 */
uint64_t mproc__worker_revoke(struct mproc__worker *);
/* The job is not wanted; false: another one's word is in its place. */
bool	mproc__worker_tell(struct mproc__worker *, const struct mproc__job *);
/* All those that are unwanted: they may be gone, and others queued again. */
void	mproc__worker_tell_all(struct mproc__worker *);

/* pace.c, locked */
/* So many jobs it may have in its hands. */
void	mproc__pace_set(struct mproc__worker *, size_t depth);
/* Nothing is known of it. */
void	mproc__pace_begin(struct mproc__worker *);
/* It has answered n jobs: may it have more in its hands? */
void	mproc__pace_learn(struct mproc__worker *, uint64_t n);
/* It got one more job. */
void	mproc__pace_given(struct mproc__worker *);
/* Does a long job keep others waiting?  When to look again. */
int64_t	mproc__pace_check(struct mproc__worker *, int64_t now);
/* An answer to no job in its hands. */
void	mproc__pace_answer(struct mproc__worker *);

/* init.c, locked */
/* Has it done all?  If not, they are begun, or it is killed as one failed. */
bool	mproc__worker_init(struct mproc__worker *);
void	mproc__init_answer(struct mproc__worker *,
	    const struct mproc__envelope *);
void	mproc__init_end(struct mproc__worker *);
void	mproc__inits_work(struct mproc_pool *);
void	mproc__inits_free(struct mproc_pool *);

/* life.c, locked: how many workers there should be */
void	mproc__pool_staff(struct mproc_pool *);
void	mproc__worker_work(struct mproc__worker *);
int64_t	mproc__pool_timers(struct mproc_pool *, int64_t now);
void	mproc__worker_check(struct mproc__worker *);
void	mproc__worker_info(struct mproc__worker *, struct mproc_worker *);
void	mproc__pool_news(struct mproc_pool *, struct mproc__worker *,
	    enum mproc_worker_event);
void	mproc__pool_wind_up(struct mproc_pool *);

/* control.c, locked */
void	mproc__pool_add_logs(struct mproc_pool_stats *,
	    struct mproc__worker *);

/* limits.c */
int	mproc__pool_defaults(struct mproc_pool_options *);

/* callback.c: unlocks and locks again */
void	mproc__pool_callbacks(struct mproc_pool *);
bool	mproc__pool_in_callback(struct mproc_pool *);
bool	mproc__pool_in_report(const struct mproc_pool *); /* progress.c */
void	mproc__job_call(struct mproc_pool *, struct mproc__job *);

/* stream.c, locked */
bool	mproc__stream_has(const struct mproc_stream *);
void	mproc__feed_forget(struct mproc_pool *, struct mproc_future *);
/* What waits for this sink is dropped, what runs goes to nobody. */
void	mproc__sink_leave(struct mproc_pool *, struct mproc__sink *,
	    bool cancel);
void	mproc__stream_init(struct mproc_stream *, struct mproc_pool *,
	    bool ordered, int64_t window);
void	mproc__stream_done(struct mproc_stream *);
bool	mproc__feed_due(struct mproc_pool *);
void	mproc__feed_run(struct mproc_pool *);	/* unlocks */
void	mproc__feeds_end(struct mproc_pool *, int code);

/* values.c; unlocked */
int	mproc__map_values(struct mproc_pool *, const struct mproc_function *,
	    const void *in, size_t n, const struct mproc_map_options *,
	    void *out);

/* progress.c; locked: tells the user if it is time, unlocked */
void	mproc__report(struct mproc_pool *, struct mproc__reporter *,
	    const struct mproc_progress *, bool last);
/* Round what a waiting call tells the user: unlocks; a callback, then. */
const struct mproc_pool *mproc__tell_begin(struct mproc_pool *);
void	mproc__tell_end(struct mproc_pool *, const struct mproc_pool *before);
/* When to wake for the next report, if that is before the deadline. */
int64_t	mproc__report_at(const struct mproc__reporter *, int64_t deadline);
/* Wait as mproc__pool_wait(), and report on the way. */
int	mproc__puts_wait(struct mproc_pool *, bool (*ready)(void *),
	    void *arg, int64_t deadline);
void	mproc__puts_report(struct mproc_pool *, bool last);

/* limiter.c; a token: taken, or the pool is told when there may be one */
bool	mproc__limiter_take(struct mproc_limiter *, struct mproc_pool *);
void	mproc__limiter_give(struct mproc_limiter *);
void	mproc__limiter_leave(struct mproc_limiter *, struct mproc_pool *);

#endif
