# `make bench`: never part of `make check`. One line a number, from
# tools/mproc-bench, which measures the library and its rivals in one run.
BENCH_FLAGS =

bench: all
	tools/mproc-bench/mproc-bench $(BENCH_FLAGS)
