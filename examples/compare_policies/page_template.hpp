// The report's page, with {{places}} for what a run fills in.
#pragma once

namespace compare {

inline constexpr const char* page_template = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>msrnn: {{text}} under a bounded memory</title>
<style>
:root {
  color-scheme: light dark;
  --paper: #fcfbf8; --ink: #22252b; --soft: #626873; --rule: #dcdad3; --heat: 226, 120, 20;
{{day}}}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --ink: #e4e2dc; --soft: #9aa1ac; --rule: #343840; --heat: 240, 140, 40;
{{night}}  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .4rem; }
p { margin: .3rem 0 .8rem; max-width: 46rem; }
.answer { font-size: 1.08rem; }
.interrupted { font-weight: 700; }
code span { display: inline-block; max-width: 100%; overflow-wrap: anywhere; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.charts { display: grid; gap: 1rem 2rem; grid-template-columns: 1fr; }
figure { margin: 0; min-width: 0; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .dashed { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 6 4; }
.curve { color: var(--soft); }
.curve path { fill: none; stroke: currentColor; stroke-width: 2; }
.curve circle, .curve polygon { fill: currentColor; }
.curve .error { stroke: currentColor; stroke-width: 1.2; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; margin: .2rem 0 .8rem; list-style: none; font-size: .92rem; }
.key .curve::before { content: ""; display: inline-block; width: 2.4rem; height: .22rem; margin-right: .4rem;
  vertical-align: middle; }
.key span { color: var(--ink); }
{{colours}}
.wide { overflow-x: auto; background: linear-gradient(to left, rgba(128, 128, 128, .35), transparent 1.2rem) right / 100% 100% no-repeat;
  border-right: 1px solid var(--rule); width: fit-content; max-width: 100%; }
.wide table { background: var(--paper); }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.first td { border-top: 2px solid var(--rule); }
td.best { font-weight: 700; }
td.words { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.choose { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; margin: .6rem 0; }
select { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--rule); border-radius: .3rem; padding: .15rem .3rem; }
.maps { display: grid; gap: 1.2rem 2rem; grid-template-columns: 1fr; }
.map { white-space: pre-wrap; overflow-wrap: anywhere; font: .92rem/1.75 Georgia, serif; margin-top: .5rem; }
.map span { border-radius: 2px; padding: .1em 0; }
.stayed { border-bottom: 2px solid var(--ink); }
.ramp { display: flex; flex-wrap: wrap; gap: .2rem .3rem; font-size: .82rem; align-items: center; }
.ramp b { font-weight: 400; padding: 0 .45rem; border-radius: 2px; }
{{heat}}
@media (max-width: 30rem) { svg text { font-size: 14px; } }
@media (min-width: 54rem) { .charts, .maps { grid-template-columns: 1fr 1fr; } }
</style>
</head>
<body>
<h1>What a language model loses when it may remember only so many tokens</h1>
{{interrupted}}
{{answer}}
<p class="soft">{{subject}}</p>

<h2>Quality</h2>
<p>Lower is better. The dashed line is the full cache, which forgets nothing within a window. Bars are the standard error over windows, where the
full cache was measured that of the distance to it: whether a window is hard reading is then the same for all.
Where curves coincide, the dashes of one show the other, and the larger points lie behind the smaller.</p>
<ul class="key">{{key}}</ul>
<div class="charts">
<figure>{{perplexity}}</figure>
<figure>{{bytes}}<figcaption>Keys, values and bookkeeping of all layers.</figcaption></figure>
</div>

<h2>All numbers</h2>
<div class="wide">{{table}}</div>
{{texts}}
{{memory}}
<h2>How it was measured</h2>
{{details}}
</body>
</html>
)html";

/// Left out where no run forgets.
inline constexpr const char* memory_template = R"html(
<h2>What is remembered</h2>
<p>Window {{number}} twice. The stronger the colour of a token, the longer the memory held it, that is, the more later tokens could
still look at it (the mean over the KV heads, where they decide apart; layers count from 0). A window holds every token for one budget. Underlined tokens were still there
at the end, and might have stayed longer.</p>
<div class="ramp"><span>held for</span>{{ramp}}<span>budgets</span></div>
<div class="choose">
<label>budget <select id="budget">{{budgets}}</select></label>
<label>layer <select id="layer">{{layers}}</select></label>
</div>
<div class="maps">
<section><label>policy <select class="policy">{{left}}</select></label><div class="map">{{tokens}}</div></section>
<section><label>policy <select class="policy">{{right}}</select></label><div class="map"></div></section>
</div>
<script type="application/json" id="shades">{{shades}}</script>
<script>
const shades = JSON.parse(document.getElementById("shades").textContent);
const maps = [...document.querySelectorAll(".maps section")];
maps[1].querySelector(".map").innerHTML = maps[0].querySelector(".map").innerHTML;
const chosen = id => document.getElementById(id);
function paint() {
  for (const map of maps) {
    const run = shades[map.querySelector("select").value + " " + chosen("budget").value];
    const letters = run ? run[chosen("layer").selectedIndex] : "";
    map.querySelectorAll(".map span").forEach((token, i) => {
      const letter = letters[i] || "a", halves = letter.toLowerCase().charCodeAt(0) - 97;
      const stayed = letter < "a", budget = Number(chosen("budget").value);
      const heat = Math.round(halves - 2 * Math.log2(1 + budget)) + 6;
      token.className = "heat-" + Math.max(0, Math.min(12, heat)) + (stayed ? " stayed" : "");
      token.title = stayed ? "still there at the end" : "held for about " + Math.round(2 ** (halves / 2) - 1) + " tokens";
    });
  }
}
document.querySelectorAll("select").forEach(select => select.addEventListener("change", paint));
paint();
</script>
)html";

}  // namespace compare
