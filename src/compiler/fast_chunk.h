// SPDX-License-Identifier: Apache-2.0
// Whether a batch is faster in chunks. Layer by layer, a large batch's tensors leave the caches between a step and the next
// (MobileNetV2, FP32, 16 images of 224 x 224: 77 MB after one step); in chunks that fit them, the same steps run from the
// caches, at the price of more, smaller steps.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "runtime/engine_core.h"

namespace tfengine::detail {

struct FastChunk {
  int64_t samples = 0;  // of a run; 0: the whole batch
  double whole_us = 0.0, chunks_us = 0.0;
};

// `sizes` as of chunk_sizes(): 0, then falling. time_us(size) is the time of one run with so many samples.
FastChunk fastest_chunk(int64_t batch, const std::vector<int64_t>& sizes,
                        const std::function<double(int64_t samples)>& time_us);

// Measures the graph's steps for the batch, its half, quarter and so on, as long as they gain. The whole batch where it has
// one sample, mixes them, or nothing is timed.
FastChunk fastest_chunk(runtime::EngineCore& core, const std::vector<Shape>& shapes);

}  // namespace tfengine::detail
