#!/usr/bin/env bash
# run.sh - run each example that has an expected output and compare.
#
# An example that needs something around it has a script of its name, which
# is run in its place, with the program as its argument.
# shellcheck disable=SC2317 # the functions are called, by tried
set -u
. "${top_srcdir:=.}/tests/examples/report.sh" || exit 1
: "${top_builddir:=.}"

run_example() {
	local name=$1 dir=$top_srcdir/examples/$1 status=0
	local command=("$top_builddir/examples/$name/$name")
	if [ -e "$dir/$name.sh" ]; then
		command=(bash "$dir/$name.sh" "${command[0]}")
	fi
	timeout -k 5 60 "${command[@]}" >"$tmp/out" 2>"$tmp/errors" </dev/null ||
	    status=$?
	if [ "$status" -eq 0 ] &&
	    diff -u "$dir/$name.expected" "$tmp/out"; then
		return 0
	fi
	printf 'exit status %d\n' "$status"
	cat "$tmp/errors"
	return 1
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
for expected in "$top_srcdir"/examples/*/*.expected; do
	name=$(basename "$expected" .expected)
	tried "$name" run_example "$name"
done
finish
