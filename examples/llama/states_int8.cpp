// Decoders whose keys and values are stored as int8.
#include "decoder_members.hpp"
#include "layer_by_layer_members.hpp"

template class llama::BasicDecoder<std::int8_t>;
template class llama::LayerByLayer<std::int8_t>;
