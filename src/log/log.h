/*
 * log.h (private) - what the process layer needs of logging: forwarding in
 * the backend, dispatch in the frontend, the datagram between them, and
 * captured output taken into lines.
 *
 * Layer: base.  Knows bytes, not sockets and not processes.
 */
#ifndef MPROC_LOG_LOG_H
#define MPROC_LOG_LOG_H

#include <mproc/log.h>

#include "system/system.h"

#define MPROC__LOG_PROCESS_MAX	63	/* bytes of a process's name */
#define MPROC__LOG_CUT		" [...]"	/* ends what was cut */

/*
 * mproc__log_forward - backend: replace all sinks by one function.
 *
 * @process  the name in this process's records from now on, cut to
 *         MPROC__LOG_PROCESS_MAX bytes; it was the program's short name
 * @fn     gets every wanted record.  Several threads may call it at once; it
 *         must not log, nor call the functions of mproc/log.h
 * @arg    borrowed until mproc_log_reset()
 * @level  of the root; all other levels and propagation become default.
 *         Later changes: mproc_log_set_level("", level), from any thread
 *
 * Loggers stay valid.  Sinks that the parent had are forgotten, but their
 * descriptors are not closed: the child closes all that it does not own, and
 * may have given the numbers to others already.
 * Call from: the child, right after the fork, while it has one thread, even
 * if another thread of the parent was logging or configuring.
 */
void	mproc__log_forward(const char *process, mproc_sink_fn *fn, void *arg,
	    enum mproc_level level);

/*
 * mproc__log_dispatch - frontend: give a record that a backend logged to
 * this process's sinks, as if the logger of its name had logged it here.
 *
 * Levels and sinks of this process hold.  Makes no logger, however many
 * names the backend invents.  The record is borrowed until return; its level
 * and strings are as mproc__log_decode() leaves them.
 */
void	mproc__log_dispatch(const struct mproc_log_record *record);

/*
 * The datagram, little-endian:
 *   0 u8 version (1), 1 u8 level, 2 u16 name length, 4 u16 process length,
 *   6 u16 text length, 8 u32 pid, 12 u32 tid, 16 i64 time_ns,
 *   24 name NUL process NUL text NUL
 */
#define MPROC__LOG_HEADER	24
#define MPROC__LOG_DATAGRAM_MAX						\
	(MPROC__LOG_HEADER + MPROC_LOG_NAME_MAX + 1 +			\
	MPROC__LOG_PROCESS_MAX + 1 + MPROC_LOG_TEXT_MAX + 1)

/*
 * mproc__log_encode - a record as one datagram.
 *
 * Names too long are cut; a text too long, or too long for `size`, is cut
 * and ends with MPROC__LOG_CUT.
 *
 * Returns the datagram's bytes, at most MPROC__LOG_DATAGRAM_MAX, or
 *   -EINVAL    the record's level is none of a record's
 *   -EMSGSIZE  size has no room even for the names and a cut text
 */
int	mproc__log_encode(const struct mproc_log_record *record, uint8_t *buf,
	    size_t size);

/*
 * mproc__log_decode - the record in a datagram; its strings are borrowed
 * from buf.
 *
 * Trusts nothing: every length, the level, the ids and the ends of the
 * strings are checked.  Returns 0, or -EBADMSG; *ret is as before then.
 */
int	mproc__log_decode(const uint8_t *buf, size_t size,
	    struct mproc_log_record *ret);

/*
 * Captured output, taken into lines.
 *
 * A line comes without its newline (or CR newline), ended by a NUL that `len`
 * does not count; it may have NULs inside.  A line of more than
 * MPROC_LOG_TEXT_MAX bytes comes in pieces, all but the last of which end
 * with MPROC__LOG_CUT.  The struct needs no freeing; zero is its start.
 */
typedef void mproc__line_fn(const char *line, size_t len, void *arg);

struct mproc__lines {
	size_t	len;
	bool	cut;		/* buf continues a line cut before */
	char	buf[MPROC_LOG_TEXT_MAX + 1];
};

void	mproc__lines_feed(struct mproc__lines *, const char *data,
	    size_t size, mproc__line_fn *fn, void *arg);
/* At the end: what came after the last newline, if anything. */
void	mproc__lines_flush(struct mproc__lines *, mproc__line_fn *fn,
	    void *arg);

#endif
