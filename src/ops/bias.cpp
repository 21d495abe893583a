// SPDX-License-Identifier: Apache-2.0
#include "ops/bias.h"

#include <fmt/core.h>

#include <algorithm>

namespace tfengine::ops {

std::vector<double> bias_of(const ir::Graph& graph, const ir::Node& node, int64_t channels) {
  std::vector<double> bias(static_cast<size_t>(channels), 0.0);
  if (node.epilogue.bias == ir::kNone) return bias;
  const float* values = graph.input_value(node, node.epilogue.bias).constant.as<float>();
  std::copy(values, values + channels, bias.begin());
  return bias;
}

void set_bias(ir::Graph& graph, ir::NodeId id, std::string_view name, const std::vector<double>& bias) {
  const int index = graph.node(id).epilogue.bias;
  const bool zero = std::all_of(bias.begin(), bias.end(), [](double b) { return b == 0.0; });
  if (zero && index == ir::kNone) return;
  const std::vector<float> values(bias.begin(), bias.end());
  const Shape shape{static_cast<int64_t>(values.size())};
  const ir::ValueId constant = graph.add_constant(graph.unique_name(fmt::format("{}/{}", graph.node(id).name, name)),
                                                  Tensor::of<float>(DType::F32, shape, values));
  if (index != ir::kNone) return graph.set_input(id, index, constant);
  const int added = graph.add_node_input(id, constant);
  graph.node(id).epilogue.bias = added;
}

}  // namespace tfengine::ops
