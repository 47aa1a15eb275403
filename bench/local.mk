# Benchmarks are EXTRA_PROGRAMS: never in `make check`, run by `make bench`.
bench_programs =

EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)
BENCH_LDADD = libmproc.la

bench: $(bench_programs)
	@for b in $(bench_programs); do ./$$b || exit 1; done
.PHONY: bench
