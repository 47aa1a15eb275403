/*
 * msg.h - the inside of a message object.
 *
 * Layer: base, private to message.
 *
 * Invariants of struct mproc_msg:
 *  - args points at a map, head and entries, of args_size bytes that passed
 *    mproc__envelope_read() or were written here; one more byte behind them
 *    may be written.  In the tail MPROC__MSG_BEHIND zeros are behind them.
 *  - Text that was read from it is terminated in place: `views` knows each
 *    byte so overwritten, and mproc__msg_raw() / mproc__msg_cooked() stand
 *    around all that reads args as msgpack.  Only heads of keys and the byte
 *    behind args are ever overwritten, so a value's own bytes are always
 *    true.
 *  - fds[i] is open and owned for each bit i in used and not in taken; each
 *    bit in used has exactly one entry that names it.
 */
#ifndef MPROC_MESSAGE_MSG_H
#define MPROC_MESSAGE_MSG_H

#include <stdatomic.h>
#include <stdalign.h>

#include "message/message.h"
#include "message/token.h"

/* Enough that the arguments of a small message need no allocation. */
#define MPROC__MSG_INLINE	128
#define MPROC__MSG_BEHIND	8

/*
 * Something that was read from a message: a struct made by mproc_args()
 * (data, with the hash of its schema), or text read by mproc_msg_get()
 * (hash 0, only pokes).
 */
struct mproc__view {
	struct mproc__view	*next;
	uint64_t		 hash;
	void			*data;
	uint32_t		 n_pokes, max_pokes;
	uint64_t		*pokes;	/* offset in args << 8 | the byte */
};

struct mproc_msg {
	struct mproc_msg	*next;	/* for queues */
	uint8_t			*args;
	size_t			 args_size;
	uint32_t		 n;	/* entries */
	uint16_t		 used, taken;	/* of fds, by bit */
	uint8_t			 kind;
	uint8_t			 head;	/* bytes of the map's head */
	_Atomic uint8_t		 lent;	/* MPROC__LENT | MPROC__KEPT */
	bool			 fds_heap;
	uint64_t		 id;
	size_t			 body_size;
	char			*command;
	int			*fds;
	struct mproc__buf	 buf;	/* holds args once something was set */
	struct mproc__view	*views;
	char			*name;	/* for mproc_msg_field() */
	uint32_t		 at_i;	/* where mproc_msg_field() was */
	size_t			 at;
	size_t			 inline_used;
	alignas(max_align_t) uint8_t inline_area[MPROC__MSG_INLINE];
	uint8_t			 tail[];	/* fds, command, args */
};

#define MPROC__LENT	1
#define MPROC__KEPT	2

/* Put the overwritten bytes back, and the terminating NULs again. */
void	mproc__msg_raw(const struct mproc_msg *);
void	mproc__msg_cooked(const struct mproc_msg *);
/* Forget all that was read: the bytes stay as they are; or are raw again. */
void	mproc__views_free(struct mproc_msg *);
void	mproc__msg_forget(struct mproc_msg *);
/* The entry of that name in raw args: 0 or -ENOENT; nil is found too. */
int	mproc__msg_find(const struct mproc_msg *, const char *name,
	    struct mproc__entry *ret);
/* An empty message with room for n fds and args of size bytes in its tail. */
struct mproc_msg *mproc__msg_alloc(const char *command, size_t command_len,
	    int n_fds, size_t args_size);

#endif
