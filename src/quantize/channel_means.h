// SPDX-License-Identifier: Apache-2.0
// The means of activations' channels: what bias_correction.h works from, as a map and as bytes. They are what a table of
// ranges lacks to build the same INT8 engine as the calibration that both came from.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tfengine::quantize {

// The mean of each channel of activations, by tensor name.
using ChannelMeans = std::map<std::string, std::vector<float>, std::less<>>;

// One versioned block of bytes with a checksum, 4 bytes for each channel; `what` names it in messages. InvalidModel when
// it is malformed. With it go the names of the tensors that were never negative, which a table does not tell either.
std::string serialize(const ChannelMeans& means, const std::set<std::string>& non_negative = {});
ChannelMeans parse_channel_means(std::string_view bytes, const std::string& what,
                                 std::set<std::string>* non_negative = nullptr);

}  // namespace tfengine::quantize
