#!/bin/sh
# demo.sh: installs what is missing, then builds the comparison program and runs it on our own model and story.
set -eu
cd "$(dirname "$0")/.."

sh .ci/install g++ cmake ninja-build libeigen3-dev libcli11-dev nlohmann-json3-dev libpcre2-dev
cmake --workflow --preset demo
