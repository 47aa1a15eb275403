/*
 * memfd.c - anonymous shared memory.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "system/system.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U		/* Linux 6.3 */
#endif

static int
memfd(const char *name)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	return fd < 0 ? -errno : mproc__fd_above_stdio(fd);
}

int
mproc__memfd(const char *name, size_t size, int *ret_fd)
{
	int fd, r;

	if (size == 0 || size > INT64_MAX)
		return mproc__err(-EINVAL, "memfd %s: %zu bytes", name, size);
	fd = memfd(name);
	if (fd < 0)
		return mproc__fd_error(fd, "memfd_create");
	/* Not F_SEAL_SEAL: a writer may yet want F_SEAL_FUTURE_WRITE. */
	if (ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		r = -errno;
		mproc__close(fd);
		return mproc__err(r, "memfd %s of %zu bytes: %s", name, size,
		    strerror(-r));
	}
	*ret_fd = fd;
	return 0;
}

int
mproc__map_shared(int fd, size_t size, void **ret_addr)
{
	void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (addr == MAP_FAILED)
		return mproc__err(-errno, "mmap of %zu bytes: %s", size,
		    strerror(errno));
	*ret_addr = addr;
	return 0;
}
