// SPDX-License-Identifier: Apache-2.0
#include "passes/recognise_activations.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "passes/product.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

bool become(Graph& graph, NodeId id, std::string op, ValueId input, ir::Attrs attrs = {}) {
  // A formula that broadcast its operand is not the activation of it.
  if (!same_shape(graph, input, graph.output(id))) return false;
  rewrite_node(graph, id, std::move(op), {input}, std::move(attrs));
  return true;
}

// min(max(x, a), b) in its spellings -> Clip; relu with an upper bound likewise.
bool clip(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto become_clip = [&](ValueId x, float low, float high) {
    return become(graph, id, "Clip", x, {{"min", low}, {"max", high}});
  };
  if (node.op == "ClipByValue") {
    const auto low = scalar_constant(graph, node.inputs[1]);
    const auto high = scalar_constant(graph, node.inputs[2]);
    return low && high && become_clip(node.inputs[0], *low, *high);
  }
  const bool minimum = node.op == "Minimum";
  if (!minimum && node.op != "Maximum") return false;
  const auto outer = constant_operand(graph, node);
  const auto bound = outer ? scalar_constant(graph, outer->constant) : std::nullopt;
  if (!bound) return false;
  const NodeId inner_id = producer_of(graph, outer->operand);
  if (inner_id != kNone) {
    const Node& inner = graph.node(inner_id);
    if (minimum && inner.op == "Relu" && inner.epilogue.empty() && *bound >= 0.0f) {
      return become_clip(inner.inputs[0], 0.0f, *bound);
    }
    const auto sides = inner.op == (minimum ? "Maximum" : "Minimum") ? constant_operand(graph, inner) : std::nullopt;
    const auto other = sides ? scalar_constant(graph, sides->constant) : std::nullopt;
    if (other) {
      const float low = minimum ? *other : *bound;
      const float high = minimum ? *bound : *other;
      return low <= high && become_clip(sides->operand, low, high);
    }
  }
  if (!minimum && *bound == 0.0f) return become(graph, id, "Relu", outer->operand);
  // The other half may follow: a later node with this one inside then becomes the Clip.
  const auto follows = [&](NodeId user) { return graph.node(user).op == (minimum ? "Maximum" : "Minimum"); };
  const std::vector<NodeId>& users = graph.value(node.outputs[0]).users;
  if (std::any_of(users.begin(), users.end(), follows)) return false;
  return minimum ? become_clip(outer->operand, -kInfinity, *bound) : become_clip(outer->operand, *bound, kInfinity);
}

bool is_relu6(const Node& node) {
  if (!node.epilogue.empty()) return false;
  return node.op == "Relu6" ||
         (node.op == "Clip" && node.attr<float>("min") == 0.0f && node.attr<float>("max") == 6.0f);
}

// The x of relu6(x + 3).
ValueId hard_gate_argument(const Graph& graph, ValueId value) {
  const NodeId id = producer_of(graph, value);
  if (id == kNone || !is_relu6(graph.node(id))) return kNone;
  const auto shifted = shift_of(graph, graph.node(id).inputs[0]);
  return shifted && shifted->offset == 3.0 ? shifted->value : kNone;
}

// relu6(x + 3) / 6 and clip(x / 6 + 1 / 2, 0, 1).
bool hard_sigmoid(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op == "Mul" || node.op == "RealDiv") {
    const Product product = product_of(graph, node.outputs[0], {});
    if (product.factors.size() != 1 || !close_to(product.scale, 1.0 / 6.0)) return false;
    const ValueId x = hard_gate_argument(graph, product.factors[0]);
    return x != kNone && become(graph, id, "HardSigmoid", x);
  }
  if (node.op != "Clip" || node.attr<float>("min") != 0.0f || node.attr<float>("max") != 1.0f) return false;
  const auto shifted = shift_of(graph, node.inputs[0]);
  if (!shifted || shifted->offset != 0.5) return false;
  for (const Scaled& scaled : scalings_of(graph, shifted->value)) {
    if (close_to(scaled.scale, 1.0 / 6.0)) return become(graph, id, "HardSigmoid", scaled.value);
  }
  return false;
}

// x^3 in a sum: the tanh form's inner x + 0.044715 x^3.
ValueId cubic_argument(const Graph& graph, ValueId value) {
  const NodeId id = producer_of(graph, value, "Add");
  if (id != kNone && graph.node(id).epilogue.empty()) {
    for (const int side : {0, 1}) {
      const ValueId x = graph.node(id).inputs[static_cast<size_t>(side)];
      if (is_product(graph, graph.node(id).inputs[static_cast<size_t>(1 - side)], 0.044715, {x, x, x})) return x;
    }
    return kNone;
  }
  // x * (1 + 0.044715 x^2)
  const Product product = product_of(graph, value, {});
  if (product.factors.size() != 2 || !close_to(product.scale, 1.0)) return kNone;
  for (const int side : {0, 1}) {
    const ValueId x = product.factors[static_cast<size_t>(side)];
    const auto shifted = shift_of(graph, product.factors[static_cast<size_t>(1 - side)]);
    if (shifted && shifted->offset == 1.0 && is_product(graph, shifted->value, 0.044715, {x, x})) return x;
  }
  return kNone;
}

struct Gate {
  std::string op;  // what x * gate is
  ValueId x = kNone;
  double scale = 1.0;  // op(x) = scale * x * gate
  ir::Attrs attrs = {};
};

constexpr double kSqrtHalf = 0.70710678118654752;       // 1 / sqrt(2)
constexpr double kSqrtTwoOverPi = 0.79788456080286536;  // sqrt(2 / pi)

// Readings of a factor as the gate of a known activation.
std::vector<Gate> gates_of(const Graph& graph, ValueId factor) {
  const NodeId id = producer_of(graph, factor);
  if (id == kNone || !graph.node(id).epilogue.empty()) return {};
  const Node& node = graph.node(id);
  std::vector<Gate> gates;
  if (node.op == "Sigmoid") return {{"Swish", node.inputs[0]}};
  if (node.op == "HardSigmoid") return {{"HardSwish", node.inputs[0]}};
  if (const ValueId x = hard_gate_argument(graph, factor); x != kNone) return {{"HardSwish", x, 1.0 / 6.0}};
  if (node.op == "Erfc") {
    for (const Scaled& scaled : scalings_of(graph, node.inputs[0])) {
      if (close_to(scaled.scale, -kSqrtHalf)) gates.push_back({"Gelu", scaled.value, 0.5, {{"approximate", false}}});
    }
    return gates;
  }
  const auto shifted = shift_of(graph, factor);
  const NodeId inner_id = shifted && shifted->offset == 1.0 ? producer_of(graph, shifted->value) : kNone;
  if (inner_id == kNone || !graph.node(inner_id).epilogue.empty()) return gates;
  const Node& inner = graph.node(inner_id);
  if (inner.op != "Erf" && inner.op != "Tanh") return gates;
  for (const Scaled& scaled : scalings_of(graph, inner.inputs[0])) {
    if (inner.op == "Erf" && close_to(scaled.scale, kSqrtHalf)) {
      gates.push_back({"Gelu", scaled.value, 0.5, {{"approximate", false}}});
    }
    const ValueId x =
        inner.op == "Tanh" && close_to(scaled.scale, kSqrtTwoOverPi) ? cubic_argument(graph, scaled.value) : kNone;
    if (x != kNone) gates.push_back({"Gelu", x, 0.5, {{"approximate", true}}});
  }
  return gates;
}

// scale * x * gate(x) in any order and grouping.
bool gated(Graph& graph, NodeId id) {
  if (graph.node(id).op != "Mul" && graph.node(id).op != "RealDiv") return false;
  const ValueId result = graph.output(id);
  for (const ValueId factor : product_of(graph, result, {}).factors) {
    for (const Gate& gate : gates_of(graph, factor)) {
      if (is_product(graph, result, gate.scale, {gate.x, factor}))
        return become(graph, id, gate.op, gate.x, gate.attrs);
    }
  }
  return false;
}

// relu(x) - a * relu(-x), and max(x, a * x).
bool leaky_relu(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op == "Maximum") {
    for (const int side : {0, 1}) {
      const ValueId x = node.inputs[static_cast<size_t>(1 - side)];
      for (const Scaled& scaled : scalings_of(graph, node.inputs[static_cast<size_t>(side)])) {
        if (scaled.value != x || scaled.scale <= 0.0 || scaled.scale >= 1.0) continue;
        return become(graph, id, "LeakyRelu", x, {{"alpha", static_cast<float>(scaled.scale)}});
      }
    }
    return false;
  }
  const NodeId positive = node.op == "Sub" ? producer_of(graph, node.inputs[0], "Relu") : kNone;
  if (positive == kNone || !graph.node(positive).epilogue.empty()) return false;
  const ValueId x = graph.node(positive).inputs[0];
  for (const Scaled& scaled : scalings_of(graph, node.inputs[1])) {
    const NodeId negative = producer_of(graph, scaled.value, "Relu");
    if (negative == kNone || !graph.node(negative).epilogue.empty()) continue;
    if (!is_product(graph, graph.node(negative).inputs[0], -1.0, {x})) continue;
    return become(graph, id, "LeakyRelu", x, {{"alpha", static_cast<float>(scaled.scale)}});
  }
  return false;
}

bool reduces_last_axis(const Graph& graph, const Node& node) {
  const auto axes = int_constant(graph, node.inputs[1]);
  const Shape& shape = graph.value(node.inputs[0]).shape;
  return axes && axes->size() == 1 && shape.ranked() && node.attr_or<bool>("keep_dims", false) &&
         ((*axes)[0] == -1 || (*axes)[0] == static_cast<int64_t>(shape.rank()) - 1);
}

// exp(x - max(x)) / sum(exp(x - max(x))) over the last axis, with or without the shift.
bool softmax(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "RealDiv") return false;
  const NodeId exp = producer_of(graph, node.inputs[0], "Exp");
  const NodeId sum = producer_of(graph, node.inputs[1], "Sum");
  if (exp == kNone || sum == kNone || graph.node(sum).inputs[0] != node.inputs[0]) return false;
  if (!reduces_last_axis(graph, graph.node(sum))) return false;
  ValueId x = graph.node(exp).inputs[0];
  const NodeId shift = producer_of(graph, x, "Sub");
  const NodeId max = shift == kNone ? kNone : producer_of(graph, graph.node(shift).inputs[1], "Max");
  if (max != kNone && graph.node(max).inputs[0] == graph.node(shift).inputs[0] &&
      reduces_last_axis(graph, graph.node(max))) {
    x = graph.node(shift).inputs[0];
  }
  return become(graph, id, "Softmax", x);
}

}  // namespace

int recognise_activations(Graph& graph, PassContext&) {
  int found = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node) || !node.epilogue.empty() || node.outputs.size() != 1) continue;
    if (!is_float(graph, node.outputs[0])) continue;
    // A Clip may be part of a hard sigmoid itself.
    const bool clipped = clip(graph, id);
    found += hard_sigmoid(graph, id) || gated(graph, id) || leaky_relu(graph, id) || softmax(graph, id) || clipped;
  }
  return found;
}

}  // namespace tfengine::passes
