/*
 * process_stats.c - the accounts of a process, and what its page says.
 */
#include <string.h>

#include <bsd/string.h>

#include "process/process.h"

/*
 * Add this generation to s.  The page's counts are claims of the backend:
 * taken in order, each no more than what is left of what was sent.
 */
static uint64_t
claim(uint64_t *left, _Atomic uint64_t *word)
{
	uint64_t n = mproc__page_get(word);

	if (n > *left)
		n = *left;
	*left -= n;
	return n;
}

/* Another claim: no less than what came, no more than what there is room for */
static uint64_t
emitted(struct mproc *p)
{
	uint64_t n = mproc__page_get(&p->page->emitted), most;

	if (n < p->gen_emits)
		return p->gen_emits;
	most = p->gen_emits + (uint64_t)p->opt.inbox_messages + 1;
	return p->opt.inbox_messages >= 0 && n > most ? most : n;
}

static uint64_t
add_page(struct mproc *p, struct mproc_stats *s)
{
	struct mproc__page *page = p->page;
	uint64_t left = p->gen_sent;

	if (page == NULL)
		return left;
	s->handled += claim(&left, &page->handled);
	s->failed += claim(&left, &page->failed);
	s->expired += claim(&left, &page->expired);
	s->dropped_stop += claim(&left, &page->dropped_stop);
	s->emitted += emitted(p);
	s->emits_dropped += mproc__page_get(&page->emits_dropped);
	s->logs_dropped += mproc__page_get(&page->logs_dropped);
	return left;
}

void
mproc__stats_add(struct mproc *p, struct mproc_stats *s)
{
	const struct mproc_stats *own = &p->own;
	uint64_t before = s->emitted;

	s->in_flight += add_page(p, s);
	/* what we had to drop does not count as emitted */
	s->emitted -= own->emits_dropped < s->emitted - before ?
	    own->emits_dropped : s->emitted - before;
	s->sent += p->gen_sent + own->sent;
	s->dropped_overflow += own->dropped_overflow;
	s->late += own->late;
	s->emits_dropped += own->emits_dropped;
	s->received += own->received;
	s->logs += own->logs;
	s->logs_dropped += own->logs_dropped;
	s->pings += own->pings;
}

void
mproc__stats_close(struct mproc *p)
{
	mproc__stats_add(p, &p->total);
	p->total.dropped_dead += p->total.in_flight;
	p->total.in_flight = 0;
	memset(&p->own, 0, sizeof(p->own));
	p->gen_sent = p->gen_bytes = p->gen_frames = p->gen_emits = 0;
	p->items_n = p->items_bytes = 0;
	p->mail_n = p->mail_bytes = 0;
}

int
mproc_stats(struct mproc *p, struct mproc_stats *ret_stats)
{
	struct mproc_stats s;
	int r;

	if (ret_stats == NULL)
		return mproc__err(-EINVAL, "no place for the statistics");
	if ((r = mproc__enter(p)) < 0)
		return r;
	if (p->status != MPROC_STATUS_NEW && p->status != MPROC_STATUS_DEAD)
		mproc__work(p);
	s = p->total;
	if (p->status != MPROC_STATUS_DEAD)
		mproc__stats_add(p, &s);
	else
		s.received += p->own.received;	/* since the death */
	s.dropped = s.dropped_overflow + s.dropped_stop + s.dropped_dead;
	s.emits_waiting = p->inbox_count;
	*ret_stats = s;
	mproc__leave_calling(p);
	return 0;
}

/* The command of a row as the page has it, "" for none. */
void
mproc__page_command(struct mproc *p, char *buf, size_t size)
{
	const struct mproc_class *cls = p->index.class;
	int row = p->page != NULL ? atomic_load(&p->page->row) :
	    MPROC__ROW_BOOT;

	buf[0] = '\0';
	if (row >= 0 && (size_t)row < cls->n_handlers)
		(void)strlcpy(buf, cls->handlers[row].command, size);
	else if (row == MPROC__ROW_UNKNOWN)
		(void)strlcpy(buf, "(unknown)", size);
}

int
mproc_activity(struct mproc *p, struct mproc_activity *ret_activity)
{
	struct mproc_activity *a = ret_activity;
	int64_t since;
	int r, row;

	if (a == NULL)
		return mproc__err(-EINVAL, "no place for the activity");
	if ((r = mproc__enter(p)) < 0)
		return r;
	memset(a, 0, sizeof(*a));
	if (p->page != NULL) {
		row = atomic_load(&p->page->row);
		mproc__page_command(p, a->command, sizeof(a->command));
		a->in_loop = row != MPROC__ROW_BOOT &&
		    row != MPROC__ROW_NO_CLASS;
		if (a->command[0] != '\0') {
			since = atomic_load(&p->page->since_ns);
			a->since_ms = (int64_t)((uint64_t)mproc__now_ns() -
			    (uint64_t)since) / 1000000;
			a->msg_id = mproc__page_get(&p->page->msg_id);
		}
	}
	mproc__leave_calling(p);
	return 0;
}

int
mproc_set_log_level(struct mproc *p, enum mproc_level level)
{
	int r;

	if (level <= MPROC_LEVEL_DEFAULT || level > MPROC_OFF)
		return mproc__err(-EINVAL, "no such log level: %d",
		    (int)level);
	if ((r = mproc__enter(p)) < 0)
		return r;
	p->opt.log_level = level;	/* for the next generation, too */
	if (p->page != NULL && p->status != MPROC_STATUS_DEAD) {
		atomic_store(&p->page->log_level, (int32_t)level);
		/* a doorbell, for an idle backend */
		r = mproc__control_send(p, MPROC__CREDIT, 0,
		    MPROC_SCHEMA(ctl_credit), &(struct ctl_credit){ });
	}
	mproc__leave_calling(p);
	return r == -EPIPE ? 0 : r;
}

int
mproc_set_going(struct mproc *p, bool going)
{
	int r;

	if ((r = mproc__enter(p)) < 0)
		return r;
	p->no_go = !going;
	if (p->page != NULL)
		atomic_store(&p->page->no_go, (uint32_t)!going);
	mproc__leave_calling(p);
	return 0;
}
