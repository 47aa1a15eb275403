#!/usr/bin/env bash
# base64.sh - run base64 on some inputs, and beside that of coreutils.
set -u
mine=$(realpath "$1")
printf 'one source, many processes' | "$mine"
for bytes in 0 1 2 56 57 58 57000 57001 1000000; do
	cmp <(seq 200000 | head -c "$bytes" | "$mine") \
	    <(seq 200000 | head -c "$bytes" | base64) &&
	    echo "the same as base64(1): $bytes bytes"
done
