#!/usr/bin/env bash
# count.sh BUILD-DIR - sum what `make check` ran into one closing line.
#
# A cmocka program counts as its tests, any other as one.  A program that
# failed without a test of it having failed (a crash, the time limit) counts
# as one failure more.
set -u
dir=${1:?usage: count.sh BUILD-DIR}
passed=0 failed=0 skipped=0

while read -r trs; do
	log=${trs%.trs}.log
	ok=$(grep -c '\[       OK \] ' "$log")
	bad=$(grep -cE '\[  (FAILED |ERROR  ) \] [a-z]' "$log")
	skip=$(grep '\[  SKIPPED \] [a-z]' "$log" | sort -u | wc -l)
	case $(sed -n 's/^:test-result: *//p' "$trs") in
	PASS*)	[ $((ok + skip)) -gt 0 ] || ok=1 ;;
	SKIP*)	skip=1 ;;
	*)	[ "$bad" -gt 0 ] || bad=1 ;;
	esac
	passed=$((passed + ok))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
done < <(find "$dir" -name '*.trs' | sort)

[ $((passed + failed)) -gt 0 ] || failed=1	# it did not come to a test
[ "$skipped" -eq 0 ] && skipped='' || skipped=", $skipped skipped"
printf '%d passed, %d failed%s\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
