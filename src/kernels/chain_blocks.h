// SPDX-License-Identifier: Apache-2.0
// What chain_plan and chain_run agree on. Not for use outside this folder.
#pragma once

#include <cstdint>

#include "kernels/chain.h"

namespace tfengine::kernels {

// The registers of one block, on the stack of a thread: with the lines of the tensors, what the first-level data cache holds
// in most programs. With the most registers of the widest type a block still has 64 values.
inline constexpr int64_t kChainStorageBytes = 40960;

// In memory.
inline int64_t element_bytes(const ChainTensor& tensor) {
  switch (tensor.form) {
    case ChainTensor::Form::Half:
      return 2;
    case ChainTensor::Form::Scaled:
      return 1;
    default:
      return num_bytes(tensor.type);
  }
}

}  // namespace tfengine::kernels
