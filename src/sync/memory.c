/*
 * memory.c - a mapped memfd, and whether its descriptor is still ours.
 *
 * A process started from this one closes every descriptor it was not told to
 * keep, and the number may soon be another file, which freeing would close.
 * So in every process but the maker the number is looked at: a memfd has an
 * inode of its own.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>

#include "sync/memory.h"
#include "system/system.h"

#define WRITE_SEALS	(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static int
remember(struct mproc__memory *m, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return mproc__err(-errno, "fstat: %s", strerror(errno));
	m->fd = fd;
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	m->made_in = mproc__fork_generation();
	return 0;
}

int
mproc__memory_new(struct mproc__memory *m, const char *name, size_t size)
{
	struct mproc__memory new = { .size = size };
	int fd, r;

	if ((r = mproc__memfd(name, size, &fd)) < 0)
		return r;
	if ((r = remember(&new, fd)) < 0 ||
	    (r = mproc__map_shared(fd, size, &new.addr)) < 0) {
		mproc__close(fd);
		return r;
	}
	*m = new;
	return 0;
}

/* May `size` bytes (0: all) of it be mapped?  Fills in the size. */
static int
check(int fd, bool readonly, size_t *size)
{
	const int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 && errno == EBADF)
		return mproc__err(-EBADF, "shared memory: %d is no "
		    "descriptor", fd);
	/* Memory that may shrink is a SIGBUS to come. */
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 ||
	    fstat(fd, &st) < 0 || st.st_size < 1 ||
	    (uintmax_t)st.st_size < *size)
		return mproc__err(-EBADMSG, "shared memory: descriptor %d is "
		    "no memfd of fixed size, or too small", fd);
	if ((seals & WRITE_SEALS) != 0 && !readonly)
		return mproc__err(-EPERM, "shared memory: it can only be "
		    "mapped readonly");
	if (*size == 0)
		*size = (size_t)st.st_size;
	return 0;
}

int
mproc__memory_dup(struct mproc__memory *m, int fd, size_t size, bool readonly)
{
	struct mproc__memory new = { .size = size };
	int copy, r;

	if ((r = check(fd, readonly, &new.size)) < 0)
		return r;
	if ((copy = mproc__dup(fd)) < 0)
		return mproc__fd_error(copy, "shared memory");
	if ((r = remember(&new, copy)) < 0)
		goto fail;
	if (!readonly) {
		r = mproc__map_shared(copy, new.size, &new.addr);
	} else {
		new.addr = mmap(NULL, new.size, PROT_READ, MAP_SHARED, copy,
		    0);
		if (new.addr == MAP_FAILED)
			r = mproc__err(-errno, "mmap of %zu bytes: %s",
			    new.size, strerror(errno));
	}
	if (r < 0)
		goto fail;
	*m = new;
	return 0;
fail:
	mproc__close(copy);
	return r;
}

int
mproc__memory_fd(const struct mproc__memory *m)
{
	struct stat st;

	if (m->addr == NULL)
		return -EBADF;
	if (mproc__fork_generation() == m->made_in)
		return m->fd;
	return fstat(m->fd, &st) == 0 && st.st_dev == m->dev &&
	    st.st_ino == m->ino ? m->fd : -EBADF;
}

void
mproc__memory_done(struct mproc__memory *m)
{
	if (m->addr == NULL)
		return;
	mproc__close(mproc__memory_fd(m));
	(void)munmap(m->addr, m->size);
	m->addr = NULL;
}
