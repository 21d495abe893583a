// SPDX-License-Identifier: Apache-2.0
// Results of many megabytes that are written past the caches: their lines are not read before they are written, which is a
// third of the traffic of a simple step.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tfengine::kernels {

// A result from here on has left the caches of a core before the next step reads it.
inline constexpr int64_t kStreamedBytes = int64_t{16} << 20;

// Copies; they must not overlap. What is written is seen by other threads behind
// finish_streams().
void stream_copy(size_t bytes, const void* src, void* dst);
void finish_streams();

}  // namespace tfengine::kernels
