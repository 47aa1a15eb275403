# mproc.m4 - what configure.ac of mproc uses besides the usual macros.

# MPROC_REQUIRE(VARIABLE, MODULE, DEBIAN-PACKAGE, [OTHER-MODULE])
# Find a library by pkg-config under either name; say which package it is in
# when it is not there.
AC_DEFUN([MPROC_REQUIRE], [
	m4_ifval([$4], [PKG_CHECK_EXISTS([$2], [mproc_module="$2"],
		[mproc_module="$4"])], [mproc_module="$2"])
	PKG_CHECK_MODULES([$1], [$mproc_module], [], [
		AC_MSG_ERROR([$mproc_module was not found by pkg-config: $$1_PKG_ERRORS
Install it, on Debian with: apt-get install $3])])
	AC_SUBST([$1_MODULE], [$mproc_module])
])

# MPROC_ENABLE(FEATURE, DEFAULT, HELP)
AC_DEFUN([MPROC_ENABLE], [
	AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [$3])],
		[], [AS_VAR_SET([enable_$1], [$2])])
])

# MPROC_OPTIONS - the --enable switches of this package and their flags.
AC_DEFUN([MPROC_OPTIONS], [
	AC_ARG_ENABLE([tests], [AS_HELP_STRING([--disable-tests],
		[do without cmocka and the tests])], [], [enable_tests=yes])
	MPROC_ENABLE([werror], [no], [treat warnings as errors])
	MPROC_ENABLE([coverage], [no], [build for gcov])
	MPROC_ENABLE([fuzzers], [no], [build the libFuzzer programs (CC=clang)])
	AC_ARG_ENABLE([sanitizers], [AS_HELP_STRING([--enable-sanitizers=LIST],
		[build with -fsanitize=LIST, as address,undefined or thread])],
		[], [enable_sanitizers=no])
	AS_IF([test "x$enable_sanitizers" = xyes],
		[enable_sanitizers=address,undefined])

	MPROC_CFLAGS= MPROC_LDFLAGS="-Wl,-z,defs" WERROR= FUZZ_LDFLAGS=
	AS_IF([test "x$enable_werror" = xyes], [WERROR=-Werror])
	AS_IF([test "x$enable_fuzzers" = xyes], [
		AS_IF([test "x$enable_sanitizers" = xno],
			[enable_sanitizers=address,undefined])
		FUZZ_LDFLAGS=-fsanitize=fuzzer
		MPROC_CFLAGS="$MPROC_CFLAGS -fsanitize=fuzzer-no-link"])
	# A sanitizer's runtime is linked into programs only, so a shared
	# library is left with undefined names.
	AS_IF([test "x$enable_sanitizers" != xno], [
		MPROC_LDFLAGS="-fsanitize=$enable_sanitizers"
		MPROC_CFLAGS="$MPROC_CFLAGS -fsanitize=$enable_sanitizers"
		MPROC_CFLAGS="$MPROC_CFLAGS -fno-sanitize-recover=all"
		MPROC_CFLAGS="$MPROC_CFLAGS -fno-omit-frame-pointer"])
	AS_IF([test "x$enable_coverage" = xyes], [
		MPROC_CFLAGS="$MPROC_CFLAGS --coverage -O0 -DMPROC_COVERAGE"
		MPROC_LDFLAGS="$MPROC_LDFLAGS --coverage"])
	MPROC_TRY_FLAGS([$MPROC_CFLAGS $MPROC_LDFLAGS])

	# The sanitizers' fixed shadow addresses and much randomisation of
	# addresses do not go together on every kernel.
	NO_ASLR=
	AS_IF([test "x$enable_sanitizers" != xno &&
	    setarch "$host_cpu" -R true 2>/dev/null],
		[NO_ASLR="setarch $host_cpu -R"])
	AC_SUBST([NO_ASLR])

	AC_SUBST([MPROC_CFLAGS])
	AC_SUBST([MPROC_LDFLAGS])
	AC_SUBST([WERROR])
	AC_SUBST([FUZZ_LDFLAGS])
	# What tests/lib/alloc_fail.c and sys_fail.c can make fail.
	TEST_WRAP_LDFLAGS=
	for mproc_f in malloc calloc realloc reallocarray free strdup strndup \
	    asprintf vasprintf posix_memalign aligned_alloc \
	    dup3 epoll_create1 epoll_ctl epoll_wait eventfd fcntl fork \
	    ftruncate memfd_create mmap pipe2 poll read recv recvmsg send \
	    sendmsg socketpair timerfd_create timerfd_settime write
	do
		TEST_WRAP_LDFLAGS="$TEST_WRAP_LDFLAGS -Wl,--wrap=$mproc_f"
	done
	AC_SUBST([TEST_WRAP_LDFLAGS])
	AM_CONDITIONAL([FUZZERS], [test "x$enable_fuzzers" = xyes])
	AM_CONDITIONAL([TESTS_ENABLED], [test "x$enable_tests" = xyes])
	AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" != xno])
])

# MPROC_TRY_FLAGS(FLAGS) - fail now, and clearly, if the compiler has not got
# what the --enable switches ask for.
AC_DEFUN([MPROC_TRY_FLAGS], [
	AC_MSG_CHECKING([whether $CC can build with $1])
	mproc_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS $1"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])], [
		AC_MSG_RESULT([no])
		AC_MSG_ERROR([$CC does not take $1; fuzzers need CC=clang and, on Debian, libclang-rt-dev])])
	CFLAGS=$mproc_saved_CFLAGS
])
