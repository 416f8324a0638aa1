// The cells of llama.cpp's cache: where a token's key and value lie in its tensors.
#pragma once

#include <ggml-backend.h>
#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

/// Keys or values of one layer, as llama.cpp keeps them: [streams][cells][width]; the values, without flash attention,
/// [streams][width][cells]. A stream is one sequence; cells count on over all streams.
struct CacheRows {
    ggml_tensor* tensor = nullptr;
    bool transposed = false;

    std::size_t width() const { return static_cast<std::size_t>(tensor->ne[0]); }
    std::size_t cells() const { return static_cast<std::size_t>(tensor->ne[1]); }  ///< of a stream

    /// Appends numbers [first, first + count) of a cell to `row`, as floats.
    void read(std::size_t cell, std::size_t first, std::size_t count, std::vector<float>& row) const {
        bytes_.resize(bytes(count));
        each_piece(cell, first, count, [&](std::size_t at, std::size_t from, std::size_t size) {
            ggml_backend_tensor_get(tensor, bytes_.data() + from, at, size);
        });
        row.resize(row.size() + count);
        float* const to = row.data() + row.size() - count;
        if (tensor->type == GGML_TYPE_F32)
            std::memcpy(to, bytes_.data(), bytes_.size());
        else
            ggml_get_type_traits(tensor->type)->to_float(bytes_.data(), to, static_cast<std::int64_t>(count));
    }
    /// Copies numbers [first, first + count) of one cell to another.
    void copy(std::size_t from, std::size_t to, std::size_t first, std::size_t count) const {
        bytes_.resize(bytes(count));
        each_piece(from, first, count, [&](std::size_t at, std::size_t piece, std::size_t size) {
            ggml_backend_tensor_get(tensor, bytes_.data() + piece, at, size);
        });
        each_piece(to, first, count, [&](std::size_t at, std::size_t piece, std::size_t size) {
            ggml_backend_tensor_set(tensor, bytes_.data() + piece, at, size);
        });
    }

private:
    std::size_t bytes(std::size_t numbers) const {
        return ggml_row_size(tensor->type, static_cast<std::int64_t>(numbers));
    }
    /// use(offset in the tensor, offset in the row, bytes) for each piece of a row that lies in one place.
    template <class Use>
    void each_piece(std::size_t cell, std::size_t first, std::size_t count, Use use) const {
        if (!transposed) return use(cell * tensor->nb[1] + bytes(first), 0, bytes(count));
        const std::size_t number = tensor->nb[0], stream = cell / cells() * width() * cells();
        for (std::size_t i = 0; i < count; ++i)
            use((stream + (first + i) * cells() + cell % cells()) * number, i * number, number);
    }

    mutable std::vector<char> bytes_;
};

/// The tensor that a node is a view of.
inline ggml_tensor& root_of(ggml_tensor& node) {
    ggml_tensor* root = &node;
    while (root->view_src != nullptr) root = root->view_src;
    return *root;
}
/// The number behind a prefix: the layer in "kq_soft_max-12"; -1 for other names.
inline int number_behind(std::string_view prefix, std::string_view name) {
    if (!name.starts_with(prefix)) return -1;
    int number = 0;
    for (const char digit : name.substr(prefix.size())) {
        if (digit < '0' || digit > '9') break;
        number = number * 10 + (digit - '0');
    }
    return number;
}
