check_PROGRAMS += tests/sync/event_test tests/sync/group_test \
	tests/sync/scope_test tests/sync/wait_test
tests_sync_event_test_SOURCES = tests/sync/event_test.c tests/sync/child.h
tests_sync_event_test_LDADD = $(TEST_LDADD)
tests_sync_group_test_SOURCES = tests/sync/group_test.c tests/sync/child.h
tests_sync_group_test_LDADD = $(TEST_LDADD)
tests_sync_scope_test_SOURCES = tests/sync/scope_test.c tests/sync/child.h
tests_sync_scope_test_LDADD = $(TEST_LDADD)
tests_sync_wait_test_SOURCES = tests/sync/wait_test.c tests/sync/child.h
tests_sync_wait_test_LDADD = $(TEST_LDADD)

check_PROGRAMS += tests/sync/shm_test tests/sync/ring_test
tests_sync_shm_test_SOURCES = tests/sync/shm_test.c tests/sync/child.h
tests_sync_shm_test_LDADD = $(TEST_LDADD)
tests_sync_ring_test_SOURCES = tests/sync/ring_test.c tests/sync/child.h
tests_sync_ring_test_LDADD = $(TEST_LDADD)

check_PROGRAMS += tests/sync/lock_test
tests_sync_lock_test_SOURCES = tests/sync/lock_test.c tests/sync/child.h
tests_sync_lock_test_LDADD = $(TEST_LDADD)
