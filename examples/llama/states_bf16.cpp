// Decoders whose keys and values are stored as bf16.
#include "decoder_members.hpp"
#include "layer_by_layer_members.hpp"

template class llama::BasicDecoder<Eigen::bfloat16>;
template class llama::LayerByLayer<Eigen::bfloat16>;
