#!/usr/bin/env bash
# parts.sh - run parts on a file made here, and beside grep.
set -u
parts=$(realpath "$1")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
seq 200000 >large
printf 'one needle\nnothing\ntwo needles' >small
: >empty
"$parts" needle small
"$parts" needle empty
for word in 1 77 12345 0000; do
	"$parts" "$word" large | cmp - <(grep -F "$word" large) &&
	    echo "the same as grep: $word"
done
