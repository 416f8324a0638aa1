#!/bin/sh
# rooms.sh INCLUDE: every room includes only the rooms it may, Eigen stays in state/, JSON in io/, the operating
# system in io/file.hpp, and the rest is the C++ library: no intrinsics, whose header has more lines than a door.
# core/ includes packs in core/loops.hpp alone, where MSRNN_PORTABLE chooses.
# The doors on top of the rooms may include any room; config.hpp is open to all.
set -eu
cd "$1"

find msrnn -name '*.hpp' | sort | xargs awk '
    BEGIN {
        may["base"]      = "base"
        may["core"]      = "base core"
        may["policy"]    = "base core policy"
        may["lane"]      = "base core policy lane"
        may["budget"]    = "base core policy lane budget"
        may["trace"]     = "base core policy lane trace"
        may["adapt"]     = "base core policy lane adapt"
        may["simd"]      = "simd"
        may["rows"]      = "base simd rows"
        may["attention"] = "base simd rows attention"
        may["rope"]      = "base rope"
        may["state"]     = "base core policy lane simd rows attention rope state"
        may["io"]        = "base core policy lane rows state io"
    }
    function refuse(why) { print FILENAME ":" FNR ": " why; bad = 1 }
    # The file meant by a quoted name, as seen from the include folder.
    function beside(name) {
        name = folder name
        while (sub(/[^\/.]+\/\.\.\//, "", name)) {}
        return name
    }

    FNR == 1 {
        folder = FILENAME
        sub(/[^\/]*$/, "", folder)
        room = split(folder, part, "/") > 2 ? part[2] : ""
        if (room != "" && !(room in may)) refuse("no rule says what the room " room " may include")
    }
    /^[ \t]*#[ \t]*include/ {
        ++includes
        name = $0
        sub(/^[^<"]*[<"]/, "", name)
        sub(/[>"].*/, "", name)
        if ($0 ~ /include[ \t]*"/) name = beside(name)
        if (name ~ /^msrnn\//) {
            if (room == "" || name == "msrnn/config.hpp") next
            split(name, to, "/")
            if (FILENAME == "msrnn/core/loops.hpp" && name == "msrnn/simd/loops.hpp") next
            if (index(" " may[room] " ", " " to[2] " ") == 0) refuse(room " may not include " name)
        }
        else if (name ~ /^Eigen\//) { if (room != "state") refuse(name " belongs in state/ alone") }
        else if (name == "nlohmann/json.hpp") { if (room != "io") refuse(name " belongs in io/ alone") }
        else if (name ~ /^(fcntl|sys\/stat|unistd)\.h$/) {
            if (FILENAME != "msrnn/io/file.hpp") refuse("the operating system belongs in io/file.hpp alone")
        }
        else if (name !~ /^[a-z_]+$/) refuse(name " is neither ours nor of the C++ library")
    }
    END {
        if (!includes) { print "no include was read"; bad = 1 }
        exit bad
    }'
