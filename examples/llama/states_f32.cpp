// Decoders whose keys and values are stored as f32.
#include "decoder_members.hpp"
#include "layer_by_layer_members.hpp"

template class llama::BasicDecoder<float>;
template class llama::LayerByLayer<float>;
