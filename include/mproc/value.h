/*
 * mproc/value.h - any msgpack value: read one, build one.
 *
 * Layer: base.  Life cycle:
 *  1. A value is bytes: one msgpack value, borrowed from the message or the
 *     builder that it came from.  Copying the struct copies no bytes.
 *  2. Accessors read it in place; they check every length against the bytes
 *     that are there, so bytes of any origin may be given to them.
 *  3. mproc_builder_new(), mproc_build_*(), mproc_builder_value() make one;
 *     mproc_builder_free() ends it.
 *
 * Threads: a value may be read by many at once; a builder belongs to one
 * thread at a time.
 * Source: the msgpack specification, github.com/msgpack/msgpack/spec.md.
 */
#ifndef MPROC_VALUE_H
#define MPROC_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * struct mproc_value - one msgpack value of any kind.
 *
 * @data  its bytes, borrowed; NULL means nil (absent)
 * @size  unit: bytes
 */
struct mproc_value {
	const void	*data;
	size_t		 size;
};

/*
 * struct mproc_bytes - binary data.
 *
 * @data  borrowed; may be NULL when size is 0
 * @size  unit: bytes
 */
struct mproc_bytes {
	const void	*data;
	size_t		 size;
};

/*
 * struct mproc_fd - an open file that travels in a message.
 *
 * @fd       the descriptor, borrowed by whoever reads this struct
 * @present  false: nothing is there, whatever fd says; a struct filled with
 *           zeros therefore never sends standard input
 */
struct mproc_fd {
	int	fd;
	bool	present;
};

/*
 * MPROC_ROOM - in place of bytes, in a message for mproc_reserve(): so many
 * of them, which the caller writes afterwards where they will be sent from.
 */
#ifndef __cplusplus
#define MPROC_FD(fd_)							\
	((struct mproc_fd){ .fd = (fd_), .present = true })
#define MPROC_ROOM(size_)						\
	((struct mproc_bytes){ (const void *)(uintptr_t)-1, (size_) })
#else
static inline struct mproc_bytes
mproc__room_of(size_t size)
{
	struct mproc_bytes b = { (const void *)(uintptr_t)-1, size };

	return b;
}
#define MPROC_ROOM(size_)	mproc__room_of(size_)
static inline struct mproc_fd
mproc__fd_of(int fd)
{
	struct mproc_fd f = { fd, true };

	return f;
}
#define MPROC_FD(fd_)	mproc__fd_of(fd_)
#endif

/*
 * What a field of a message is declared as, and what a value is.  A value is
 * never INT32 and never VALUE; it is INT64 when it is an integer that fits,
 * else UINT64; a number with a point is DOUBLE in either width.
 */
enum mproc_type {
	MPROC_TYPE_NIL = 0,
	MPROC_TYPE_BOOL,
	MPROC_TYPE_INT32,
	MPROC_TYPE_INT64,
	MPROC_TYPE_UINT64,
	MPROC_TYPE_DOUBLE,
	MPROC_TYPE_STR,
	MPROC_TYPE_BYTES,
	MPROC_TYPE_FD,
	MPROC_TYPE_VALUE,
	MPROC_TYPE_ARRAY,
	MPROC_TYPE_MAP,
	MPROC_TYPE_EXT
};

/* "int64", "str", ...: static, never NULL, "?" for another number. */
const char *mproc_type_name(enum mproc_type type);

/*
 * mproc_value_type - what the value is; nil for no bytes at all.
 *
 * Returns an enum mproc_type, or -EBADMSG when the bytes are no value.
 */
int mproc_value_type(struct mproc_value v);

/*
 * Scalars.  Each returns 0, or
 *   -EINVAL   it is of another type, or the number does not fit
 *   -EBADMSG  the bytes are no value
 * An integer is never taken from a number with a point.  A double is taken
 * from an integer when |v| <= 2^53, so that nothing is lost.
 */
int mproc_value_int(struct mproc_value v, int64_t *ret_int);
int mproc_value_uint(struct mproc_value v, uint64_t *ret_uint);
int mproc_value_double(struct mproc_value v, double *ret_double);
int mproc_value_bool(struct mproc_value v, bool *ret_bool);
/*
 * Text: bytes without a terminating NUL, any encoding; it may hold NULs.
 * mproc_value_bytes() also takes text, mproc_value_str() not bytes.
 */
int mproc_value_str(struct mproc_value v, const char **ret_str,
    size_t *ret_len);
int mproc_value_bytes(struct mproc_value v, struct mproc_bytes *ret_bytes);

/*
 * mproc_value_count - elements of an array, entries of a map.
 *
 * Returns the number, or -EINVAL for another type, -EBADMSG, -EMSGSIZE when
 * it does not fit an int.
 */
int mproc_value_count(struct mproc_value v);

/*
 * mproc_value_at - element `i` of an array.
 * mproc_value_entry - entry `i` of a map; a key may be any value.
 * mproc_value_get - the value of a text key; the first, if there are two.
 *
 * All walk from the front: use an iterator to visit all.  What they return
 * is borrowed as the value itself is.
 *
 * Return 0, -ENOENT (no such element or key), -EINVAL (another type),
 * -EBADMSG (the bytes are no value), -EMSGSIZE (nested too deep).
 */
int mproc_value_at(struct mproc_value v, size_t i,
    struct mproc_value *ret_value);
int mproc_value_entry(struct mproc_value v, size_t i,
    struct mproc_value *ret_key, struct mproc_value *ret_value);
int mproc_value_get(struct mproc_value v, const char *key,
    struct mproc_value *ret_value);

/* An iterator over an array or a map; its content is private. */
struct mproc_value_iter {
	const unsigned char	*at, *end;
	uint32_t		 left;
	bool			 map;
};

/*
 * mproc_value_begin - start an iterator; the value is borrowed as long as the
 * iterator is used.  Returns 0, -EINVAL for what is no array and no map, -EBADMSG.
 *
 * mproc_value_next - the next element or entry.
 *
 * @ret_key  of a map's entry, nil for an array; may be NULL
 *
 * Returns 1, or 0 at the end, or -EBADMSG, -EMSGSIZE.
 */
int mproc_value_begin(struct mproc_value v,
    struct mproc_value_iter *ret_iter);
int mproc_value_next(struct mproc_value_iter *iter,
    struct mproc_value *ret_key, struct mproc_value *ret_value);

/*
 * mproc_value_check - are the bytes exactly one well-formed value that a
 * message may carry?
 *
 * Returns 0, or -EBADMSG (truncated, left-over bytes, a reserved type),
 * -EMSGSIZE (nested deeper than MPROC_VALUE_DEPTH, or more than
 * MPROC_VALUE_ITEMS parts).
 */
int mproc_value_check(struct mproc_value v);
#define MPROC_VALUE_DEPTH	30
#define MPROC_VALUE_ITEMS	(1 << 24)

/*
 * mproc_value_print - as people read it: {n: 3, list: [1, 2], raw: <4 bytes>}
 *
 * Long text, long lists and deep nesting are abbreviated; control characters
 * and what is not UTF-8 come escaped.  @buf: shape: size bytes, terminated
 * when size > 0.
 * Returns the length of the whole text, as snprintf(3) does, or -EBADMSG.
 */
int mproc_value_print(struct mproc_value v, char *buf, size_t size);

/*
 * A builder makes one value, front to back:
 *
 *	mproc_build_map(b, 2);
 *	mproc_build_key(b, "n");
 *	mproc_build_int(b, 3);
 *	mproc_build_key(b, "list");
 *	mproc_build_array(b, 0);
 *	r = mproc_builder_value(b, &value);
 *
 * Errors stick: the calls may go unchecked until mproc_builder_value().
 */
struct mproc_builder;

/* 0 and a new builder: mproc_builder_free(); -ENOMEM. */
int mproc_builder_new(struct mproc_builder **ret_builder);
/* NULL is fine.  Returns NULL.  Its value's bytes go with it. */
struct mproc_builder *mproc_builder_free(struct mproc_builder *b);
/* Begin again; what mproc_builder_value() gave is no longer valid. */
void mproc_builder_reset(struct mproc_builder *b);

/*
 * Add the next part.  An array of n takes n parts after it, a map of n takes
 * n times a key and a value; a key is usually text (mproc_build_key()).
 *
 * Each returns 0, or
 *   -EINVAL    the value is complete already; a key where a value belongs or
 *              the other way round; NULL text
 *   -EMSGSIZE  nested deeper than MPROC_VALUE_DEPTH, too many parts, text of
 *              4 GiB
 *   -EBADMSG   mproc_build_value() of bytes that are no value
 *   -ENOMEM    no memory
 */
int mproc_build_nil(struct mproc_builder *b);
int mproc_build_bool(struct mproc_builder *b, bool v);
int mproc_build_int(struct mproc_builder *b, int64_t v);
int mproc_build_uint(struct mproc_builder *b, uint64_t v);
int mproc_build_double(struct mproc_builder *b, double v);
int mproc_build_str(struct mproc_builder *b, const char *str);
int mproc_build_strn(struct mproc_builder *b, const char *str, size_t len);
int mproc_build_bytes(struct mproc_builder *b, const void *data, size_t size);
int mproc_build_value(struct mproc_builder *b, struct mproc_value v);
int mproc_build_array(struct mproc_builder *b, size_t n);
int mproc_build_map(struct mproc_builder *b, size_t n);
int mproc_build_key(struct mproc_builder *b, const char *key);

/*
 * mproc_builder_value - what was built; borrowed until the next call on the
 * builder.
 *
 * Returns 0, -EINVAL when it is incomplete, or the first error of a build
 * call.
 */
int mproc_builder_value(const struct mproc_builder *b,
    struct mproc_value *ret_value);

#ifdef __cplusplus
}
#endif

#endif
