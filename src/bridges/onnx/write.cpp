// SPDX-License-Identifier: Apache-2.0
#include "bridges/onnx/write.h"

#include "base/check.h"
#include "bridges/onnx/ops.h"
#include "bridges/simulated.h"

namespace tfengine::bridges::onnx {

namespace {

constexpr int64_t kOpset = 13;  // the first with a scale per channel in QuantizeLinear and DequantizeLinear

void write_node(const NodeContext& context) {
  if (write_parts(context)) return;
  for (size_t i = 1; i < context.node.outputs.size(); ++i) {
    if (context.graph.use_count(context.node.outputs[i]) > 0) context.refuse("it has several outputs");
  }
  for (const auto write :
       {write_windowed, write_unary, write_binary, write_pixels, write_reduction, write_fill, write_other}) {
    if (const std::optional<Written> written = write(context)) {
      return context.tensors.set(context.node.outputs[0], *written);
    }
  }
  context.refuse("the op has no counterpart here");
}

}  // namespace

int64_t axis_channels_first(int64_t axis) { return axis == 0 ? 0 : axis == 3 ? 1 : axis + 1; }

std::vector<int64_t> NodeContext::int_input(int index) const {
  const Tensor& tensor = input(index).constant;
  if (!tensor.defined()) refuse(fmt::format("its input {} is computed at run time, expected a constant", index));
  std::vector<int64_t> values;
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    if (tensor.dtype() == DType::S64) {
      values.push_back(tensor.as<int64_t>()[i]);
    } else if (tensor.dtype() == DType::S32) {
      values.push_back(tensor.as<int32_t>()[i]);
    } else {
      refuse(fmt::format("its input {} is {}, expected integers", index, dtype_name(tensor.dtype())));
    }
  }
  return values;
}

size_t NodeContext::rank(int index) const {
  const Shape& shape = input(index).shape;
  if (!shape.ranked()) refuse("the rank of its input is not known");
  return shape.rank();
}

size_t NodeContext::axis(int64_t axis, int index) const {
  const auto count = static_cast<int64_t>(rank(index));
  const int64_t result = axis < 0 ? axis + count : axis;
  if (result < 0 || result >= count) refuse("its axis is out of range");
  return static_cast<size_t>(result);
}

std::string NodeContext::part(std::string_view suffix) const { return fmt::format("{}/{}", node.name, suffix); }

void NodeContext::refuse(std::string_view why) const {
  fail<InvalidArgument>("[export] {} '{}' cannot be written as ONNX: {}", node.op, node.name, why);
}

std::string write_model(const ir::Graph& engine_graph) {
  const ir::Graph graph = simulated(engine_graph);
  ModelWriter writer(graph.name.empty() ? "tfengine" : graph.name);
  Tensors tensors(graph, writer);
  for (const ir::ValueId id : graph.inputs) {
    const ir::Value& value = graph.value(id);
    writer.input(value.name, value.dtype, value.shape);
  }
  for (const ir::NodeId id : graph.order()) write_node({graph, graph.node(id), tensors});
  for (const ir::GraphOutput& out : graph.outputs) {
    const ir::Value& value = graph.value(out.value);
    writer.node("Identity", {tensors.read(out.value)}, {out.name}, {});
    writer.output(out.name, value.dtype, value.shape);
  }
  return writer.model(kOpset);
}

}  // namespace tfengine::bridges::onnx
