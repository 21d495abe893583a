// SPDX-License-Identifier: Apache-2.0
#include "bridges/onnx/formula.h"

#include "ops/numeric.h"

namespace tfengine::bridges::onnx {

std::string Formula::number(double value, DType dtype) const {
  const Tensor scalar = Tensor::of<double>(DType::F64, Shape{}, {value});
  return context_.tensors.constant(context_.part("constant"), ops::cast_tensor(scalar, dtype));
}

std::string Formula::apply(std::string_view op, const std::vector<std::string>& inputs, const Attrs& attrs) const {
  return context_.tensors.append(op, inputs, context_.part(op), attrs);
}

std::string Formula::cast(const std::string& x, DType to) const {
  return apply("Cast", {x}, {int_attr("to", data_type(to, context_.node.name))});
}

std::string Formula::as_int64(int index) const {
  const std::string x = context_.tensors.read(context_.node.inputs[static_cast<size_t>(index)]);
  return context_.input(index).dtype == DType::S64 ? x : cast(x, DType::S64);
}

}  // namespace tfengine::bridges::onnx
