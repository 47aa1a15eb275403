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

# includes FILE... - a line for each #include: the file, what it includes.
includes() {
	awk 'match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]*/) {
		path = substr($0, RSTART, RLENGTH)
		sub(/.*["<]/, "", path)
		print FILENAME, path
	}' "$@"
}

cd "$top_srcdir" || exit 1
files=(src/*/*.[ch])
n=${#files[@]}
for file in "${files[@]}"; do
	module=${file#src/}
	module=${module%%/*}
	[ -n "${below[$module]+set}" ] ||
	    fault "$file: a module without a layer"
done
while read -r file path; do
	module=${file#src/}
	module=${module%%/*}
	case $path in
	mproc.h)
		fault "$file: includes all of the public interface"
		continue ;;
	msgpack*)
		[ "$module" = message ] ||
		    fault "$file: only src/message knows msgpack"
		continue ;;
	uv.h|uv/*)
		[ "$module" = context ] || [ "$module" = process ] ||
		    fault "$file: only src/context knows libuv"
		continue ;;
	mproc/*)
		other=${path#mproc/}
		other=${other%.h}
		other=${owner[$other]:-$other} ;;
	*/*)	other=${path%%/*} ;;
	*)	other=$module ;;
	esac
	[ -n "${below[$other]+set}" ] || continue	# the system's
	may_include "$module" "$other" ||
	    fault "$file: includes $path, which is not below $module"
done < <(includes "${files[@]}")
cd - >/dev/null || exit 1

mapfile -t all < <(objects .)
uses=$(undefined "${all[@]}")

# only CALLS WHERE... - no other module's (or file's) objects may call these.
# Log datagrams go out in process/backend_send, come in in
# process/process_input; notifications go out in process/process_notify.
only() {
	local calls=$1 object name
	shift
	while read -r object name; do
		fault "$object calls $name, only for: $*"
	done < <(grep -E " ($calls)\$" <<<"$uses" | awk -v where="$*" '
		BEGIN { split(where, w, " "); for (i in w) may[w[i]] = 1 }
		{
			file = $1
			sub(/.*src\/(\.\/)?/, "", file)
			sub(/\.libs\//, "", file)
			sub(/\.o$/, "", file)
			module = file
			sub(/\/.*/, "", module)
			if (!(module in may) && !(file in may))
				print
		}')
}

only 'msgpack_.*' message
only 'socket|socketpair|bind|listen|accept4?|connect|(send|recv)(|to|from|msg|mmsg)|shutdown|[gs]etsockopt' \
    channel system process/backend_send process/process_input process/process_notify
only 'fork|vfork|_Fork|clone|clone3|exec[a-z]+|fexecve|posix_spawnp?|waitid|waitpid|wait4|kill|killpg|signal|sigaction|sigprocmask|pthread_sigmask|prctl|pidfd_.*' \
    process system context/signal
only 'uv_.*' context process

[ "$n" -gt 0 ] || fault "no sources found"
[ ${#all[@]} -gt 0 ] || fault "no objects found"
[ -n "$uses" ] || fault "no undefined names found"
finish "layers ($n files)"
