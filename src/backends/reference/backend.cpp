// SPDX-License-Identifier: Apache-2.0
#include "backends/reference/backend.h"

#include <cstring>

#include <fmt/core.h>

#include "base/check.h"
#include "ops/op.h"

namespace tfengine::reference {

namespace {

using plan::StepArgs;
using plan::StepSpec;
using plan::Tactic;

// The step's tensors under the ids of a graph of its own, which is all that evaluate_node needs to know.
struct SmallGraph {
  ir::Graph graph;
  ir::NodeId node = ir::kNone;
};

std::shared_ptr<const SmallGraph> small_graph(const StepSpec& spec) {
  auto small = std::make_shared<SmallGraph>();
  std::vector<ir::ValueId> inputs;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const ir::ValueId id =
        small->graph.add_value(fmt::format("input{}", i), spec.inputs[i].dtype, spec.inputs[i].shape);
    small->graph.value(id).quant = spec.inputs[i].quant;
    small->graph.value(id).constant = spec.constants[i];
    inputs.push_back(id);
  }
  small->node = small->graph.add_node(spec.node->op, spec.node->name, inputs, spec.node->attrs,
                                      static_cast<int>(spec.outputs.size()));
  ir::Node& node = small->graph.node(small->node);
  node.epilogue = spec.node->epilogue;
  node.regions = spec.node->regions;
  for (size_t i = 0; i < spec.outputs.size(); ++i) {
    ir::Value& value = small->graph.value(node.outputs[i]);
    value.dtype = spec.outputs[i].dtype;
    value.shape = spec.outputs[i].shape;
    value.quant = spec.outputs[i].quant;
  }
  return small;
}

void evaluate(const SmallGraph& small, const StepArgs& args) {
  const ir::Node& node = small.graph.node(small.node);
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::Value& value = small.graph.value(node.inputs[i]);
    inputs.push_back(value.is_constant() ? value.constant : Tensor(value.dtype, value.shape, args.src[i], nullptr));
  }
  const std::vector<Tensor> outputs = ops::evaluate_node(small.graph, node, inputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ir::Value& planned = small.graph.value(node.outputs[i]);
    check(outputs[i].shape() == planned.shape && outputs[i].dtype() == planned.dtype,
          "{} '{}': output {} is {} {}, room is for {} {}", node.op, node.name, i, dtype_name(outputs[i].dtype()),
          outputs[i].shape().str(), dtype_name(planned.dtype), planned.shape.str());
    std::memcpy(args.dst[i], outputs[i].data(), outputs[i].bytes());
  }
}

class ReferenceBackend : public plan::Backend {
 public:
  std::string name() const override { return "reference"; }

  std::variant<std::vector<Tactic>, Refusal> tactics(const StepSpec& spec) const override {
    if (ops::find_op(spec.node->op) == nullptr) return Refusal{fmt::format("{} is not known", spec.node->op)};
    Tactic tactic;
    tactic.name = "reference";
    tactic.prepare = [small = small_graph(spec)](plan::PackedStore&) {
      return plan::function_kernel([small](const StepArgs& args) { evaluate(*small, args); });
    };
    return std::vector<Tactic>{std::move(tactic)};
  }

  std::optional<Refusal> refuses(const ir::Graph&, const ir::Node& node) const override {
    if (ops::find_op(node.op) == nullptr) return Refusal{fmt::format("{} is not known", node.op)};
    return std::nullopt;
  }
  std::optional<Refusal> refuses_int8(const ir::Graph& graph, const ir::Node& node) const override {
    return refuses(graph, node);
  }
  std::optional<Refusal> refuses_zero_point(const ir::Graph&, const ir::Node&, int) const override {
    return std::nullopt;
  }
  bool takes_strided_input(const StepSpec&, int) const override { return false; }
  bool takes_strided_output(const StepSpec&) const override { return false; }
};

}  // namespace

const plan::Backend& reference_backend() {
  static const ReferenceBackend backend;
  return backend;
}

}  // namespace tfengine::reference
