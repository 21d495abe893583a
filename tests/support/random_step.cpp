// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include <fmt/core.h>

#include "ops/op.h"
#include "support/random.h"

namespace tfengine::testing {

namespace {

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
  ValueId constant_of(const Tensor& tensor) { return graph_.add_constant(name("t"), tensor); }
  // S8 with a scale per output channel in INT8.
  ValueId weights(const Shape& shape, int axis, int64_t channels) {
    if (!int8_) return constant(shape);
    const ValueId id = graph_.add_constant(name("w"), random_tensor(random_, DType::S8, shape, -127, 127));
    ir::Quant quant{{}, axis};
    for (int64_t i = 0; i < channels; ++i) quant.scales.push_back(random_.real(0.004f, 0.012f));
    graph_.value(id).quant = quant;
    return id;
  }
  ir::NodeId node(const std::string& op, std::vector<ValueId> inputs, ir::Attrs attrs = {}) {
    node_ = graph_.add_node(op, "step", std::move(inputs), std::move(attrs));
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

Shape image(Random& random, int64_t channels) {
  return {random.integer(1, 3), random.integer(1, 12), random.integer(1, 12), channels};
}

ir::Attrs window_attrs(Random& random, const Shape& in, int64_t kh, int64_t kw, bool dilate) {
  const int64_t stride = random.one_of<int64_t>({1, 1, 2, 3});
  const int64_t dilation = dilate && stride == 1 && random.chance(0.2) ? 2 : 1;
  const bool fits = in[1] > (kh - 1) * dilation && in[2] > (kw - 1) * dilation;
  return {{"strides", List{1, stride, stride, 1}},
          {"dilations", List{1, dilation, dilation, 1}},
          {"padding", std::string(fits && random.chance(0.5) ? "VALID" : "SAME")}};
}

// Channel counts around the widths of vectors and of the int8 dot product.
int64_t channel_count(Random& random) {
  return random.one_of<int64_t>({1, 2, 3, 4, 7, 8, 15, 16, 17, 24, 31, 32, 48, 64, 70});
}

ir::Graph conv_step(StepBuilder& b) {
  Random& random = b.random();
  const int64_t in = channel_count(random), out = channel_count(random);
  const int64_t kh = random.one_of<int64_t>({1, 1, 2, 3, 3, 5}), kw = random.chance(0.8) ? kh : random.integer(1, 7);
  const Shape shape = image(random, in);
  const ValueId x = b.data(shape);
  b.node("Conv2D", {x, b.weights({kh, kw, in, out}, 3, out)}, window_attrs(random, shape, kh, kw, true));
  b.epilogue(out);
  return b.finish();
}

ir::Graph depthwise_step(StepBuilder& b) {
  Random& random = b.random();
  const int64_t channels = channel_count(random), multiplier = random.chance(0.85) ? 1 : 2;
  const int64_t kernel = random.one_of<int64_t>({3, 3, 5, 7, 1});
  const Shape shape = image(random, channels);
  const ValueId x = b.data(shape);
  b.node("DepthwiseConv2dNative", {x, b.weights({kernel, kernel, channels, multiplier}, 2, channels * multiplier)},
         window_attrs(random, shape, kernel, kernel, true));
  b.epilogue(channels * multiplier);
  return b.finish();
}

ir::Graph matmul_step(StepBuilder& b) {
  Random& random = b.random();
  const int64_t k = channel_count(random), n = channel_count(random);
  const bool transposed = random.chance(0.3);
  const ValueId x = b.data({random.integer(1, 9), k});
  b.node("MatMul", {x, transposed ? b.weights({n, k}, 0, n) : b.weights({k, n}, 1, n)}, {{"transpose_b", transposed}});
  b.epilogue(n);
  return b.finish();
}

ir::Graph binary_step(StepBuilder& b) {
  Random& random = b.random();
  const Shape shape = image(random, channel_count(random));
  const ValueId x = b.data(shape);
  Shape other = shape;
  // A squeeze-and-excite gate, as the one kind of broadcasting between activations that networks have.
  if (random.chance(0.3)) other[1] = other[2] = 1;
  b.node(random.one_of<const char*>({"Add", "Mul", "Sub", "Maximum", "Minimum"}), {x, b.data(other)});
  return b.finish();
}

ir::Graph activation_step(StepBuilder& b) {
  Random& random = b.random();
  const ValueId x = b.data(image(random, channel_count(random)));
  b.node(random.one_of<const char*>(
             {"Relu", "Relu6", "Sigmoid", "Tanh", "Swish", "HardSwish", "HardSigmoid", "Gelu", "Elu"}),
         {x});
  return b.finish();
}

ir::Graph max_pool_step(StepBuilder& b) {
  Random& random = b.random();
  const Shape shape = image(random, channel_count(random));
  const int64_t kernel = random.integer(2, 3);
  const ValueId x = b.data(shape);
  ir::Attrs attrs = window_attrs(random, shape, kernel, kernel, false);
  attrs["ksize"] = List{1, kernel, kernel, 1};
  b.node("MaxPool", {x}, attrs);
  return b.finish(x);
}

ir::Graph average_pool_step(StepBuilder& b) {
  Random& random = b.random();
  const Shape shape = image(random, channel_count(random));
  const int64_t kernel = random.integer(2, 3);
  ir::Attrs attrs = window_attrs(random, shape, kernel, kernel, false);
  attrs["ksize"] = List{1, kernel, kernel, 1};
  b.node("AvgPool", {b.data(shape)}, attrs);
  return b.finish();
}

ir::Graph mean_step(StepBuilder& b) {
  Random& random = b.random();
  const ValueId x = b.data(image(random, channel_count(random)));
  b.node("Mean", {x, b.integers({1, 2})}, {{"keep_dims", random.chance(0.5)}});
  return b.finish();
}

ir::Graph concat_step(StepBuilder& b) {
  Random& random = b.random();
  Shape shape = image(random, channel_count(random));
  std::vector<ValueId> inputs;
  const ValueId first = b.data_with_scale(shape, 0.01f);
  inputs.push_back(first);
  for (int64_t i = random.integer(1, 3); i > 0; --i) {
    shape[3] = channel_count(random);
    inputs.push_back(b.data_with_scale(shape, 0.01f));
  }
  inputs.push_back(b.integers({3}, true));
  b.node("ConcatV2", inputs);
  return b.finish();
}

ir::Graph movement_step(StepBuilder& b) {
  Random& random = b.random();
  const Shape shape = image(random, channel_count(random));
  const ValueId x = b.data(shape);
  switch (random.integer(0, 4)) {
    case 0:
      b.node("Transpose", {x, b.integers(random.chance(0.5) ? List{0, 3, 1, 2} : List{0, 2, 1, 3})});
      break;
    case 1:
      b.node("Reshape", {x, b.integers({shape[0], -1})});
      break;
    case 2:
      b.node("ResizeNearestNeighbor", {x, b.integers({shape[1] * 2, shape[2] * 2})}, {{"half_pixel_centers", true}});
      break;
    case 3: {
      const Tensor pads = Tensor::of<int32_t>(DType::S32, Shape{4, 2}, {0, 0, 1, 2, 0, 1, 0, 0});
      b.node("Pad", {x, b.constant_of(pads)});
      break;
    }
    default:
      b.node("Squeeze", {x}, {{"squeeze_dims", List{}}});
      break;
  }
  return b.finish(x);
}

ir::Graph softmax_step(StepBuilder& b) {
  const ValueId x = b.data({b.random().integer(1, 4), channel_count(b.random())});
  b.node(b.random().chance(0.7) ? "Softmax" : "LogSoftmax", {x});
  return b.finish();
}

ir::Graph layer_norm_step(StepBuilder& b) {
  const int64_t width = channel_count(b.random());
  const ValueId x = b.data({b.random().integer(1, 4), 3, width});
  b.node("LayerNorm", {x, b.constant({width}), b.constant({width})}, {{"epsilon", 1e-3f}});
  return b.finish();
}

ir::Graph affine_step(StepBuilder& b) {
  const Shape shape = image(b.random(), channel_count(b.random()));
  const ValueId x = b.data(shape);
  b.node("BatchNormAffine", {x, b.constant({shape[3]}), b.constant({shape[3]})});
  return b.finish();
}

struct Kind {
  const char* name;
  ir::Graph (*build)(StepBuilder&);
  bool int8;
};

constexpr Kind kKinds[] = {
    {"Activation", activation_step, true},
    {"Affine", affine_step, true},
    {"AveragePool", average_pool_step, true},
    {"Binary", binary_step, true},
    {"Concat", concat_step, true},
    {"Conv", conv_step, true},
    {"Depthwise", depthwise_step, true},
    {"LayerNorm", layer_norm_step, false},
    {"MatMul", matmul_step, true},
    {"MaxPool", max_pool_step, true},
    {"Mean", mean_step, true},
    {"Movement", movement_step, true},
    {"Softmax", softmax_step, false},
};

}  // namespace

std::vector<std::string> step_kinds(StepPrecision precision) {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) {
    if (precision == StepPrecision::Float || kind.int8) names.emplace_back(kind.name);
  }
  return names;
}

ir::Graph random_step(Random& random, const std::string& kind, StepPrecision precision) {
  const auto* found = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return k.name == kind; });
  StepBuilder builder(random, precision);
  return found->build(builder);
}

}  // namespace tfengine::testing
