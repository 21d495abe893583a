// SPDX-License-Identifier: Apache-2.0
// Element types as C++ types, for evaluations that are written once for all of them.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "base/check.h"
#include "tfengine/tensor.h"

namespace tfengine::ops {

uint16_t float_to_half(float value);
float half_to_float(uint16_t bits);
uint16_t float_to_bfloat16(float value);
float bfloat16_to_float(uint16_t bits);

struct Half {
  uint16_t bits = 0;
  Half() = default;
  explicit Half(float value) : bits(float_to_half(value)) {}
  operator float() const { return half_to_float(bits); }
};

struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value) : bits(float_to_bfloat16(value)) {}
  operator float() const { return bfloat16_to_float(bits); }
};

// The type that arithmetic on T is done in.
template <typename T>
using Compute = std::conditional_t<
    std::is_same_v<T, double>, double,
    std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float,
                       int64_t>>;

// Integers wrap, as TensorFlow's do.
template <typename W>
W wrapping_sum(W a, W b) {
  if constexpr (std::is_integral_v<W>)
    return static_cast<W>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}
template <typename W>
W wrapping_product(W a, W b) {
  if constexpr (std::is_integral_v<W>)
    return static_cast<W>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return a * b;
}

// Calls f(T{}) with the C++ type of a number or bool dtype.
template <typename F>
auto visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::F32:
      return f(float{});
    case DType::F64:
      return f(double{});
    case DType::F16:
      return f(Half{});
    case DType::BF16:
      return f(BFloat16{});
    case DType::S8:
      return f(int8_t{});
    case DType::U8:
      return f(uint8_t{});
    case DType::S16:
      return f(int16_t{});
    case DType::U16:
      return f(uint16_t{});
    case DType::S32:
      return f(int32_t{});
    case DType::U32:
      return f(uint32_t{});
    case DType::S64:
      return f(int64_t{});
    case DType::U64:
      return f(uint64_t{});
    case DType::Bool:
      return f(bool{});
    default:
      break;
  }
  fail<InvalidModel>("arithmetic on a tensor of type {}; expected numbers", dtype_name(dtype));
}

bool is_float(DType dtype);
bool is_integer(DType dtype);

// Integers wrap among themselves; floating point saturates into integers, NaN becomes 0.
template <typename To, typename From>
To convert_number(From value) {
  if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return convert_number<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    if (std::isnan(value)) return To{};
    if (value <= static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (value >= static_cast<From>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

Tensor cast_tensor(const Tensor& source, DType dtype);
// The tensor itself when it is F32 already.
inline Tensor as_f32(const Tensor& source) { return cast_tensor(source, DType::F32); }
std::vector<int64_t> as_ints(const Tensor& source);
// Of a defined int32 or int64 tensor; else nullopt.
std::optional<std::vector<int64_t>> int_values(const Tensor& tensor);
Tensor from_ints(DType dtype, Shape shape, const std::vector<int64_t>& values);

}  // namespace tfengine::ops
