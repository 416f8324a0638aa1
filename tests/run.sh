#!/bin/sh
# run.sh [PRESET...]: installs what is missing, then configures, builds and runs the tests; presets: test, clang, asan, tsan.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- test

for preset; do
    compiler=
    case $preset in clang | asan) compiler=clang ;; esac
    sh .ci/install g++ $compiler cmake ninja-build libeigen3-dev libcli11-dev libpcre2-dev catch2 nlohmann-json3-dev libbenchmark-dev \
        pkg-config
    [ "$preset" != asan ] || sh .ci/install "libclang-rt-$(clang++ -dumpversion | cut -d. -f1)-dev"
    cmake --workflow --preset "$preset"
done
