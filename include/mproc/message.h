/*
 * mproc/message.h - messages: declare them, fill them with keyword
 * arguments, read them.
 *
 * Layer: base.  Life cycle:
 *  1. MPROC_MESSAGE() in a header declares a struct and its schema.
 *  2. mproc_send(), mproc_call(), mproc_emit(), ... (other headers) take the
 *     message's name and `.field = value` arguments.
 *  3. A received message is a `struct mproc_msg`: mproc_args() reads it as
 *     the struct; mproc_msg_get() reads it field by field.
 *  4. mproc_msg_free() ends it, and with it every pointer read from it.
 *  5. Without a declaration: mproc_msg_new(), mproc_msg_set(),
 *     mproc_send_msg(), for tools and bridges.
 *
 * What is accepted for what, at both ends:
 *  - Text (`const char *`) is bytes without NUL: not checked as UTF-8, so
 *    that file names pass; with a NUL inside it is refused.
 *  - Integers of any msgpack width are taken when the number fits the type.
 *    A number with a point is never taken for an integer.  An integer is
 *    taken for a double when |v| <= 2^53 (nothing is lost).
 *  - bool comes from bool only.  Bytes come from bin, and from str, since
 *    peers of the older msgpack have no other.  Text comes from str only.
 *  - nil means absent.  Absent fields read as zero and NULL.
 *  - A field twice, an unknown field, and a name that is no text are refused.
 * On the wire NULL text and absent descriptors are left out; all else is
 * sent; an empty mproc_value is sent as nil.
 *
 * Threads: a message belongs to one thread at a time.
 */
#ifndef MPROC_MESSAGE_H
#define MPROC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mproc/schema.h>
#include <mproc/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A message: a command and named arguments. */
struct mproc_msg;

/*
 * mproc_msg_new - an empty message, to be filled with mproc_msg_set().
 *
 * @command  shape: 1 to MPROC_COMMAND_MAX bytes; copied
 * @ret_msg  new: free with mproc_msg_free()
 *
 * Returns 0, -EINVAL (the command's length), -ENOMEM.
 */
int mproc_msg_new(const char *command, struct mproc_msg **ret_msg);

/*
 * mproc_msg_free - free a message and close the descriptors in it that were
 * not taken.  NULL is fine.  A message that a callback was lent (see
 * mproc_msg_keep()) is only marked.  Returns NULL.
 */
struct mproc_msg *mproc_msg_free(struct mproc_msg *msg);

/*
 * mproc_msg_keep - keep a message that was lent to a callback: it is yours
 * after the callback returns, to free with mproc_msg_free().  Does nothing
 * to a message that is yours already.  Returns msg.
 */
struct mproc_msg *mproc_msg_keep(struct mproc_msg *msg);

/*
 * mproc_msg_dup - a copy with descriptors of its own (duplicated).
 *
 * Returns 0 and a new message, or -ENOMEM, -EMFILE.
 */
int mproc_msg_dup(const struct mproc_msg *msg, struct mproc_msg **ret_msg);

/* The bare command; borrowed, lives as long as the message. */
const char *mproc_msg_command(const struct mproc_msg *msg);
/* Is this its command? */
bool mproc_msg_is(const struct mproc_msg *msg, const char *command);

/*
 * mproc_args - the message as its declared struct.
 *
 *	const struct counter_total *t = mproc_args(msg, counter_total);
 *
 * Returns a struct that lives as long as the message, with all that it
 * points to, or NULL with a text in mproc_errmsg(): another command, fields
 * that the schema refuses, no memory.  May be called again, also for another
 * declaration; the first pointers stay valid.  Descriptors in it are
 * borrowed from the message: see mproc_take_fd().
 */
#define mproc_args(msg_, message_)					\
	((const struct message_ *)mproc_args_typed((msg_),		\
	    MPROC_SCHEMA(message_)))
const void *mproc_args_typed(const struct mproc_msg *msg,
    const struct mproc_schema *schema);

/*
 * mproc_take_fd - take a descriptor out of a message: it is yours to close.
 * In a handler it takes the request in place of the message
 * (mproc/backend.h).
 *
 *	fd = mproc_take_fd(msg, args->out);
 *
 * @field  as read from this message
 *
 * Returns the descriptor (close-on-exec), or -ENOENT (the field is absent),
 * -EBADF (it was taken before, or is not of this message).
 */
int mproc_take_fd(struct mproc_msg *msg, struct mproc_fd field);

/*
 * mproc_msg_set(msg, "name", value) - set a field, replacing it if it is
 * there.
 *
 * The value's type chooses the function: bool, any integer, double, text,
 * struct mproc_bytes, struct mproc_fd, struct mproc_value.  Bytes are copied;
 * a descriptor is duplicated, so that yours stays yours.  In C before C23
 * `true` is the integer 1: use mproc_msg_set_bool() or a variable.  NULL
 * text, an absent descriptor and a value without bytes remove the field.
 * Pointers read from this message before are no longer valid.
 *
 * Returns 0, or
 *   -EINVAL    the name is empty or longer than 255 bytes; bytes without
 *              data; more than 16 descriptors
 *   -EBADMSG, -EMSGSIZE  codes of mproc_value_check(), or 4 GiB
 *   -EBADF     no such descriptor;  -EMFILE  it cannot be duplicated
 *   -ENOMEM    no memory; the message is as before
 */
int mproc_msg_set_bool(struct mproc_msg *msg, const char *name, bool v);
int mproc_msg_set_int(struct mproc_msg *msg, const char *name, int64_t v);
int mproc_msg_set_uint(struct mproc_msg *msg, const char *name, uint64_t v);
int mproc_msg_set_double(struct mproc_msg *msg, const char *name, double v);
int mproc_msg_set_str(struct mproc_msg *msg, const char *name,
    const char *str);
int mproc_msg_set_bytes(struct mproc_msg *msg, const char *name,
    struct mproc_bytes bytes);
int mproc_msg_set_fd(struct mproc_msg *msg, const char *name,
    struct mproc_fd fd);
int mproc_msg_set_value(struct mproc_msg *msg, const char *name,
    struct mproc_value value);

/*
 * mproc_msg_get(msg, "name", &variable) - read a field.
 *
 * The variable's type chooses the function: bool, int, int64_t, uint64_t,
 * double, const char *, struct mproc_bytes, struct mproc_fd,
 * struct mproc_value.  Text is terminated; text, bytes and values are
 * borrowed and live as long as the message, or until the next set.
 *
 * Returns 0, or
 *   -ENOENT  the field is absent, or nil; no text is set
 *   -EINVAL  it is of another type or does not fit; mproc_errmsg() says
 *            what was expected and what is there
 *   -EBADF   the descriptor was taken
 *   -ENOMEM  no memory (text only)
 */
int mproc_msg_get_bool(const struct mproc_msg *msg, const char *name,
    bool *ret_bool);
int mproc_msg_get_int32(const struct mproc_msg *msg, const char *name,
    int32_t *ret_int);
int mproc_msg_get_int(const struct mproc_msg *msg, const char *name,
    int64_t *ret_int);
int mproc_msg_get_uint(const struct mproc_msg *msg, const char *name,
    uint64_t *ret_uint);
int mproc_msg_get_double(const struct mproc_msg *msg, const char *name,
    double *ret_double);
int mproc_msg_get_str(struct mproc_msg *msg, const char *name,
    const char **ret_str);
int mproc_msg_get_bytes(const struct mproc_msg *msg, const char *name,
    struct mproc_bytes *ret_bytes);
int mproc_msg_get_fd(const struct mproc_msg *msg, const char *name,
    struct mproc_fd *ret_fd);
int mproc_msg_get_value(const struct mproc_msg *msg, const char *name,
    struct mproc_value *ret_value);

/*
 * The field, or `otherwise` when it is absent, of another type, or does not
 * fit.
 */
int64_t mproc_msg_int_or(const struct mproc_msg *msg, const char *name,
    int64_t otherwise);
uint64_t mproc_msg_uint_or(const struct mproc_msg *msg, const char *name,
    uint64_t otherwise);
double mproc_msg_double_or(const struct mproc_msg *msg, const char *name,
    double otherwise);
bool mproc_msg_bool_or(const struct mproc_msg *msg, const char *name,
    bool otherwise);
const char *mproc_msg_str_or(struct mproc_msg *msg, const char *name,
    const char *otherwise);

/*
 * mproc_msg_count - how many fields it has.
 *
 * mproc_msg_field - field `i`, in the order of the wire; going through them
 * in turn costs no searching.
 *
 * @ret_name   terminated; borrowed until the next mproc_msg_field() or
 *             mproc_msg_set() on this message
 * @ret_value  borrowed as with mproc_msg_get(); of type MPROC_TYPE_FD for a
 *             descriptor, which mproc_msg_get() then reads
 *
 * Returns 0, -ENOENT (i is behind the last), -ENOMEM.
 */
size_t mproc_msg_count(const struct mproc_msg *msg);
int mproc_msg_field(struct mproc_msg *msg, size_t i, const char **ret_name,
    struct mproc_value *ret_value);

/*
 * mproc_msg_print - as people read it: <add: {by: 3, label: "x"}>
 *
 * @buf  shape: size bytes; terminated when size > 0; abbreviated as
 *       mproc_value_print() does
 *
 * Returns the length of the whole text, as snprintf(3) does.
 */
int mproc_msg_print(const struct mproc_msg *msg, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#include <mproc/message_generic.h>

#endif
