/*
 * mproc/error.h - the codes that functions return, by name and in words.
 *
 * Every function that can fail returns int: 0 or a count on success, a
 * negative errno on failure.  errno itself is no part of the contract: a
 * clean-up would clobber it, and a code must cross to another process as a
 * number.
 *
 * MPROC_ERRORS is the one list: names, texts and doc/errors.md come from it.
 * A handler may fail with any other errno; its text is then the system's.
 */
#ifndef MPROC_ERROR_H
#define MPROC_ERROR_H

#include <errno.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, sentence), in the order of doc/errors.md */
#define MPROC_ERRORS(X)							\
	X(EINVAL, "an argument breaks the contract, or does not match "	\
	    "the command's parameters")					\
	X(ENOSYS, "the class has no such command")			\
	X(EBADMSG, "bytes do not decode, or some are left over")	\
	X(EMSGSIZE, "above a limit")					\
	X(EPIPE, "the peer is gone")					\
	X(ENOMEM, "no memory; the object is as before")			\
	X(EAGAIN, "not yet; nothing changed")				\
	X(ETIMEDOUT, "the deadline passed")				\
	X(EALREADY, "done or started already")				\
	X(ENOTCONN, "not started")					\
	X(ECHILD, "object used in a process that did not make it")	\
	X(EPROTO, "wire or table version differs, or the peer breaks "	\
	    "the protocol")						\
	X(EEXIST, "duplicate row or name")				\
	X(ESHUTDOWN, "stop was asked for; nothing new is accepted")	\
	X(EMFILE, "out of descriptors in this process")			\
	X(ENFILE, "out of descriptors in the whole system")		\
	X(EOPNOTSUPP, "not possible in this kind or placement")		\
	X(EPERM, "not allowed")						\
	X(EACCES, "permission denied")					\
	X(EDEADLK, "would wait for itself for ever")			\
	X(EKEYREJECTED, "the key is wrong")				\
	X(ENOENT, "no such object or file")				\
	X(ECANCELED, "given up before it was done")			\
	X(EBUSY, "in use")						\
	X(ENODATA, "nothing there")					\
	X(EREMOTEIO, "the remote side failed")				\
	X(EOVERFLOW, "a number does not fit its type, or a count its "	\
	    "bound")							\
	X(EOWNERDEAD, "whoever held it died; what it protects may be "	\
	    "half changed")						\
	X(ESTALE, "refers to what was given back already")		\
	X(EBADF, "no such descriptor in this process")

/*
 * mproc_strerror - what a code means.
 *
 * @code  a negative errno; 0 and above are "success"
 *
 * Returns one sentence without a full stop; static, never NULL.  For codes
 * outside MPROC_ERRORS it is the C library's text.
 * Call from: any thread, also from a signal handler.
 */
const char *mproc_strerror(int code);

/*
 * mproc_errname - the name of a code, such as "ETIMEDOUT" for -ETIMEDOUT.
 *
 * @code  a negative errno; 0 and above are "0"
 *
 * Returns a static string, never NULL; "E?" for a number that is no errno.
 * Call from: any thread, also from a signal handler.
 */
const char *mproc_errname(int code);

#ifdef __cplusplus
}
#endif

#endif
