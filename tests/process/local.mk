check_LTLIBRARIES += tests/process/libprobe.la
tests_process_libprobe_la_SOURCES = tests/process/probe.c \
	tests/process/probe.h tests/process/os.c tests/process/os.h \
	tests/process/fixture.c tests/process/fixture.h
PROBE_LDADD = tests/process/libprobe.la $(TEST_LDADD)

check_PROGRAMS += tests/process/talk_test tests/process/life_test
tests_process_talk_test_SOURCES = tests/process/talk_test.c
tests_process_talk_test_LDADD = $(PROBE_LDADD)
tests_process_life_test_SOURCES = tests/process/life_test.c
tests_process_life_test_LDADD = $(PROBE_LDADD)

check_PROGRAMS += tests/process/done_test
tests_process_done_test_SOURCES = tests/process/done_test.c
tests_process_done_test_LDADD = $(PROBE_LDADD)

check_PROGRAMS += tests/process/stop_test tests/process/death_test \
	tests/process/log_lane_test tests/process/output_test \
	tests/process/guest_test tests/process/run_test \
	tests/process/new_test tests/process/orphan_test \
	tests/process/race_test tests/process/mailbox_test
tests_process_mailbox_test_SOURCES = tests/process/mailbox_test.c
tests_process_mailbox_test_LDADD = $(PROBE_LDADD)
tests_process_new_test_SOURCES = tests/process/new_test.c
tests_process_new_test_LDADD = $(PROBE_LDADD)
tests_process_orphan_test_SOURCES = tests/process/orphan_test.c
tests_process_orphan_test_LDADD = $(PROBE_LDADD)
tests_process_race_test_SOURCES = tests/process/race_test.c
tests_process_race_test_LDADD = $(PROBE_LDADD)
tests_process_stop_test_SOURCES = tests/process/stop_test.c
tests_process_stop_test_LDADD = $(PROBE_LDADD)
tests_process_death_test_SOURCES = tests/process/death_test.c
tests_process_death_test_LDADD = $(PROBE_LDADD)
EXTRA_tests_process_death_test_DEPENDENCIES = tests/process/late.la
tests_process_log_lane_test_SOURCES = tests/process/log_lane_test.c
tests_process_log_lane_test_LDADD = $(PROBE_LDADD)
tests_process_output_test_SOURCES = tests/process/output_test.c
tests_process_output_test_LDADD = $(PROBE_LDADD)
tests_process_guest_test_SOURCES = tests/process/guest_test.c
tests_process_guest_test_LDADD = $(PROBE_LDADD)
tests_process_run_test_SOURCES = tests/process/run_test.c
tests_process_run_test_LDADD = $(PROBE_LDADD)

check_PROGRAMS += tests/process/fd_test
tests_process_fd_test_SOURCES = tests/process/fd_test.c
tests_process_fd_test_LDADD = $(PROBE_LDADD)

check_PROGRAMS += tests/process/deadline_test
tests_process_deadline_test_SOURCES = tests/process/deadline_test.c
tests_process_deadline_test_LDADD = $(PROBE_LDADD)

check_PROGRAMS += tests/process/stall_test
tests_process_stall_test_SOURCES = tests/process/stall_test.c
tests_process_stall_test_LDADD = $(PROBE_LDADD)

# Launching alone, with a backend of its own: without libprobe.
LAUNCH_FAKE = tests/process/launch_fake.c tests/process/launch_fake.h
check_PROGRAMS += tests/process/launch_test tests/process/launch_fail_test \
	tests/process/launch_death_test tests/process/forkserver_test
tests_process_launch_test_SOURCES = tests/process/launch_test.c $(LAUNCH_FAKE)
tests_process_launch_test_LDADD = $(TEST_LDADD)
tests_process_launch_fail_test_SOURCES = tests/process/launch_fail_test.c \
	$(LAUNCH_FAKE)
tests_process_launch_fail_test_LDADD = $(TEST_LDADD)
tests_process_launch_death_test_SOURCES = tests/process/launch_death_test.c \
	$(LAUNCH_FAKE)
tests_process_launch_death_test_LDADD = $(TEST_LDADD)
tests_process_forkserver_test_SOURCES = tests/process/forkserver_test.c \
	$(LAUNCH_FAKE)
tests_process_forkserver_test_LDADD = $(TEST_LDADD)
EXTRA_tests_process_forkserver_test_DEPENDENCIES = tests/process/late.la

# A module to load, before and after mproc_init().
check_LTLIBRARIES += tests/process/late.la
tests_process_late_la_SOURCES = tests/process/late.c
tests_process_late_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version \
	-rpath /nowhere

check_PROGRAMS += tests/process/hook_test
tests_process_hook_test_SOURCES = tests/process/hook_test.c
tests_process_hook_test_LDADD = $(PROBE_LDADD)

check_PROGRAMS += tests/process/end_test
tests_process_end_test_SOURCES = tests/process/end_test.c
tests_process_end_test_LDADD = $(PROBE_LDADD)

check_PROGRAMS += tests/process/reserve_test
tests_process_reserve_test_SOURCES = tests/process/reserve_test.c
tests_process_reserve_test_LDADD = $(PROBE_LDADD)

check_PROGRAMS += tests/process/index_test
tests_process_index_test_SOURCES = tests/process/index_test.c
tests_process_index_test_LDADD = $(TEST_LDADD)
