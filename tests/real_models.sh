#!/bin/sh
# real_models.sh [PROGRAM [FOLDER]]: the tables of real models, by compare_policies: perplexity, needles with the question in
# the prompt and unseen, and the same token by token. Results go to FOLDER (real_models), a .txt, .json, .csv and .html each.
#
#   cmake --workflow --preset programs
#   sh examples/models/fetch.sh smollm2 gemma3
#   sh tests/real_models.sh build/programs/examples/compare_policies
#
# TEXT: what is read, long enough for 8 windows of 1,024 tokens; else the story of the tree, of which the models read what
# there is. QUICK=1: one window and one text, to see that all of it runs. A model that is not there is skipped with a line.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
program=${1:-$here/build/programs/examples/compare_policies}
folder=${2:-real_models}
models=${FETCHED:-$here/examples/models/fetched}
text=${TEXT:-$here/examples/models/story.txt}
policies=full,window,sink-window,tova,h2o,decayed,islands,key-norm,recommended-keys
tokens=8192 texts=4
[ "${QUICK:-0}" = 1 ] && tokens=1024 texts=1

if [ ! -x "$program" ]; then
    echo "real_models.sh: skipped: there is no program $program; build it with: cmake --workflow --preset programs"
    exit 0
fi
mkdir -p "$folder"

# table NAME MODEL OPTION...
table() {
    name=$1 model=$2
    shift 2
    echo "== $name"
    "$program" --model "$model" --text "$text" --bos on --policies "$policies" \
        --json "$folder/$name.json" --csv "$folder/$name.csv" --html "$folder/$name.html" "$@" | tee "$folder/$name.txt"
}

for model in smollm2:SmolLM2-135M-Instruct.Q4_1.gguf gemma3:gemma-3-270m-q4_k_m.gguf; do
    name=${model%%:*} file=$models/${model#*:}
    if [ ! -f "$file" ]; then
        echo "real_models.sh: skipped: there is no $file; bring it with: sh examples/models/fetch.sh $name"
        continue
    fi
    table "$name-perplexity" "$file" --tokens "$tokens" --window 1024 --budgets 32,64,128,256,512
    table "$name-needle" "$file" --task needle --texts "$texts" --window 1100 --budgets 128,256,512
    table "$name-needle-steps" "$file" --task needle --texts "$texts" --window 1100 --budgets 128,256,512 --chunk 1 --question unseen
done
