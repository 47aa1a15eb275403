/*
 * builder.c - make a msgpack value, front to back.
 *
 * left[depth - 1] says how many parts the innermost open container still
 * wants: an even number in a map means that a key is due.
 */
#include <errno.h>
#include <stdlib.h>

#include "message/write.h"
#include "system/error.h"

struct mproc_builder {
	struct mproc__buf	buf;
	struct mproc__writer	w;
	int			error;
	bool			complete;
	uint32_t		items;
	int			depth;
	struct {
		uint64_t	left;
		bool		map;
	} open[MPROC_VALUE_DEPTH];
};

int
mproc_builder_new(struct mproc_builder **ret_builder)
{
	struct mproc_builder *b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return mproc__err(-ENOMEM, "builder: no memory");
	mproc_builder_reset(b);
	*ret_builder = b;
	return 0;
}

struct mproc_builder *
mproc_builder_free(struct mproc_builder *b)
{
	int saved = errno;

	if (b != NULL)
		mproc__buf_done(&b->buf);
	free(b);
	errno = saved;
	return NULL;
}

void
mproc_builder_reset(struct mproc_builder *b)
{
	b->buf.len = 0;
	b->buf.failed = false;
	mproc__writer_begin(&b->w, &b->buf, SIZE_MAX);
	b->error = 0;
	b->complete = false;
	b->items = MPROC__ITEMS_MAX;
	b->depth = 0;
}

static int
fail(struct mproc_builder *b, int code, const char *what)
{
	b->error = mproc__err(code, "builder: %s", what);
	return b->error;
}

static bool
key_is_due(const struct mproc_builder *b)
{
	return b->depth > 0 && b->open[b->depth - 1].map &&
	    b->open[b->depth - 1].left % 2 == 0;
}

/* May a key, or a value, come now? */
static int
begin(struct mproc_builder *b, bool key)
{
	if (b == NULL)
		return mproc__err(-EINVAL, "builder: none");
	if (b->error != 0)
		return b->error;
	if (b->complete)
		return fail(b, -EINVAL, "the value is complete already");
	if (key_is_due(b) != key)
		return fail(b, -EINVAL, key ? "a key where a value belongs" :
		    "a value where a key belongs");
	if (b->items == 0)
		return fail(b, -EMSGSIZE, "too many parts");
	b->items--;
	return 0;
}

/* A part was written: count it in all containers that it completes. */
static int
end(struct mproc_builder *b)
{
	int r = mproc__writer_end(&b->w, 0);

	if (r < 0)
		return fail(b, r, r == -ENOMEM ? "no memory" :
		    "text of 4 GiB");
	while (b->depth > 0 && --b->open[b->depth - 1].left == 0)
		b->depth--;
	b->complete = b->depth == 0;
	return 0;
}

static int
open_container(struct mproc_builder *b, size_t n, bool map)
{
	if (n > MPROC__ITEMS_MAX)
		return fail(b, -EMSGSIZE, "too many parts");
	if (b->depth == MPROC_VALUE_DEPTH)
		return fail(b, -EMSGSIZE, "nested too deep");
	if (map)
		mproc__pack_map(&b->w, n);
	else
		mproc__pack_array(&b->w, n);
	if (n == 0 || b->buf.failed)
		return end(b);
	b->open[b->depth].left = map ? 2 * (uint64_t)n : n;
	b->open[b->depth].map = map;
	b->depth++;
	return 0;
}

int
mproc_build_array(struct mproc_builder *b, size_t n)
{
	int r = begin(b, false);

	return r < 0 ? r : open_container(b, n, false);
}

int
mproc_build_map(struct mproc_builder *b, size_t n)
{
	int r = begin(b, false);

	return r < 0 ? r : open_container(b, n, true);
}

int
mproc_build_nil(struct mproc_builder *b)
{
	int r = begin(b, false);

	if (r < 0)
		return r;
	mproc__pack_nil(&b->w);
	return end(b);
}

static int
scalar(struct mproc_builder *b, enum mproc_type type, const void *at)
{
	int r = begin(b, false);

	if (r < 0)
		return r;
	if ((r = mproc__write_any(&b->w, type, at)) < 0)
		return fail(b, r, "bytes without data");
	return end(b);
}

int
mproc_build_bool(struct mproc_builder *b, bool v)
{
	return scalar(b, MPROC_TYPE_BOOL, &v);
}

int
mproc_build_int(struct mproc_builder *b, int64_t v)
{
	return scalar(b, MPROC_TYPE_INT64, &v);
}

int
mproc_build_uint(struct mproc_builder *b, uint64_t v)
{
	return scalar(b, MPROC_TYPE_UINT64, &v);
}

int
mproc_build_double(struct mproc_builder *b, double v)
{
	return scalar(b, MPROC_TYPE_DOUBLE, &v);
}

int
mproc_build_bytes(struct mproc_builder *b, const void *data, size_t size)
{
	struct mproc_bytes bytes = { .data = data, .size = size };

	return scalar(b, MPROC_TYPE_BYTES, &bytes);
}

static int
text(struct mproc_builder *b, bool key, const char *str, size_t len)
{
	int r = begin(b, key);

	if (r < 0)
		return r;
	if (str == NULL && len > 0)
		return fail(b, -EINVAL, "text without bytes");
	mproc__write_str(&b->w, str != NULL ? str : "", len);
	return end(b);
}

int
mproc_build_str(struct mproc_builder *b, const char *str)
{
	return text(b, false, str, str != NULL ? strlen(str) : 1);
}

int
mproc_build_strn(struct mproc_builder *b, const char *str, size_t len)
{
	return text(b, false, str, len);
}

int
mproc_build_key(struct mproc_builder *b, const char *key)
{
	return text(b, true, key, key != NULL ? strlen(key) : 1);
}

/* Its containers count towards the depth from where it is put. */
int
mproc_build_value(struct mproc_builder *b, struct mproc_value v)
{
	const uint8_t *p = v.data, *behind;
	int r;

	if ((r = begin(b, b != NULL && key_is_due(b))) < 0)
		return r;
	if (p == NULL || v.size == 0) {
		mproc__pack_nil(&b->w);
		return end(b);
	}
	behind = p + v.size;
	r = mproc__scan(&p, behind, MPROC_VALUE_DEPTH - b->depth, &b->items);
	if (r < 0)
		return fail(b, r, mproc__err_text());
	if (p != behind)
		return fail(b, -EBADMSG, "bytes left over behind the value");
	mproc__writer_put(&b->w, v.data, v.size);
	return end(b);
}

int
mproc_builder_value(const struct mproc_builder *b,
    struct mproc_value *ret_value)
{
	if (b == NULL)
		return mproc__err(-EINVAL, "builder: none");
	if (b->error != 0)
		return b->error;
	if (!b->complete)
		return mproc__err(-EINVAL, "builder: the value is incomplete");
	ret_value->data = b->buf.data;
	ret_value->size = b->buf.len;
	return 0;
}
