/*
 * encode.c - bodies from structs: [kind, id, command, {fields}(, meta)].
 */
#include <errno.h>
#include <fcntl.h>

#include "message/message.h"
#include "message/write.h"

#define ERROR_TEXT_MAX	1024

/* NULL text and absent descriptors are left out. */
static bool
present(const struct mproc_field *f, const void *args)
{
	const char *at = (const char *)args + f->offset;

	if (f->type == MPROC_TYPE_STR)
		return *(const char *const *)(const void *)at != NULL;
	if (f->type == MPROC_TYPE_FD)
		return ((const struct mproc_fd *)(const void *)at)->present;
	return true;
}

static int
add_fd(struct mproc__writer *w, int fd, struct mproc__fdset *fds)
{
	if (fds == NULL || fds->n == MPROC__FDS_MAX)
		return mproc__err(-EINVAL, "more than %d descriptors",
		    MPROC__FDS_MAX);
	if (fd < 0 || fcntl(fd, F_GETFD) < 0)
		return mproc__err(-EBADF, "no such descriptor: %d", fd);
	mproc__write_fd(w, fds->n);
	fds->fd[fds->n++] = fd;
	return 0;
}

static int
write_field(struct mproc__writer *w, const struct mproc_schema *s,
    const struct mproc_field *f, const void *args, struct mproc__fdset *fds)
{
	const char *at = (const char *)args + f->offset;
	int r;

	mproc__write_key(w, f);
	if (f->type == MPROC_TYPE_FD)
		r = add_fd(w, ((const struct mproc_fd *)(const void *)at)->fd,
		    fds);
	else
		r = mproc__write_any(w, (enum mproc_type)f->type, at);
	if (r < 0)
		return mproc__err(r == -EBADMSG ? -EINVAL : r,
		    "class %s, command %s, field %s: %s", s->class_name,
		    s->command, f->name, mproc__err_text());
	return 0;
}

static void
write_head(struct mproc__writer *w, int kind, uint64_t id,
    const char *command, const struct mproc__meta *meta)
{
	bool has_meta = meta != NULL && meta->deadline_ns != 0;

	mproc__pack_array(w, has_meta ? 5 : 4);
	mproc__pack_int(w, kind);
	mproc__pack_uint64(w, id);
	mproc__write_str(w, command, strlen(command));
}

static void
write_meta(struct mproc__writer *w, const struct mproc__meta *meta)
{
	if (meta == NULL || meta->deadline_ns == 0)
		return;
	mproc__pack_map(w, 1);
	mproc__write_str(w, "deadline", 8);
	mproc__pack_int64(w, meta->deadline_ns);
}

static int
write_args(struct mproc__writer *w, const struct mproc_schema *s,
    const void *args, struct mproc__fdset *fds)
{
	uint32_t i, n = 0;
	int r;

	for (i = 0; i < s->n_fields; i++)
		n += present(&s->fields[i], args);
	mproc__pack_map(w, n);
	for (i = 0; i < s->n_fields; i++)
		if (present(&s->fields[i], args) && (r = write_field(w, s,
		    &s->fields[i], args, fds)) < 0)
			return r;
	return 0;
}

int
mproc__encode_any(struct mproc__buf *buf, int kind, uint64_t id,
    const struct mproc_schema *s, const void *args,
    const struct mproc__meta *meta, size_t max, struct mproc__fdset *fds)
{
	struct mproc__writer w;
	int r;

	if (fds != NULL)
		fds->n = 0;
	mproc__writer_begin(&w, buf, max);
	write_head(&w, kind, id, s->command, meta);
	if ((r = write_args(&w, s, args, fds)) == 0)
		write_meta(&w, meta);
	return mproc__writer_end(&w, r);
}

/*
 * A forwarded message's arguments are copied as they stand; only the index of
 * a descriptor may have moved, and it is the last byte of its value.
 */
static int
copy_entry(struct mproc__writer *w, const struct mproc__entry *e, int fd,
    struct mproc__fdset *fds)
{
	if (fd < 0) {
		mproc__writer_put(w, e->start,
		    (size_t)(e->end - e->start));
		return 0;
	}
	mproc__writer_put(w, e->start,
	    (size_t)(e->value - e->start));
	return add_fd(w, fd, fds);
}

static int
copy_args(struct mproc__writer *w, const struct mproc__args *a,
    struct mproc__fdset *fds)
{
	const uint8_t *p = a->entries, *end = a->entries + a->size;
	struct mproc__entry e;
	uint32_t i;
	int r, index;

	mproc__pack_map(w, a->n - (uint32_t)
	    __builtin_popcount(a->taken));
	if (a->n_fds == 0) {
		mproc__writer_put(w, p, a->size);
		return 0;
	}
	for (i = 0; i < a->n; i++) {
		if ((p = mproc__entry(p, end, &e)) == NULL)
			return -EINVAL;
		index = mproc__fd_index(e.value, e.end);
		if (index >= 0 && (a->taken & (1U << index)) != 0)
			continue;
		if ((r = copy_entry(w, &e, index < 0 ? -1 : a->fds[index],
		    fds)) < 0)
			return r;
	}
	return 0;
}

int
mproc__encode_args(struct mproc__buf *buf, int kind, uint64_t id,
    const char *command, const struct mproc__args *a,
    const struct mproc__meta *meta, size_t max, struct mproc__fdset *fds)
{
	struct mproc__writer w;
	int r;

	if (fds != NULL)
		fds->n = 0;
	if (strlen(command) > MPROC_COMMAND_MAX)
		return mproc__err(-EINVAL, "a command has at most %d bytes",
		    MPROC_COMMAND_MAX);
	mproc__writer_begin(&w, buf, max);
	write_head(&w, kind, id, command, meta);
	if ((r = copy_args(&w, a, fds)) == 0)
		write_meta(&w, meta);
	return mproc__writer_end(&w, r);
}

int
mproc__encode_error(struct mproc__buf *buf, uint64_t id, const char *command,
    int code, const char *text)
{
	struct mproc__writer w;

	if (text == NULL)
		text = "";
	mproc__writer_begin(&w, buf, SIZE_MAX);
	write_head(&w, MPROC__ERROR, id, command != NULL ? command : "", NULL);
	mproc__pack_map(&w, 2);
	mproc__write_str(&w, "code", 4);
	mproc__pack_int(&w, code);
	mproc__write_str(&w, "text", 4);
	mproc__write_str(&w, text, strnlen(text, ERROR_TEXT_MAX));
	return mproc__writer_end(&w, 0);
}
