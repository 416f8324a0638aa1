// Snapshots of states. The last byte says into which state one is loaded. A refusal is a sentence and leaves the state
// as it was; one that is accepted is saved again, loaded again, and both states go on.
#include <algorithm>
#include <cmath>
#include <memory>
#include <msrnn/any_policy.hpp>
#include <msrnn/io.hpp>
#include <set>

#include "support/tokens.hpp"
#include "target.hpp"

namespace snapshot_tests {

namespace {

using namespace msrnn;

/// Keeps two floats of its own for every slot.
struct Counting {
    static constexpr const char* name = "counting";
    Memory memory(const Shape&) const { return {.columns = 2}; }
    void observe(const Attention& seen, Ratings rating) const {
        const auto count = rating.column(0), last = rating.column(1);
        seen.sum([&](std::size_t slot, float weight) {
            count[slot] += 1;
            last[slot] = weight;
        });
    }
    void rate(Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            rating[slot] = rating.column(0)[slot] + rating.column(1)[slot];
    }
};

/// A state that snapshots of one kind are loaded into.
struct Subject {
    virtual ~Subject() = default;
    virtual std::string snapshot() const = 0;
    virtual bool take(std::string_view bytes) const = 0;
};

template <class P, class Scalar>
class SubjectOf : public Subject {
public:
    using S = State<P, Scalar>;

    template <class BudgetOf>
    SubjectOf(const Shape& shape, const P& policy, BudgetOf budget_of)
        : loading_(shape, budget_of, policy, Rollback{2}), saved_(loading_) {
        go_on(loading_, 4);
        go_on(saved_, 13);
        for (std::size_t layer = 0; layer < shape.layers; ++layer)
            if (!saved_.pin(layer, shape.kv_heads - 1, Slot(1))) saved_.evict(layer, 0, Slot(2));
        bytes_ = bytes_of(loading_);
    }

    std::string snapshot() const override {
        const std::vector<std::byte> bytes = bytes_of(saved_);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    bool take(std::string_view bytes) const override {
        S state = loading_;
        const std::string said = load(state, std::as_bytes(std::span(bytes)));
        if (said.empty())
            check_whole(state, bytes);
        else
            check_refusal(state, said);
        return said.empty();
    }

private:
    static std::vector<float> go_on(S& state, std::size_t tokens) {
        Random random{tokens};
        std::vector<float> outs;
        for (std::size_t t = 0; t < tokens; ++t)
            for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
                Token token(state.shape(), random);
                state.step(layer, t, token.q, token.k, token.v, token.out);
                outs.insert(outs.end(), token.out.begin(), token.out.end());
            }
        return outs;
    }
    static std::vector<std::byte> bytes_of(const S& state) {
        std::vector<std::byte> bytes;
        if (!save(state, bytes).empty()) throw fuzz::Found("a state cannot be saved");
        return bytes;
    }

    void check_refusal(const S& state, const std::string& said) const {
        const std::string begin = "msrnn: snapshot: ";
        if (said.rfind(begin, 0) != 0 || said.size() == begin.size() ||
            said.find("msrnn: ", begin.size()) == begin.size())
            throw fuzz::Found("a refusal is no sentence: " + said);
        if (bytes_of(state) != bytes_ || state.reversible() != loading_.reversible() ||
            state.bytes() != loading_.bytes())
            throw fuzz::Found("a snapshot that is refused has changed the state");
    }
    void check_whole(S& state, std::string_view loaded) const {
        std::vector<LaneRecord> records;
        for (const Lane<P>& lane : state.lanes()) {
            records.push_back(lane.record());
            if (const std::string fault = detail::record_problem(records.back(), lane.facts().memory); !fault.empty())
                throw fuzz::Found("a lane is not whole: " + fault);
            check_arrivals(records.back());
            if (lane.size() > lane.budget() || lane.extent() > lane.size() + 1 || lane.size() >= lane.capacity())
                throw fuzz::Found("a lane has more tokens than it may");
        }
        if (const std::string fault = loading_.problem(records); !fault.empty())
            throw fuzz::Found("the state does not fit itself: " + fault);
        check_numbers(loaded, bytes_of(state));
        if (state.reversible() != 0) throw fuzz::Found("what was before the snapshot can be taken back");

        S again = loading_;
        const std::vector<std::byte> bytes = bytes_of(state);
        if (const std::string said = load(again, bytes); !said.empty())
            throw fuzz::Found("what was saved is refused: " + said);
        if (bytes_of(again) != bytes) throw fuzz::Found("what was saved again is not the same");
        if (!moderate(state, records)) return;
        const std::vector<float> outs = go_on(state, 20);
        if (outs != go_on(again, 20) || bytes_of(state) != bytes_of(again))
            throw fuzz::Found("two states of one snapshot go on as two");
        for (const float x : outs)
            if (!std::isfinite(x)) throw fuzz::Found("an output is no number");
        for (const Lane<P>& lane : state.lanes()) check_arrivals(lane.record());
    }
    static void check_arrivals(const LaneRecord& record) {
        std::set<std::int64_t> different;
        for (const std::int64_t arrival : record.arrivals) {
            if (arrival >= 0 && static_cast<Arrival>(arrival) >= record.seen)
                throw fuzz::Found("a token is there that has not come");
            if (!different.insert(arrival).second) throw fuzz::Found("a token is there twice");
        }
    }
    /// Under the same header the same numbers are saved again. Of a truth value only whether it is 0 counts, of what
    /// was shown whether anything was, and a policy that rates anew for each choice has no ratings to keep.
    static void check_numbers(std::string_view loaded, const std::vector<std::byte>& bytes) {
        const std::string_view again(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        std::uint64_t length = 0;
        again.copy(reinterpret_cast<char*>(&length), sizeof(length));
        if (loaded.substr(0, 8 + length) != again.substr(0, 8 + length)) return;
        detail::safetensors::Header header;
        std::uint64_t data = 0;
        const detail::BytesInMemory source{bytes};
        if (!detail::safetensors::read_header(source, header, data).empty())
            throw fuzz::Found("a snapshot is not read");
        const auto of = [&](const char* tensor, std::size_t byte) {
            const auto* const found = header.find(tensor);
            return found != nullptr && byte >= data + found->begin && byte < data + found->end;
        };
        for (std::size_t i = 8 + length; i < again.size(); ++i)
            if (loaded[i] != again[i] && !(again[i] == 1 && loaded[i] != 0) && !of("lanes.shown", i) &&
                !of("slots.rating", i))
                throw fuzz::Found("byte " + std::to_string(i) + " is not saved as it was loaded");
    }
    /// Whether arithmetic with these numbers gives numbers: those of a file may be any.
    static bool moderate(const S& state, const std::vector<LaneRecord>& records) {
        const auto all_moderate = [](std::span<const float> numbers) {
            return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::fabs(x) < 1e6f; });
        };
        for (const LaneRecord& record : records)
            if (!all_moderate(record.ratings) || !all_moderate(record.columns)) return false;
        std::vector<float> row(state.shape().head_dim);
        for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
            for (std::size_t h = 0; h < state.shape().kv_heads; ++h)
                for (const Rows<Scalar>* rows : {&state.rows(layer, h).keys, &state.rows(layer, h).values})
                    for (std::size_t slot = 0; slot < state.lane(layer, h).extent(); ++slot) {
                        rows->read(slot, row);
                        if (!all_moderate(row)) return false;
                    }
        return true;
    }

    S loading_, saved_;
    std::vector<std::byte> bytes_;  // of the state that is loaded into
};

/// Several policies and scalars, lanes as long as one another and not, bounded and not.
const std::vector<std::unique_ptr<Subject>>& subjects() {
    static const auto all = [] {
        constexpr Shape one{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 3};
        constexpr Shape two{.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = 2};
        const auto alike = [](std::size_t, std::size_t) { return std::size_t{5}; };
        const auto ragged = [](std::size_t layer, std::size_t kv_head) { return 4 + 2 * layer + kv_head; };
        const auto none = [](std::size_t, std::size_t) { return unbounded; };
        std::vector<std::unique_ptr<Subject>> made;
        made.push_back(std::make_unique<SubjectOf<AnyPolicy, float>>(two, Tova{}, alike));
        made.push_back(std::make_unique<SubjectOf<AnyPolicy, float>>(two, H2O{}, ragged));
        made.push_back(std::make_unique<SubjectOf<AnyPolicy, float>>(one, SinkWindow{}, alike));
        made.push_back(std::make_unique<SubjectOf<AnyPolicy, float>>(two, Window{}, none));
        made.push_back(std::make_unique<SubjectOf<AnyPolicy, std::int8_t>>(two, DecayedAttention{}, ragged));
        made.push_back(std::make_unique<SubjectOf<Counting, Eigen::half>>(one, Counting{}, alike));
        return made;
    }();
    return all;
}

bool take(std::string_view bytes) {
    if (bytes.empty()) return false;
    const auto which = static_cast<unsigned char>(bytes.back());
    return subjects()[which % subjects().size()]->take(bytes.substr(0, bytes.size() - 1));
}

std::vector<std::string> seeds() {
    std::vector<std::string> snapshots;
    for (std::size_t i = 0; i < subjects().size(); ++i)
        snapshots.push_back(subjects()[i]->snapshot() + static_cast<char>(i));
    return snapshots;
}

const fuzz::Enter entered({"snapshot", seeds, 10000, nullptr, take});

}  // namespace

}  // namespace snapshot_tests
