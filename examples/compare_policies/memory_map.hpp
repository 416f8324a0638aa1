// The text of one window, each token shaded by how long a memory held it.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "json.hpp"
#include "spans.hpp"
#include "svg.hpp"

namespace compare {

/// One letter a span: 'a' left in its own step, then a letter for each half doubling of 1 + the steps it survived, the
/// mean over its tokens and the lanes of the layer. Upper case: at least half of that was still there at the end.
inline std::string shades(const Survival& survival, std::size_t layer, const std::vector<Span>& spans) {
    std::string letters;
    for (const Span& span : spans) {
        std::size_t sum = 0, stayed = 0;
        for (std::size_t token = span.first; token < span.first + span.count; ++token)
            for (std::size_t lane = 0; lane < survival.lanes(); ++lane) {
                sum += survival.steps(layer, lane, token);
                stayed += survival.stayed(layer, lane, token);
            }
        const std::size_t all = survival.lanes() * span.count;
        const double steps = static_cast<double>(sum) / static_cast<double>(all);
        const auto halves = std::clamp<long>(std::lround(2 * std::log2(1 + steps)), 0, 25);
        letters += static_cast<char>((2 * stayed >= all ? 'A' : 'a') + halves);
    }
    return letters;
}

/// All maps of a run, for the page to choose from.
class MemoryMap {
public:
    explicit MemoryMap(const Results& results) : results_(results), spans_(spans_of(results.mapped_tokens)) {
        for (std::size_t i = 0; i < results.cells.size(); ++i)
            if (results.cells[i].budget != 0 && results.survival[i].layers() != 0) runs_.push_back(i);
        layers_ = chosen_layers();
    }

    bool empty() const { return runs_.empty(); }
    const std::vector<std::size_t>& layers() const { return layers_; }

    std::vector<std::string> policies() const {
        return each_once([](const Cell& c) { return c.policy; });
    }
    std::vector<std::string> budgets() const {
        return each_once([](const Cell& c) { return std::to_string(c.budget); });
    }

    /// {"policy budget": ["letters of a layer", ...]}
    std::string json() const {
        Json runs = Json::object();
        for (const std::size_t run : runs_) {
            Json& layers = runs[results_.cells[run].policy + " " + std::to_string(results_.cells[run].budget)];
            for (const std::size_t layer : layers_) layers.push_back(shades(results_.survival[run], layer, spans_));
        }
        return dumped(runs);
    }

    /// The text, not shaded yet.
    std::string spans() const {
        std::string html;
        for (const Span& span : spans_) {
            const bool is_bos = span.first == 0 && results_.windows.bos;
            html += "<span>" + (is_bos ? "&#x2039;BOS&#x203A;" : escaped(shown(span.bytes))) + "</span>";
        }
        return html;
    }

private:
    static constexpr std::size_t most_letters = 1'200'000;  // of a page below two megabytes

    /// All, or as many, evenly spread, as a page can hold.
    std::vector<std::size_t> chosen_layers() const {
        const std::size_t layers = results_.config.layers;
        const std::size_t each = std::max<std::size_t>(runs_.size() * spans_.size(), 1);
        const std::size_t count = std::clamp<std::size_t>(most_letters / each, 1, layers);
        std::vector<std::size_t> chosen;
        for (std::size_t i = 0; i < count; ++i)
            chosen.push_back(count == 1 ? layers / 2 : i * (layers - 1) / (count - 1));
        return chosen;
    }

    template <class Of>
    std::vector<std::string> each_once(Of of) const {
        std::vector<std::string> list;
        for (const std::size_t run : runs_) {
            const std::string name = of(results_.cells[run]);
            if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
        }
        return list;
    }

    const Results& results_;
    std::vector<Span> spans_;
    std::vector<std::size_t> runs_, layers_;
};

}  // namespace compare
