// A context and what its lanes remember, in two files: llama.cpp's own, and one beside it that ends in ".lanes".
#pragma once

#include <llama.h>

#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "bounded_context.hpp"

/// Numbers to and from a file, as they lie in memory: for the machine that wrote them.
class SavedFile {
public:
    SavedFile(const std::string& path, std::ios::openmode mode) : path_(path), file_(path, mode | std::ios::binary) {
        if (!file_) throw std::runtime_error("cannot open " + path);
    }
    template <class Number>
    void number(Number& number) {
        bytes(reinterpret_cast<char*>(&number), sizeof number);
    }
    template <class Numbers>
    void numbers(Numbers& numbers) {
        std::size_t count = numbers.size();
        number(count);
        if (count > most) throw std::runtime_error(path_ + " is damaged");
        numbers.resize(count);
        bytes(reinterpret_cast<char*>(numbers.data()), count * sizeof numbers[0]);
    }
    void record(msrnn::LaneRecord& record) {
        number(record.budget), number(record.seen), number(record.observed), number(record.rows);
        number(record.prompt_end), numbers(record.rejected), numbers(record.positions), numbers(record.arrivals);
        numbers(record.pinned), numbers(record.ratings), numbers(record.columns), numbers(record.floats);
    }

protected:
    virtual void bytes(char* at, std::size_t count) = 0;
    ~SavedFile() = default;

    static constexpr std::size_t most = std::size_t{1} << 28;
    std::string path_;
    std::fstream file_;
};
struct ReadFile final : SavedFile {
    explicit ReadFile(const std::string& path) : SavedFile(path, std::ios::in) {}
    void bytes(char* at, std::size_t count) override {
        if (!file_.read(at, static_cast<std::streamsize>(count))) throw std::runtime_error(path_ + " ends too early");
    }
};
struct WrittenFile final : SavedFile {
    explicit WrittenFile(const std::string& path) : SavedFile(path, std::ios::out | std::ios::trunc) {}
    void bytes(char* at, std::size_t count) override {
        if (!file_.write(at, static_cast<std::streamsize>(count)).flush())
            throw std::runtime_error("cannot write " + path_);
    }
};

/// Goes on where save() stopped, with the same settings: returns the tokens that are to be decoded next.
inline std::vector<llama_token> load(BoundedContext& context, const std::string& path) {
    std::vector<llama_token> pending(llama_n_ctx(context.get()));
    std::size_t count = 0;
    if (!llama_state_load_file(context.get(), path.c_str(), pending.data(), pending.size(), &count))
        throw std::runtime_error("llama.cpp cannot go on from " + path);
    pending.resize(count);
    ReadFile file(path + ".lanes");
    std::size_t seen = 0, rows = 0;
    file.number(seen), file.number(rows);
    context.go_on(seen, rows);
    for (std::vector<BoundedContext::Lane>& layer : context.lanes()) {
        std::size_t lanes = 0;
        for (file.number(lanes), layer.clear(); layer.size() < lanes;) {
            msrnn::LaneRecord record;
            file.record(record);
            layer.push_back(context.make_lane(layer.size()));
            layer.back().restore(record);
        }
    }
    file.numbers(context.held());
    context.close_gaps();
    return pending;
}

/// Keeps everything that decides how the text goes on. This context then loads it too: so its cells lie as those of the
/// one that goes on, sums over them have the same order, and both give the same bits.
inline void save(BoundedContext& context, const std::string& path, std::vector<llama_token> pending) {
    if (!llama_state_save_file(context.get(), path.c_str(), pending.data(), pending.size()))
        throw std::runtime_error("llama.cpp cannot save " + path);
    {
        WrittenFile file(path + ".lanes");
        std::size_t seen = context.seen(), rows = context.lanes().size();
        file.number(seen), file.number(rows);
        for (std::vector<BoundedContext::Lane>& layer : context.lanes()) {
            std::size_t lanes = layer.size();
            file.number(lanes);
            for (BoundedContext::Lane& lane : layer) {
                msrnn::LaneRecord record = lane.record();
                file.record(record);
            }
        }
        file.numbers(context.held());
    }
    load(context, path);
}
