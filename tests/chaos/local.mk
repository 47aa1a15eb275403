# What happens when everything goes wrong.  More of each: MPROC_CHAOS_KILLS,
# _ORPHANS, _INTERRUPTS, _SECONDS, _SEED; in tests/process _STARTS, _LOGS,
# _CALLS; see the files.
check_LTLIBRARIES += tests/chaos/libvictim.la
tests_chaos_libvictim_la_SOURCES = %D%/victim.c %D%/victim.h
CHAOS_LDADD = tests/chaos/libvictim.la $(TEST_LDADD)

check_PROGRAMS += tests/chaos/kill_test
tests_chaos_kill_test_SOURCES = %D%/kill_test.c
tests_chaos_kill_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/restart_test
tests_chaos_restart_test_SOURCES = %D%/restart_test.c
tests_chaos_restart_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/hostile_test
tests_chaos_hostile_test_SOURCES = %D%/hostile_test.c %D%/hostile.c \
	%D%/hostile.h
tests_chaos_hostile_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/alloc_test
tests_chaos_alloc_test_SOURCES = %D%/alloc_test.c %D%/scenario.c \
	%D%/scenario.h
tests_chaos_alloc_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/sys_test
tests_chaos_sys_test_SOURCES = %D%/sys_test.c %D%/scenario.c \
	%D%/scenario.h
tests_chaos_sys_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/nofile_test
tests_chaos_nofile_test_SOURCES = %D%/nofile_test.c %D%/scenario.c \
	%D%/scenario.h
tests_chaos_nofile_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/shortio_test
tests_chaos_shortio_test_SOURCES = %D%/shortio_test.c
tests_chaos_shortio_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/threads_test
tests_chaos_threads_test_SOURCES = %D%/threads_test.c %D%/hostile.c \
	%D%/hostile.h
tests_chaos_threads_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/orphan_test
tests_chaos_orphan_test_SOURCES = %D%/orphan_test.c %D%/hostile.c \
	%D%/hostile.h
tests_chaos_orphan_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/interrupt_test
tests_chaos_interrupt_test_SOURCES = %D%/interrupt_test.c %D%/hostile.c \
	%D%/hostile.h
tests_chaos_interrupt_test_LDADD = $(CHAOS_LDADD)

check_PROGRAMS += tests/chaos/pool_fail_test
tests_chaos_pool_fail_test_SOURCES = %D%/pool_fail_test.c
tests_chaos_pool_fail_test_LDADD = $(TASK_LDADD)
