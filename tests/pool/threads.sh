#!/usr/bin/env bash
# threads.sh - PR-92: the tests of pools once more, with workers that are
# threads.  What makes no sense then is skipped, and says why.
set -u
: "${POOL_TESTS:?the programs, set by make}" "${top_builddir:=.}"
export TEST_LAUNCH=thread
failed=0

for program in $POOL_TESTS; do
	printf '%s\n' "$program"
	"$top_builddir/$program" || failed=$((failed + 1))
done
[ "$failed" -eq 0 ]
