// SPDX-License-Identifier: Apache-2.0
// Weights that the next step of a network will read. A network's weights fill the caches many times over, so that each step
// meets its own in memory; a kernel whose arithmetic units are busy fetches the next step's meanwhile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tfengine::kernels {

struct Ahead {
  const std::byte* begin = nullptr;
  int64_t bytes = 0;

  // What one of `threads` threads should fetch: where it will probably begin to read, and no more than stays in its
  // second-level cache.
  Ahead part(int64_t thread, int64_t threads) const {
    constexpr int64_t kMostBytes = 512 * 1024;
    const int64_t at = bytes * thread / threads / 64 * 64;
    return {begin + at, std::min(bytes * (thread + 1) / threads - at, kMostBytes)};
  }
};

}  // namespace tfengine::kernels
