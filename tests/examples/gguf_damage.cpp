#include "gguf_model.hpp"

namespace gguf_model_tests {

TEST_CASE("a GGUF file cut short anywhere is refused") {
    GgufWriter writer = tiny();
    writer.set("tokenizer.ggml.tokens", std::vector<std::string>(11, "ab"));
    const std::string whole = writer.bytes();
    REQUIRE(verdict(whole).empty());
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const std::string said = verdict(whole.substr(0, length));
        REQUIRE(!said.empty());
        REQUIRE(said.find("reading failed") == std::string::npos);
    }
}

TEST_CASE("a GGUF file with any one bit of its header flipped is refused, or is a whole model all the same") {
    GgufWriter writer = tiny();
    writer.set("tokenizer.ggml.tokens", std::vector<std::string>(11, "ab")).set("llama.rope.freq_base", 1e4f);
    const std::string whole = writer.bytes();
    const std::size_t header = writer.header().size();
    const TemporaryFolder folder;
    std::size_t refused = 0, loaded = 0, broken = 0;
    for (std::size_t bit = 0; bit < 8 * header; ++bit) {
        std::string bytes = whole;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
        const std::string path = folder.write("model.gguf", bytes);
        try {
            const llama::Model model = gguf::read_model(gguf::File(path));
            ++(fault_of(model).empty() ? loaded : broken);
        } catch (const std::runtime_error& refusal) {
            REQUIRE(std::string(refusal.what()).substr(0, path.size() + 2) == path + ": ");
            REQUIRE(std::string(refusal.what()).find("reading failed") == std::string::npos);
            ++refused;
        }
    }
    REQUIRE(broken == 0);
    REQUIRE(refused > 0);
    REQUIRE(loaded > 0);
}

}  // namespace gguf_model_tests
