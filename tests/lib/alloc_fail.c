/*
 * alloc_fail.c - allocations that are counted, remembered, and that fail on
 * demand.
 *
 * Test programs are linked with -Wl,--wrap for these functions, so that the
 * calls of the library's objects and of the tests come here while those of
 * shared libraries, the sanitizers' among them, do not.
 *
 * Live blocks are kept in a table without locks, so that a child forked
 * while another thread allocates can go on: a block lives in one of the
 * PROBES slots from its hash on.  When they are all taken it is not tracked.
 */
#include "test.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS	(1U << 16)
#define PROBES	64U

struct slot {
	_Atomic(void *)	block;
	void		*caller;
	bool		 marked;
};

static struct slot slots[SLOTS + PROBES];
static atomic_uint count, fail_at, failed;
static atomic_bool fail_on;
static _Atomic pid_t fail_pid;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **ret, size_t align, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_vasprintf(char **ret, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
int __wrap_asprintf(char **ret, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void __wrap_free(void *p);

static unsigned
home(const void *p)
{
	return (unsigned)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15U >> 48) %
	    SLOTS;
}

static void *
remember(void *p, void *caller)
{
	unsigned i, at = home(p);
	void *none;

	if (p == NULL)
		return NULL;
	for (i = at; i < at + PROBES; i++) {
		none = NULL;
		if (atomic_compare_exchange_strong(&slots[i].block, &none, p)) {
			slots[i].caller = caller;
			slots[i].marked = false;
			break;
		}
	}
	return p;
}

/* Before the block is really freed: it may be another thread's right after. */
static void
forget(void *p)
{
	unsigned i, at = home(p);
	void *it;

	if (p == NULL)
		return;
	for (i = at; i < at + PROBES; i++) {
		it = p;
		if (atomic_compare_exchange_strong(&slots[i].block, &it, NULL))
			return;
	}
}

static bool
fails(void)
{
	unsigned nth = atomic_fetch_add(&count, 1) + 1;
	unsigned at = atomic_load(&fail_at);

	if (at == 0 || nth < at || fail_pid != getpid())
		return false;
	if (nth > at && !atomic_load(&fail_on))
		return false;
	atomic_fetch_add(&failed, 1);
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	if (fails())
		return NULL;
	return remember(__real_malloc(size), __builtin_return_address(0));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	if (fails())
		return NULL;
	return remember(__real_calloc(n, size), __builtin_return_address(0));
}

static void *
resize(void *old, size_t size, void *caller)
{
	void *p;

	if (fails())
		return NULL;
	forget(old);
	p = __real_realloc(old, size);
	if (p == NULL && size > 0)
		remember(old, caller);
	return remember(p, caller);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return resize(old, size, __builtin_return_address(0));
}

void *
__wrap_reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return resize(old, bytes, __builtin_return_address(0));
}

void *
__wrap_aligned_alloc(size_t align, size_t size)
{
	if (fails())
		return NULL;
	return remember(__real_aligned_alloc(align, size),
	    __builtin_return_address(0));
}

int
__wrap_posix_memalign(void **ret, size_t align, size_t size)
{
	void *p;

	if (fails() || (p = __real_aligned_alloc(align, size)) == NULL)
		return ENOMEM;
	*ret = remember(p, __builtin_return_address(0));
	return 0;
}

static char *
copy(const char *s, size_t len, void *caller)
{
	char *p;

	if (fails() || (p = __real_malloc(len + 1)) == NULL)
		return NULL;
	memcpy(p, s, len);
	p[len] = '\0';
	return remember(p, caller);
}

char *
__wrap_strdup(const char *s)
{
	return copy(s, strlen(s), __builtin_return_address(0));
}

char *
__wrap_strndup(const char *s, size_t n)
{
	return copy(s, strnlen(s, n), __builtin_return_address(0));
}

static int __attribute__((format(printf, 2, 0)))
print(char **ret, const char *fmt, va_list ap, void *caller)
{
	va_list again;
	char *p;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0 || fails() || (p = __real_malloc((size_t)len + 1)) == NULL)
		return -1;
	vsnprintf(p, (size_t)len + 1, fmt, ap);
	*ret = remember(p, caller);
	return len;
}

int
__wrap_vasprintf(char **ret, const char *fmt, va_list ap)
{
	return print(ret, fmt, ap, __builtin_return_address(0));
}

int
__wrap_asprintf(char **ret, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = print(ret, fmt, ap, __builtin_return_address(0));
	va_end(ap);
	return r;
}

void
__wrap_free(void *p)
{
	forget(p);
	__real_free(p);
}

static void
fail_from(unsigned n, bool on)
{
	atomic_store(&fail_at, 0);
	fail_pid = getpid();
	atomic_store(&count, 0);
	atomic_store(&failed, 0);
	atomic_store(&fail_on, on);
	atomic_store(&fail_at, n);
}

void
test_fail_alloc(unsigned n)
{
	fail_from(n, false);
}

void
test_fail_alloc_from(unsigned n)
{
	fail_from(n, true);
}

bool
test_fail_done(void)
{
	atomic_store(&fail_at, 0);
	return atomic_load(&failed) > 0;
}

unsigned
test_alloc_count(void)
{
	return atomic_load(&count);
}

unsigned
test_alloc_live(void)
{
	unsigned i, n = 0;

	for (i = 0; i < SLOTS + PROBES; i++)
		if (atomic_load(&slots[i].block) != NULL)
			n++;
	return n;
}

void
test_alloc_mark(void)
{
	unsigned i;

	for (i = 0; i < SLOTS + PROBES; i++)
		slots[i].marked = atomic_load(&slots[i].block) != NULL;
}

void
test_alloc_report(void)
{
	Dl_info where;
	unsigned i, told = 0;
	void *p;

	for (i = 0; i < SLOTS + PROBES; i++) {
		p = atomic_load(&slots[i].block);
		if (p == NULL || slots[i].marked)
			continue;
		if (dladdr(slots[i].caller, &where) == 0 || told++ >= 20)
			continue;
		fprintf(stderr, "leak: %zu bytes; addr2line -pfe %s %#tx\n",
		    malloc_usable_size(p), where.dli_fname,
		    (char *)slots[i].caller - (char *)where.dli_fbase);
	}
}
