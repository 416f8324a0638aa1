# awk -f filter.awk HEADER: what doxygen reads of a header. Names lie in msrnn, not in the inline namespace that macros
# name. What is protected, or defaulted, is no interface. A comment at the head of a header is the header's. A member that
# has no doc line gets the one of its word in .docs/words, if it is there: hooks of policies, sizes, strides.
BEGIN {
    while ((getline line < ".docs/words") > 0)
        if (line !~ /^#/) {
            split(line, word, "\t")
            meaning[word[1]] = word[2]
        }
}
# The name that a declaration gives, in the first line of it.
function named(line,   name) {
    if (match(line, /operator[^ (]*(\(\))? *\(/)) {
        name = substr(line, RSTART, RLENGTH)
        sub(/ *\($/, "", name)
        return name
    }
    if (!match(line, /[A-Za-z_][A-Za-z_0-9]* *[(=;{]/)) return ""
    name = substr(line, RSTART, RLENGTH)
    gsub(/[ (=;{]/, "", name)
    return name
}
# What was held back, the first line of a template, then the line itself.
function put(line,   name, indent) {
    match(line, /^ */)
    indent = RLENGTH
    if (!described && line !~ /\/\/\/</ && line !~ /^ *(\/\/|#|}|using [^=]*;|return|if |public|private|namespace)/ &&
        ((inside && indent == 4) || (indent == 0 && line ~ /\(|^concept /))) {
        name = named(line)
        if (inside && (type "::" name) in meaning) name = type "::" name
        if (name != type && name in meaning) {
            printf "%*s/// %s\n", indent, "", meaning[name]
            if (SHOW) print type "::" name " in " FILENAME | "cat 1>&2"
        }
    }
    printf "%s", held
    held = ""
    described = 0
    print line
}
{
    gsub(/msrnn::inline MSRNN_ABI/, "msrnn")
    sub(/^protected:/, "private:")
}
/= default;/ { next }
/^#define MSRNN_(ISA|PASTE|LOOPS)/ || pasting { pasting = /\\$/; next }
/^\/\/\// { comment = comment $0 "\n"; next }
comment != "" {
    if (/^namespace / || /^#(pragma|include)/ || /^$/) comment = "/// @file\n" comment
    printf "%s", comment
    comment = ""
    described = 1
}
/^(struct|class) [A-Za-z]/ { inside = /\{/; type = $2; sub(/[^A-Za-z0-9].*/, "", type) }
/^};/ { inside = 0 }
/^ +\/\/\// { printf "%s", held; held = ""; print; described = 1; next }
/^ *template </ && !/[;{]$/ { held = held $0 "\n"; next }
{ put($0) }
