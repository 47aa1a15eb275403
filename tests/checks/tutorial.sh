#!/usr/bin/env bash
# tutorial.sh - doc/tutorial.md as a reader would follow it: the files that it
# shows compile without a warning, and its programs print what it says.
#
# A line `<!-- file: NAME -->` puts the code block below it at the end of that
# file; `<!-- run -->` marks a console block: `$ ` lines are run, the others
# are what they print, in any order.  Process ids, numbers of workers,
# milliseconds, and where an assertion says it is, may differ.
. "${top_srcdir:-.}/tests/checks/lib.sh"

[ -n "$(library)" ] || skip "no shared library was built"
builddir=$(cd "$top_builddir" && pwd) || exit 1
srcdir=$(cd "$top_srcdir" && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

awk '
/^<!-- file: / { file = $3; next }
/^<!-- run/ { file = sprintf("script.%02d", ++runs); next }
/^```/ && open { open = 0; close(file); file = ""; next }
/^```/ && file != "" {
	open = 1
	if (file in seen)
		print "" >>file
	seen[file] = 1
	next
}
open { print >>file }
' "$srcdir/doc/tutorial.md"

# The two commands that a reader types, as they are before an installation.
read -ra compiler <<<"$CC"
read -ra flags <<<"${MPROC_CFLAGS-}"
# shellcheck disable=SC2317 # the document calls it
cc() {
	"${compiler[@]}" -Wall -Wextra -Wconversion -Wshadow -Werror \
	    "${flags[@]}" "$@"
}
# shellcheck disable=SC2317 # as above
pkg-config() {
	printf '%s\n' "-I$builddir/include -I$srcdir/include" \
	    "-L$builddir/.libs -lmproc"
}
export LD_LIBRARY_PATH=$builddir/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

normal() {
	sed -E 's/(-[0-9]+)? \(pid [0-9]+\)/-N (pid N)/; s/after [0-9]+ ms/after N ms/
		s/\.c:[0-9]+: .*: Assertion/.c:N: Assertion/' | sort
}

n=0
for script in script.*; do
	[ -e "$script" ] || break
	grep '^\$ ' "$script" | cut -c 3- >commands
	grep -v '^\$ ' "$script" | normal >expected
	# shellcheck disable=SC1091 # made above
	. ./commands 2>&1 </dev/null | normal >printed
	if ! diff -u expected printed; then
		fault "tutorial.md prints something else: $(head -n 1 commands)"
	fi
	n=$((n + 1))
done
[ "$n" -gt 0 ] || fault "no console block found"
finish "tutorial ($n programs)"
