/*
 * registry.c - the tree of loggers, their levels, and the lock.
 *
 * Invariants:
 *  - a logger's parent exists, so the way up never needs a look-up;
 *  - every logger's threshold is right whenever the lock is free: changes are
 *    rare and pay for the walk down, records are many and pay for one load;
 *  - no code of the user runs with the lock held, so a sink's function may
 *    log, configure and fork;
 *  - the lock is held over fork(2), so a child finds the tree whole, whatever
 *    the parent's other threads were at.
 */
#include <stdlib.h>
#include <string.h>

#include "log/registry.h"

#define N_CHAINS	256

struct mproc__log_registry mproc__log_registry = {
	.root = {
		.threshold = MPROC_OFF,
		.least = MPROC_OFF,
		.propagate = true,
		.sinks = TAILQ_HEAD_INITIALIZER(
		    mproc__log_registry.root.sinks),
		.name = "",
	},
	.all = TAILQ_HEAD_INITIALIZER(mproc__log_registry.all),
	.released = PTHREAD_COND_INITIALIZER,
};

static struct mproc__logger *chains[N_CHAINS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/*
 * How often this thread holds the lock.  Not a recursive mutex: after fork
 * the child's thread has another id and could not unlock that.
 */
static _Thread_local int held;

static void
before_fork(void)
{
	mproc__log_lock();
}

static void
after_fork_in_parent(void)
{
	mproc__log_unlock();
}

/* The other threads are gone, and with them their uses of sinks. */
static void
after_fork_in_child(void)
{
	struct mproc__log_registry *reg = &mproc__log_registry;
	struct mproc__sink *s, *next;

	reg->released = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	for (s = TAILQ_FIRST(&reg->all); s != NULL; s = next) {
		next = TAILQ_NEXT(s, of_all);
		s->users = s == mproc__sink_running ? 1 : 0;
		if (s->users == 0)
			s->busy = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
		if (s->users == 0 && s->removed)
			mproc__sink_destroy(s, true);
	}
	mproc__log_unlock();
}

static void
watch_forks(void)
{
	/* Without memory only; then forking while logging is unprotected. */
	(void)pthread_atfork(before_fork, after_fork_in_parent,
	    after_fork_in_child);
}

static void
lock_it(void)
{
	if (held++ == 0)
		(void)pthread_mutex_lock(&lock);
}

void
mproc__log_lock(void)
{
	(void)pthread_once(&once, watch_forks);
	lock_it();
}

void
mproc__log_unlock(void)
{
	if (--held == 0)
		(void)pthread_mutex_unlock(&lock);
}

void
mproc__log_wait(void)
{
	(void)pthread_cond_wait(&mproc__log_registry.released, &lock);
}

static struct mproc__logger **
chain_of(const char *name, size_t len)
{
	uint32_t h = 2166136261u;	/* FNV-1a */

	while (len-- > 0)
		h = (h ^ (uint8_t)*name++) * 16777619u;
	return &chains[h % N_CHAINS];
}

/* The logger named by the first `len` bytes, or NULL. */
static struct mproc__logger *
find(const char *name, size_t len)
{
	struct mproc__logger *l;

	if (len == 0)
		return &mproc__log_registry.root;
	for (l = *chain_of(name, len); l != NULL; l = l->chain)
		if (strncmp(l->name, name, len) == 0 && l->name[len] == '\0')
			return l;
	return NULL;
}

/* Length of the name of the logger above. */
static size_t
parent_len(const char *name, size_t len)
{
	while (len > 0 && name[len - 1] != '.')
		len--;
	return len > 0 ? len - 1 : 0;
}

struct mproc__logger *
mproc__logger_nearest(const char *name)
{
	size_t len = name == NULL ? 0 : strlen(name);
	struct mproc__logger *l;

	while ((l = find(name, len)) == NULL)
		len = parent_len(name, len);
	return l;
}

static struct mproc__logger *
logger_new(struct mproc__logger *parent, const char *name, size_t len)
{
	struct mproc__logger **chain = chain_of(name, len), *l;
	char *copy;

	if ((l = malloc(sizeof(*l) + len + 1)) == NULL)
		return NULL;
	copy = (char *)(l + 1);
	memcpy(copy, name, len);
	copy[len] = '\0';
	*l = (struct mproc__logger){ .propagate = true, .parent = parent,
	    .sibling = parent->child, .chain = *chain, .name = copy };
	TAILQ_INIT(&l->sinks);
	parent->child = l;
	*chain = l;
	mproc__logger_refresh(l);
	return l;
}

int
mproc__logger_get(const char *name, struct mproc__logger **ret)
{
	struct mproc__logger *l = mproc__logger_nearest(name);
	size_t have = strlen(l->name), len = name == NULL ? 0 : strlen(name);

	if (len > MPROC_LOG_NAME_MAX)
		return mproc__err(-EINVAL, "logger \"%.32s...\": the name is "
		    "longer than %d bytes", name, MPROC_LOG_NAME_MAX);
	while (have < len) {
		/* One part more: up to the next dot, or the end. */
		do {
			have++;
		} while (have < len && name[have] != '.');
		if ((l = logger_new(l, name, have)) == NULL)
			return mproc__err(-ENOMEM, "logger \"%s\": no memory",
			    name);
	}
	*ret = l;
	return 0;
}

static int
at_most(int a, int b)
{
	return a < b ? a : b;
}

static enum mproc_level
level_of(const struct mproc__logger *l)
{
	while (l->level == MPROC_LEVEL_DEFAULT && l->parent != NULL)
		l = l->parent;
	return l->level == MPROC_LEVEL_DEFAULT ? MPROC_INFO : l->level;
}

void
mproc__logger_refresh(struct mproc__logger *l)
{
	const struct mproc__sink *s;
	struct mproc__logger *child;
	int least = MPROC_OFF, level = (int)level_of(l);

	TAILQ_FOREACH(s, &l->sinks, of_logger)
		if (!s->removed)
			least = at_most(least, (int)s->conf.level);
	if (l->parent == NULL && mproc__log_registry.forward != NULL)
		least = MPROC_LEVEL_DEFAULT;
	if (l->parent != NULL && l->propagate)
		least = at_most(least, l->parent->least);
	l->least = least;
	__atomic_store_n(&l->threshold, level > least ? level : least,
	    __ATOMIC_RELAXED);
	/* As deep as a name has dots. */
	for (child = l->child; child != NULL; child = child->sibling)
		mproc__logger_refresh(child);
}

struct mproc_logger *
mproc_logger(const char *name)
{
	struct mproc__logger *l;
	void *handle;

	mproc__log_lock();
	l = mproc__logger_nearest(name);
	if (strcmp(l->name, name == NULL ? "" : name) != 0)
		(void)mproc__logger_get(name, &l);
	mproc__log_unlock();
	handle = l;
	return handle;
}

const char *
mproc_logger_name(const struct mproc_logger *logger)
{
	const void *l = logger;

	return ((const struct mproc__logger *)l)->name;
}

int
mproc_log_set_level(const char *name, enum mproc_level level)
{
	struct mproc__logger *l;
	int r;

	if ((unsigned)level > MPROC_OFF)
		return mproc__err(-EINVAL, "log level %d: no such level",
		    (int)level);
	mproc__log_lock();
	if ((r = mproc__logger_get(name, &l)) == 0) {
		l->level = level;
		mproc__logger_refresh(l);
	}
	mproc__log_unlock();
	return r;
}

enum mproc_level
mproc_log_level(const char *name)
{
	enum mproc_level level;

	mproc__log_lock();
	level = level_of(mproc__logger_nearest(name));
	mproc__log_unlock();
	return level;
}

bool
mproc_log_enabled(const char *name, enum mproc_level level)
{
	bool enabled;

	if ((unsigned)level >= MPROC_OFF)
		return false;
	mproc__log_lock();
	enabled = (int)level >= mproc__logger_nearest(name)->threshold;
	mproc__log_unlock();
	return enabled;
}

int
mproc_log_set_propagate(const char *name, bool propagate)
{
	struct mproc__logger *l;
	int r;

	mproc__log_lock();
	if ((r = mproc__logger_get(name, &l)) == 0) {
		l->propagate = propagate;
		mproc__logger_refresh(l);
	}
	mproc__log_unlock();
	return r;
}

static void
forget_levels(void)
{
	struct mproc__logger *l;
	int i;

	for (i = 0; i < N_CHAINS; i++) {
		for (l = chains[i]; l != NULL; l = l->chain) {
			l->level = MPROC_LEVEL_DEFAULT;
			l->propagate = true;
		}
	}
	mproc__log_registry.root.level = MPROC_LEVEL_DEFAULT;
	mproc__log_registry.root.propagate = true;
}

/* Forks of a process that does not log need no care. */
void
mproc__log_forward(const char *process, mproc_sink_fn *fn, void *arg,
    enum mproc_level level)
{
	struct mproc__log_registry *reg = &mproc__log_registry;
	size_t len = mproc__log_utf8_cut(process, strlen(process),
	    MPROC__LOG_PROCESS_MAX);
	struct mproc__sink *s, *next;

	/* In case the child was made without fork(3) and its handlers. */
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	held = 0;
	mproc__sink_running = NULL;
	lock_it();
	for (s = TAILQ_FIRST(&reg->all); s != NULL; s = next) {
		next = TAILQ_NEXT(s, of_all);
		mproc__sink_destroy(s, false);
	}
	forget_levels();
	reg->forward = fn;
	reg->forward_arg = arg;
	reg->root.level = level;
	memcpy(reg->process, process, len);
	reg->process[len] = '\0';
	mproc__logger_refresh(&reg->root);
	mproc__log_unlock();
}

static void
free_loggers(void)
{
	struct mproc__logger *l, *next;
	int i;

	for (i = 0; i < N_CHAINS; i++) {
		for (l = chains[i]; l != NULL; l = next) {
			next = l->chain;
			free(l);
		}
		chains[i] = NULL;
	}
	mproc__log_registry.root.child = NULL;
}

void
mproc_log_reset(void)
{
	struct mproc__log_registry *reg = &mproc__log_registry;
	struct mproc__sink *s;

	if (mproc__sink_running != NULL)
		return;
	mproc__log_lock();
	while ((s = TAILQ_FIRST(&reg->all)) != NULL) {
		if (s->removed)
			mproc__log_wait();	/* another is at it */
		else
			mproc__sink_remove(s);
	}
	forget_levels();
	free_loggers();
	reg->forward = NULL;
	reg->forward_arg = NULL;
	reg->process[0] = '\0';
	__atomic_store_n(&reg->lost, 0, __ATOMIC_RELAXED);
	mproc__logger_refresh(&reg->root);
	mproc__log_unlock();
}
