#!/usr/bin/env bash
# thumbs.sh - run thumbs on pictures made here.
set -u
thumbs=$(realpath "$1")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
mkdir small

# picture WIDTH HEIGHT BYTE... - of one colour, or of columns of several.
picture() {
	local n=$(($1 * $2 * 3))
	printf 'P6\n%d %d\n255\n' "$1" "$2"
	shift 2
	yes "$(printf '%s' "$@")" | tr -d '\n' | head -c "$n"
}

picture 256 128 abc >wide.ppm
picture 100 200 abcghi >tall.ppm
picture 10 20 xyz >tiny.ppm
picture 300 300 a | head -c 1000 >cut.ppm
for i in $(seq 20); do
	picture 128 128 pqr >"same$i.ppm"
done
"$thumbs" small wide.ppm tall.ppm tiny.ppm
"$thumbs" small cut.ppm missing.ppm 2>errors
echo "status $?"
sed 's/^[^:]*: //' errors
"$thumbs" small same*.ppm >many
echo "status $?, $(wc -l <many) pictures"
# each pixel of one is the mean of pixels that are all alike
tail -n +4 small/wide.ppm | tr -d abc | wc -c
tail -n +4 small/same7.ppm | head -c 6
echo
cmp small/tiny.ppm tiny.ppm && echo "small ones stay as they are"
