#!/bin/sh
# demo.sh: installs what is missing, then builds the comparison program and runs it on its built-in model.
set -eu
cd "$(dirname "$0")/.."
sh .ci/install g++ cmake ninja-build libeigen3-dev libcli11-dev
cmake --workflow --preset demo
