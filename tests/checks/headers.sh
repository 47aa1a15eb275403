#!/usr/bin/env bash
# headers.sh - every public header compiles alone, twice included, in C and
# as C++17, without a warning.
. "${top_srcdir:-.}/tests/checks/lib.sh"

n=0
while read -r header; do
	name=${header#*/include/}
	text="#include <$name>
#include <$name>
int main(void) { return 0; }"
	# shellcheck disable=SC2086 # the commands and flags are word lists
	printf '%s\n' "$text" |
	    $CC -std=gnu17 -Wall -Wextra -Wconversion -Wshadow -Werror \
		$CHECK_CPPFLAGS -fsyntax-only -x c - ||
	    fault "$name: does not compile alone as C"
	# shellcheck disable=SC2086
	printf '%s\n' "$text" |
	    $CXX -std=c++17 -Wall -Wextra -Wconversion -Wshadow -Werror \
		$CHECK_CPPFLAGS -fsyntax-only -x c++ - ||
	    fault "$name: does not compile alone as C++17"
	grep -qE '^[a-z].*[ 	*]mproc_[a-z0-9_]+\(' "$header" &&
	    ! grep -q 'extern "C"' "$header" &&
	    fault "$name: declares functions without extern \"C\""
	n=$((n + 1))
done < <(public_headers)

[ "$n" -gt 0 ] || fault "no headers found"
finish "headers ($n)"
