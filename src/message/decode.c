/*
 * decode.c - arguments straight from msgpack bytes into the schema's struct.
 *
 * Fields usually come in the order of the schema: the key that should come
 * next is compared first, as one memcmp with the row's pre-encoded bytes.
 *
 * Text is terminated in place, over the first byte behind it.  That byte is
 * the head of the next key, so it is overwritten only when all has been
 * read, and a refused message is left as it came.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "message/message.h"
#include "message/token.h"

struct decoder {
	const struct mproc_schema	*schema;
	const int			*fds;
	int				 n_fds;
	uint8_t				*args;
	const uint8_t			*end;
	char				*ret;
	struct mproc__poke		*poke;
};

void
mproc__poke_undo(const struct mproc__poke *poke)
{
	uint32_t i;

	for (i = 0; i < poke->n; i++)
		*poke->poke[i].at = poke->poke[i].was;
}

void
mproc__poke_redo(const struct mproc__poke *poke)
{
	uint32_t i;

	for (i = 0; i < poke->n; i++)
		*poke->poke[i].at = '\0';
}

static int
refuse(const struct decoder *d, const struct mproc_field *f, const char *what)
{
	return mproc__err(-EINVAL, "class %s, command %s, field %s: %s",
	    d->schema->class_name, d->schema->command, f->name, what);
}

static int
mismatch(const struct decoder *d, const struct mproc_field *f,
    const struct mproc__token *t)
{
	const char *want = mproc_type_name((enum mproc_type)f->type);
	bool number = f->type >= MPROC_TYPE_INT32 &&
	    f->type <= MPROC_TYPE_DOUBLE;

	if (number && t->type == MPROC_TYPE_INT64)
		return mproc__err(-EINVAL, "class %s, command %s, field %s: "
		    "expected %s, got %" PRId64 ", which does not fit",
		    d->schema->class_name, d->schema->command, f->name, want,
		    t->v.i);
	if (number && t->type == MPROC_TYPE_UINT64)
		return mproc__err(-EINVAL, "class %s, command %s, field %s: "
		    "expected %s, got %" PRIu64 ", which does not fit",
		    d->schema->class_name, d->schema->command, f->name, want,
		    t->v.u);
	return mproc__err(-EINVAL, "class %s, command %s, field %s: "
	    "expected %s, got %s", d->schema->class_name, d->schema->command,
	    f->name, want, mproc__token_name(t));
}

static int
store_str(struct decoder *d, const struct mproc_field *f,
    const struct mproc__token *t)
{
	const char *str = (const char *)t->payload;

	if (t->type != MPROC_TYPE_STR)
		return mismatch(d, f, t);
	if (memchr(str, '\0', t->len) != NULL)
		return refuse(d, f, "a NUL inside the text");
	d->poke->poke[d->poke->n++].at =
	    d->args + (t->payload - d->args) + t->len;
	memcpy(d->ret + f->offset, &str, sizeof(str));
	return 0;
}

static int
store_fd(struct decoder *d, const struct mproc_field *f,
    const struct mproc__token *t)
{
	struct mproc_fd fd = { .present = true };

	if (t->type != MPROC_TYPE_EXT || t->ext != MPROC__EXT_FD ||
	    t->len != 1)
		return mismatch(d, f, t);
	if (t->payload[0] >= d->n_fds || d->fds[t->payload[0]] < 0)
		return mproc__err(-EBADF, "class %s, command %s, field %s: "
		    "the descriptor did not arrive", d->schema->class_name,
		    d->schema->command, f->name);
	fd.fd = d->fds[t->payload[0]];
	memcpy(d->ret + f->offset, &fd, sizeof(fd));
	return 0;
}

static int
store_bytes(struct decoder *d, const struct mproc_field *f,
    const struct mproc__token *t)
{
	struct mproc_bytes bytes = { .data = t->payload, .size = t->len };

	if (t->type != MPROC_TYPE_BYTES && t->type != MPROC_TYPE_STR)
		return mismatch(d, f, t);
	memcpy(d->ret + f->offset, &bytes, sizeof(bytes));
	return 0;
}

static int
store_int32(struct decoder *d, const struct mproc_field *f,
    const struct mproc__token *t)
{
	int32_t v;

	if (t->type != MPROC_TYPE_INT64 || t->v.i < INT32_MIN ||
	    t->v.i > INT32_MAX)
		return mismatch(d, f, t);
	v = (int32_t)t->v.i;
	memcpy(d->ret + f->offset, &v, sizeof(v));
	return 0;
}

/* The three that fill 8 bytes. */
static int
store_number(struct decoder *d, const struct mproc_field *f,
    const struct mproc__token *t)
{
	union { int64_t i; uint64_t u; double d; } v;
	int r;

	if (f->type == MPROC_TYPE_INT64)
		r = mproc__token_int(t, &v.i);
	else if (f->type == MPROC_TYPE_UINT64)
		r = mproc__token_uint(t, &v.u);
	else
		r = mproc__token_double(t, &v.d);
	if (r < 0)
		return mismatch(d, f, t);
	memcpy(d->ret + f->offset, &v, sizeof(v));
	return 0;
}

/* A value is raw bytes from p on; *next is behind it. */
static int
store_value(struct decoder *d, const struct mproc_field *f, const uint8_t *p,
    const struct mproc__token *t, const uint8_t **next)
{
	uint32_t items = MPROC__ITEMS_MAX;
	struct mproc_value v = { .data = p };

	if (t->type == MPROC_TYPE_EXT && (t->ext == MPROC__EXT_FD ||
	    t->ext == MPROC__EXT_BUFFER))
		return mismatch(d, f, t);
	if (t->type == MPROC_TYPE_ARRAY || t->type == MPROC_TYPE_MAP) {
		*next = p;
		if (mproc__scan(next, d->end, MPROC_VALUE_DEPTH, &items) < 0)
			return refuse(d, f, "broken, or nested too deep");
	}
	v.size = (size_t)(*next - p);
	memcpy(d->ret + f->offset, &v, sizeof(v));
	return 0;
}

static int
store(struct decoder *d, const struct mproc_field *f, const uint8_t **p)
{
	const uint8_t *start = *p;
	struct mproc__token t;

	if ((*p = mproc__token(start, d->end, &t)) == NULL)
		return refuse(d, f, "truncated");
	if (t.type == MPROC_TYPE_NIL)
		return 0;
	switch (f->type) {
	case MPROC_TYPE_BOOL:
		if (t.type != MPROC_TYPE_BOOL)
			return mismatch(d, f, &t);
		memcpy(d->ret + f->offset, &t.v.b, sizeof(t.v.b));
		return 0;
	case MPROC_TYPE_INT32:
		return store_int32(d, f, &t);
	case MPROC_TYPE_STR:
		return store_str(d, f, &t);
	case MPROC_TYPE_BYTES:
		return store_bytes(d, f, &t);
	case MPROC_TYPE_FD:
		return store_fd(d, f, &t);
	case MPROC_TYPE_VALUE:
		return store_value(d, f, start, &t, p);
	default:
		return store_number(d, f, &t);
	}
}

static int
unknown(const struct mproc_schema *s, const struct mproc__token *key)
{
	if (key->type != MPROC_TYPE_STR)
		return mproc__err(-EINVAL, "class %s, command %s: the name of "
		    "a field is %s, not text", s->class_name, s->command,
		    mproc__token_name(key));
	return mproc__err(-EINVAL, "class %s, command %s: unknown field "
	    "\"%.*s\"", s->class_name, s->command,
	    (int)(key->len < 64 ? key->len : 64), key->payload);
}

/* The bytes of a short name in one comparison, where 8 may be read. */
static inline bool
is_key(const uint8_t *p, const uint8_t *end, const struct mproc_field *f)
{
	size_t len = f->head & 31U;
	uint64_t a, b;

	if (*p != f->head || (size_t)(end - p) <= len)
		return false;
	if (len > 8 || end - p <= 8)
		return memcmp(p + 1, f->name, len) == 0;
	memcpy(&a, p + 1, sizeof(a));
	memcpy(&b, f->name, sizeof(b));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (a ^ b) << (64 - 8 * len) == 0;
#else
	return (a ^ b) >> (64 - 8 * len) == 0;
#endif
}

/* The row of the key at *p, which it moves behind the key; -EINVAL. */
static int
find(const struct decoder *d, uint32_t expected, const uint8_t **p)
{
	const struct mproc_schema *s = d->schema;
	struct mproc__token key;
	uint32_t i;

	if (expected < s->n_fields &&
	    is_key(*p, d->end, &s->fields[expected])) {
		*p += (s->fields[expected].head & 31U) + 1;
		return (int)expected;
	}
	if ((*p = mproc__token(*p, d->end, &key)) == NULL)
		return mproc__err(-EINVAL, "class %s, command %s: truncated",
		    s->class_name, s->command);
	for (i = 0; i < s->n_fields; i++)
		if (mproc__token_is(&key, s->fields[i].name))
			return (int)i;
	return unknown(s, &key);
}

static int
read_fields(struct decoder *d, const uint8_t *p, uint32_t n)
{
	uint32_t i, expected = 0, seen = 0;
	int f, r;

	for (i = 0; i < n; i++) {
		if (p >= d->end)
			return mproc__err(-EINVAL, "class %s, command %s: "
			    "truncated", d->schema->class_name,
			    d->schema->command);
		if ((f = find(d, expected, &p)) < 0)
			return f;
		if ((seen & (1U << f)) != 0)
			return refuse(d, &d->schema->fields[f], "there twice");
		seen |= 1U << f;
		if ((r = store(d, &d->schema->fields[f], &p)) < 0)
			return r;
		expected = (uint32_t)f + 1;
	}
	if (p != d->end)
		return mproc__err(-EINVAL, "class %s, command %s: %zu bytes "
		    "left over", d->schema->class_name, d->schema->command,
		    (size_t)(d->end - p));
	return 0;
}

int
mproc__decode_any(const struct mproc_schema *schema, uint8_t *args,
    size_t size, const int *fds, int n_fds, void *ret,
    struct mproc__poke *poke)
{
	struct decoder d = {
		.schema = schema, .fds = fds, .n_fds = n_fds, .args = args,
		.end = args + size, .ret = ret, .poke = poke,
	};
	struct mproc__token t;
	const uint8_t *p;
	uint32_t i;
	int r;

	memset(ret, 0, schema->size);
	poke->n = 0;
	if ((p = mproc__token(args, d.end, &t)) == NULL ||
	    t.type != MPROC_TYPE_MAP)
		r = mproc__err(-EINVAL, "class %s, command %s: the arguments "
		    "are no map", schema->class_name, schema->command);
	else
		r = read_fields(&d, p, t.len);
	if (r < 0) {
		memset(ret, 0, schema->size);
		poke->n = 0;
		return r;
	}
	for (i = 0; i < poke->n; i++)
		poke->poke[i].was = *poke->poke[i].at;
	mproc__poke_redo(poke);
	return 0;
}

int
mproc__decode(const struct mproc_schema *schema, uint8_t *args, size_t size,
    const int *fds, int n_fds, void *ret, struct mproc__poke *poke)
{
	if (mproc__decode_fast(schema, args, size, 0, ret, poke))
		return 0;
	return mproc__decode_any(schema, args, size, fds, n_fds, ret, poke);
}
