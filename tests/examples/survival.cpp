// Survival times against a run that shares nothing with the program: a decoder of plain loops, and lanes that drop
// tokens by the published rules.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "plain_decoder.hpp"
#include "program.hpp"
#include "support/catch.hpp"
#include "support/mirrored.hpp"
#include "vocabularies.hpp"

namespace survival_tests {

namespace {

constexpr std::uint64_t random_seed = 5;

struct Rules {
    mirror::Settings settings;
    bool heads_agree = false;  // one decision for all heads of a layer
};

Rules rules_of(const std::string& policy) {
    using namespace mirror;
    if (policy == "window") return {settings_of(Window{}), true};
    if (policy == "sink-window") return {settings_of(SinkWindow(4)), true};
    if (policy == "tova") return {settings_of(Tova{}), true};
    if (policy == "tova-head") return {settings_of(Tova{})};
    if (policy == "h2o") return {settings_of(H2O{})};
    if (policy == "decayed") return {settings_of(DecayedAttention(0.9f))};
    if (policy == "key-norm") return {settings_of(KeyNorm{})};
    return {settings_of(RandomEviction(random_seed))};
}

/// How far the next victim is below the next lowest rating, as a share: rounding must be smaller.
double margin(const mirror::Lane& lane) {
    const mirror::Method& method = *lane.settings.method;
    const bool rounds = method.weights != mirror::Weights::unread || method.reads_keys;
    if (lane.tokens.size() <= lane.budget || !rounds) return 1;
    std::multiset<double> ratings;
    for (const mirror::Token& token : lane.tokens)
        if (lane.candidate(token)) ratings.insert(static_cast<double>(token.rating));
    if (ratings.size() < 2) return 1;
    const double lowest = *ratings.begin(), next = *std::next(ratings.begin());
    return (next - lowest) / std::max(std::fabs(next), std::fabs(lowest));
}

/// One memory reads one window.
class PlainMemory {
public:
    static constexpr std::size_t stays = ~std::size_t{0};

    PlainMemory(const PlainCheckpoint& checkpoint, const std::string& policy, std::size_t budget)
        : c_(checkpoint), decoder_(checkpoint), heads_agree_(rules_of(policy).heads_agree) {
        for (std::size_t layer = 0; layer < c_.layers; ++layer)
            for (std::size_t lane = 0; lane < lanes(); ++lane) {
                mirror::Settings settings = rules_of(policy).settings;
                settings.layer = layer, settings.kv_head = lane;
                lanes_.push_back({.settings = settings, .budget = budget, .capacity = budget + 1});
            }
        left_at_.resize(lanes_.size());
    }

    void read(std::size_t token) {
        decoder_.step(token, [this](std::size_t layer, std::size_t kv_head) {
            PlainDecoder::Positions held;
            for (const auto& kept : lanes_[index(layer, heads_agree_ ? 0 : kv_head)].tokens)
                held.push_back(static_cast<std::size_t>(kept.position));
            return held;
        });
        for (auto& left : left_at_) left.push_back(stays);
        for (std::size_t layer = 0; layer < c_.layers; ++layer)
            for (std::size_t lane = 0; lane < lanes(); ++lane) decide(layer, lane);
        ++read_;
    }

    std::size_t lanes() const { return heads_agree_ ? 1 : c_.kv_heads; }
    bool stayed(std::size_t layer, std::size_t lane, std::size_t token) const {
        return left_at_[index(layer, lane)][token] == stays;
    }
    std::size_t survived(std::size_t layer, std::size_t lane, std::size_t token) const {
        return (stayed(layer, lane, token) ? read_ - 1 : left_at_[index(layer, lane)][token]) - token;
    }
    double smallest_margin() const { return margin_; }

private:
    std::size_t index(std::size_t layer, std::size_t lane) const { return layer * lanes() + lane; }

    void decide(std::size_t layer, std::size_t which) {
        mirror::Lane& lane = lanes_[index(layer, which)];
        const std::size_t heads = c_.heads / lanes();
        lane.append(static_cast<std::int64_t>(read_));
        std::vector<std::vector<float>> rows, keys;
        for (std::size_t head = which * heads; head < (which + 1) * heads; ++head)
            rows.emplace_back(decoder_.weights(layer, head).begin(), decoder_.weights(layer, head).end());
        for (const auto& token : lane.tokens) {
            const auto key = decoder_.key(layer, which, static_cast<std::size_t>(token.position));
            keys.emplace_back(key.begin(), key.end());
        }
        lane.observe_weights(rows);
        lane.observe_keys(keys);
        margin_ = std::min(margin_, margin(lane));
        for (const auto& victim : lane.evict())
            left_at_[index(layer, which)][static_cast<std::size_t>(victim.position)] = read_;
    }

    const PlainCheckpoint& c_;
    PlainDecoder decoder_;
    bool heads_agree_;
    std::vector<mirror::Lane> lanes_;                // [layer][lane]
    std::vector<std::vector<std::size_t>> left_at_;  // [layer][lane][token]
    std::size_t read_ = 0;
    double margin_ = 1;
};

constexpr std::size_t window = 40, steps = window - 1;

/// A model whose every token is a letter, and a text in which none comes twice in a window: the same token twice has
/// the same key in the first layer, and which of two equals is shorter once both are turned, is a matter of rounding.
struct Reader {
    static inline const std::string letters = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    TemporaryFolder folder;
    PlainCheckpoint checkpoint = tiny_checkpoint();
    std::string text, arguments;

    Reader(std::uint64_t seed, std::size_t windows) {
        checkpoint.vocabulary = 3 + letters.size();
        Random random{seed};
        for (std::size_t w = 0; w < windows; ++w) {
            std::string rest = letters.substr(1);
            for (std::size_t i = w == 0; i < steps; ++i) {
                const std::size_t which = random.below(rest.size());
                text += rest[which];
                rest.erase(which, 1);
            }
        }
        arguments = "--model " + folder.write("model.bin", checkpoint.fill(seed).bytes()) + " --tokenizer " +
                    folder.write("tokenizer.bin", tokenizer_file(character_vocabulary(letters))) + " --text " +
                    folder.write("text.txt", text) + " --window " + std::to_string(window) + " ";
    }

    /// BOS, then all tokens of window `number` but the last. A text begins with a space of its own.
    std::string letters_read(std::size_t number) const {
        return "|" + (" " + text).substr((number - 1) * steps, steps - 1);
    }
    std::size_t token_of(char letter) const { return letter == '|' ? 1 : 3 + letters.find(letter); }

    nlohmann::json map(const std::string& more) const {
        const std::string json = folder.path("map.json");
        const Run run = run_program(arguments + more + " --survival --json " + json);
        INFO(run.err);
        REQUIRE(run.status == 0);
        return nlohmann::json::parse(read_bytes(json)).at("map");
    }
};

std::vector<std::size_t> stayed_of(const PlainMemory& memory, std::size_t layer, std::size_t lane) {
    std::vector<std::size_t> tokens;
    for (std::size_t token = 0; token < steps; ++token)
        if (memory.stayed(layer, lane, token)) tokens.push_back(token);
    return tokens;
}

std::vector<std::size_t> survived_of(const PlainMemory& memory, std::size_t layer, std::size_t lane) {
    std::vector<std::size_t> times;
    for (std::size_t token = 0; token < steps; ++token) times.push_back(memory.survived(layer, lane, token));
    return times;
}

}  // namespace

TEST_CASE("survival times are those of a plain decoder whose lanes follow the published rules") {
    const std::uint64_t seed = GENERATE(1u, 2u);
    const Reader reader(seed, 3);
    const auto map = reader.map(
        "--policies full,window,sink-window,tova,tova-head,h2o,decayed,key-norm,random "
        "--budgets 5,12,20,38,39,40 --map 2 --seed " +
        std::to_string(random_seed));
    REQUIRE(map.at("window") == 2);
    REQUIRE(map.at("runs").size() == 1 + 8 * 6);

    for (const auto& run : map.at("runs")) {
        const std::string policy = run.at("policy") == "full" ? "window" : run.at("policy");
        const std::size_t budget = run.at("budget").is_null() ? window : run.at("budget").get<std::size_t>();
        INFO(run.at("policy") << " " << run.at("budget") << ", seed " << seed);
        PlainMemory memory(reader.checkpoint, policy, budget);
        for (const char letter : reader.letters_read(2)) memory.read(reader.token_of(letter));
        REQUIRE(memory.smallest_margin() > 1e-4);

        REQUIRE(run.at("layers").size() == reader.checkpoint.layers);
        for (std::size_t layer = 0; layer < reader.checkpoint.layers; ++layer) {
            REQUIRE(run.at("layers").at(layer).size() == memory.lanes());
            for (std::size_t lane = 0; lane < memory.lanes(); ++lane) {
                const auto& told = run.at("layers").at(layer).at(lane);
                INFO("layer " << layer << ", lane " << lane);
                REQUIRE(told.at("survived").get<std::vector<std::size_t>>() == survived_of(memory, layer, lane));
                REQUIRE(told.at("stayed").get<std::vector<std::size_t>>() == stayed_of(memory, layer, lane));
            }
        }
    }
}

TEST_CASE("the map shows the tokens of the window that it is asked for") {
    const Reader reader(3, 3);
    for (const std::size_t number : {1u, 2u, 3u}) {
        const auto map = reader.map("--policies full --map " + std::to_string(number));
        std::string shown;
        for (const auto& token : map.at("tokens")) shown += token == "" ? "|" : token.get<std::string>();
        REQUIRE(map.at("window") == number);
        REQUIRE(shown == reader.letters_read(number));
    }
}

TEST_CASE("a window remembers each token for as many steps as its budget says, the full cache forgets none") {
    const auto map = Reader(4, 2).map("--policies full,window --budgets 2,13,38,39,40");
    REQUIRE(map.at("runs").size() == 6);
    for (const auto& run : map.at("runs")) {
        const std::size_t budget = run.at("budget").is_null() ? window : run.at("budget").get<std::size_t>();
        for (const auto& layer : run.at("layers")) {
            std::vector<std::size_t> survived, stayed;
            for (std::size_t token = 0; token < steps; ++token) {
                survived.push_back(std::min(budget, steps - 1 - token));
                if (token + budget >= steps) stayed.push_back(token);
            }
            REQUIRE(layer.at(0).at("survived") == survived);
            REQUIRE(layer.at(0).at("stayed") == stayed);
        }
    }
}

TEST_CASE("with every policy a lane evicts one token at every step once the budget is reached") {
    const auto map = Reader(5, 1).map("--budgets 5,20");
    for (const auto& run : map.at("runs")) {
        if (run.at("budget").is_null()) continue;
        const std::size_t budget = run.at("budget");
        for (const auto& layer : run.at("layers"))
            for (const auto& lane : layer) {
                const auto stayed = lane.at("stayed").get<std::set<std::size_t>>();
                std::set<std::size_t> left_at;
                for (std::size_t token = 0; token < steps; ++token)
                    if (stayed.count(token) == 0)
                        left_at.insert(token + lane.at("survived").at(token).get<std::size_t>());
                INFO(run.at("policy") << " " << budget);
                REQUIRE(stayed.size() == budget);
                REQUIRE(left_at.size() == steps - budget);
                REQUIRE(*left_at.begin() == budget);
            }
    }
}

}  // namespace survival_tests
