// SPDX-License-Identifier: Apache-2.0
// Products of matrices that are computed at run time, as attention has them.
#pragma once

#include "backends/cuda/backend.h"
#include "backends/cuda/support.h"

namespace tfengine::cuda {

// BatchMatMulV2, and MatMul where conv_tactics() does not take it. With FloatStorage::Half floats are multiplied as halves,
// those of a caller too; else as TF32.
Tactics matmul_tactics(const StepSpec& spec, FloatStorage floats);

}  // namespace tfengine::cuda
