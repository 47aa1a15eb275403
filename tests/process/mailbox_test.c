/*
 * mailbox_test.c - flow control in both directions: full mailboxes and
 * inboxes under each policy, in every placement.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static void
vk11_a_full_mailbox_is_refused(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .overflow = MPROC_REJECT, .mailbox_messages = 10 });
	struct mproc_stats s;
	int64_t count;
	int n = 0;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 300), 0);
	while (mproc_send(p, probe_note, .n = n + 1) == 0)
		n++;
	assert_in_range(n, 9, 10);
	assert_int_equal(mproc_send(p, probe_note, .n = 99), -EAGAIN);
	do
		assert_int_equal(mproc_stats(p, &s), 0);
	while (s.in_flight > 0);
	/* all of it is free again, to the last message */
	for (n = 0; mproc_send(p, probe_nap, .ms = n == 0 ? 300 : 0) == 0;)
		n++;
	assert_in_range(n, 10, 11);
	do
		assert_int_equal(mproc_stats(p, &s), 0);
	while (s.in_flight > 0);
	(void)fix_summed(p, &count);
	fix_finish(p);
}

static void
vk11_a_full_mailbox_blocks_for_a_time(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .block_ms = 50, .mailbox_messages = 2 });
	int r = 0, i;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 500), 0);
	for (i = 0; i < 3 && r == 0; i++)
		r = mproc_send(p, probe_nap);
	assert_int_equal(r, -ETIMEDOUT);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	fix_finish(p);
}

static void
a_blocked_sender_goes_on_when_there_is_room(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .mailbox_messages = 3 });
	int64_t count;
	int i;

	for (i = 1; i <= 20000; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	(void)fix_summed(p, &count);
	assert_int_equal(count, 20000);
	fix_finish(p);
}

static void
a_mailbox_is_bounded_in_bytes(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .overflow = MPROC_REJECT, .mailbox_bytes = 100000 });
	static char data[60000];
	int r = 0, i;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 300), 0);
	for (i = 0; i < 5 && r == 0; i++)
		r = mproc_send(p, probe_echo, .data = { data, sizeof(data) });
	assert_int_equal(r, -EAGAIN);
	assert_in_range(i, 2, 4);
	fix_finish(p);
}

static void
overflow_drops_the_new(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .overflow = MPROC_DROP_NEW, .mailbox_messages = 5 });
	struct mproc_stats s;
	int64_t count, i;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 300), 0);
	for (i = 1; i <= 100; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	(void)fix_summed(p, &count);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.dropped_overflow, 100 - count);
	assert_in_range(count, 4, 5);
	fix_finish(p);
}

static void
overflow_drops_the_old(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .overflow = MPROC_DROP_OLD, .mailbox_messages = 5 });
	struct mproc_stats s;
	int64_t count, sum, i;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 300), 0);
	for (i = 1; i <= 100; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	sum = fix_summed(p, &count);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.dropped_overflow, 100 - count);
	assert_in_range(count, 3, 5);
	/* the newest are there */
	assert_true(sum >= 100 + 99 + 98);
	fix_finish(p);
}

static void
vk12_emits_wait_for_a_sleeping_frontend(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	const struct probe_item *t;
	struct mproc_msg *msg;
	int64_t i, n = 100000;

	assert_int_equal(mproc_send(p, probe_emit, .count = n, .size = 16),
	    0);
	(void)poll(NULL, 0, 200);	/* asleep, not ordering anything */
	for (i = 0; i < n; i++) {
		assert_int_equal(mproc_recv(p, SOON, &msg), 1);
		t = mproc_args(msg, probe_item);
		assert_non_null(t);
		assert_int_equal(t->n, i);
		mproc_msg_free(msg);
	}
	assert_int_equal(mproc_recv(p, 0, &msg), 0);
	fix_finish(p);
}

static void
emits_wait_for_room_in_the_inbox(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .inbox_messages = 7 });
	struct mproc_msg *msg;
	int i;

	assert_int_equal(mproc_send(p, probe_emit, .count = 5000), 0);
	for (i = 0; i < 5000; i++) {
		assert_int_equal(mproc_recv(p, SOON, &msg), 1);
		mproc_msg_free(msg);
	}
	fix_finish(p);
}

static void
emits_beyond_the_inbox_are_dropped_and_counted(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .inbox_messages = 7, .emit_overflow = MPROC_DROP_NEW });
	struct mproc_stats s;
	struct mproc_msg *msg;
	int n = 0;

	assert_int_equal(mproc_call(p, SOON, NULL, probe_emit,
	    .count = 100), 0);
	while (mproc_recv(p, 0, &msg) == 1) {
		mproc_msg_free(msg);
		n++;
	}
	assert_int_equal(n, 7);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.emitted, 7);
	assert_int_equal(s.emits_dropped, 93);
	assert_int_equal(s.received, 7);
	fix_finish(p);
}

/* VK-W4: the original deadlocks with 2000 messages of 1 KiB each way. */
static void
vk40_both_sides_flood(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_msg *msg;
	int i;

	for (i = 0; i < 20000; i++) {
		assert_int_equal(mproc_send(p, probe_emit, .count = 1,
		    .size = 1024), 0);
		assert_int_equal(mproc_send(p, probe_note, .n = i + 1), 0);
	}
	for (i = 0; i < 20000; i++) {
		assert_int_equal(mproc_recv(p, SOON, &msg), 1);
		mproc_msg_free(msg);
	}
	fix_finish(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(vk11_a_full_mailbox_is_refused),
		FIX_ALL(vk11_a_full_mailbox_blocks_for_a_time),
		FIX_ALL(a_blocked_sender_goes_on_when_there_is_room),
		FIX_ALL(a_mailbox_is_bounded_in_bytes),
		FIX_ALL(overflow_drops_the_new),
		FIX_ALL(overflow_drops_the_old),
		FIX_ALL(vk12_emits_wait_for_a_sleeping_frontend),
		FIX_ALL(emits_wait_for_room_in_the_inbox),
		FIX_ALL(emits_beyond_the_inbox_are_dropped_and_counted),
		FIX_ALL(vk40_both_sides_flood),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
