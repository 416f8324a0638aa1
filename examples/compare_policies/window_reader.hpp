// How a window is read: layer by layer where memories can be, and token by token where they decide for all layers.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "llama/decoder.hpp"
#include "llama/layer_by_layer.hpp"
#include "reading.hpp"
#include "survival.hpp"

namespace compare {

/// What the memories of a reading lost in one window, and how long they held its tokens.
struct WindowLosses {
    std::vector<double> nll;         // [memory], the mean over the targets
    std::vector<std::size_t> bytes;  // [memory]
    std::vector<Survival> survival;  // [memory], of the mapped window; else empty

    void start(std::size_t memories, std::size_t steps, bool mapped) {
        nll.assign(memories, 0);
        bytes.assign(memories, 0);
        survival.assign(mapped ? memories : 0, Survival(steps));
    }
};

/// One thread's reader. Memories that decide for all layers at once take each token through the whole model.
template <class Scalar>
class WindowReader {
public:
    WindowReader(const Reading& reading, Watch& watch)
        : reading_(reading),
          watch_(watch),
          layered_(chosen(reading, true)),
          stepped_(chosen(reading, false)),
          by_layers_(reading.model, memories(reading, layered_)),
          by_tokens_(reading.model, memories(reading, stepped_), PositionsIn::text, reading.windows().steps_each()) {}

    /// False where an interrupt ended it in the middle.
    bool read(std::size_t w, WindowLosses& losses) {
        const std::vector<Token> text = reading_.text(w);
        losses.start(reading_.memories.size(), reading_.windows().steps_each(), w == reading_.mapped_window);
        if (!layered_.empty() && !read_by_layers(text, losses)) return false;
        if (!stepped_.empty() && !read_by_tokens(text, losses)) return false;
        for (double& sum : losses.nll) sum /= static_cast<double>(reading_.windows().targets_each());
        return true;
    }

private:
    /// What LayerByLayer tells of a pass.
    struct Pass final : PassWatch {
        Pass(WindowReader& in, WindowLosses& to) : reader(in), losses(to) {}

        bool stops() override { return reader.watch_.interrupted; }
        void did(std::size_t columns) override { reader.watch_.work_done += columns; }
        void saw(std::size_t memory, std::size_t layer, std::span<const msrnn::Lane<msrnn::AnyPolicy>> lanes,
                 std::size_t column) override {
            if (!losses.survival.empty()) losses.survival[reader.layered_[memory]].watch(layer, lanes, column);
        }

        WindowReader& reader;
        WindowLosses& losses;
    };

    GivenText given(const std::vector<Token>& text) const {
        return {.trunk = {text.begin(), text.end() - 1}, .prompt = reading_.prompt, .chunk = reading_.chunk};
    }

    bool read_by_layers(const std::vector<Token>& text, WindowLosses& losses) {
        const std::size_t first = reading_.windows().first_scored(), end = reading_.windows().steps_each();
        Pass pass(*this, losses);
        if (!by_layers_.read(given(text), pass)) return false;
        std::vector<double> of_first(end), own(end);  // [column]
        for (const std::size_t memory : by_layers_.order()) {
            if (watch_.interrupted) return false;
            std::vector<double>& each = memory == by_layers_.order().front() ? of_first : own;
            by_layers_.each_logits(memory, first, end, [&](std::size_t column, const auto& logits) {
                each[column] = negative_log_likelihood(logits, text[column + 1]);
            });
            for (std::size_t column = first; column < end; ++column)
                losses.nll[layered_[memory]] += column < by_layers_.own_from(memory) ? of_first[column] : each[column];
            losses.bytes[layered_[memory]] = by_layers_.bytes(memory);
            watch_.work_done += end;
        }
        return true;
    }

    bool read_by_tokens(const std::vector<Token>& text, WindowLosses& losses) {
        const Windows windows = reading_.windows();
        by_tokens_.reset();
        for (std::size_t position = 0; position < windows.steps_each(); ++position) {
            if (watch_.interrupted) return false;
            by_tokens_.read(text[position], static_cast<std::int64_t>(position));
            for (std::size_t i = 0; i < stepped_.size() && !losses.survival.empty(); ++i)
                losses.survival[stepped_[i]].watch(by_tokens_.state(i), position);
            if (position >= windows.first_scored()) {
                const Columns& logits = by_tokens_.logits();
                for (std::size_t i = 0; i < stepped_.size(); ++i)
                    losses.nll[stepped_[i]] +=
                        negative_log_likelihood(logits.col(static_cast<Eigen::Index>(i)), text[position + 1]);
            }
            watch_.work_done += stepped_.size() * (reading_.model.config.layers + 1);
        }
        for (std::size_t i = 0; i < stepped_.size(); ++i) losses.bytes[stepped_[i]] = by_tokens_.state(i).bytes();
        return true;
    }

    /// The memories that are read this way.
    static std::vector<std::size_t> chosen(const Reading& reading, bool by_layers) {
        std::vector<std::size_t> chosen;
        for (std::size_t m = 0; m < reading.memories.size(); ++m)
            if (by_layers == (reading.way == Way::by_layers && can_be_read_by_layers(reading.memories[m])))
                chosen.push_back(m);
        return chosen;
    }
    static std::vector<Memory> memories(const Reading& reading, const std::vector<std::size_t>& chosen) {
        std::vector<Memory> memories;
        for (const std::size_t m : chosen) memories.push_back(reading.memories[m]);
        return memories;
    }

    const Reading& reading_;
    Watch& watch_;
    std::vector<std::size_t> layered_, stepped_;  // of the reading's memories
    LayerByLayer<Scalar> by_layers_;
    BasicDecoder<Scalar> by_tokens_;
};

}  // namespace compare
