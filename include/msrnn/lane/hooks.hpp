// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// Runs a hook of a policy. One that throws leaves the policy's numbers in the table as they were.
template <class Table, class Hook>
void run_hook(Table& table, bool may_throw, Hook hook) {
    if (!may_throw) return hook();
    table.keep_memory();
    struct PutBack {
        Table* table;
        ~PutBack() {
            if (table != nullptr) table->put_back_kept();
        }
    } put_back{&table};
    hook();
    put_back.table = nullptr;
}

}  // namespace msrnn::inline MSRNN_ABI::detail
