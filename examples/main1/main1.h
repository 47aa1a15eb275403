/*
 * main1.h - what main1's processes say.
 */
#ifndef MAIN1_H
#define MAIN1_H

#include <mproc.h>

/* To a worker, and back. */
MPROC_MESSAGE(worker, square, (int, n));
MPROC_MESSAGE(worker, ready, (int64_t, result));
extern const struct mproc_class worker_class;

/* From the server, which takes no commands. */
MPROC_MESSAGE(server, listening, (int, port));
extern const struct mproc_class server_class;

#endif
