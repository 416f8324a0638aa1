// Rows in pages of a pool, as an engine with a block table keeps them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <msrnn/rows/view.hpp>
#include <utility>
#include <vector>

#include "random.hpp"
#include "strided_rows.hpp"

/// The first n rows of others, in pages that lie in random order in a pool of more pages. Between the rows, behind the
/// last one and in the pages of others lies what must not be read.
template <class S>
struct Paged {
    static constexpr bool scaled = Strided<S>::scaled;
    std::size_t page_rows, stride, offset;
    std::vector<S> pool;
    std::vector<float> scale_pool;
    std::vector<const S*> pages;
    std::vector<const float*> scales;

    Paged(const Strided<S>& rows, std::size_t n, std::size_t rows_of_a_page, std::size_t gap, Random& random)
        : page_rows(rows_of_a_page), stride(rows.dim + gap), offset(gap) {
        const std::size_t used = (n + page_rows - 1) / page_rows, page = offset + page_rows * stride;
        pool.resize((used + 3) * page);
        std::memset(static_cast<void*>(pool.data()), 0x7f, pool.size() * sizeof(S));
        scale_pool.assign((used + 3) * page_rows, not_a_number);
        std::vector<std::size_t> table(used + 3);
        for (std::size_t i = 0; i < table.size(); ++i) std::swap(table[i] = i, table[random.below(i + 1)]);
        for (std::size_t p = 0; p < used; ++p) {
            pages.push_back(pool.data() + table[p] * page);
            scales.push_back(scale_pool.data() + table[p] * page_rows);
            for (std::size_t r = p * page_rows; r < std::min(n, (p + 1) * page_rows); ++r) {
                const std::size_t within = r % page_rows;
                std::copy_n(rows.view().row(r), rows.dim, pool.data() + table[p] * page + offset + within * stride);
                if constexpr (scaled) scale_pool[table[p] * page_rows + within] = *rows.view().scale(r);
            }
        }
    }
    msrnn::PagedRowsView<S> view() const {
        return {pages.data(), page_rows, stride, offset, scaled ? scales.data() : nullptr};
    }
};
