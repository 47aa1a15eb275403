/*
 * sink.c - sinks: made, taken away, and given records.
 *
 * A sink is used without the registry's lock, because writing may block and
 * a function may do anything.  While `users` is not 0 it stays in its lists
 * and in memory, so that whoever walks a list can go on from it.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log/registry.h"

#define FULL_MS	100	/* how long a full, non-blocking one is waited for */

_Thread_local struct mproc__sink *mproc__sink_running;

static int last_id;

struct mproc_sink
mproc_sink_stderr(enum mproc_level level)
{
	return (struct mproc_sink){ .kind = MPROC_SINK_STDERR,
	    .level = level };
}

struct mproc_sink
mproc_sink_fd(enum mproc_level level, int fd)
{
	return (struct mproc_sink){ .kind = MPROC_SINK_FD, .level = level,
	    .fd = fd };
}

struct mproc_sink
mproc_sink_file(enum mproc_level level, const char *path)
{
	return (struct mproc_sink){ .kind = MPROC_SINK_FILE, .level = level,
	    .path = path };
}

struct mproc_sink
mproc_sink_syslog(enum mproc_level level, int facility)
{
	return (struct mproc_sink){ .kind = MPROC_SINK_SYSLOG, .level = level,
	    .facility = facility };
}

struct mproc_sink
mproc_sink_callback(enum mproc_level level, mproc_sink_fn *fn, void *arg)
{
	return (struct mproc_sink){ .kind = MPROC_SINK_CALLBACK,
	    .level = level, .fn = fn, .arg = arg };
}

static int
open_file(const char *path)
{
	int fd, above;

	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
	    O_NONBLOCK, 0666);
	if (fd < 0)
		return mproc__fd_error(errno, path);
	if (fd > STDERR_FILENO)
		return fd;
	/* The program has closed one of 0-2: it is not ours to become. */
	above = mproc__dup(fd);
	mproc__close(fd);
	return above < 0 ? mproc__fd_error(above, path) : above;
}

/* The path, from the root, so that chdir(2) does not move the file. */
static char *
absolute(const char *path)
{
	char *cwd, *full;

	if (path[0] == '/')
		return strdup(path);
	if ((cwd = getcwd(NULL, 0)) == NULL)
		return NULL;
	if (asprintf(&full, "%s/%s", cwd, path) < 0)
		full = NULL;
	free(cwd);
	return full;
}

static int
check(const struct mproc_sink *conf)
{
	if (conf == NULL || (unsigned)conf->kind > MPROC_SINK_CALLBACK)
		return mproc__err(-EINVAL, "log sink: no such kind");
	if ((unsigned)conf->level > MPROC_OFF)
		return mproc__err(-EINVAL, "log sink: level %d: no such level",
		    (int)conf->level);
	if (conf->kind == MPROC_SINK_FILE &&
	    (conf->path == NULL || conf->path[0] == '\0'))
		return mproc__err(-EINVAL, "log sink: FILE without a path");
	if (conf->kind == MPROC_SINK_CALLBACK && conf->fn == NULL)
		return mproc__err(-EINVAL, "log sink: CALLBACK without a "
		    "function");
	if (conf->kind == MPROC_SINK_SYSLOG &&
	    (conf->facility & ~LOG_FACMASK) != 0)
		return mproc__err(-EINVAL, "log sink: facility %d: see "
		    "syslog(3)", conf->facility);
	return conf->format == NULL ? 0 : mproc__log_check_format(conf->format);
}

void
mproc__sink_free(struct mproc__sink *s, bool close_fd)
{
	if (close_fd)
		mproc__close(s->fd);
	free(s->format);
	free(s->path);
	free(s);
}

static int
sink_open(struct mproc__sink *s, const struct mproc_sink *conf)
{
	const char *format = conf->format;

	if (format == NULL)
		format = conf->kind == MPROC_SINK_SYSLOG ? "%n: %m" :
		    MPROC_LOG_CLASSIC;
	if ((s->format = strdup(format)) == NULL)
		goto no_memory;
	if (conf->kind == MPROC_SINK_FILE) {
		if ((s->path = absolute(conf->path)) == NULL) {
			if (errno == ENOMEM)
				goto no_memory;
			return mproc__err(-errno, "log sink: %s: %s",
			    conf->path, strerror(errno));
		}
		s->fd = open_file(s->path);
	} else if (conf->kind == MPROC_SINK_FD) {
		if ((s->fd = mproc__dup(conf->fd)) < 0)
			return mproc__fd_error(s->fd, "log sink");
	}
	return s->fd < -1 ? s->fd : 0;
no_memory:
	return mproc__err(-ENOMEM, "log sink: no memory");
}

int
mproc__sink_new(const struct mproc_sink *conf, struct mproc__sink **ret)
{
	struct mproc__sink *s;
	int r;

	if ((r = check(conf)) < 0)
		return r;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return mproc__err(-ENOMEM, "log sink: no memory");
	s->conf = *conf;
	s->conf.format = s->conf.path = NULL;	/* borrowed */
	s->fd = -1;
	s->busy = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	if ((r = sink_open(s, conf)) < 0) {
		mproc__sink_free(s, s->fd >= 0);
		return r;
	}
	*ret = s;
	return 0;
}

void
mproc__sink_attach(struct mproc__sink *s, struct mproc__logger *l)
{
	s->logger = l;
	s->id = ++last_id;
	TAILQ_INSERT_TAIL(&l->sinks, s, of_logger);
	TAILQ_INSERT_TAIL(&mproc__log_registry.all, s, of_all);
	mproc__logger_refresh(l);
}

int
mproc_log_add_sink(const char *name, const struct mproc_sink *sink,
    int *ret_id)
{
	struct mproc__logger *l;
	struct mproc__sink *s;
	int r;

	if ((r = mproc__sink_new(sink, &s)) < 0)
		return r;
	mproc__log_lock();
	if ((r = mproc__logger_get(name, &l)) < 0) {
		mproc__log_unlock();
		mproc__sink_free(s, true);
		return r;
	}
	mproc__sink_attach(s, l);
	if (ret_id != NULL)
		*ret_id = s->id;
	mproc__log_unlock();
	return 0;
}

void
mproc__sink_destroy(struct mproc__sink *s, bool close_fd)
{
	TAILQ_REMOVE(&s->logger->sinks, s, of_logger);
	TAILQ_REMOVE(&mproc__log_registry.all, s, of_all);
	mproc__sink_free(s, close_fd);
}

void
mproc__sink_put(struct mproc__sink *s)
{
	s->users--;
	if (!s->removed)
		return;
	if (s->users == 0)
		mproc__sink_destroy(s, true);
	(void)pthread_cond_broadcast(&mproc__log_registry.released);
}

void
mproc__sink_remove(struct mproc__sink *s)
{
	s->removed = true;
	s->users++;
	mproc__logger_refresh(s->logger);
	while (mproc__sink_running == NULL && s->users > 1)
		mproc__log_wait();
	mproc__sink_put(s);
}

int
mproc_log_remove_sink(int id)
{
	struct mproc__sink *s;
	int r = 0;

	mproc__log_lock();
	TAILQ_FOREACH(s, &mproc__log_registry.all, of_all)
		if (s->id == id && !s->removed)
			break;
	if (s != NULL)
		mproc__sink_remove(s);
	else
		r = mproc__err(-ENOENT, "log sink %d: there is none", id);
	mproc__log_unlock();
	return r;
}

static bool
has_stderr(const struct mproc__logger *l)
{
	const struct mproc__sink *s;

	TAILQ_FOREACH(s, &l->sinks, of_logger)
		if (!s->removed && s->conf.kind == MPROC_SINK_STDERR)
			return true;
	return false;
}

int
mproc_log_stderr(enum mproc_level level)
{
	struct mproc__logger *root = &mproc__log_registry.root;
	struct mproc_sink conf = { .kind = MPROC_SINK_STDERR };
	struct mproc__sink *s = NULL;
	int r = 0;

	if ((unsigned)level > MPROC_OFF)
		return mproc__err(-EINVAL, "log level %d: no such level",
		    (int)level);
	mproc__log_lock();
	if (!has_stderr(root) && (r = mproc__sink_new(&conf, &s)) == 0)
		mproc__sink_attach(s, root);
	if (r == 0 && level != MPROC_LEVEL_DEFAULT) {
		root->level = level;
		mproc__logger_refresh(root);
	}
	mproc__log_unlock();
	return r;
}

/*
 * dup3(2) puts the new file in the old one's place in one step, so a thread
 * that is writing needs no lock: it writes to the one or to the other.
 */
static int
reopen(struct mproc__sink *s)
{
	int fd, r = 0;

	if ((fd = open_file(s->path)) < 0)
		return fd;
	if (dup3(fd, s->fd, O_CLOEXEC) < 0)
		r = mproc__fd_error(errno, s->path);
	mproc__close(fd);
	return r;
}

int
mproc_log_reopen(void)
{
	struct mproc__sink *s;
	int n = 0, r, failed = 0;

	mproc__log_lock();
	TAILQ_FOREACH(s, &mproc__log_registry.all, of_all) {
		if (s->removed || s->conf.kind != MPROC_SINK_FILE)
			continue;
		if ((r = reopen(s)) == 0)
			n++;
		else if (failed == 0)
			failed = r;
	}
	mproc__log_unlock();
	return failed < 0 ? failed : n;
}

bool
mproc__sink_takes(const struct mproc__sink *s,
    const struct mproc_log_record *rec)
{
	if (s->removed || rec->level < s->conf.level)
		return false;
	/* What a sink's function logs must not come round to it. */
	return s->conf.kind != MPROC_SINK_CALLBACK ||
	    mproc__sink_running == NULL;
}

static void
call(struct mproc__sink *s, const struct mproc_log_record *rec)
{
	(void)pthread_mutex_lock(&s->busy);
	mproc__sink_running = s;
	s->conf.fn(rec, s->conf.arg);
	mproc__sink_running = NULL;
	(void)pthread_mutex_unlock(&s->busy);
}

static int
priority(enum mproc_level level)
{
	static const int priorities[] = {
		[MPROC_DEBUG] = LOG_DEBUG,
		[MPROC_INFO] = LOG_INFO,
		[MPROC_WARNING] = LOG_WARNING,
		[MPROC_ERROR] = LOG_ERR,
		[MPROC_CRITICAL] = LOG_CRIT,
	};

	return priorities[level];
}

void
mproc__sink_emit(struct mproc__sink *s, const struct mproc_log_record *rec)
{
	char line[MPROC__LOG_LINE_MAX + 1];
	size_t len;

	if (s->conf.kind == MPROC_SINK_CALLBACK) {
		call(s, rec);
		return;
	}
	len = mproc__log_format(s->format, rec, line, sizeof(line));
	if (s->conf.kind == MPROC_SINK_SYSLOG)
		syslog(priority(rec->level) | (s->conf.facility == 0 ?
		    LOG_USER : s->conf.facility), "%.*s", (int)len - 1, line);
	else if (mproc__write(s->conf.kind == MPROC_SINK_STDERR ?
	    STDERR_FILENO : s->fd, line, len, FULL_MS) < 0)
		__atomic_fetch_add(&mproc__log_registry.lost, 1,
		    __ATOMIC_RELAXED);
}
