// SPDX-License-Identifier: Apache-2.0
// Reads the .npy files of tests/golden. Test data only: the program's own reader, with its checks, is in src/io.
#pragma once

#include <filesystem>

#include "tfengine/tensor.h"

namespace tfengine::testing {

Tensor read_npy(const std::filesystem::path& path);

}  // namespace tfengine::testing
