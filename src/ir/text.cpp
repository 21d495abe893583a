// SPDX-License-Identifier: Apache-2.0
#include "ir/text.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace tfengine::ir {

namespace {

struct DTypeName {
  DType dtype;
  std::string_view name;
};
constexpr DTypeName kDTypes[] = {
    {DType::Invalid, "?"}, {DType::F32, "f32"},   {DType::F16, "f16"},       {DType::BF16, "bf16"},
    {DType::F64, "f64"},   {DType::S8, "s8"},     {DType::U8, "u8"},         {DType::S16, "s16"},
    {DType::U16, "u16"},   {DType::S32, "s32"},   {DType::U32, "u32"},       {DType::S64, "s64"},
    {DType::U64, "u64"},   {DType::Bool, "bool"}, {DType::String, "string"}, {DType::C64, "c64"},
};

constexpr std::string_view kActs[] = {"None",  "Relu",      "Clip",        "LeakyRelu", "Elu",      "Sigmoid", "Tanh",
                                      "Swish", "HardSwish", "HardSigmoid", "GeluErf",   "GeluTanh", "Softplus"};

// IEEE half precision; subnormals included.
float half_to_float(uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const float mantissa = static_cast<float>(half & 1023);
  float value = exponent == 0    ? std::ldexp(mantissa, -24)
                : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                                 : std::ldexp(1024.0f + mantissa, exponent - 25);
  return (half & 0x8000) != 0 ? -value : value;
}

// Exact for what half_to_float gave; otherwise rounds half to even.
uint16_t float_to_half(float value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return 0x7e00;
  if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 6.103515625e-05f) return static_cast<uint16_t>(sign | std::lrint(std::ldexp(magnitude, 24)));
  const int exponent = std::ilogb(magnitude);
  const long mantissa = std::lrint(std::ldexp(magnitude, 10 - exponent));  // 1024..2048; 2048 carries into the exponent
  return static_cast<uint16_t>(sign + ((exponent + 14) << 10) + mantissa);
}

uint16_t float_to_bfloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

double element(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::F32:
      return tensor.as<float>()[i];
    case DType::F16:
      return half_to_float(tensor.as<uint16_t>()[i]);
    case DType::BF16:
      return std::bit_cast<float>(static_cast<uint32_t>(tensor.as<uint16_t>()[i]) << 16);
    case DType::F64:
      return tensor.as<double>()[i];
    case DType::S8:
      return tensor.as<int8_t>()[i];
    case DType::U8:
      return tensor.as<uint8_t>()[i];
    case DType::S16:
      return tensor.as<int16_t>()[i];
    case DType::U16:
      return tensor.as<uint16_t>()[i];
    case DType::S32:
      return tensor.as<int32_t>()[i];
    case DType::U32:
      return tensor.as<uint32_t>()[i];
    case DType::S64:
      return static_cast<double>(tensor.as<int64_t>()[i]);
    case DType::U64:
      return static_cast<double>(tensor.as<uint64_t>()[i]);
    case DType::Bool:
      return tensor.as<uint8_t>()[i] != 0 ? 1.0 : 0.0;
    default:
      return 0.0;
  }
}

bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F64;
}

std::string element_text(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::S64) return fmt::format("{}", tensor.as<int64_t>()[i]);
  if (tensor.dtype() == DType::U64) return fmt::format("{}", tensor.as<uint64_t>()[i]);
  if (tensor.dtype() == DType::Bool) return tensor.as<uint8_t>()[i] != 0 ? "true" : "false";
  if (is_float(tensor.dtype())) return float_text(element(tensor, i), tensor.dtype() != DType::F64);
  return fmt::format("{}", static_cast<int64_t>(element(tensor, i)));
}

uint64_t hash_bytes(const void* data, size_t bytes) {
  uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 1099511628211ull;
  return hash;
}

uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

template <typename T>
bool store_integer(Tensor& tensor, int64_t index, double real, int64_t integer, bool is_integer) {
  if (!is_integer && (real != std::trunc(real) || std::fabs(real) > 9e15)) return false;
  const int64_t value = is_integer ? integer : static_cast<int64_t>(real);
  if constexpr (sizeof(T) < 8) {
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) return false;
  }
  tensor.mutable_as<T>()[index] = static_cast<T>(value);
  return true;
}

}  // namespace

std::string_view short_dtype_name(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }

bool short_dtype_from_name(std::string_view name, DType* dtype) {
  for (const DTypeName& row : kDTypes) {
    if (row.name == name) {
      *dtype = row.dtype;
      return true;
    }
  }
  return false;
}

std::string_view act_name(ActKind kind) { return kActs[static_cast<size_t>(kind)]; }

bool act_from_name(std::string_view name, ActKind* kind) {
  const auto* found = std::find(std::begin(kActs), std::end(kActs), name);
  if (found == std::end(kActs)) return false;
  *kind = static_cast<ActKind>(found - std::begin(kActs));
  return true;
}

std::string float_text(double value, bool single) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

bool is_plain_name(std::string_view text) {
  if (text.empty() || text.back() == ':' || text.back() == '-') return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_name_char(text[i])) return false;
    // A colon in a name only introduces an output's number: "%x:f32" is a name and its type.
    if (text[i] == ':' && (text[i + 1] < '0' || text[i + 1] > '9')) return false;
  }
  return true;
}

std::string constant_text(const Tensor& tensor, bool shorten) {
  if (tensor.dtype() == DType::String) return "zeros";
  const int64_t count = tensor.elements();
  const auto* bytes = static_cast<const uint8_t*>(tensor.data());
  if (std::all_of(bytes, bytes + tensor.bytes(), [](uint8_t byte) { return byte == 0; })) return "zeros";
  const size_t width = dtype_bytes(tensor.dtype());
  if (count > 1 && std::memcmp(bytes, bytes + width, tensor.bytes() - width) == 0) {
    const std::string text = element_text(tensor, 0);
    return text == "1" || text == "1.0" ? "ones" : fmt::format("splat({})", text);
  }
  if (shorten && count > 16) {
    double lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 0; i < count; ++i) {
      lo = std::min(lo, element(tensor, i));
      hi = std::max(hi, element(tensor, i));
    }
    return fmt::format("abbreviated(hash={:016x}, min={:.6g}, max={:.6g})", hash_bytes(bytes, tensor.bytes()), lo, hi);
  }
  std::string text = "[";
  for (int64_t i = 0; i < count; ++i) text += (i > 0 ? ", " : "") + element_text(tensor, i);
  return text + "]";
}

bool set_element(Tensor& tensor, int64_t index, double real, int64_t integer, bool is_integer) {
  switch (tensor.dtype()) {
    case DType::F32:
      tensor.mutable_as<float>()[index] = static_cast<float>(real);
      return true;
    case DType::F16:
      tensor.mutable_as<uint16_t>()[index] = float_to_half(static_cast<float>(real));
      return true;
    case DType::BF16:
      tensor.mutable_as<uint16_t>()[index] = float_to_bfloat(static_cast<float>(real));
      return true;
    case DType::F64:
      tensor.mutable_as<double>()[index] = real;
      return true;
    case DType::S8:
      return store_integer<int8_t>(tensor, index, real, integer, is_integer);
    case DType::U8:
      return store_integer<uint8_t>(tensor, index, real, integer, is_integer);
    case DType::S16:
      return store_integer<int16_t>(tensor, index, real, integer, is_integer);
    case DType::U16:
      return store_integer<uint16_t>(tensor, index, real, integer, is_integer);
    case DType::S32:
      return store_integer<int32_t>(tensor, index, real, integer, is_integer);
    case DType::U32:
      return store_integer<uint32_t>(tensor, index, real, integer, is_integer);
    case DType::S64:
      return store_integer<int64_t>(tensor, index, real, integer, is_integer);
    case DType::U64:
      return store_integer<uint64_t>(tensor, index, real, integer, is_integer);
    case DType::Bool:
      return real == 0 || real == 1 ? (tensor.mutable_as<uint8_t>()[index] = real == 1, true) : false;
    default:
      return false;
  }
}

void fill_uniform(Tensor& tensor, uint64_t seed, double lo, double hi) {
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    const double unit = static_cast<double>(mix(mix(seed) + static_cast<uint64_t>(i)) >> 11) * 0x1p-53;
    if (is_float(tensor.dtype())) {
      set_element(tensor, i, lo + unit * (hi - lo), 0, false);
    } else {
      const auto value = static_cast<int64_t>(std::floor(lo + unit * (hi - lo + 1)));
      set_element(tensor, i, static_cast<double>(value), value, true);
    }
  }
}

}  // namespace tfengine::ir
