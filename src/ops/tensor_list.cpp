// SPDX-License-Identifier: Apache-2.0
#include "ops/tensor_list.h"

#include <cstring>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

Shape element_shape(const ir::Node& node) { return node.attr_or<Shape>("element_shape", Shape::unknown_rank()); }

std::vector<TypeInfo> infer_reserve(const InferContext& context) {
  require_inputs(context, 1);
  const DType dtype = context.node.attr<DType>("element_dtype");
  const Shape element = element_shape(context.node);
  if (!element.ranked()) return {{dtype, Shape::unknown_rank()}};
  const int64_t count = known_int(context, 0).value_or(-1);
  if (count < 0 && context.constants[0].defined()) bad_node(context.node, "its size is {}, expected 0 or more", count);
  Shape shape{count};
  shape.dims().insert(shape.dims().end(), element.begin(), element.end());
  return {{dtype, shape}};
}

// Elements of unknown shape are empty until one is written.
std::vector<Tensor> evaluate_reserve(const ir::Node& node, std::span<const Tensor> inputs) {
  if (inputs.size() != 1 || inputs[0].elements() != 1) bad_node(node, "expected one size");
  const int64_t count = as_ints(inputs[0])[0];
  if (count < 0) bad_node(node, "its size is {}, expected 0 or more", count);
  const Shape element = element_shape(node);
  Shape shape{count};
  if (element.is_static())
    shape.dims().insert(shape.dims().end(), element.begin(), element.end());
  else
    shape.dims().push_back(0);
  return {Tensor(node.attr<DType>("element_dtype"), shape)};
}

std::vector<TypeInfo> infer_set_item(const InferContext& context) {
  require_inputs(context, 3);
  const TypeInfo& list = context.inputs[0];
  const TypeInfo& item = context.inputs[2];
  if (list.dtype != item.dtype && list.dtype != DType::Invalid && item.dtype != DType::Invalid) {
    bad_node(context.node, "writes {} into a list of {}", dtype_name(item.dtype), dtype_name(list.dtype));
  }
  if (list.shape.ranked() && list.shape.rank() == 0) bad_node(context.node, "its list is a scalar");
  if (!item.shape.ranked()) return {{list.dtype, list.shape}};
  Shape shape{list.shape.ranked() ? list.shape[0] : -1};
  shape.dims().insert(shape.dims().end(), item.shape.begin(), item.shape.end());
  return {{list.dtype, list.shape.ranked() ? merge_shapes(context.node, list.shape, shape) : shape}};
}

std::vector<Tensor> evaluate_set_item(const ir::Node& node, std::span<const Tensor> inputs) {
  if (inputs.size() < 3 || inputs[0].shape().rank() == 0 || inputs[1].elements() != 1) {
    bad_node(node, "expected a list, an index and an item");
  }
  const Tensor& list = inputs[0];
  const Tensor& item = inputs[2];
  Shape shape{list.shape()[0]};
  shape.dims().insert(shape.dims().end(), item.shape().begin(), item.shape().end());
  const bool blank = list.elements() == 0;
  if (list.dtype() != item.dtype() || (!blank && list.shape() != shape)) {
    bad_node(node, "writes {} {} into a list of {} {}", dtype_name(item.dtype()), item.shape().str(),
             dtype_name(list.dtype()), list.shape().str());
  }
  const int64_t index = as_ints(inputs[1])[0];
  if (index < 0 || index >= shape[0]) bad_node(node, "index {} is out of range for a list of {}", index, shape[0]);
  Tensor output(list.dtype(), shape);
  if (!blank) std::memcpy(output.mutable_data(), list.data(), list.bytes());
  if (item.bytes() > 0) {
    std::memcpy(output.mutable_as<std::byte>() + static_cast<size_t>(index) * item.bytes(), item.data(), item.bytes());
  }
  return {output};
}

std::vector<TypeInfo> infer_length(const InferContext& context) {
  require_inputs(context, 1);
  return {{DType::S32, Shape{}}};
}

std::vector<Tensor> evaluate_length(const ir::Node& node, std::span<const Tensor> inputs) {
  if (inputs.size() != 1 || inputs[0].shape().rank() == 0) bad_node(node, "expected a list");
  return {from_ints(DType::S32, Shape{}, {inputs[0].shape()[0]})};
}

std::vector<Elements> length_elements(const InferContext& context) {
  const Shape& list = context.inputs[0].shape;
  const bool known = list.ranked() && list.rank() > 0 && list[0] >= 0;
  return {{known ? list[0] : kUnknownElement}};
}

}  // namespace

bool is_blank_list(const ir::Node& node) { return node.op == "ListReserve" && !element_shape(node).is_static(); }

std::vector<Op> tensor_list_ops() {
  return {
      {.name = "ListReserve", .infer = infer_reserve, .evaluate = evaluate_reserve, .folds = false},
      {.name = "ListSetItem", .infer = infer_set_item, .evaluate = evaluate_set_item},
      {.name = "ListLength", .infer = infer_length, .evaluate = evaluate_length, .elements = length_elements},
  };
}

}  // namespace tfengine::ops
