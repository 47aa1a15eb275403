/*
 * page.h - the status page: what either side says of itself, in memory that
 * both map and that survives the backend.
 *
 * Layer: core, process.  Each word but `claim` has one writer (so increments
 * need no locked instruction); the reader treats what it finds as a claim: the
 * frontend bounds every number from a backend by what it knows itself.
 *
 * Flow control lives here, too: a sender's outstanding messages are what it
 * sent less what the page says is done.  A sender that has no room says so
 * in a word (the frontend: at which count it wants to be woken), looks
 * again, and sleeps; the receiver, after making room, looks at the word and
 * sends a credit frame as a doorbell.  Both orders are sequentially
 * consistent, so one of the two sees the other (Dekker).
 */
#ifndef MPROC_PROCESS_PAGE_H
#define MPROC_PROCESS_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define MPROC__PAGE_SIZE	4096
#define MPROC__CANCELS		64

/* Bits of `claim`, and its unit. */
#define MPROC__CLAIM_COUNTS	UINT64_C(1)
#define MPROC__CLAIM_REVOKED	UINT64_C(2)
#define MPROC__CLAIM_ONE	UINT64_C(4)

/* .batch: so much is written at once. */
#define MPROC__BATCH_BYTES	((size_t)32 << 10)

/* Values of `row` that are no handler's. */
#define MPROC__ROW_NONE		(-1)	/* in the loop, idle */
#define MPROC__ROW_BOOT		(-2)	/* not in the loop (pre_run, ...) */
#define MPROC__ROW_UNKNOWN	(-3)	/* in on_unknown */
#define MPROC__ROW_NO_CLASS	(-4)	/* a new program without the class */

/* Words of `signals`. */
#define MPROC__SIGNAL_BIT(sig)	(UINT64_C(1) << ((sig) - 1))
#define MPROC__SIGNALS_KNOWN	MPROC__SIGNAL_BIT(9)	/* never SIGKILL */

struct mproc__page {
	/* written by the backend */
	_Alignas(64) _Atomic uint64_t handled;
	_Atomic uint64_t failed;
	_Atomic uint64_t expired;
	_Atomic uint64_t dropped_stop;
	_Atomic uint64_t done_bytes;	/* of all four */
	_Atomic uint64_t emitted;
	_Atomic uint64_t emitted_bytes;
	_Atomic uint64_t emits_dropped;
	_Atomic uint64_t logs_dropped;
	_Atomic uint64_t msg_id;
	_Atomic int64_t	 since_ns;
	_Atomic int32_t	 row;
	_Atomic uint32_t backend_waiting;	/* for room in the inbox */
	_Atomic uint64_t deferred;	/* taken, and not done yet */
	/* of what it works through, counted from 1; 0: nobody has said */
	_Atomic uint64_t value;
	/*
	 * How long it slept for want of anything to do, in ns; while it sleeps
	 * that less the time since when, which is below 0.
	 */
	_Atomic int64_t	 idle;

	/* written by the frontend */
	_Alignas(64) _Atomic uint64_t taken;
	_Atomic uint64_t taken_bytes;
	_Atomic uint64_t wake_done;	/* ring when so many are done, */
	_Atomic uint64_t wake_bytes;	/* or bytes; 0: nobody waits */
	_Atomic uint32_t control_sent;		/* frames; saves a poll */
	_Atomic uint32_t no_go;
	_Atomic int32_t	 log_level;
	_Atomic uint32_t look_us;	/* what comes next comes so soon */
	/* of the frontend at the fork, those not at default; 0: not known */
	_Atomic uint64_t signals;
	/*
	 * Written by both, each in one step: how many messages were begun, in
	 * ones of MPROC__CLAIM_ONE, and whether the frontend has taken back
	 * the calls that were not; of 0 nobody asks.
	 */
	_Alignas(64) _Atomic uint64_t claim;
	/* calls that nobody wants any more, at id % MPROC__CANCELS; 0 none */
	_Alignas(64) _Atomic uint64_t cancel[MPROC__CANCELS];
};
_Static_assert(sizeof(struct mproc__page) <= MPROC__PAGE_SIZE,
    "the status page is one page");

/* For the one writer of a word. */
static inline void
mproc__page_add(_Atomic uint64_t *word, uint64_t n)
{
	atomic_store_explicit(word,
	    atomic_load_explicit(word, memory_order_relaxed) + n,
	    memory_order_release);
}

static inline uint64_t
mproc__page_get(_Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

#endif
