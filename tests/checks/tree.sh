#!/usr/bin/env bash
# tree.sh - the build and the documents know every file: each source is in
# its folder's local.mk, each public header in mproc.h, each page in
# doc/local.mk; no file has grown past one concept.
. "${top_srcdir:-.}/tests/checks/lib.sh"
cd "$top_srcdir" || exit 1

n=0

# listed FILE - is it named in a local.mk of its folder or one above?
listed() {
	local dir=$1 mk
	while [ "$dir" != . ]; do
		dir=$(dirname "$dir")
		mk=$dir/local.mk
		[ -e "$mk" ] || continue
		grep -qE "(%D%|$dir)/${1#"$dir"/}([ \t\\\\]|\$)" "$mk" &&
		    return 0
	done
	return 1
}

while read -r file; do
	n=$((n + 1))
	listed "$file" || fault "$file: in no local.mk, so not in the tarball"
	lines=$(wc -l <"$file")
	case $file in
	tests/*) limit=1000 ;;		# a list of tests grows by itself
	*) limit=650 ;;
	esac
	[ "$lines" -le "$limit" ] ||
	    fault "$file: $lines lines, is it still one concept?"
done < <(find include src tools examples bench tests -name '*.[ch]' | sort)

for file in include/mproc/*.h include/mproc/*.h.in; do
	name=mproc/$(basename "${file%.in}")
	[ -e "$file" ] || continue
	case $name in mproc/version.h) [ "$file" != "include/$name" ] || continue ;; esac
	grep -qr "#include <$name>" include/mproc.h include/mproc ||
	    fault "$file: mproc.h does not include it"
done

while read -r page; do
	grep -q "%D%/$(basename "$page")" doc/local.mk ||
	    fault "$page: not in doc/local.mk"
done < <(find doc -type f ! -name local.mk)

finish "tree ($n sources)"
