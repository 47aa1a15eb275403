/*
 * class.c - classes as data: checked, described, indexed.
 */
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mproc/backend.h>

#include "message/message.h"
#include "process/class.h"

#define MAX_ROWS	32000	/* a row number fits in 16 bits */
#define MAX_NAME	63	/* of a class */
#define MAX_COMMAND	63

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t
hash_bytes(uint64_t h, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
	return h;
}

#define HASH_START	0xcbf29ce484222325u

/*
 * Of both ends; what is between them, too, where there is something.  The
 * upper bits are the good ones.  All that is done with the message waits for
 * this, so it is short.
 */
static inline uint64_t
mix(const char *s, size_t n, uint64_t first, uint64_t last)
{
	const uint64_t k = 0x9e3779b97f4a7c15u;	/* 2^64 / golden ratio */
	uint64_t h = first ^ (last + n) * k;
	size_t i;

	for (i = 8; i + 8 < n; i += 8)
		h = ((h ^ h >> 32) ^ mproc__load(s + i, 8)) * k;
	return (h ^ h >> 32) * k;
}

static void
add_row(struct mproc__index *ix, size_t row)
{
	const struct mproc_handler *h = &ix->class->handlers[row];
	uint64_t hash = mproc__schema_hash(h->schema), first, last;
	size_t len = strlen(h->command);
	uint32_t at;

	mproc__command_ends(h->command, len, &first, &last);
	at = (uint32_t)(mix(h->command, len, first, last) >> ix->shift);
	while (ix->slot[at & ix->mask].len != 0)
		at++;
	ix->has_urgent = ix->has_urgent || h->urgent;
	ix->slot[at & ix->mask] = (struct mproc__route){
		.first = first, .last = last, .schema = h->schema,
		.len = (uint16_t)len, .row = (uint16_t)row,
	};
	if (h->urgent)
		return;		/* what is taken is what goes by the mailbox */
	at = (uint32_t)(hash >> 32);
	while (ix->message[at & ix->mask] != 0)
		at++;
	ix->message[at & ix->mask] = hash;
}

int
mproc__index_init(struct mproc__index *ix, const struct mproc_class *cls)
{
	uint32_t n = 4;
	size_t i;

	ix->shift = 62;
	while (n < 4 * cls->n_handlers) {
		n *= 2;
		ix->shift--;
	}
	ix->class = cls;
	ix->has_urgent = false;
	ix->mask = n - 1;
	ix->slot = aligned_alloc(alignof(struct mproc__route),
	    n * sizeof(*ix->slot));
	ix->message = calloc(n, sizeof(*ix->message));
	if (ix->slot == NULL || ix->message == NULL) {
		mproc__index_done(ix);
		return -ENOMEM;
	}
	memset(ix->slot, 0, n * sizeof(*ix->slot));
	for (i = 0; i < cls->n_handlers; i++)
		add_row(ix, i);
	return 0;
}

void
mproc__index_done(struct mproc__index *ix)
{
	free(ix->slot);
	free(ix->message);
	ix->slot = NULL;
	ix->message = NULL;
}

const struct mproc__route *
mproc__index_route(const struct mproc__index *ix, const char *command,
    size_t len)
{
	const struct mproc__route *slot;
	uint64_t first, last;
	uint32_t at;

	mproc__command_ends(command, len, &first, &last);
	at = (uint32_t)(mix(command, len, first, last) >> ix->shift);
	for (;; at++) {
		slot = &ix->slot[at & ix->mask];
		if (len != 0 && mproc__route_is(ix, slot, command, len, first,
		    last))
			return slot;
		if (slot->len == 0)
			return NULL;
	}
}

int
mproc__index_find(const struct mproc__index *ix, const char *command,
    size_t len)
{
	const struct mproc__route *route;

	route = mproc__index_route(ix, command, len);
	return route != NULL ? route->row : -1;
}

bool
mproc__index_takes(const struct mproc__index *ix,
    const struct mproc_schema *schema)
{
	uint64_t hash = mproc__schema_hash(schema), found;
	uint32_t at = (uint32_t)(hash >> 32);

	for (;; at++) {
		found = ix->message[at & ix->mask];
		if (found == hash || found == 0)
			return found == hash;
	}
}

/* The row that takes it, if it is of this kind. */
static int
check_route(const struct mproc__index *ix, const struct mproc__route *route,
    const struct mproc_schema *schema, bool urgent)
{
	const struct mproc_handler *row = &ix->class->handlers[route->row];
	const char *name = ix->class->name;

	if (schema != NULL && schema != route->schema &&
	    mproc__schema_hash(schema) != mproc__schema_hash(route->schema))
		return mproc__err(-EINVAL, "class %s, command %s: the message "
		    "%s_%s is not the one that the class takes", name,
		    row->command, schema->class_name, schema->command);
	if (row->urgent != urgent)
		return mproc__err(-EINVAL, "class %s, command %s: it is %s "
		    "notification", name, row->command, urgent ? "no" : "a");
	return 0;
}

int
mproc__index_check(const struct mproc__index *ix,
    const struct mproc_schema *schema, const char *command)
{
	const struct mproc_class *cls = ix->class;
	const struct mproc__route *route;

	if (schema != NULL) {
		if (mproc__index_takes(ix, schema))
			return 0;
		command = schema->command;
	}
	route = mproc__index_route(ix, command, strlen(command));
	if (route == NULL)
		return cls->on_unknown != NULL ? 0 :
		    mproc__err(-ENOSYS, "class %s has no command %s",
		    cls->name, command);
	return check_route(ix, route, schema, false);
}

int
mproc__index_check_urgent(const struct mproc__index *ix,
    const struct mproc_schema *schema)
{
	const struct mproc__route *route;

	route = mproc__index_route(ix, schema->command,
	    strlen(schema->command));
	if (route == NULL)
		return mproc__err(-ENOSYS, "class %s has no command %s",
		    ix->class->name, schema->command);
	return check_route(ix, route, schema, true);
}

uint64_t
mproc__class_hash(const struct mproc_class *cls)
{
	uint64_t h = hash_bytes(HASH_START, cls->name, strlen(cls->name));
	uint64_t s;
	size_t i;

	for (i = 0; i < cls->n_handlers; i++) {
		s = mproc__schema_hash(cls->handlers[i].schema);
		h = hash_bytes(h, (const char *)&s, sizeof(s));
	}
	return h;
}

/* All faults of a class, a line each, and the code of the first. */
struct faults {
	char	text[480];
	size_t	len;
	int	code;
};

static void __attribute__((format(printf, 3, 4)))
fault(struct faults *f, int code, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (f->code == 0)
		f->code = code;
	if (f->len > 0 && f->len + 2 < sizeof(f->text)) {
		f->text[f->len++] = '\n';
		f->text[f->len] = '\0';
	}
	va_start(ap, fmt);
	n = vsnprintf(f->text + f->len, sizeof(f->text) - f->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		f->len += (size_t)n;
	if (f->len >= sizeof(f->text))
		f->len = sizeof(f->text) - 1;
}

static void
check_urgent(const struct mproc_class *cls, const struct mproc_handler *row,
    struct faults *f)
{
	size_t i;

	if (row->reply != NULL)
		fault(f, -EINVAL, "class %s, command %s: what is urgent has "
		    "no reply", cls->name, row->command);
	for (i = 0; row->schema != NULL && i < row->schema->n_fields; i++)
		if (row->schema->fields[i].type == MPROC_TYPE_FD)
			fault(f, -EINVAL, "class %s, command %s: what is "
			    "urgent carries no descriptors", cls->name,
			    row->command);
}

static void
check_row(const struct mproc_class *cls, size_t i, struct faults *f)
{
	const struct mproc_handler *row = &cls->handlers[i];

	if (row->command == NULL || row->command[0] == '\0') {
		fault(f, -EINVAL, "class %s, row %zu: no command", cls->name,
		    i);
		return;
	}
	if (strnlen(row->command, MAX_COMMAND + 1) > MAX_COMMAND)
		fault(f, -EINVAL, "class %s, command %.*s...: the name is "
		    "longer than %d bytes", cls->name, MAX_COMMAND,
		    row->command, MAX_COMMAND);
	if (row->entry == NULL)
		fault(f, -EINVAL, "class %s, command %s: no entry", cls->name,
		    row->command);
	if (row->help == NULL || row->help[0] == '\0')
		fault(f, -EINVAL, "class %s, command %s: no help text",
		    cls->name, row->command);
	if (row->schema == NULL)
		fault(f, -EINVAL, "class %s, command %s: no message",
		    cls->name, row->command);
	else if (mproc__schema_check(row->schema) < 0)
		fault(f, -EINVAL, "class %s, command %s: %s", cls->name,
		    row->command, mproc__err_text());
	if (row->reply != NULL && mproc__schema_check(row->reply) < 0)
		fault(f, -EINVAL, "class %s, command %s, reply: %s",
		    cls->name, row->command, mproc__err_text());
	if (row->urgent)
		check_urgent(cls, row, f);
}

static int
by_command(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
check_doubles(const struct mproc_class *cls, struct faults *f)
{
	const char **names;
	size_t i;

	names = calloc(cls->n_handlers + 1, sizeof(*names));
	if (names == NULL) {
		fault(f, -ENOMEM, "no memory to check class %s", cls->name);
		return;
	}
	for (i = 0; i < cls->n_handlers; i++)
		names[i] = cls->handlers[i].command;
	qsort(names, cls->n_handlers, sizeof(*names), by_command);
	for (i = 1; i < cls->n_handlers; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			fault(f, -EEXIST, "class %s: command %s has two rows",
			    cls->name, names[i]);
	free(names);
}

int
mproc_class_check(const struct mproc_class *cls)
{
	struct faults f = { .code = 0 };
	size_t i;

	if (cls == NULL)
		return mproc__err(-EINVAL, "no class given");
	if (cls->name == NULL || cls->name[0] == '\0' ||
	    strnlen(cls->name, MAX_NAME + 1) > MAX_NAME)
		return mproc__err(-EINVAL, "a class needs a name of 1 to %d "
		    "bytes", MAX_NAME);
	if (cls->version != MPROC_CLASS_VERSION ||
	    cls->handler_size != sizeof(struct mproc_handler))
		return mproc__err(-EPROTO, "class %s was compiled with version"
		    " %u of mproc/class.h, the library has %d", cls->name,
		    cls->version, MPROC_CLASS_VERSION);
	if (cls->base_offset > cls->size ||
	    cls->size - cls->base_offset < sizeof(struct mproc_backend))
		fault(&f, -EINVAL, "class %s: its struct has no room for "
		    "`base`", cls->name);
	if (cls->n_handlers > MAX_ROWS ||
	    (cls->n_handlers > 0 && cls->handlers == NULL))
		return mproc__err(-EINVAL, "class %s: %zu rows", cls->name,
		    cls->n_handlers);
	for (i = 0; i < cls->n_handlers; i++)
		check_row(cls, i, &f);
	if (f.code == 0)
		check_doubles(cls, &f);
	return f.code == 0 ? 0 : mproc__err(f.code, "%s", f.text);
}

/* A bounded text that counts what it would have been. */
struct text {
	char	*buf;
	size_t	 size, len;
};

static void __attribute__((format(printf, 2, 3)))
put(struct text *t, const char *fmt, ...)
{
	bool room = t->len < t->size;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? t->buf + t->len : NULL,
	    room ? t->size - t->len : 0, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
}

static void
put_row(struct text *t, const struct mproc_handler *row)
{
	const struct mproc_schema *s = row->schema;
	size_t i;

	put(t, "%s(", row->command);
	for (i = 0; i < s->n_fields; i++)
		put(t, "%s%s: %s", i > 0 ? ", " : "", s->fields[i].name,
		    mproc_type_name(s->fields[i].type));
	put(t, ")");
	if (row->reply != NULL)
		put(t, " -> %s", row->reply->command);
	if (row->urgent)
		put(t, " at once");
	put(t, "  %s\n", row->help);
}

int
mproc_class_describe(const struct mproc_class *cls, char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };
	size_t i;
	int r;

	if ((r = mproc_class_check(cls)) < 0)
		return r;
	if (size > 0)
		buf[0] = '\0';
	for (i = 0; i < cls->n_handlers; i++)
		put_row(&t, &cls->handlers[i]);
	return (int)t.len;
}
