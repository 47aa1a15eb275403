check_PROGRAMS += tests/pool/pace_test
tests_pool_pace_test_SOURCES = %D%/pace_test.c
tests_pool_pace_test_LDADD = $(TASK_LDADD)

check_LTLIBRARIES += tests/pool/libtask.la
tests_pool_libtask_la_SOURCES = %D%/task.c %D%/task.h
TASK_LDADD = tests/pool/libtask.la $(TEST_LDADD)

check_PROGRAMS += tests/pool/notify_test tests/pool/feed_test
check_PROGRAMS += tests/pool/values_test
tests_pool_values_test_SOURCES = %D%/values_test.c
tests_pool_values_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/refuse_test
tests_pool_refuse_test_SOURCES = %D%/refuse_test.c
tests_pool_refuse_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/init_test
tests_pool_init_test_SOURCES = %D%/init_test.c
tests_pool_init_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/shared_test
tests_pool_shared_test_SOURCES = %D%/shared_test.c
tests_pool_shared_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/reduced_test
tests_pool_reduced_test_SOURCES = %D%/reduced_test.c
tests_pool_reduced_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/results_test
tests_pool_results_test_SOURCES = %D%/results_test.c
tests_pool_results_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/state_test
tests_pool_state_test_SOURCES = %D%/state_test.c
tests_pool_state_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/finished_test
tests_pool_finished_test_SOURCES = %D%/finished_test.c
tests_pool_finished_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/weakness_test
tests_pool_weakness_test_SOURCES = %D%/weakness_test.c
tests_pool_weakness_test_LDADD = $(TASK_LDADD)
tests_pool_feed_test_SOURCES = %D%/feed_test.c
tests_pool_feed_test_LDADD = $(TASK_LDADD)
tests_pool_notify_test_SOURCES = %D%/notify_test.c
tests_pool_notify_test_LDADD = $(TASK_LDADD)
check_PROGRAMS += tests/pool/pool_test tests/pool/death_test \
	tests/pool/flow_test tests/pool/worker_test \
	tests/pool/function_test tests/pool/storm_test \
	tests/pool/thread_test
tests_pool_pool_test_SOURCES = %D%/pool_test.c
tests_pool_pool_test_LDADD = $(TASK_LDADD)
tests_pool_death_test_SOURCES = %D%/death_test.c
tests_pool_death_test_LDADD = $(TASK_LDADD)
tests_pool_function_test_SOURCES = %D%/function_test.c
tests_pool_function_test_LDADD = $(TASK_LDADD)
tests_pool_storm_test_SOURCES = %D%/storm_test.c
tests_pool_storm_test_LDADD = $(TASK_LDADD)
tests_pool_thread_test_SOURCES = %D%/thread_test.c
tests_pool_thread_test_LDADD = $(TASK_LDADD)
tests_pool_flow_test_SOURCES = %D%/flow_test.c
tests_pool_flow_test_LDADD = $(TASK_LDADD)
tests_pool_worker_test_SOURCES = %D%/worker_test.c

check_LTLIBRARIES += tests/pool/libcrew.la
tests_pool_libcrew_la_SOURCES = %D%/crew.c %D%/crew.h
CREW_LDADD = tests/pool/libcrew.la $(TASK_LDADD)

check_PROGRAMS += tests/pool/capture_test tests/pool/manager_test
check_PROGRAMS += tests/pool/parallel_test tests/pool/outlive_test \
	tests/pool/turnover_test tests/pool/invariant_test
tests_pool_invariant_test_SOURCES = %D%/invariant_test.c
tests_pool_invariant_test_LDADD = $(CREW_LDADD)
tests_pool_turnover_test_SOURCES = %D%/turnover_test.c
tests_pool_turnover_test_LDADD = $(CREW_LDADD)
tests_pool_outlive_test_SOURCES = %D%/outlive_test.c
tests_pool_outlive_test_LDADD = $(CREW_LDADD)
tests_pool_parallel_test_SOURCES = %D%/parallel_test.c
tests_pool_parallel_test_LDADD = $(CREW_LDADD)
tests_pool_manager_test_SOURCES = %D%/manager_test.c
tests_pool_manager_test_LDADD = $(CREW_LDADD)
tests_pool_capture_test_SOURCES = %D%/capture_test.c
tests_pool_capture_test_LDADD = $(CREW_LDADD)
tests_pool_worker_test_LDADD = $(CREW_LDADD)

TESTS += %D%/threads.sh
EXTRA_DIST += %D%/threads.sh
AM_TESTS_ENVIRONMENT += \
	POOL_TESTS='$(filter tests/pool/%,$(check_PROGRAMS))'; \
	export POOL_TESTS;
