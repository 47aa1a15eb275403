/*
 * control.h - what the two sides say to each other on the control channel.
 *
 * Layer: core, process.  Change a message here: raise MPROC__WIRE_VERSION and
 * doc/wire-format.md.
 */
#ifndef MPROC_PROCESS_CONTROL_H
#define MPROC_PROCESS_CONTROL_H

#include <mproc/message.h>

#define MPROC__WIRE_VERSION	1

/* Frontend: the first frame; everything that a backend has to know. */
MPROC_MESSAGE(ctl, go,
    (int, version), (uint64_t, table), (const char *, name),
    (struct mproc_bytes, args),
    (int64_t, max_message), (int64_t, inbox_messages),
    (int64_t, inbox_bytes), (int, emit_overflow), (int, block_ms),
    (int, log_block_ms), (int, stop_grace_ms), (bool, ring),
    (int, spin_us), (bool, batch),
    (struct mproc_fd, fd0), (struct mproc_fd, fd1), (struct mproc_fd, fd2),
    (struct mproc_fd, fd3), (struct mproc_fd, notify));
/* Backend: pre_run is done (code >= 0) or failed. */
MPROC_MESSAGE(ctl, ready, (int, code), (const char *, text), (int, version));
/* The id of a ping comes back in its pong. */
MPROC_MESSAGE(ctl, ping);
MPROC_MESSAGE(ctl, pong);
/* upto: the number of data frames sent before. */
MPROC_MESSAGE(ctl, stop, (int, mode), (uint64_t, upto));
/* Kind 5, both ways: there is room again; the page says how much. */
MPROC_MESSAGE(ctl, credit);
/* On the data channel: the reply of a handler that gave none. */
MPROC_MESSAGE(ctl, ok);

/* Bytes of a control frame from a backend. */
#define MPROC__CONTROL_MAX	65536

/* Room for an error frame, however small the messages are. */
#define MPROC__ERROR_MAX	4096

/* So many control frames may wait for a backend that reads none. */
#define MPROC__PINGS_MAX	256

/* Bytes of a notification: a socket that has room takes so much. */
#define MPROC__NOTIFY_MAX	65536

/* Start arguments may carry so many descriptors. */
#define MPROC__ARGS_FDS	4

#endif
