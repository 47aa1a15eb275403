# `make bench`: never part of `make check`.  The same work over mproc and over
# its peers, one program each, measured in turns by run.py.  What a peer needs
# and this machine lacks leaves that peer out.
bench_peers = \
	bench/codec \
	bench/peer_mproc \
	bench/peer_raw \
	bench/peer_ring \
	bench/peer_mq \
	bench/peer_uv
bench_guests = \
	bench/peer_zmq \
	bench/peer_nng \
	bench/peer_mpi
EXTRA_PROGRAMS += $(bench_peers) $(bench_guests)
CLEANFILES += $(bench_peers) $(bench_guests) \
	bench/*.log bench/results.tsv bench/bench.md bench/bench.svg
EXTRA_DIST += %D%/peer_python.py %D%/peer_python_pool.py %D%/report.py \
	%D%/run.py

bench_driver = %D%/peer.c %D%/peer.h %D%/peer_pool.c \
	tools/mproc-bench/measure.c tools/mproc-bench/measure.h

bench_codec_SOURCES = %D%/codec.c \
	tools/mproc-bench/measure.c tools/mproc-bench/measure.h
bench_codec_LDADD = libmproc-internal.la
bench_peer_mproc_SOURCES = $(bench_driver) %D%/peer_mproc.c \
	%D%/peer_mproc.h %D%/peer_mproc_growth.c %D%/peer_mproc_pool.c
bench_peer_mproc_LDADD = libmproc.la
bench_peer_raw_SOURCES = $(bench_driver) %D%/peer_raw.c
bench_peer_ring_SOURCES = $(bench_driver) %D%/peer_ring.c
bench_peer_mq_SOURCES = $(bench_driver) %D%/peer_mq.c
bench_peer_mq_LDADD = -lrt
bench_peer_uv_SOURCES = $(bench_driver) %D%/peer_uv.c
bench_peer_uv_LDADD = $(UV_LIBS)
bench_peer_zmq_SOURCES = $(bench_driver) %D%/peer_zmq.c %D%/peer_zmq.h \
	%D%/peer_zmq_pool.c
bench_peer_zmq_LDADD = -lzmq
bench_peer_nng_SOURCES = $(bench_driver) %D%/peer_nng.c
bench_peer_nng_LDADD = -lnng
bench_peer_mpi_SOURCES = $(bench_driver) %D%/peer_mpi.c
bench_peer_mpi_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_FLAGS_C)
bench_peer_mpi_LDADD = $(MPI_FLAGS_LD)

# What a message costs in the library itself, without a channel.
inside_programs = bench/inside bench/hotpath
EXTRA_PROGRAMS += $(inside_programs)
CLEANFILES += $(inside_programs)
bench_inside_SOURCES = %D%/inside.c %D%/inside_case.c %D%/inside_case.h
bench_inside_LDADD = libmproc-internal.la
bench_hotpath_SOURCES = %D%/hotpath.c %D%/hotpath_libc.c \
	%D%/inside_case.c %D%/inside_case.h
bench_hotpath_CFLAGS = $(AM_CFLAGS) -fno-builtin \
	-fno-tree-loop-distribute-patterns
bench_hotpath_LDADD = libmproc-internal.la
EXTRA_DIST += %D%/instructions.sh %D%/instructions.tsv

bench-inside: bench/inside
	bench/inside

# INSTRUCTIONS_FLAGS=--update writes the counts down.
INSTRUCTIONS_FLAGS =
instructions: bench/hotpath
	bash $(srcdir)/bench/instructions.sh bench/hotpath $(INSTRUCTIONS_FLAGS)

# Set below; configure need not know of it.
MPI_FLAGS_C =
MPI_FLAGS_LD =

bench-peers: all $(bench_peers)
	@for peer in $(bench_guests); do \
		$(MAKE) $$peer >$$peer.log 2>&1 \
		    MPI_FLAGS_C="`pkg-config --cflags mpi-c 2>&1`" \
		    MPI_FLAGS_LD="`pkg-config --libs mpi-c 2>&1`" || \
		    echo "not built, see $$peer.log: $$peer"; \
	done

# BENCH_FLAGS=--quick shows that it works, not how fast.
BENCH_FLAGS =
bench: bench-peers
	python3 -B $(srcdir)/bench/run.py --build . $(BENCH_FLAGS)

.PHONY: bench-inside bench-peers instructions
