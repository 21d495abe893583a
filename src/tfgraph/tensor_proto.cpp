// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/tensor_proto.h"

#include <algorithm>
#include <complex>
#include <cstdlib>
#include <optional>

#include "base/host_memory.h"
#include "tfgraph/dtype.h"
#include "tfgraph/limits.h"
#include "tfgraph/wire.h"

namespace tfengine::tfgraph {

namespace {

int64_t read_dim(std::string_view message) {
  int64_t size = 0;
  Reader dim = reader(message);
  while (dim.next()) {
    if (dim.tag_and_type() == varint(1))
      size = dim.get_int64();
    else
      dim.skip();
  }
  return size;
}

// The fields of a TensorProto; at most one of the value lists is used for a type.
struct Fields {
  uint64_t dtype = 0;
  Shape shape;
  std::string_view content;
  std::optional<uint64_t> outside;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int32_t> ints;    // int_val: also of the narrower integers
  std::vector<int32_t> halves;  // half_val: bits of float16 and bfloat16
  std::vector<int64_t> int64s;
  std::vector<uint64_t> uint64s;
  std::vector<uint32_t> uint32s;
  std::vector<uint8_t> bools;
  std::vector<float> complexes;  // real and imaginary parts in turn
};

Fields read_fields(std::string_view message) {
  Fields fields;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case varint(1):
        fields.dtype = proto.get_uint64();
        break;
      case bytes(2):
        fields.shape = read_shape(get_view(proto));
        break;
      case bytes(4):
        fields.content = get_view(proto);
        break;
      case bytes(5):
        append_fixed(get_view(proto), fields.floats);
        break;
      case fixed32(5):
        fields.floats.push_back(proto.get_float());
        break;
      case bytes(6):
        append_fixed(get_view(proto), fields.doubles);
        break;
      case fixed64(6):
        fields.doubles.push_back(proto.get_double());
        break;
      case bytes(7):
        append_varints(get_view(proto), fields.ints);
        break;
      case varint(7):
        fields.ints.push_back(static_cast<int32_t>(proto.get_int64()));
        break;
      case bytes(9):
        append_fixed(get_view(proto), fields.complexes);
        break;
      case fixed32(9):
        fields.complexes.push_back(proto.get_float());
        break;
      case bytes(10):
        append_varints(get_view(proto), fields.int64s);
        break;
      case varint(10):
        fields.int64s.push_back(proto.get_int64());
        break;
      case bytes(11):
        append_varints(get_view(proto), fields.bools);
        break;
      case varint(11):
        fields.bools.push_back(get_flag(proto) ? 1 : 0);
        break;
      case bytes(13):
        append_varints(get_view(proto), fields.halves);
        break;
      case varint(13):
        fields.halves.push_back(static_cast<int32_t>(proto.get_int64()));
        break;
      case bytes(16):
        append_varints(get_view(proto), fields.uint32s);
        break;
      case varint(16):
        fields.uint32s.push_back(static_cast<uint32_t>(proto.get_uint64()));
        break;
      case bytes(17):
        append_varints(get_view(proto), fields.uint64s);
        break;
      case varint(kOutsideField):
        fields.outside = proto.get_uint64();
        break;
      case varint(17):
        fields.uint64s.push_back(proto.get_uint64());
        break;
      default:
        proto.skip();
    }
  }
  return fields;
}

// Listed values, the last of them repeated up to the shape's count; none are zeros (TensorProto's own rule).
template <typename T, typename From>
Tensor from_values(DType dtype, const Shape& shape, const std::vector<From>& values, ConstantBudget& budget) {
  const int64_t count = shape.elements();
  if (static_cast<int64_t>(values.size()) > count) {
    fail<InvalidModel>("a tensor of shape {} lists {} values, expected at most {}", shape.str(), values.size(), count);
  }
  if (static_cast<int64_t>(values.size()) < count) {
    budget.splat_bytes += count * static_cast<int64_t>(sizeof(T));
    if (budget.splat_bytes > kMaxSplatBytes) {
      fail<InvalidModel>("constants written as one repeated value need {} bytes, expected at most {}",
                         budget.splat_bytes, kMaxSplatBytes);
    }
  }
  Tensor tensor(dtype, shape);
  budget.copied_bytes += tensor.bytes();
  T* dst = tensor.mutable_as<T>();
  for (size_t i = 0; i < values.size(); ++i) dst[i] = static_cast<T>(values[i]);
  if (!values.empty()) std::fill(dst + values.size(), dst + count, static_cast<T>(values.back()));
  return tensor;
}

std::vector<std::complex<float>> pairs(const std::vector<float>& parts) {
  if (parts.size() % 2 != 0) fail<InvalidModel>("a complex tensor lists {} parts, expected pairs", parts.size());
  std::vector<std::complex<float>> numbers;
  for (size_t i = 0; i < parts.size(); i += 2) numbers.emplace_back(parts[i], parts[i + 1]);
  return numbers;
}

Tensor from_lists(DType dtype, const Fields& fields, ConstantBudget& budget) {
  const Shape& shape = fields.shape;
  switch (dtype) {
    case DType::F32:
      return from_values<float>(dtype, shape, fields.floats, budget);
    case DType::F64:
      return from_values<double>(dtype, shape, fields.doubles, budget);
    case DType::F16:
    case DType::BF16:
      return from_values<uint16_t>(dtype, shape, fields.halves, budget);
    case DType::S8:
      return from_values<int8_t>(dtype, shape, fields.ints, budget);
    case DType::U8:
      return from_values<uint8_t>(dtype, shape, fields.ints, budget);
    case DType::S16:
      return from_values<int16_t>(dtype, shape, fields.ints, budget);
    case DType::U16:
      return from_values<uint16_t>(dtype, shape, fields.ints, budget);
    case DType::S32:
      return from_values<int32_t>(dtype, shape, fields.ints, budget);
    case DType::U32:
      return from_values<uint32_t>(dtype, shape, fields.uint32s, budget);
    case DType::S64:
      return from_values<int64_t>(dtype, shape, fields.int64s, budget);
    case DType::U64:
      return from_values<uint64_t>(dtype, shape, fields.uint64s, budget);
    case DType::C64:
      return from_values<std::complex<float>>(dtype, shape, pairs(fields.complexes), budget);
    default:
      return from_values<uint8_t>(dtype, shape, fields.bools, budget);
  }
}

}  // namespace

Shape read_shape(std::string_view message) {
  Shape shape;
  bool unknown_rank = false;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(2): {
        const int64_t size = read_dim(get_view(proto));
        if (size < -1) fail<InvalidModel>("a shape has dimension {}, expected -1 (unknown) or more", size);
        if (shape.rank() == kMaxRank) fail<InvalidModel>("a shape has more than {} dimensions", kMaxRank);
        shape.dims().push_back(size);
        break;
      }
      case varint(3):
        unknown_rank = get_flag(proto);
        break;
      default:
        proto.skip();
    }
  }
  return unknown_rank ? Shape::unknown_rank() : shape;
}

int64_t checked_bytes(DType dtype, const Shape& shape) {
  const int64_t count = shape.elements();
  if (count < 0) fail<InvalidModel>("a constant has shape {}, expected a known one", shape.str());
  const auto width = static_cast<int64_t>(std::max<size_t>(1, dtype_bytes(dtype)));
  if (count > kMaxTensorBytes / width) {
    fail<InvalidModel>("a {} constant of shape {} needs more than {} bytes", dtype_name(dtype), shape.str(),
                       kMaxTensorBytes);
  }
  return count * static_cast<int64_t>(dtype_bytes(dtype));
}

// A view of less would keep all of the file in memory for nothing.
constexpr size_t kViewedBytes = 4096;

Tensor view_or_copy(DType dtype, Shape shape, const OutsideContents& from, ConstantBudget& budget) {
  const std::string_view contents = from.bytes;
  const int64_t needed = checked_bytes(dtype, shape);
  if (static_cast<uint64_t>(needed) != contents.size()) {
    fail<InvalidModel>("a {} tensor of shape {} has {} bytes, expected {}", dtype_name(dtype), shape.str(),
                       contents.size(), needed);
  }
  const bool aligned = reinterpret_cast<uintptr_t>(contents.data()) % dtype_bytes(dtype) == 0;
  if (aligned && contents.size() >= kViewedBytes) {
    budget.viewed_bytes += contents.size();
    return Tensor(dtype, std::move(shape), contents.data(), from.owner);
  }
  budget.copied_bytes += contents.size();
  std::shared_ptr<void> copy = host_bytes(contents.size(), "a constant", HostBytes::Uninitialized);
  std::memcpy(copy.get(), contents.data(), contents.size());
  const void* data = copy.get();
  return Tensor(dtype, std::move(shape), data, std::move(copy));
}

Tensor read_tensor(std::string_view message, ConstantBudget& budget) {
  const Fields fields = read_fields(message);
  const DType dtype = dtype_from_proto(fields.dtype);
  if (dtype == DType::Invalid)
    fail<InvalidModel>("a constant has type {}, which tfengine does not have", proto_dtype_name(fields.dtype));
  (void)checked_bytes(dtype, fields.shape);
  if (dtype == DType::String) return Tensor(dtype, fields.shape, nullptr, nullptr);
  OutsideContents contents{fields.content, budget.owner};
  // Files of others have such a field by chance or malice: without a host's table it means nothing.
  if (fields.outside && !budget.outside.empty()) {
    if (*fields.outside >= budget.outside.size()) {
      fail<InvalidModel>("a constant's contents have number {}, expected less than {}", *fields.outside,
                         budget.outside.size());
    }
    contents = budget.outside[*fields.outside];
  }
  if (!contents.bytes.empty()) {
    // Any byte but 0 and 1 is no bool that C++ may read.
    if (dtype == DType::Bool &&
        std::any_of(contents.bytes.begin(), contents.bytes.end(), [](char c) { return (c & ~1) != 0; })) {
      fail<InvalidModel>("a bool constant has bytes other than 0 and 1");
    }
    return view_or_copy(dtype, fields.shape, contents, budget);
  }
  return from_lists(dtype, fields, budget);
}

std::pair<DType, Shape> read_tensor_type(std::string_view message) {
  uint64_t dtype = 0;
  Shape shape;
  Reader proto = reader(message);
  while (proto.next()) {
    if (proto.tag_and_type() == varint(1))
      dtype = proto.get_uint64();
    else if (proto.tag_and_type() == bytes(2))
      shape = read_shape(get_view(proto));
    else
      proto.skip();
  }
  return {dtype_from_proto(dtype), std::move(shape)};
}

std::vector<std::string_view> read_strings(std::string_view message) {
  std::vector<std::string_view> strings;
  Reader proto = reader(message);
  while (proto.next()) {
    if (proto.tag_and_type() == bytes(8))
      strings.push_back(get_view(proto));
    else
      proto.skip();
  }
  return strings;
}

}  // namespace tfengine::tfgraph
