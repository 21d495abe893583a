// SPDX-License-Identifier: Apache-2.0
#include "quantize/equalization.h"

#include <algorithm>
#include <cmath>

#include "quantize/facts.h"
#include "quantize/weight_layout.h"

namespace tfengine::quantize {

namespace {

// What is in store for values beyond those seen: a channel is never enlarged until the largest of them touches a clip.
constexpr float kHeadroom = 1.25f;
// Channels smaller than this share of the largest are taken as noise.
constexpr float kLeastFactor = 0x1p-14f;
// A gain below this is not worth changing the weights for.
constexpr double kWorthIt = 0.95;

size_t at(int64_t i) { return static_cast<size_t>(i); }
double square(float x) { return static_cast<double>(x) * static_cast<double>(x); }

bool is_weighted(const ir::Node& node) {
  return node.op == "Conv2D" || node.op == "DepthwiseConv2dNative" || node.op == "MatMul";
}

bool constant_f32(const ir::Graph& graph, const ir::Node& node, int input) {
  const ir::Value& value = graph.input_value(node, input);
  return value.is_constant() && value.dtype == DType::F32;
}

std::optional<WeightLayout> layout_of(const ir::Graph& graph, const ir::Node& node) {
  const Shape& input = graph.input_value(node, 0).shape;
  if (!is_weighted(node) || node.denylisted || !constant_f32(graph, node, 1) || !input.ranked() || input.rank() < 2) {
    return std::nullopt;
  }
  return weight_layout(node, graph.input_value(node, 1).constant.shape(), input.back());
}

// f(x / s) = f(x) / s for s > 0. A clip from 0 is one, too, as long as its upper end is not reached.
bool is_homogeneous(const Act& act) {
  return act.kind == ActKind::None || act.kind == ActKind::Relu || act.kind == ActKind::LeakyRelu ||
         (act.kind == ActKind::Clip && act.alpha == 0.0f);
}

bool can_divide(const ir::Graph& graph, const ir::Node& node) {
  if (node.denylisted || node.outputs.size() != 1) return false;
  const ir::Epilogue& epilogue = node.epilogue;
  if (node.op == "LayerNorm") return constant_f32(graph, node, 1) && constant_f32(graph, node, 2) && epilogue.empty();
  if (!layout_of(graph, node) || epilogue.residual != ir::kNone) return false;
  if (epilogue.bias != ir::kNone && !constant_f32(graph, node, epilogue.bias)) return false;
  return is_homogeneous(epilogue.before_add) && is_homogeneous(epilogue.after_add);
}

bool can_multiply(const ir::Graph& graph, const ir::Node& node, ir::ValueId tensor) {
  return layout_of(graph, node) && node.inputs[0] == tensor &&
         std::count(node.inputs.begin(), node.inputs.end(), tensor) == 1;
}

// Whether the node's result has the channels of `tensor`, at other places alone.
bool moves_pixels(const ir::Graph& graph, const ir::Node& node, ir::ValueId tensor) {
  if (node.op != "Reshape" || node.denylisted || node.inputs[0] != tensor || !node.epilogue.empty()) return false;
  const Shape& from = graph.value(tensor).shape;
  const Shape& to = graph.value(node.outputs[0]).shape;
  return from.ranked() && to.ranked() && from.rank() > 0 && to.rank() > 0 && from.back() > 0 &&
         from.back() == to.back();
}

bool may_change(const ir::Graph& graph, ir::ValueId id) {
  const ir::Value& value = graph.value(id);
  return !value.users.empty() && !graph.is_output(id) && is_float_activation(value) && !is_custom(value.range);
}

// The layers that read an activation.
struct Readers {
  std::vector<ir::NodeId> layers;
  std::vector<ir::ValueId> tensors;  // the activation and its reshapes
};

// False where something else reads it.
bool find_readers(const ir::Graph& graph, ir::ValueId tensor, Readers& found) {
  if (!may_change(graph, tensor)) return false;
  found.tensors.push_back(tensor);
  for (const ir::NodeId user : graph.value(tensor).users) {
    const ir::Node& node = graph.node(user);
    if (can_multiply(graph, node, tensor)) {
      found.layers.push_back(user);
    } else if (!moves_pixels(graph, node, tensor) || !find_readers(graph, node.outputs[0], found)) {
      return false;
    }
  }
  return true;
}

Readers readers_of(const ir::Graph& graph, ir::ValueId tensor) {
  Readers readers;
  find_readers(graph, tensor, readers);
  return readers;
}

// Calls visit(index, input channel, output channel) for every weight.
template <typename Visit>
void for_each_weight(const WeightLayout& layout, Visit&& visit) {
  for (int64_t row = 0; row < layout.rows(); ++row) {
    for (int64_t output = 0; output < layout.outputs; ++output) {
      const int64_t group = output / layout.group_outputs();
      visit(at(layout.at(row, output)), at(group * layout.inputs + row % layout.inputs), at(output));
    }
  }
}

// What the noise of a reader's result is made of. It counts in each output channel relative to what the channel carries:
// later layers may magnify small ones.
struct Reader {
  WeightLayout layout;
  const float* weights;
  std::vector<double> importance;  // by output channel: 1 / its mean square, were the inputs independent
  std::vector<double> energy;      // by input channel: the sum of its weights' squares by importance

  Reader(const ir::Graph& graph, const ir::Node& node, const std::vector<ChannelExtent>& extents)
      : layout(*layout_of(graph, node)), weights(graph.input_value(node, 1).constant.as<float>()) {
    importance.assign(at(layout.outputs), 0.0);
    for_each_weight(layout, [&](size_t index, size_t input, size_t output) {
      importance[output] += square(weights[index]) * static_cast<double>(extents[input].mean_square);
    });
    for (double& x : importance) x = x > 0.0 ? 1.0 / x : 0.0;
    energy.assign(at(layout.input_channels()), 0.0);
    for_each_weight(layout, [&](size_t index, size_t input, size_t output) {
      energy[input] += square(weights[index]) * importance[output];
    });
  }

  double activation_noise(const std::vector<float>& factors, double step) const {
    double sum = 0.0;
    for (size_t c = 0; c < energy.size(); ++c) sum += energy[c] * square(factors[c]);
    return sum * step * step;
  }

  // Each output channel has a grid over its largest weight; each of its errors meets one input.
  double weight_noise(const std::vector<float>& factors, const std::vector<ChannelExtent>& extents) const {
    std::vector<float> largest(at(layout.outputs), 0.0f);
    for_each_weight(layout, [&](size_t index, size_t input, size_t output) {
      largest[output] = std::max(largest[output], std::abs(weights[index]) * factors[input]);
    });
    std::vector<double> input_energy(at(layout.groups), 0.0);
    for (size_t c = 0; c < factors.size(); ++c) {
      input_energy[c / at(layout.inputs)] += static_cast<double>(extents[c].mean_square) / square(factors[c]);
    }
    double sum = 0.0;
    for (size_t o = 0; o < largest.size(); ++o) {
      sum += importance[o] * square(largest[o] / 127.0f) * input_energy[o / at(layout.group_outputs())];
    }
    return sum * static_cast<double>(layout.taps());
  }
};

double noise(const std::vector<Reader>& readers, const std::vector<float>& factors,
             const std::vector<ChannelExtent>& extents) {
  double largest = 0.0;
  for (size_t c = 0; c < factors.size(); ++c) {
    largest = std::max(largest, static_cast<double>(extents[c].max_abs / factors[c]));
  }
  double sum = 0.0;
  for (const Reader& reader : readers) {
    sum += reader.activation_noise(factors, largest / 255.0) + reader.weight_noise(factors, extents);
  }
  return sum;
}

// max_abs^a / weight^b, with 1 as the largest.
std::vector<float> powers(const std::vector<ChannelExtent>& extents, const std::vector<double>& energy, double a,
                          double b) {
  std::vector<float> factors(extents.size(), 1.0f);
  float largest = 0.0f;
  for (size_t c = 0; c < factors.size(); ++c) {
    if (!(extents[c].max_abs > 0.0f) || !(energy[c] > 0.0)) continue;
    factors[c] = static_cast<float>(std::pow(static_cast<double>(extents[c].max_abs), a) / std::pow(energy[c], b / 2));
    largest = std::max(largest, factors[c]);
  }
  for (size_t c = 0; c < factors.size(); ++c) {
    const bool used = extents[c].max_abs > 0.0f && energy[c] > 0.0;
    factors[c] = used ? std::clamp(factors[c] / largest, kLeastFactor, 1.0f) : 1.0f;
  }
  return factors;
}

// A clip's upper end stays where it is: no channel may grow beyond it.
void keep_below_clip(const ir::Node& producer, const std::vector<ChannelExtent>& extents, std::vector<float>& factors) {
  for (const Act& act : {producer.epilogue.before_add, producer.epilogue.after_add}) {
    if (act.kind != ActKind::Clip) continue;
    for (size_t c = 0; c < factors.size(); ++c)
      factors[c] = std::max(factors[c], std::min(kHeadroom * extents[c].max_abs / act.beta, 1.0f));
  }
}

void scale_weights(ir::Graph& graph, ir::NodeId id, const std::vector<float>& inputs,
                   const std::vector<float>& outputs) {
  const ir::Node& node = graph.node(id);
  const WeightLayout layout = *layout_of(graph, node);
  const Tensor& old = graph.input_value(node, 1).constant;
  Tensor scaled(DType::F32, old.shape());
  const float* from = old.as<float>();
  auto* to = scaled.mutable_as<float>();
  for_each_weight(layout, [&](size_t index, size_t input, size_t output) {
    to[index] = from[index] * (inputs.empty() ? 1.0f : inputs[input]) / (outputs.empty() ? 1.0f : outputs[output]);
  });
  graph.set_input(id, 1, graph.add_constant(graph.unique_name(node.name + "/equalized"), std::move(scaled)));
}

void divide_constant(ir::Graph& graph, ir::NodeId id, int input, const std::vector<float>& factors) {
  const Tensor& old = graph.input_value(graph.node(id), input).constant;
  std::vector<float> values(old.as<float>(), old.as<float>() + old.elements());
  for (size_t c = 0; c < values.size(); ++c) values[c] /= factors[c];
  const std::string name = graph.unique_name(graph.node(id).name + "/equalized");
  graph.set_input(id, input, graph.add_constant(name, Tensor::of<float>(DType::F32, old.shape(), values)));
}

void divide(ir::Graph& graph, ir::NodeId id, const std::vector<float>& factors) {
  if (graph.node(id).op == "LayerNorm") {
    divide_constant(graph, id, 1, factors);
    return divide_constant(graph, id, 2, factors);
  }
  scale_weights(graph, id, {}, factors);
  const int bias = graph.node(id).epilogue.bias;
  if (bias != ir::kNone) divide_constant(graph, id, bias, factors);
}

}  // namespace

std::vector<ir::ValueId> equalizable(const ir::Graph& graph, Behind behind) {
  std::vector<ir::ValueId> tensors = equalizable(graph);
  std::erase_if(tensors, [&](ir::ValueId id) {
    return (graph.node(graph.value(id).producer).op == "LayerNorm") != (behind == Behind::Norms);
  });
  return tensors;
}

std::vector<ir::ValueId> equalizable(const ir::Graph& graph) {
  std::vector<ir::ValueId> tensors;
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::NodeId producer = graph.value(id).producer;
    if (producer == ir::kNone || !graph.node(producer).alive || !can_divide(graph, graph.node(producer))) continue;
    Readers readers;
    if (find_readers(graph, id, readers)) tensors.push_back(id);
  }
  return tensors;
}

std::vector<ir::ValueId> with_reshapes(const ir::Graph& graph, ir::ValueId tensor) {
  return readers_of(graph, tensor).tensors;
}

std::vector<float> choose_factors(const ir::Graph& graph, ir::ValueId tensor,
                                  const std::vector<ChannelExtent>& extents) {
  const ir::Value& value = graph.value(tensor);
  std::vector<Reader> readers;
  std::vector<double> energy(extents.size(), 0.0);
  for (const ir::NodeId layer : readers_of(graph, tensor).layers) {
    readers.emplace_back(graph, graph.node(layer), extents);
    for (size_t c = 0; c < energy.size(); ++c) energy[c] += readers.back().energy[c];
  }
  std::vector<float> best(extents.size(), 1.0f);
  double least = noise(readers, best, extents) * kWorthIt;
  // Not to the power of 1: each of many channels at the grid's end is one more that unseen data clips.
  for (const double a : {0.25, 0.5, 0.75}) {
    for (const double b : {0.0, 0.25, 0.5}) {
      std::vector<float> factors = powers(extents, energy, a, b);
      keep_below_clip(graph.node(value.producer), extents, factors);
      const double found = noise(readers, factors, extents);
      if (found >= least) continue;
      least = found;
      best = std::move(factors);
    }
  }
  return best;
}

void equalize(ir::Graph& graph, const ChannelFactors& factors) {
  for (const ir::ValueId tensor : equalizable(graph)) {
    const auto found = factors.find(graph.value(tensor).name);
    if (found == factors.end() || static_cast<int64_t>(found->second.size()) != graph.value(tensor).shape.back())
      continue;
    divide(graph, graph.value(tensor).producer, found->second);
    for (const ir::NodeId layer : readers_of(graph, tensor).layers) scale_weights(graph, layer, found->second, {});
  }
}

}  // namespace tfengine::quantize
