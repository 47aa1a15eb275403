/*
 * features.c - what the kernel can do: asked, with arguments that do nothing.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <unistd.h>

#include <mproc/version.h>

#include "system/native.h"
#include "system/system.h"

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

#define SIGNAL_GROUP	(1U << 2)	/* PIDFD_SIGNAL_PROCESS_GROUP, 6.9 */

/* A call that must fail: is it for its arguments? */
static bool
is_known(long result)
{
	return result == 0 || (errno != ENOSYS && errno != EPERM);
}

static bool
signals_groups(void)
{
	int fd;
	long r;

	if (mproc__pidfd_open(getpid(), &fd) < 0)
		return false;
	r = mproc__native(SYS_pidfd_send_signal, fd, 0, 0, SIGNAL_GROUP);
	mproc__close(fd);
	return r != -EINVAL && r != -ENOSYS;
}

static bool
seals_future_writes(void)
{
	bool works;
	int fd;

	if (mproc__memfd("mproc-features", 1, &fd) < 0)
		return false;
	works = fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0;
	mproc__close(fd);
	return works;
}

unsigned
mproc_features(void)
{
	unsigned all = 0;
	int saved = errno;

	if (is_known(syscall(SYS_clone3, NULL, 0)))
		all |= MPROC_FEATURE_CLONE3;
	if (is_known(syscall(SYS_close_range, 1, 0, 0)))
		all |= MPROC_FEATURE_CLOSE_RANGE;
	if (signals_groups())
		all |= MPROC_FEATURE_PIDFD_GROUP;
	if (seals_future_writes())
		all |= MPROC_FEATURE_SEAL_FUTURE;
	errno = saved;
	return all;
}
