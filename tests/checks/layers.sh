#!/usr/bin/env bash
# layers.sh - the arrows of the architecture only point down: private and
# public headers are included from the same module or from below, never
# sideways inside the base layer; msgpack, sockets, processes and signals are
# known only where they belong.
. "${top_srcdir:-.}/tests/checks/lib.sh"

# What each module may include besides itself.
declare -A below=(
	[system]=""
	[message]="system"
	[channel]="system"
	[sync]="system"
	[log]="system"
	[future]="system message channel sync log"
	[process]="system message channel sync log future"
	[context]="system message channel sync log future process"
	[pool]="system message channel sync log future process"
)
# Whose concept a public header is; by default the module of its name.
declare -A owner=(
	[version]=system [error]=system [types]=system
	[function]=pool [class]=process [process]=process [backend]=process
	[supervisor]=context [select]=system [buffer]=message
)

may_include() { # MODULE OTHER
	case " $1 ${below[$1]} " in
	*" $2 "*) return 0 ;;
	esac
	return 1
}

cd "$top_srcdir" || exit 1
n=0
for file in src/*/*.[ch]; do
	[ -e "$file" ] || continue
	module=${file#src/}
	module=${module%%/*}
	n=$((n + 1))
	[ -n "${below[$module]+set}" ] ||
	    { fault "$file: a module without a layer"; continue; }
	while read -r path; do
		case $path in
		mproc.h)
			fault "$file: includes all of the public interface"
			continue ;;
		mproc/*)
			other=${path#mproc/}
			other=${other%.h}
			other=${owner[$other]:-$other} ;;
		*/*)	other=${path%%/*} ;;
		*)	other=$module ;;
		esac
		[ -n "${below[$other]+set}" ] || continue
		may_include "$module" "$other" ||
		    fault "$file: includes $path, which is not below $module"
	done < <(sed -n 's/^[ \t]*#[ \t]*include[ \t]*["<]\([^">]*\)[">].*/\1/p' \
	    "$file" | grep -E '^(mproc\.h|[a-z]+\.h|(mproc|[a-z]+)/[a-z_]+\.h)$' |
	    grep -vE '^(sys|arpa|netinet|net|linux|asm|bits|bsd|msgpack)/')
	case $module in
	message) ;;
	*) grep -nE '^[ \t]*#[ \t]*include[ \t]*<msgpack' "$file" &&
	    fault "$file: only src/message knows msgpack" ;;
	esac
	case $module in
	context|process) ;;
	*) grep -nE '^[ \t]*#[ \t]*include[ \t]*<uv' "$file" &&
	    fault "$file: only src/context knows libuv" ;;
	esac
done
cd - >/dev/null || exit 1

# only CALLS WHERE... - no other module's (or file's) objects may call these.
# Log datagrams go out in process/backend_send, come in in
# process/process_input; notifications go out in process/process_notify.
only() {
	local calls=$1 module object s
	shift
	for module in "${!below[@]}"; do
		case " $* " in *" $module "*) continue ;; esac
		while read -r object; do
			case " $* " in
			*" $module/$(basename "$object" .o) "*) continue ;;
			esac
			while read -r s; do
				fault "$(basename "$object"): $module calls $s," \
				    "only for: $*"
			done < <(undefined "$object" | grep -xE "$calls")
		done < <(objects "$module")
	done
}

only 'msgpack_.*' message
only 'socket|socketpair|bind|listen|accept4?|connect|(send|recv)(|to|from|msg|mmsg)|shutdown|[gs]etsockopt' \
    channel system process/backend_send process/process_input process/process_notify
only 'fork|vfork|_Fork|clone|clone3|exec[a-z]+|fexecve|posix_spawnp?|waitid|waitpid|wait4|kill|killpg|signal|sigaction|sigprocmask|pthread_sigmask|prctl|pidfd_.*' \
    process system context/signal
only 'uv_.*' context process

[ "$n" -gt 0 ] || fault "no sources found"
objects . | grep -q . || fault "no objects found"
undefined "$(objects system | head -n 1)" | grep -q . ||
    fault "no undefined names found"
finish "layers ($n files)"
