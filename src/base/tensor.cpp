// SPDX-License-Identifier: Apache-2.0
#include "tfengine/tensor.h"

#include <limits>

#include "base/check.h"
#include "base/host_memory.h"

namespace tfengine {

namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  size_t bytes;
};

constexpr DTypeRow kDTypes[] = {
    {DType::Invalid, "invalid", 0}, {DType::F32, "float32", 4}, {DType::F16, "float16", 2},
    {DType::BF16, "bfloat16", 2},   {DType::F64, "float64", 8}, {DType::S8, "int8", 1},
    {DType::U8, "uint8", 1},        {DType::S16, "int16", 2},   {DType::U16, "uint16", 2},
    {DType::S32, "int32", 4},       {DType::U32, "uint32", 4},  {DType::S64, "int64", 8},
    {DType::U64, "uint64", 8},      {DType::Bool, "bool", 1},   {DType::String, "string", 0},
    {DType::C64, "complex64", 8},
};

}  // namespace

size_t dtype_bytes(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }
std::string_view dtype_name(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }

DType dtype_from_name(std::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return DType::Invalid;
}

bool Shape::is_static() const {
  return ranked_ && std::all_of(dims_.begin(), dims_.end(), [](int64_t dim) { return dim >= 0; });
}

int64_t Shape::elements() const {
  if (!is_static()) return -1;
  int64_t product = 1;
  for (int64_t dim : dims_) {
    if (dim == 0) return 0;
  }
  for (int64_t dim : dims_) {
    if (product > std::numeric_limits<int64_t>::max() / dim) return std::numeric_limits<int64_t>::max();
    product *= dim;
  }
  return product;
}

std::string Shape::str() const {
  if (!ranked_) return "[...]";
  std::string text = "[";
  for (size_t i = 0; i < dims_.size(); ++i) {
    if (i > 0) text += ",";
    text += dims_[i] < 0 ? std::string("?") : std::to_string(dims_[i]);
  }
  return text + "]";
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)), writable_(true) {
  const int64_t count = shape_.elements();
  check(count >= 0, "a tensor of shape {} needs a static shape", shape_.str());
  if (static_cast<uint64_t>(count) > std::numeric_limits<int64_t>::max() / 8) {
    throw OutOfMemory("a tensor of shape " + shape_.str() + " is too large", UINT64_MAX, UINT64_MAX);
  }
  std::shared_ptr<void> memory =
      host_bytes(static_cast<size_t>(count) * dtype_bytes(dtype), "a tensor of shape " + shape_.str());
  data_ = memory.get();
  owner_ = std::move(memory);
}

Tensor::Tensor(DType dtype, Shape shape, const void* data, std::shared_ptr<const void> owner)
    : dtype_(dtype), shape_(std::move(shape)), data_(data), owner_(std::move(owner)) {}

size_t Tensor::bytes() const { return defined() ? static_cast<size_t>(shape_.elements()) * dtype_bytes(dtype_) : 0; }

void* Tensor::mutable_data() {
  check(writable_, "a view of {} {} cannot be written", dtype_name(dtype_), shape_.str());
  return const_cast<void*>(data_);
}

Tensor Tensor::reshaped(Shape shape) const {
  check(shape.elements() == elements(), "cannot view {} as {}", shape_.str(), shape.str());
  Tensor view = *this;
  view.shape_ = std::move(shape);
  view.writable_ = false;
  return view;
}

}  // namespace tfengine
