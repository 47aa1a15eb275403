check_LTLIBRARIES += tests/pool/libtask.la
tests_pool_libtask_la_SOURCES = %D%/task.c %D%/task.h
TASK_LDADD = tests/pool/libtask.la $(TEST_LDADD)

check_PROGRAMS += tests/pool/pool_test
tests_pool_pool_test_SOURCES = %D%/pool_test.c
tests_pool_pool_test_LDADD = $(TASK_LDADD)
