/*
 * mproc/schema.h - how a message is declared, and keyword arguments.
 *
 * Layer: base.  Included by mproc/message.h.
 *
 *	MPROC_MESSAGE(counter, add, (int64_t, by), (const char *, label));
 *	MPROC_MESSAGE(counter, reset);
 *
 * declare `struct counter_add`, `struct counter_reset` and what the library
 * must know about them.  The first word is the class's, the second the
 * command as it stands on the wire.  Field types:
 *
 *	bool  int (int32_t)  int64_t  uint64_t  double  const char *
 *	struct mproc_bytes   struct mproc_fd   struct mproc_value
 *
 * Another type, more than MPROC_FIELDS_MAX fields, and a name longer than
 * MPROC_NAME_MAX bytes do not compile.
 *
 * The calls that take a message (mproc_send(), mproc_call(), ...) take
 * `.field = value` arguments after its name.  In C a wrong name, a wrong
 * type, and an argument without a name are errors with any warning flags;
 * number narrowing is left to -Wconversion.  What is not named is zero: see
 * mproc/message.h for what that means on the wire.
 */
#ifndef MPROC_SCHEMA_H
#define MPROC_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mproc/value.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MPROC_FIELDS_MAX	32	/* fields of one message */
#define MPROC_NAME_MAX		31	/* bytes of a field's name */
#define MPROC_COMMAND_MAX	63	/* bytes of a command */

/*
 * struct mproc_field - a field of a declared message.
 *
 * @head    0xa0 + length of the name: the two members are its key on the
 *          wire (msgpack fixstr), byte for byte
 * @name    terminated
 * @type    enum mproc_type, one of those that MPROC_MESSAGE() takes
 * @offset  in the struct, unit: bytes
 */
struct mproc_field {
	uint8_t		head;
	char		name[MPROC_NAME_MAX + 1];
	uint8_t		type;
	uint32_t	offset;
};

/*
 * struct mproc_schema - a declared message as data; made by MPROC_MESSAGE(),
 * static storage.
 *
 * @class_name  the first argument of MPROC_MESSAGE(), for error texts
 * @command     the bare name on the wire
 * @size        of the struct, unit: bytes
 * @fields      n_fields rows in the order of declaration
 * @hash        private: where the content's hash is kept once computed.  Two
 *              .c files have two schemas of one message; only their content
 *              can be compared.
 */
struct mproc_schema {
	const char			*class_name;
	const char			*command;
	uint32_t			 size;
	uint32_t			 n_fields;
	const struct mproc_field	*fields;
	uint64_t			*hash;
};

/*
 * struct mproc_pack - a message with its arguments, as MPROC_PACK() makes
 * it; borrowed.  Zero: none.
 */
struct mproc_pack {
	const struct mproc_schema	*schema;
	const void			*args;
};

#ifdef __cplusplus
}
#endif

/* The schema of a declared message: const struct mproc_schema *. */
#define MPROC_SCHEMA(message_)	(&mproc__schema_##message_)

/* What the compilers need for keyword arguments. */
#ifdef __cplusplus
#define mproc__struct
#define mproc__keywords_only(name_)
#elif defined(__clang__)
/*
 * Has no size, and takes no value.  One stands before and behind each member:
 * an argument without a name is for one of these, and does not fit.
 */
__extension__ struct mproc__keywords {};
#define mproc__struct
#define mproc__keywords_only(name_)	struct mproc__keywords name_;
#else
#define mproc__struct		__attribute__((designated_init))
#define mproc__keywords_only(name_)
#endif

/* The enum mproc_type of a C type; another type is an error here. */
#ifndef __cplusplus
#define mproc__type_of(type_)						\
	_Generic((type_){ 0 },						\
	    bool: MPROC_TYPE_BOOL,					\
	    int: MPROC_TYPE_INT32,					\
	    long: sizeof(long) == 8 ? MPROC_TYPE_INT64 : MPROC_TYPE_INT32, \
	    long long: MPROC_TYPE_INT64,				\
	    unsigned long: MPROC_TYPE_UINT64,				\
	    unsigned long long: MPROC_TYPE_UINT64,			\
	    double: MPROC_TYPE_DOUBLE,					\
	    const char *: MPROC_TYPE_STR,				\
	    struct mproc_bytes: MPROC_TYPE_BYTES,			\
	    struct mproc_fd: MPROC_TYPE_FD,				\
	    struct mproc_value: MPROC_TYPE_VALUE)
#define mproc__assert		_Static_assert
#else
template <typename T> struct mproc__type;	/* a type that may not travel */
#define mproc__row_type(type_, code_)					\
	template <> struct mproc__type<type_> {				\
		enum { value = code_ };					\
	}
mproc__row_type(bool, MPROC_TYPE_BOOL);
mproc__row_type(int, MPROC_TYPE_INT32);
mproc__row_type(long, sizeof(long) == 8 ? MPROC_TYPE_INT64 :
    MPROC_TYPE_INT32);
mproc__row_type(long long, MPROC_TYPE_INT64);
mproc__row_type(unsigned long, MPROC_TYPE_UINT64);
mproc__row_type(unsigned long long, MPROC_TYPE_UINT64);
mproc__row_type(double, MPROC_TYPE_DOUBLE);
mproc__row_type(const char *, MPROC_TYPE_STR);
mproc__row_type(struct mproc_bytes, MPROC_TYPE_BYTES);
mproc__row_type(struct mproc_fd, MPROC_TYPE_FD);
mproc__row_type(struct mproc_value, MPROC_TYPE_VALUE);
#undef mproc__row_type
#define mproc__type_of(type_)	mproc__type<type_>::value
#define mproc__assert		static_assert
#endif

/* f_(m_, x) for each x, up to 32; then f_##_over. */
#define mproc__each(f_, m_, ...)					\
	__VA_OPT__(mproc__e1(f_, m_, __VA_ARGS__))
#define mproc__e1(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e2(f_, m_, __VA_ARGS__))
#define mproc__e2(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e3(f_, m_, __VA_ARGS__))
#define mproc__e3(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e4(f_, m_, __VA_ARGS__))
#define mproc__e4(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e5(f_, m_, __VA_ARGS__))
#define mproc__e5(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e6(f_, m_, __VA_ARGS__))
#define mproc__e6(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e7(f_, m_, __VA_ARGS__))
#define mproc__e7(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e8(f_, m_, __VA_ARGS__))
#define mproc__e8(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e9(f_, m_, __VA_ARGS__))
#define mproc__e9(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e10(f_, m_, __VA_ARGS__))
#define mproc__e10(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e11(f_, m_, __VA_ARGS__))
#define mproc__e11(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e12(f_, m_, __VA_ARGS__))
#define mproc__e12(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e13(f_, m_, __VA_ARGS__))
#define mproc__e13(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e14(f_, m_, __VA_ARGS__))
#define mproc__e14(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e15(f_, m_, __VA_ARGS__))
#define mproc__e15(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e16(f_, m_, __VA_ARGS__))
#define mproc__e16(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e17(f_, m_, __VA_ARGS__))
#define mproc__e17(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e18(f_, m_, __VA_ARGS__))
#define mproc__e18(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e19(f_, m_, __VA_ARGS__))
#define mproc__e19(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e20(f_, m_, __VA_ARGS__))
#define mproc__e20(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e21(f_, m_, __VA_ARGS__))
#define mproc__e21(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e22(f_, m_, __VA_ARGS__))
#define mproc__e22(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e23(f_, m_, __VA_ARGS__))
#define mproc__e23(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e24(f_, m_, __VA_ARGS__))
#define mproc__e24(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e25(f_, m_, __VA_ARGS__))
#define mproc__e25(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e26(f_, m_, __VA_ARGS__))
#define mproc__e26(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e27(f_, m_, __VA_ARGS__))
#define mproc__e27(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e28(f_, m_, __VA_ARGS__))
#define mproc__e28(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e29(f_, m_, __VA_ARGS__))
#define mproc__e29(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e30(f_, m_, __VA_ARGS__))
#define mproc__e30(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e31(f_, m_, __VA_ARGS__))
#define mproc__e31(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e32(f_, m_, __VA_ARGS__))
#define mproc__e32(f_, m_, x_, ...)					\
	f_(m_, x_) __VA_OPT__(mproc__e33(f_, m_, __VA_ARGS__))
#define mproc__e33(f_, m_, ...)	f_##_over

/* (type, name) as a member of the struct ... */
#define mproc__member(m_, x_)	mproc__member_1 x_
#define mproc__member_1(type_, name_)					\
	type_ name_;							\
	mproc__keywords_only(mproc__kw_##name_)				\
	mproc__assert(sizeof(#name_) - 1 <= MPROC_NAME_MAX,		\
	    "mproc: the name of a field has at most 31 bytes: " #name_);
#define mproc__member_over						\
	mproc__assert(0, "mproc: a message has at most 32 fields");
/* ... and as a row of the schema. */
#define mproc__row(m_, x_)	mproc__row_1(m_, mproc__row_2 x_)
#define mproc__row_1(m_, ...)	mproc__row_3(m_, __VA_ARGS__)
#define mproc__row_2(type_, name_)	type_, name_
#define mproc__row_3(m_, type_, name_)					\
	{								\
		(uint8_t)(0xa0 | ((sizeof(#name_) - 1) & 31)),		\
		#name_,							\
		(uint8_t)(mproc__type_of(type_)),			\
		(uint32_t)offsetof(struct m_, name_)			\
	},
#define mproc__row_over

/*
 * MPROC_MESSAGE(class, command, (type, field)...) - see the head of this
 * file.  Followed by a semicolon; in a header or a .c file, not in a
 * function.
 */
#define MPROC_MESSAGE(class_, command_, ...)				\
	mproc__message(class_##_##command_, #class_, #command_		\
	    __VA_OPT__(,) __VA_ARGS__)
#define mproc__message(m_, class_, command_, ...)			\
	struct mproc__struct m_ {					\
		mproc__keywords_only(mproc__kw_)			\
		mproc__each(mproc__member, m_ __VA_OPT__(,) __VA_ARGS__) \
		mproc__nothing(__VA_ARGS__)				\
	};								\
	mproc__assert(sizeof(command_) - 1 <= MPROC_COMMAND_MAX,	\
	    "mproc: a command has at most 63 bytes: " command_);	\
	static const struct mproc_field mproc__fields_##m_[] = {	\
		mproc__each(mproc__row, m_ __VA_OPT__(,) __VA_ARGS__)	\
		{ 0, "", 0, 0 }						\
	};								\
	__attribute__((unused)) static uint64_t mproc__hash_##m_;	\
	__attribute__((unused)) static const struct mproc_schema	\
	mproc__schema_##m_ = {						\
		class_, command_, sizeof(struct m_),			\
		sizeof(mproc__fields_##m_) /				\
		    sizeof(mproc__fields_##m_[0]) - 1,			\
		mproc__fields_##m_, &mproc__hash_##m_			\
	}
/* A struct without members is no standard C. */
#define mproc__nothing(...)						\
	mproc__nothing_1(__VA_OPT__(,) char mproc__empty;, )
#define mproc__nothing_1(a_, ...)	a_

/*
 * mproc__kwargs(message, call, .field = value...) - the value of `call`, in
 * which mproc__kw is the message so filled.  The warnings that would let a
 * wrong argument through are errors for it, and for the process or base that
 * `call` names, whatever the user's flags (-Wmissing-braces: `.fd = 3` would
 * fill mproc_fd.fd and leave it absent); those that a call inside an argument
 * would set off (a second mproc__kw) are off.
 */
#ifdef __cplusplus
#define mproc__auto	auto
#define mproc__kwargs_strict
#elif defined(__clang__)
#define mproc__auto	__auto_type
#define mproc__kwargs_strict						\
	_Pragma("GCC diagnostic error \"-Wint-conversion\"")		\
	_Pragma("GCC diagnostic error \"-Wincompatible-pointer-types\"")	\
	_Pragma("GCC diagnostic error \"-Wmissing-braces\"")
#else
#define mproc__auto	__auto_type
#define mproc__kwargs_strict						\
	_Pragma("GCC diagnostic error \"-Wint-conversion\"")		\
	_Pragma("GCC diagnostic error \"-Wincompatible-pointer-types\"") \
	_Pragma("GCC diagnostic error \"-Wmissing-braces\"")		\
	_Pragma("GCC diagnostic error \"-Wdesignated-init\"")
#endif
#define mproc__kwargs_lenient						\
	_Pragma("GCC diagnostic ignored \"-Wshadow\"")			\
	_Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")
#define mproc__kwargs(message_, call_, ...)				\
	__extension__ ({						\
		_Pragma("GCC diagnostic push")				\
		mproc__kwargs_lenient					\
		mproc__kwargs_strict					\
		const struct message_ mproc__kw = { __VA_ARGS__ };	\
		mproc__auto mproc__result = call_;			\
		_Pragma("GCC diagnostic pop")				\
		mproc__result;						\
	})

/*
 * MPROC_PACK(message, .field = value...) - a struct mproc_pack, for options
 * as .args = MPROC_PACK(counter_start, .path = path).
 *
 * In C it lives as long as the enclosing block, and may stand in an
 * initialiser at file scope; in C++ until the same line runs again in the
 * same thread.
 */
#ifndef __cplusplus
#define MPROC_PACK(message_, ...)					\
	(__extension__ (struct mproc_pack){				\
		.schema = MPROC_SCHEMA(message_),			\
		.args = &(const struct message_){ __VA_ARGS__ },	\
	})
#else
#define MPROC_PACK(message_, ...)					\
	([&]() -> struct mproc_pack {					\
		static thread_local struct message_ mproc__kept;	\
		mproc__kept = mproc__kwargs(message_, mproc__kw	\
		    __VA_OPT__(,) __VA_ARGS__);					\
		return { MPROC_SCHEMA(message_), &mproc__kept };	\
	}())
#endif

#endif
