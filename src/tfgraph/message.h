// SPDX-License-Identifier: Apache-2.0
// Protocol buffer writing over protozero.
#pragma once

#include <protozero/pbf_writer.hpp>

#include <cstddef>
#include <string>

namespace tfengine::tfgraph {

using Writer = protozero::pbf_writer;

// Protobuf's own limit.
inline constexpr size_t kMaxMessageBytes = (size_t{1} << 31) - 1;

// One message built by `fill`.
template <typename F>
std::string message(F&& fill) {
  std::string bytes;
  Writer writer(bytes);
  fill(writer);
  return bytes;
}

}  // namespace tfengine::tfgraph
