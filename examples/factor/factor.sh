#!/usr/bin/env bash
# factor.sh - run factor on numbers, and beside factor(1) of coreutils.
set -u
factor=$(realpath "$1")
printf '12\n97\n1000000007\n600851475143\n' | "$factor"
printf '5040\n1001' | "$factor"	# the last line without its newline
seq 2 3000 | "$factor" | cmp - <(seq 2 3000 | factor) &&
    echo "the same as factor(1)"
