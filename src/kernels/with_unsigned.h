// SPDX-License-Identifier: Apache-2.0
// Elements that are moved without being looked at, by their size. Not for use outside this folder.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// Calls f with a value of the unsigned type of 1, 2, 4 or 8 bytes.
template <class F>
void with_unsigned(int64_t elem_bytes, F&& f) {
  switch (elem_bytes) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

}  // namespace tfengine::kernels
