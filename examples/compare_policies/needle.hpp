// The tasks needle and copy: facts spread over real text, or passages of it, and what each memory still knows of them
// at the end.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "comparison.hpp"
#include "llama/layer_by_layer.hpp"
#include "needle_text.hpp"
#include "reading.hpp"

namespace compare {

/// Whether the policy sees the question before it chooses: then it has it easy.
enum class Question : unsigned char { seen, unseen };
inline constexpr std::array both_questions{Question::seen, Question::unseen};
inline const char* name_of(Question question) { return question == Question::seen ? "seen" : "unseen"; }

/// One fact asked for, of one memory. A number is found where each of its digits is the likeliest token behind those
/// before it: then what the model writes by itself, always the likeliest token, is the number. Of a passage each token
/// counts.
struct Found {
    std::size_t text = 0, fact = 0;
    std::size_t right = 0, all = 0;
    double nll = 0;  // of all that was asked for, together, in nats
};

/// What one memory found, [question].
struct Finds {
    std::array<std::vector<Found>, 2> of = {};

    const std::vector<Found>& asked(Question question) const { return of[static_cast<std::size_t>(question)]; }
    std::size_t right(Question question) const {
        std::size_t sum = 0;
        for (const Found& found : asked(question)) sum += found.right;
        return sum;
    }
    std::size_t all(Question question) const {
        std::size_t sum = 0;
        for (const Found& found : asked(question)) sum += found.all;
        return sum;
    }
    /// Of those at one depth: how many were found, and asked for.
    std::pair<std::size_t, std::size_t> right_at(Question question, std::size_t fact) const {
        std::pair<std::size_t, std::size_t> of_all;
        for (const Found& found : asked(question))
            if (found.fact == fact) of_all.first += found.right, of_all.second += found.all;
        return of_all;
    }
    /// Of a number, or of a token of a passage.
    double nll(Question question) const {
        double sum = 0;
        for (const Found& found : asked(question)) sum += found.nll;
        return sum / static_cast<double>(all(question));
    }
};

struct NeedleReading {
    const Model& model;
    std::vector<Haystack> texts;
    std::vector<Memory> memories;
    std::vector<Question> questions;
    std::size_t chunk = msrnn::unbounded;  // of the prompt; 1: every token under the budget

    /// One for each text and kind of question: where it is unseen, all questions are branches of one state; where it is
    /// seen, each is a prompt of its own.
    struct Job {
        std::size_t text;
        Question question;
        std::size_t fact;  // the first
        std::size_t facts;
    };
    std::vector<Job> jobs() const {
        std::vector<Job> jobs;
        for (std::size_t text = 0; text < texts.size(); ++text)
            for (const Question question : questions) {
                const std::size_t facts = texts[text].facts.size(), each = question == Question::seen ? 1 : facts;
                for (std::size_t fact = 0; fact < facts; fact += each) jobs.push_back({text, question, fact, each});
            }
        return jobs;
    }
    GivenText given(const Job& job) const {
        const Haystack& hay = texts[job.text];
        GivenText text{.chunk = chunk};
        if (job.question == Question::seen) {
            text.trunk = hay.whole(job.fact);
            text.trunk.pop_back();
            text.prompt = hay.context.size() + hay.asked[job.fact];
            return text;
        }
        text.trunk = hay.context;
        text.prompt = hay.context.size();
        for (const std::vector<Token>& question : hay.questions)
            text.branches.emplace_back(question.begin(), question.end() - 1);
        return text;
    }
    /// In units of a token in a layer of a memory.
    std::size_t work() const {
        std::size_t columns = 0;
        for (const Job& job : jobs()) columns += given(job).columns();
        return columns * model.config.layers * memories.size();
    }
};

namespace detail {

/// One thread's part.
template <class Scalar>
class NeedleReader {
public:
    NeedleReader(const NeedleReading& reading, Watch& watch)
        : reading_(reading), watch_(watch), reader_(reading.model, reading.memories) {}

    /// What each memory found, [memory][fact of the job]; nothing where an interrupt ended it.
    std::optional<std::vector<std::vector<Found>>> read(const NeedleReading::Job& job) {
        const Haystack& hay = reading_.texts[job.text];
        const GivenText text = reading_.given(job);
        if (!reader_.read(text, *this)) return std::nullopt;
        std::vector<std::vector<Found>> found(reader_.memories());
        for (const std::size_t memory : reader_.order())
            for (std::size_t i = 0; i < job.facts; ++i) {
                const std::size_t fact = job.fact + i;
                const std::size_t first = job.question == Question::seen
                                              ? hay.context.size()
                                              : text.first_of(fact);  // column of its question
                found[memory].push_back(answer(memory, first, hay, job.text, fact));
            }
        return found;
    }

    bool stops() const { return watch_.interrupted; }
    void did(std::size_t columns) { watch_.work_done += columns; }
    template <class Lanes>
    void saw(std::size_t, std::size_t, const Lanes&, std::size_t) {}

private:
    Found answer(std::size_t memory, std::size_t first, const Haystack& hay, std::size_t text, std::size_t fact) {
        Found found{.text = text, .fact = fact};
        std::size_t wanted = 0;
        const std::vector<Token>& question = hay.questions[fact];
        const auto see = [&](std::size_t column, const auto& logits) {
            const std::size_t next = column - first + 1;
            if (!hay.wanted[fact][next]) return;
            Eigen::Index likeliest = 0;
            logits.maxCoeff(&likeliest);
            found.right += static_cast<Token>(likeliest) == question[next];
            ++wanted;
            found.nll += negative_log_likelihood(logits, question[next]);
        };
        const std::size_t end = first + question.size() - 1, from = first + hay.asked[fact] - 1;
        const std::size_t source = reader_.order().front(), own = reader_.own_from(memory);
        if (own > from) reader_.each_logits(source, from, std::min(own, end), see);
        reader_.each_logits(memory, std::max(from, own), end, see);
        found.all = hay.each_token_counts ? wanted : 1;
        if (!hay.each_token_counts) found.right = found.right == wanted;
        return found;
    }

    const NeedleReading& reading_;
    Watch& watch_;
    LayerByLayer<Scalar> reader_;
};

}  // namespace detail

/// [memory], of all questions, or of those that were asked before an interrupt. `waiting()` is called meanwhile.
template <class Scalar, class Waiting>
std::vector<Finds> find(const NeedleReading& reading, std::size_t threads, Watch& watch, Waiting waiting) {
    const std::vector<NeedleReading::Job> jobs = reading.jobs();
    std::vector<std::vector<std::vector<Found>>> found(jobs.size());  // [job][memory][fact]
    std::atomic<std::size_t> next = 0;
    std::vector<std::future<void>> work;
    for (std::size_t t = 0; t < std::min({threads, jobs.size(), most_threads}); ++t)
        work.push_back(std::async(std::launch::async, [&] {
            detail::NeedleReader<Scalar> reader(reading, watch);
            for (std::size_t i = next++; i < jobs.size() && !watch.interrupted; i = next++)
                if (auto of_job = reader.read(jobs[i])) found[i] = std::move(*of_job);
        }));
    for (auto& part : work) {
        while (part.wait_for(std::chrono::milliseconds(250)) != std::future_status::ready) waiting();
        part.get();
    }
    std::vector<Finds> finds(reading.memories.size());
    for (std::size_t i = 0; i < jobs.size(); ++i)
        for (std::size_t m = 0; m < found[i].size(); ++m) {
            std::vector<Found>& all = finds[m].of[static_cast<std::size_t>(jobs[i].question)];
            all.insert(all.end(), found[i][m].begin(), found[i][m].end());
        }
    return finds;
}

}  // namespace compare
