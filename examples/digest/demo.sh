#!/usr/bin/env bash
# demo.sh [PATH...] - checksum a tree with digest, verify and compare it with
# sha256sum.  `./dev demo` builds everything and runs this.
set -euo pipefail
: "${top_builddir:=.}"
digest=$top_builddir/examples/digest/digest
[ $# -gt 0 ] || set -- /usr/include
export LC_ALL=C

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# timed WHAT COMMAND... - run it, keep the seconds it took in $seconds.
timed() {
	local start=$EPOCHREALTIME
	"$@"
	seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" \
	    'BEGIN { printf "%.3f", b - a }')
}

# A file that cannot be read is told of by both and is in neither output.
one_after_another() {
	xargs -0 -r sha256sum -- <"$tmp/names" >"$tmp/theirs" || true
}

at_once() {
	"$digest" -- "$@" >"$tmp/ours" || true
}

speed() {
	awk -v what="$1" -v s="$2" -v files="$files" -v bytes="$bytes" 'BEGIN {
		printf "%-10s %8.2f s %9.0f files/s %8.0f MB/s\n", what, s,
		    files / s, bytes / 1e6 / s }'
}

for path; do
	find -H "$path" -type f -print0 | sort -z
done >"$tmp/names"
files=$(tr -dc '\0' <"$tmp/names" | wc -c)
[ "$files" -gt 0 ] || { echo "no files below $*" >&2; exit 1; }
bytes=$(xargs -0 -r stat -c %s -- <"$tmp/names" |
    awk '{ n += $1 } END { printf "%.0f", n }')
printf '%s: %d files, %.0f MB, %d CPUs\n' "$*" "$files" \
    "$((bytes / 1000000))" "$(nproc)"

one_after_another 2>/dev/null	# so that both find the files in memory
timed one_after_another
theirs=$seconds
timed at_once "$@"
speed sha256sum "$theirs"
speed digest "$seconds"
awk -v a="$theirs" -v b="$seconds" \
    'BEGIN { printf "digest is %.1f times as fast\n", a / b }'

cmp "$tmp/theirs" "$tmp/ours"
echo 'the output is the same, byte for byte'
sha256sum -c --quiet "$tmp/ours"
echo 'sha256sum -c finds every sum right'
