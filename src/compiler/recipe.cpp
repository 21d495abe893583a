// SPDX-License-Identifier: Apache-2.0
#include "compiler/recipe.h"

#include "base/check.h"
#include "compiler/to_bf16.h"

namespace tfengine::detail {

Optimized optimize(const ModelImpl& model, const Recipe& recipe) {
  passes::PassOptions options;
  options.disabled = recipe.disabled_passes;
  return optimize(model, recipe.nodes_denylist, options);
}

quantize::RewriteResult rewrite(const ir::Graph& optimized, const Recipe& recipe, quantize::RewriteCache* cache) {
  quantize::RewriteOptions options;
  if (recipe.int8_grid == "tensorrt") {
    options.grid = quantize::Int8Grid::TensorRT;
  } else if (recipe.int8_grid != "auto") {
    fail<InvalidArgument>("int8_grid '{}' is unknown, expected auto or tensorrt", recipe.int8_grid);
  }
  options.missing = recipe.strict_ranges ? quantize::MissingRange::Error : quantize::MissingRange::KeepFloat;
  options.int8_ok = [&](const ir::Graph& graph, const ir::Node& node) {
    return recipe.backend->refuses_int8(graph, node);
  };
  options.cache = cache;
  options.means = &recipe.means;
  options.weights = recipe.weight_range;
  options.rounded = &recipe.rounded;
  options.float_gates = recipe.float_gates;
  options.asymmetric = recipe.asymmetric;
  options.zero_point_ok = [&](const ir::Graph& graph, const ir::Node& node, int input) {
    return recipe.backend->refuses_zero_point(graph, node, input);
  };
  options.keep_float = recipe.keep_float;
  options.prefer_float = [&](const ir::Node& node) { return recipe.slow.count(node.name) > 0; };
  return quantize::rewrite_to_int8(optimized, recipe.ranges, options);
}

ir::Graph float_layers(ir::Graph graph, const Recipe& recipe) {
  return recipe.bf16 ? to_bf16(graph, recipe.fp32) : std::move(graph);
}

ir::Graph make_graph(const ModelImpl& model, const Recipe& recipe) {
  ir::Graph graph = optimize(model, recipe).graph;
  quantize::equalize(graph, recipe.factors);
  if (recipe.precision == "int8" && (recipe.strict_ranges || !recipe.ranges.empty()))
    graph = rewrite(graph, recipe).graph;
  return float_layers(std::move(graph), recipe);
}

}  // namespace tfengine::detail
