// The page of tasks that report little more than a table.
#pragma once

#include <string>
#include <vector>

#include "command_html.hpp"
#include "json.hpp"
#include "llama/running.hpp"
#include "report_charts.hpp"
#include "svg.hpp"

namespace compare {

/// Up to the heading; `policies` are those that curves are drawn of.
inline std::string plain_page_begin(const std::string& title, const std::string& heading,
                                    const std::vector<std::string>& policies = {}) {
    std::string html = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>msrnn: )html";
    html += escaped(title) + R"html(</title><style>
:root { color-scheme: light dark; --paper: #fcfbf8; --ink: #22252b; --soft: #626873; --rule: #dcdad3; --heat: 40, 130, 90;
)html" + detail::colours_of(policies, false) +
            R"html(}
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e4e2dc; --soft: #9aa1ac; --rule: #343840; --heat: 70, 180, 120;
)html" + detail::colours_of(policies, true) +
            R"html(} }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2.4rem; } p { max-width: 46rem; } code span { display: inline-block; max-width: 100%; overflow-wrap: anywhere; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; width: fit-content; max-width: 100%; border-right: 1px solid var(--rule);
  background: linear-gradient(to left, rgba(128, 128, 128, .35), transparent 1.2rem) right / 100% 100% no-repeat; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; background: var(--paper); }
td, th { padding: .2rem .55rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
td:first-child, th:first-child { text-align: left; padding-left: 0; } th { color: var(--soft); font-weight: 500; } td.map { text-align: center; min-width: 2.6rem; }
tr.first td { border-top: 2px solid var(--rule); }
.charts { display: grid; gap: 1rem 2rem; grid-template-columns: 1fr; } figure { margin: 0; min-width: 0; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--rule); stroke-width: 1; } .curve { color: var(--soft); }
.curve path { fill: none; stroke: currentColor; stroke-width: 2; } .curve circle, .curve polygon { fill: currentColor; }
.curve.full { color: var(--ink); } .curve.full path { stroke-dasharray: 6 4; }
.key .full::before { background: repeating-linear-gradient(90deg, currentColor 0 6px, transparent 6px 10px); }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; list-style: none; font-size: .92rem; } .key span { color: var(--ink); }
.key .curve::before { content: ""; display: inline-block; width: 2.4rem; height: .22rem; margin-right: .4rem; vertical-align: middle; }
)html" + detail::line_styles(policies) +
            R"html(@media (max-width: 30rem) { svg text { font-size: 14px; } }
@media (min-width: 54rem) { .charts { grid-template-columns: 1fr 1fr; } }
</style></head><body>
<h1>)html";
    return html + escaped(heading) + "</h1>\n";
}

/// How to repeat it.
inline std::string plain_page_end(const std::string& command, const std::string& date) {
    return "<h2>How to repeat it</h2><p>" + command_html(command) + "<br>msrnn " + version() + ", " + escaped(date) +
           "</p></body></html>\n";
}

}  // namespace compare
