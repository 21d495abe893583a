// SPDX-License-Identifier: Apache-2.0
#include "ops/numeric.h"

#include <bit>

namespace tfengine::ops {

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00u);
  // 65520 is half way between the largest half (65504) and the next power of two.
  if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 0x7c00u);
  // Below 2^-14 halves are multiples of 2^-24.
  if (magnitude < 0x1p-14f)
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f)));
  const uint32_t rounded = (bits & 0x7fffffffu) + 0xfffu + ((bits >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F64 || dtype == DType::F16 || dtype == DType::BF16;
}

bool is_integer(DType dtype) {
  return !is_float(dtype) && dtype_bytes(dtype) > 0 && dtype != DType::Bool && dtype != DType::C64;
}

Tensor cast_tensor(const Tensor& source, DType dtype) {
  if (source.dtype() == dtype) return source;
  Tensor result(dtype, source.shape());
  const int64_t count = source.elements();
  visit_dtype(source.dtype(), [&]<typename From>(From) {
    visit_dtype(dtype, [&]<typename To>(To) {
      const From* from = source.as<From>();
      To* to = result.mutable_as<To>();
      for (int64_t i = 0; i < count; ++i) to[i] = convert_number<To>(from[i]);
    });
  });
  return result;
}

std::vector<int64_t> as_ints(const Tensor& source) {
  const Tensor wide = cast_tensor(source, DType::S64);
  return {wide.as<int64_t>(), wide.as<int64_t>() + wide.elements()};
}

std::optional<std::vector<int64_t>> int_values(const Tensor& tensor) {
  if (!tensor.defined() || (tensor.dtype() != DType::S32 && tensor.dtype() != DType::S64)) return std::nullopt;
  return as_ints(tensor);
}

Tensor from_ints(DType dtype, Shape shape, const std::vector<int64_t>& values) {
  return cast_tensor(Tensor::of<int64_t>(DType::S64, std::move(shape), values), dtype);
}

}  // namespace tfengine::ops
