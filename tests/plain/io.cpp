// Snapshots in a build without exceptions and run-time types: save() and load() answer with sentences, whatever the
// file holds. Nothing in it may bring the JSON library to throw, which would abort here.
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <msrnn/any_policy.hpp>
#include <msrnn/io.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plain/check.hpp"
#include "support/simple_policies.hpp"
#include "support/tokens.hpp"

using namespace msrnn;

namespace {
constexpr Shape shape{.layers = 1, .query_heads = 2, .kv_heads = 2, .head_dim = 4};
using Small = State<AnyPolicy, std::int8_t>;
using Bytes = std::vector<std::byte>;

Small after_steps(int tokens, const AnyPolicy& policy = H2O{}) {
    Small state(shape, {.budget = 6}, policy);
    Random random{static_cast<std::uint64_t>(tokens)};
    for (int t = 0; t < tokens; ++t) {
        Token token(shape, random);
        state.step(0, t, token.q, token.k, token.v, token.out);
    }
    return state;
}
Bytes saved(const Small& state) {
    Bytes bytes;
    check(save(state, bytes).empty(), "a state between steps is saved");
    return bytes;
}

std::string now;  // what is being tried, said where it aborts
void say_where(int) {
    const ssize_t written = ::write(STDERR_FILENO, now.data(), now.size());
    static_cast<void>(written);
}

struct Victim {
    Small state = after_steps(8);
    Bytes before = saved(state);

    /// False where the file is refused, which changes nothing; what is accepted is a state of its own.
    bool takes(std::span<const std::byte> bytes, int line = __builtin_LINE()) {
        const std::string wrong = load(state, bytes);
        if (!wrong.empty()) {
            check(wrong.starts_with("msrnn: snapshot: ") && wrong.find('\n') == std::string::npos,
                  "a refusal is a sentence that names what was read", line);
            check(saved(state) == before, "a file that is refused changes nothing", line);
            return false;
        }
        Random random{1};
        for (int t = 0; t < 3; ++t) {
            Token token(shape, random);
            state.step(0, t, token.q, token.k, token.v, token.out);
        }
        check(load(state, std::span<const std::byte>(before)).empty(), "what was accepted gives way again", line);
        return true;
    }
};

std::size_t header_bytes(const Bytes& file) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof length);
    return length;
}
std::string header_of(const Bytes& file) {
    return {reinterpret_cast<const char*>(file.data()) + 8, header_bytes(file)};
}
/// The file with another header.
Bytes with_header(const Bytes& file, const std::string& header) {
    const std::uint64_t length = header.size();
    Bytes changed(sizeof length + header.size());
    std::memcpy(changed.data(), &length, sizeof length);
    std::memcpy(changed.data() + sizeof length, header.data(), header.size());
    changed.insert(changed.end(), file.begin() + 8 + static_cast<std::ptrdiff_t>(header_bytes(file)), file.end());
    return changed;
}

void a_state_comes_back() {
    for (const AnyPolicy& policy : simple_policies()) {
        const Small there = after_steps(9, policy);
        Small here = after_steps(0, policy);
        check(load(here, std::span<const std::byte>(saved(there))).empty(), "a snapshot of a state alike is taken");
        check(saved(here) == saved(there), "and comes out as it went in");
    }
}

void cut_short_anywhere() {
    Victim victim;
    const Bytes file = saved(after_steps(9));
    for (std::size_t bytes = 0; bytes < file.size(); ++bytes) {
        now = "cut to " + std::to_string(bytes) + " bytes\n";
        check(!victim.takes(std::span(file).first(bytes)), "a file that is cut short is refused");
    }
    check(victim.takes(file), "the whole file is taken");
}

void any_byte_changed() {
    Victim victim;
    const Bytes file = saved(after_steps(9));
    std::size_t refused = 0, accepted = 0;
    for (std::size_t at = 0; at < file.size(); ++at)
        for (const int with : {0x01, 0x02, 0x10, 0x80, 0xff}) {
            now = "byte " + std::to_string(at) + " changed by " + std::to_string(with) + "\n";
            Bytes changed = file;
            changed[at] ^= static_cast<std::byte>(with);
            ++(victim.takes(changed) ? accepted : refused);
        }
    check(refused > file.size() && accepted > 0, "both happen: a byte of the header is refused, one of a key is not");
}

/// Calls use(changed) with every value of the JSON, and every value in it, replaced by another.
template <class Use>
void replace_each(nlohmann::json& root, nlohmann::json& at, const std::vector<nlohmann::json>& others, Use use) {
    const nlohmann::json own = at;
    for (const nlohmann::json& other : others) {
        at = other;
        now = "the header " + root.dump() + "\n";
        use();
    }
    at = own;
    if (at.is_structured())
        for (nlohmann::json& inner : at) replace_each(root, inner, others, use);
}
/// And with every member left out, or called otherwise.
template <class Use>
void drop_each(nlohmann::json& root, nlohmann::json& at, Use use) {
    if (at.is_object()) {
        const nlohmann::json own = at;
        for (const auto& member : own.items()) {
            at = own;
            at.erase(member.key());
            now = "the header " + root.dump() + "\n";
            use();
            at["another"] = member.value();
            use();
        }
        at = own;
    }
    if (at.is_structured())
        for (nlohmann::json& inner : at) drop_each(root, inner, use);
}
const std::vector<nlohmann::json>& others() {
    static const std::vector<nlohmann::json> all{nullptr,
                                                 true,
                                                 0,
                                                 -1,
                                                 1.5,
                                                 1e300,
                                                 ~std::uint64_t{0},
                                                 std::uint64_t{1} << 62,
                                                 "",
                                                 "I64",
                                                 "\x01\xc3\xa9/~0",
                                                 nlohmann::json::array(),
                                                 nlohmann::json::object(),
                                                 nlohmann::json::parse("[0, 8]", nullptr, false),
                                                 nlohmann::json::parse("{\"\": {\"/\": []}}", nullptr, false)};
    return all;
}

void values_of_other_types() {
    Victim victim;
    const Bytes file = saved(after_steps(9));
    nlohmann::json header = nlohmann::json::parse(header_of(file), nullptr, false);
    check(header.is_object(), "the header is JSON");
    std::size_t tried = 0;
    const auto as_header = [&] {
        ++tried;
        victim.takes(with_header(file, header.dump()));
    };
    replace_each(header, header, others(), as_header);
    drop_each(header, header, as_header);

    nlohmann::json& text = header["__metadata__"]["settings"];
    nlohmann::json settings = nlohmann::json::parse(text.get<std::string>(), nullptr, false);
    const nlohmann::json own = settings;
    std::size_t others_refused = 0, others_tried = 0;
    const auto as_settings = [&] {
        text = settings.dump();
        others_tried += settings != own;
        others_refused += !victim.takes(with_header(file, header.dump())) && settings != own;
    };
    replace_each(settings, settings, others(), as_settings);
    drop_each(settings, settings, as_settings);
    check(tried > 500 && others_tried > 100, "many were tried");
    check(others_refused == others_tried, "other settings are another state's");
}

void text_that_is_no_json() {
    Victim victim;
    const Bytes file = saved(after_steps(9));
    const std::string header = header_of(file);
    for (const std::string& text :
         {std::string(), std::string("{"), std::string("nul"), std::string(64, '\0'), std::string(64, '\xff'),
          std::string("\"\\ud800\""), std::string("1e999999"), std::string("-"), std::string("\xef\xbb\xbf{}"),
          std::string(100000, '['), "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}",
          "{\"\xc3\x28\": {}}" + header, header + "}", header + header, "{\"a\xff\": 1}" + std::string(8, ' '),
          "{\"__metadata__\": {\"\xff\": 1}}" + std::string(8, ' ')}) {
        now = "the header " + text.substr(0, 40) + "\n";
        check(!victim.takes(with_header(file, text)), "a header that is no JSON of tensors is refused");
    }
    for (std::size_t at = 0; at < header.size(); ++at) {
        now = "the header cut at " + std::to_string(at) + "\n";
        if (header.find_last_not_of(' ') >= at)
            check(!victim.takes(with_header(file, header.substr(0, at))), "a header cut short is refused");
    }
    // Settings are JSON in a text of the JSON.
    nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
    for (const std::string& text : {std::string("{"), std::string("[]"), std::string(50000, '['), std::string("{}}")}) {
        json["__metadata__"]["settings"] = text;
        now = "the settings " + text.substr(0, 40) + "\n";
        check(!victim.takes(with_header(file, json.dump())), "settings that are no JSON object are refused");
    }
}

void files_that_are_not_there() {
    const std::filesystem::path folder = std::filesystem::temp_directory_path() / "msrnn-plain-XXXXXX";
    std::string name = folder.string();
    check(::mkdtemp(name.data()) != nullptr, "there is a folder to write to");
    const std::filesystem::path file = std::filesystem::path(name) / "state.safetensors";
    Victim victim;
    check(!load(victim.state, file).empty(), "a file that is not there is refused");
    check(!load(victim.state, std::filesystem::path(name)).empty(), "a folder is refused");
    check(!load(victim.state, std::filesystem::path()).empty(), "a path without a name is refused");
    check(saved(victim.state) == victim.before, "and nothing changes");
    check(!save(victim.state, std::filesystem::path(name) / "no" / "folder").empty(),
          "nor is a file made in no folder");
    check(!save(victim.state, std::filesystem::path(name)).empty(), "or in place of a folder");
    check(save(after_steps(9), file).empty(), "a file is written");
    check(load(victim.state, file).empty() && saved(victim.state) == saved(after_steps(9)), "and read");
    check(!save(victim.state, file / "below").empty(), "a file is no folder");

    Small half_done = after_steps(3);
    Random random{1};
    Token token(shape, random);
    half_done.attend(0, 0, token.q, token.k, token.v, token.out);
    Bytes none;
    check(!save(half_done, none).empty() && none.empty(), "half a step is not saved");
    check(!save(half_done, file).empty(), "and does not take the place of a file");
    check(load(victim.state, file).empty() && saved(victim.state) == saved(after_steps(9)), "which is as it was");
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(name)) files += entry.is_regular_file();
    check(files == 1, "and nothing is left beside it");
    std::filesystem::remove_all(name);
}
}  // namespace

int main() {
    std::signal(SIGABRT, say_where);
    a_state_comes_back();
    cut_short_anywhere();
    any_byte_changed();
    values_of_other_types();
    text_that_is_no_json();
    files_that_are_not_there();
    return result();
}
