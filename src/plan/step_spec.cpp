// SPDX-License-Identifier: Apache-2.0
#include "plan/planner.h"

namespace tfengine::plan {

std::vector<TensorDesc> describe_values(const ir::Graph& graph) {
  std::vector<TensorDesc> descs(static_cast<size_t>(graph.value_count()));
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::Value& value = graph.value(id);
    TensorDesc& desc = descs[static_cast<size_t>(id)];
    desc.dtype = value.dtype;
    desc.shape = value.shape;
    desc.quant = value.quant;
    desc.pixel_stride = value.shape.rank() == 0 ? 1 : value.shape.back();
  }
  return descs;
}

StepSpec step_spec(const ir::Graph& graph, const ir::Node& node, std::span<const TensorDesc> descs, int threads) {
  StepSpec spec;
  spec.graph = &graph;
  spec.node = &node;
  spec.threads = threads;
  for (const ir::ValueId id : node.inputs) {
    spec.inputs.push_back(descs[static_cast<size_t>(id)]);
    spec.constants.push_back(graph.value(id).constant);
    spec.input_names.push_back(graph.value(id).name);
  }
  for (const ir::ValueId id : node.outputs) spec.outputs.push_back(descs[static_cast<size_t>(id)]);
  return spec;
}

}  // namespace tfengine::plan
