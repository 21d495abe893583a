// SPDX-License-Identifier: Apache-2.0
// A small network of convolutions with swish, one of them depthwise with padding, in which channels differ widely; and
// samples for it.
#pragma once

#include <vector>

#include "compiler/model_impl.h"
#include "ir/parser.h"
#include "tfengine/data.h"
#include "tfengine/model.h"

namespace tfengine {

inline Model swish_network() {
  return Model(detail::make_impl(ir::parse(R"(graph @g(%x: f32[?,8,8,4]) {
    %w = const f32[1,1,4,16] uniform(1, -1.0, 1.0)
    %b = const f32[16] uniform(2, -0.5, 0.5)
    %spread = const f32[16] [0.01, 8.0, 0.02, 1.0, 4.0, 0.05, 0.1, 0.3, 0.01, 2.0, 0.4, 0.07, 6.0, 0.02, 1.0, 0.5]
    %dw = const f32[3,3,16,1] uniform(3, -0.5, 0.5)
    %w2 = const f32[1,1,16,16] uniform(4, -0.5, 0.5)
    %fc = const f32[16,10] uniform(5, -1.0, 1.0)
    %axes = const s32[2] [1, 2]
    %a = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %ab = BiasAdd(%a, %b)
    %s = Swish(%ab)
    %wide = Mul(%s, %spread)
    %d = DepthwiseConv2dNative(%wide, %dw) {strides=[1,1,1,1], padding="SAME"}
    %ds = Swish(%d)
    %c = Conv2D(%ds, %w2) {strides=[1,1,1,1], padding="SAME"}
    %cs = Swish(%c)
    %m = Mean(%cs, %axes)
    %y = MatMul(%m, %fc)
    return %y
  })"),
                                 "network"));
}

// Of values from -1 to 1, the same for the same seed.
inline std::vector<Batch> swish_samples(int64_t count, int seed) {
  std::vector<Batch> batches;
  for (int64_t n = 0; n < count; ++n) {
    Tensor x(DType::F32, {1, 8, 8, 4});
    uint32_t state = static_cast<uint32_t>(seed * 1000 + n * 7919 + 1);
    for (int64_t i = 0; i < x.elements(); ++i) {
      state = state * 1664525u + 1013904223u;
      x.mutable_as<float>()[i] = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
    }
    batches.push_back({{"x", x}});
  }
  return batches;
}

}  // namespace tfengine
