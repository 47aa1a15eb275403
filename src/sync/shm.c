/*
 * shm.c - plain memory that processes share.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <mproc/shm.h>

#include "sync/memory.h"
#include "system/system.h"

struct mproc_shm {
	struct mproc__memory memory;
};

/* The writer has mapped it already; from now on nobody else can. */
static int
seal_writing(const struct mproc__memory *m)
{
	if (fcntl(m->fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0)
		return 0;
	return mproc__err(errno == EINVAL ? -EOPNOTSUPP : -errno,
	    "shared memory: readonly: %s", strerror(errno));
}

int
mproc_shm_new(size_t size, const struct mproc_shm_options *options,
    struct mproc_shm **ret_shm)
{
	struct mproc_shm *shm;
	int r;

	if (ret_shm == NULL)
		return mproc__err(-EINVAL, "shared memory: nowhere to put it");
	if ((shm = calloc(1, sizeof(*shm))) == NULL)
		return mproc__err(-ENOMEM, "shared memory");
	if ((r = mproc__memory_new(&shm->memory, "mproc-shm", size)) < 0)
		goto fail;
	if (options != NULL && options->readonly &&
	    (r = seal_writing(&shm->memory)) < 0)
		goto fail;
	*ret_shm = shm;
	return 0;
fail:
	mproc_shm_free(shm);
	return r;
}

int
mproc_shm_from_fd(int fd, const struct mproc_shm_options *options,
    struct mproc_shm **ret_shm)
{
	struct mproc_shm *shm;
	int r;

	if (ret_shm == NULL)
		return mproc__err(-EINVAL, "shared memory: nowhere to put it");
	if ((shm = calloc(1, sizeof(*shm))) == NULL)
		return mproc__err(-ENOMEM, "shared memory");
	r = mproc__memory_dup(&shm->memory, fd, 0,
	    options != NULL && options->readonly);
	if (r < 0) {
		mproc_shm_free(shm);
		return r;
	}
	*ret_shm = shm;
	return 0;
}

void *
mproc_shm_data(const struct mproc_shm *shm)
{
	return shm != NULL ? shm->memory.addr : NULL;
}

size_t
mproc_shm_size(const struct mproc_shm *shm)
{
	return shm != NULL ? shm->memory.size : 0;
}

int
mproc_shm_fd(const struct mproc_shm *shm)
{
	int fd;

	if (shm == NULL)
		return mproc__err(-EINVAL, "shared memory: NULL");
	fd = mproc__memory_fd(&shm->memory);
	if (fd < 0)
		return mproc__err(fd, "shared memory: its descriptor was not "
		    "kept in this process");
	return fd;
}

struct mproc_shm *
mproc_shm_free(struct mproc_shm *shm)
{
	if (shm != NULL)
		mproc__memory_done(&shm->memory);
	free(shm);
	return NULL;
}
