// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <iterator>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The elements of all layers, one layer after the other, each layer with equally many: to be indexed and iterated.
template <class Layer, class T>
class Joined {
public:
    using Of = const T& (*)(const Layer&, std::size_t);
    Joined(const Layer* layers, std::size_t layer_count, std::size_t in_layer, Of of)
        : layers_(layers), in_layer_(in_layer), size_(layer_count * in_layer), of_(of) {}

    class Iterator {
    public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = const T*;
        using reference = const T&;

        Iterator() = default;
        Iterator(const Joined& all, std::size_t at) : all_(all), at_(at) {}
        reference operator*() const { return all_[at_]; }
        pointer operator->() const { return &all_[at_]; }
        Iterator& operator++() {
            ++at_;
            return *this;
        }
        Iterator operator++(int) {
            Iterator before = *this;
            ++at_;
            return before;
        }
        friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

    private:
        Joined all_;
        std::size_t at_ = 0;
    };

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const T& operator[](std::size_t i) const { return of_(layers_[i / in_layer_], i % in_layer_); }
    const T& front() const { return (*this)[0]; }
    Iterator begin() const { return {*this, 0}; }
    Iterator end() const { return {*this, size_}; }

private:
    Joined() = default;

    const Layer* layers_ = nullptr;
    std::size_t in_layer_ = 0, size_ = 0;
    Of of_ = nullptr;
};

}  // namespace msrnn::inline MSRNN_ABI
