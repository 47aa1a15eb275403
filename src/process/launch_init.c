/*
 * launch_init.c - mproc_init().
 */
#include <sys/single_threaded.h>

#include "process/boot.h"

/* ThreadSanitizer has a thread of its own, which does not count. */
#if defined(__SANITIZE_THREAD__)
#define SANITIZER_THREAD	true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZER_THREAD	true
#endif
#endif
#ifndef SANITIZER_THREAD
#define SANITIZER_THREAD	false
#endif

int
mproc__threads(void)
{
	int n = mproc__thread_count();

	if (n == 2 && SANITIZER_THREAD)
		return 1;
	if (n > 0)
		return n;
	/* Without /proc: the C library knows at least if there were any. */
	return __libc_single_threaded ? 1 : 2;
}

int
mproc_init(int argc, char **argv)
{
	int r;

	if (mproc__server_usable())
		return 0;
	if (mproc__threads() > 1)
		return mproc__err(-EBUSY, "mproc_init: the program has "
		    "threads already: call it first in main()");
	mproc__title_init(argc, argv);
	mproc__spawn_init(argv);
	if ((r = mproc__spawned()) < 0)
		return r;
	return mproc__server_start();
}
