/*
 * lock.c - a robust mutex in a memfd.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mproc/sync.h>

#include "sync/memory.h"
#include "system/system.h"

#define MAGIC	0x6d70726cU	/* "mprl" */
#define VERSION	1U

struct page {
	uint32_t	magic;
	uint32_t	version;
	uint32_t	mutex_size;	/* another C library has another */
	uint32_t	unused;
	pthread_mutex_t	mutex;
};

struct mproc_lock {
	struct page	*page;		/* memory.addr */
	struct mproc__memory memory;
};

static int
init(pthread_mutex_t *mutex, bool recursive)
{
	pthread_mutexattr_t attr;
	int r;

	pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	(void)pthread_mutexattr_settype(&attr, recursive ?
	    PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_ERRORCHECK);
	r = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return r == 0 ? 0 : mproc__err(-r, "lock: %s", strerror(r));
}

int
mproc_lock_new(const struct mproc_lock_options *options,
    struct mproc_lock **ret_lock)
{
	struct mproc_lock *lock;
	int r;

	if (ret_lock == NULL)
		return mproc__err(-EINVAL, "lock: nowhere to put it");
	if ((lock = calloc(1, sizeof(*lock))) == NULL)
		return mproc__err(-ENOMEM, "lock");
	r = mproc__memory_new(&lock->memory, "mproc-lock",
	    sizeof(*lock->page));
	if (r == 0) {
		lock->page = lock->memory.addr;
		lock->page->magic = MAGIC;
		lock->page->version = VERSION;
		lock->page->mutex_size = sizeof(lock->page->mutex);
		r = init(&lock->page->mutex, options != NULL &&
		    options->recursive);
	}
	if (r < 0) {
		mproc_lock_free(lock);
		return r;
	}
	*ret_lock = lock;
	return 0;
}

int
mproc_lock_from_fd(int fd, struct mproc_lock **ret_lock)
{
	struct mproc_lock *lock;
	int r;

	if (ret_lock == NULL)
		return mproc__err(-EINVAL, "lock: nowhere to put it");
	if ((lock = calloc(1, sizeof(*lock))) == NULL)
		return mproc__err(-ENOMEM, "lock");
	r = mproc__memory_dup(&lock->memory, fd, sizeof(*lock->page), false);
	if (r == 0) {
		lock->page = lock->memory.addr;
		if (lock->page->magic != MAGIC)
			r = mproc__err(-EBADMSG, "lock: descriptor %d is "
			    "other memory", fd);
		else if (lock->page->version != VERSION ||
		    lock->page->mutex_size != sizeof(lock->page->mutex))
			r = mproc__err(-EPROTO, "lock: of another version");
	}
	if (r < 0) {
		mproc_lock_free(lock);
		return r;
	}
	*ret_lock = lock;
	return 0;
}

int
mproc_lock_fd(const struct mproc_lock *lock)
{
	if (lock == NULL)
		return mproc__err(-EINVAL, "no lock given");
	return mproc__memory_fd(&lock->memory);
}

/* ThreadSanitizer does not know the call with a clock: it would see unlocks
 * only. */
#if defined(__SANITIZE_THREAD__)
#define CLOCK			CLOCK_REALTIME
#define lock_until(mutex, when)	pthread_mutex_timedlock(mutex, when)
#else
#define CLOCK			CLOCK_MONOTONIC
#define lock_until(mutex, when)	pthread_mutex_clocklock(mutex, CLOCK, when)
#endif

static int
wait_for(pthread_mutex_t *mutex, int timeout_ms)
{
	struct timespec when;

	if (timeout_ms < 0)
		return pthread_mutex_lock(mutex);
	if (timeout_ms == 0)
		return pthread_mutex_trylock(mutex);
	(void)clock_gettime(CLOCK, &when);
	when.tv_sec += timeout_ms / 1000;
	when.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (when.tv_nsec >= 1000000000L) {
		when.tv_sec++;
		when.tv_nsec -= 1000000000L;
	}
	return lock_until(mutex, &when);
}

int
mproc_lock_acquire(struct mproc_lock *lock, int timeout_ms)
{
	int r;

	if (lock == NULL)
		return mproc__err(-EINVAL, "no lock given");
	switch (r = wait_for(&lock->page->mutex, timeout_ms)) {
	case 0:
		return 0;
	case EOWNERDEAD:
		(void)pthread_mutex_consistent(&lock->page->mutex);
		return mproc__err(-EOWNERDEAD, "lock: acquired; its last "
		    "owner died with it");
	case EBUSY:
		return mproc__err(-EAGAIN, "lock: somebody has it");
	case EAGAIN:
		return mproc__err(-EOVERFLOW, "lock: acquired too often");
	case EDEADLK:
		return mproc__err(-EDEADLK, "lock: this thread has it");
	case ETIMEDOUT:
		return mproc__err(-ETIMEDOUT, "lock: somebody had it for "
		    "%d ms", timeout_ms);
	default:
		return mproc__err(-r, "lock: %s", strerror(r));
	}
}

int
mproc_lock_release(struct mproc_lock *lock)
{
	if (lock == NULL)
		return mproc__err(-EINVAL, "no lock given");
	if (pthread_mutex_unlock(&lock->page->mutex) != 0)
		return mproc__err(-EPERM, "lock: this thread does not have "
		    "it");
	return 0;
}

struct mproc_lock *
mproc_lock_free(struct mproc_lock *lock)
{
	/* not destroyed: others may have it */
	if (lock != NULL)
		mproc__memory_done(&lock->memory);
	free(lock);
	return NULL;
}

struct mproc_lock_scope
mproc_lock_begin(struct mproc_lock *lock, int timeout_ms, int *result)
{
	int r = mproc_lock_acquire(lock, timeout_ms);

	if (result != NULL)
		*result = r;
	return (struct mproc_lock_scope){
		.lock = r == 0 || r == -EOWNERDEAD ? lock : NULL
	};
}

void
mproc_lock_leave(struct mproc_lock_scope *scope)
{
	if (scope->lock != NULL)
		(void)mproc_lock_release(scope->lock);
	scope->lock = NULL;
}
