/*
 * native.c - system calls that a checking tool may not know.
 */
#include <errno.h>
#include <unistd.h>

#include "system/native.h"

#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define HAVE_ESCAPE 1
#endif
#endif

#ifdef HAVE_ESCAPE
/*
 * Runs on valgrind's own stack and thread pointer: hence no errno, no call
 * into the C library, no sanitizer.
 */
__attribute__((noinline))
static long
bare_call(long tid, const long *args)
{
	register long d __asm__("r10") = args[4];
	long r;

	(void)tid;
	__asm__ volatile("syscall" : "=a"(r)
	    : "a"(args[0]), "D"(args[1]), "S"(args[2]), "d"(args[3]), "r"(d)
	    : "rcx", "r11", "memory");
	return r;
}
#endif

long
mproc__native(long number, long a, long b, long c, long d)
{
	long r;

#ifdef HAVE_ESCAPE
	if (RUNNING_ON_VALGRIND) {
		const long args[5] = { number, a, b, c, d };

		return (long)VALGRIND_NON_SIMD_CALL1(bare_call, args);
	}
#endif
	r = syscall(number, a, b, c, d);
	return r < 0 ? -errno : r;
}
