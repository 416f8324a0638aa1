#!/bin/sh
# real_models.sh [PROGRAM [FOLDER]]: the tables of real models, by compare_policies: perplexity in windows of 1,024 and
# 2,048 tokens, needles with the question in the prompt and unseen, each also where snap-kv selects, with equal budgets
# and as a pyramid, needles token by token, passages said again, and one long text. Results go to FOLDER (real_models): a
# .txt, .json, .csv and .html each. A table whose .json is there goes on from it: another FOLDER begins anew.
#
#   cmake --workflow --preset programs
#   sh examples/models/fetch.sh smollm2 gemma3
#   sh tests/real_models.sh build/programs/examples/compare_policies
#
# FETCHED: the folder of the models. TEXT: what is read, long enough for 8 windows of 1,024 tokens; else the story of the
# tree, of which the models read what there is. OTHER: one more text for the perplexities, windows of each in turn.
# QUICK=1: short windows of one text, to see that all of it runs (about 110 s of processor time, 1.3 GiB). A model that is
# not there is skipped with a line.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
program=${1:-$here/build/programs/examples/compare_policies}
folder=${2:-real_models}
models=${FETCHED:-$here/examples/models/fetched}
text=${TEXT:-$here/examples/models/story.txt}
policies=full,window,sink-window,tova,h2o,decayed,islands,islands-by-weights,key-norm,recommended-keys
few=full,sink-window,tova,h2o,decayed,islands,islands-by-weights,recommended-keys
tokens=8192 window=1024 budgets=32,64,128,256,512 wide=2048 more=64,128,256,512,1024
texts=2 needles=8 length=1100 some=128,256,512 long=16384 block=1024
if [ "${QUICK:-0}" = 1 ]; then
    policies=full,window,tova,islands few=full,tova,islands
    tokens=256 window=256 budgets=32,64 wide=256 more=128
    texts=1 needles=2 length=256 some=64 long=128 block=64
fi

if [ ! -x "$program" ]; then
    echo "real_models.sh: skipped: there is no program $program; build it with: cmake --workflow --preset programs"
    exit 0
fi
mkdir -p "$folder"

# table NAME MODEL OPTION...
table() {
    result=$folder/$1 model=$2 status=0
    echo "== $1"
    shift 2
    keep=--json
    [ "$again" = no ] || [ ! -f "$result.json" ] || keep=--resume
    "$program" --model "$model" --text "$text" --bos on $keep "$result.json" --csv "$result.csv" \
        --html "$result.html" "$@" >"$result.txt" || status=$?
    cat "$result.txt"
    [ "$status" = 0 ] || exit "$status"
}

for model in smollm2:SmolLM2-135M-Instruct.Q4_1.gguf gemma3:gemma-3-270m-q4_k_m.gguf; do
    name=${model%%:*} file=$models/${model#*:} again=yes
    if [ ! -f "$file" ]; then
        echo "real_models.sh: skipped: there is no $file; bring it with: sh examples/models/fetch.sh $name"
        continue
    fi
    needle="--task needle --texts $texts --needles $needles --window $length --budgets $some"
    # shellcheck disable=SC2086 # what is in $needle are options
    {
        for question in seen unseen; do
            table "$name-needle-$question" "$file" $needle --policies "$few" --question $question
            table "$name-needle-$question-snap-kv" "$file" $needle --policies full,decayed --question $question \
                --selector snap-kv
            table "$name-needle-$question-pyramid-kv" "$file" $needle --policies full,decayed --question $question \
                --selector snap-kv --budget-rule pyramid
        done
        table "$name-needle-steps" "$file" $needle --policies "$few" --question unseen --chunk 1
    }
    table "$name-copy" "$file" --task copy --texts "$texts" --needles "$needles" --window "$length" --budgets "$some" \
        --policies "$few"
    table "$name-perplexity" "$file" ${OTHER:+--text "$OTHER"} --tokens "$tokens" --window "$window" \
        --budgets "$budgets" --policies "$policies"
    table "$name-wide" "$file" --tokens "$tokens" --window "$wide" --budgets "$more" --policies "$few"
    again=no
    table "$name-stream" "$file" --task stream --tokens "$long" --window "$block" --budgets "${some%%,*}" \
        --policies "${few#full,}"
done
