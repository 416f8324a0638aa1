#!/bin/sh
# onnxruntime.sh [FOLDER]: fetches ONNX Runtime, exports our own small model for it, builds examples/onnxruntime, and
# checks it against our own decoder. FOLDER (default: $TMPDIR/msrnn-onnxruntime) keeps what was fetched and built for the
# next time. Needs x86-64, a network, python3 with pip and venv, CMake, a C++20 compiler and what the programs need; and
# for the headers apt-get, or FOLDER/install/include filled by hand. TOKENS=20000 is the length of the endless text.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-${TMPDIR:-/tmp}/msrnn-onnxruntime}
tokens=${TOKENS:-20000}
version=1.32.0
wheel=onnxruntime-$version-cp311-cp311-manylinux_2_28_x86_64.whl
wheel_sum=5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d
headers=1.21.0+dfsg-1 # the headers of an older version will do: their API is part of every later library
headers_sum=14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08
mkdir -p "$folder/install/include" "$folder/install/lib"
cd "$folder"
folder=$PWD

fail() {
    echo "onnxruntime.sh: $*" >&2
    exit 1
}
is_whole() { echo "$2  $1" | sha256sum --check --status 2>/dev/null; }

# The library is in a wheel of PyPI, which has no headers #########################################################
if ! is_whole "$wheel" "$wheel_sum"; then
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --python-version 3.11 \
        --platform manylinux_2_28_x86_64 "onnxruntime==$version" || fail "PyPI does not give onnxruntime $version."
    is_whole "$wheel" "$wheel_sum" || fail "$wheel has another SHA-256 than $wheel_sum."
fi
if [ ! -e "install/lib/libonnxruntime.so.$version" ]; then
    python3 -m zipfile -e "$wheel" content
    mv "content/onnxruntime/capi/libonnxruntime.so.$version" install/lib
    rm -r content
fi
ln -sf "libonnxruntime.so.$version" install/lib/libonnxruntime.so.1
ln -sf libonnxruntime.so.1 install/lib/libonnxruntime.so

# The headers are in a package of Debian 13. Where apt knows an older Debian only, it gets lists of its own here ####
package=libonnxruntime-dev_${headers}_amd64.deb
if [ ! -e install/include/onnxruntime_cxx_api.h ]; then
    if ! is_whole "$package" "$headers_sum" && ! apt-get -q download "libonnxruntime-dev=$headers" 2>/dev/null; then
        mkdir -p apt/lists/partial apt/cache/archives/partial
        site=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
        [ -n "$site" ] || fail "apt knows no Debian; put the headers of ONNX Runtime $version or older in $folder/install/include."
        key=/usr/share/keyrings/debian-archive-keyring.gpg
        echo "deb [arch=amd64 signed-by=$key] $site trixie main" >apt/sources.list
        set -- -q -o "Dir::Etc::SourceList=$folder/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
            -o "Dir::State::Lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache"
        apt-get "$@" update >apt.log 2>&1 || fail "apt-get update fails: see apt.log in $folder."
        apt-get "$@" download "libonnxruntime-dev=$headers" >>apt.log 2>&1 || fail "Debian does not give the headers: see apt.log in $folder."
    fi
    is_whole "$package" "$headers_sum" || fail "$package has another SHA-256 than $headers_sum."
    dpkg-deb -x "$package" content
    mv content/usr/include/onnxruntime/* install/include
    rm -r content
fi

# Our own model as a graph, and our programs ########################################################################
[ -e venv/bin/python ] || python3 -m venv venv
venv/bin/python -m pip --disable-pip-version-check install --quiet onnx==1.23.2 gguf==0.19.0 numpy==2.4.6
venv/bin/python "$here/examples/onnxruntime/export.py" "$here/examples/models/english-prose.gguf" own.onnx
cmake -S "$here" -B build -DCMAKE_BUILD_TYPE=Release -DONNXRUNTIME_DIR="$folder/install" -DMSRNN_BUILD_TESTS=OFF \
    -DMSRNN_BUILD_BENCH=OFF -DMSRNN_INSTALL=OFF >build.log
nice cmake --build build --target onnxruntime_generate onnxruntime_perplexity generate compare_policies >>build.log
bin=$folder/build/examples
generate() { "$bin/onnxruntime_generate" --onnx own.onnx "$@" 2>log; }

prompt="The old man went down to the sea because"
"$bin/generate" --temperature 0 --prompt "$prompt" --tokens 300 >own.txt 2>log
generate --policy full --prompt "$prompt" --tokens 300 >full.txt
cmp -s own.txt full.txt || fail "a full cache writes another text than our own decoder: see own.txt and full.txt in $folder."
for policy in h2o tova key-norm sink-window caote; do
    generate --policy $policy --budget 400 --prompt "$prompt" --tokens 300 >unbounded.txt
    cmp -s own.txt unbounded.txt || fail "$policy with a budget above the length writes another text."
    generate --policy $policy --budget 400 --batch 8 --prompt "$prompt" --tokens 300 >unbounded.txt
    cmp -s own.txt unbounded.txt || fail "$policy with a prompt in one piece writes another text."
done
for policy in h2o tova sink-window; do
    "$bin/generate" --temperature 0 --policy $policy --budget 64 --prompt "$prompt" --tokens 300 >own.txt 2>log
    generate --policy $policy --budget 64 --prompt "$prompt" --tokens 300 >bounded.txt
    cmp -s own.txt bounded.txt || fail "$policy with a budget of 64 writes another text than our own decoder."
done
echo "A full cache, budgets above the length and budgets of 64 write our own decoder's text."

# Perplexity of two windows of 512 tokens, within 0.1 % of compare_policies; and the tokens that are kept #############
policies=full,window,sink-window,tova,tova-head,h2o,decayed,key-norm,r-kv,keyformer,caote,islands-by-weights
"$bin/compare_policies" --window 512 --tokens 1022 --budgets 64 --policies $policies --csv own.csv >own.log
"$bin/onnxruntime_perplexity" --onnx own.onnx --window 512 --windows 2 --budget 64 --policies $policies --beside >perplexity.log
cat perplexity.log
awk -F'[ ,]+' '
    NR == FNR { own[$1] = $5; next }
    / perplexity / { ++lines; if (!(own[$1] > 0.999 * $5 && own[$1] < 1.001 * $5)) { print $1 ": our own is " own[$1]; bad = 1 } }
    / the same tokens / && name != "key-norm" && $10 != $12 { print name ": other tokens are kept"; bad = 1 }
    { name = $1 }
    END { exit bad || lines != 12 }' own.csv perplexity.log || fail "perplexities differ by more than 0.1 %, or decisions."
echo "Perplexities are those of compare_policies within 0.1 %, decisions are the same but for equal norms."

generate --policy h2o --budget 128 --prompt "$prompt" --tokens "$tokens" >endless.txt
cat log
sed 's/.*resident \(.*\) MiB after a tenth.* and \(.*\) after all.*/\1 \2/' log | awk '{ exit !($1 > 0 && $2 < $1 + 2) }' ||
    fail "memory grew over $tokens tokens."
echo "Memory is flat over $tokens tokens."
