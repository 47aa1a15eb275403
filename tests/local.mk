# Unit tests: check_PROGRAMS, one a module, linked with $(TEST_LDADD);
# checks of the tree itself: tests/checks/*.sh.

TEST_LDADD = libmproc-internal.la tests/lib/libtest.la \
	$(TEST_WRAP_LDFLAGS) $(CMOCKA_LIBS)

# A test that hangs is killed with SIGABRT after this many seconds.
TEST_TIMEOUT = 120
LOG_COMPILER = timeout
AM_LOG_FLAGS = -k 5 -s ABRT $(TEST_TIMEOUT) $(NO_ASLR) \
	$(TEST_VALGRIND)
TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = timeout
AM_SH_LOG_FLAGS = -k 5 -s ABRT $(TEST_TIMEOUT) bash

AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(top_srcdir)'; export top_srcdir; \
	top_builddir='$(top_builddir)'; export top_builddir; \
	CC='$(CC)'; export CC; CXX='$(CXX)'; export CXX; NM='$(NM)'; export NM; \
	CHECK_CPPFLAGS='-I$(top_builddir)/include -I$(top_srcdir)/include $(UV_CFLAGS)'; \
	export CHECK_CPPFLAGS; \
	PUBLIC_HEADERS='$(public_headers)'; export PUBLIC_HEADERS; \
	ASAN_OPTIONS="detect_stack_use_after_return=1:$$ASAN_OPTIONS"; export ASAN_OPTIONS; \
	UBSAN_OPTIONS="print_stacktrace=1:$$UBSAN_OPTIONS"; export UBSAN_OPTIONS; \
	TSAN_OPTIONS="halt_on_error=1:$$TSAN_OPTIONS"; export TSAN_OPTIONS;

if TESTS_ENABLED
include %D%/lib/local.mk
include %D%/system/local.mk
include %D%/message/local.mk
include %D%/channel/local.mk
include %D%/sync/local.mk
include %D%/log/local.mk
include %D%/process/local.mk
include %D%/future/local.mk
include %D%/context/local.mk
include %D%/pool/local.mk
include %D%/chaos/local.mk
include %D%/examples/local.mk
include %D%/fuzz/local.mk
include %D%/checks/local.mk
TESTS += $(check_PROGRAMS)
endif

# What sends messages, in a build whose default channel is the ring.
ringcheck: all
	$(MAKE) check TESTS='$(filter tests/process/% tests/context/% \
		tests/chaos/% tests/pool/% tests/examples/%,$(TESTS))'

# What is random in it: for a run of many, see ./dev chaos.
chaoscheck: all
	$(MAKE) check TESTS='$(filter tests/chaos/% tests/pool/storm_test \
		tests/channel/ring_stress_test \
		tests/channel/ring_hostile_test,$(check_PROGRAMS))'

# The core's tests under valgrind, which slows them down by a factor of 20.
# A spawned process executes /proc/self/exe, which is valgrind itself there.
memcheck: all
	TEST_SKIP='*(spawn)*' $(MAKE) check TEST_TIMEOUT=900 \
		TESTS='$(filter-out tests/chaos/%,$(check_PROGRAMS))' \
		TEST_VALGRIND='$(VALGRIND)'
VALGRIND = valgrind -q --error-exitcode=99 --leak-check=full \
	--show-leak-kinds=definite --errors-for-leak-kinds=definite \
	--fair-sched=try
