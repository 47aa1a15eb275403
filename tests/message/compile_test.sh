#!/usr/bin/env bash
# compile_test.sh - what a message's user may write compiles without a
# warning, and what is wrong does not compile, with every compiler here, also
# without a warning flag.
. "${top_srcdir:-.}/tests/checks/lib.sh"

prelude='#include <mproc/message.h>
int put(const struct mproc_schema *schema, const void *args);
#define PUT(message_, ...) mproc__kwargs(message_, \
	put(MPROC_SCHEMA(message_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
int put_to(const char *base, const void *args);
#define PUT_TO(base_, message_, ...) mproc__kwargs(message_, \
	put_to((base_), &mproc__kw) __VA_OPT__(,) __VA_ARGS__)
MPROC_MESSAGE(counter, add, (int64_t, by), (const char *, label));
MPROC_MESSAGE(counter, reset);
MPROC_MESSAGE(counter, all, (bool, b), (int, i), (uint64_t, u), (double, d),
    (struct mproc_bytes, raw), (struct mproc_fd, fd),
    (struct mproc_value, v), (long long, ll));
int f(const char *text, int *number);
'
strict='-Wall -Wextra -Wconversion -Wshadow -Werror'

compile() { # LANGUAGE COMPILER... - reads the source
	local language=$1
	shift
	# shellcheck disable=SC2086 # the flags are a word list
	{ printf '%s' "$prelude"; cat; } |
	    "$@" $CHECK_CPPFLAGS -fsyntax-only -x "$language" - 2>&1
}

compilers=()
for c in $CC gcc clang; do
	case $c in -*) continue ;; esac
	case " ${compilers[*]:-} " in *" $c "*) continue ;; esac
	command -v "$c" >/dev/null 2>&1 && compilers+=("$c")
done

# good WHAT BODY - compiles as C and as C++, with strict warnings.
good() {
	local c out
	for c in "${compilers[@]}"; do
		# shellcheck disable=SC2086
		out=$(printf 'int f(const char *text, int *number)\n{ %s }\n' \
		    "$2" | compile c "$c" -std=gnu17 -O1 $strict) ||
		    fault "$c: $1 does not compile: $out"
	done
	command -v "${CXX%% *}" >/dev/null 2>&1 || return 0
	# shellcheck disable=SC2086
	out=$(printf 'int f(const char *text, int *number)\n{ %s }\n' "$2" |
	    compile c++ $CXX -std=c++17 $strict) ||
	    fault "$CXX: $1 does not compile: $out"
}

# bad WHAT WORDS BODY - does not compile as C, and the compiler says WORDS.
bad() {
	local c out
	for c in "${compilers[@]}"; do
		if out=$(printf 'int f(const char *text, int *number)\n%s\n' \
		    "{ $3 }" | compile c "$c" -std=gnu17); then
			fault "$c: $1 compiles"
		elif ! grep -qE "$2" <<<"$out"; then
			fault "$c: $1: no word of \"$2\" in: $out"
		fi
	done
}

# bad_message WHAT WORDS FIELDS
bad_message() {
	local c out
	for c in "${compilers[@]}"; do
		if out=$(printf 'MPROC_MESSAGE(bad, one, %s);\n' "$3" |
		    compile c "$c" -std=gnu17); then
			fault "$c: $1 compiles"
		elif ! grep -qE "$2" <<<"$out"; then
			fault "$c: $1: no word of \"$2\" in: $out"
		fi
	done
}

use='(void)text; (void)number; '
good 'no arguments' "$use return PUT(counter_reset);"
good 'keyword arguments' "$use return PUT(counter_add, .by = 3, .label = text);"
good 'some arguments' "$use return PUT(counter_add, .label = text);"
good 'a call inside a call' \
    "$use return PUT(counter_add, .by = PUT(counter_all, .b = true));"
good 'every type' "$use return PUT(counter_all, .b = true, .i = -1,
    .u = 1, .d = 0.5, .raw = { text, 1 }, .fd = MPROC_FD(0),
    .v = { text, 1 }, .ll = 1);"
good 'a pack in options' "$use
    struct { int x; struct mproc_pack args; } o = { .x = 1,
    .args = MPROC_PACK(counter_add, .by = 1, .label = text) };
    return put(o.args.schema, o.args.args) + o.x;"
good 'a pack without arguments' "$use
    struct mproc_pack p = MPROC_PACK(counter_reset); return p.args != NULL;"
good 'untyped set and get' "$use
    struct mproc_msg *m; int64_t n = 0; long l = 0; long long ll = 0;
    uint64_t u = 0; const char *s = text; double d = 0;
    if (mproc_msg_new(\"x\", &m) < 0 || mproc_msg_set(m, \"n\", 1) < 0 ||
	mproc_msg_set(m, \"s\", \"text\") < 0 ||
	mproc_msg_set(m, \"d\", 0.5) < 0 || mproc_msg_set(m, \"u\", u) < 0 ||
	mproc_msg_set(m, \"fd\", MPROC_FD(0)) < 0 ||
	mproc_msg_get(m, \"n\", &n) < 0 || mproc_msg_get(m, \"n\", &l) < 0 ||
	mproc_msg_get(m, \"n\", &ll) < 0 || mproc_msg_get(m, \"n\", &u) < 0 ||
	mproc_msg_get(m, \"n\", &d) < 0 || mproc_msg_get(m, \"s\", &s) < 0)
	    return 1;
    return mproc_args(m, counter_add) == NULL;"

bad 'a field that is not there' "no member|does not refer to any field" \
    'return PUT(counter_add, .bye = 3);'
bad 'a pointer for an integer' 'incompatible|makes integer from pointer' \
    'return PUT(counter_add, .by = text);'
bad 'an integer for a pointer' 'incompatible|makes pointer from integer' \
    'return PUT(counter_add, .label = 3);'
bad 'a pointer of another type' 'incompatible' \
    'return PUT(counter_add, .label = number);'
bad 'an argument without a name' 'positional|incompatible type|requires explicit' \
    'return PUT(counter_add, 3);'
bad 'a descriptor without MPROC_FD' 'braces' \
    'return PUT(counter_all, .fd = 3);'
bad 'bytes without a size' 'braces' \
    'return PUT(counter_all, .raw = text);'
bad 'another object to call' 'incompatible|makes integer from pointer' \
    'return PUT_TO(number, counter_reset);'
bad 'a name and then none' 'positional|incompatible type|requires explicit' \
    'return PUT(counter_add, .by = 3, text);'
bad 'an argument for none' 'no member|does not refer to any field' \
    'return PUT(counter_reset, .by = 3);'
bad 'a message that was not declared' 'incomplete type|undeclared' \
    'return PUT(counter_sub, .by = 3);'
bad 'a set of no type that travels' '_Generic|controlling' \
    'return mproc_msg_set((struct mproc_msg *)0, "x", number);'
bad 'a get of no type that travels' '_Generic|controlling' \
    'short s; return mproc_msg_get((struct mproc_msg *)0, "x", &s);'

bad_message 'a float' '_Generic|controlling' '(float, x)'
bad_message 'a char *' '_Generic|controlling' '(char *, x)'
bad_message 'a short' '_Generic|controlling' '(short, x)'
bad_message 'an unsigned int' '_Generic|controlling' '(unsigned, x)'
bad_message 'a struct' '_Generic|controlling|incomplete' '(struct x, x)'
bad_message 'a name twice' 'duplicate' '(int, x), (int, x)'
bad_message 'a name of 32 bytes' 'at most 31 bytes' \
    '(int, a_name_of_32_bytes_is_1_too_many)'
fields=
for i in $(seq 1 33); do
	fields="$fields${fields:+, }(int, f$i)"
done
bad_message '33 fields' 'at most 32 fields' "$fields"
bad_message '34 fields' 'at most 32 fields' "$fields, (int, f34)"

[ "${#compilers[@]}" -gt 0 ] || fault 'no compiler'
finish "messages with ${compilers[*]}"
