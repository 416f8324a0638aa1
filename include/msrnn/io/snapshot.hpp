// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/record.hpp"
#include "../state/state.hpp"
#include "file.hpp"
#include "layout.hpp"
#include "safetensors.hpp"
#include "settings.hpp"

namespace msrnn::inline MSRNN_ABI {
namespace detail {

inline constexpr const char* snapshot_format = "msrnn state";
/// Versions are written no higher than a state needs. The first has no lanes.rows. The second is for layers that do not
/// differ, softmax attention alone, no floats of a lane, no prompt and no rejected tokens.
inline constexpr int snapshot_version = 3;

template <class P, StoredScalar Scalar>
nlohmann::json settings_of(const State<P, Scalar>& state) {
    return settings_of_state(state, dtype_of<Scalar>());
}

// Writing ///////////////////////////////////////////////////////////////////////////////////////////////////////////

inline constexpr const char* without_layers = "this state was moved from and has no layers; assign one to it first";

/// Why the state is not at the end of a pass; empty where it is.
template <class P, StoredScalar Scalar>
std::string unfinished(const State<P, Scalar>& state) {
    if (state.caches().empty()) return without_layers;
    for (std::size_t layer = 1; layer < state.shape().layers; ++layer)
        if (state.tokens(layer) != state.tokens(0))
            return "layer 0 has taken " + std::to_string(state.tokens(0)) + " tokens and layer " +
                   std::to_string(layer) + " " + std::to_string(state.tokens(layer)) +
                   "; finish the pass, or take it back with realign()";
    if (!state.between_steps()) return "a step is half done; call decide() first";
    return {};
}

/// Calls put(bytes) for each piece of the snapshot, or says why there is none.
template <class P, StoredScalar Scalar, class Put>
std::string write(const State<P, Scalar>& state, Put put) {
    if (std::string wrong = unfinished(state); !wrong.empty()) return wrong;
    for (const Lane<P>& lane : state.lanes())
        if (std::string wrong = settings_problem(lane.policy()); !wrong.empty()) return wrong;
    Content<decltype(state.rows())> content(state.rows());
    for (const Lane<P>& lane : state.lanes()) content.add(lane.record());

    const Layout layout(state, content.extents);
    content.lane_of_head = layout.lane_of_head;
    const nlohmann::json settings = settings_of(state);
    const auto any = [](const std::vector<std::int64_t>& numbers) {
        return std::ranges::any_of(numbers, [](std::int64_t number) { return number != 0; });
    };
    const bool second =
        fits_second_version(settings) && layout.all_floats() == 0 && !any(content.prompts) && !any(content.rejections);
    const int version = second ? 2 : snapshot_version;
    Layout::Tensors tensors = layout.of_lanes(version);
    for (const Layout::Tensors& more : {layout.of_slots(), layout.of_rows(), Layout::of_rejections(content.rejections)})
        tensors.insert(tensors.end(), more.begin(), more.end());
    // Those of long numbers first, so that each lies at a multiple of its numbers' length.
    std::ranges::stable_sort(tensors, std::greater(), &safetensors::Tensor::number_bytes);
    const std::string header = safetensors::header_of(
        tensors, {{"format", snapshot_format}, {"version", std::to_string(version)}, {"settings", settings.dump()}});
    put(std::as_bytes(std::span(header)));
    for (const safetensors::Tensor& tensor : tensors)
        content.pieces(tensor.name, [&](auto numbers) { put(std::as_bytes(numbers)); });
    return {};
}

// Reading ///////////////////////////////////////////////////////////////////////////////////////////////////////////

/// What a snapshot's metadata says of the state that was saved, against the state here.
inline std::string header_problem(const safetensors::Header& header, const nlohmann::json& own, bool has_floats) {
    const auto said = [&](const char* name) {
        const auto found = header.metadata.find(name);
        return found == header.metadata.end() ? std::string() : found->second;
    };
    if (said("format") != snapshot_format) return "it is no snapshot of a state";
    const std::string version = said("version");
    if (version != "1" && version != "2" && version != "3")
        return "its format has version '" + version + "' and this program reads versions 1 to " +
               std::to_string(snapshot_version) + "; read it with the msrnn that wrote it, or a newer one";
    constexpr int deepest_settings = 16;
    const nlohmann::json saved = safetensors::parsed(said("settings"), deepest_settings);
    if (!saved.is_object()) return "its settings are no JSON object";
    if (std::string wrong = settings_problem(saved, own); !wrong.empty()) return wrong;
    const bool needs_third =
        !fits_second_version(own) || has_floats || header.find("lanes.prompt") || header.find("lanes.rejections");
    if ((version == "3") != needs_third)
        return "its format has version '" + version + "', which does not fit its settings; it is damaged";
    return {};
}

template <class Source>
class SnapshotReader {
public:
    explicit SnapshotReader(const Source& source) : source_(source) {}

    /// Everything is checked before the state is changed, and the rows are read into new memory.
    template <class P, StoredScalar Scalar>
    std::string load(State<P, Scalar>& state) {
        if (state.caches().empty()) return without_layers;
        if (std::string wrong = safetensors::read_header(source_, header_, data_); !wrong.empty()) return wrong;
        const bool has_floats = Layout(state, {}).all_floats() > 0;
        if (std::string wrong = header_problem(header_, settings_of(state), has_floats); !wrong.empty()) return wrong;

        const std::size_t lane_count = state.lanes().size();
        Content<std::vector<HeadRows<Scalar>>> content(lane_count);
        const int version = header_.metadata["version"][0] - '0';
        if (std::string wrong = read(Layout(state, {}).of_lanes(version), content); !wrong.empty()) return wrong;
        for (std::size_t i = 0; i < lane_count; ++i) {
            const auto extent = static_cast<std::uint64_t>(content.extents[i]);
            const Lane<P>& lane = state.lanes()[i];
            if (extent > (lane.budget() == unbounded ? source_.size() : lane.capacity()))
                return "a lane has " + std::to_string(content.extents[i]) + " slots, and the lane here " +
                       std::to_string(lane.capacity()) +
                       " rows; make the state with at least the budget of the snapshot";
            if (static_cast<std::uint64_t>(content.rejections[i]) > source_.size())
                return "a lane has " + std::to_string(content.rejections[i]) + " rejected tokens; it is damaged";
        }

        const Layout layout(state, content.extents);
        content.lane_of_head = layout.lane_of_head;
        // Before 0.2 KeyNorm kept no column; a column of zeros makes it read the keys again.
        const bool has_columns = !layout.columns_of_rows || header_.find("slots.columns") != nullptr;
        if (std::string wrong = place_problem(layout.of_slots(has_columns)); !wrong.empty()) return wrong;
        if (std::string wrong = place_problem(layout.of_rows()); !wrong.empty()) return wrong;
        const Layout::Tensors rejections = Layout::of_rejections(content.rejections);
        if (std::string wrong = place_problem(rejections); !wrong.empty()) return wrong;
        for (std::size_t i = 0; i < lane_count; ++i) content.add(layout.columns[i], layout.floats[i]);
        if (std::string wrong = read(layout.of_slots(has_columns), content); !wrong.empty()) return wrong;
        if (std::string wrong = read(rejections, content); !wrong.empty()) return wrong;
        if (std::string wrong = state.problem(content.records); !wrong.empty()) return wrong;

        content.heads = state.room_for(content.records);
        if (std::string wrong = read(layout.of_rows(), content); !wrong.empty()) return wrong;
        state.restore(content.records, std::move(content.heads));
        return {};
    }

private:
    /// Whether the file has these tensors, as they must be.
    std::string place_problem(const Layout::Tensors& tensors) const {
        for (const safetensors::Tensor& wanted : tensors) {
            const safetensors::Tensor* const found = header_.find(wanted.name);
            if (found == nullptr) return "it has no tensor " + wanted.name;
            if (found->dtype != wanted.dtype || found->shape != wanted.shape)
                return "its tensor " + wanted.name + " is " + found->dtype + " " + safetensors::text_of(found->shape) +
                       ", and " + wanted.dtype + " " + safetensors::text_of(wanted.shape) + " was expected";
        }
        return {};
    }
    template <class Heads>
    std::string read(const Layout::Tensors& tensors, Content<Heads>& content) const {
        if (std::string wrong = place_problem(tensors); !wrong.empty()) return wrong;
        for (const safetensors::Tensor& tensor : tensors) {
            std::uint64_t at = data_ + header_.find(tensor.name)->begin;
            std::string wrong;
            content.pieces(tensor.name, [&](auto numbers) {
                const auto bytes = std::as_writable_bytes(numbers);
                if (wrong.empty() && !source_.read(at, bytes))
                    wrong = "reading failed at byte " + std::to_string(at) + ", in its tensor " + tensor.name;
                at += bytes.size();
            });
            if (!wrong.empty()) return wrong;
        }
        return {};
    }

    const Source& source_;
    safetensors::Header header_;
    std::uint64_t data_ = 0;
};

/// Bytes in memory, read as a file is.
struct BytesInMemory {
    std::span<const std::byte> bytes;

    std::uint64_t size() const { return bytes.size(); }
    bool read(std::uint64_t from, std::span<std::byte> to) const {
        std::ranges::copy(bytes.subspan(from, to.size()), to.begin());
        return true;
    }
};

/// "msrnn: name: what", with our name once; empty for nothing.
inline std::string about(const std::filesystem::path& name, std::string what) {
    if (what.empty()) return what;
    constexpr std::string_view us = "msrnn: ";
    if (what.starts_with(us)) what.erase(0, us.size());
    return std::string(us) + name.string() + ": " + what;
}

}  // namespace detail

/// Writes the whole state to a file, so that load() goes on with it bit for bit: rows, positions, arrivals, vacancies,
/// ratings, pins, budgets and counters, and the settings that made it. Empty, or in one sentence what went wrong.
///
/// The file is a safetensors file, to be opened by Python's `safetensors` as it is; Layout and Content say what is in
/// it. Its `__metadata__` has "format", "version" and, as one JSON string, "settings". Its size depends on the rows in
/// use and not on how many tokens were appended: a row of keys and one of values for each KV head and slot, 21 bytes
/// and 4 for each of the policy's columns for each lane and slot, 35 to 51 for each lane, and a header of 1 to 2 KB. It
/// is renamed to `path` after fsync: if the process is killed before that, the old file remains.
///
/// Running out of memory throws std::bad_alloc, or ends the program while JSON is at work; files are whole all the
/// same.
///
/// Not in it: what the last step dropped, and what could be taken back (State::rollback). A policy of one's own has a
/// name, and settings() if it has settings. Little-endian machines and POSIX systems only. Allocates the bookkeeping.
template <class P, StoredScalar Scalar>
[[nodiscard]] std::string save(const State<P, Scalar>& state, const std::filesystem::path& path) {
    detail::NewFile file(path);
    std::string wrong = detail::write(state, [&](std::span<const std::byte> bytes) { file.write(bytes); });
    return detail::about(path, wrong.empty() ? file.finish() : wrong);
}
/// The same into memory, behind what is there.
template <class P, StoredScalar Scalar>
[[nodiscard]] std::string save(const State<P, Scalar>& state, std::vector<std::byte>& bytes) {
    return detail::about("snapshot", detail::write(state, [&](std::span<const std::byte> more) {
                             bytes.insert(bytes.end(), more.begin(), more.end());
                         }));
}

/// Goes on where the state was that save() wrote. Empty; or in one sentence what is wrong, and the state is as it was.
///
/// The state here has the same shape, scalar, policy and settings, and room for the budgets of the file, which it takes
/// over; a state without bound, and only such a one, takes what is without bound, and grows. Everything is checked
/// before anything is changed: a file that is cut short, damaged where it can be told, of a newer version or of another
/// state is refused. (A wrong number among keys, values or ratings cannot be told, NaN included.) Tensors and metadata
/// of other names are left alone. Needs memory for the rows twice.
template <class P, StoredScalar Scalar>
[[nodiscard]] std::string load(State<P, Scalar>& state, const std::filesystem::path& path) {
    const detail::OldFile file(path);
    std::string wrong = file.wrong().empty() ? detail::SnapshotReader(file).load(state) : file.wrong();
    return detail::about(path, std::move(wrong));
}
/// The same from memory.
template <class P, StoredScalar Scalar>
[[nodiscard]] std::string load(State<P, Scalar>& state, std::span<const std::byte> bytes) {
    const detail::BytesInMemory source{bytes};
    return detail::about("snapshot", detail::SnapshotReader(source).load(state));
}

}  // namespace msrnn::inline MSRNN_ABI
