#!/usr/bin/env bash
# readme.sh - the program that the README shows is the example, byte for byte.
. "${top_srcdir:-.}/tests/checks/lib.sh"

example=examples/counter/counter.c
shown=$(awk -v name="$example" '
$0 == "<!-- begin " name " -->" { inside = 1; next }
$0 == "<!-- end " name " -->" { inside = 0 }
inside && /^```/ { code = !code; next }
code { print }
' "$top_srcdir/README.md")

[ -e "$top_srcdir/$example" ] || fault "$example: no such file"
diff -u "$top_srcdir/$example" - <<<"$shown" ||
    fault "README.md does not show $example as it is"
finish readme
