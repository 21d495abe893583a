// SPDX-License-Identifier: Apache-2.0
#include "compiler/to_bf16.h"

#include <map>

#include "backends/onednn/cpu_features.h"
#include "base/check.h"

namespace tfengine::detail {

namespace {

bool is_compute(const ir::Graph& graph, const ir::Node& node) {
  const bool known = node.op == "Conv2D" || node.op == "MatMul";
  return known && !node.denylisted && graph.input_value(node, 0).dtype == DType::F32 &&
         graph.input_value(node, 1).is_constant();
}

class Bf16Rewrite {
 public:
  explicit Bf16Rewrite(ir::Graph graph) : graph_(std::move(graph)) {}

  ir::Graph run() {
    for (const ir::NodeId id : graph_.order()) {
      if (!is_compute(graph_, graph_.node(id))) continue;
      graph_.set_input(id, 0, narrowed(graph_.node(id).inputs[0]));
      const int residual = graph_.node(id).epilogue.residual;
      if (residual != ir::kNone)
        graph_.set_input(id, residual, narrowed(graph_.node(id).inputs[static_cast<size_t>(residual)]));
      widen_output(id);
    }
    graph_.remove_dead();
    return graph_.compacted();
  }

 private:
  // The value in bf16: what a former step made so, or a Cast, one per value.
  ir::ValueId narrowed(ir::ValueId id) {
    const auto found = narrow_.find(id);
    if (found != narrow_.end()) return found->second;
    const ir::NodeId cast = graph_.add_node("Cast", graph_.value(id).name + "/bf16", {id}, {{"DstT", DType::BF16}});
    const ir::ValueId result = graph_.output(cast);
    graph_.value(result).dtype = DType::BF16;
    graph_.value(result).shape = graph_.value(id).shape;
    return narrow_[id] = result;
  }

  // The node makes a bf16 value; other users read a float copy of it, which takes over the name.
  void widen_output(ir::NodeId id) {
    const ir::ValueId old = graph_.output(id);
    const std::string name = graph_.value(old).name;
    const ir::ValueId made = graph_.add_value(name + "/bf16", DType::BF16, graph_.value(old).shape);
    const ir::NodeId cast = graph_.add_node("Cast", name + "/float", {made}, {{"DstT", DType::F32}});
    const ir::ValueId copy = graph_.output(cast);
    graph_.value(copy).dtype = DType::F32;
    graph_.value(copy).shape = graph_.value(old).shape;
    graph_.replace_uses(old, copy);
    graph_.set_output(id, 0, made);
    std::swap(graph_.value(old).name, graph_.value(copy).name);
    narrow_[copy] = made;
  }

  ir::Graph graph_;
  std::map<ir::ValueId, ir::ValueId> narrow_;
};

}  // namespace

ir::Graph to_bf16(const ir::Graph& graph) {
  if (!onednn::has_bf16()) {
    fail<InvalidArgument>("precision bf16: this CPU has no bfloat16 arithmetic; use fp32 or int8");
  }
  return Bf16Rewrite(graph).run();
}

}  // namespace tfengine::detail
