#!/usr/bin/env bash
# instructions.sh - count the instructions of the hot paths under callgrind
# and hold them against those written down.
#
#	bench/instructions.sh HOTPATH [--update]
#
# HOTPATH is the program bench/hotpath.  What is written down is in
# instructions.tsv beside this script: the compiler, then a line a path.  More
# than 3 % above it is a failure; 3 % below asks for --update, which writes
# the file anew.  Another compiler makes other code: nothing is compared.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tsv=$here/instructions.tsv
messages=1000		# of one run of a path, see hotpath.c
margin=3		# per cent

program=${1:?usage: instructions.sh HOTPATH [--update]}
update=${2:-}

# count PATH - instructions a message.
count() {
	local out
	out=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null \
	    --toggle-collect=hot "$program" "$1" 2>&1) ||
	    { printf '%s\n' "$out" >&2; return 1; }
	out=$(awk '/ Collected : / { print $NF }' <<<"$out")
	[ "${out:-0}" -gt 0 ] || { echo "$1: nothing counted" >&2; return 1; }
	echo $(((out + messages / 2) / messages))
}

compiler=$("$program" compiler)
recorded=$(sed -n 's/^# compiler: //p' "$tsv")
if [ "$update" != --update ] && [ "$compiler" != "$recorded" ]; then
	printf 'skipped: compiled with %s, but the counts are those of %s\n' \
	    "$compiler" "${recorded:-no compiler}"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi

passed=0 failed=0
new=$(mktemp)
trap 'rm -f "$new"' EXIT
{
	echo '# Instructions of the hot paths, a message each.  Written by'
	echo '# ./dev instructions --update, see instructions.sh.'
	echo "# compiler: $compiler"
} >"$new"
for path in $("$program"); do
	n=$(count "$path")
	printf '%s\t%d\n' "$path" "$n" >>"$new"
	was=$(awk -F'\t' -v p="$path" '$1 == p { print $2 }' "$tsv")
	note=
	if [ "$update" = --update ]; then
		passed=$((passed + 1))
	elif [ -z "$was" ]; then
		note='  FAIL: not written down, run ./dev instructions --update'
		failed=$((failed + 1))
	elif [ $((n * 100)) -gt $((was * (100 + margin))) ]; then
		note="  FAIL: more than $margin % above"
		failed=$((failed + 1))
	else
		[ $((n * 100)) -ge $((was * (100 - margin))) ] ||
		    note='  better: run ./dev instructions --update'
		passed=$((passed + 1))
	fi
	printf '%-20s %6d  (%s)%s\n' "$path" "$n" "${was:-none}" "$note"
done
if [ "$update" = --update ]; then
	cp "$new" "$tsv"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
