/*
 * schema.c - declared messages as data: names of types, hash, rules.
 */
#include <errno.h>
#include <string.h>

#include "message/message.h"

#define FNV_START	UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME	UINT64_C(0x100000001b3)

const char *
mproc_type_name(enum mproc_type type)
{
	static const char *const names[] = {
		[MPROC_TYPE_NIL] = "nil", [MPROC_TYPE_BOOL] = "bool",
		[MPROC_TYPE_INT32] = "int32", [MPROC_TYPE_INT64] = "int64",
		[MPROC_TYPE_UINT64] = "uint64",
		[MPROC_TYPE_DOUBLE] = "double", [MPROC_TYPE_STR] = "str",
		[MPROC_TYPE_BYTES] = "bytes", [MPROC_TYPE_FD] = "fd",
		[MPROC_TYPE_VALUE] = "value", [MPROC_TYPE_ARRAY] = "array",
		[MPROC_TYPE_MAP] = "map", [MPROC_TYPE_EXT] = "extension",
	};
	unsigned i = (unsigned)type;

	return i < sizeof(names) / sizeof(names[0]) ? names[i] : "?";
}

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t
fnv(uint64_t hash, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n-- > 0)
		hash = (hash ^ *p++) * FNV_PRIME;
	return hash;
}

static uint64_t
fnv_text(uint64_t hash, const char *text)
{
	return fnv(hash, text, strlen(text) + 1);
}

/*
 * Offsets and size are part of it: what was decoded by one schema may be
 * given out for another only if both mean the same struct.  The lowest byte
 * is the length of the command, so that who writes it need not count.
 */
static uint64_t
compute(const struct mproc_schema *s)
{
	uint64_t hash = FNV_START;
	size_t len;
	uint32_t i;

	hash = fnv_text(hash, s->class_name);
	hash = fnv_text(hash, s->command);
	hash = fnv(hash, &s->size, sizeof(s->size));
	for (i = 0; i < s->n_fields; i++) {
		hash = fnv_text(hash, s->fields[i].name);
		hash = fnv(hash, &s->fields[i].type,
		    sizeof(s->fields[i].type));
		hash = fnv(hash, &s->fields[i].offset,
		    sizeof(s->fields[i].offset));
	}
	len = strlen(s->command);
	return hash << 8 | (len <= MPROC_COMMAND_MAX ? len : UINT8_MAX);
}

/* Two threads may compute it at once: both store the same. */
uint64_t
mproc__schema_compute(const struct mproc_schema *s)
{
	uint64_t hash = compute(s);

	if (s->hash != NULL)
		__atomic_store_n(s->hash, hash, __ATOMIC_RELAXED);
	return hash;
}

static size_t
size_of(uint8_t type)
{
	switch (type) {
	case MPROC_TYPE_BOOL:
		return sizeof(bool);
	case MPROC_TYPE_INT32:
		return sizeof(int32_t);
	case MPROC_TYPE_INT64:
	case MPROC_TYPE_UINT64:
	case MPROC_TYPE_DOUBLE:
		return sizeof(int64_t);
	case MPROC_TYPE_STR:
		return sizeof(const char *);
	case MPROC_TYPE_BYTES:
		return sizeof(struct mproc_bytes);
	case MPROC_TYPE_FD:
		return sizeof(struct mproc_fd);
	case MPROC_TYPE_VALUE:
		return sizeof(struct mproc_value);
	}
	return 0;
}

static int
check_field(const struct mproc_schema *s, const struct mproc_field *f)
{
	size_t len = strnlen(f->name, sizeof(f->name));
	size_t size = size_of(f->type);
	uint32_t i;

	if (len == 0 || len > MPROC_NAME_MAX || f->head != (0xa0 | len))
		return mproc__err(-EINVAL, "class %s, command %s: the name of "
		    "field %d is empty or too long, or its head is wrong",
		    s->class_name, s->command, (int)(f - s->fields));
	if (size == 0)
		return mproc__err(-EINVAL, "class %s, command %s, field %s: "
		    "unknown type %d", s->class_name, s->command, f->name,
		    f->type);
	if (f->offset > s->size || size > s->size - f->offset)
		return mproc__err(-EINVAL, "class %s, command %s, field %s: "
		    "outside of its struct", s->class_name, s->command,
		    f->name);
	for (i = 0; s->fields + i < f; i++)
		if (strcmp(s->fields[i].name, f->name) == 0)
			return mproc__err(-EINVAL, "class %s, command %s, "
			    "field %s: there twice", s->class_name,
			    s->command, f->name);
	return 0;
}

int
mproc__schema_check(const struct mproc_schema *s)
{
	size_t len;
	uint32_t i;
	int r;

	if (s == NULL || s->class_name == NULL || s->command == NULL)
		return mproc__err(-EINVAL, "a message without names");
	len = strnlen(s->command, MPROC_COMMAND_MAX + 1);
	if (len == 0 || len > MPROC_COMMAND_MAX)
		return mproc__err(-EINVAL, "class %s: a command is empty or "
		    "longer than %d bytes", s->class_name, MPROC_COMMAND_MAX);
	if (s->n_fields > MPROC_FIELDS_MAX || s->size == 0 ||
	    (s->fields == NULL && s->n_fields > 0))
		return mproc__err(-EINVAL, "class %s, command %s: no fields, "
		    "no size, or more than %d fields", s->class_name,
		    s->command, MPROC_FIELDS_MAX);
	for (i = 0; i < s->n_fields; i++)
		if ((r = check_field(s, &s->fields[i])) < 0)
			return r;
	return 0;
}
