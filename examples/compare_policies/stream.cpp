#include "stream.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <future>

#include "scalars.hpp"

namespace compare {
namespace {

/// The runs with these positions.
template <class Scalar>
void read_runs(const StreamReading& reading, PositionsIn positions, Watch& watch, std::vector<StreamLoss>& losses) {
    std::vector<std::size_t> own;
    std::vector<Memory> memories;
    for (std::size_t run = 0; run < reading.runs.size(); ++run)
        if (reading.runs[run].positions == positions) own.push_back(run), memories.push_back(reading.runs[run].memory);
    if (own.empty()) return;
    BasicDecoder<Scalar> decoder(reading.model, memories, positions, reading.steps());
    const auto token = [&](std::size_t step) {
        if (!reading.begin) return reading.tokens[step];
        return step == 0 ? *reading.begin : reading.tokens[step - 1];
    };
    std::vector<double> sum(own.size());
    for (std::size_t step = 0; step < reading.steps(); ++step) {
        if (watch.interrupted) return;
        decoder.read(token(step), static_cast<std::int64_t>(step));
        const Columns& logits = decoder.logits();
        for (std::size_t i = 0; i < own.size(); ++i)
            sum[i] += negative_log_likelihood(logits.col(static_cast<Eigen::Index>(i)), token(step + 1));
        watch.work_done += own.size();
        if ((step + 1) % reading.block != 0) continue;
        for (std::size_t i = 0; i < own.size(); ++i) {
            losses[own[i]].nll.push_back(sum[i] / static_cast<double>(reading.block));
            losses[own[i]].state_bytes = decoder.state(i).bytes();
            sum[i] = 0;
        }
    }
}

template <class Scalar>
std::vector<StreamLoss> read_stream_as(const StreamReading& reading, std::size_t threads, Watch& watch,
                                       const std::function<void()>& waiting) {
    std::vector<StreamLoss> losses(reading.runs.size());
    const std::array kinds{PositionsIn::text, PositionsIn::cache};
    const auto read = [&](std::size_t first, std::size_t end) {
        for (std::size_t i = first; i < end; ++i) read_runs<Scalar>(reading, kinds[i], watch, losses);
    };
    std::vector<std::future<void>> work;
    const std::size_t each = threads > 1 ? 1 : kinds.size();
    for (std::size_t i = 0; i < kinds.size(); i += each)
        work.push_back(std::async(std::launch::async, read, i, i + each));
    for (auto& part : work) {
        while (part.wait_for(std::chrono::milliseconds(250)) != std::future_status::ready) waiting();
        part.get();
    }
    return losses;
}

}  // namespace

std::vector<StreamLoss> read_stream(const StreamReading& reading, std::size_t threads, Watch& watch,
                                    const std::function<void()>& waiting, const std::string& scalar) {
    return with_scalar(scalar,
                       [&]<class Scalar>(Scalar) { return read_stream_as<Scalar>(reading, threads, watch, waiting); });
}

}  // namespace compare
