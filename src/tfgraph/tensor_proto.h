// SPDX-License-Identifier: Apache-2.0
// TensorShapeProto and TensorProto messages. Contents that are contiguous and aligned stay views of the file.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "tfengine/tensor.h"

namespace tfengine::tfgraph {

// Contents of a tensor that lie outside of the message: a host that has a graph's constants in memory need not write them
// into one. A TensorProto with this field, of type varint, means the element of that number.
struct OutsideContents {
  std::string_view bytes;
  std::shared_ptr<const void> owner;  // keeps them alive
};
inline constexpr uint32_t kOutsideField = 10000;

// What constants may use and what they did; one per import.
struct ConstantBudget {
  std::shared_ptr<const void> owner;  // keeps the file mapped
  std::vector<OutsideContents> outside;
  int64_t splat_bytes = 0;
  uint64_t viewed_bytes = 0;
  uint64_t copied_bytes = 0;
};

Shape read_shape(std::string_view message);
// InvalidModel where shape, type and contents disagree. String tensors keep type and shape only.
Tensor read_tensor(std::string_view message, ConstantBudget& budget);
// Type and shape alone. DType::Invalid for a type that tfengine does not have.
std::pair<DType, Shape> read_tensor_type(std::string_view message);
// The elements of a string tensor as written (fewer than the shape's where the last repeats).
std::vector<std::string_view> read_strings(std::string_view message);
// A view of `contents` when aligned for the type, else a copy.
Tensor view_or_copy(DType dtype, Shape shape, const OutsideContents& contents, ConstantBudget& budget);
// Bytes of a tensor; InvalidModel unless the shape is static and within kMaxTensorBytes.
int64_t checked_bytes(DType dtype, const Shape& shape);

}  // namespace tfengine::tfgraph
