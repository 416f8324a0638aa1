#include <cmath>
#include <stdexcept>

#include "adapt/fed.hpp"
#include "support/assert_throws.hpp"
#include "support/catch.hpp"
#include "support/simple_policies.hpp"

namespace cells_tests {

using namespace msrnn;

namespace {

/// What llama.h says of llama_memory_seq_rm(): removes the tokens with positions in [p0, p1).
void seq_rm(std::set<std::int64_t>& positions, CellRange gone) {
    std::erase_if(positions, [=](std::int64_t at) { return at >= gone.p0 && at < gone.p1; });
}

template <class Numbers>
std::vector<CellRange> plain_ranges(const Numbers& numbers) {
    std::vector<CellRange> ranges;
    for (const std::int64_t number : numbers)
        if (ranges.empty() || ranges.back().p1 != number)
            ranges.push_back({number, number + 1});
        else
            ++ranges.back().p1;
    return ranges;
}

}  // namespace

TEST_CASE(
    "ranges of positions remove from an engine what the lane evicted, and touch neither each other nor the rest") {
    std::size_t merged = 0, many = 0;
    for (const AnyPolicy& policy : simple_policies())
        for (const std::size_t slack : {0u, 9u}) {
            CAPTURE(policy.name(), slack);
            Fed one = fed(policy, 12, slack);
            CellRanges ranges;
            std::set<std::int64_t> engine;
            for (std::int64_t t = 0; t < 200; ++t) {
                one.lane.append(t);
                engine.insert(t);
                one.see(t);
                std::set<std::int64_t> positions, cells;
                for (const Slot victim : one.evict()) {
                    positions.insert(one.lane.position(victim).value());
                    cells.insert(static_cast<std::int64_t>(std::size_t{victim}));
                }
                const auto gone = ranges.positions(one.lane);
                merged += gone.size() < positions.size();
                many += gone.size() > 1;
                REQUIRE(std::vector(gone.begin(), gone.end()) == plain_ranges(positions));
                for (const CellRange range : gone) seq_rm(engine, range);
                REQUIRE(engine == one.kept());
                const auto rows = ranges.cells(one.lane);
                REQUIRE(std::vector(rows.begin(), rows.end()) == plain_ranges(cells));
            }
        }
    CHECK(merged > 20);
    CHECK(many > 20);
}

TEST_CASE("positions that an engine would take for others are caught") {
    CellRanges ranges;
    Lane<Window> twice(2);
    for (const int position : {5, 6, 5}) {
        twice.append(position);
        twice.observe(std::vector<float>(twice.extent(), 0.5f));
        twice.evict();
    }
    CHECK_THROWS_AS(ranges.positions(twice), msrnn_assertion_failed);
    CHECK(ranges.cells(twice).size() == 1);
    Lane<Window> negative(1);
    for (const int position : {-3, 4}) {
        negative.append(position);
        negative.observe(std::vector<float>(negative.extent(), 0.5f));
        negative.evict();
    }
    CHECK_THROWS_AS(ranges.positions(negative), msrnn_assertion_failed);
}

// The engine shows a window of budget + 1 cells, drops its oldest and gives the cell to the next token. Every head
// keeps what it would keep on its own, and its row lies in the cell where its lane says.
TEST_CASE("heads evict different tokens in an engine that drops one cell for all of them") {
    constexpr std::size_t budget = 12, heads = 3;
    std::size_t apart = 0, carried = 0;
    for (const AnyPolicy& policy : simple_policies())
        for (const std::size_t together : {1u, 4u}) {
            CAPTURE(policy.name(), together);
            std::vector<Fed> own, shared;
            for (std::size_t head = 0; head < heads; ++head) {
                own.push_back(fed(policy, budget, together - 1, head));
                shared.push_back(fed(policy, budget, together - 1, head));
            }
            std::vector<std::vector<std::int64_t>> rows(heads, std::vector<std::int64_t>(budget + together, -1));
            std::map<std::int64_t, Slot> cell_of;  // what the engine holds, by position
            std::vector<Slot> vacant;
            for (std::int64_t t = 0; t < 300; ++t) {
                Slot cell(cell_of.size());
                if (!vacant.empty()) {
                    cell = vacant.back();
                    vacant.pop_back();
                }
                cell_of[t] = cell;
                std::vector<Slot> dropped;
                if (cell_of.size() == budget + together)
                    for (std::size_t i = 0; i < together; ++i)
                        dropped.push_back(std::next(cell_of.begin(), static_cast<std::ptrdiff_t>(i))->second);
                for (std::size_t head = 0; head < heads; ++head) {
                    own[head].lane.append(t);
                    own[head].see(t);
                    own[head].evict();
                    Lane<AnyPolicy>& lane = shared[head].lane;
                    lane.append(t, cell);
                    rows[head][cell] = t;
                    shared[head].see(t);
                    std::vector<std::int64_t> gone, still;
                    for (const Slot victim : shared[head].evict()) gone.push_back(lane.position(victim).value());
                    make_way(lane, dropped, [&](Move move) {
                        rows[head][move.to] = rows[head][move.from];
                        rows[head][move.from] = -1;
                        ++carried;
                    });
                    for (const Slot cell_dropped : dropped) REQUIRE_FALSE(lane.live(cell_dropped));
                    for (const Slot victim : lane.victims()) still.push_back(lane.position(victim).value());
                    REQUIRE(still == gone);
                    REQUIRE(shared[head].kept() == own[head].kept());
                    for (const LaneToken token : lane.tokens())
                        REQUIRE(rows[head][token.slot] == token.position.value());
                }
                for (std::size_t i = 0; i < dropped.size(); ++i) {
                    vacant.push_back(dropped[i]);
                    cell_of.erase(cell_of.begin());
                }
                apart += shared[0].kept() != shared[1].kept();
            }
        }
    CHECK(apart > 500);
    CHECK(carried > 500);
}

// The engine has more cells than it fills, and gives fresh ones first: what it dropped before is masked.
TEST_CASE("no row moves to a cell that the engine dropped before") {
    constexpr std::size_t budget = 6, cells = 30;
    Fed one = fed(H2O{}, budget, 0);
    one.lane.set_capacity(cells);
    std::vector<Slot> held;  // by position
    for (std::size_t t = 0; t < 200; ++t) {
        held.push_back(Slot(t % cells));
        one.lane.append(static_cast<std::int64_t>(t), held.back());
        one.see(static_cast<std::int64_t>(t));
        one.evict();
        if (held.size() <= budget) continue;
        make_way(one.lane, held.front(), [](Move) {});
        held.erase(held.begin());
        REQUIRE(one.lane.size() == held.size());
        for (const Slot cell : held) REQUIRE(one.lane.live(cell));
    }
}

TEST_CASE("a cell that the lane has vacated already costs no row, and a copy that fails can be made again") {
    Fed one = fed(H2O{}, 4, 1);
    for (std::int64_t t = 0; t < 6; ++t) {
        one.lane.append(t);
        one.see(t);
    }
    const Slot victim = one.evict().front();
    make_way(one.lane, victim, [](Move) { FAIL("nothing lies there"); });
    const std::set<std::int64_t> kept = one.kept();
    Slot busy(0);
    while (!one.lane.live(busy)) busy = Slot(busy + std::size_t{1});
    CHECK_THROWS_AS(make_way(one.lane, busy, [](Move) { throw std::runtime_error("no"); }), std::runtime_error);
    CHECK(one.lane.live(busy));
    make_way(one.lane, busy, [](Move) {});
    CHECK_FALSE(one.lane.live(busy));
    CHECK(one.kept() == kept);
}

TEST_CASE("more cells than vacancies, and moves to where a token is, are caught") {
    Lane<Window> lane(4);
    for (int t = 0; t < 3; ++t) lane.append(t);
    CHECK_THROWS_AS(make_way(lane, Slot(1), [](Move) {}), msrnn_assertion_failed);
    CHECK_THROWS_AS(make_way(lane, Slot(3), [](Move) {}), msrnn_assertion_failed);
    CHECK_THROWS_AS(lane.move({Slot(0), Slot(1)}), msrnn_assertion_failed);
    CHECK_THROWS_AS(lane.move({Slot(0), Slot(3)}), msrnn_assertion_failed);
    lane.evict(Slot(1));
    CHECK_THROWS_AS(lane.move({Slot(1), Slot(1)}), msrnn_assertion_failed);
    REQUIRE(lane.pin(Slot(2)));
    lane.move({Slot(2), Slot(1)});
    CHECK(lane.pinned(Slot(1)));
    CHECK(lane.next() == Slot(2));
    CHECK(lane.append(3) == 2);
}

}  // namespace cells_tests
