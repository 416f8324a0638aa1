#!/bin/sh
# links.sh ROOT PAGE...: README is short, and what a page points to is there: each file, and each heading of a page.
set -eu
root=$1
shift
wrong=0

lines=$(wc -l <"$root/README.md")
if [ "$lines" -gt 249 ]; then
    echo "README.md has $lines lines, and 249 are the most"
    wrong=1
fi

# The name GitHub gives a heading: small letters, no signs, hyphens for blanks.
headings() {
    awk '/^```/ { code = !code } /^#+ / && !code { sub(/^#+ /, ""); $0 = tolower($0); gsub(/[^a-z0-9 _-]/, ""); gsub(/ /, "-"); print }' "$1"
}

for page; do
    folder=$(dirname "$page")
    for link in $(awk '/^```/ { code = !code } !code' "$page" | grep -o '](<*[^)<> ]*)' | sed 's/^](//; s/)$//'); do
        case $link in http*) continue ;; esac
        file=${link%%#*}
        target=${file:+$folder/$file}
        target=${target:-$page}
        if [ ! -e "$target" ]; then
            echo "$page: there is no $link"
            wrong=1
        elif [ "$link" != "$file" ] && ! headings "$target" | grep -qx "${link#*#}"; then
            echo "$page: $target has no heading ${link#*#}"
            wrong=1
        fi
    done
done
exit $wrong
