# Adds to check_PROGRAMS; see tests/local.mk.
