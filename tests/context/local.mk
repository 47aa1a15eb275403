check_LTLIBRARIES += tests/context/libhelp.la
tests_context_libhelp_la_SOURCES = %D%/help.c %D%/help.h
CONTEXT_LDADD = tests/context/libhelp.la $(PROBE_LDADD) $(UV_LIBS)

check_PROGRAMS += tests/context/loop_test tests/context/life_test \
	tests/context/signal_test tests/context/uv_test
tests_context_loop_test_SOURCES = tests/context/loop_test.c
tests_context_loop_test_LDADD = $(CONTEXT_LDADD)
tests_context_life_test_SOURCES = tests/context/life_test.c
tests_context_life_test_LDADD = $(CONTEXT_LDADD)
tests_context_signal_test_SOURCES = tests/context/signal_test.c
tests_context_signal_test_LDADD = $(CONTEXT_LDADD)
tests_context_uv_test_SOURCES = tests/context/uv_test.c
tests_context_uv_test_LDADD = $(CONTEXT_LDADD)

check_PROGRAMS += tests/context/process_test
tests_context_process_test_SOURCES = tests/context/process_test.c
tests_context_process_test_LDADD = $(CONTEXT_LDADD)

check_PROGRAMS += tests/context/free_test
tests_context_free_test_SOURCES = tests/context/free_test.c
tests_context_free_test_LDADD = $(CONTEXT_LDADD)

check_PROGRAMS += tests/context/order_test
tests_context_order_test_SOURCES = tests/context/order_test.c \
	tests/context/boss.c tests/context/boss.h
tests_context_order_test_LDADD = $(CONTEXT_LDADD)

check_PROGRAMS += tests/context/embed_test
tests_context_embed_test_SOURCES = tests/context/embed_test.c
tests_context_embed_test_CPPFLAGS = $(AM_CPPFLAGS)
tests_context_embed_test_LDADD = $(CONTEXT_LDADD)
if HAVE_GLIB
tests_context_embed_test_CPPFLAGS += -DHAVE_GLIB $(GLIB_CFLAGS)
tests_context_embed_test_LDADD += $(GLIB_LIBS)
endif

check_PROGRAMS += tests/context/fail_test
tests_context_fail_test_SOURCES = tests/context/fail_test.c
tests_context_fail_test_LDADD = $(CONTEXT_LDADD)

check_PROGRAMS += tests/context/end_test
tests_context_end_test_SOURCES = tests/context/end_test.c
tests_context_end_test_LDADD = $(CONTEXT_LDADD)
