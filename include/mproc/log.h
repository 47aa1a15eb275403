/*
 * mproc/log.h - named loggers, levels and sinks.
 *
 * Layer: base.  Knows no messages and no processes.
 *
 * Loggers form a tree by the dots in their names: "Counter.counter-1.db" is
 * below "Counter.counter-1", "Counter" and the root "".  A logger without a
 * level of its own takes that of the nearest logger above it that has one;
 * the root starts at MPROC_INFO.  A record goes to the sinks of its logger
 * and of all loggers above it, up to one that does not propagate.
 *
 * The library is silent until the program adds a sink.  Sinks and levels are
 * the one thing that belongs to the whole process: all threads share them.
 *
 * Life cycle:
 *  1. mproc_log_stderr(), or mproc_log_add_sink() as often as wanted.
 *  2. mproc_log_set_level() at any time; all loggers below follow at once.
 *  3. mproc_logger() gives a handle; mproc_log_at() and its short forms log.
 *  4. mproc_log_reset() gives everything back, at the end of the program.
 *
 * In a backend all this is there too, but its sinks are replaced by one that
 * sends each record to the frontend, where it meets the frontend's sinks.
 * After a plain fork(2) the child has the sinks and levels of its parent.
 */
#ifndef MPROC_LOG_H
#define MPROC_LOG_H

#include <sys/types.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
/* As in C, mproc_logger() and struct mproc_logger are two things. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

/* A logger's name may have up to this many bytes. */
#define MPROC_LOG_NAME_MAX	255
/* A record's text may; what is longer is cut and ends with " [...]". */
#define MPROC_LOG_TEXT_MAX	4095

enum mproc_level {
	MPROC_LEVEL_DEFAULT = 0,	/* not set: as the logger above */
	MPROC_DEBUG,
	MPROC_INFO,
	MPROC_WARNING,
	MPROC_ERROR,
	MPROC_CRITICAL,
	MPROC_OFF			/* above all records */
};

/*
 * mproc_level_name - "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "OFF".
 *
 * Returns a static string; "DEFAULT" for MPROC_LEVEL_DEFAULT, "?" for what
 * is no level.
 * Call from: any thread, also from a signal handler.
 */
const char *mproc_level_name(enum mproc_level level);

/*
 * mproc_level_parse - the level of that name, in any case of letters.
 *
 * Returns 0, or
 *   -EINVAL   no such name; *ret_level is as before
 * Call from: any thread.
 */
int mproc_level_parse(const char *name, enum mproc_level *ret_level);

/* Opaque, but begins with an int: the least level that reaches a sink. */
struct mproc_logger;

/*
 * mproc_logger - the logger of that name, made when first asked for.
 *
 * @name  shape: up to MPROC_LOG_NAME_MAX bytes, parts joined by dots; "" or
 *        NULL is the root; borrowed until return
 *
 * Returns a logger, never NULL, borrowed until mproc_log_reset(); ask once
 * and keep it.  When there is no memory for it, or the name is too long, it
 * is the nearest existing logger above: records are not lost, but carry that
 * logger's name.  A logger takes some 100 bytes and is never freed before
 * mproc_log_reset(): do not put counters into names.
 * Call from: any thread.
 * Source: hierarchy and inheritance after Python's logging module.
 */
struct mproc_logger *mproc_logger(const char *name);

/* The logger's name; borrowed as long as the logger. */
const char *mproc_logger_name(const struct mproc_logger *logger);

/*
 * mproc_log_wants - would a record of that level reach any sink?
 *
 * For work that is done only to be logged; mproc_log_at() asks by itself.
 * Takes about a nanosecond.
 * Call from: any thread, also from a signal handler.
 */
static inline bool
mproc_log_wants(const struct mproc_logger *logger, enum mproc_level level)
{
	const void *threshold = logger;

	return (int)level >= __atomic_load_n((const int *)threshold,
	    __ATOMIC_RELAXED);
}

/*
 * mproc_log_at - log a record.
 *
 * @logger  borrowed
 * @level   MPROC_DEBUG to MPROC_CRITICAL; nothing happens for another
 * @fmt     printf(3) format of the text, without a newline at the end
 *
 * The arguments after `level` are evaluated only if the record is wanted.
 * Cannot fail: what a sink could not take is counted (mproc_log_lost()).
 * errno and the thread's mproc_errmsg() stay as they were, "%m" works.
 * Call from: any thread, also from a sink's function.  Not from a signal
 * handler.
 */
void mproc_log_at(struct mproc_logger *logger, enum mproc_level level,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void mproc_vlog_at(struct mproc_logger *logger, enum mproc_level level,
    const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

#define mproc_log_at(logger_, level_, ...) do {				\
	struct mproc_logger *mproc__l = (logger_);			\
	enum mproc_level mproc__v = (level_);				\
	if (__builtin_expect(mproc_log_wants(mproc__l, mproc__v), 0))	\
		(mproc_log_at)(mproc__l, mproc__v, __VA_ARGS__);	\
} while (0)

#define mproc_log_debug(logger_, ...)					\
	mproc_log_at(logger_, MPROC_DEBUG, __VA_ARGS__)
#define mproc_log_info(logger_, ...)					\
	mproc_log_at(logger_, MPROC_INFO, __VA_ARGS__)
#define mproc_log_warning(logger_, ...)					\
	mproc_log_at(logger_, MPROC_WARNING, __VA_ARGS__)
#define mproc_log_error(logger_, ...)					\
	mproc_log_at(logger_, MPROC_ERROR, __VA_ARGS__)
#define mproc_log_critical(logger_, ...)				\
	mproc_log_at(logger_, MPROC_CRITICAL, __VA_ARGS__)

/*
 * mproc_log_set_level - set the level of a logger and of all below it that
 * have none of their own, in all threads, at once.
 *
 * @name   as for mproc_logger(); the logger is made if need be
 * @level  MPROC_LEVEL_DEFAULT takes the logger's own level away again
 *
 * Returns 0, or
 *   -EINVAL   no such level, or the name is too long
 *   -ENOMEM   the logger could not be made; nothing changed
 * Call from: any thread.
 */
int mproc_log_set_level(const char *name, enum mproc_level level);

/*
 * mproc_log_level - the level that holds for a name, its own or that of the
 * nearest logger above that has one.  Never MPROC_LEVEL_DEFAULT.  Makes no
 * logger.
 * Call from: any thread.
 */
enum mproc_level mproc_log_level(const char *name);

/*
 * mproc_log_enabled - would a record of that name and level reach any sink?
 * As mproc_log_wants(), by name, and makes no logger.
 * Call from: any thread.
 */
bool mproc_log_enabled(const char *name, enum mproc_level level);

/*
 * mproc_log_set_propagate - whether records go on to the loggers above.
 *
 * Returns 0, or
 *   -EINVAL   the name is too long
 *   -ENOMEM   the logger could not be made; nothing changed
 * Call from: any thread.
 */
int mproc_log_set_propagate(const char *name, bool propagate);

/*
 * A record, as sinks get it.  All strings are borrowed until return.
 *
 * @level     MPROC_DEBUG to MPROC_CRITICAL
 * @name      of the logger
 * @process   name of the process that logged
 * @pid, @tid its process and thread id
 * @time_ns   unit: nanoseconds since 1970 (CLOCK_REALTIME)
 * @text      the message, ended by a NUL; as logged, so it may have newlines
 * @text_len  its bytes; more than strlen(text) only if the text has NULs,
 *            which captured output may
 */
struct mproc_log_record {
	enum mproc_level	 level;
	const char		*name;
	const char		*process;
	pid_t			 pid;
	pid_t			 tid;
	int64_t			 time_ns;
	const char		*text;
	size_t			 text_len;
};

/*
 * A sink's own function.
 *
 * One call at a time: the library waits for the last before it begins the
 * next.  It may log; such records go to all sinks except those with a
 * function, so that it cannot call itself.  It may add and remove sinks.
 */
typedef void mproc_sink_fn(const struct mproc_log_record *record, void *arg);

/*
 * Where records go.
 *
 * STDERR, FD and FILE write one line a record with one write(2), of at most
 * PIPE_BUF (4096) bytes, so that lines of many threads and processes onto
 * one pipe or file never mix.  A longer line is cut and ends with " [...]".
 * So that one record stays one line, control characters in the text and in
 * names are written as \n, \r, \t or \xNN.
 *
 * A sink that cannot take a line (full, closed, no space) loses it, counted
 * by mproc_log_lost().  A non-blocking descriptor that is full is waited for
 * 100 ms; a blocking one blocks.  SIGPIPE is not raised.
 */
enum mproc_sink_kind {
	MPROC_SINK_STDERR = 0,	/* descriptor 2, whatever it is then */
	MPROC_SINK_FD,
	MPROC_SINK_FILE,
	MPROC_SINK_SYSLOG,
	MPROC_SINK_CALLBACK
};

/*
 * A line's pattern: %n logger, %l level, %m text, %P process name, %p
 * process id, %t thread id, %T time (UTC, microseconds), %% a percent sign.
 */
#define MPROC_LOG_CLASSIC	"%n - %l - %m"
#define MPROC_LOG_FULL		"%T %P[%p] %l %n: %m"
#define MPROC_LOG_PROCESS	"[%l/%P] %m"

/*
 * Description of a sink; zero is the default of every field, so
 * &(struct mproc_sink){ .kind = MPROC_SINK_FILE, .path = "my.log" } will do.
 *
 * @kind      see above
 * @level     least level that it takes; default all
 * @format    pattern; default MPROC_LOG_CLASSIC, for SYSLOG "%n: %m".  Not
 *            for CALLBACK; borrowed until return
 * @fd        FD: duplicated, so it may be closed; a regular file should be
 *            open with O_APPEND.  On a stream socket that is non-blocking a
 *            line may be cut when the socket is full.
 * @path      FILE: opened for appending, made with mode 0666 and the umask;
 *            a relative one is resolved now; borrowed until return
 * @facility  SYSLOG: of <syslog.h>; default LOG_USER.  openlog(3) is left to
 *            the program.
 * @fn, @arg  CALLBACK; arg must live until the sink is removed
 */
struct mproc_sink {
	enum mproc_sink_kind	 kind;
	enum mproc_level	 level;
	const char		*format;
	int			 fd;
	const char		*path;
	int			 facility;
	mproc_sink_fn		*fn;
	void			*arg;
};

/* The same in one call, also for C++: the sink of that kind, rest default. */
struct mproc_sink mproc_sink_stderr(enum mproc_level level);
struct mproc_sink mproc_sink_fd(enum mproc_level level, int fd);
struct mproc_sink mproc_sink_file(enum mproc_level level, const char *path);
struct mproc_sink mproc_sink_syslog(enum mproc_level level, int facility);
struct mproc_sink mproc_sink_callback(enum mproc_level level,
    mproc_sink_fn *fn, void *arg);

/*
 * mproc_log_add_sink - send records of a logger, and of those below it, to a
 * sink.
 *
 * @name    as for mproc_logger(); the logger is made if need be
 * @sink    description; borrowed until return
 * @ret_id  for mproc_log_remove_sink(), > 0; may be NULL
 *
 * Returns 0, or
 *   -EINVAL   no such kind or level, a name too long, an unknown letter in
 *             the pattern, no path, no function, or a facility that is none
 *   -EBADF    fd is not open
 *   -ENOMEM   no memory; nothing changed
 *   -EMFILE, -ENFILE   out of descriptors; nothing changed
 *   and what open(2) says about the path (-ENOENT, -EACCES, -EISDIR, -ENXIO
 *   for a FIFO that nobody reads, ...)
 * Call from: any thread.
 */
int mproc_log_add_sink(const char *name, const struct mproc_sink *sink,
    int *ret_id);

/*
 * mproc_log_remove_sink - take a sink away and close its descriptor.
 *
 * After return its function is not running in any thread and will not be
 * called; but from inside a sink's function it does not wait for that.
 *
 * Returns 0, or
 *   -ENOENT   no sink has that id
 * Call from: any thread that holds nothing which the sink's function needs.
 */
int mproc_log_remove_sink(int id);

/*
 * mproc_log_stderr - the usual start: a stderr sink on the root, once.
 *
 * @level  of the root from now on; MPROC_LEVEL_DEFAULT leaves it as it is
 *
 * Adds the sink only if the root has no stderr sink yet.  Lines look like
 * `Counter.counter-1 - INFO - hello`.
 *
 * Returns 0, or
 *   -EINVAL   no such level
 *   -ENOMEM   no memory; nothing changed
 * Call from: any thread.
 */
int mproc_log_stderr(enum mproc_level level);

/*
 * mproc_log_reopen - open the files of all FILE sinks anew, by their paths.
 *
 * For after a rotation.  A file that cannot be opened stays the old one.  No
 * record is lost in between.
 *
 * Returns the number of files, or the first failure's code, with all others
 * tried.
 * Call from: any thread; not from a signal handler.
 */
int mproc_log_reopen(void);

/*
 * mproc_log_lost - records that some sink could not take, once per sink,
 * since the start or the last reset.
 * Call from: any thread, also from a signal handler.
 */
uint64_t mproc_log_lost(void);

/*
 * mproc_log_reset - remove all sinks, free all loggers, forget all levels.
 *
 * Handles of mproc_logger() are invalid after it, so no other thread may be
 * logging.  Does nothing when called from a sink's function.
 */
void mproc_log_reset(void);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif
