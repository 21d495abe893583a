// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_reductions.h"

#include <algorithm>
#include <utility>

#include "ops/fused_elementwise.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// A region that runs one elementwise node.
Graph region_of(const Graph& graph, const Node& node) {
  Graph region;
  region.name = node.name;
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::Value& value = graph.value(node.inputs[i]);
    inputs.push_back(region.add_input(node.name + "/fused_in" + std::to_string(i), value.dtype, value.shape));
    region.value(inputs.back()).quant = value.quant;
  }
  const NodeId copy = region.add_node(node.op, node.name, std::move(inputs), node.attrs);
  region.node(copy).epilogue = node.epilogue;
  const ir::Value& made = graph.value(node.outputs[0]);
  ir::Value& inner = region.value(region.output(copy));
  inner.name = made.name + "/fused";
  inner.dtype = made.dtype;
  inner.shape = made.shape;
  region.outputs.push_back({inner.name, region.output(copy)});
  return region;
}

void append(const Graph& graph, const Node& reduction, Graph& region) {
  const ir::Value& axes = graph.value(reduction.inputs[1]);
  const ValueId inner_axes = region.add_constant(region.unique_name(axes.name), axes.constant);
  const NodeId copy =
      region.add_node(reduction.op, reduction.name, {region.outputs[0].value, inner_axes}, reduction.attrs);
  const ir::Value& made = graph.value(reduction.outputs[0]);
  ir::Value& inner = region.value(region.output(copy));
  inner.name = made.name + "/fused";
  inner.dtype = made.dtype;
  inner.shape = made.shape;
  region.outputs = {{inner.name, region.output(copy)}};
}

// Until the reduction runs the inputs of what it folds are held, instead of that: where other steps run meanwhile, that must
// not be more tensors.
bool holds_no_more(const Graph& graph, const Node& maker, bool next) {
  const int64_t elements = graph.value(maker.outputs[0]).shape.elements();
  return next || std::count_if(maker.inputs.begin(), maker.inputs.end(), [&](ValueId input) {
                   const ir::Value& value = graph.value(input);
                   return !value.is_constant() && value.shape.elements() == elements;
                 }) <= 1;
}

bool take(Graph& graph, NodeId id, NodeId before, const CanFuse& can_fuse) {
  const ValueId folded = graph.node(id).inputs[0];
  const NodeId producer = graph.value(folded).producer;
  if (producer == kNone || graph.is_output(folded) || graph.use_count(folded) != 1) return false;
  const Node& maker = graph.node(producer);
  if (maker.outputs.size() != 1 || !may_change(maker)) return false;
  if (!holds_no_more(graph, maker, producer == before)) return false;
  const bool fused = ops::is_fused(maker);
  if (fused ? ops::final_reduction(maker.regions[0]) != kNone
            : !maker.regions.empty() || graph.value(folded).shape.elements() <= 0 || !can_fuse(graph, maker))
    return false;
  Graph region = fused ? maker.regions[0] : region_of(graph, maker);
  append(graph, graph.node(id), region);
  region.name = graph.node(id).name;
  graph.set_inputs(id, maker.inputs);
  graph.remove(producer);
  Node& node = graph.node(id);
  node.op = ops::kFusedElementwise;
  node.attrs.clear();
  node.regions.push_back(std::move(region));
  return true;
}

}  // namespace

int fuse_reductions(Graph& graph, const CanFuse& can_fuse, const CanFuse& can_end) {
  int taken = 0, own = 0;
  NodeId before = kNone;
  for (const NodeId id : graph.order()) {
    Node& node = graph.node(id);
    if (!ops::is_fused(node)) {
      for (Graph& region : node.regions) taken += fuse_reductions(region, can_fuse, can_end);
      const bool ends = ops::is_reduction(node.op) && may_change(node) && can_end(graph, node);
      own += ends && take(graph, id, before, can_fuse) ? 1 : 0;
    }
    before = id;
  }
  if (own > 0) graph = graph.compacted();
  return taken + own;
}

}  // namespace tfengine::passes
