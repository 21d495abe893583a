// SPDX-License-Identifier: Apache-2.0
// The activations that fuse into a producing step, as plain data shared by the IR and the kernels.
#pragma once

#include <cstdint>

namespace tfengine {

// alpha and beta: Clip clamps to [alpha, beta]; LeakyRelu takes alpha as slope, Elu as scale; others ignore them.
// HardSwish is x * clip(x + 3, 0, 6) / 6, HardSigmoid clip(x + 3, 0, 6) / 6 (MobileNetV3, arXiv 1905.02244).
enum class ActKind : uint8_t {
  None,
  Relu,
  Clip,
  LeakyRelu,
  Elu,
  Sigmoid,
  Tanh,
  Swish,
  HardSwish,
  HardSigmoid,
  GeluErf,
  GeluTanh,
  Softplus
};

struct Act {
  ActKind kind = ActKind::None;
  float alpha = 0.0f;
  float beta = 0.0f;
  bool operator==(const Act&) const = default;
};

}  // namespace tfengine
