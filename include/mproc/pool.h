/*
 * mproc/pool.h - N processes of one class behind one submit.
 *
 * Layer: services.  A worker is an ordinary process of your class, a job an
 * ordinary call of one of its commands.  Life cycle:
 *  1. mproc_pool_new() checks class and options; nothing runs yet.
 *  2. mproc_pool_start() launches the workers and returns when all are ready.
 *  3. mproc_pool_submit() hands in jobs and gives futures (mproc/future.h);
 *     or mproc_pool_put() and mproc_pool_get(), without futures; or
 *     mproc_pool_map() over an array.
 *  4. mproc_pool_close() takes no more jobs, mproc_pool_join() waits for
 *     those that are there; mproc_pool_terminate() ends it at once.  After
 *     either the pool may be started again.
 *  5. mproc_pool_free().
 *
 * The pool has no threads of its own: it moves on inside calls on it and on
 * its futures, or when mproc_pool_fd() is readable and
 * mproc_pool_dispatch() is called.  Everything in it is bounded, and every
 * future ends exactly once: with the reply, the handler's error, -EPIPE (the
 * job's worker died: mproc_future_death() says how), -ETIMEDOUT, -ECANCELED,
 * or, when it could not be handed to a worker, -ENOMEM or -EMFILE.
 *
 * When this process ends without free, by SIGKILL too, so do the workers: the
 * idle ones at once, a busy one with its job, at the latest when
 * .process.stop_grace_ms (2 s) has passed: then it is killed.
 *
 * Threads: every function may be called from any thread, mproc_pool_free()
 * when no other call is under way, or in a callback.  Callbacks run inside
 * such calls, one at a time, and may call the pool, but not wait on it:
 * what has to wait gives -EDEADLK there, and does nothing.  In another
 * process than the one that made it a pool gives -ECHILD.
 */
#ifndef MPROC_POOL_H
#define MPROC_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <mproc/class.h>
#include <mproc/future.h>
#include <mproc/limiter.h>
#include <mproc/log.h>
#include <mproc/message.h>
#include <mproc/process.h>

#ifdef __cplusplus
extern "C" {
/* As in C, mproc_pool_stats() and its struct are two things. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

struct mproc_pool;

/*
 * mproc_cpu_count - processors that this process may use: its affinity, and
 * no more than its control group's quota, rounded up.  At least 1.
 */
int mproc_cpu_count(void);

/*
 * struct mproc_result - how a job ended, from mproc_pool_get() and map.
 *
 * @index  of the job: counted from 0 by put, the position by map
 * @reply  new: mproc_msg_free(); NULL if code < 0
 * @code   0, or what a future's mproc_future_result() would say
 * @text   of the error, "" if none, cut to fit
 */
struct mproc_result {
	uint64_t	  index;
	struct mproc_msg *reply;
	int		  code;
	char		  text[116];
};

/*
 * struct mproc_job_handler - callbacks on a job's results, in the process
 * that owns the pool.  All are optional; arg is struct mproc_job's.
 *
 * @item    an item that the handler gave with mproc_yield(); msg is lent
 *          (mproc_msg_keep() keeps it).  Negative: the job is canceled as
 *          by MPROC_CANCEL_COOP and ends with that code
 * @finish  the job succeeded: *reply may be changed or replaced before the
 *          future gets it.  Negative: the job fails with that code
 * @failed  it ended with a code; called once, instead of finish
 */
struct mproc_job_handler {
	int	(*item)(struct mproc_msg *msg, void *arg);
	int	(*finish)(struct mproc_msg **reply, void *arg);
	void	(*failed)(int code, const char *text, void *arg);
};

/*
 * struct mproc_job - how one job is done; zero is the default of each, which
 * is the pool's where it has one.
 *
 * @timeout_ms  the handler's running time; then its worker is killed and the
 *              job ends with -ETIMEDOUT; the text names command, worker
 *              and limit.  A thread is only asked to end, by
 *              mproc_canceled().  -1: none
 * @expire_ms   not begun after this time: -ETIMEDOUT, never run.  -1: none
 * @retries     after its worker died, run it again so often; only for jobs
 *              that may run twice.  -1: none
 * @handler     see above; borrowed until the job has ended
 * @arg         for the handler
 * @limiter     the job needs a token of it to run; borrowed so long
 * @key         jobs of one key other than 0 go to one worker, as long as it
 *              lives
 */
struct mproc_job {
	int		 timeout_ms;
	int		 expire_ms;
	int		 retries;
	const struct mproc_job_handler *handler;
	void		*arg;
	struct mproc_limiter *limiter;
	uint64_t	 key;
};

/*
 * struct mproc_progress - for a callback while map, get or join waits.
 *
 * @done, @failed of @total (0: not known)
 */
struct mproc_progress {
	uint64_t	done, failed, total;
	int64_t		elapsed_ms;
};
typedef void mproc_progress_fn(const struct mproc_progress *p, void *arg);
/*
 * A ready-made one: a bar on the terminal that the int * in arg is (NULL:
 * stderr); nothing if it is none.
 */
void mproc_progress_bar(const struct mproc_progress *p, void *arg);

/* What happens to a worker: for .on_worker. */
enum mproc_worker_event {
	MPROC_WORKER_READY,
	MPROC_WORKER_FAILED,	/* did not start: code and text */
	MPROC_WORKER_DIED,	/* unasked: death */
	MPROC_WORKER_KILLED,	/* by a timeout, a cancel, terminate */
	MPROC_WORKER_RETIRED	/* in order */
};

/*
 * struct mproc_worker - what a callback hears of a worker; borrowed.
 *
 * @id     from 1, never used twice in a pool
 * @pid    of a dead one (death is not NULL) what it was: another process may
 *         have it now.  0: it has not got one
 * @jobs   that it has done
 * @age_ms since its start
 * @death  how it ended, death->text in a sentence; NULL while it lives
 * @code, @text  why it did not start
 */
struct mproc_worker {
	unsigned	 id;
	int		 pid;
	uint64_t	 jobs;
	int64_t		 age_ms;
	const struct mproc_death *death;
	int		 code;
	const char	*text;
};

/*
 * struct mproc_pool_options - zero is the default of every member; -1 means
 * no limit where a limit is meant.
 *
 * @name          of the workers: NAME-1, NAME-2, ...; default the class's
 * @process       options of each worker (mproc/process.h): launch, channel,
 *                .args as the data that each worker gets once, ...  Another
 *                default have .channel, MPROC_RING, .ring_bytes, 256 KiB, and
 *                .spin_us, -1, if there are as many workers as processors
 * @workers       default: mproc_cpu_count() less reserve_cpus; at most 65536
 * @reserve_cpus  processors left to others
 * @cap           never more workers than processors less reserve_cpus; there
 *                is always one
 * @min_workers   kept ready; default: all, as many as .workers, if that is
 *                given, at most.  -1: none, they are started as jobs come
 * @queue_jobs    jobs that wait for a worker; default twice the workers
 *                times prefetch (where that is given), -1 no limit
 * @prefetch      jobs in a worker's hands at a time.  With more than one,
 *                the next is there when one is done: for small jobs, and
 *                for a program that hands in jobs and then does something
 *                else for long, without a call of the pool.
 *                Default: as many as the worker does in 1 ms, 1 to 1024;
 *                those that wait behind one that takes longer are taken back
 *                for others that are free.  A worker's death harms only the
 *                one that runs: those it has not begun go to others, and of
 *                those before it the results are here.  That takes a write
 *                for each reply over sockets; with .process.batch, which
 *                shares it, quick jobs that were done just before a long one
 *                or a death may be late or lost
 * @window        results of put that nobody got yet; default 131072; then
 *                put waits
 * @ordered       get gives results in the order of put
 * @fifo          the worker that has been idle longest is next; default: the
 *                one that worked last
 * @retries, @timeout_ms, @expire_ms, @limiter  of jobs that say nothing;
 *                the numbers -1 (none) or more
 * @max_jobs      after so many jobs a worker is replaced
 * @max_age_ms    after this time it is replaced; not in the middle of a job
 * @max_rss       above so many bytes of memory it is replaced
 * @retire        asked after each job: should this worker be replaced?
 *                It must not call the pool (nor must a log sink)
 * @idle_ms       a worker above min_workers is stopped after idling so long
 * @init_in_turn  calls of mproc_pool_add_init() are never made in two
 *                workers at once
 * @init_may_fail one that fails is logged, and the worker goes on
 * @no_respawn    dead workers are not replaced
 * @fail_open     while no worker can be had, jobs run in this process
 * @max_fails     starts in a row that may fail; default 3.  Then the pool is
 *                broken: jobs end with -ECHILD or are run here (fail_open);
 *                a start is tried again at times
 * @ping_ms       workers are pinged so often; one that does not answer for
 *                three times as long is killed.  A handler that runs longer
 *                has to call mproc_going() at times.  Default: no pings
 * @on_worker     hears of workers; see enum mproc_worker_event
 * @on_poison     a job killed each worker that it was given to, for the last
 *                time now: `msg` is the job, lent
 * @arg           for retire, on_worker, on_poison
 * @progress      of what was put: called while mproc_pool_get() or _join()
 *                waits and when the last result was got, at most ten times a
 *                second; mproc_progress_bar will do.  A run begins with the
 *                first put after all results were got; .total is what was
 *                put since, 0 while a feed goes on
 * @progress_arg  for it
 */
struct mproc_pool_options {
	const char	*name;
	struct mproc_options process;
	int		 workers;
	int		 reserve_cpus;
	int		 min_workers;
	int		 prefetch;
	int64_t		 queue_jobs;
	int64_t		 window;
	bool		 cap;
	bool		 ordered;
	bool		 fifo;
	int		 retries;
	int		 timeout_ms;
	int		 expire_ms;
	struct mproc_limiter *limiter;
	uint64_t	 max_jobs;
	int		 max_age_ms;
	int		 idle_ms;
	int64_t		 max_rss;
	bool		(*retire)(const struct mproc_worker *w, void *arg);
	bool		 init_in_turn;
	bool		 init_may_fail;
	bool		 no_respawn;
	bool		 fail_open;
	int		 max_fails;
	int		 ping_ms;
	void		(*on_worker)(enum mproc_worker_event event,
			    const struct mproc_worker *w, void *arg);
	void		(*on_poison)(struct mproc_msg *msg,
			    const struct mproc_death *death, void *arg);
	void		*arg;
	mproc_progress_fn *progress;
	void		*progress_arg;
};

/*
 * mproc_pool_new - make a pool; nothing is started.
 *
 * @cls      borrowed, must outlive the pool; static storage
 * @options  may be NULL: all defaults; copied, .process.args and .keep_fds
 *           too (the descriptors are borrowed)
 * @ret_pool new: free with mproc_pool_free()
 *
 * Returns 0, or -EINVAL, -EEXIST, -EPROTO (class or options are refused:
 * mproc_errmsg() names the option and its range),
 * -ENOMEM, -EMFILE.
 */
int mproc_pool_new(const struct mproc_class *cls,
    const struct mproc_pool_options *options, struct mproc_pool **ret_pool);

/*
 * mproc_pool_add_init - a call that every worker makes before its first job,
 * also one that takes another's place; in the order of adding, after pre_run.
 *
 *	mproc_pool_add_init(pool, model_load, .path = "large.bin");
 *
 * Only then is the worker ready, so .process.start_timeout_ms bounds them.
 * If one fails the worker does not start, with that code, unless the pool has
 * .init_may_fail.
 *
 * Returns 0, or -EALREADY (the pool is started), -EEXIST (the same call is
 * there), or -ENOSYS, -EINVAL, -EBADF, -EMFILE, -ENOMEM as submit.
 */
#define mproc_pool_add_init(pool_, message_, ...)			\
	mproc__kwargs(message_, mproc_pool_add_init_typed((pool_),	\
	    MPROC_SCHEMA(message_), &mproc__kw)				\
	    __VA_OPT__(,) __VA_ARGS__)
int mproc_pool_add_init_typed(struct mproc_pool *pool,
    const struct mproc_schema *schema, const void *args);

/*
 * mproc_pool_start - launch .min_workers; returns when all are ready.
 *
 * Returns 0, or -EALREADY (it is started), or, with nothing left running,
 * the code of the first worker that failed as mproc_start() has it.  With
 * fail_open 0 also then.  start_nowait does not wait for them; wait_ready:
 * 0, -ETIMEDOUT, -ENOTCONN not started, -ECHILD the pool is broken.
 */
int mproc_pool_start(struct mproc_pool *pool);
int mproc_pool_start_nowait(struct mproc_pool *pool);
int mproc_pool_wait_ready(struct mproc_pool *pool, int timeout_ms);

/*
 * mproc_pool_submit - hand in a job.
 *
 *	mproc_pool_submit(pool, -1, &f, counter_add, .by = 3);
 *
 * @wait_ms     for room in the queue: 0 do not wait, -1 no limit
 * @ret_future  new: mproc_future_free(), which gives a pending job up as
 *              MPROC_CANCEL_ABANDON does.  NULL: nobody wants the result
 *
 * mproc_pool_submit_job() takes a struct mproc_job besides (NULL: defaults).
 * A literal with a comma in it wants brackets: (&(struct mproc_job){ a, b }).
 *
 * Returns 0, or, with nothing handed in,
 *   -EAGAIN     no room (wait_ms 0); mproc_pool_fd() tells of room
 *   -ETIMEDOUT  no room for wait_ms
 *   -ESHUTDOWN  the pool was closed;  -ENOTCONN it was not started
 *   -ECANCELED  it is on no-go: see mproc_pool_set_going()
 *   -ECHILD     no worker lives, none can be started, and no fail_open
 *   -ENOSYS, -EINVAL, -EMSGSIZE, -EBADF, -ENOMEM as mproc_send() has them
 *   -EDEADLK    it would have to wait, in a callback
 */
#define mproc_pool_submit(pool_, wait_ms_, ret_future_, message_, ...)	\
	mproc__kwargs(message_, mproc_pool_submit_typed((pool_),	\
	    (wait_ms_), NULL, (ret_future_), MPROC_SCHEMA(message_),	\
	    &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
#define mproc_pool_submit_job(pool_, wait_ms_, job_, ret_future_,	\
	    message_, ...)						\
	mproc__kwargs(message_, mproc_pool_submit_typed((pool_),	\
	    (wait_ms_), (job_), (ret_future_), MPROC_SCHEMA(message_),	\
	    &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int mproc_pool_submit_typed(struct mproc_pool *pool, int wait_ms,
    const struct mproc_job *job, struct mproc_future **ret_future,
    const struct mproc_schema *schema, const void *args);
int mproc_pool_submit_msg(struct mproc_pool *pool, int wait_ms,
    const struct mproc_job *job, struct mproc_future **ret_future,
    const struct mproc_msg *msg);

/*
 * mproc_pool_call - submit and wait: timeout_ms for all of it; a job that is
 * not done by then is given up (MPROC_CANCEL_ABANDON; a job's own .timeout_ms
 * kills).  Returns as mproc_call(), and as submit.  _job: as submit_job.
 */
#define mproc_pool_call(pool_, timeout_ms_, ret_reply_, message_, ...)	\
	mproc__kwargs(message_, mproc_pool_call_typed((pool_),		\
	    (timeout_ms_), NULL, (ret_reply_), MPROC_SCHEMA(message_),	\
	    &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
#define mproc_pool_call_job(pool_, timeout_ms_, job_, ret_reply_,	\
	    message_, ...)						\
	mproc__kwargs(message_, mproc_pool_call_typed((pool_),		\
	    (timeout_ms_), (job_), (ret_reply_),			\
	    MPROC_SCHEMA(message_), &mproc__kw)				\
	    __VA_OPT__(,) __VA_ARGS__)
int mproc_pool_call_typed(struct mproc_pool *pool, int timeout_ms,
    const struct mproc_job *job, struct mproc_msg **ret_reply,
    const struct mproc_schema *schema, const void *args);

/*
 * mproc_pool_put - hand in a job whose result mproc_pool_get() gives.
 * Returns as submit; also waits while .window results wait to be got, those
 * of jobs that run included.  _job: as submit_job.
 */
#define mproc_pool_put(pool_, wait_ms_, message_, ...)			\
	mproc__kwargs(message_, mproc_pool_put_typed((pool_),		\
	    (wait_ms_), NULL, MPROC_SCHEMA(message_), &mproc__kw)	\
	    __VA_OPT__(,) __VA_ARGS__)
#define mproc_pool_put_job(pool_, wait_ms_, job_, message_, ...)	\
	mproc__kwargs(message_, mproc_pool_put_typed((pool_),		\
	    (wait_ms_), (job_), MPROC_SCHEMA(message_), &mproc__kw)	\
	    __VA_OPT__(,) __VA_ARGS__)
int mproc_pool_put_typed(struct mproc_pool *pool, int wait_ms,
    const struct mproc_job *job, const struct mproc_schema *schema,
    const void *args);
int mproc_pool_put_msg(struct mproc_pool *pool, int wait_ms,
    const struct mproc_job *job, const struct mproc_msg *msg);

/*
 * mproc_pool_get - the next result of put, by completion, or in the order of
 * put with .ordered; a failed job's result is at its place.
 *
 * Returns 1 and a result, or
 *   -ENODATA    every result has been got, or nothing was put
 *   -EAGAIN     none is there yet (timeout_ms 0)
 *   -ETIMEDOUT  none came
 */
int mproc_pool_get(struct mproc_pool *pool, int timeout_ms,
    struct mproc_result *ret_result);

/*
 * mproc_pool_feed - put from a source, as there is room, without being asked.
 *
 * @next  is called inside calls on the pool; it fills *ret_msg (moved to the
 *        pool) and returns 1, or 0: no more, or a negative code, which ends
 *        it, too
 *
 * Several feeds take turns.  *ret_future (may be NULL) completes when the
 * source has ended and all of it was handed in: 0 or next's code.
 */
typedef int mproc_feed_fn(void *arg, struct mproc_msg **ret_msg);
int mproc_pool_feed(struct mproc_pool *pool, mproc_feed_fn *next, void *arg,
    struct mproc_future **ret_future);

/*
 * mproc_pool_clear - take jobs that wait for a worker out of the queue; they
 * end with -ECANCELED.  Returns how many.
 */
int mproc_pool_clear(struct mproc_pool *pool);

/*
 * struct mproc_map_options - zero is the default of every member.
 *
 * @job           of every job; NULL: the pool's defaults
 * @stop_on_error the first failure ends it: what has not begun is canceled
 * @chunk         values of a plain function in one message, at most; default:
 *                what 64 KiB hold.  With 1 a crash costs one value
 * @progress      called at most ten times a second, and at the end
 * @progress_arg  for it
 * @on_failed     hears of what has no result: `n` of them from position
 *                `first` on, and why; of plain functions (mproc/function.h)
 *                when it is known, else at the end
 * @on_failed_arg for it
 */
struct mproc_map_options {
	const struct mproc_job *job;
	bool		 stop_on_error;
	size_t		 chunk;
	mproc_progress_fn *progress;
	void		*progress_arg;
	void		(*on_failed)(size_t first, size_t n, int code,
			    const char *text, void *arg);
	void		*on_failed_arg;
};

/*
 * mproc_pool_map - a job for each of n messages in an array; waits for all.
 *
 *	struct counter_add in[100] = ...;
 *	struct mproc_result out[100];
 *	mproc_pool_map(pool, counter_add, in, 100, NULL, out);
 *
 * @results  n of them, in the order of the input; each reply is new:
 *           mproc_msg_free().  mproc_results_free() frees n.
 *
 * Returns 0, or the code of the first job (by position) that failed; the
 * results are filled in either way; or, with none filled in (zero), a code
 * of submit.
 */
#define mproc_pool_map(pool_, message_, in_, n_, options_, results_)	\
	mproc_pool_map_typed((pool_), MPROC_SCHEMA(message_),		\
	    (1 ? (in_) : (const struct message_ *)0), (n_), (options_),	\
	    (results_))
int mproc_pool_map_typed(struct mproc_pool *pool,
    const struct mproc_schema *schema, const void *in, size_t n,
    const struct mproc_map_options *options, struct mproc_result *results);
void mproc_results_free(struct mproc_result *results, size_t n);

/*
 * A stream of results from a source of messages, which is read only as far
 * as `window` results ahead of the reader (default: twice what the workers
 * can hold): the imap of other systems.
 *
 * mproc_stream_next() returns 1 and a result, 0 at the end, -ETIMEDOUT, or
 * the source's negative code after all results before it.
 * mproc_stream_free() cancels what has not begun, and abandons the rest.
 */
struct mproc_stream;
struct mproc_stream_options {
	const struct mproc_job *job;
	int64_t		 window;
	bool		 unordered;
};
int mproc_pool_stream(struct mproc_pool *pool, mproc_feed_fn *next,
    void *arg, const struct mproc_stream_options *options,
    struct mproc_stream **ret_stream);
int mproc_stream_next(struct mproc_stream *stream, int timeout_ms,
    struct mproc_result *ret_result);
struct mproc_stream *mproc_stream_free(struct mproc_stream *stream);

/*
 * mproc_pool_fd - for select, poll, epoll, mproc_context_watch(): readable
 * while there is something to do (call mproc_pool_dispatch()), a result to
 * get, or room in the queue after a put or submit that found none.  Borrowed:
 * do not read or close it.
 * Returns it, or -EMFILE, -ENOMEM, -ECHILD.
 *
 * mproc_pool_dispatch - do what there is to do, waiting at most timeout_ms
 * for something.  Returns the number of jobs that ended, or -EDEADLK.
 */
int mproc_pool_fd(struct mproc_pool *pool);
int mproc_pool_dispatch(struct mproc_pool *pool, int timeout_ms);

/*
 * Ending.  All are idempotent and bounded.
 *
 * close      no more jobs: submit gives -ESHUTDOWN; workers end when the
 *            queue is empty.
 * join       wait until all jobs have ended and all workers have: 0,
 *            -ETIMEDOUT, -EBUSY (neither closed nor terminated).
 * terminate  kill the workers and wait for their end, at most some seconds;
 *            what has not ended ends with -ECANCELED.
 * stop       close, and join for at most grace_ms, then terminate: 0, or
 *            -ETIMEDOUT if workers had to be killed.
 * free       terminates; results that were not got are freed.  NULL is fine.
 *            In a callback of the pool it is done when the calls that are
 *            under way return, which they do soon, with -ESHUTDOWN or what
 *            they have; no other may follow.
 *
 * terminate, stop and a join that has to wait give -EDEADLK in a callback.
 */
int mproc_pool_close(struct mproc_pool *pool);
int mproc_pool_join(struct mproc_pool *pool, int timeout_ms);
int mproc_pool_terminate(struct mproc_pool *pool);
int mproc_pool_stop(struct mproc_pool *pool, int grace_ms);
struct mproc_pool *mproc_pool_free(struct mproc_pool *pool);
/*
 * MPROC_SCOPED_POOL - before a variable: its pool ends where the block does,
 * however that is left, but by longjmp(3).
 *
 *	MPROC_SCOPED_POOL struct mproc_pool *pool = NULL;
 *
 * mproc_pool_done(), which it calls, stops the pool, jobs having
 * .process.stop_grace_ms to finish, frees it, and leaves NULL.
 */
#define MPROC_SCOPED_POOL	__attribute__((cleanup(mproc_pool_done)))
void mproc_pool_done(struct mproc_pool **pool);

/*
 * go / no-go for all: what mproc_going() answers in the workers.  On no-go
 * all jobs that wait end with -ECANCELED, those that run are canceled as by
 * MPROC_CANCEL_COOP, and submit gives -ECANCELED until it is go again.
 */
int mproc_pool_set_going(struct mproc_pool *pool, bool going);
/* Level of all workers' loggers, also of those to come. */
int mproc_pool_set_log_level(struct mproc_pool *pool, enum mproc_level level);

/*
 * mproc_pool_log_capture - give what the workers log under a name, or below
 * it, to a sink of the pool's own.
 *
 * @name      as for mproc_logger(); of several the longest that fits counts;
 *            "" or NULL takes all that no other takes
 * @sink      as for mproc_log_add_sink(); what is below its level is dropped.
 *            It takes the place of the one that the name had
 * @propagate records go to the program's sinks as well; otherwise not
 *
 * Records under other names go to the program's sinks, as ever.  Holds at
 * once, before the start too, for all workers, until mproc_pool_log_release()
 * or mproc_pool_free(): the last words of a worker are not lost.  Not for
 * what a thread (MPROC_THREAD) says to loggers other than its backend's.
 *
 * Returns 0, or -EINVAL (the name is too long), -ECHILD, or a code of
 * mproc_log_add_sink().  release: 0, or -ENOENT.  A sink may call both, but
 * no other function of the pool.
 * Source: addLogger() and removeLogger() of better.multiprocessing.
 */
int mproc_pool_log_capture(struct mproc_pool *pool, const char *name,
    const struct mproc_sink *sink, bool propagate);
int mproc_pool_log_release(struct mproc_pool *pool, const char *name);

/*
 * Where jobs run.  OFF: new jobs run in this process, in a thread made for
 * it, if the pool has fail_open, else they are refused with -ECHILD;
 * OFF_STICKY: the same, and ON_IF does not undo it.
 */
enum mproc_offload {
	MPROC_OFFLOAD_ON,
	MPROC_OFFLOAD_ON_IF,	/* unless it is OFF_STICKY */
	MPROC_OFFLOAD_OFF,
	MPROC_OFFLOAD_OFF_STICKY
};
int mproc_pool_set_offload(struct mproc_pool *pool, enum mproc_offload to);
int mproc_pool_set_fail_open(struct mproc_pool *pool, bool fail_open);

/*
 * mproc_pool_notify - send a message to every worker that is ready.
 *
 * A command whose row is `.urgent` (mproc/class.h) is handled at once, in a
 * thread of its own in each worker, whatever job runs there.  Any other is
 * handled by a worker between two jobs.  In each worker in order of sending.
 *
 * @wait_ms  until every worker has room for a notification: 0 do not wait,
 *           -1 no limit
 *
 * Returns how many got it, or, with nothing sent,
 *   -EAGAIN     a worker has no room (wait_ms 0);  -ETIMEDOUT, in wait_ms
 *   -ENOTCONN   no worker is ready
 *   -ENOSYS, -EINVAL, -EMSGSIZE, -ENOMEM as mproc_notify() has them
 *   -EDEADLK    it would have to wait, in a callback
 */
#define mproc_pool_notify(pool_, wait_ms_, message_, ...)		\
	mproc__kwargs(message_, mproc_pool_notify_typed((pool_),	\
	    (wait_ms_), MPROC_SCHEMA(message_), &mproc__kw)		\
	    __VA_OPT__(,) __VA_ARGS__)
int mproc_pool_notify_typed(struct mproc_pool *pool, int wait_ms,
    const struct mproc_schema *schema, const void *args);

/*
 * struct mproc_pool_stats - the accounts of a pool:
 *
 *	submitted = done + failed + crashed + timed_out + canceled +
 *	    queued + running
 *
 * @done       replied;  @failed  the handler's error
 * @crashed    ended as their worker died;  @retried  runs after such
 * @timed_out  by timeout_ms (killed) or expire_ms
 * @canceled   in all kinds, by clear, no-go, terminate
 * @queued     wait for a worker;  @running  are in a worker's hands
 * @poisoned   of crashed: after their last retry
 * @taken_back from behind a long job, for other workers (.prefetch)
 * @abandoned  results that nobody wanted any more when they came
 * @local      of all: run in this process
 * @workers    ready, of them @idle and @busy; @starting; @stopping
 * @configured the number asked for
 * @started, @died, @killed, @retired, @start_failures  workers, so far
 * @logs       records that came from workers; @logs_dropped, which did not,
 *             as nobody took them (.process.log_block_ms)
 * @broken     no worker can be started
 */
struct mproc_pool_stats {
	uint64_t submitted, done, failed, crashed, timed_out, canceled;
	uint64_t queued, running;
	uint64_t retried, poisoned, taken_back, abandoned, local;
	unsigned workers, idle, busy, starting, stopping, configured;
	uint64_t started, died, killed, retired, start_failures;
	uint64_t logs, logs_dropped;
	bool	 broken;
};
int mproc_pool_stats(struct mproc_pool *pool,
    struct mproc_pool_stats *ret_stats);
const char *mproc_pool_name(const struct mproc_pool *pool);
const struct mproc_class *mproc_pool_class_of(const struct mproc_pool *pool);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif
