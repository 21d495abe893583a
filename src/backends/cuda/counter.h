// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "backends/cuda/device.h"
#include "plan/tensor_counter.h"

namespace tfengine::cuda {

// Counts beside the queue on streams of its own. `gpu` outlives it.
std::unique_ptr<plan::TensorCounter> make_tensor_counter(const Gpu& gpu);

}  // namespace tfengine::cuda
