# shellcheck shell=bash
# report.sh - tell of tests in a shell script as cmocka does of its own.

failed=0

# tried NAME COMMAND... - run the command, a function of the script, as a
# test; what it prints is shown when it fails.  Status 77: it was skipped.
tried() {
	local name=$1 status=0 out
	shift
	# shellcheck disable=SC2053 # it is a pattern
	[[ $name == ${TEST_FILTER:-*} ]] || return 0
	printf '[ RUN      ] %s\n' "$name"
	out=$("$@" 2>&1) || status=$?
	case $status in
	0)	printf '[       OK ] %s\n' "$name" ;;
	77)	printf '%s\n[  SKIPPED ] %s\n' "$out" "$name" ;;
	*)	printf '%s\n[  FAILED  ] %s\n' "$out" "$name"
		failed=$((failed + 1)) ;;
	esac
}

# skip WHY - the end of a test that cannot run here.
skip() {
	printf 'skipped: %s\n' "$*"
	exit 77
}

finish() {
	[ "$failed" -eq 0 ]
	exit
}
