#!/usr/bin/env bash
# words.sh - run words on files made here.
set -u
words=$(realpath "$1")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
seq 125822 >large
printf 'three short words\n' >small
"$words" large small missing | LC_ALL=C sort
"$words" -n 10000 large
