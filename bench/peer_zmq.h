/*
 * peer_zmq.h - what the files of peer_zmq share.
 */
#ifndef MPROC_BENCH_PEER_ZMQ_H
#define MPROC_BENCH_PEER_ZMQ_H

#include "peer.h"

extern const struct peer_pool zmq_pool_peer;
/* End its workers; nothing if there are none. */
void	close_zmq_pool(void);

#endif
