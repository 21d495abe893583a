// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/backend.h"

namespace tfengine::cuda {

std::string why_absent() { return "tfengine was built without CUDA"; }

}  // namespace tfengine::cuda
