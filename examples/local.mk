# Examples: small whole programs, built by `make`, run by `make check`
# (tests/examples).  They include public headers only.
EXAMPLE_LDADD = libmproc.la

noinst_PROGRAMS += \
	examples/counter/counter \
	examples/main1/main1 \
	examples/ping/ping \
	examples/ping2/ping2 \
	examples/ping_pong/ping_pong \
	examples/privsep/privsep \
	examples/scan/scan \
	examples/shm1/shm1 \
	examples/shm2/shm2

examples_counter_counter_SOURCES = %D%/counter/counter.c
examples_counter_counter_LDADD = $(EXAMPLE_LDADD)
examples_main1_main1_SOURCES = \
	%D%/main1/main1.c %D%/main1/main1.h \
	%D%/main1/server.c %D%/main1/worker.c
examples_main1_main1_LDADD = $(EXAMPLE_LDADD)
examples_ping_ping_SOURCES = %D%/ping/ping.c
examples_ping_ping_LDADD = $(EXAMPLE_LDADD)
examples_ping2_ping2_SOURCES = %D%/ping2/ping2.c
examples_ping2_ping2_LDADD = $(EXAMPLE_LDADD)
examples_ping_pong_ping_pong_SOURCES = %D%/ping_pong/ping_pong.c
examples_ping_pong_ping_pong_LDADD = $(EXAMPLE_LDADD)
examples_privsep_privsep_SOURCES = \
	%D%/privsep/jail.c %D%/privsep/parser.c \
	%D%/privsep/privsep.c %D%/privsep/privsep.h
examples_privsep_privsep_LDADD = $(EXAMPLE_LDADD)
examples_scan_scan_SOURCES = %D%/scan/scan.c
examples_scan_scan_LDADD = $(EXAMPLE_LDADD)
examples_shm1_shm1_SOURCES = %D%/shm1/shm1.c
examples_shm1_shm1_LDADD = $(EXAMPLE_LDADD)
examples_shm2_shm2_SOURCES = %D%/shm2/shm2.c
examples_shm2_shm2_LDADD = $(EXAMPLE_LDADD)

# The main one, which needs libcrypto.
digest_sources = \
	%D%/digest/digest.h \
	%D%/digest/hasher.c \
	%D%/digest/main.c \
	%D%/digest/names.c %D%/digest/names.h \
	%D%/digest/progress.c %D%/digest/progress.h \
	%D%/digest/scout.c \
	%D%/digest/walk.c %D%/digest/walk.h
if HAVE_CRYPTO
noinst_PROGRAMS += examples/digest/digest
examples_digest_digest_SOURCES = $(digest_sources)
examples_digest_digest_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
examples_digest_digest_LDADD = $(EXAMPLE_LDADD) $(CRYPTO_LIBS)
endif

EXTRA_DIST += \
	$(digest_sources) \
	%D%/README.md \
	%D%/counter/counter.expected \
	%D%/digest/demo.sh \
	%D%/main1/main1.expected \
	%D%/ping/ping.expected \
	%D%/ping2/ping2.expected \
	%D%/ping_pong/ping_pong.expected \
	%D%/privsep/privsep.expected \
	%D%/privsep/privsep.sh \
	%D%/scan/scan.expected \
	%D%/scan/scan.sh \
	%D%/shm1/shm1.expected \
	%D%/shm2/shm2.expected
