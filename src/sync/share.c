/*
 * share.c - the memory and descriptors behind events.
 *
 * A process started from this one closes every descriptor it was not told to
 * keep, and the same number may soon be another file: ringing it would write
 * into that file, freeing the group would close it.  So in every process but
 * the maker the eventfds are looked at once before they are used (memory.c
 * does so for the memory): they share one inode, but each has an id in
 * /proc/self/fdinfo.
 */
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sync/share.h"
#include "system/system.h"

#define MAGIC	0x7665706dU		/* "mpev" */
#define VERSION	1U
#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW)

/* The kernel's number of an eventfd, or -1 */
static int64_t
eventfd_id(int fd)
{
	char path[40], text[512], *line;
	ssize_t got;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -1;
	got = read(info, text, sizeof(text) - 1);
	mproc__close(info);
	if (got <= 0)
		return -1;
	text[got] = '\0';
	line = strstr(text, "eventfd-id:");
	return line != NULL ? strtoll(line + 11, NULL, 10) : -1;
}

/* fd_seen: 0 never looked, else (fork generation + 1) << 1 | good */
int
mproc__event_own_fd(struct mproc_event *ev)
{
	const unsigned here = mproc__fork_generation();
	const uint64_t looked = ((uint64_t)here + 1) << 1;
	uint64_t seen;

	if (!ev->group->selectable)
		return -EOPNOTSUPP;
	if (ev->fd < 0)
		return -EBADF;
	if (here == ev->group->made_in)
		return ev->fd;
	seen = atomic_load(&ev->fd_seen);
	if ((seen | 1) != (looked | 1)) {
		seen = looked | (eventfd_id(ev->fd) == ev->fd_id ? 1U : 0U);
		atomic_store(&ev->fd_seen, seen);
	}
	return (seen & 1) != 0 ? ev->fd : -EBADF;
}

static size_t
page_size(int n)
{
	return sizeof(struct mproc__events_page) +
	    (size_t)n * sizeof(struct mproc__slot);
}

static struct mproc_event_group *
group_alloc(int n)
{
	struct mproc_event_group *eg;
	int i;

	eg = calloc(1, sizeof(*eg) + (size_t)n * sizeof(eg->events[0]));
	if (eg == NULL)
		return NULL;
	eg->n = n;
	eg->made_in = mproc__fork_generation();
	for (i = 0; i < n; i++) {
		eg->events[i].group = eg;
		eg->events[i].fd = -1;
	}
	return eg;
}

static void
use_memory(struct mproc_event_group *eg)
{
	int i;

	eg->page = eg->memory.addr;
	for (i = 0; i < eg->n; i++)
		eg->events[i].slot = &eg->page->slots[i];
}

/*
 * Generations begin somewhere, so that a token of another group is told
 * apart.  Without randomness they begin at zero, and it is told less surely.
 */
static void
page_init(struct mproc_event_group *eg)
{
	struct mproc__events_page *page = eg->page;
	uint32_t start = 0;
	int i;

	(void)!getrandom(&start, sizeof(start), GRND_NONBLOCK);
	for (i = 0; i < eg->n; i++)
		atomic_store(&page->slots[i].word,
		    (uint64_t)(start & 0x7fffffff) << 32);
	page->n = (uint32_t)eg->n;
	page->selectable = eg->selectable;
	page->version = VERSION;
	page->magic = MAGIC;
}

static int
make_eventfds(struct mproc_event_group *eg)
{
	int fd, i;

	for (i = 0; i < eg->n; i++) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd >= 0)
			fd = mproc__fd_above_stdio(fd);
		else
			fd = -errno;
		if (fd < 0)
			return mproc__fd_error(fd, "eventfd");
		eg->events[i].fd = fd;
		eg->events[i].fd_id = eventfd_id(fd);
	}
	return 0;
}

int
mproc_event_group_new(int n, const struct mproc_event_options *options,
    struct mproc_event_group **ret_eg)
{
	struct mproc_event_group *eg;
	int r;

	if (n < 1 || n > MPROC_EVENT_GROUP_MAX || ret_eg == NULL)
		return mproc__err(-EINVAL, "a group of %d events: 1 to %d", n,
		    MPROC_EVENT_GROUP_MAX);
	if ((eg = group_alloc(n)) == NULL)
		return mproc__err(-ENOMEM, "a group of %d events", n);
	eg->selectable = options != NULL && options->selectable;
	r = mproc__memory_new(&eg->memory, "mproc-events", page_size(n));
	if (r < 0)
		goto fail;
	use_memory(eg);
	page_init(eg);
	if (eg->selectable && (r = make_eventfds(eg)) < 0)
		goto fail;
	*ret_eg = eg;
	return 0;
fail:
	mproc_event_group_free(eg);
	return r;
}

struct mproc_event_group *
mproc_event_group_free(struct mproc_event_group *eg)
{
	int i, saved = errno;

	if (eg == NULL)
		return NULL;
	for (i = 0; i < eg->n; i++)
		mproc__close(mproc__event_own_fd(&eg->events[i]));
	mproc__memory_done(&eg->memory);
	free(eg);
	errno = saved;
	return NULL;
}

int
mproc_event_group_fds(struct mproc_event_group *eg, int *fds, int max)
{
	int i, memfd, n;

	if (eg == NULL || fds == NULL)
		return mproc__err(-EINVAL, "event group: no group or no room");
	n = eg->selectable ? 1 + eg->n : 1;
	if (n > max)
		return mproc__err(-EMSGSIZE, "event group: %d descriptors, "
		    "room for %d", n, max);
	if ((memfd = mproc__memory_fd(&eg->memory)) < 0)
		return mproc__err(-EBADF, "event group: its memory's "
		    "descriptor was not kept in this process");
	for (i = 0; i < n - 1; i++)
		if (mproc__event_own_fd(&eg->events[i]) < 0)
			return mproc__err(-EBADF, "event %d: its descriptor "
			    "was not kept in this process", i);
	fds[0] = memfd;
	for (i = 0; i < n - 1; i++)
		fds[i + 1] = eg->events[i].fd;
	return n;
}

/* The header of a group's memory: trusted only after this */
static int
check_page(int memfd, size_t *ret_size, struct mproc__events_page *ret)
{
	const int seals = fcntl(memfd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 && errno == EBADF)
		return mproc__err(-EBADF, "event group: %d is no descriptor",
		    memfd);
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(memfd, &st) < 0 ||
	    pread(memfd, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret) ||
	    ret->magic != MAGIC)
		return mproc__err(-EBADMSG, "event group: descriptor %d is "
		    "not the memory of events", memfd);
	if (ret->version != VERSION)
		return mproc__err(-EPROTO, "event group: version %u, not %u",
		    ret->version, VERSION);
	if (ret->n < 1 || ret->n > MPROC_EVENT_GROUP_MAX ||
	    (size_t)st.st_size < page_size((int)ret->n))
		return mproc__err(-EBADMSG, "event group: %u events in %jd "
		    "bytes", ret->n, (intmax_t)st.st_size);
	*ret_size = page_size((int)ret->n);
	return 0;
}

static int
take_eventfds(struct mproc_event_group *eg, const int *fds)
{
	int64_t id;
	int fd, i;

	for (i = 0; i < eg->n; i++) {
		if ((id = eventfd_id(fds[i])) < 0)
			return mproc__err(-EINVAL, "event %d: descriptor %d "
			    "is no eventfd", i, fds[i]);
		if ((fd = mproc__dup(fds[i])) < 0)
			return mproc__fd_error(fd, "event descriptors");
		eg->events[i].fd = fd;
		eg->events[i].fd_id = id;
		if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
			return mproc__err(-errno, "event %d", i);
	}
	return 0;
}

int
mproc_event_group_from_fds(const int *fds, int n_fds,
    struct mproc_event_group **ret_eg)
{
	struct mproc__events_page head;
	struct mproc_event_group *eg = NULL;
	size_t size = 0;
	int r;

	if (fds == NULL || n_fds < 1 || ret_eg == NULL)
		return mproc__err(-EINVAL, "event group: no descriptors");
	if ((r = check_page(fds[0], &size, &head)) < 0)
		return r;
	if (n_fds != 1 && (head.selectable == 0 ||
	    n_fds != 1 + (int)head.n))
		return mproc__err(-EINVAL, "event group: %d descriptors for "
		    "%u events", n_fds, head.n);
	if ((eg = group_alloc((int)head.n)) == NULL)
		return mproc__err(-ENOMEM, "a group of %u events", head.n);
	eg->selectable = head.selectable != 0;
	r = mproc__memory_dup(&eg->memory, fds[0], size, false);
	if (r < 0)
		goto fail;
	use_memory(eg);
	if (n_fds > 1 && (r = take_eventfds(eg, fds + 1)) < 0)
		goto fail;
	*ret_eg = eg;
	return 0;
fail:
	mproc_event_group_free(eg);
	return r;
}
