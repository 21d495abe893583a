// SPDX-License-Identifier: Apache-2.0
// What lowerings of every backend ask of a step.
#pragma once

#include <optional>
#include <vector>

#include "plan/backend.h"

namespace tfengine::plan {

// Scale of a tensor: 1 unless quantized per tensor.
float scale_of(const TensorDesc& desc);
// A tensor as pixels x channels: rows of shape.back() elements, pixel_stride apart.
int64_t channels_of(const TensorDesc& desc);
int64_t pixels_of(const TensorDesc& desc);
// The single activation of an epilogue without bias and residual; nullopt when there is more.
std::optional<Act> only_activation(const ir::Epilogue& epilogue);
// The constant int vector at an input (int32 or int64); nullopt when it is not known.
std::optional<std::vector<int64_t>> constant_ints(const StepSpec& spec, size_t input);

}  // namespace tfengine::plan
