check_scripts = \
	%D%/headers.sh \
	%D%/layers.sh \
	%D%/symbols.sh

TESTS += $(check_scripts)
EXTRA_DIST += $(check_scripts) %D%/lib.sh
