#!/bin/sh
# demo.sh: installs what is missing, then builds the comparison program and runs it on our own model and story.
set -eu
cd "$(dirname "$0")/.."

# Presets with workflows came with CMake 3.25; an older one has no word for what it lacks.
require_cmake() {
    found=$(cmake --version | sed -n '1s/^cmake version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p')
    major=${found%%.*} minor=${found#*.}
    if [ "${major:-0}" -lt 3 ] || { [ "$major" -eq 3 ] && [ "$minor" -lt 25 ]; }; then
        echo "demo.sh: CMake 3.25 or newer is needed, $(command -v cmake) is ${found:-of no known version}." >&2
        exit 2
    fi
}

if command -v cmake >/dev/null; then require_cmake; fi
sh .ci/install g++ cmake ninja-build libeigen3-dev libcli11-dev nlohmann-json3-dev libpcre2-dev
require_cmake
cmake --workflow --preset demo
