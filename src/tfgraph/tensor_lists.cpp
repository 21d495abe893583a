// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/tensor_lists.h"

#include "tfgraph/import.h"

namespace tfengine::tfgraph {

namespace {

using ir::ValueId;

const NodeDef& def_of(const ListContext& context) { return *context.flat.node(context.id).def; }

void require_inputs(const ListContext& context, size_t count) {
  const size_t got = context.flat.node(context.id).inputs.size();
  const NodeDef& def = def_of(context);
  if (got != count) fail<InvalidModel>("{} '{}' has {} inputs, expected {}", def.op, def.name, got, count);
}

std::vector<ValueId> made(const ListContext& context, std::string op, std::vector<ValueId> inputs, ir::Attrs attrs) {
  return {
      context.graph.output(context.graph.add_node(std::move(op), context.name, std::move(inputs), std::move(attrs)))};
}

std::vector<ValueId> rows(const ListContext& context, size_t list, size_t indices) {
  const ValueId axis = context.graph.add_constant(context.unique(context.name + "/axis"), Tensor(DType::S32, Shape{}));
  return made(context, "GatherV2", {context.value(list), context.value(indices), axis}, {});
}

// What the element_shape operand says: -1 for nothing at all.
Shape shape_operand(const ListContext& context, size_t input) {
  const Tensor& tensor = context.graph.value(context.value(input)).constant;
  if (!tensor.defined() || tensor.shape().rank() != 1) return Shape::unknown_rank();
  Shape shape;
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    const int64_t dim = tensor.dtype() == DType::S64 ? tensor.as<int64_t>()[i] : tensor.as<int32_t>()[i];
    if (tensor.dtype() != DType::S64 && tensor.dtype() != DType::S32) return Shape::unknown_rank();
    shape.dims().push_back(dim < 0 ? -1 : dim);
  }
  return shape;
}

DType element_dtype(const ListContext& context, const char* key) {
  const NodeDef& def = def_of(context);
  ir::Attrs attrs = read_attrs(def, context.budget);
  const auto found = attrs.find(key);
  const auto* dtype = found == attrs.end() ? nullptr : std::get_if<DType>(&found->second);
  if (dtype == nullptr || dtype_bytes(*dtype) == 0) {
    fail<InvalidModel>("{} '{}': its elements are of no type that tensors have here; expected numbers or bool", def.op,
                       def.name);
  }
  return *dtype;
}

bool flag(const NodeDef& def, const char* key, ConstantBudget& budget) {
  const ir::Attrs attrs = read_attrs(def, budget);
  const auto found = attrs.find(key);
  const bool* value = found == attrs.end() ? nullptr : std::get_if<bool>(&found->second);
  return value != nullptr && *value;
}

bool is_constant_int(const Flattener& flat, Ref ref, int64_t wanted, ConstantBudget& budget) {
  const NodeDef& def = *flat.node(ref.node).def;
  const auto message = def.op == "Const" ? attr_tensor(def, "value") : std::nullopt;
  if (!message) return false;
  const Tensor tensor = read_tensor(*message, budget);
  return tensor.dtype() == DType::S32 && tensor.elements() == 1 && *tensor.as<int32_t>() == wanted;
}

// All rows in order, as tensor arrays are stacked and unstacked: Range from 0 in steps of 1 to their number.
bool is_whole_range(const ListContext& context, size_t input) {
  const FlatNode& range = context.flat.node(context.flat.node(context.id).inputs[input].node);
  return range.def->op == "Range" && range.inputs.size() == 3 &&
         is_constant_int(context.flat, range.inputs[0], 0, context.budget) &&
         is_constant_int(context.flat, range.inputs[2], 1, context.budget);
}

std::optional<std::vector<ValueId>> lower_tensor_list(const ListContext& context, std::string_view op) {
  if (op == "TensorListFromTensor") {
    require_inputs(context, 2);
    return std::vector<ValueId>{context.value(0)};
  }
  if (op == "TensorListStack") {
    require_inputs(context, 2);
    return std::vector<ValueId>{context.value(0)};
  }
  if (op == "TensorListReserve") {
    require_inputs(context, 2);
    return made(
        context, "ListReserve", {context.value(1)},
        {{"element_dtype", element_dtype(context, "element_dtype")}, {"element_shape", shape_operand(context, 0)}});
  }
  if (op == "EmptyTensorList") {
    require_inputs(context, 2);
    const ValueId none =
        context.graph.add_constant(context.unique(context.name + "/size"), Tensor(DType::S32, Shape{}));
    return made(context, "ListReserve", {none},
                {{"element_dtype", element_dtype(context, "element_dtype")},
                 {"element_shape", shape_operand(context, 0)},
                 {"grows", true}});
  }
  if (op == "TensorListPushBack") {
    require_inputs(context, 2);
    return made(context, "ListPushBack", {context.value(0), context.value(1)}, {});
  }
  if (op == "TensorListPopBack") {
    require_inputs(context, 2);
    const ir::NodeId node = context.graph.add_node("ListPopBack", context.name, {context.value(0)}, {}, 2);
    return context.graph.node(node).outputs;
  }
  if (op == "TensorListLength") {
    require_inputs(context, 1);
    return made(context, "ListLength", {context.value(0)}, {});
  }
  if (op == "TensorListGetItem" || op == "TensorListGather") {
    require_inputs(context, 3);
    return rows(context, 0, 1);
  }
  if (op == "TensorListSetItem") {
    require_inputs(context, 3);
    ir::Attrs attrs;
    if (flag(def_of(context), "resize_if_index_out_of_bounds", context.budget)) attrs["resize"] = true;
    return made(context, "ListSetItem", {context.value(0), context.value(1), context.value(2)}, std::move(attrs));
  }
  return std::nullopt;
}

std::optional<std::vector<ValueId>> lower_tensor_array(const ListContext& context, std::string_view op) {
  if (op == "TensorArrayV3") {
    require_inputs(context, 1);
    const Shape* shape = nullptr;
    ir::Attrs attrs = read_attrs(def_of(context), context.budget);
    if (const auto found = attrs.find("element_shape"); found != attrs.end())
      shape = std::get_if<Shape>(&found->second);
    const std::vector<ValueId> flow = made(context, "ListReserve", {context.value(0)},
                                           {{"element_dtype", element_dtype(context, "dtype")},
                                            {"element_shape", shape != nullptr ? *shape : Shape::unknown_rank()}});
    return std::vector<ValueId>{ir::kNone, flow[0]};
  }
  if (op == "TensorArrayReadV3") {
    require_inputs(context, 3);
    return rows(context, 2, 1);
  }
  if (op == "TensorArrayGatherV3") {
    require_inputs(context, 3);
    if (is_whole_range(context, 1)) return std::vector<ValueId>{context.value(2)};
    return rows(context, 2, 1);
  }
  if (op == "TensorArrayWriteV3") {
    require_inputs(context, 4);
    ir::Attrs attrs;
    if (context.grows(0)) attrs["resize"] = true;
    return made(context, "ListSetItem", {context.value(3), context.value(1), context.value(2)}, std::move(attrs));
  }
  if (op == "TensorArrayScatterV3") {
    require_inputs(context, 4);
    const NodeDef& def = def_of(context);
    if (!is_whole_range(context, 1)) {
      fail<InvalidModel>("{} '{}' scatters to other places than all in order, which is not supported", def.op,
                         def.name);
    }
    return std::vector<ValueId>{context.value(2)};
  }
  if (op == "TensorArraySizeV3") {
    require_inputs(context, 2);
    return made(context, "ListLength", {context.value(1)}, {});
  }
  return std::nullopt;
}

}  // namespace

bool makes_handle(const NodeDef& def, int output) { return def.op == "TensorArrayV3" && output == 0; }

bool handle_grows(const NodeDef& def, ConstantBudget& budget) { return flag(def, "dynamic_size", budget); }

std::optional<std::vector<ValueId>> lower_list_op(const ListContext& context) {
  const std::string_view op = def_of(context).op;
  if (op.substr(0, 10) == "TensorList" || op == "EmptyTensorList") return lower_tensor_list(context, op);
  if (op.substr(0, 11) == "TensorArray") return lower_tensor_array(context, op);
  return std::nullopt;
}

}  // namespace tfengine::tfgraph
