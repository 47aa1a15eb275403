/*
 * captures.c - see captures.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log/captures.h"
#include "log/registry.h"

struct mproc__log_capture {
	struct mproc__log_capture *next;
	struct mproc__logger logger;	/* of no tree; with one sink */
};

/*
 * Where a sink is put that is taken away: whoever works with it still can
 * find its way on when the entry is gone.
 */
static struct mproc__logger released = {
	.sinks = TAILQ_HEAD_INITIALIZER(released.sinks), .name = ""
};

/* Lets go of the lock while a sink is at work.  NULL is fine. */
static void
drop_sink(struct mproc__sink *s)
{
	if (s == NULL)		/* mproc_log_reset() was quicker */
		return;
	TAILQ_REMOVE(&s->logger->sinks, s, of_logger);
	TAILQ_INSERT_TAIL(&released.sinks, s, of_logger);
	s->logger = &released;
	mproc__sink_remove(s);
}

/* The place of that name, or the one where it belongs. */
static struct mproc__log_capture **
place_of(struct mproc__log_captures *set, const char *name)
{
	struct mproc__log_capture **at = &set->first;
	size_t len = strlen(name);

	while (*at != NULL && strcmp((*at)->logger.name, name) != 0 &&
	    strlen((*at)->logger.name) >= len)
		at = &(*at)->next;
	return at;
}

static int
add(struct mproc__log_captures *set, const char *name,
    struct mproc__log_capture **ret)
{
	struct mproc__log_capture **at = place_of(set, name), *c = *at;
	size_t size = strlen(name) + 1;
	char *copy;

	if (c == NULL || strcmp(c->logger.name, name) != 0) {
		if ((c = calloc(1, sizeof(*c) + size)) == NULL)
			return mproc__err(-ENOMEM, "logger \"%s\": no memory",
			    name);
		copy = memcpy(c + 1, name, size);
		c->logger.name = copy;
		TAILQ_INIT(&c->logger.sinks);
		c->next = *at;
		*at = c;
	}
	*ret = c;
	return 0;
}

int
mproc__log_capture(struct mproc__log_captures *set, const char *name,
    const struct mproc_sink *conf, bool propagate)
{
	struct mproc__log_capture *c = NULL;
	struct mproc__sink *s, *old;
	int r;

	if (strlen(name) > MPROC_LOG_NAME_MAX)
		return mproc__err(-EINVAL, "logger \"%.32s...\": the name is "
		    "longer than %d bytes", name, MPROC_LOG_NAME_MAX);
	if ((r = mproc__sink_new(conf, &s)) < 0)
		return r;
	mproc__log_lock();
	if ((r = add(set, name, &c)) < 0) {
		mproc__log_unlock();
		mproc__sink_free(s, true);
		return r;
	}
	c->logger.propagate = propagate;
	old = TAILQ_FIRST(&c->logger.sinks);
	mproc__sink_attach(s, &c->logger);
	drop_sink(old);
	mproc__log_unlock();
	return 0;
}

int
mproc__log_release(struct mproc__log_captures *set, const char *name)
{
	struct mproc__log_capture **at, *c;
	int r = 0;

	mproc__log_lock();
	at = place_of(set, name);
	c = *at;
	if (c != NULL && strcmp(c->logger.name, name) == 0) {
		*at = c->next;
		drop_sink(TAILQ_FIRST(&c->logger.sinks));
		free(c);
	} else {
		r = mproc__err(-ENOENT, "logger \"%s\" is not captured", name);
	}
	mproc__log_unlock();
	return r;
}

void
mproc__log_captures_done(struct mproc__log_captures *set)
{
	while (set->first != NULL)
		(void)mproc__log_release(set, set->first->logger.name);
}

static struct mproc__log_capture *
find(struct mproc__log_captures *set, const char *name)
{
	struct mproc__log_capture *c;
	size_t len;

	for (c = set->first; c != NULL; c = c->next) {
		len = strlen(c->logger.name);
		if (len == 0 || (strncmp(name, c->logger.name, len) == 0 &&
		    (name[len] == '.' || name[len] == '\0')))
			return TAILQ_EMPTY(&c->logger.sinks) ? NULL : c;
	}
	return NULL;
}

bool
mproc__log_captured(struct mproc__log_captures *set,
    const struct mproc_log_record *rec)
{
	struct mproc__log_capture *c;
	bool captured = false;
	int saved = errno;

	if (set == NULL)
		return false;
	mproc__log_lock();
	if ((c = find(set, rec->name)) != NULL) {
		captured = !c->logger.propagate;
		mproc__log_to_sinks(&c->logger, rec);
	}
	mproc__log_unlock();
	errno = saved;
	return captured;
}
