// SPDX-License-Identifier: Apache-2.0
// Number types of tensors, and the C++ types that they are.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

enum class Num : uint8_t { F32, F64, S8, U8, S16, S32, S64, Bool };

inline int64_t num_bytes(Num type) {
  switch (type) {
    case Num::F64:
    case Num::S64:
      return 8;
    case Num::F32:
    case Num::S32:
      return 4;
    case Num::S16:
      return 2;
    default:
      return 1;
  }
}

// f(T{}) with the type's T.
template <class F>
auto with_num(Num type, F&& f) {
  switch (type) {
    case Num::F32:
      return f(float{});
    case Num::F64:
      return f(double{});
    case Num::S8:
      return f(int8_t{});
    case Num::U8:
      return f(uint8_t{});
    case Num::S16:
      return f(int16_t{});
    case Num::S32:
      return f(int32_t{});
    case Num::S64:
      return f(int64_t{});
    default:
      return f(bool{});
  }
}

}  // namespace tfengine::kernels
