/*
 * emit.c - a record's way from the one who logs to the sinks.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log/registry.h"

void
mproc__log_to_sinks(struct mproc__logger *l, const struct mproc_log_record *rec)
{
	struct mproc__sink *s, *next;

	for (s = TAILQ_FIRST(&l->sinks); s != NULL; s = next) {
		if (!mproc__sink_takes(s, rec)) {
			next = TAILQ_NEXT(s, of_logger);
			continue;
		}
		s->users++;
		mproc__log_unlock();
		mproc__sink_emit(s, rec);
		mproc__log_lock();
		next = TAILQ_NEXT(s, of_logger);
		mproc__sink_put(s);
	}
}

static void
route(struct mproc__logger *l, const struct mproc_log_record *rec)
{
	struct mproc__log_registry *reg = &mproc__log_registry;
	mproc_sink_fn *forward = NULL;
	void *arg = NULL;

	mproc__log_lock();
	for (; l != NULL; l = l->propagate ? l->parent : NULL) {
		mproc__log_to_sinks(l, rec);
		if (l == &reg->root) {
			forward = reg->forward;
			arg = reg->forward_arg;
		}
	}
	mproc__log_unlock();
	if (forward != NULL)
		forward(rec, arg);
}

void
mproc__log_dispatch(const struct mproc_log_record *rec)
{
	struct mproc__logger *l;
	int saved = errno;
	bool wanted;

	mproc__log_lock();
	l = mproc__logger_nearest(rec->name);
	wanted = (int)rec->level >= l->threshold;
	mproc__log_unlock();
	if (wanted)
		route(l, rec);
	errno = saved;
}

static void
process_name(char name[MPROC__LOG_PROCESS_MAX + 1])
{
	const char *from;
	size_t len;

	mproc__log_lock();
	from = mproc__log_registry.process;
	if (from[0] == '\0')
		from = program_invocation_short_name;
	len = mproc__log_utf8_cut(from, strlen(from), MPROC__LOG_PROCESS_MAX);
	memcpy(name, from, len);
	name[len] = '\0';
	mproc__log_unlock();
}

/* printf into `text`; the length, with what is too long cut and marked. */
static size_t
format_text(char text[MPROC_LOG_TEXT_MAX + 1], const char *fmt, va_list ap)
{
	static const char cut[] = MPROC__LOG_CUT;
	int n = vsnprintf(text, MPROC_LOG_TEXT_MAX + 1, fmt, ap);
	size_t len;

	if (n < 0) {
		/* A wide character that is none; the format still says much. */
		len = strnlen(fmt, MPROC_LOG_TEXT_MAX);
		memcpy(text, fmt, len);
		text[len] = '\0';
		return len;
	}
	if (n <= MPROC_LOG_TEXT_MAX)
		return (size_t)n;
	len = mproc__log_utf8_cut(text, MPROC_LOG_TEXT_MAX,
	    MPROC_LOG_TEXT_MAX - (sizeof(cut) - 1));
	memcpy(text + len, cut, sizeof(cut));
	return len + sizeof(cut) - 1;
}

void
mproc_vlog_at(struct mproc_logger *logger, enum mproc_level level,
    const char *fmt, va_list ap)
{
	char process[MPROC__LOG_PROCESS_MAX + 1];
	char text[MPROC_LOG_TEXT_MAX + 1];
	struct mproc_log_record rec;
	struct timespec now;
	int saved = errno;
	void *l = logger;

	if (level < MPROC_DEBUG || level > MPROC_CRITICAL ||
	    !mproc_log_wants(logger, level))
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	rec.text_len = format_text(text, fmt, ap);
	rec.text = text;
	rec.level = level;
	rec.name = mproc_logger_name(logger);
	process_name(process);
	rec.process = process;
	rec.pid = getpid();
	rec.tid = gettid();
	rec.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	route(l, &rec);
	errno = saved;
}

void
(mproc_log_at)(struct mproc_logger *logger, enum mproc_level level,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	mproc_vlog_at(logger, level, fmt, ap);
	va_end(ap);
}

uint64_t
mproc_log_lost(void)
{
	return __atomic_load_n(&mproc__log_registry.lost, __ATOMIC_RELAXED);
}
