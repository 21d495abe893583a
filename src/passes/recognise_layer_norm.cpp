// SPDX-License-Identifier: Apache-2.0
#include "passes/recognise_layer_norm.h"

#include <algorithm>

#include "passes/product.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// The statistics of one normalisation: 1 / sqrt(variance(x) + epsilon) over the last axis.
struct Statistics {
  ValueId x = kNone;
  ValueId mean = kNone;
  ValueId inverse = kNone;    // 1 / deviation, or kNone
  ValueId deviation = kNone;  // sqrt(variance + epsilon), or kNone
  float epsilon = 0.0f;
};

// The input of a Mean over the last axis with kept dimensions.
ValueId mean_argument(const Graph& graph, ValueId value) {
  const NodeId id = producer_of(graph, value, "Mean");
  if (id == kNone) return kNone;
  const Node& node = graph.node(id);
  const auto axes = int_constant(graph, node.inputs[1]);
  const Shape& shape = graph.value(node.inputs[0]).shape;
  if (!axes || axes->size() != 1 || !shape.ranked() || !node.attr_or<bool>("keep_dims", false)) return kNone;
  const int64_t axis = (*axes)[0] < 0 ? (*axes)[0] + static_cast<int64_t>(shape.rank()) : (*axes)[0];
  return axis == static_cast<int64_t>(shape.rank()) - 1 ? node.inputs[0] : kNone;
}

bool is_binary(const Graph& graph, ValueId value, std::string_view op, ValueId a, ValueId b) {
  const NodeId id = producer_of(graph, value, op);
  return id != kNone && graph.node(id).inputs == std::vector<ValueId>{a, b};
}

// mean((x - mean(x))^2), or mean(x^2) - mean(x)^2. Fills x and mean.
bool match_variance(const Graph& graph, ValueId variance, Statistics& found) {
  if (const ValueId squares = mean_argument(graph, variance); squares != kNone) {
    NodeId difference = producer_of(graph, squares, "SquaredDifference");
    if (difference == kNone) {
      const Product square = product_of(graph, squares, {});
      if (square.factors.size() != 2 || square.factors[0] != square.factors[1] || square.scale != 1.0) return false;
      difference = producer_of(graph, square.factors[0], "Sub");
    }
    if (difference == kNone) return false;
    found.x = graph.node(difference).inputs[0];
    found.mean = graph.node(difference).inputs[1];
    return mean_argument(graph, found.mean) == found.x;
  }
  const NodeId minus = producer_of(graph, variance, "Sub");
  if (minus == kNone) return false;
  const ValueId squares = mean_argument(graph, graph.node(minus).inputs[0]);
  const Product mean_square = product_of(graph, graph.node(minus).inputs[1], {});
  if (squares == kNone || mean_square.factors.size() != 2 || mean_square.scale != 1.0) return false;
  found.mean = mean_square.factors[0];
  found.x = mean_argument(graph, found.mean);
  return found.x != kNone && mean_square.factors[1] == found.mean &&
         is_product(graph, squares, 1.0, {found.x, found.x});
}

std::optional<Statistics> match_statistics(const Graph& graph, const Node& root) {
  if ((root.op != "Rsqrt" && root.op != "Sqrt") || !may_change(root)) return std::nullopt;
  const auto shifted = shift_of(graph, root.inputs[0]);
  Statistics found;
  if (!shifted || !match_variance(graph, shifted->value, found)) return std::nullopt;
  found.epsilon = static_cast<float>(shifted->offset);
  (root.op == "Rsqrt" ? found.inverse : found.deviation) = root.outputs[0];
  return found;
}

struct Parameters {
  std::vector<float> gamma;
  std::vector<float> beta;
};

// inverse * gamma, or inverse alone: the gamma.
std::optional<std::vector<float>> match_multiplier(const Graph& graph, ValueId value, const Statistics& s) {
  const int64_t channels = last_dim(graph, s.x);
  const size_t rank = graph.value(s.x).shape.rank();
  if (value == s.inverse) return std::vector<float>(static_cast<size_t>(channels), 1.0f);
  const NodeId id = producer_of(graph, value, "Mul");
  const auto sides = id == kNone ? std::nullopt : constant_operand(graph, graph.node(id));
  if (!sides || sides->operand != s.inverse) return std::nullopt;
  return channel_constant(graph, sides->constant, channels, rank);
}

// beta - mean * multiplier as exporters write it, `value` being that sum without x: the beta.
std::optional<std::vector<float>> match_offset(const Graph& graph, ValueId value, ValueId multiplier,
                                               const Statistics& s) {
  const int64_t channels = last_dim(graph, s.x);
  const size_t rank = graph.value(s.x).shape.rank();
  if (is_product(graph, value, -1.0, {s.mean, multiplier})) {
    return std::vector<float>(static_cast<size_t>(channels), 0.0f);
  }
  const NodeId id = producer_of(graph, value);
  const auto is = [&](std::string_view op) { return id != kNone && graph.node(id).op == op; };
  if (is("Sub") && is_product(graph, graph.node(id).inputs[1], 1.0, {s.mean, multiplier})) {
    return channel_constant(graph, graph.node(id).inputs[0], channels, rank);
  }
  const auto sides = is("Add") ? constant_operand(graph, graph.node(id)) : std::nullopt;
  if (!sides || !is_product(graph, sides->operand, -1.0, {s.mean, multiplier})) return std::nullopt;
  return channel_constant(graph, sides->constant, channels, rank);
}

// x * m + (beta - mean * m), the form of Keras and of tf.nn.batch_normalization.
std::optional<Parameters> match_expanded(const Graph& graph, const Node& node, const Statistics& s) {
  if (node.op != "Add" && node.op != "Sub") return std::nullopt;
  for (const int side : {0, 1}) {
    const NodeId product = producer_of(graph, node.inputs[static_cast<size_t>(side)], "Mul");
    if (product == kNone) continue;
    const std::vector<ValueId>& factors = graph.node(product).inputs;
    if (factors[0] != s.x && factors[1] != s.x) continue;
    const ValueId multiplier = factors[0] == s.x ? factors[1] : factors[0];
    const auto gamma = match_multiplier(graph, multiplier, s);
    if (!gamma) continue;
    const ValueId rest = node.inputs[static_cast<size_t>(1 - side)];
    if (node.op == "Sub") {
      if (side == 0 && is_product(graph, rest, 1.0, {s.mean, multiplier})) {
        return Parameters{*gamma, std::vector<float>(gamma->size(), 0.0f)};
      }
    } else if (const auto beta = match_offset(graph, rest, multiplier, s)) {
      return Parameters{*gamma, *beta};
    }
  }
  return std::nullopt;
}

// (x - mean) * m, or (x - mean) / deviation; what scales and shifts behind it is folded later.
std::optional<Parameters> match_centred(const Graph& graph, const Node& node, const Statistics& s) {
  const auto channels = static_cast<size_t>(last_dim(graph, s.x));
  if (node.op == "RealDiv" && node.inputs[1] == s.deviation && is_binary(graph, node.inputs[0], "Sub", s.x, s.mean)) {
    return Parameters{std::vector<float>(channels, 1.0f), std::vector<float>(channels, 0.0f)};
  }
  if (node.op != "Mul") return std::nullopt;
  for (const int side : {0, 1}) {
    if (!is_binary(graph, node.inputs[static_cast<size_t>(side)], "Sub", s.x, s.mean)) continue;
    const auto gamma = match_multiplier(graph, node.inputs[static_cast<size_t>(1 - side)], s);
    if (gamma) return Parameters{*gamma, std::vector<float>(channels, 0.0f)};
  }
  return std::nullopt;
}

// Nodes up to three uses behind the statistics, where the normalisation ends: Keras's m, mean * m, + beta, + x * m.
std::vector<NodeId> candidates(const Graph& graph, ValueId start) {
  std::vector<NodeId> found;
  std::vector<ValueId> frontier = {start};
  for (int depth = 0; depth < 4; ++depth) {
    std::vector<ValueId> next;
    for (const ValueId value : frontier) {
      for (const NodeId user : graph.value(value).users) {
        if (!may_change(graph.node(user)) || std::find(found.begin(), found.end(), user) != found.end()) continue;
        found.push_back(user);
        next.push_back(graph.output(user));
      }
    }
    frontier = next;
  }
  return found;
}

bool rewrite(Graph& graph, const Statistics& s) {
  if (last_dim(graph, s.x) <= 0 || !is_float(graph, s.x)) return false;
  for (const NodeId id : candidates(graph, s.inverse != kNone ? s.inverse : s.deviation)) {
    const Node& node = graph.node(id);
    if (!node.epilogue.empty() || node.outputs.size() != 1 || !same_shape(graph, s.x, node.outputs[0])) continue;
    auto parameters = match_expanded(graph, node, s);
    if (!parameters) parameters = match_centred(graph, node, s);
    if (!parameters) continue;
    const ValueId gamma = add_float_vector(graph, graph.node(id).name + "/gamma", parameters->gamma);
    const ValueId beta = add_float_vector(graph, graph.node(id).name + "/beta", parameters->beta);
    rewrite_node(graph, id, "LayerNorm", {s.x, gamma, beta}, {{"epsilon", s.epsilon}});
    return true;
  }
  return false;
}

}  // namespace

int recognise_layer_norm(Graph& graph, PassContext&) {
  int found = 0;
  for (const NodeId id : graph.order()) {
    const auto statistics = graph.node(id).alive ? match_statistics(graph, graph.node(id)) : std::nullopt;
    if (statistics) found += rewrite(graph, *statistics);
  }
  return found;
}

}  // namespace tfengine::passes
