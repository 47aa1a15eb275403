/*
 * message.h (private) - msgpack on the inside: envelopes, typed encode and
 * decode by schema, message objects.
 *
 * Layer: base.  Knows msgpack, not sockets and not processes.
 */
#ifndef MPROC_MESSAGE_MESSAGE_H
#define MPROC_MESSAGE_MESSAGE_H

#include <mproc/message.h>

#include "system/buf.h"
#include "system/system.h"

enum mproc__kind {
	MPROC__CAST, MPROC__CALL, MPROC__REPLY, MPROC__ERROR, MPROC__CONTROL,
	MPROC__CREDIT
};

#define MPROC__FDS_MAX	16

/* Descriptors that a message being encoded names, in order; borrowed. */
struct mproc__fdset {
	int	n;
	int	fd[MPROC__FDS_MAX];
};

struct mproc__meta {
	int64_t	deadline_ns;	/* CLOCK_MONOTONIC, 0: none */
};

/*
 * Each appends one whole body [kind, id, command, args(, meta)].  `command`
 * NULL means the message's own.  0, -ENOMEM, -EMSGSIZE (above `max` bytes),
 * -EINVAL (more than 16 descriptors, bad value bytes), -EBADF.
 * On an error the buffer's length is what it was before, `failed` is not
 * set, and the buffer may be used further.
 */
int	mproc__encode(struct mproc__buf *, int kind, uint64_t id,
	    const struct mproc_schema *, const void *args,
	    const struct mproc__meta *, size_t max, struct mproc__fdset *);
/* The way of mproc__encode() for what is not usual; the same bytes. */
int	mproc__encode_any(struct mproc__buf *, int kind, uint64_t id,
	    const struct mproc_schema *, const void *args,
	    const struct mproc__meta *, size_t max, struct mproc__fdset *);
int	mproc__encode_msg(struct mproc__buf *, int kind, uint64_t id,
	    const char *command, const struct mproc_msg *,
	    const struct mproc__meta *, size_t max, struct mproc__fdset *);
/* Arguments as raw bytes, with the descriptors that they name. */
struct mproc__args {
	const uint8_t	*entries;	/* n keys and values */
	size_t		 size;
	uint32_t	 n;
	const int	*fds;
	int		 n_fds;
	uint32_t	 taken;		/* bit i: leave out the one of fds[i] */
};
int	mproc__encode_args(struct mproc__buf *, int kind, uint64_t id,
	    const char *command, const struct mproc__args *,
	    const struct mproc__meta *, size_t max, struct mproc__fdset *);
int	mproc__encode_error(struct mproc__buf *, uint64_t id,
	    const char *command, int code, const char *text);

/* A body taken apart, after the bounded scan; pointers into the body. */
struct mproc__envelope {
	int		 kind;
	uint64_t	 id;
	const char	*command;	/* not terminated */
	uint8_t		 command_len;
	bool		 has_meta;
	uint8_t		*args;		/* the map, raw */
	size_t		 args_size;
	int		 n_fds;		/* distinct fds the body names, 0..16 */
	struct mproc__meta meta;
};
/*
 * 0, -EBADMSG (with a text), -EMSGSIZE (depth, count).  The descriptors'
 * indices are then 0 to n_fds - 1, each named once, as an argument itself:
 * the frame must have come with exactly n_fds of them.
 */
int	mproc__envelope_read(uint8_t *body, size_t size,
	    struct mproc__envelope *ret);
/*
 * The two ways that it has: the short one takes what is usual (few arguments,
 * none nested, no descriptors, no metadata), with the same result, or returns
 * false: nothing is said of the bytes then, and *ret holds anything.
 */
bool	mproc__envelope_fast(uint8_t *body, size_t size,
	    struct mproc__envelope *ret);
int	mproc__envelope_any(uint8_t *body, size_t size,
	    struct mproc__envelope *ret);
/* Does the envelope carry this command? */
bool	mproc__envelope_is(const struct mproc__envelope *, const char *command);
/*
 * A peer's code for an error as one of ours: what is out of the range of errno
 * would be a success, or none, and is -EREMOTEIO with the number in the text.
 */
int	mproc__error_code(int64_t code, char *text, size_t text_size);
/* The code and text of an ERROR envelope; code forced negative. */
int	mproc__envelope_error(const struct mproc__envelope *, int *ret_code,
	    char *text, size_t text_size);

/*
 * Bytes that typed decode overwrote with a terminating NUL (strings are read
 * in place), so that the raw body can be had back.
 */
struct mproc__poke { uint32_t n; struct { uint8_t *at, was; } poke[32]; };
void	mproc__poke_undo(const struct mproc__poke *);
void	mproc__poke_redo(const struct mproc__poke *);

/*
 * mproc__decode - args map into the schema's struct, checked by the schema.
 *
 * @args    the byte behind them must be writable too: the last text's
 *          terminator may go there
 * @ret     shape: schema->size bytes; absent fields are zeroed, on a failure
 *          all is
 * @fds     descriptors received with the frame; fields get them by index,
 *          borrowed
 * @poke    filled; strings and bytes in ret point into the body
 * 0 or -EINVAL with a text that names class, command, field, what came and
 * what was expected; -EBADF when a named descriptor did not arrive.
 */
int	mproc__decode(const struct mproc_schema *, uint8_t *args, size_t size,
	    const int *fds, int n_fds, void *ret, struct mproc__poke *poke);
/*
 * The two ways that it has: the short one takes what is usual, with the same
 * result, or returns false: nothing is said of the bytes then, and ret holds
 * anything.  `behind` the arguments are so many zeros that one may look at.
 */
bool	mproc__decode_fast(const struct mproc_schema *, uint8_t *args,
	    size_t size, size_t behind, void *ret, struct mproc__poke *poke);
int	mproc__decode_any(const struct mproc_schema *, uint8_t *args,
	    size_t size, const int *fds, int n_fds, void *ret,
	    struct mproc__poke *poke);

/*
 * A whole body in one pass, in place of mproc__envelope_read() and
 * mproc__decode(), when it is a cast or call of the usual form:
 *  1. mproc__envelope_head() reads what stands before the arguments; args is
 *     then all the rest of the body, not looked at yet.
 *  2. mproc__decode_body() reads that, by the schema of the command, and
 *     completes the envelope.  Who has found the command among those that
 *     are known has checked it thereby.
 * Either returns false when the form is another, or the bytes are wrong:
 * nothing is said of them then, and the envelope holds anything.
 */
bool	mproc__envelope_head(uint8_t *body, size_t size,
	    struct mproc__envelope *ret);
bool	mproc__decode_body(const struct mproc_schema *,
	    struct mproc__envelope *, void *ret, struct mproc__poke *poke);

/*
 * As mproc__decode_body(), of a body that must not be written to: texts are
 * copied to `side`, which is the caller's to keep and free; bytes stay where
 * they are.  Also false without memory.
 */
bool	mproc__decode_apart(const struct mproc_schema *,
	    struct mproc__envelope *, void *ret, struct mproc__buf *side);

/*
 * A message object of a received body, whose bytes are copied (not poked:
 * mproc__poke_undo() first).  fds are moved on success; there must be as many
 * as the body names.  0, -ENOMEM, or the codes of mproc__envelope_read(), or
 * -EBADMSG when descriptors are missing or too many.
 */
int	mproc__msg_copy(const uint8_t *body, size_t size, const int *fds,
	    int n_fds, struct mproc_msg **ret);
/* The same, of a body of `size` bytes that has been read already. */
int	mproc__msg_of(const struct mproc__envelope *, size_t size,
	    const int *fds, int n_fds, struct mproc_msg **ret);
int	mproc__msg_kind(const struct mproc_msg *);
uint64_t mproc__msg_id(const struct mproc_msg *);
size_t	mproc__msg_size(const struct mproc_msg *);	/* body bytes */
/* For queues: a link that the owner of the message may use. */
struct mproc_msg *mproc__msg_next(const struct mproc_msg *);
void	mproc__msg_set_next(struct mproc_msg *, struct mproc_msg *next);
/*
 * Lent to a callback: mproc_msg_free() then only notes it, and
 * mproc__msg_unlend() frees, unless the callback took it (mproc_msg_keep).
 */
void	mproc__msg_lend(struct mproc_msg *);
void	mproc__msg_unlend(struct mproc_msg *);

/* Content hash of a schema, computed once; equal hash = same message. */
uint64_t mproc__schema_compute(const struct mproc_schema *);
static inline uint64_t
mproc__schema_hash(const struct mproc_schema *s)
{
	uint64_t hash = s->hash != NULL ?
	    __atomic_load_n(s->hash, __ATOMIC_RELAXED) : 0;

	return hash != 0 ? hash : mproc__schema_compute(s);
}
/* The length of the command, which is in it; above the limit: 255. */
static inline size_t
mproc__command_len(const struct mproc_schema *s)
{
	return mproc__schema_hash(s) & 0xff;
}
/* -EINVAL and a text if the schema breaks a rule (names, bounds, doubles). */
int	mproc__schema_check(const struct mproc_schema *);

#endif
