/*
 * mproc/message_generic.h - mproc_msg_set() and mproc_msg_get(): the type of
 * the value chooses the function.
 *
 * Layer: base.  Included by mproc/message.h, which describes both.
 */
#ifndef MPROC_MESSAGE_GENERIC_H
#define MPROC_MESSAGE_GENERIC_H

#include <stdint.h>

#include <mproc/message.h>
#include <mproc/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * long and long long are two types even where both have 64 bits, and
 * int64_t is one of them: the other needs a variable in between.
 */
#define mproc__get_via(name_, type_, via_, get_)			\
	__attribute__((unused)) static inline int			\
	name_(const struct mproc_msg *msg, const char *field,		\
	    type_ *ret)							\
	{								\
		via_ v;							\
		int r = get_(msg, field, &v);				\
									\
		if (r == 0)						\
			*ret = (type_)v;				\
		return r;						\
	}

#if __SIZEOF_LONG__ == 8
mproc__get_via(mproc__get_long, long, int64_t, mproc_msg_get_int)
#else
mproc__get_via(mproc__get_long, long, int32_t, mproc_msg_get_int32)
#endif
mproc__get_via(mproc__get_llong, long long, int64_t, mproc_msg_get_int)
#if __SIZEOF_LONG__ == 8
mproc__get_via(mproc__get_ulong, unsigned long, uint64_t, mproc_msg_get_uint)
#endif
mproc__get_via(mproc__get_ullong, unsigned long long, uint64_t,
    mproc_msg_get_uint)
#undef mproc__get_via

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

#define mproc_msg_set(msg_, name_, value_)				\
	_Generic((value_),						\
	    bool: mproc_msg_set_bool,					\
	    char: mproc_msg_set_int,					\
	    signed char: mproc_msg_set_int,				\
	    unsigned char: mproc_msg_set_uint,				\
	    short: mproc_msg_set_int,					\
	    unsigned short: mproc_msg_set_uint,				\
	    int: mproc_msg_set_int,					\
	    unsigned: mproc_msg_set_uint,				\
	    long: mproc_msg_set_int,					\
	    unsigned long: mproc_msg_set_uint,				\
	    long long: mproc_msg_set_int,				\
	    unsigned long long: mproc_msg_set_uint,			\
	    float: mproc_msg_set_double,				\
	    double: mproc_msg_set_double,				\
	    char *: mproc_msg_set_str,					\
	    const char *: mproc_msg_set_str,				\
	    struct mproc_bytes: mproc_msg_set_bytes,			\
	    struct mproc_fd: mproc_msg_set_fd,				\
	    struct mproc_value: mproc_msg_set_value			\
	)((msg_), (name_), (value_))

#if __SIZEOF_LONG__ == 8
#define mproc__get_ulong_row	unsigned long *: mproc__get_ulong,
#else
#define mproc__get_ulong_row
#endif
#define mproc_msg_get(msg_, name_, ret_)				\
	_Generic((ret_),						\
	    bool *: mproc_msg_get_bool,					\
	    int *: mproc_msg_get_int32,					\
	    long *: mproc__get_long,					\
	    long long *: mproc__get_llong,				\
	    mproc__get_ulong_row					\
	    unsigned long long *: mproc__get_ullong,			\
	    double *: mproc_msg_get_double,				\
	    const char **: mproc_msg_get_str,				\
	    struct mproc_bytes *: mproc_msg_get_bytes,			\
	    struct mproc_fd *: mproc_msg_get_fd,			\
	    struct mproc_value *: mproc_msg_get_value			\
	)((msg_), (name_), (ret_))

#else /* __cplusplus */

#define mproc__overload_set(type_, as_, set_)				\
	static inline int						\
	mproc_msg_set(struct mproc_msg *msg, const char *name,		\
	    type_ value)						\
	{								\
		return set_(msg, name, static_cast<as_>(value));	\
	}
mproc__overload_set(bool, bool, mproc_msg_set_bool)
mproc__overload_set(int, int64_t, mproc_msg_set_int)
mproc__overload_set(unsigned, uint64_t, mproc_msg_set_uint)
mproc__overload_set(long, int64_t, mproc_msg_set_int)
mproc__overload_set(unsigned long, uint64_t, mproc_msg_set_uint)
mproc__overload_set(long long, int64_t, mproc_msg_set_int)
mproc__overload_set(unsigned long long, uint64_t, mproc_msg_set_uint)
mproc__overload_set(double, double, mproc_msg_set_double)
mproc__overload_set(const char *, const char *, mproc_msg_set_str)
mproc__overload_set(struct mproc_bytes, struct mproc_bytes,
    mproc_msg_set_bytes)
mproc__overload_set(struct mproc_fd, struct mproc_fd, mproc_msg_set_fd)
mproc__overload_set(struct mproc_value, struct mproc_value,
    mproc_msg_set_value)
#undef mproc__overload_set

#define mproc__overload_get(type_, get_)				\
	static inline int						\
	mproc_msg_get(struct mproc_msg *msg, const char *name,		\
	    type_ *ret)							\
	{								\
		return get_(msg, name, ret);				\
	}
mproc__overload_get(bool, mproc_msg_get_bool)
mproc__overload_get(int, mproc_msg_get_int32)
mproc__overload_get(long, mproc__get_long)
mproc__overload_get(long long, mproc__get_llong)
#if __SIZEOF_LONG__ == 8
mproc__overload_get(unsigned long, mproc__get_ulong)
#endif
mproc__overload_get(unsigned long long, mproc__get_ullong)
mproc__overload_get(double, mproc_msg_get_double)
mproc__overload_get(const char *, mproc_msg_get_str)
mproc__overload_get(struct mproc_bytes, mproc_msg_get_bytes)
mproc__overload_get(struct mproc_fd, mproc_msg_get_fd)
mproc__overload_get(struct mproc_value, mproc_msg_get_value)
#undef mproc__overload_get

#endif /* __cplusplus */

#endif
