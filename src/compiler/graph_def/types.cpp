// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/types.h"

#include <algorithm>

#include "base/check.h"
#include "ops/geometry.h"
#include "ops/op.h"
#include "tfgraph/dtype.h"
#include "tfgraph/import.h"
#include "tfgraph/layout.h"
#include "tfgraph/op_signatures.h"
#include "tfgraph/write.h"

namespace tfengine::graphdef {

namespace {

// Shapes and axes are small; larger constants matter by type alone.
constexpr int64_t kReadBytes = 8192;
// Divisible by what networks halve it by.
constexpr int64_t kSampleSize = 224;

// Control flow of TensorFlow 1 whose outputs are its input.
bool passes_tensor_on(std::string_view op) {
  return op == "Switch" || op == "Enter" || op == "Exit" || op == "RefSwitch" || op == "RefEnter" || op == "RefExit";
}

bool is_placeholder(std::string_view op) { return op == "Placeholder" || op == "PlaceholderV2"; }

}  // namespace

GraphTypes::GraphTypes(const GraphView& view, int64_t batch)
    : view_(view), failures_(static_cast<size_t>(view.size())) {
  for (const int id : view.order()) add(id);
  infer(batch);
}

void GraphTypes::define(TensorRef ref, ir::ValueId value) { values_.emplace(ref, value); }

void GraphTypes::add_constant(int id) {
  const tfgraph::NodeDef& def = *view_.node(id).def;
  const auto message = tfgraph::attr_tensor(def, "value");
  if (!message) fail<InvalidModel>("Const '{}' has no value", def.name);
  try {
    const auto [dtype, shape] = tfgraph::read_tensor_type(*message);
    if (dtype == DType::Invalid) return;
    const std::string name(def.name);
    if (dtype != DType::String && shape.is_static() && tfgraph::checked_bytes(dtype, shape) <= kReadBytes) {
      tfgraph::ConstantBudget budget;
      define({id, 0}, graph_.add_constant(name, tfgraph::read_tensor(*message, budget)));
    } else {
      define({id, 0}, graph_.add_value(name, dtype, shape));
    }
  } catch (const InvalidModel& error) {
    fail<InvalidModel>("Const '{}': {}", def.name, error.what());
  }
}

void GraphTypes::add(int id) {
  const ViewNode& node = view_.node(id);
  const tfgraph::NodeDef& def = *node.def;
  if (def.op == "Const") return add_constant(id);
  if (is_placeholder(def.op)) {
    const auto shape = tfgraph::placeholder_shape(view_.graph(), def.name);
    define({id, 0}, graph_.add_input(std::string(def.name), tfgraph::placeholder_dtype(view_.graph(), def.name),
                                     shape.value_or(Shape::unknown_rank())));
  } else {
    std::vector<ir::ValueId> inputs;
    const auto wanted = tfgraph::input_types(def);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      auto found = values_.find(node.inputs[i]);
      if (found == values_.end()) {
        // An output that nothing is known of: of an unknown op, or the way back of a loop.
        const ir::ValueId value =
            graph_.add_value(view_.tensor_name(node.inputs[i]), DType::Invalid, Shape::unknown_rank());
        found = values_.emplace(node.inputs[i], value).first;
      }
      ir::Value& value = graph_.value(found->second);
      if (value.dtype == DType::Invalid && wanted && i < wanted->size()) {
        value.dtype = tfgraph::dtype_from_proto((*wanted)[i]);
        wanted_[found->second] = (*wanted)[i];
      }
      inputs.push_back(found->second);
    }
    if (passes_tensor_on(def.op) && !inputs.empty()) {
      const ir::NodeId same = graph_.add_node("Identity", std::string(def.name), {inputs[0]});
      for (int i = 0; i < std::max(1, node.outputs_used); ++i) define({id, i}, graph_.output(same));
    } else if (ops::find_op(def.op) != nullptr || tfgraph::has_signature(def.op))
      add_known(id, std::move(inputs));
  }
  const std::vector<Shape> declared = tfgraph::attr_shapes(def, "_output_shapes");
  for (size_t i = 0; i < declared.size() && i < static_cast<size_t>(node.outputs_used); ++i) {
    const TensorRef ref{id, static_cast<int>(i)};
    if (values_.count(ref) == 0) {
      define(ref, graph_.add_value(view_.tensor_name(ref), DType::Invalid, Shape::unknown_rank()));
    }
    hint(values_.at(ref), declared[i]);
  }
}

void GraphTypes::hint(ir::ValueId id, const Shape& shape) {
  const auto index = static_cast<size_t>(id);
  hints_.resize(std::max(hints_.size(), index + 1), Shape::unknown_rank());
  if (!hints_[index].ranked()) hints_[index] = shape;
  // Values without a producer are not visited by inference.
  ir::Value& value = graph_.value(id);
  if (value.producer == ir::kNone && !value.is_constant() && !value.shape.ranked()) value.shape = shape;
}

// What an op takes tells of tensors that nothing else is known of.
Shape GraphTypes::wanted_input(int id, bool nchw) const {
  const tfgraph::NodeDef& def = *view_.node(id).def;
  if (def.op == "MatMul") return {-1, -1};
  if (def.op == "MaxPool" || def.op == "AvgPool") return {-1, -1, -1, -1};
  if (def.op != "Conv2D" && def.op != "DepthwiseConv2dNative") return Shape::unknown_rank();
  TensorRef weights = view_.node(id).inputs.size() > 1 ? view_.node(id).inputs[1] : TensorRef{};
  while (weights.node >= 0 && view_.node(weights.node).constant && is_identity(view_.node(weights.node).def->op)) {
    weights = view_.node(weights.node).inputs[0];
  }
  const auto found = values_.find(weights);
  const Shape shape = found == values_.end() ? Shape::unknown_rank() : graph_.value(found->second).shape;
  const int64_t channels = shape.rank() == 4 ? shape[2] : -1;
  return nchw ? Shape{-1, channels, -1, -1} : Shape{-1, -1, -1, channels};
}

bool GraphTypes::is_matmul(ir::ValueId value) const {
  const ir::NodeId producer = graph_.value(value).producer;
  return producer != ir::kNone && graph_.node(producer).op == "MatMul";
}

void GraphTypes::add_known(int id, std::vector<ir::ValueId> inputs) {
  const ViewNode& node = view_.node(id);
  const tfgraph::NodeDef& def = *node.def;
  const std::string name(def.name);
  try {
    tfgraph::ConstantBudget budget;
    ir::Attrs attrs = tfgraph::read_attrs(def, budget);
    std::string op = tfgraph::modern_op(
        def.op, inputs, [&] { return graph_.add_constant(name + "/axis", Tensor(DType::S32, Shape{})); });
    const ops::Op* known = ops::find_op(op);
    if (known == nullptr) return;
    const bool nchw = tfgraph::is_nchw(def.op, attrs) && !inputs.empty();
    // As the importer does it: the node works on NHWC between two Transposes. A matrix has its channels last anyway.
    const bool transposed = nchw && !(def.op == "BiasAdd" && is_matmul(inputs[0]));
    if (!inputs.empty()) hint(inputs[0], wanted_input(id, nchw));
    if (nchw) ops::to_nhwc(def.name, attrs);
    if (transposed) inputs[0] = tfgraph::add_transpose(graph_, inputs[0], {0, 2, 3, 1}, name + "/to_nhwc");
    const ir::NodeId added =
        graph_.add_node(known->name, name, std::move(inputs), std::move(attrs), std::max(1, node.outputs_used));
    owner_.resize(static_cast<size_t>(graph_.node_count()), -1);
    owner_[static_cast<size_t>(added)] = id;
    for (int i = 0; i < static_cast<int>(graph_.node(added).outputs.size()); ++i) {
      if (transposed && i == 0) {
        define({id, 0}, tfgraph::add_transpose(graph_, graph_.output(added), {0, 3, 1, 2}, name + "/to_nchw"));
      } else {
        define({id, i}, graph_.output(added, i));
      }
    }
  } catch (const InvalidModel& error) {
    failures_[static_cast<size_t>(id)] = error.what();
  }
}

void GraphTypes::infer(int64_t batch) {
  owner_.resize(static_cast<size_t>(graph_.node_count()), -1);
  ir::Graph sample = graph_;
  for (const ops::InferFailure& failure : ops::infer_graph_where_possible(graph_, {}, hints_)) {
    const int id = owner_[static_cast<size_t>(failure.node)];
    if (id >= 0) failures_[static_cast<size_t>(id)] = failure.reason;
  }
  for (const ir::ValueId id : sample.inputs) {
    Shape& shape = sample.value(id).shape;
    if (static_cast<size_t>(id) < hints_.size() && !shape.ranked()) shape = hints_[static_cast<size_t>(id)];
    for (size_t axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] < 0) shape[axis] = axis == 0 ? batch : kSampleSize;
    }
  }
  ops::infer_graph_where_possible(sample, {}, {});
  for (const auto& [ref, id] : values_) {
    const ir::Value& value = graph_.value(id);
    uint64_t type = tfgraph::proto_from_dtype(value.dtype);
    if (const auto wanted = wanted_.find(id); type == 0 && wanted != wanted_.end()) type = wanted->second;
    types_[ref] = {type, value.shape, sample.value(id).shape};
  }
  graph_ = ir::Graph();
}

TensorType GraphTypes::type(TensorRef ref) const {
  const auto found = types_.find(ref);
  TensorType type = found == types_.end() ? TensorType{} : found->second;
  // What the node itself says is exact: quantized types are not integers.
  const auto declared = tfgraph::output_types(*view_.node(ref.node).def);
  if (declared && static_cast<size_t>(ref.output) < declared->size() &&
      (*declared)[static_cast<size_t>(ref.output)] != 0)
    type.type = (*declared)[static_cast<size_t>(ref.output)];
  return type;
}

}  // namespace tfengine::graphdef
