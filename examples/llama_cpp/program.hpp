// What the programs of this folder share: their options, a model, text to tokens and back.
#pragma once

#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bounded_context.hpp"

/// name=value for each argument; names that are not in `known` are refused.
class Options {
public:
    Options(int count, char** arguments, std::map<std::string, std::string, std::less<>> known)
        : values_(std::move(known)) {
        for (int i = 1; i < count; ++i) {
            const std::string_view argument = arguments[i];
            const std::size_t equals = argument.find('=');
            const auto at = values_.find(argument.substr(0, equals));
            if (equals == argument.npos || at == values_.end()) throw std::invalid_argument(usage(argument));
            at->second = argument.substr(equals + 1);
        }
    }
    const std::string& text(std::string_view name) const { return values_.find(name)->second; }
    std::size_t number(std::string_view name) const {
        const std::string& text = this->text(name);
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || end != text.data() + text.size())
            throw std::invalid_argument(std::string(name) + "=" + text + " is not a number");
        return number;
    }
    msrnn::Scope scope() const {
        for (const msrnn::Scope scope : {msrnn::Scope::model, msrnn::Scope::layer, msrnn::Scope::kv_head})
            if (text("lanes") == name_of(scope)) return scope;
        throw std::invalid_argument("lanes=" + text("lanes") + "; there are model, layer and kv_head");
    }
    /// Of options that every program here has.
    ContextSettings context() const {
        return {.policy = text("policy"),
                .budget = number("budget"),
                .tokens = number("tokens"),
                .batch = number("batch"),
                .scope = scope(),
                .threads = static_cast<int>(number("threads")),
                .keep = number("keep"),
                .flash = text("flash") != "off"};
    }

private:
    std::string usage(std::string_view argument) const {
        std::string all = "\"" + std::string(argument) + "\" is no option; there are";
        for (const auto& [name, value] : values_) all += " " + name + "=" + value;
        return all;
    }

    std::map<std::string, std::string, std::less<>> values_;
};

/// Any model that llama.cpp reads.
class Model {
public:
    /// With its layers shared out among servers of llama.cpp's RPC backend, "HOST:PORT,HOST:PORT", where there are any.
    explicit Model(const std::string& path, std::string_view servers = {}) {
        llama_log_set(
            [](ggml_log_level level, const char* text, void*) {
                if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
            },
            nullptr);
        ggml_backend_load_all();
        llama_model_params params = llama_model_default_params();
        std::vector<ggml_backend_dev_t> devices = devices_of(servers);
        if (!servers.empty()) params.devices = devices.data(), params.n_gpu_layers = 1000;
        model_.reset(llama_model_load_from_file(path.c_str(), params));
        if (!model_) throw std::runtime_error("llama.cpp cannot read the model " + path);
        vocabulary_ = llama_model_get_vocab(model_.get());
    }
    llama_model& get() const { return *model_; }
    std::size_t words() const { return static_cast<std::size_t>(llama_vocab_n_tokens(vocabulary_)); }
    bool ends(llama_token token) const { return llama_vocab_is_eog(vocabulary_, token); }

    std::vector<llama_token> tokens(std::string_view text) const {
        std::vector<llama_token> tokens(text.size() + 2);
        const int count = llama_tokenize(vocabulary_, text.data(), static_cast<int>(text.size()), tokens.data(),
                                         static_cast<int>(tokens.size()), true, false);
        tokens.resize(static_cast<std::size_t>(std::max(count, 0)));
        if (tokens.empty()) throw std::invalid_argument("the text has no tokens");
        return tokens;
    }
    /// The first tokens of a file.
    std::vector<llama_token> tokens_of_file(const std::string& path, std::size_t most) const {
        std::ifstream file(path, std::ios::binary);
        std::string text{std::istreambuf_iterator<char>(file), {}};
        text.resize(std::min(text.size(), 16 * most));
        std::vector<llama_token> all = tokens(text);
        if (all.size() < most)
            throw std::invalid_argument(path + " has fewer than " + std::to_string(most) + " tokens");
        all.resize(most);
        return all;
    }
    std::string text(llama_token token) const {
        char piece[256];
        const int length = llama_token_to_piece(vocabulary_, token, piece, sizeof piece, 0, true);
        return {piece, static_cast<std::size_t>(std::max(length, 0))};
    }
    llama_token likeliest(const float* logits) const {
        return static_cast<llama_token>(std::max_element(logits, logits + words()) - logits);
    }
    /// Minus the logarithm of the probability of this token.
    double surprise(const float* logits, llama_token token) const {
        const float top = *std::max_element(logits, logits + words());
        double total = 0;
        for (std::size_t word = 0; word < words(); ++word) total += std::exp(double{logits[word]} - double{top});
        return std::log(total) - (double{logits[token]} - double{top});
    }

private:
    static std::vector<ggml_backend_dev_t> devices_of(std::string_view servers) {
        std::vector<ggml_backend_dev_t> devices;
        const ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
        if (!servers.empty() && rpc == nullptr) throw std::runtime_error("this llama.cpp was built without GGML_RPC");
        while (!servers.empty()) {
            const std::string server(servers.substr(0, servers.find(',')));
            servers.remove_prefix(std::min(server.size() + 1, servers.size()));
            using AddServer = ggml_backend_reg_t (*)(const char* endpoint);
            const auto add =
                reinterpret_cast<AddServer>(ggml_backend_reg_get_proc_address(rpc, "ggml_backend_rpc_add_server"));
            const ggml_backend_reg_t added = add(server.c_str());
            if (added == nullptr) throw std::runtime_error("there is no server of llama.cpp at " + server);
            devices.push_back(ggml_backend_reg_dev_get(added, 0));
        }
        devices.push_back(nullptr);
        return devices;
    }
    struct Free {
        void operator()(llama_model* model) const { llama_model_free(model); }
    };
    std::unique_ptr<llama_model, Free> model_;
    const llama_vocab* vocabulary_ = nullptr;
};

/// Seconds since it was made, and processor seconds of all threads: these do not depend on what else the machine does.
class Clock {
public:
    double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
    double processor() const { return static_cast<double>(std::clock() - ticks_) / CLOCKS_PER_SEC; }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::clock_t ticks_ = std::clock();
};

/// Resident memory of this process in MiB; 0 where there is no /proc.
inline double resident_mib() {
    std::ifstream file("/proc/self/statm");
    double all = 0, resident = 0;
    file >> all >> resident;
    return resident * 4096 / (1 << 20);
}
