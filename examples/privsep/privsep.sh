#!/usr/bin/env bash
# privsep.sh PROGRAM - ask a server for files, crash its parser, ask again.
set -euo pipefail
program=$1
dir=$(mktemp -d)
server=

finish() {
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

ask() {
	printf '%s: ' "$1"
	exec 3<>"/dev/tcp/127.0.0.1/$port"
	printf '%s\r\n' "$1" >&3
	timeout 10 cat <&3
	exec 3>&-
}

mkdir "$dir/plan"
echo 'all is well' >"$dir/plan/alice"
chmod 600 "$dir/plan/alice"
mkfifo "$dir/port"
"$program" 0 "$dir/plan" >"$dir/port" 2>"$dir/errors" &
server=$!
read -r -t 10 _ port <"$dir/port"

ask alice
ask bob
ask ../port

# The child that is called so; the other one is the library's helper.
parser() {
	local child children
	read -ra children <"/proc/$server/task/$server/children" || true
	for child in "${children[@]}"; do
		! grep -q Parser "/proc/$child/cmdline" || echo "$child"
	done
}
old=$(parser)
user=$(stat -c %U "/proc/$old")
[ "$(id -u)" -ne 0 ] || [ "$user" = nobody ] || echo "the parser is $user"
kill -KILL "$old"
ask alice			# waits in the listener for the next parser
grep -q 'was killed by SIGKILL' "$dir/errors" || cat "$dir/errors"

kill -INT "$server"
status=0
wait "$server" || status=$?
server=
echo "exit $status"
