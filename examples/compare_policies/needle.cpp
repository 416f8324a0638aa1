#include "needle.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "evaluate.hpp"
#include "llama/layer_by_layer.hpp"
#include "scalars.hpp"

namespace compare {
namespace {

/// One thread's part.
template <class Scalar>
class NeedleReader final : public PassWatch {
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

    bool stops() override { return watch_.interrupted; }
    void did(std::size_t columns) override { watch_.work_done += columns; }
    void saw(std::size_t, std::size_t, std::span<const msrnn::Lane<msrnn::AnyPolicy>>, std::size_t) override {}

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

using OfJob = std::vector<std::vector<Found>>;  // [memory][fact]

/// What is known of a job; nothing where something is not.
OfJob known_of(const NeedleReading::Job& job, std::size_t memories, const std::vector<Finds>& known) {
    OfJob all;
    for (std::size_t m = 0; m < memories && m < known.size(); ++m) {
        all.emplace_back();
        for (std::size_t fact = job.fact; fact < job.fact + job.facts; ++fact)
            for (const Found& found : known[m].asked(job.question))
                if (found.text == job.text && found.fact == fact) {
                    all.back().push_back(found);
                    break;
                }
        if (all.back().size() != job.facts) return {};
    }
    return all;
}

std::vector<Finds> finds_of(const std::vector<NeedleReading::Job>& jobs, const std::vector<OfJob>& found,
                            std::size_t memories) {
    std::vector<Finds> finds(memories);
    for (std::size_t i = 0; i < jobs.size(); ++i)
        for (std::size_t m = 0; m < found[i].size(); ++m) {
            std::vector<Found>& all = finds[m].of[static_cast<std::size_t>(jobs[i].question)];
            all.insert(all.end(), found[i][m].begin(), found[i][m].end());
        }
    return finds;
}

template <class Scalar>
std::vector<Finds> find_as(const NeedleReading& reading, std::size_t threads, Watch& watch,
                           const std::function<void(const std::vector<Finds>&)>& waiting,
                           const std::vector<Finds>& known) {
    const std::vector<NeedleReading::Job> jobs = reading.jobs();
    const std::size_t memories = reading.memories.size();
    std::vector<OfJob> found;
    std::vector<std::size_t> todo;
    for (const NeedleReading::Job& job : jobs) {
        found.push_back(known_of(job, memories, known));
        if (found.back().empty()) todo.push_back(found.size() - 1);
    }
    std::mutex mutex;  // of what was found
    std::atomic<std::size_t> next = 0;
    std::vector<std::future<void>> work;
    for (std::size_t t = 0; t < std::min({threads, todo.size(), most_threads}); ++t)
        work.push_back(std::async(std::launch::async, [&] {
            NeedleReader<Scalar> reader(reading, watch);
            for (std::size_t i = next++; i < todo.size() && !watch.interrupted; i = next++)
                if (auto of_job = reader.read(jobs[todo[i]])) {
                    const std::scoped_lock lock(mutex);
                    found[todo[i]] = std::move(*of_job);
                }
        }));
    for (auto& part : work) {
        while (part.wait_for(std::chrono::milliseconds(250)) != std::future_status::ready) {
            const std::scoped_lock lock(mutex);
            waiting(finds_of(jobs, found, memories));
        }
        part.get();
    }
    return finds_of(jobs, found, memories);
}

}  // namespace

std::vector<NeedleReading::Job> NeedleReading::jobs() const {
    std::vector<Job> jobs;
    for (std::size_t text = 0; text < texts.size(); ++text)
        for (const Question question : questions) {
            const std::size_t facts = texts[text].facts.size(), each = question == Question::seen ? 1 : facts;
            for (std::size_t fact = 0; fact < facts; fact += each) jobs.push_back({text, question, fact, each});
        }
    return jobs;
}

GivenText NeedleReading::given(const Job& job) const {
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
std::size_t NeedleReading::work(const std::vector<Finds>& known) const {
    std::size_t columns = 0;
    for (const Job& job : jobs())
        if (known_of(job, memories.size(), known).empty()) columns += given(job).columns();
    return columns * model.config.layers * memories.size();
}

std::vector<Finds> find(const NeedleReading& reading, std::size_t threads, Watch& watch,
                        const std::function<void(const std::vector<Finds>&)>& waiting, const std::string& scalar,
                        const std::vector<Finds>& known) {
    return with_scalar(scalar,
                       [&]<class Scalar>(Scalar) { return find_as<Scalar>(reading, threads, watch, waiting, known); });
}

}  // namespace compare
