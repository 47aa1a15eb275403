/*
 * mproc.h - the whole public interface of mproc.
 *
 * In the order of use: a message's fields and a class's handlers are
 * declared with message.h and class.h, a process is started and spoken to
 * with process.h, answers with backend.h, and waits with future.h.
 */
#ifndef MPROC_H
#define MPROC_H

#include <mproc/backend.h>
#include <mproc/class.h>
#include <mproc/context.h>
#include <mproc/error.h>
#include <mproc/function.h>
#include <mproc/future.h>
#include <mproc/limiter.h>
#include <mproc/log.h>
#include <mproc/message.h>
#include <mproc/pool.h>
#include <mproc/process.h>
#include <mproc/schema.h>
#include <mproc/shm.h>
#include <mproc/sync.h>
#include <mproc/value.h>
#include <mproc/version.h>

#endif
