// Greedy merging: of all neighbours that may become one, the most urgent do, the leftmost of equals, until none may.
#pragma once

#include <cstddef>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

namespace llama {

/// What two neighbours become, and how soon: the highest urgency first.
template <class Symbol>
struct Merge {
    double urgency = 0;
    Symbol result{};
};

/// The symbols lie in a linked list, possible merges wait in a queue; merges whose symbols have changed are skipped.
/// merge_of(first, second) gives an optional Merge<Symbol>.
template <class Symbol, class MergeOf>
class Merging {
public:
    Merging(const std::vector<Symbol>& symbols, MergeOf& merge_of) : merge_of_(merge_of), end_(symbols.size()) {
        nodes_.reserve(end_);
        for (std::size_t i = 0; i < end_; ++i) nodes_.push_back({symbols[i], i == 0 ? end_ : i - 1, i + 1, false});
        for (std::size_t i = 0; i + 1 < end_; ++i) offer(i, i + 1);
    }

    std::vector<Symbol> run() {
        while (!waiting_.empty()) {
            const Waiting best = waiting_.top();
            waiting_.pop();
            if (is_possible(best)) perform(best);
        }
        std::vector<Symbol> merged;
        for (std::size_t i = 0; i < end_; i = nodes_[i].next) merged.push_back(nodes_[i].symbol);
        return merged;
    }

private:
    struct Node {
        Symbol symbol;
        std::size_t previous, next;
        bool merged_away;
    };

    struct Waiting {
        double urgency;
        std::size_t left;
        Symbol first, second, result;

        bool operator<(const Waiting& other) const {
            return urgency < other.urgency || (urgency == other.urgency && left > other.left);
        }
    };

    void offer(std::size_t left, std::size_t right) {
        if (left == end_ || right == end_) return;
        const Symbol &first = nodes_[left].symbol, &second = nodes_[right].symbol;
        if (const std::optional<Merge<Symbol>> found = merge_of_(first, second))
            waiting_.push({found->urgency, left, first, second, found->result});
    }

    bool is_possible(const Waiting& merge) const {
        const Node& left = nodes_[merge.left];
        return !left.merged_away && left.symbol == merge.first && left.next != end_ &&
               nodes_[left.next].symbol == merge.second;
    }

    void perform(const Waiting& merge) {
        Node &left = nodes_[merge.left], &right = nodes_[left.next];
        right.merged_away = true;
        left.symbol = merge.result;
        left.next = right.next;
        if (left.next != end_) nodes_[left.next].previous = merge.left;
        offer(left.previous, merge.left);
        offer(merge.left, left.next);
    }

    MergeOf& merge_of_;
    std::size_t end_;
    std::vector<Node> nodes_;
    std::priority_queue<Waiting> waiting_;
};

template <class Symbol, class MergeOf>
std::vector<Symbol> merged(const std::vector<Symbol>& symbols, MergeOf merge_of) {
    return Merging<Symbol, MergeOf>(symbols, merge_of).run();
}

}  // namespace llama
