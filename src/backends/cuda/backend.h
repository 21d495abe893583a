// SPDX-License-Identifier: Apache-2.0
// The place of the NVIDIA GPU backend: this build has none and says so.
#pragma once

#include <string>

namespace tfengine::cuda {

// Why the backend cannot be used; empty when it can.
std::string why_absent();

}  // namespace tfengine::cuda
