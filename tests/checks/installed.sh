#!/usr/bin/env bash
# installed.sh - what `make install` put there can be used: pkg-config finds
# it, a program links with the shared and with the static library, as C and
# as C++, and runs.  Called by `make installcheck`, which gives LIBDIR.
. "${top_srcdir:-.}/tests/checks/lib.sh"

: "${LIBDIR:?}"
export PKG_CONFIG_PATH=$LIBDIR/pkgconfig LD_LIBRARY_PATH=$LIBDIR
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

cat >"$work/use.c" <<'END'
#include <mproc.h>
#include <string.h>

MPROC_MESSAGE(use, one, (int64_t, n), (const char *, text));

int
main(void)
{
	struct mproc_msg *msg;

	if (strcmp(mproc_version(), MPROC_VERSION) != 0)
		return 1;
	if (mproc_msg_new("one", &msg) < 0)
		return 2;
	if (mproc_msg_set(msg, "n", (int64_t)7) < 0 ||
	    mproc_args(msg, use_one) == NULL ||
	    mproc_args(msg, use_one)->n != 7)
		return 3;
	mproc_msg_free(msg);
	return 0;
}
END
cp "$work/use.c" "$work/use.cc"

# use HOW COMPILER... - build with what pkg-config says, and run.
use() {
	local how=$1
	shift
	"$@" -Wall -Wextra -Werror -o "$work/use" ||
	    { fault "$how: does not build"; return; }
	"$work/use" || fault "$how: the program fails with status $?"
}

pkg-config --exists mproc || fault "pkg-config does not find mproc"
mapfile -t cflags < <(pkg-config --cflags mproc | xargs -n 1)
mapfile -t libs < <(pkg-config --libs mproc | xargs -n 1)
mapfile -t others < <(pkg-config --static --libs mproc | xargs -n 1 |
    grep -vx -e -lmproc)
read -ra cc <<<"$CC"
read -ra cxx <<<"$CXX"

if [ -e "$LIBDIR/libmproc.so" ]; then
	use 'shared, C' "${cc[@]}" "${cflags[@]}" "$work/use.c" "${libs[@]}"
	use 'shared, C++' "${cxx[@]}" -std=c++17 "${cflags[@]}" \
	    "$work/use.cc" "${libs[@]}"
fi
if [ -e "$LIBDIR/libmproc.a" ]; then
	use 'static, C' "${cc[@]}" "${cflags[@]}" "$work/use.c" \
	    "$LIBDIR/libmproc.a" "${others[@]}"
fi
finish installed
