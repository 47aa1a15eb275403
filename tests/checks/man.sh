#!/usr/bin/env bash
# man.sh - the documents and the headers name the same things: every exported
# function, every public macro and every option is in some manual page, and
# every function and macro that a page or another document names exists.
. "${top_srcdir:-.}/tests/checks/lib.sh"

pages=("$top_srcdir"/doc/*.3)
mapfile -t headers < <(public_headers)

words() {
	grep -ohE '\b(mproc|MPROC)_[A-Za-z0-9_]+' "$@" |
	    grep -v '^mproc__' | sort -u
}
# Functions and macros with a public name; guards are no macros.
functions() {
	sed -E 's/\/\*.*//' "${headers[@]}" |
	    grep -oE '(^|[ \t*(])mproc_[a-z0-9][a-z0-9_]*\(' |
	    grep -oE 'mproc_[a-z0-9_]+' | grep -v '^mproc__' | sort -u
}
macros() {
	sed -nE 's/^#define ((mproc|MPROC)_[A-Za-z0-9][A-Za-z0-9_]*).*/\1/p' \
	    "${headers[@]}" | grep -vE '_H$' | sort -u
}
constants() {
	grep -ohE '^	MPROC_[A-Z0-9_]+' "${headers[@]}" | tr -d '\t' | sort -u
}

named=$(words "${pages[@]}")
exists=$(words "${headers[@]}")
n=0
while read -r name; do
	n=$((n + 1))
	grep -qx "$name" <<<"$named" || fault "$name: in no manual page"
done < <({ functions; macros; constants; } | grep -vE '^mproc__' | sort -u)

while read -r name; do
	grep -qx "$name" <<<"$exists" ||
	    fault "$name: named in a page, in no header"
done < <(sed -nE 's/^\.(Fn|Nm|Dv|It Dv|It Fn) ((mproc|MPROC)_[A-Za-z0-9_]+).*/\2/p' \
    "${pages[@]}" | sort -u)

# In the others a function has parentheses, and a constant capitals.
while read -r name; do
	grep -qx "$name" <<<"$exists" ||
	    fault "$name: named in a document, in no header"
done < <(grep -ohE '\bmproc_[a-z0-9_]+\(|\bMPROC_[A-Z0-9_]+\b' \
    "$top_srcdir"/doc/*.md "$top_srcdir/README.md" | tr -d '(' |
    grep -vE '^(mproc|MPROC)__' | sort -u)

# Every member of struct mproc_options is a row of mproc.3.
while read -r option; do
	grep -qE "^\.It .*\\b$option\\b" "$top_srcdir/doc/mproc.3" ||
	    fault "option $option: not in the table of mproc.3"
done < <(awk '/^struct mproc_options \{/ { on = 1; next } /^};/ { on = 0 }
    on { sub(/;.*/, ""); sub(/.*[ \t*]/, ""); print }' \
    "$top_srcdir/include/mproc/process.h")

# A page's references are pages that are there, or of another section.
while read -r page; do
	[ -e "$top_srcdir/doc/$page" ] || fault "$page: referred to, not there"
done < <(sed -nE 's/^.*Xr (mproc[a-z_-]*) ([0-9]).*/\1.\2/p' \
    "$top_srcdir"/doc/*.[13] | sort -u)

if command -v mandoc >/dev/null; then
	mandoc -Tlint -Wwarning "$top_srcdir"/doc/*.[13] ||
	    fault "mandoc has something to say"
fi
finish "manual pages ($n names)"
