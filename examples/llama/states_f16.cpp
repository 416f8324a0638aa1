// Decoders whose keys and values are stored as f16.
#include "decoder_members.hpp"
#include "layer_by_layer_members.hpp"

template class llama::BasicDecoder<Eigen::half>;
template class llama::LayerByLayer<Eigen::half>;
