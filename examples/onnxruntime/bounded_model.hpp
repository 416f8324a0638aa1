// A decoder that ONNX Runtime computes, in a memory that msrnn bounds. export.py says what its graph takes and gives.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

/// Keys, or values, of one layer: [kv_heads][held][width] without gaps, as the graph takes them. The rows of a pass
/// stand behind them, in a tensor that the runtime made, until it is decided which of all these rows are kept.
struct Rows {
    std::size_t heads = 0, width = 0, held = 0;
    std::vector<float> numbers = {};
    float* fresh = nullptr;  // [kv_heads][tokens][width]
    std::size_t tokens = 0;

    float* at(std::size_t head, std::size_t row) {
        return row < held ? &numbers[(head * held + row) * width] : fresh + (head * tokens + row - held) * width;
    }
    void move(std::size_t head, msrnn::Move move) {
        std::memcpy(at(head, move.to), at(head, move.from), width * sizeof(float));
    }
    /// The first `kept` of all rows. While that is more than were held, the heads move apart.
    void keep(std::size_t kept) {
        if (kept == held) return;
        numbers.resize(heads * kept * width);
        for (std::size_t head = heads; head-- > 0;) {
            float* const to = numbers.data() + head * kept * width;
            std::memmove(to, numbers.data() + head * held * width, held * width * sizeof(float));
            std::memcpy(to + held * width, fresh + head * tokens * width, (kept - held) * width * sizeof(float));
        }
        held = kept;
    }
};

struct BoundedSettings {
    std::optional<msrnn::AnyPolicy> policy = {};  // none: nothing is forgotten
    std::size_t budget = 0;                       // tokens that a lane keeps
    std::size_t batch = 1;                        // tokens of a pass, at most
    int threads = 1;
};

class BoundedModel {
public:
    using Lane = msrnn::Lane<msrnn::AnyPolicy>;
    struct Layer {
        Rows keys = {}, values = {};
        std::vector<Lane> lanes = {};  // one, or one for each KV head, as the policy has it
    };

    BoundedModel(const std::string& path, const BoundedSettings& settings)
        : settings_(settings), session_(environment_, path.c_str(), options(settings)) {
        const Ort::AllocatorWithDefaultOptions allocator;
        for (std::size_t i = 0; i < session_.GetInputCount(); ++i)
            inputs_.emplace_back(session_.GetInputNameAllocated(i, allocator).get());
        if (inputs_.size() < 4 || inputs_[2] != "past_key.0")
            throw std::runtime_error(path + " has other inputs than export.py gives it");
        if (settings.policy) {
            const msrnn::Needs needs = settings.policy->facts({.query_heads = 1, .head_dim = 1}, 1).needs;
            for (Evidence& kind : evidence_) kind.shown |= (kind.bits & needs.at_observe) != 0;
            check(needs.at_observe | needs.at_choice);
        }
        for (std::size_t l = 0; l < inputs_.size() / 2 - 1; ++l) {
            layers_.push_back({.keys = rows(2 + 2 * l), .values = rows(3 + 2 * l)});
            for (const Evidence& kind : evidence_)
                if (kind.shown) outputs_.push_back(kind.name + std::to_string(l));
        }
        query_heads_ = query_heads();
        reset();
    }

    /// The next tokens of the text. Returns what the model expects behind each of them, [tokens][vocabulary], valid
    /// until the next call. Every lane has forgotten what is over its budget.
    std::span<const float> read(std::span<const std::int64_t> ids) {
        positions_.resize(ids.size());
        std::iota(positions_.begin(), positions_.end(), static_cast<std::int64_t>(seen_));
        std::vector<Ort::Value> given;
        given.push_back(tensor(ids.data(), {ids.size()}));
        given.push_back(tensor(positions_.data(), {ids.size()}));
        for (const Layer& layer : layers_)  // not copied: the runtime reads our rows
            for (const Rows* rows : {&layer.keys, &layer.values})
                given.push_back(tensor(rows->numbers.data(), {rows->heads, rows->held, rows->width}));
        const auto start = Clock::now();
        results_ = session_.Run(Ort::RunOptions(nullptr), pointers(inputs_).data(), given.data(), given.size(),
                                pointers(outputs_).data(), outputs_.size());
        const auto computed = Clock::now();
        for (std::size_t l = 0; l < layers_.size(); ++l) forget(l, ids.size());
        seen_ += ids.size();
        running_ += computed - start;
        deciding_ += Clock::now() - computed;
        return {results_[0].GetTensorData<float>(), results_[0].GetTensorTypeAndShapeInfo().GetElementCount()};
    }
    /// A new text.
    void reset() {
        seen_ = 0;
        for (std::size_t l = 0; l < layers_.size(); ++l) {
            Layer& layer = layers_[l];
            layer.keys.held = layer.values.held = 0;
            layer.lanes = lanes_of(l);
        }
    }

    std::span<const Layer> layers() const { return layers_; }
    double seconds_running() const { return running_.count(); }
    double seconds_deciding() const { return deciding_.count(); }

private:
    using Clock = std::chrono::steady_clock;
    /// What the graph gives of each layer; weights, queries and outputs only where the policy asks for them.
    struct Evidence {
        const char* name;
        unsigned bits = 0;
        bool shown = false;
    };

    static constexpr std::size_t kinds = 5;

    static Ort::SessionOptions options(const BoundedSettings& settings) {
        Ort::SessionOptions options;
        options.SetIntraOpNumThreads(settings.threads);
        return options;
    }
    void check(unsigned needs) const {
        const msrnn::Scope scope = settings_.policy->scope;
        if (scope == msrnn::Scope::model) throw std::invalid_argument("scope=model is not written here");
        if (scope == msrnn::Scope::layer && (needs & (msrnn::Keys::bit | msrnn::Values::bit)) != 0)
            throw std::invalid_argument("a policy that reads keys or values decides in lanes of KV heads");
    }
    Rows rows(std::size_t input) const {
        const auto shape = session_.GetInputTypeInfo(input).GetTensorTypeAndShapeInfo().GetShape();
        Rows rows{.heads = static_cast<std::size_t>(shape.at(0)), .width = static_cast<std::size_t>(shape.at(2))};
        rows.numbers.reserve(rows.heads * rows.width * std::max<std::size_t>(settings_.budget, 1));
        return rows;
    }
    std::size_t query_heads() const {
        for (std::size_t i = 0; i < session_.GetOutputCount(); ++i)
            if (session_.GetOutputNameAllocated(i, Ort::AllocatorWithDefaultOptions()).get() ==
                std::string("weights.0"))
                return static_cast<std::size_t>(
                    session_.GetOutputTypeInfo(i).GetTensorTypeAndShapeInfo().GetShape().at(0));
        return 0;
    }
    template <class Number>
    Ort::Value tensor(const Number* numbers, std::initializer_list<std::size_t> sizes) const {
        std::vector<std::int64_t> shape;
        std::size_t count = 1;
        for (const std::size_t size : sizes) shape.push_back(static_cast<std::int64_t>(size)), count *= size;
        return Ort::Value::CreateTensor(memory_, const_cast<Number*>(numbers), count, shape.data(), shape.size());
    }
    static std::vector<const char*> pointers(const std::vector<std::string>& names) {
        std::vector<const char*> pointers;
        for (const std::string& name : names) pointers.push_back(name.c_str());
        return pointers;
    }
    std::vector<Lane> lanes_of(std::size_t l) const {
        std::vector<Lane> lanes;
        if (!settings_.policy) return lanes;
        const Layer& layer = layers_[l];
        const std::size_t count = settings_.policy->scope == msrnn::Scope::kv_head ? layer.keys.heads : 1;
        for (std::size_t i = 0; i < count; ++i)
            lanes.emplace_back(msrnn::Limits{.budget = settings_.budget,
                                             .capacity = settings_.budget + settings_.batch,
                                             .query_heads = query_heads_ / count,
                                             .head_dim = layer.keys.width,
                                             .value_dim = layer.values.width},
                               *settings_.policy, msrnn::LaneId{l, i});
        return lanes;
    }

    /// Every lane sees the tokens of this pass and evicts what is over the budget. Then the rows close up.
    void forget(std::size_t l, std::size_t tokens) {
        Rows &keys = layers_[l].keys, &values = layers_[l].values;
        std::vector<Lane>& lanes = layers_[l].lanes;
        float* shown[kinds] = {};
        std::size_t at = 1 + l * ((outputs_.size() - 1) / layers_.size());
        for (std::size_t kind = 0; kind < kinds; ++kind)
            if (evidence_[kind].shown) shown[kind] = results_[at++].GetTensorMutableData<float>();
        keys.fresh = shown[0], values.fresh = shown[1];
        keys.tokens = values.tokens = tokens;
        const std::size_t rows = keys.held + tokens;
        std::size_t kept = rows;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            Lane& lane = lanes[i];
            const std::size_t heads = query_heads_ / lanes.size(), kv_heads = keys.heads / lanes.size();
            const auto key = [&](msrnn::Slot slot) { return std::span<const float>(keys.at(i, slot), keys.width); };
            const auto value = [&](msrnn::Slot slot) {
                return std::span<const float>(values.at(i, slot), values.width);
            };
            if (tokens > 1) lane.prompt(tokens);
            for (std::size_t t = 0; t < tokens; ++t) {
                const auto of = [&](std::size_t kind, std::size_t width) -> const float* {
                    return shown[kind] == nullptr ? nullptr : shown[kind] + (i * heads * tokens + t) * width;
                };
                lane.append(seen_ + t);
                lane.observe(msrnn::Attention{of(2, rows), heads, lane.extent(), tokens * rows},
                             msrnn::Query{of(3, keys.width), heads, keys.width, tokens * keys.width},
                             msrnn::Outputs{of(4, values.width), heads, values.width, tokens * values.width},
                             msrnn::Keys(key), msrnn::Values(value));
            }
            lane.evict(msrnn::Keys(key), msrnn::Values(value));
            lane.compact([&](msrnn::Move move) {  // the row of a new token becomes the victim's
                for (std::size_t head = i * kv_heads; head < (i + 1) * kv_heads; ++head)
                    keys.move(head, move), values.move(head, move);
            });
            kept = lane.size();
        }
        keys.keep(kept), values.keep(kept);
    }

    BoundedSettings settings_;
    Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    Ort::Env environment_{ORT_LOGGING_LEVEL_ERROR};
    Ort::Session session_;
    std::array<Evidence, kinds> evidence_{{{.name = "key.", .shown = true},
                                           {.name = "value.", .shown = true},
                                           {.name = "weights.", .bits = msrnn::Attention::bit | msrnn::Heads::bit},
                                           {.name = "query.", .bits = msrnn::Query::bit},
                                           {.name = "output.", .bits = msrnn::Outputs::bit}}};
    std::vector<std::string> inputs_, outputs_{"logits"};
    std::vector<Layer> layers_;
    std::vector<std::int64_t> positions_;
    std::vector<Ort::Value> results_;
    std::size_t query_heads_ = 0, seen_ = 0;
    std::chrono::duration<double> running_{}, deciding_{};
};
