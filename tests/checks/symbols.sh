#!/usr/bin/env bash
# symbols.sh - what the library exports and what it uses:
# only mproc_* is exported, all of it declared in a public header and under a
# doc comment, all that is declared is exported; no named kernel objects, no
# call that ends, sleeps or prints on its user's behalf.
. "${top_srcdir:-.}/tests/checks/lib.sh"

so=$(library)
[ -n "$so" ] || skip "no shared library was built"

# NAME FLAG of every function declared in a public header; FLAG 1 where a
# comment ends right before the declaration, or the one before it has one and
# no blank line lies between.
declared() {
	local headers
	mapfile -t headers < <(public_headers)
	awk '
	FNR == 1 { doc = 0 }
	/^[a-z].*\/\*/ { sub(/\/\*.*/, ""); doc = 1 }
	/\*\/[ \t]*$/ { doc = 1; next }
	/^[ \t]*$/ { doc = 0; next }
	/^static/ { inlined = 1; next }
	inlined { if (/^}/) inlined = 0; next }
	/^(#|typedef|extern "C"|})/ { next }
	/^[ \t\/]*\*/ { next }
	/^[a-z]/ {
		line = $0
		gsub(/__attribute__ *\(\(.*\)\)/, "", line)
		if (match(line, /[ \t*]mproc_[a-z0-9][a-z0-9_]*\(/)) {
			name = substr(line, RSTART, RLENGTH - 1)
			sub(/^[ \t*]+/, "", name)
			print name, doc
		}
	}' "${headers[@]}"
}
exported() {
	# shellcheck disable=SC2086 # NM is a command and its options
	$NM -D --defined-only "$so" | awk '$2 ~ /^[TDBRWVi]$/ {
		sub(/@.*/, "", $3); print $3 }' | sort -u
}

table=$(declared | sort -u)
names=$(awk '{ print $1 }' <<<"$table" | sort -u)
exports=$(exported)
while read -r s; do
	fault "$s: not named mproc_*"
done < <($NM -D --defined-only "$so" | awk '$3 !~ /^mproc_[^_]/ { print $3 }')

while read -r s; do
	case $s in
	mproc__*|[!m]*|m[!p]*) fault "$s: must not be exported" ;;
	mproc_*) grep -qx "$s" <<<"$names" ||
	    fault "$s: exported, declared in no public header" ;;
	*) fault "$s: must not be exported" ;;
	esac
done <<<"$exports"
while read -r s; do
	grep -qx "$s" <<<"$exports" || fault "$s: declared, not exported"
done <<<"$names"
while read -r s; do
	fault "$s: no doc comment before its declaration"
done < <(awk '$2 == 0 { print $1 }' <<<"$table")

banned='sem_open|sem_init|sem_unlink|shm_open|shm_unlink|mkfifo'
banned+='|exit|abort|perror|printf|puts|putchar|vprintf'
banned+='|sleep|usleep|system|popen|wait|tmpnam|mktemp'
banned+='|uv_spawn|uv_signal_init|uv_signal_start|uv_default_loop'
mapfile -t all < <(objects .)
while read -r object s; do
	fault "${object#"$top_builddir"/}: calls $s"
done < <(undefined "${all[@]}" | grep -E " ($banned)\$")

# Of these the compiler makes some itself, so they are looked for as text.
while read -r line; do
	fault "$line"
done < <(grep -rnE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\(' \
    "$top_srcdir/src" --include='*.[ch]')

finish "symbols ($(wc -l <<<"$exports") exported)"
