// SPDX-License-Identifier: Apache-2.0
#include "support/step_builder.h"

namespace tfengine::testing {

namespace {

ir::Attrs window_attrs(Random& random, const Shape& in, int64_t kh, int64_t kw, bool dilate) {
  const int64_t stride = random.one_of<int64_t>({1, 1, 2, 3});
  const int64_t dilation = dilate && stride == 1 && random.chance(0.2) ? 2 : 1;
  const bool fits = in[1] > (kh - 1) * dilation && in[2] > (kw - 1) * dilation;
  return {{"strides", List{1, stride, stride, 1}},
          {"dilations", List{1, dilation, dilation, 1}},
          {"padding", std::string(fits && random.chance(0.5) ? "VALID" : "SAME")}};
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

// Of two matrices that are both computed at run time, batched as attention's are, or not.
ir::Graph run_time_product_step(StepBuilder& b) {
  Random& random = b.random();
  const auto size = [&] { return random.chance(0.3) ? random.integer(60, 140) : random.integer(1, 40); };
  const int64_t m = size(), n = size(), k = size();
  const bool a_turned = random.chance(0.3), b_turned = random.chance(0.4);
  Shape x = a_turned ? Shape{k, m} : Shape{m, k}, y = b_turned ? Shape{n, k} : Shape{k, n};
  if (random.chance(0.2)) {
    b.node("MatMul", {b.data(x), b.data(y)}, {{"transpose_a", a_turned}, {"transpose_b", b_turned}});
    return b.finish();
  }
  for (int64_t i = random.integer(1, 2); i > 0; --i) {
    const int64_t count = random.integer(1, 3);
    x.dims().insert(x.dims().begin(), random.chance(0.2) ? 1 : count);
    if (i == 1 || random.chance(0.8)) y.dims().insert(y.dims().begin(), random.chance(0.2) ? 1 : count);
  }
  b.node("BatchMatMulV2", {b.data(x), b.data(y)}, {{"adj_x", a_turned}, {"adj_y", b_turned}});
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

ir::Graph attention_step(StepBuilder& b) {
  Random& random = b.random();
  const int64_t batch = random.integer(1, 2), heads = random.integer(1, 3), depth = random.integer(1, 40);
  const int64_t rows = random.integer(1, 60), columns = random.integer(1, 70);
  std::vector<ValueId> inputs = {b.data({batch, rows, heads, depth}), b.data({batch, columns, heads, depth}),
                                 b.data({batch, columns, heads, random.integer(1, 70)})};
  if (random.chance(0.5)) inputs.push_back(b.data({random.chance(0.5) ? batch : 1, 1, 1, columns}));
  b.node("Attention", inputs, {{"scale", 0.3f}});
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
    {"Attention", attention_step, false},
    {"AveragePool", average_pool_step, true},
    {"Binary", binary_step, true},
    {"Concat", concat_step, true},
    {"Conv", conv_step, true},
    {"Depthwise", depthwise_step, true},
    {"LayerNorm", layer_norm_step, false},
    {"Line", line_step, false},
    {"MatMul", matmul_step, true},
    {"MaxPool", max_pool_step, true},
    {"Mean", mean_step, true},
    {"Movement", movement_step, true},
    {"RunTimeProduct", run_time_product_step, false},
    {"Softmax", softmax_step, false},
    {"Typed", typed_step, false},
    {"Volume", volume_step, false},
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
