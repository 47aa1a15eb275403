check_scripts = \
	%D%/headers.sh \
	%D%/layers.sh \
	%D%/symbols.sh \
	%D%/tree.sh

TESTS += $(check_scripts)
EXTRA_DIST += $(check_scripts) %D%/count.sh %D%/lib.sh
