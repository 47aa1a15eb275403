# Fuzz targets.  Each is linked twice: with libFuzzer (--enable-fuzzers) and,
# always, with a main that replays its corpus for `make check`.
fuzz_targets =
