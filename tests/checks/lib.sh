# shellcheck shell=bash
# lib.sh - what the checks of the tree share.  make gives them: top_srcdir,
# top_builddir, CC, CXX, NM, CHECK_CPPFLAGS, PUBLIC_HEADERS.

set -u -o pipefail
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${CXX:=c++}" "${NM:=nm}"
export LC_ALL=C

faults=0

# fault TEXT... - tell of one fault; the check goes on.
fault() {
	printf '%s\n' "$*"
	faults=$((faults + 1))
}

# finish WHAT - end the check, say what was looked at.
finish() {
	printf '%s: %d faults\n' "$1" "$faults"
	[ "$faults" -eq 0 ]
	exit
}

# skip WHY - automake's status for a test that cannot run here.
skip() {
	printf 'skipped: %s\n' "$*"
	exit 77
}

# public_headers - the path of each, made ones from the build tree.
public_headers() {
	local h
	for h in $PUBLIC_HEADERS; do
		if [ -e "$top_builddir/$h" ]; then
			printf '%s\n' "$top_builddir/$h"
		else
			printf '%s\n' "$top_srcdir/$h"
		fi
	done
}

# objects FOLDER - the library's object files below src/FOLDER, each once.
objects() {
	local dir=$top_builddir/src/$1
	if find "$dir" -path '*/.libs/*.o' 2>/dev/null | grep -q .; then
		find "$dir" -path '*/.libs/*.o' | sort
	else
		find "$dir" -name '*.o' 2>/dev/null | sort
	fi
}

# undefined OBJECT... - a line for each name that one uses: the object, the name.
undefined() {
	# shellcheck disable=SC2086 # NM is a command and its options
	$NM -A -u "$@" |
	    awk '{ sub(/:$/, "", $1); sub(/@.*/, "", $NF); print $1, $NF }'
}

# library - the built shared library, or nothing.
library() {
	find "$top_builddir/.libs" -name 'libmproc.so.*.*' 2>/dev/null | head -n 1
}

