// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <iterator>
#include <span>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The elements of all layers, one layer after the other: to be iterated, and indexed at the cost of a walk over the
/// layers.
template <class Layer, class T>
class Joined {
public:
    /// Gives the elements of a layer.
    using Of = std::span<const T> (*)(const Layer&);
    /// The elements of these layers.
    Joined(std::span<const Layer> layers, Of of) : layers_(layers), of_(of) {
        for (const Layer& layer : layers) size_ += of(layer).size();
    }

    class Iterator {
    public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = const T*;
        using reference = const T&;

        Iterator() = default;
        Iterator(std::span<const Layer> layers, Of of) : layers_(layers), of_(of) { skip_empty(); }
        reference operator*() const { return of_(layers_.front())[at_]; }
        pointer operator->() const { return &**this; }
        Iterator& operator++() {
            ++at_;
            skip_empty();
            return *this;
        }
        Iterator operator++(int) {
            Iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const Iterator& a, const Iterator& b) {
            return a.layers_.size() == b.layers_.size() && a.at_ == b.at_;
        }

    private:
        void skip_empty() {
            for (; !layers_.empty() && at_ == of_(layers_.front()).size(); at_ = 0) layers_ = layers_.subspan(1);
        }

        std::span<const Layer> layers_ = {};
        Of of_ = nullptr;
        std::size_t at_ = 0;  // in the first of these layers
    };

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    /// Element i; a walk over the layers.
    const T& operator[](std::size_t i) const {
        std::size_t layer = 0;
        for (; i >= of_(layers_[layer]).size(); ++layer) i -= of_(layers_[layer]).size();
        return of_(layers_[layer])[i];
    }
    const T& front() const { return *begin(); }
    Iterator begin() const { return {layers_, of_}; }
    Iterator end() const { return {layers_.subspan(layers_.size()), of_}; }

private:
    std::span<const Layer> layers_;
    Of of_;
    std::size_t size_ = 0;
};

}  // namespace msrnn::inline MSRNN_ABI
