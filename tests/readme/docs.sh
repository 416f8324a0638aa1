#!/bin/sh
# docs.sh ROOT: doxygen has nothing to say against the headers and pages, and would have of a name without a doc line.
set -eu
root=$1
command -v doxygen >/dev/null || { echo "skipped: there is no doxygen"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -R "$root/.docs" "$root/include" "$folder"
cd "$folder"

documented() { { cat .docs/Doxyfile; printf "GENERATE_HTML = NO\nGENERATE_XML = YES\nXML_PROGRAMLISTING = NO\n"; } | MSRNN_VERSION=0 MSRNN_DOCS=$folder doxygen - 2>said; }
documented || { cat said; exit 1; }
# planted FILE SED NAME: with it the headers are refused, and the name is told.
planted() {
    cp "include/msrnn/$1" kept
    sed -i "$2" "include/msrnn/$1"
    cmp -s kept "include/msrnn/$1" && { echo "nothing was planted in $1"; exit 1; }
    if documented || ! grep -q "$3.* is not documented" said; then
        cat said
        echo "$3 of $1 has no doc line, and nothing said so"
        exit 1
    fi
    cp kept "include/msrnn/$1"
}
planted lane/lane.hpp 's/^public:$/public:\n    void unexplained() {}/' unexplained
planted policy/tova.hpp 's/^struct Tova {$/struct Tova {\n    int unexplained = 0;/' unexplained
