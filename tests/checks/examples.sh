#!/usr/bin/env bash
# examples.sh - an example that was copied builds as examples/README.md says:
# with the installed headers and no flag of this build.
. "${top_srcdir:-.}/tests/checks/lib.sh"

n=0
for source in "$top_srcdir"/examples/*/*.c; do
	case $(<"$source") in
	*'<openssl/'*)
		# shellcheck disable=SC2086 # as below
		printf '#include <openssl/evp.h>\n' |
		    $CC -fsyntax-only -x c - 2>/dev/null || continue
		;;
	esac
	# shellcheck disable=SC2086 # the command may be several words
	$CC -std=gnu17 -Wall -Wextra -Wconversion -Wshadow -Werror \
	    -I"$top_builddir/include" -I"$top_srcdir/include" \
	    -fsyntax-only "$source" ||
		fault "${source#"$top_srcdir/"}: does not build by itself"
	n=$((n + 1))
done
[ "$n" -gt 0 ] || fault 'no examples found'
finish "examples ($n)"
