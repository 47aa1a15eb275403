/*
 * over_mproc.c - the measurements over mproc, through the public interface.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define SOON		60000	/* ms; only a hang takes so long */
#define TRIP_BYTES	64

static int
start(struct mproc **ret_p, enum mproc_launch how)
{
	struct mproc *p;
	int r;

	r = mproc_new(&bench_class, &(struct mproc_options){
	    .launch = how, .channel = bench_channel, .block_ms = SOON }, &p);
	if (r < 0)
		return complain("mproc_new", r);
	if ((r = mproc_start(p)) < 0) {
		complain("mproc_start", r);
		mproc_free(p);
		return r;
	}
	*ret_p = p;
	return 0;
}

int
trip_mproc(const struct plan *plan, double ret[2])
{
	size_t n = (size_t)plan->trips, i;
	char data[TRIP_BYTES] = "";
	struct mproc_msg *reply;
	struct mproc *p;
	double *us;
	int64_t t;
	int r;

	if ((us = calloc(n, sizeof(*us))) == NULL)
		return complain("calloc", -ENOMEM);
	if ((r = start(&p, MPROC_AUTO)) < 0)
		goto out;
	for (i = 0; i < n && r == 0; i++) {
		t = now_ns();
		r = mproc_call(p, SOON, &reply, bench_echo,
		    .data = { data, sizeof(data) });
		us[i] = (double)(now_ns() - t) / 1e3;
		if (r == 0)
			mproc_msg_free(reply);
	}
	if (r < 0)
		complain("mproc_call", r);
	mproc_free(p);
	ret[0] = percentile(us, n, 0.50);
	ret[1] = percentile(us, n, 0.99);
out:
	free(us);
	return r;
}

static int
wait_for(struct mproc *p, int64_t n)
{
	const struct bench_counted *t;
	struct mproc_msg *reply;
	int r;

	if ((r = mproc_call(p, SOON, &reply, bench_count)) < 0)
		return complain("mproc_call", r);
	t = mproc_args(reply, bench_counted);
	if (t == NULL || t->messages != n)
		r = complain("messages were lost", -EPROTO);
	mproc_msg_free(reply);
	return r;
}

int
oneway_mproc(size_t size, int64_t n, double *ret)
{
	char *data = calloc(1, size);
	struct mproc *p;
	int64_t i, t;
	int r;

	if (data == NULL)
		return complain("calloc", -ENOMEM);
	if ((r = start(&p, MPROC_AUTO)) < 0)
		goto out;
	t = now_ns();
	for (i = 0; i < n && r == 0; i++)
		r = mproc_send(p, bench_put, .data = { data, size });
	if (r < 0)
		complain("mproc_send", r);
	else
		r = wait_for(p, n);
	*ret = (double)n / ((double)(now_ns() - t) / 1e9);
	mproc_free(p);
out:
	free(data);
	return r;
}

int
start_mproc(int n, enum mproc_launch how, double *ret)
{
	int64_t t = now_ns();
	struct mproc *p;
	int i, r = 0;

	for (i = 0; i < n && r == 0; i++) {
		if ((r = start(&p, how)) < 0)
			return r;
		if ((r = mproc_ping(p, SOON)) < 0)
			complain("mproc_ping", r);
		else if ((r = mproc_stop(p)) < 0)
			complain("mproc_stop", r);
		mproc_free(p);
	}
	*ret = n / ((double)(now_ns() - t) / 1e9);
	return r;
}

int
memory_mproc(int n, double *ret)
{
	struct mproc **p = calloc((size_t)n, sizeof(struct mproc *));
	double sum = 0;
	int i, r = 0, made = 0;

	if (p == NULL)
		return complain("calloc", -ENOMEM);
	for (; made < n && r == 0; made += r == 0)
		r = start(&p[made], MPROC_AUTO);
	for (i = 0; i < made; i++)
		sum += pss_kib(mproc_pid(p[i]));
	*ret = sum / n;
	(void)mproc_stop_all(p, made);
	for (i = 0; i < made; i++)
		mproc_free(p[i]);
	free(p);
	return r;
}
