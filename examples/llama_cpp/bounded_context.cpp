#include "bounded_context.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

BoundedContext::BoundedContext(llama_model& model, const ContextSettings& settings) : settings_(settings) {
    const auto window = static_cast<std::size_t>(std::max(llama_model_n_swa(&model), 0));
    if (bounded()) {
        policy_.policy = msrnn::AnyPolicy::named(settings.policy);
        policy_.extra.recent = std::max<std::size_t>(window, 1);  // see "windowed layers" in README.md
        const msrnn::Needs needs = policy_.policy.facts({}, settings.budget).needs;
        if ((needs.at_observe & ~(msrnn::Attention::bit | msrnn::Heads::bit)) != 0)
            throw std::invalid_argument(settings.policy + " looks at queries or outputs, which are not shown here");
        if (whole() && (needs.at_observe & msrnn::Heads::bit) != 0)
            throw std::invalid_argument(settings.policy + " looks at each head; give lanes=kv_head or lanes=layer");
        if (!whole() && settings.sequences > 1)
            throw std::invalid_argument("lanes of layers or heads are for one sequence; give lanes=model");
        weights_ = needs.at_observe != 0;
    }
    transposed_ = weights_ || !settings.flash;
    std::size_t cells = (settings.policy == "full" ? settings.tokens : settings.budget) + settings.batch;
    if (window > 0) cells = std::max(cells, window + settings.batch * settings.sequences + 512);
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<std::uint32_t>((cells + 255) / 256 * 256 * settings.sequences);
    params.n_batch = params.n_ubatch = static_cast<std::uint32_t>(settings.batch * settings.sequences);
    params.n_seq_max = static_cast<std::uint32_t>(settings.sequences);
    params.n_threads = params.n_threads_batch = settings.threads;
    params.flash_attn_type = transposed_ ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_ENABLED;
    params.type_k = params.type_v = settings.cache;
    if (bounded()) params.cb_eval = hook, params.cb_eval_user_data = this;
    context_.reset(llama_init_from_model(&model, params));
    if (!context_) throw std::runtime_error("llama.cpp can make no context of that size");
    kv_heads_ = settings.scope == msrnn::Scope::kv_head ? static_cast<std::size_t>(llama_model_n_head_kv(&model)) : 1;
    if (bounded() && whole()) lanes_.assign(settings.sequences, std::vector(1, make_lane(0)));
    batch_ = llama_batch_init(static_cast<int>(params.n_batch), 0, 1);
}

void BoundedContext::decode(std::span<const llama_token> tokens, std::size_t sequences, bool all_logits) {
    const std::size_t each = tokens.size() / sequences;
    if (settings_.policy == "shift" && seen_ - shifted_ + each > settings_.budget + 1) shift();
    batch_.n_tokens = static_cast<int>(tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        batch_.token[i] = tokens[i];
        batch_.pos[i] = static_cast<llama_pos>(seen_ - shifted_ + i % each);
        batch_.n_seq_id[i] = 1;
        batch_.seq_id[i][0] = static_cast<llama_seq_id>(i / each);
        batch_.logits[i] = all_logits || i % each == each - 1;
    }
    summed_ = 0;
    const int wrong = llama_decode(context_.get(), batch_);
    if (fault_) std::rethrow_exception(fault_);
    if (wrong != 0) throw std::runtime_error("llama_decode() answers " + std::to_string(wrong));
    if (bounded()) forget(each, sequences);
    seen_ += each;
}

void BoundedContext::copy_sequence(std::size_t from, std::size_t to) {
    llama_memory_seq_cp(llama_get_memory(context_.get()), static_cast<llama_seq_id>(from),
                        static_cast<llama_seq_id>(to), -1, -1);
    if (bounded()) lanes_[to] = lanes_[from];
}

BoundedContext::Snapshot BoundedContext::snapshot() {
    Snapshot all{.bytes = std::vector<std::uint8_t>(llama_state_get_size(context_.get())),
                 .seen = seen_,
                 .shifted = shifted_,
                 .held = held_,
                 .lanes = lanes_};
    all.bytes.resize(llama_state_get_data(context_.get(), all.bytes.data(), all.bytes.size()));
    return all;
}

void BoundedContext::go_on(const Snapshot& from) {
    if (llama_state_set_data(context_.get(), from.bytes.data(), from.bytes.size()) != from.bytes.size())
        throw std::runtime_error("llama.cpp cannot go on from a snapshot");
    seen_ = from.seen;
    shifted_ = from.shifted;
    held_ = from.held;
    lanes_ = from.lanes;
    close_gaps();
}

void BoundedContext::close_gaps() {
    for (std::vector<Lane>& row : lanes_)
        for (Lane& lane : row) msrnn::close_gaps(lane, [](msrnn::RunMove) {});
    std::vector<msrnn::Slot> sorted = held_;
    std::ranges::sort(sorted);
    for (msrnn::Slot& cell : held_)
        cell = msrnn::Slot(static_cast<std::size_t>(std::ranges::lower_bound(sorted, cell) - sorted.begin()));
}

BoundedContext::Lane BoundedContext::make_lane(std::size_t head) const {
    const std::size_t cells = llama_n_ctx_seq(context_.get());
    return Lane({.budget = settings_.budget, .capacity = cells}, policy_,
                {.kv_head = static_cast<std::uint32_t>(head)});
}

bool BoundedContext::windowed(std::size_t layer) const {
    return layer >= layers_.size() || layers_[layer].keys.tensor == nullptr ||
           layers_[layer].keys.cells() < llama_n_ctx_seq(context_.get());
}

// what llama.cpp shows ///////////////////////////////////////////////////////////////////////////////////////////////

bool BoundedContext::hook(ggml_tensor* node, bool ask, void* self) {
    auto& context = *static_cast<BoundedContext*>(self);
    try {
        return context.see(*node, ask);
    } catch (...) {  // an exception must not pass through llama.cpp
        context.fault_ = std::current_exception();
        return false;
    }
}

bool BoundedContext::see(ggml_tensor& node, bool ask) {
    if (ask && node.op == GGML_OP_SET_ROWS) see_cells(node);
    if (!weights_ || node.op != GGML_OP_SOFT_MAX) return false;
    const int layer = number_behind("kq_soft_max-", node.name);
    if (layer < 0 || windowed(static_cast<std::size_t>(layer))) return false;
    if (!ask) see_weights(static_cast<std::size_t>(layer), node);
    return true;
}

void BoundedContext::see_cells(ggml_tensor& node) {
    ggml_tensor& root = root_of(node);
    const int key = number_behind("cache_k_l", root.name), value = number_behind("cache_v_l", root.name);
    const auto layer = static_cast<std::size_t>(std::max(key, value));
    if (key < 0 && value < 0) return;
    layers_.resize(std::max(layers_.size(), layer + 1));
    CacheRows& rows = key >= 0 ? layers_[layer].keys : layers_[layer].values;
    rows.tensor = &root;
    rows.transposed = value >= 0 && transposed_;
    if (key < 0 || windowed(layer)) return;
    cells_.resize(static_cast<std::size_t>(ggml_nelements(node.src[1])));
    ggml_backend_tensor_get(node.src[1], cells_.data(), 0, ggml_nbytes(node.src[1]));
    if (whole() || layer < lanes_.size()) return;
    lanes_.resize(layer + 1);
    for (std::size_t head = 0; head < kv_heads_; ++head) lanes_[layer].push_back(make_lane(head));
}

void BoundedContext::see_weights(std::size_t layer, const ggml_tensor& node) {
    columns_ = static_cast<std::size_t>(node.ne[0]);
    const auto tokens = static_cast<std::size_t>(node.ne[1]), heads = static_cast<std::size_t>(node.ne[2]);
    const float* seen = static_cast<const float*>(node.data);
    if (!ggml_backend_buffer_is_host(node.buffer)) {
        copy_.resize(static_cast<std::size_t>(ggml_nelements(&node)));
        ggml_backend_tensor_get(&node, copy_.data(), 0, ggml_nbytes(&node));
        seen = copy_.data();
    }
    const std::size_t rows = tokens * columns_;
    if (whole()) {  // the sums of all tokens at once: all columns of one after those of another
        sums_.resize(static_cast<std::size_t>(node.ne[3]));
        for (msrnn::Parts& sum : sums_) {
            if (summed_ == 0) sum.start(rows);
            sum.add({.weights = seen, .query_heads = heads, .slots = rows, .stride = rows});
            seen += heads * rows;
        }
        ++summed_;
        return;
    }
    const std::size_t group = heads / kv_heads_;
    for (std::size_t token = 0; token < tokens; ++token)
        for (std::size_t head = 0; head < kv_heads_; ++head) {
            Lane& lane = lanes_[layer][head];
            lane.append(seen_ + token, cell(token));
            lane.observe(seen + head * group * rows + token * columns_, group, rows);
        }
}

// what leaves ////////////////////////////////////////////////////////////////////////////////////////////////////////

void BoundedContext::forget(std::size_t tokens, std::size_t sequences) {
    if (!whole()) return make_room(tokens);
    for (std::size_t s = 0; s < sequences; ++s) {
        Lane& lane = lanes_[s][0];
        for (std::size_t i = 0; i < tokens; ++i) {
            lane.append(seen_ + i, cell(s * tokens + i));
            if (!weights_) continue;
            const msrnn::Attention all = sums_[s].whole();
            lane.observe({all.weights + i * columns_, all.query_heads, lane.extent(), columns_, 1});
        }
        const std::size_t stream = s * llama_n_ctx_seq(context_.get());
        const auto keys = [&](msrnn::Slot slot) { return row(&Layer::keys, stream + slot); };
        const auto values = [&](msrnn::Slot slot) { return row(&Layer::values, stream + slot); };
        lane.evict(msrnn::Keys(keys), msrnn::Values(values));
        for (const msrnn::CellRange gone : ranges_.positions(lane)) drop(s, gone.p0, gone.p1);
    }
}

void BoundedContext::make_room(std::size_t tokens) {
    for (std::size_t i = 0; i < tokens; ++i) held_.push_back(cell(i));
    const std::size_t over = held_.size() > settings_.budget ? held_.size() - settings_.budget : 0;
    for (std::size_t layer = 0; layer < lanes_.size(); ++layer)
        for (std::size_t head = 0; head < lanes_[layer].size(); ++head) {
            Lane& lane = lanes_[layer][head];
            if (!weights_)
                for (std::size_t i = 0; i < tokens; ++i) lane.append(seen_ + i, cell(i));
            const Layer& rows = layers_[layer];
            const auto keys = [&](msrnn::Slot slot) { return part(rows.keys, head, slot); };
            const auto values = [&](msrnn::Slot slot) { return part(rows.values, head, slot); };
            lane.evict(msrnn::Keys(keys), msrnn::Values(values));
            msrnn::make_way(lane, std::span(held_).first(over), [&](msrnn::Move move) {
                for (const CacheRows* cache : {&rows.keys, &rows.values})
                    cache->copy(move.from, move.to, head * share(*cache), share(*cache));
            });
        }
    const auto newest = static_cast<std::int64_t>(seen_ + tokens),
               kept = static_cast<std::int64_t>(held_.size() - over);
    if (over > 0) drop(0, 0, newest - kept);
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(over));
}

void BoundedContext::shift() {
    const std::size_t discard = (seen_ - shifted_ - settings_.keep) / 2;
    const auto first = static_cast<llama_pos>(settings_.keep), behind = first + static_cast<llama_pos>(discard);
    drop(0, first, behind);
    llama_memory_seq_add(llama_get_memory(context_.get()), 0, behind, -1, -static_cast<llama_pos>(discard));
    shifted_ += discard;
}

void BoundedContext::drop(std::size_t sequence, std::int64_t p0, std::int64_t p1) {
    if (!llama_memory_seq_rm(llama_get_memory(context_.get()), static_cast<llama_seq_id>(sequence),
                             static_cast<llama_pos>(p0), static_cast<llama_pos>(p1)))
        throw std::runtime_error("this model's memory cannot drop single tokens");
}

std::span<const float> BoundedContext::row(CacheRows Layer::*cache, std::size_t cell) {
    row_.clear();
    for (std::size_t layer = 0; layer < layers_.size(); ++layer)
        if (!windowed(layer)) (layers_[layer].*cache).read(cell, 0, (layers_[layer].*cache).width(), row_);
    return row_;
}

std::span<const float> BoundedContext::part(const CacheRows& cache, std::size_t head, std::size_t cell) {
    row_.clear();
    cache.read(cell, head * share(cache), share(cache), row_);
    return row_;
}
