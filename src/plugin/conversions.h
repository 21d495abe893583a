// SPDX-License-Identifier: Apache-2.0
// TensorFlow's types, shapes and statuses as ours and back.
#pragma once

#include <exception>

#include "tensorflow/core/framework/partial_tensor_shape.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor_shape.h"
#include "tensorflow/core/framework/types.h"
#include "tfengine/tensor.h"

namespace tfengine::plugin {

// Invalid for what engines have no values of: strings, resources, variants, complex numbers.
DType dtype_of(tensorflow::DataType type);
Shape shape_of(const tensorflow::TensorShape& shape);
tensorflow::TensorShape shape_of(const Shape& shape);
// A view, valid while `tensor`'s memory is.
Tensor view_of(const tensorflow::Tensor& tensor);
// Whether a tensor of shape `got` is one of `wanted`.
bool fits(const tensorflow::TensorShape& got, const tensorflow::PartialTensorShape& wanted);

// The exception as a status, its message behind `where`: ResourceExhausted for OutOfMemory, InvalidArgument for what the user
// gave, Internal for the rest.
absl::Status status_of(const std::exception_ptr& error, const std::string& where);
// fn(), which returns a status, with what it throws as a status: nothing passes into TensorFlow's code.
template <typename F>
absl::Status guarded(const std::string& where, F&& fn) noexcept {
  try {
    return fn();
  } catch (...) {
    return status_of(std::current_exception(), where);
  }
}

// A status that has to pass through our code as an exception.
class StatusError : public std::exception {
 public:
  explicit StatusError(absl::Status status) : status_(std::move(status)), text_(status_.ToString()) {}
  const absl::Status& status() const { return status_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  absl::Status status_;
  std::string text_;
};
inline void throw_if_error(const absl::Status& status) {
  if (!status.ok()) throw StatusError(status);
}

}  // namespace tfengine::plugin
