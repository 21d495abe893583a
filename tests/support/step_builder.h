// SPDX-License-Identifier: Apache-2.0
// What random steps are built with: a node between its inputs and the graph's output, in float or INT8.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "ops/op.h"
#include "support/random.h"

namespace tfengine::testing {

using ir::ValueId;
using List = std::vector<int64_t>;

// Builds one node between its inputs and the graph's output.
class StepBuilder {
 public:
  StepBuilder(Random& random, StepPrecision precision) : random_(random), int8_(precision == StepPrecision::Int8) {}

  Random& random() { return random_; }
  bool int8() const { return int8_; }

  // An activation: a graph input, behind a Quantize node in INT8. U8 ones may have a zero point.
  ValueId data(const Shape& shape) { return data_with_scale(shape, random_.real(0.005f, 0.02f)); }
  ValueId data_with_scale(const Shape& shape, float scale) {
    const ValueId input = graph_.add_input(fmt::format("x{}", graph_.inputs.size()), DType::F32, shape);
    if (!int8_) return input;
    const ir::NodeId node = graph_.add_node("Quantize", fmt::format("q{}", graph_.inputs.size()), {input});
    const bool is_unsigned = random_.chance(0.6);
    const int zero_point = is_unsigned && random_.chance(0.5) ? static_cast<int>(random_.integer(1, 255)) : 0;
    set_quant(graph_.output(node), is_unsigned ? DType::U8 : DType::S8, {{scale}, -1, zero_point});
    return graph_.output(node);
  }
  ValueId constant(const Shape& shape, float low = -1.0f, float high = 1.0f) {
    return graph_.add_constant(name("c"), random_tensor(random_, DType::F32, shape, low, high));
  }
  ValueId integers(const List& values, bool scalar = false) {
    const std::vector<int32_t> narrow(values.begin(), values.end());
    const Shape shape = scalar ? Shape{} : Shape{static_cast<int64_t>(values.size())};
    return graph_.add_constant(name("i"), Tensor::of<int32_t>(DType::S32, shape, narrow));
  }
  // S8 with a scale per output channel in INT8.
  ValueId weights(const Shape& shape, int axis, int64_t channels) {
    if (!int8_) return constant(shape);
    const ValueId id = graph_.add_constant(name("w"), random_tensor(random_, DType::S8, shape, -127, 127));
    ir::Quant quant{{}, axis};
    for (int64_t i = 0; i < channels; ++i) quant.scales.push_back(random_.real(0.004f, 0.012f));
    graph_.value(id).quant = quant;
    return id;
  }
  ValueId tensor(const Tensor& value) { return graph_.add_constant(name("t"), value); }
  // A graph input of any type, with small integers in all but the real ones.
  ValueId number(DType dtype, const Shape& shape) {
    return graph_.add_input(fmt::format("n{}", graph_.inputs.size()), dtype, shape);
  }
  ir::NodeId node(const std::string& op, std::vector<ValueId> inputs, ir::Attrs attrs = {}, int outputs = 1) {
    node_ = graph_.add_node(op, "step", std::move(inputs), std::move(attrs), outputs);
    return node_;
  }
  void set_quant(ValueId id, DType dtype, ir::Quant quant) {
    graph_.value(id).dtype = dtype;
    graph_.value(id).quant = std::move(quant);
  }

  // Fuses a random epilogue behind the node. `channels`: for the bias.
  void epilogue(int64_t channels) {
    ir::Epilogue fused;
    if (random_.chance(0.8)) fused.bias = graph_.add_node_input(node_, constant({channels}));
    if (random_.chance(0.5)) fused.before_add = random_act();
    if (random_.chance(0.4)) {
      ops::infer_graph(graph_);
      fused.residual = graph_.add_node_input(node_, data(graph_.value(graph_.output(node_)).shape));
      if (random_.chance(0.5)) fused.after_add = random_act();
    }
    graph_.node(node_).epilogue = fused;
  }

  // `grid`: the output's scale where an INT8 op does not choose its own, with the input's type.
  ir::Graph finish(std::optional<ValueId> same_grid_as = std::nullopt, bool float_output_allowed = true) {
    ops::infer_graph(graph_);
    const ValueId out = graph_.output(node_);
    if (same_grid_as && graph_.value(*same_grid_as).quant.defined()) {
      set_quant(out, graph_.value(*same_grid_as).dtype, graph_.value(*same_grid_as).quant);
    } else if (int8_ && !(float_output_allowed && random_.chance(0.25))) {
      choose_grid(out);
    }
    graph_.outputs = {{"y", out}};
    return std::move(graph_);
  }

 private:
  std::string name(const char* prefix) { return fmt::format("{}{}", prefix, graph_.value_count()); }

  Act random_act() {
    return random_.one_of<Act>({{ActKind::Relu, 0, 0},
                                {ActKind::Clip, 0.0f, 6.0f},
                                {ActKind::Clip, -0.5f, 0.75f},
                                {ActKind::LeakyRelu, 0.1f, 0},
                                {ActKind::Sigmoid, 0, 0},
                                {ActKind::Swish, 0, 0},
                                {ActKind::HardSwish, 0, 0},
                                {ActKind::Tanh, 0, 0},
                                {ActKind::GeluErf, 0, 0},
                                {ActKind::Elu, 1.0f, 0}});
  }

  // A scale that the result just about fits, as calibration would choose it.
  void choose_grid(ValueId out) {
    graph_.outputs = {{"y", out}};
    const Tensor real = ops::evaluate_graph(graph_, random_inputs(random_, graph_))[0];
    float low = 0.0f, high = 1e-3f;
    for (int64_t i = 0; i < real.elements(); ++i) {
      low = std::min(low, real.as<float>()[i]);
      high = std::max({high, real.as<float>()[i], -real.as<float>()[i]});
    }
    if (low < 0.0f && random_.chance(0.5)) {
      const float scale = (high - low) / 255.0f;
      return set_quant(out, DType::U8, {{scale}, -1, static_cast<int>(std::nearbyint(-low / scale))});
    }
    set_quant(out, low < 0.0f ? DType::S8 : DType::U8, {{high / (low < 0.0f ? 127.0f : 255.0f)}});
  }

  Random& random_;
  bool int8_;
  ir::Graph graph_;
  ir::NodeId node_ = ir::kNone;
};

inline Shape image(Random& random, int64_t channels) {
  return {random.integer(1, 3), random.integer(1, 12), random.integer(1, 12), channels};
}

// Channel counts around the widths of vectors and of the int8 dot product.
inline int64_t channel_count(Random& random) {
  return random.one_of<int64_t>({1, 2, 3, 4, 7, 8, 15, 16, 17, 24, 31, 32, 48, 64, 70});
}

// Kinds of steps beside those of networks: moved elements, numbers of any type, ops along axes, volumes.
ir::Graph movement_step(StepBuilder& b);
ir::Graph typed_step(StepBuilder& b);
ir::Graph line_step(StepBuilder& b);
ir::Graph volume_step(StepBuilder& b);

}  // namespace tfengine::testing
