/*
 * value.c - read any msgpack value in place.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "message/token.h"
#include "system/error.h"

/* The head of a value: 0 or -EBADMSG; no bytes at all are nil. */
static int
first(struct mproc_value v, struct mproc__token *t, const uint8_t **ret_next)
{
	const uint8_t *p = v.data;

	if (p == NULL || v.size == 0) {
		t->type = MPROC_TYPE_NIL;
		*ret_next = p;
		return 0;
	}
	if ((*ret_next = mproc__token(p, p + v.size, t)) == NULL)
		return mproc__err(-EBADMSG, "the bytes are no value");
	return 0;
}

static int
refuse(const char *want, const struct mproc__token *t)
{
	return mproc__err(-EINVAL, "expected %s, got %s%s", want,
	    mproc__token_name(t), t->type == MPROC_TYPE_INT64 ||
	    t->type == MPROC_TYPE_UINT64 ? " (which does not fit)" : "");
}

int
mproc_value_type(struct mproc_value v)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = first(v, &t, &next)) < 0)
		return r;
	if (t.type == MPROC_TYPE_EXT && t.ext == MPROC__EXT_FD)
		return MPROC_TYPE_FD;
	return t.type;
}

int
mproc_value_int(struct mproc_value v, int64_t *ret_int)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = first(v, &t, &next)) < 0)
		return r;
	return mproc__token_int(&t, ret_int) < 0 ? refuse("int64", &t) : 0;
}

int
mproc_value_uint(struct mproc_value v, uint64_t *ret_uint)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = first(v, &t, &next)) < 0)
		return r;
	return mproc__token_uint(&t, ret_uint) < 0 ? refuse("uint64", &t) : 0;
}

int
mproc_value_double(struct mproc_value v, double *ret_double)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = first(v, &t, &next)) < 0)
		return r;
	return mproc__token_double(&t, ret_double) < 0 ?
	    refuse("double", &t) : 0;
}

int
mproc_value_bool(struct mproc_value v, bool *ret_bool)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = first(v, &t, &next)) < 0)
		return r;
	if (t.type != MPROC_TYPE_BOOL)
		return mproc__err(-EINVAL, "expected bool, got %s",
		    mproc__token_name(&t));
	*ret_bool = t.v.b;
	return 0;
}

int
mproc_value_str(struct mproc_value v, const char **ret_str, size_t *ret_len)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = first(v, &t, &next)) < 0)
		return r;
	if (t.type != MPROC_TYPE_STR)
		return mproc__err(-EINVAL, "expected str, got %s",
		    mproc__token_name(&t));
	*ret_str = (const char *)t.payload;
	*ret_len = t.len;
	return 0;
}

int
mproc_value_bytes(struct mproc_value v, struct mproc_bytes *ret_bytes)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = first(v, &t, &next)) < 0)
		return r;
	if (t.type != MPROC_TYPE_BYTES && t.type != MPROC_TYPE_STR)
		return mproc__err(-EINVAL, "expected bytes, got %s",
		    mproc__token_name(&t));
	ret_bytes->data = t.payload;
	ret_bytes->size = t.len;
	return 0;
}

int
mproc_value_begin(struct mproc_value v, struct mproc_value_iter *ret_iter)
{
	struct mproc__token t;
	const uint8_t *next;
	int r;

	if ((r = first(v, &t, &next)) < 0)
		return r;
	if (t.type != MPROC_TYPE_ARRAY && t.type != MPROC_TYPE_MAP)
		return mproc__err(-EINVAL, "expected array or map, got %s",
		    mproc__token_name(&t));
	ret_iter->at = next;
	ret_iter->end = (const uint8_t *)v.data + v.size;
	ret_iter->left = t.len;
	ret_iter->map = t.type == MPROC_TYPE_MAP;
	return 0;
}

static int
step(struct mproc_value_iter *iter, struct mproc_value *ret)
{
	uint32_t items = MPROC__ITEMS_MAX;
	const uint8_t *p = iter->at;
	int r;

	if ((r = mproc__scan(&p, iter->end, MPROC_VALUE_DEPTH, &items)) < 0)
		return r;
	ret->data = iter->at;
	ret->size = (size_t)(p - iter->at);
	iter->at = p;
	return 0;
}

int
mproc_value_next(struct mproc_value_iter *iter, struct mproc_value *ret_key,
    struct mproc_value *ret_value)
{
	struct mproc_value key = { .data = NULL }, value;
	int r;

	if (iter->left == 0)
		return 0;
	if (iter->map && (r = step(iter, &key)) < 0)
		return r;
	if ((r = step(iter, &value)) < 0)
		return r;
	iter->left--;
	if (ret_key != NULL)
		*ret_key = key;
	*ret_value = value;
	return 1;
}

int
mproc_value_count(struct mproc_value v)
{
	struct mproc_value_iter iter = { .left = 0 };
	int r;

	if ((r = mproc_value_begin(v, &iter)) < 0)
		return r;
	return iter.left <= INT_MAX ? (int)iter.left :
	    mproc__err(-EMSGSIZE, "%u parts", iter.left);
}

int
mproc_value_at(struct mproc_value v, size_t i, struct mproc_value *ret_value)
{
	struct mproc_value_iter iter;
	struct mproc_value value;
	int r;

	if ((r = mproc_value_begin(v, &iter)) < 0)
		return r;
	if (iter.map)
		return mproc__err(-EINVAL, "expected array, got map");
	do {
		if ((r = mproc_value_next(&iter, NULL, &value)) <= 0)
			return r < 0 ? r : -ENOENT;
	} while (i-- > 0);
	*ret_value = value;
	return 0;
}

int
mproc_value_entry(struct mproc_value v, size_t i, struct mproc_value *ret_key,
    struct mproc_value *ret_value)
{
	struct mproc_value_iter iter;
	struct mproc_value key, value;
	int r;

	if ((r = mproc_value_begin(v, &iter)) < 0)
		return r;
	if (!iter.map)
		return mproc__err(-EINVAL, "expected map, got array");
	do {
		if ((r = mproc_value_next(&iter, &key, &value)) <= 0)
			return r < 0 ? r : -ENOENT;
	} while (i-- > 0);
	*ret_key = key;
	*ret_value = value;
	return 0;
}

int
mproc_value_get(struct mproc_value v, const char *key,
    struct mproc_value *ret_value)
{
	struct mproc_value_iter iter;
	struct mproc_value name, value;
	struct mproc__token t;
	const uint8_t *p;
	int r;

	if ((r = mproc_value_begin(v, &iter)) < 0)
		return r;
	if (!iter.map)
		return mproc__err(-EINVAL, "expected map, got array");
	while ((r = mproc_value_next(&iter, &name, &value)) > 0) {
		p = name.data;
		mproc__token(p, p + name.size, &t);
		if (mproc__token_is(&t, key)) {
			*ret_value = value;
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

int
mproc_value_check(struct mproc_value v)
{
	const uint8_t *p = v.data, *end;
	uint32_t items = MPROC__ITEMS_MAX;
	int r;

	if (p == NULL || v.size == 0)
		return 0;
	end = p + v.size;
	if ((r = mproc__scan(&p, end, MPROC_VALUE_DEPTH, &items)) < 0)
		return r;
	if (p != end)
		return mproc__err(-EBADMSG, "msgpack: %zu bytes left over",
		    (size_t)(end - p));
	return 0;
}
