// SPDX-License-Identifier: Apache-2.0
// Element types, shapes and reference-counted tensors: what crosses the library's border. Data is dense, row-major.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tfengine/export.h"

namespace tfengine {

enum class DType : uint8_t { Invalid, F32, F16, BF16, F64, S8, U8, S16, U16, S32, U32, S64, U64, Bool, String, C64 };

// Bytes per element; 0 for Invalid and String.
TFE_API size_t dtype_bytes(DType dtype);
// "float32", "uint8" ...: NumPy's names ("bfloat16" for BF16).
TFE_API std::string_view dtype_name(DType dtype);
// The inverse; DType::Invalid for an unknown name.
TFE_API DType dtype_from_name(std::string_view name);

// A shape: a list of dimensions where -1 is unknown, or of unknown rank altogether.
class TFE_API Shape {
 public:
  Shape() = default;  // rank 0: a scalar
  Shape(std::initializer_list<int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {}
  static Shape unknown_rank() {
    Shape shape;
    shape.ranked_ = false;
    return shape;
  }

  bool ranked() const { return ranked_; }
  size_t rank() const { return dims_.size(); }
  int64_t operator[](size_t axis) const { return dims_[axis]; }
  int64_t& operator[](size_t axis) { return dims_[axis]; }
  int64_t back() const { return dims_.back(); }
  const std::vector<int64_t>& dims() const { return dims_; }
  std::vector<int64_t>& dims() { return dims_; }
  auto begin() const { return dims_.begin(); }
  auto end() const { return dims_.end(); }
  // Rank and every dimension known.
  bool is_static() const;
  // Product of the dimensions; -1 unless is_static(). Saturates at INT64_MAX.
  int64_t elements() const;
  // "[?,224,224,3]", "[]", "[...]" for unknown rank.
  std::string str() const;
  bool operator==(const Shape&) const = default;

 private:
  bool ranked_ = true;
  std::vector<int64_t> dims_;
};

// A dense tensor whose bytes are shared and read-only once other owners exist: a view of a mapped file, of a caller's
// array, or of memory of its own. Copying a Tensor copies a pointer.
class TFE_API Tensor {
 public:
  Tensor() = default;
  // Zero-initialised memory of its own.
  Tensor(DType dtype, Shape shape);
  // A view; `owner` keeps `data` alive.
  Tensor(DType dtype, Shape shape, const void* data, std::shared_ptr<const void> owner);

  template <typename T>
  static Tensor of(DType dtype, Shape shape, const std::vector<T>& values) {
    Tensor tensor(dtype, std::move(shape));
    std::copy(values.begin(), values.end(), static_cast<T*>(tensor.mutable_data()));
    return tensor;
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const { return shape_.elements(); }
  size_t bytes() const;
  bool defined() const { return dtype_ != DType::Invalid; }
  const void* data() const { return data_; }
  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }
  // Only for tensors that own their memory and are not shared yet.
  void* mutable_data();
  template <typename T>
  T* mutable_as() {
    return static_cast<T*>(mutable_data());
  }
  // The same bytes under another shape of as many elements.
  Tensor reshaped(Shape shape) const;

 private:
  DType dtype_ = DType::Invalid;
  Shape shape_;
  const void* data_ = nullptr;
  bool writable_ = false;
  std::shared_ptr<const void> owner_;
};

}  // namespace tfengine
