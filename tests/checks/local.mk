check_scripts = \
	%D%/headers.sh \
	%D%/layers.sh \
	%D%/symbols.sh \
	%D%/tree.sh

TESTS += $(check_scripts)
EXTRA_DIST += $(check_scripts) %D%/count.sh %D%/installed.sh %D%/lib.sh

installcheck-local:
	top_srcdir='$(top_srcdir)' top_builddir='$(top_builddir)' \
		CC='$(CC) $(MPROC_CFLAGS)' CXX='$(CXX) $(MPROC_CFLAGS)' \
		LIBDIR='$(DESTDIR)$(libdir)' bash $(srcdir)/%D%/installed.sh
