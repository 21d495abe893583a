// SPDX-License-Identifier: Apache-2.0
#include "passes/simplify_arithmetic.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// A new constant, f applied to each element.
template <typename F>
ValueId mapped_constant(Graph& graph, ValueId source, std::string_view suffix, F&& f) {
  const Tensor& old = graph.value(source).constant;
  Tensor tensor(DType::F32, old.shape());
  std::transform(old.as<float>(), old.as<float>() + old.elements(), tensor.mutable_as<float>(), f);
  return graph.add_constant(graph.unique_name(graph.value(source).name + std::string(suffix)), std::move(tensor));
}

bool all_equal(const Tensor& tensor, float expected) {
  return std::all_of(tensor.as<float>(), tensor.as<float>() + tensor.elements(),
                     [expected](float x) { return x == expected; });
}

// x / c -> x * (1 / c): within 1 ulp, and what the fused forms multiply by. x - c -> x + -c, exactly.
bool canonical_constant(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "RealDiv" && node.op != "Sub") return false;
  const auto sides = constant_operand(graph, node);
  if (!sides || sides->constant_first || float_constant(graph, sides->constant) == nullptr) return false;
  const Tensor& constant = graph.value(sides->constant).constant;
  if (node.op == "Sub") {
    const ValueId negated = mapped_constant(graph, sides->constant, "/negated", [](float c) { return -c; });
    rewrite_node(graph, id, "Add", {sides->operand, negated});
    return true;
  }
  const bool usable = std::all_of(constant.as<float>(), constant.as<float>() + constant.elements(),
                                  [](float c) { return std::isnormal(c) && std::isnormal(1.0f / c); });
  if (!usable) return false;
  const ValueId reciprocal = mapped_constant(graph, sides->constant, "/reciprocal", [](float c) { return 1.0f / c; });
  rewrite_node(graph, id, "Mul", {sides->operand, reciprocal});
  return true;
}

// x * 1, x + 0 and Pow(x, 1), where broadcasting does not change the shape.
bool remove_neutral(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "Mul" && node.op != "Add" && node.op != "Pow") return false;
  const auto sides = constant_operand(graph, node);
  if (!sides || (node.op == "Pow" && sides->constant_first)) return false;
  const Tensor* constant = float_constant(graph, sides->constant);
  if (constant == nullptr || !all_equal(*constant, node.op == "Add" ? 0.0f : 1.0f)) return false;
  const bool keeps_shape = constant->shape().rank() == 0 || same_shape(graph, sides->operand, node.outputs[0]);
  return keeps_shape && bypass(graph, id, sides->operand);
}

bool special_power(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "Pow" || !node.epilogue.empty() || !is_float(graph, node.inputs[0])) return false;
  const auto exponent = scalar_constant(graph, node.inputs[1]);
  if (!exponent || graph.value(node.inputs[1]).shape.rank() > 0) return false;
  const ValueId x = node.inputs[0];
  if (*exponent == 2.0f)
    rewrite_node(graph, id, "Square", {x});
  else if (*exponent == 0.5f)
    rewrite_node(graph, id, "Sqrt", {x});
  else if (*exponent == -0.5f)
    rewrite_node(graph, id, "Rsqrt", {x});
  else
    return false;
  return true;
}

// Reciprocal(Sqrt(x)) and 1 / Sqrt(x) -> Rsqrt(x).
bool square_root(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  ValueId argument = kNone;
  if (node.op == "Reciprocal" || node.op == "Inv") argument = node.inputs[0];
  if (node.op == "RealDiv" && scalar_constant(graph, node.inputs[0]) == 1.0f &&
      graph.value(node.inputs[0]).shape.rank() == 0) {
    argument = node.inputs[1];
  }
  if (argument == kNone || !node.epilogue.empty()) return false;
  const NodeId root = producer_of(graph, argument, "Sqrt");
  if (root == kNone) return false;
  rewrite_node(graph, id, "Rsqrt", {graph.node(root).inputs[0]});
  return true;
}

// A sum of two is an Add, which fuses.
bool sum_of_two(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "AddN" || node.inputs.size() != 2 || !node.epilogue.empty()) return false;
  const std::vector<ValueId> inputs = node.inputs;
  rewrite_node(graph, id, "Add", inputs);
  return true;
}

// (x * a) * b -> x * (a * b) for scalars, likewise for Add.
bool combine_scalars(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "Mul" && node.op != "Add") return false;
  const auto outer = constant_operand(graph, node);
  if (!outer) return false;
  const NodeId inner_id = sole_producer(graph, outer->operand, node.op);
  if (inner_id == kNone || graph.value(outer->operand).range) return false;
  const auto inner = constant_operand(graph, graph.node(inner_id));
  if (!inner) return false;
  const auto a = scalar_constant(graph, inner->constant);
  const auto b = scalar_constant(graph, outer->constant);
  if (!a || !b || graph.value(inner->constant).shape.rank() > 0 || graph.value(outer->constant).shape.rank() > 0)
    return false;
  const float combined = node.op == "Mul" ? *a * *b : *a + *b;
  if (!std::isfinite(combined)) return false;
  const ValueId constant = mapped_constant(graph, outer->constant, "/combined", [combined](float) { return combined; });
  rewrite_node(graph, id, node.op, {inner->operand, constant});
  return true;
}

}  // namespace

int simplify_arithmetic(Graph& graph, PassContext&) {
  int changed = 0;
  for (const NodeId id : graph.order()) {
    if (!may_change(graph.node(id)) || graph.node(id).outputs.size() != 1) continue;
    if (!is_float(graph, graph.output(id))) continue;
    const bool rewritten = canonical_constant(graph, id) || special_power(graph, id) || square_root(graph, id) ||
                           sum_of_two(graph, id) || combine_scalars(graph, id);
    const bool removed = remove_neutral(graph, id);
    changed += rewritten || removed;
  }
  return changed;
}

}  // namespace tfengine::passes
