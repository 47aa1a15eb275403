/*
 * process_batch.c - calls in numbers, for a pool: encoded once by the caller,
 * queued without a look at the kernel each, and answered to the mate and not
 * to a future.  Also the items of streams, whoever gets them.
 *
 * A mate keeps its calls few enough that the mailbox has no say.
 */
#include <signal.h>

#include "process/process.h"

int
mproc__batch_put(struct mproc *p, const void *body, size_t size,
    const int *fds, int n_fds)
{
	int r;

	if (p->status == MPROC_STATUS_DEAD || p->data == NULL || p->data_eof)
		return -EPIPE;
	if (p->stop_sent)
		return -ESHUTDOWN;
	r = mproc__channel_put(p->data, body, size, fds, n_fds);
	if (r == -EPIPE)
		mproc__cut_off(p);
	if (r < 0)
		return r;
	mproc__count_sent(p, size);
	return 0;
}

void
mproc__batch_flush(struct mproc *p)
{
	if (p->data == NULL || mproc__channel_queued(p->data) == 0)
		return;
	if (mproc__channel_flush(p->data) < 0)
		mproc__cut_off(p);
	mproc__interest(p);
}

bool
mproc__batch_sleeps(const struct mproc *p)
{
	return p->data != NULL && mproc__channel_sleeps(p->data);
}

void
mproc__batch_leave(struct mproc *p)
{
	/* of a ring no descriptor tells that there is room */
	if (p->data != NULL && mproc__channel_is_ring(p->data))
		mproc__batch_flush(p);
	else
		mproc__interest(p);
}

uint64_t
mproc__batch_begun(struct mproc *p)
{
	return p->page != NULL ? mproc__page_get(&p->page->claim) /
	    MPROC__CLAIM_ONE : 0;
}

int64_t
mproc__batch_idle(struct mproc *p, int64_t now)
{
	int64_t idle = p->page != NULL ? atomic_load_explicit(&p->page->idle,
	    memory_order_relaxed) : 0;

	if (idle < 0)
		idle += now;
	return idle < 0 ? 0 : idle < now ? idle : now;
}

uint64_t
mproc__batch_revoke(struct mproc *p)
{
	return p->page != NULL ? atomic_fetch_or(&p->page->claim,
	    MPROC__CLAIM_REVOKED) / MPROC__CLAIM_ONE : UINT64_MAX;
}

void
mproc__batch_restore(struct mproc *p)
{
	if (p->page != NULL)
		atomic_fetch_and(&p->page->claim, ~MPROC__CLAIM_REVOKED);
}

uint64_t
mproc__canceled_call(struct mproc *p, uint64_t id)
{
	return p->page != NULL ?
	    atomic_load(&p->page->cancel[id % MPROC__CANCELS]) : 0;
}

bool
mproc__cancel_call(struct mproc *p, uint64_t id)
{
	if (p->page == NULL)
		return false;
	atomic_store(&p->page->cancel[id % MPROC__CANCELS], id);
	return true;
}

int
mproc__kill_nowait(struct mproc *p, int sig)
{
	if (p->status == MPROC_STATUS_NEW || p->status == MPROC_STATUS_DEAD)
		return 0;
	return mproc__child_signal(&p->child, sig);
}

void
mproc__item_taken(struct mproc *p, size_t size)
{
	if (p->items_n == 0)
		return;		/* of an earlier generation */
	p->items_n--;
	p->items_bytes -= size < p->items_bytes ? size : p->items_bytes;
	mproc__give_room(p, size);
}

static bool
overrun(const struct mproc *p)
{
	return (p->opt.inbox_messages >= 0 &&
	    p->items_n > (uint64_t)p->opt.inbox_messages) ||
	    (p->opt.inbox_bytes >= 0 && p->items_bytes >
	    (uint64_t)p->opt.inbox_bytes + (uint64_t)p->opt.max_message);
}

/* To whom it belongs; false: to nobody. */
static bool
deliver(struct mproc *p, uint64_t id, struct mproc_msg *msg)
{
	struct mproc_future *f;

	if (p->mate != NULL) {
		p->mate->item(p->mate_arg, id, msg);
		return true;
	}
	if ((f = mproc__futures_find(p, id)) == NULL)
		return false;
	mproc__future_item(f, msg);
	return true;
}

void
mproc__on_item(struct mproc *p, const struct mproc__frame *frame,
    uint64_t id, const int *fds, int n_fds)
{
	struct mproc_msg *msg;

	if (overrun(p)) {
		mproc__fault(p, "it yields beyond the inbox", -EPROTO);
		goto out;
	}
	p->gen_emits++;
	p->items_n++;
	p->items_bytes += frame->size;
	if (mproc__msg_copy(frame->data, frame->size, fds, n_fds,
	    &msg) < 0) {
		p->own.emits_dropped++;
		mproc__item_taken(p, frame->size);
		goto out;
	}
	p->own.received++;
	if (!deliver(p, id, msg)) {
		mproc__item_taken(p, frame->size);
		mproc_msg_free(msg);
	}
	return;
out:
	while (n_fds > 0)
		mproc__close(fds[--n_fds]);
}
