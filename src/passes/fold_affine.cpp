// SPDX-License-Identifier: Apache-2.0
#include "passes/fold_affine.h"

#include <algorithm>
#include <cmath>

#include "ops/bias.h"
#include "passes/linear.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// A node that computes input * scale[c] + offset[c].
struct Affine {
  ValueId input = kNone;
  std::vector<double> scale;
  std::vector<double> offset;
};

Affine identity_on(ValueId input, int64_t channels) {
  const auto count = static_cast<size_t>(channels);
  return {input, std::vector<double>(count, 1.0), std::vector<double>(count, 0.0)};
}

std::optional<Affine> match_batch_norm(const Graph& graph, const Node& node, int64_t channels) {
  if (node.attr_or<bool>("is_training", true)) return std::nullopt;
  const float epsilon = node.attr_or<float>("epsilon", 1e-4f);
  std::vector<float> parameters[4];  // scale, offset, mean, variance
  for (int i = 0; i < 4; ++i) {
    const auto constant = channel_constant(graph, node.inputs[static_cast<size_t>(i + 1)], channels, 1);
    if (!constant) return std::nullopt;
    parameters[i] = *constant;
  }
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    if (graph.use_count(node.outputs[i]) > 0) return std::nullopt;
  }
  Affine affine = identity_on(node.inputs[0], channels);
  for (size_t c = 0; c < affine.scale.size(); ++c) {
    affine.scale[c] = parameters[0][c] / std::sqrt(static_cast<double>(parameters[3][c]) + epsilon);
    affine.offset[c] = parameters[1][c] - parameters[2][c] * affine.scale[c];
  }
  return affine;
}

std::optional<Affine> match_binary(const Graph& graph, const Node& node, int64_t channels) {
  const auto sides = constant_operand(graph, node);
  if (!sides || !same_shape(graph, sides->operand, node.outputs[0])) return std::nullopt;
  const size_t rank = graph.value(sides->operand).shape.rank();
  const auto constant = channel_constant(graph, sides->constant, channels, rank);
  if (!constant) return std::nullopt;
  Affine affine = identity_on(sides->operand, channels);
  if (node.op == "Mul") {
    affine.scale.assign(constant->begin(), constant->end());
    return affine;
  }
  affine.offset.assign(constant->begin(), constant->end());
  if (node.op == "Sub" && sides->constant_first) affine.scale.assign(affine.scale.size(), -1.0);
  if (node.op == "Sub" && !sides->constant_first) {
    for (double& offset : affine.offset) offset = -offset;
  }
  return affine;
}

std::optional<Affine> match_affine(const Graph& graph, const Node& node) {
  if (!may_change(node) || node.outputs.empty() || !node.epilogue.empty() || !is_float(graph, node.outputs[0])) {
    return std::nullopt;
  }
  const int64_t channels = last_dim(graph, node.outputs[0]);
  if (channels <= 0) return std::nullopt;
  if (node.op == "FusedBatchNormV3") return match_batch_norm(graph, node, channels);
  if (node.op == "Mul" || node.op == "Add" || node.op == "Sub" || node.op == "BiasAdd") {
    return match_binary(graph, node, channels);
  }
  if (node.op != "BatchNormAffine") return std::nullopt;
  const auto scale = channel_constant(graph, node.inputs[1], channels, 1);
  const auto offset = channel_constant(graph, node.inputs[2], channels, 1);
  if (!scale || !offset) return std::nullopt;
  Affine affine = identity_on(node.inputs[0], channels);
  affine.scale.assign(scale->begin(), scale->end());
  affine.offset.assign(offset->begin(), offset->end());
  return affine;
}

bool only_bias(const ir::Epilogue& epilogue) {
  return epilogue.residual == kNone && epilogue.before_add.kind == ActKind::None &&
         epilogue.after_add.kind == ActKind::None;
}

std::vector<double> bias_of(const Graph& graph, NodeId linear) {
  return ops::bias_of(graph, graph.node(linear), linear_out_channels(graph, graph.node(linear)));
}

bool fold_into_producer(Graph& graph, NodeId id, const Affine& affine) {
  const NodeId linear = sole_producer(graph, affine.input);
  if (linear == kNone || !is_linear(graph, graph.node(linear)) || !only_bias(graph.node(linear).epilogue)) return false;
  std::vector<double> bias = bias_of(graph, linear);
  if (bias.size() != affine.scale.size()) return false;
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * affine.scale[c] + affine.offset[c];
  scale_weights(graph, linear, {}, affine.scale);
  ops::set_bias(graph, linear, "bias", bias);
  absorb(graph, linear, id);
  return true;
}

// The nodes behind a concatenation of channels, if each of them is linear and nothing else uses its result.
std::vector<NodeId> concatenated_linears(const Graph& graph, NodeId concat) {
  const Node& node = graph.node(concat);
  const auto axis = int_constant(graph, node.inputs.back());
  const Shape& shape = graph.value(node.outputs[0]).shape;
  if (!axis || axis->size() != 1 || !node.epilogue.empty()) return {};
  if ((*axis)[0] != -1 && (*axis)[0] != static_cast<int64_t>(shape.rank()) - 1) return {};
  std::vector<NodeId> linears;
  for (size_t i = 0; i + 1 < node.inputs.size(); ++i) {
    const NodeId linear = sole_producer(graph, node.inputs[i]);
    if (linear == kNone || !is_linear(graph, graph.node(linear)) || !only_bias(graph.node(linear).epilogue)) return {};
    linears.push_back(linear);
  }
  return linears;
}

// Each convolution in front of the concatenation takes the part for its channels.
bool fold_through_concat(Graph& graph, NodeId id, const Affine& affine) {
  const NodeId concat = sole_producer(graph, affine.input, "ConcatV2");
  if (concat == kNone) return false;
  const std::vector<NodeId> linears = concatenated_linears(graph, concat);
  if (linears.empty()) return false;
  auto channel = affine.scale.begin();
  for (size_t i = 0; i < linears.size(); ++i) {
    const NodeId linear = linears[i];
    std::vector<double> bias = bias_of(graph, linear);
    const std::vector<double> scale(channel, channel + static_cast<std::ptrdiff_t>(bias.size()));
    const auto offset = affine.offset.begin() + (channel - affine.scale.begin());
    for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * scale[c] + offset[static_cast<std::ptrdiff_t>(c)];
    scale_weights(graph, linear, {}, scale);
    ops::set_bias(graph, linear, "bias", bias);
    channel += static_cast<std::ptrdiff_t>(bias.size());
    // Another tensor than before: one that was named, or had a range, is gone.
    const ir::Value& old = graph.value(graph.output(linear));
    const ValueId fresh = graph.add_value(graph.unique_name(old.name + "/affine"), old.dtype, Shape(old.shape));
    graph.set_input(concat, static_cast<int>(i), fresh);
    graph.set_output(linear, 0, fresh);
  }
  absorb(graph, concat, id);
  return true;
}

// LayerNorm ends in scale and offset per channel of its own.
bool fold_into_layer_norm(Graph& graph, NodeId id, const Affine& affine) {
  const NodeId norm = sole_producer(graph, affine.input, "LayerNorm");
  if (norm == kNone || !graph.node(norm).epilogue.empty()) return false;
  const auto channels = static_cast<int64_t>(affine.scale.size());
  auto gamma = channel_constant(graph, graph.node(norm).inputs[1], channels, 1);
  auto beta = channel_constant(graph, graph.node(norm).inputs[2], channels, 1);
  if (!gamma || !beta) return false;
  for (size_t c = 0; c < affine.scale.size(); ++c) {
    (*gamma)[c] = static_cast<float>((*gamma)[c] * affine.scale[c]);
    (*beta)[c] = static_cast<float>((*beta)[c] * affine.scale[c] + affine.offset[c]);
  }
  graph.set_input(norm, 1, add_float_vector(graph, graph.node(norm).name + "/gamma", *gamma));
  graph.set_input(norm, 2, add_float_vector(graph, graph.node(norm).name + "/beta", *beta));
  absorb(graph, norm, id);
  return true;
}

void become_affine(Graph& graph, NodeId id, const Affine& affine) {
  const std::string name = graph.node(id).name;
  const ValueId scale = add_float_vector(graph, name + "/scale", {affine.scale.begin(), affine.scale.end()});
  const ValueId offset = add_float_vector(graph, name + "/offset", {affine.offset.begin(), affine.offset.end()});
  rewrite_node(graph, id, "BatchNormAffine", {affine.input, scale, offset});
}

bool compose_with_producer(Graph& graph, NodeId id, const Affine& outer) {
  // A vector's elements are no channels: the constants would be as long as the data.
  if (graph.value(outer.input).shape.rank() < 2) return false;
  const NodeId producer = sole_producer(graph, outer.input);
  if (producer == kNone) return false;
  const auto inner = match_affine(graph, graph.node(producer));
  if (!inner || inner->scale.size() != outer.scale.size()) return false;
  Affine both = *inner;
  for (size_t c = 0; c < both.scale.size(); ++c) {
    both.scale[c] *= outer.scale[c];
    both.offset[c] = both.offset[c] * outer.scale[c] + outer.offset[c];
  }
  become_affine(graph, id, both);
  return true;
}

// Whether `user` can take the affine map of its input `value` into its weights and bias.
bool takes_affine(const Graph& graph, const Node& user, ValueId value, const Affine& affine) {
  if (!is_linear(graph, user) || user.inputs[0] != value) return false;
  if (std::count(user.inputs.begin(), user.inputs.end(), value) != 1) return false;
  const bool no_offset = std::all_of(affine.offset.begin(), affine.offset.end(), [](double o) { return o == 0.0; });
  return no_offset || has_no_padding(graph, user);
}

}  // namespace

int fold_affine_backward(Graph& graph, PassContext&) {
  int folded = 0;
  for (const NodeId id : graph.order()) {
    const auto affine = match_affine(graph, graph.node(id));
    if (!affine) continue;
    if (fold_into_producer(graph, id, *affine) || fold_through_concat(graph, id, *affine) ||
        fold_into_layer_norm(graph, id, *affine) || compose_with_producer(graph, id, *affine)) {
      ++folded;
    } else if (graph.node(id).op == "FusedBatchNormV3") {
      become_affine(graph, id, *affine);
      ++folded;
    }
  }
  return folded;
}

int fold_affine_forward(Graph& graph, PassContext&) {
  int folded = 0;
  for (const NodeId id : graph.order()) {
    const auto affine = match_affine(graph, graph.node(id));
    if (!affine || graph.is_output(graph.output(id))) continue;
    const ValueId value = graph.output(id);
    const std::vector<NodeId> users = graph.value(value).users;
    const bool all = std::all_of(users.begin(), users.end(),
                                 [&](NodeId user) { return takes_affine(graph, graph.node(user), value, *affine); });
    if (users.empty() || !all) continue;
    for (const NodeId user : users) {
      std::vector<double> bias = bias_of(graph, user);
      const std::vector<double> response = offset_response(graph, graph.node(user), affine->offset);
      for (size_t o = 0; o < bias.size(); ++o) bias[o] += response[o];
      scale_weights(graph, user, affine->scale, {});
      ops::set_bias(graph, user, "bias", bias);
      graph.set_input(user, 0, affine->input);
    }
    ++folded;
  }
  return folded;
}

}  // namespace tfengine::passes
