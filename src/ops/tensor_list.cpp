// SPDX-License-Identifier: Apache-2.0
#include "ops/tensor_list.h"

#include <algorithm>
#include <cstring>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

bool grows(const ir::Node& node) { return node.attr_or<bool>("grows", false); }

Shape element_shape(const ir::Node& node) { return node.attr_or<Shape>("element_shape", Shape::unknown_rank()); }

std::vector<TypeInfo> infer_reserve(const InferContext& context) {
  require_inputs(context, 1);
  const DType dtype = context.node.attr<DType>("element_dtype");
  const Shape element = element_shape(context.node);
  if (!element.ranked()) return {{dtype, Shape::unknown_rank()}};
  int64_t count = known_int(context, 0).value_or(-1);
  if (count < 0 && context.constants[0].defined()) bad_node(context.node, "its size is {}, expected 0 or more", count);
  if (grows(context.node)) count = -1;
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

Shape list_of(int64_t count, const Shape& element) {
  if (!element.ranked()) return Shape::unknown_rank();
  Shape shape{count};
  shape.dims().insert(shape.dims().end(), element.begin(), element.end());
  return shape;
}

// A list whose elements' shape is not known yet has none, whatever its own shape says.
bool holds_nothing(const Shape& list) { return list.is_static() && list.elements() == 0; }

void check_dtypes(const ir::Node& node, DType list, DType item) {
  if (list != item && list != DType::Invalid && item != DType::Invalid) {
    bad_node(node, "writes {} into a list of {}", dtype_name(item), dtype_name(list));
  }
}

// Of the list with `count` rows, into which the item is written.
TypeInfo infer_written(const InferContext& context, int64_t count, const TypeInfo& item) {
  const TypeInfo& list = context.inputs[0];
  check_dtypes(context.node, list.dtype, item.dtype);
  if (list.shape.ranked() && list.shape.rank() == 0) bad_node(context.node, "its list is a scalar");
  const Shape shape = list_of(count, item.shape);
  if (!list.shape.ranked() || holds_nothing(list.shape)) return {list.dtype, shape};
  Shape longer = list.shape;
  longer[0] = count;
  return {list.dtype, shape.ranked() ? merge_shapes(context.node, longer, shape) : longer};
}

int64_t length_of(const InferContext& context) {
  const Shape& list = context.inputs[0].shape;
  return list.ranked() && list.rank() > 0 ? list[0] : -1;
}

std::vector<TypeInfo> infer_set_item(const InferContext& context) {
  require_inputs(context, 3);
  int64_t count = length_of(context);
  if (!keeps_length(context.node)) {
    const std::optional<int64_t> index = known_int(context, 1);
    count = count < 0 || !index ? -1 : std::max(count, *index + 1);
  }
  return {infer_written(context, count, context.inputs[2])};
}

// The rows of `list`, with `count` of them, and the item as row `index`.
Tensor written(const ir::Node& node, const Tensor& list, const Tensor& item, int64_t count, int64_t index) {
  const Shape shape = list_of(count, item.shape());
  Shape longer = list.shape();
  longer[0] = count;
  const bool blank = list.elements() == 0;
  if (list.dtype() != item.dtype() || (!blank && longer != shape)) {
    bad_node(node, "writes {} {} into a list of {} {}", dtype_name(item.dtype()), item.shape().str(),
             dtype_name(list.dtype()), list.shape().str());
  }
  if (index < 0 || index >= count) bad_node(node, "index {} is out of range for a list of {}", index, count);
  Tensor output(list.dtype(), shape);
  if (list.bytes() > 0) std::memcpy(output.mutable_data(), list.data(), list.bytes());
  if (item.bytes() > 0) {
    std::memcpy(output.mutable_as<std::byte>() + static_cast<size_t>(index) * item.bytes(), item.data(), item.bytes());
  }
  return output;
}

void require_list(const ir::Node& node, std::span<const Tensor> inputs, size_t count, const char* what) {
  if (inputs.size() < count || inputs[0].shape().rank() == 0) bad_node(node, "expected {}", what);
}

std::vector<Tensor> evaluate_set_item(const ir::Node& node, std::span<const Tensor> inputs) {
  require_list(node, inputs, 3, "a list, an index and an item");
  if (inputs[1].elements() != 1) bad_node(node, "expected a list, an index and an item");
  const int64_t index = as_ints(inputs[1])[0];
  int64_t count = inputs[0].shape()[0];
  if (!keeps_length(node) && index >= count) {
    // A row more for each that is written; what is far behind the end is a defect of the model, not a size.
    constexpr int64_t kMostRows = int64_t{1} << 31;
    if (index >= kMostRows) bad_node(node, "index {} is out of range for a list of {}", index, count);
    count = index + 1;
  }
  return {written(node, inputs[0], inputs[2], count, index)};
}

std::vector<TypeInfo> infer_push_back(const InferContext& context) {
  require_inputs(context, 2);
  const int64_t count = length_of(context);
  return {infer_written(context, count < 0 ? -1 : count + 1, context.inputs[1])};
}

std::vector<Tensor> evaluate_push_back(const ir::Node& node, std::span<const Tensor> inputs) {
  require_list(node, inputs, 2, "a list and an item");
  const int64_t count = inputs[0].shape()[0];
  return {written(node, inputs[0], inputs[1], count + 1, count)};
}

std::vector<TypeInfo> infer_pop_back(const InferContext& context) {
  require_inputs(context, 1);
  const TypeInfo& list = context.inputs[0];
  if (!list.shape.ranked()) return {list, {list.dtype, Shape::unknown_rank()}};
  if (list.shape.rank() == 0) bad_node(context.node, "its list is a scalar");
  if (list.shape[0] == 0) bad_node(context.node, "takes an element of an empty list");
  Shape rest = list.shape;
  if (rest[0] > 0) --rest[0];
  return {{list.dtype, rest}, {list.dtype, Shape(std::vector<int64_t>(rest.begin() + 1, rest.end()))}};
}

std::vector<Tensor> evaluate_pop_back(const ir::Node& node, std::span<const Tensor> inputs) {
  require_list(node, inputs, 1, "a list");
  const Tensor& list = inputs[0];
  if (list.shape()[0] == 0) bad_node(node, "takes an element of an empty list");
  Shape shape = list.shape();
  --shape[0];
  Tensor rest(list.dtype(), shape);
  Tensor item(list.dtype(), Shape(std::vector<int64_t>(shape.begin() + 1, shape.end())));
  if (rest.bytes() > 0) std::memcpy(rest.mutable_data(), list.data(), rest.bytes());
  if (item.bytes() > 0) std::memcpy(item.mutable_data(), list.as<std::byte>() + rest.bytes(), item.bytes());
  return {rest, item};
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

bool is_blank_list(const ir::Node& node) {
  return node.op == "ListReserve" && !grows(node) && !element_shape(node).is_static();
}

bool keeps_length(const ir::Node& node) { return !node.attr_or<bool>("resize", false); }

std::vector<Op> tensor_list_ops() {
  return {
      {.name = "ListReserve", .infer = infer_reserve, .evaluate = evaluate_reserve, .folds = false},
      {.name = "ListSetItem", .infer = infer_set_item, .evaluate = evaluate_set_item},
      {.name = "ListPushBack", .infer = infer_push_back, .evaluate = evaluate_push_back},
      {.name = "ListPopBack", .infer = infer_pop_back, .evaluate = evaluate_pop_back},
      {.name = "ListLength", .infer = infer_length, .evaluate = evaluate_length, .elements = length_elements},
  };
}

}  // namespace tfengine::ops
