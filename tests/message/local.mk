check_PROGRAMS += tests/message/codec_test tests/message/envelope_test \
	tests/message/message_test tests/message/descriptor_test \
	tests/message/value_test tests/message/cxx_test \
	tests/message/differential_test
tests_message_codec_test_SOURCES = %D%/codec_test.c %D%/codec.h
tests_message_codec_test_LDADD = $(TEST_LDADD)
tests_message_envelope_test_SOURCES = %D%/envelope_test.c %D%/codec.h
tests_message_envelope_test_LDADD = $(TEST_LDADD)
tests_message_message_test_SOURCES = %D%/message_test.c %D%/codec.h
tests_message_message_test_LDADD = $(TEST_LDADD)
tests_message_descriptor_test_SOURCES = %D%/descriptor_test.c %D%/codec.h
tests_message_descriptor_test_LDADD = $(TEST_LDADD)
tests_message_value_test_SOURCES = %D%/value_test.c %D%/codec.h
tests_message_value_test_LDADD = $(TEST_LDADD)
tests_message_differential_test_SOURCES = %D%/differential_test.c \
	%D%/codec.h %D%/random.c %D%/random.h
tests_message_differential_test_LDADD = $(TEST_LDADD)
tests_message_cxx_test_SOURCES = %D%/cxx_test.cc
tests_message_cxx_test_CXXFLAGS = -std=c++17 -Wall -Wextra -Wconversion \
	-Wshadow $(WERROR) -pthread $(MPROC_CFLAGS)
tests_message_cxx_test_LDADD = libmproc-internal.la

# What must compile, and what must not.
TESTS += %D%/compile_test.sh
EXTRA_DIST += %D%/compile_test.sh
