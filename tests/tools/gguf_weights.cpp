// gguf_weights FILE: the weights of all tensors of types that are read, as float32, in the order of the file.
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <vector>

#include "formats/gguf/file.hpp"

int main(int count, char** arguments) try {
    if (count != 2) throw std::runtime_error("usage: gguf_weights FILE");
    const gguf::File file(arguments[1]);
    for (const gguf::Tensor& tensor : file.tensors()) {
        if (!tensor.type.decode) continue;
        std::vector<float> weights(tensor.size());
        file.read(tensor, weights);
        if (std::fwrite(weights.data(), sizeof(float), weights.size(), stdout) != weights.size())
            throw std::runtime_error("standard output cannot be written");
    }
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "gguf_weights: %s\n", error.what());
    return 1;
}
