# Command-line tools; each is one bin_PROGRAMS entry linked with libmproc.la.
bin_PROGRAMS += tools/mproc-bench/mproc-bench
tools_mproc_bench_mproc_bench_SOURCES = \
	%D%/mproc-bench/bench.h \
	%D%/mproc-bench/class.c \
	%D%/mproc-bench/main.c \
	%D%/mproc-bench/measure.c \
	%D%/mproc-bench/measure.h \
	%D%/mproc-bench/over_mproc.c \
	%D%/mproc-bench/over_raw.c
tools_mproc_bench_mproc_bench_LDADD = libmproc.la
