// SPDX-License-Identifier: Apache-2.0
// Reductions of float tensors over any set of axes. The mean over an image of NHWC is faster in pool.h.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

enum class ReduceKind : uint8_t { Sum, Mean, Max, Min, Prod };

struct ReduceShape {
  int rank = 0;
  int64_t dims[8] = {};
  bool reduced[8] = {};
};

// src is contiguous; dst holds the kept axes, contiguous. An empty reduction gives TensorFlow's neutral
// element (0 for Sum, NaN for Mean, -inf for Max, +inf for Min, 1 for Prod).
void reduce_f32(ReduceKind kind, const ReduceShape& shape, const float* src, float* dst, int threads);

// What folding starts from, two results as one, and the result of n neighbours. Mean is Sum here: its factor comes last.
float reduce_neutral(ReduceKind kind);
float reduce_two(ReduceKind kind, float a, float b);
float reduce_line(ReduceKind kind, const float* src, int64_t n);

}  // namespace tfengine::kernels
