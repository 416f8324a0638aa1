// The tasks needle and copy: facts spread over real text, or passages of it, and what each memory still knows of them
// at the end.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "llama/given_text.hpp"
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
    std::vector<Job> jobs() const;
    GivenText given(const Job& job) const;
    /// In units of a token in a layer of a memory; without the jobs that are known.
    std::size_t work(const std::vector<Finds>& known = {}) const;
};

/// [memory], of all questions, or of those that were asked before an interrupt. Goes on from `known`, asking what it
/// lacks: where one question of a job is not known, all of the job. `waiting(finds so far)` is called meanwhile.
std::vector<Finds> find(const NeedleReading& reading, std::size_t threads, Watch& watch,
                        const std::function<void(const std::vector<Finds>&)>& waiting,
                        const std::string& scalar = "f32", const std::vector<Finds>& known = {});

}  // namespace compare
