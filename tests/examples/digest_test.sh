#!/usr/bin/env bash
# digest_test.sh - digest prints what sha256sum(1) prints, whatever happens.
# shellcheck disable=SC2317 # the functions are called, by tried
set -u
. "${top_srcdir:=.}/tests/examples/report.sh" || exit 1
: "${top_builddir:=.}"
digest=$PWD/$top_builddir/examples/digest/digest
pty=$PWD/$top_builddir/tests/examples/pty
case $top_builddir in
/*)	digest=$top_builddir/examples/digest/digest
	pty=$top_builddir/tests/examples/pty ;;
esac
unset LC_ALL
export LANG=C.UTF-8

# as_sha256sum PATH... - the same output, messages and status, for files.
as_sha256sum() {
	local theirs=0 ours=0
	sha256sum -- "$@" >"$tmp/theirs" 2>"$tmp/theirs.errors" || theirs=$?
	"$digest" -q -- "$@" >"$tmp/ours" 2>"$tmp/errors" || ours=$?
	sed -i 's/^sha256sum: /digest: /' "$tmp/theirs.errors"
	cmp "$tmp/theirs" "$tmp/ours" &&
	    diff "$tmp/theirs.errors" "$tmp/errors" &&
	    [ "$theirs" -eq "$ours" ]
}

# tree_as_sha256sum DIR [OPTION...] - the same for what is below DIR.
tree_as_sha256sum() {
	local dir=$1
	shift
	find "$dir" -type f -print0 | LC_ALL=C sort -z |
	    xargs -0 sha256sum -- >"$tmp/theirs"
	"$digest" -q "$@" -- "$dir" >"$tmp/ours" &&
	    cmp "$tmp/theirs" "$tmp/ours"
}

# until_true COMMAND... - wait for it, at most 20 s.
until_true() {
	local i
	for ((i = 0; i < 400; i++)); do
		! "$@" || return 0
		sleep 0.05
	done
	printf 'waited in vain: %s\n' "$*"
	return 1
}

gone() {
	[ ! -e "/proc/$1" ]
}

# children PID - its child processes.
children() {
	cat "/proc/$1/task/$1/children" 2>/dev/null
}

# hashers PID - those of them that are hashers.
hashers() {
	local child
	for child in $(children "$1"); do
		! grep -q 'Hasher hasher-' "/proc/$child/cmdline" 2>/dev/null ||
		    echo "$child"
	done
}

# reads_fifo PID - has a hasher of that digest tree/fifo open?
reads_fifo() {
	local child
	for child in $(hashers "$1"); do
		if find "/proc/$child/fd" -lname '*/tree/fifo' 2>/dev/null |
		    grep -q .; then
			return 0
		fi
	done
	return 1
}

make_tree() {
	mkdir -p tree/a tree/a.d tree/a0 tree/empty "tree/sp ace"
	printf one >tree/a/one
	printf two >tree/a.d/two
	printf three >tree/a0/three
	printf dash >tree/a-
	: >tree/none
	: >tree/a/none
	printf x >"tree/sp ace/and more"
	printf x >tree/$'new\nline'
	printf x >tree/$'carriage\rreturn'
	printf x >'tree/back\slash'
	printf x >tree/$'bad\377utf8\200'
	printf x >'tree/ä'
	printf x >"tree/it's"
	printf x >tree/-dash
	printf x >tree/$'\n'
	ln -s a/one tree/link
	ln -s a tree/linked_dir
	ln -s nowhere tree/dangling
	mkfifo tree/fifo
	head -c 1000000 /dev/zero >tree/large
}

odd_names() {
	tree_as_sha256sum tree && tree_as_sha256sum tree/ &&
	    tree_as_sha256sum tree -j 1 && tree_as_sha256sum tree -j 5 &&
	    (cd tree && tree_as_sha256sum .)
}

order_of_the_command_line() {
	as_sha256sum tree/none tree/large tree/a/one tree/link /dev/null \
	    tree/$'new\nline' tree/none 'tree/back\slash' tree/-dash
}

many_files() {
	local i
	mkdir many
	for ((i = 0; i < 3000; i++)); do
		printf '%d' "$i" >"many/$((i * 7919 % 3000))"
	done
	tree_as_sha256sum many
}

messages() {
	(cd tree && as_sha256sum none 'no such' "wouldn't" '' $'a\nb' \
	    $'a\tb' $'\377' 'a\b' 'a"b' '#a' 'a#' '{' '{}' '~' 'a~' 'a:b' \
	    'a=b' 'ö' "\$x" "it's a" none dangling a/one/x)
}

unreadable() {
	local as=()
	if [ "$(id -u)" -eq 0 ]; then
		as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		"${as[@]}" test -x "$digest" -a -w out ||
		    skip "the user nobody cannot reach the program"
	fi
	mkdir secret secret/dir
	printf x >secret/a
	printf x >secret/b
	chmod 0 secret/a secret/dir
	"${as[@]}" sha256sum secret/a secret/b >theirs 2>theirs.errors
	echo 'digest: secret/dir: Permission denied' >>theirs.errors
	sed -i 's/^sha256sum: /digest: /' theirs.errors
	"${as[@]}" "$digest" -q secret >out/ours 2>out/errors
	[ $? -eq 1 ] && diff theirs out/ours && diff theirs.errors out/errors
}

verified_by_sha256sum() {
	"$digest" -q tree >sums && sha256sum -c --quiet sums
}

full_device() {
	"$digest" -q tree >/dev/full 2>errors
	[ $? -eq 1 ] && grep -qx 'digest: write error: No space .*' errors
}

usage() {
	"$digest" 2>errors
	[ $? -eq 2 ] && grep -q '^usage: ' errors || return 1
	"$digest" -j 0 tree 2>errors
	[ $? -eq 2 ]
}

# A FIFO, open for writing here as 9, holds a hasher as long as we like.
killed_hasher() {
	local pid victim status=0
	exec 9<>tree/fifo
	"$digest" -q -j 2 tree/a/one tree/fifo tree/none tree/large \
	    >ours 2>errors 9>&- &
	pid=$!
	until_true reads_fifo "$pid" || return 1
	for victim in $(hashers "$pid"); do
		kill -KILL "$victim" || return 1
		until_true gone "$victim" || return 1
	done
	until_true reads_fifo "$pid" || return 1
	printf fifo >&9
	exec 9>&-
	wait "$pid" || status=$?
	cat errors
	{
		sha256sum tree/a/one
		printf fifo | sha256sum | sed 's|-$|tree/fifo|'
		sha256sum tree/none tree/large
	} >theirs
	[ "$status" -eq 0 ] && diff theirs ours &&
	    grep -q 'killed by SIGKILL.*done again$' errors
}

file_that_kills() {
	local pid victim status=0
	exec 9<>tree/fifo
	"$digest" -q -j 1 tree/fifo tree/none >ours 2>errors 9>&- &
	pid=$!
	for _ in 1 2 3; do
		until_true reads_fifo "$pid" || return 1
		victim=$(hashers "$pid")
		kill -KILL "$victim" || return 1
		until_true gone "$victim" || return 1
	done
	wait "$pid" || status=$?
	exec 9>&-
	cat errors
	[ "$status" -eq 1 ] && sha256sum tree/none | diff - ours &&
	    grep -qx 'digest: tree/fifo: each process that read it died' errors
}

# One line, status 130, within 2 s (here 4, for slow builds), nothing left.
interrupted() {
	local pattern=$1 word status ms left
	shift
	"$pty" "$pattern" "$digest" "$@" >out/typed || return 1
	cat -v out/typed
	read -r word status ms left < <(tail -n 1 out/typed)
	[ "$word" = exit ] && [ "$status" -eq 130 ] && [ "$ms" -lt 4000 ] &&
	    [ "$left" -eq 0 ] &&
	    [ "$(grep -c 'digest: interrupted after' out/typed)" -eq 1 ] &&
	    [ "$(wc -l <out/typed)" -eq 2 ]
}

interrupted_waiting() {
	interrupted 'MB/s' tree/fifo
}

interrupted_working() {
	truncate -s 64G sparse
	interrupted 'MB/s' -j 2 sparse sparse
}

killed_parent() {
	local pid child children
	exec 9<>tree/fifo
	"$digest" -q -j 2 tree/fifo >ours 2>errors 9>&- &
	pid=$!
	until_true reads_fifo "$pid" || return 1
	children=$(children "$pid")
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	exec 9>&-
	for child in $children; do
		until_true gone "$child" || return 1
	done
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
cd "$tmp" || exit 1
mkdir -m 777 out
make_tree
find /dev/shm | sort >before

for t in odd_names order_of_the_command_line many_files messages unreadable \
    verified_by_sha256sum full_device usage killed_hasher file_that_kills \
    interrupted_waiting interrupted_working killed_parent; do
	tried "$t" "$t"
done
nothing_in_dev_shm() {
	find /dev/shm | sort | diff before -
}
tried nothing_in_dev_shm nothing_in_dev_shm
finish
