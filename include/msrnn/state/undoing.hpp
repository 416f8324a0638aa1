// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// Calls undo() at the end of its life, unless not_needed() was called: an exception passed by.
template <class Undo>
class Undoing {
public:
    explicit Undoing(Undo undo) : undo_(std::move(undo)) {}
    Undoing(const Undoing&) = delete;
    Undoing& operator=(const Undoing&) = delete;
    ~Undoing() {
        if (needed_) undo_();
    }
    void not_needed() { needed_ = false; }

private:
    Undo undo_;
    bool needed_ = true;
};

}  // namespace msrnn::inline MSRNN_ABI::detail
