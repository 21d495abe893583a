// SPDX-License-Identifier: Apache-2.0
#include "quantize/channel_means.h"

#include <cmath>

#include "quantize/bytes.h"

namespace tfengine::quantize {

namespace {

constexpr std::string_view kMagic = "TFEMEANS";
constexpr uint64_t kVersion = 2;

std::vector<float> read_means(ByteReader& in, const std::string& name) {
  const uint64_t channels = in.varint();
  if (channels > in.left() / sizeof(float)) {
    fail<InvalidModel>("{}: tensor '{}' has {} channels, and only {} bytes follow", in.what(), name, channels,
                       in.left());
  }
  std::vector<float> means(channels);
  for (float& mean : means) {
    mean = in.f32();
    if (!std::isfinite(mean)) fail<InvalidModel>("{}: tensor '{}' has the mean {}", in.what(), name, mean);
  }
  return means;
}

}  // namespace

std::string serialize(const ChannelMeans& means, const std::set<std::string>& non_negative) {
  ByteWriter out = begin_block(kMagic, kVersion);
  out.varint(means.size());
  for (const auto& [name, values] : means) {
    out.string(name);
    out.varint(values.size());
    for (const float value : values) out.f32(value);
  }
  out.varint(non_negative.size());
  for (const std::string& name : non_negative) out.string(name);
  return end_block(std::move(out));
}

ChannelMeans parse_channel_means(std::string_view bytes, const std::string& what, std::set<std::string>* non_negative) {
  ByteReader in = open_block(bytes, kMagic, kVersion, "channel means", what);
  ChannelMeans means;
  const uint64_t tensors = in.varint();
  for (uint64_t i = 0; i < tensors; ++i) {
    const std::string name = in.string();
    if (!means.emplace(name, read_means(in, name)).second) {
      fail<InvalidModel>("{}: tensor '{}' is there twice", what, name);
    }
  }
  const uint64_t names = in.varint();
  for (uint64_t i = 0; i < names; ++i) {
    const std::string name = in.string();
    if (non_negative != nullptr) non_negative->insert(name);
  }
  if (in.left() != 0) fail<InvalidModel>("{}: {} bytes too many", what, in.left());
  return means;
}

}  // namespace tfengine::quantize
