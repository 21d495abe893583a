// SPDX-License-Identifier: Apache-2.0
#include "passes/product.h"

#include <algorithm>
#include <cmath>

namespace tfengine::passes {

namespace {

// Gelu's tanh form, the longest formula, is less deep than this.
constexpr int kMaxDepth = 8;
// And has fewer factors; a product that doubles with every node must not be multiplied out.
constexpr size_t kMaxFactors = 16;

bool contains(const std::vector<ValueId>& values, ValueId value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

void collect(const Graph& graph, ValueId value, const std::vector<ValueId>& stops, int depth, Product& product) {
  if (const auto scalar = scalar_constant(graph, value)) {
    product.scale *= *scalar;
    return;
  }
  const NodeId id =
      contains(stops, value) || depth == 0 || product.factors.size() >= kMaxFactors ? kNone : producer_of(graph, value);
  if (id != kNone && graph.node(id).epilogue.empty()) {
    const Node& node = graph.node(id);
    if (node.op == "Mul") {
      for (const ValueId input : node.inputs) collect(graph, input, stops, depth - 1, product);
      return;
    }
    if (node.op == "Neg") {
      product.scale = -product.scale;
      return collect(graph, node.inputs[0], stops, depth - 1, product);
    }
    if (node.op == "Square") {
      collect(graph, node.inputs[0], stops, depth - 1, product);
      return collect(graph, node.inputs[0], stops, depth - 1, product);
    }
    if (node.op == "Pow" && scalar_constant(graph, node.inputs[1]) == 3.0f) {
      for (int i = 0; i < 3; ++i) collect(graph, node.inputs[0], stops, depth - 1, product);
      return;
    }
    const auto divisor = node.op == "RealDiv" ? scalar_constant(graph, node.inputs[1]) : std::nullopt;
    if (divisor && *divisor != 0.0f) {
      product.scale /= *divisor;
      return collect(graph, node.inputs[0], stops, depth - 1, product);
    }
  }
  product.factors.push_back(value);
}

}  // namespace

bool close_to(double a, double b) { return std::fabs(a - b) <= 1e-3 * std::max(std::fabs(a), std::fabs(b)); }

Product product_of(const Graph& graph, ValueId value, const std::vector<ValueId>& stops) {
  Product product;
  collect(graph, value, stops, kMaxDepth, product);
  return product;
}

bool is_product(const Graph& graph, ValueId value, double scale, std::vector<ValueId> factors) {
  Product product = product_of(graph, value, factors);
  std::sort(product.factors.begin(), product.factors.end());
  std::sort(factors.begin(), factors.end());
  return product.factors == factors && close_to(product.scale, scale);
}

std::vector<Scaled> scalings_of(const Graph& graph, ValueId value) {
  std::vector<Scaled> found = {{value, 1.0}};
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const auto [current, scale] = found.back();
    const NodeId id = producer_of(graph, current);
    if (id == kNone || !graph.node(id).epilogue.empty()) break;
    const Node& node = graph.node(id);
    if (node.op == "Neg") {
      found.push_back({node.inputs[0], -scale});
      continue;
    }
    const auto sides = constant_operand(graph, node);
    const auto scalar = sides ? scalar_constant(graph, sides->constant) : std::nullopt;
    if (!scalar || *scalar == 0.0f) break;
    if (node.op == "Mul")
      found.push_back({sides->operand, scale * *scalar});
    else if (node.op == "RealDiv" && !sides->constant_first)
      found.push_back({sides->operand, scale / *scalar});
    else
      break;
  }
  return found;
}

std::optional<Shifted> shift_of(const Graph& graph, ValueId value) {
  const NodeId id = producer_of(graph, value);
  if (id == kNone) return std::nullopt;
  const Node& node = graph.node(id);
  if (node.op != "Add" && node.op != "Sub") return std::nullopt;
  const auto sides = constant_operand(graph, node);
  const auto scalar = sides ? scalar_constant(graph, sides->constant) : std::nullopt;
  if (!scalar || (node.op == "Sub" && sides->constant_first)) return std::nullopt;
  return Shifted{sides->operand, node.op == "Add" ? *scalar : -*scalar};
}

}  // namespace tfengine::passes
