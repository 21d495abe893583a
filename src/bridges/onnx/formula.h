// SPDX-License-Identifier: Apache-2.0
// Several ONNX ops for a node that has none of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bridges/onnx/ops.h"

namespace tfengine::bridges::onnx {

class Formula {
 public:
  explicit Formula(const NodeContext& context) : context_(context) {}

  // A scalar constant, which is a float if no type is given.
  std::string number(double value, DType dtype = DType::F32) const;
  // Appends the op, with one output, whose name is made of the node's, and returns that.
  std::string apply(std::string_view op, const std::vector<std::string>& inputs, const Attrs& attrs = {}) const;
  std::string cast(const std::string& x, DType to) const;
  // Input `index`, which holds integers, as int64: what ONNX takes for shapes and indices.
  std::string as_int64(int index) const;

 private:
  const NodeContext& context_;
};

}  // namespace tfengine::bridges::onnx
