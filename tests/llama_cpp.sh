#!/bin/sh
# llama_cpp.sh [FOLDER]: builds llama.cpp outside of this tree, builds examples/llama_cpp with it, and checks them with
# SmolLM2-135M. FOLDER (default: $TMPDIR/msrnn-llama.cpp) keeps what was built and fetched for the next time.
# Needs a network, python3 with pip, CMake, a C++20 compiler, what our large examples need, and ports 50152 and 50153 of
# this machine. TOKENS=20000 is the length of the endless text; JOBS=2 files are compiled at once; RUN="nice -n 19"
# stands before each of our programs; GEMMA=yes reads Gemma 3, too, 250 MB more.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-${TMPDIR:-/tmp}/msrnn-llama.cpp}
tokens=${TOKENS:-20000}
jobs=${JOBS:-2}
version=0.3.36
sum=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
mkdir -p "$folder"
cd "$folder"

fail() {
    echo "llama_cpp.sh: $*" >&2
    exit 1
}

# llama.cpp, as the sdist of llama-cpp-python $version carries it #################################################
archive=llama_cpp_python-$version.tar.gz
if ! echo "$sum  $archive" | sha256sum --check --status 2>/dev/null; then
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --no-binary llama-cpp-python \
        "llama-cpp-python==$version" || fail "PyPI does not give llama-cpp-python $version."
    echo "$sum  $archive" | sha256sum --check --status || fail "$archive has another SHA-256 than $sum."
fi
source=llama_cpp_python-$version/vendor/llama.cpp
[ -d "$source" ] || tar xzf "$archive"
if [ ! -e install/include/llama.h ]; then
    cmake -S "$source" -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$folder/install" \
        -DCMAKE_INSTALL_LIBDIR=lib "-DCMAKE_INSTALL_RPATH=\$ORIGIN" -DGGML_NATIVE=ON -DGGML_RPC=ON -DLLAMA_BUILD_COMMON=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF \
        -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF >configure.log
    cmake --build build --parallel "$jobs" >build.log
    cmake --install build >install.log
fi
${CXX:-c++} -std=c++17 -O1 -Iinstall/include "$source/examples/simple/simple.cpp" -Linstall/lib -lllama -lggml \
    -lggml-base -Wl,-rpath,"$folder/install/lib" -o simple
cat >server.cpp <<END
#include <ggml-backend.h>
#include <ggml-rpc.h>
int main(int, char** arguments) {
    ggml_backend_load_all();
    ggml_backend_dev_t processor = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_backend_rpc_start_server(arguments[1], nullptr, 1, 1, &processor);
}
END
${CXX:-c++} -std=c++17 -O1 -Iinstall/include server.cpp -Linstall/lib -lggml -lggml-base -lggml-rpc \
    -Wl,-rpath,"$folder/install/lib" -o server

# our programs ######################################################################################################
grep -qx "CMAKE_HOME_DIRECTORY:INTERNAL=$here" examples/CMakeCache.txt 2>/dev/null || rm -rf examples # of another tree
cmake -S "$here" -B examples -DCMAKE_BUILD_TYPE=Release -DLLAMA_CPP_DIR="$folder/install" -DMSRNN_BUILD_TESTS=OFF \
    -DMSRNN_BUILD_BENCH=OFF -DMSRNN_INSTALL=OFF >examples.log
cmake --build examples --parallel "$jobs" --target llama_cpp >>examples.log
model=$(FETCHED="$folder/models" sh "$here/examples/models/fetch.sh" smollm2)
story=$here/examples/models/story.txt
generate() { ${RUN:-} "$folder"/examples/examples/llama_cpp_generate model="$model" threads=1 "$@"; }
perplexity() { ${RUN:-} "$folder"/examples/examples/llama_cpp_perplexity model="$model" threads=1 text="$story" "$@"; }

prompt="The old man went down to the sea because"
generate prompt="$prompt" policy=full tokens=60 >full.txt 2>log
./simple -m "$model" -n 60 "$prompt" >simple.txt 2>log
[ "$(printf '%s' "$prompt"; cat full.txt)" = "$(cat simple.txt)" ] ||
    fail "a full cache writes another text than llama.cpp's own simple: see full.txt and simple.txt in $folder."
generate prompt="$prompt" policy=full flash=off tokens=60 >full_off.txt 2>log
for lanes in model layer kv_head; do
    generate prompt="$prompt" policy=h2o budget=400 lanes=$lanes tokens=60 >h2o.txt 2>log
    cmp -s h2o.txt full_off.txt || fail "h2o with a budget above the length writes another text, lanes=$lanes."
    generate prompt="$prompt" policy=key-norm budget=400 lanes=$lanes tokens=60 >keys.txt 2>log
    cmp -s keys.txt full.txt || fail "key-norm with a budget above the length writes another text, lanes=$lanes."
done
echo "A full cache and budgets above the length write llama.cpp's own text."

last_logits() { sed 's/.*last logits \(.*\)]/\1/' log; }
for lanes in model kv_head; do
    for policy in h2o key-norm; do
        set -- policy=$policy budget=200 batch=100 lanes=$lanes endless=yes
        generate "$@" prompt_file="$story" prompt_tokens=300 tokens=40 save=state save_after=20 >/dev/null 2>log
        straight=$(last_logits)
        generate "$@" load=state tokens=20 >/dev/null 2>log
        [ "$straight" = "$(last_logits)" ] || fail "$policy with lanes=$lanes goes on with other bits from its file."
    done
done
echo "Saved states go on bit for bit."

# The same file and the same text through our own decoder: the same victims.
prose=$here/examples/models/english-prose.gguf
decisions() { ${RUN:-} "$folder"/examples/examples/llama_cpp_decisions threads=1 text="$story" "$@"; }
decisions model="$prose" floats=prose.f32.gguf policies=h2o,tova,islands-by-weights &&
    decisions model="$prose" floats=prose.f32.gguf lanes=kv_head policies=h2o,key-norm &&
    decisions model="$model" floats=smollm2.f32.gguf policies=h2o,tova tokens=300 ||
    fail "llama.cpp and our own decoder forget other tokens under the same policy."

# Layers on two servers: weights and keys are read from another process.
./server 127.0.0.1:50152 >server1.log 2>&1 &
servers=$!
./server 127.0.0.1:50153 >server2.log 2>&1 &
servers="$servers $!"
trap 'kill $servers' EXIT
trap 'exit 1' INT TERM HUP
sleep 1
for policy in h2o key-norm; do
    set -- policy=$policy budget=200 batch=100 endless=yes prompt_file="$story" prompt_tokens=300 tokens=40
    generate "$@" >/dev/null 2>log
    here_logits=$(last_logits)
    generate "$@" servers=127.0.0.1:50152,127.0.0.1:50153 >/dev/null 2>log
    [ "$here_logits" = "$(last_logits)" ] || fail "$policy gives other bits where the layers lie on two servers."
done
echo "With its layers on two servers of llama.cpp's RPC backend: the same bits."

# perplexity over 1,500 tokens of story.txt, within 0.5 %: x86-64 with AVX-512, llama.cpp $version
while read -r policy lanes expected; do
    line=$(perplexity policy=$policy lanes=$lanes)
    echo "$line" | awk -v expected="$expected" \
        '{ for (i = 1; i < NF; ++i) if ($i == "perplexity") exit !($(i + 1) > 0.995 * expected && $(i + 1) < 1.005 * expected) }' ||
        fail "expected $expected: $line"
    echo "$line"
done <<END
full model 26.799
window model 56.316
sink-window model 32.471
tova model 34.013
h2o model 33.110
decayed model 32.686
key-norm model 32.534
random model 47.371
tova layer 32.003
h2o layer 31.494
h2o kv_head 29.767
decayed kv_head 31.304
key-norm kv_head 33.633
END

# Windowed layers are left alone: a budget that is never reached changes nothing, one of 560 tokens little.
if [ -n "${GEMMA:-}" ]; then
    smollm2=$model
    model=$(FETCHED="$folder/models" sh "$here/examples/models/fetch.sh" gemma3)
    of_gemma() { perplexity tokens=640 batch=20 "$@" | sed 's/.* perplexity \([0-9.]*\) .*/\1/'; }
    full=$(of_gemma policy=full flash=off)
    [ "$full" = "$(of_gemma policy=h2o budget=640)" ] || fail "Gemma 3: h2o with a budget of the whole text differs from $full."
    bounded=$(of_gemma policy=h2o budget=560)
    echo "$full $bounded" | awk '{ exit !($2 != $1 && $2 > 0.995 * $1 && $2 < 1.005 * $1) }' ||
        fail "Gemma 3: perplexity $full with the full cache, and $bounded with a budget of 560."
    echo "Gemma 3: perplexity $full with the full cache, $bounded with h2o in its global layers and a budget of 560."
    model=$smollm2
fi

# The programs that compare caches with each other, in short.
for program in "throughput cells=1024 tokens=256 steps=8 parts=1 policies=full,h2o budget=31" \
    "side_by_side tokens=400 facts=2 budget=255 policies=shift,sink-window,kv_head/h2o"; do
    # shellcheck disable=SC2086 # a program and its options
    ${RUN:-} "$folder"/examples/examples/llama_cpp_$program model="$model" text="$story" threads=1 || fail "$program fails."
done

generate prompt_file="$story" prompt_tokens=400 policy=h2o budget=255 batch=1 tokens="$tokens" endless=yes >endless.txt 2>log
cat log
sed 's/.*resident \(.*\) MiB before and \(.*\) after.*/\1 \2/' log | awk '{ exit !($2 < $1 + 4) }' ||
    fail "memory grew over $tokens tokens."
echo "Memory is flat over $tokens tokens."
