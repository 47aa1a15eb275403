#!/usr/bin/env bash
# scan.sh - run scan on files made here, and beside grep.
set -u
scan=$(realpath "$1")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
printf 'one needle\nnothing\ntwo needles' >a
printf 'nothing\n' >b
for i in $(seq 40); do
	seq "$i" 500 >"n$i"
done
"$scan" needle a b
echo "status $?"
"$scan" nowhere a b
echo "status $?"
"$scan" needle a missing b 2>errors
echo "status $?"
sed 's/^[^:]*: //' errors
"$scan" 77 n* >mine
echo "status $?"
grep -F -H 77 n* | cmp - mine && echo "the same as grep"
