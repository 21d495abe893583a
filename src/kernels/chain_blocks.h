// SPDX-License-Identifier: Apache-2.0
// What chain_plan and chain_run agree on. Not for use outside this folder.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// The registers of one block, on the stack of a thread: with the lines of the tensors, what the first-level data cache holds
// in most programs. With the most registers of the widest type a block still has 64 values.
inline constexpr int64_t kChainStorageBytes = 40960;

}  // namespace tfengine::kernels
