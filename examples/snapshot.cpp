// A conversation put away and taken up again: one file of a fixed size, however long the text was.
#include <cstdio>
#include <filesystem>
#include <msrnn/io.hpp>

int main() {
    const msrnn::Shape shape{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 16};
    const auto advance = [](auto& state, int first, int last) {
        Eigen::VectorXf out(4 * 16);
        for (int position = first; position < last; ++position)
            for (std::size_t layer = 0; layer < 2; ++layer) {
                const float angle = 0.3f * static_cast<float>(position);
                const auto row = Eigen::VectorXf::LinSpaced(64, angle, angle + 9).array().sin().matrix().eval();
                state.step(layer, position, row, row.head(32), row.tail(32), out);
            }
        return out;
    };

    msrnn::State<msrnn::H2O> state(shape, {.budget = 24});
    advance(state, 0, 1000);
    const auto file = std::filesystem::temp_directory_path() / "msrnn-example.safetensors";
    if (const std::string wrong = msrnn::save(state, file); !wrong.empty()) return std::puts(wrong.c_str()), 1;

    msrnn::State<msrnn::H2O> later(shape, {.budget = 24});  // of another program, on another day
    if (const std::string wrong = msrnn::load(later, file); !wrong.empty()) return std::puts(wrong.c_str()), 1;
    std::printf("%zu bytes hold what is left of %zu tokens\n",
                static_cast<std::size_t>(std::filesystem::file_size(file)),
                static_cast<std::size_t>(later.lane(0, 0).seen()));
    std::filesystem::remove(file);

    return advance(state, 1000, 1100) == advance(later, 1000, 1100) ? 0 : 1;  // bit for bit
}
