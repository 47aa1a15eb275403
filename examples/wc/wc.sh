#!/usr/bin/env bash
# wc.sh - run wc on files made here, and beside that of coreutils.
set -u
mine=$(realpath "$1")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
seq 20000 >numbers
printf 'one two  three\n\tno newline' >text
: >empty
"$mine" text numbers empty
"$mine" text missing 2>/dev/null || echo "status $?"
files=(text numbers empty numbers text)
for options in "-1" "-j 1" "-j 3"; do
	# shellcheck disable=SC2086 # two words
	"$mine" $options "${files[@]}" |
	    cmp - <(wc "${files[@]}" | sed -E 's/^ +//; s/ +/ /g') &&
	    echo "the same as wc(1): $options"
done
