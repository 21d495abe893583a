// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "ops/op.h"
#include "support/random.h"

namespace tfengine::testing {

namespace {

using ir::ValueId;
using List = std::vector<int64_t>;

// A chain of layers with branches now and then; `value` is where it stands.
class NetworkBuilder {
 public:
  explicit NetworkBuilder(Random& random) : random_(random) {
    height_ = random.integer(5, 12);
    channels_ = random.integer(1, 4);
    value_ = graph_.add_input("image", DType::F32, {-1, height_, height_, channels_});
  }

  ir::Graph build() {
    for (int64_t layers = random_.integer(3, 8); layers > 0; --layers) layer();
    classifier();
    return std::move(graph_);
  }

 private:
  ValueId add(const std::string& op, std::vector<ValueId> inputs, ir::Attrs attrs = {}) {
    return graph_.output(
        graph_.add_node(op, fmt::format("{}_{}", op, graph_.node_count()), std::move(inputs), std::move(attrs)));
  }
  ValueId constant(const Shape& shape, float low, float high) {
    return graph_.add_constant(fmt::format("const_{}", graph_.value_count()),
                               random_tensor(random_, DType::F32, shape, low, high));
  }
  ValueId integers(const Shape& shape, const std::vector<int32_t>& values) {
    return graph_.add_constant(fmt::format("const_{}", graph_.value_count()),
                               Tensor::of<int32_t>(DType::S32, shape, values));
  }

  void layer() {
    switch (random_.integer(0, 7)) {
      case 0:
      case 1:
      case 2:
        value_ = activated(normalized(conv(value_)));
        break;
      case 3:
        value_ = activated(normalized(depthwise(value_)));
        break;
      case 4:
        residual();
        break;
      case 5:
        pool();
        break;
      case 6:
        branches();
        break;
      default:
        gate();
        break;
    }
  }

  ValueId conv(ValueId x, int64_t out = 0, bool may_stride = true) {
    const int64_t kernel = random_.one_of<int64_t>({1, 3, 3, 5});
    const int64_t stride = may_stride && height_ >= 4 && random_.chance(0.3) ? 2 : 1;
    if (out == 0) out = random_.one_of<int64_t>({3, 4, 8, 12, 16});
    // Weights that keep the magnitude of activations from layer to layer.
    const float bound = 1.0f / static_cast<float>(kernel * kernel * channels_) * 3.0f;
    const ValueId y = add("Conv2D", {x, constant({kernel, kernel, channels_, out}, -bound, bound)},
                          {{"strides", List{1, stride, stride, 1}}, {"padding", std::string("SAME")}});
    channels_ = out;
    height_ = (height_ + stride - 1) / stride;
    return y;
  }

  ValueId depthwise(ValueId x) {
    return add("DepthwiseConv2dNative", {x, constant({3, 3, channels_, 1}, -0.5f, 0.5f)},
               {{"strides", List{1, 1, 1, 1}}, {"padding", std::string("SAME")}});
  }

  ValueId normalized(ValueId x) {
    if (random_.chance(0.4)) return add("BiasAdd", {x, constant({channels_}, -0.2f, 0.2f)});
    if (random_.chance(0.2)) return x;
    const ir::NodeId node = graph_.add_node("FusedBatchNormV3", fmt::format("norm_{}", graph_.node_count()),
                                            {x, constant({channels_}, 0.5f, 1.5f), constant({channels_}, -0.3f, 0.3f),
                                             constant({channels_}, -0.2f, 0.2f), constant({channels_}, 0.1f, 1.0f)},
                                            {{"is_training", false}, {"epsilon", 1e-3f}}, 6);
    return graph_.output(node);
  }

  ValueId activated(ValueId x) {
    const char* op = random_.one_of<const char*>({"Relu", "Relu6", "Sigmoid", "Tanh", "Elu", "LeakyRelu", "swish", ""});
    if (std::string(op).empty()) return x;
    if (std::string(op) == "swish") return add("Mul", {x, add("Sigmoid", {x})});
    if (std::string(op) == "LeakyRelu") return add(op, {x}, {{"alpha", 0.1f}});
    return add(op, {x});
  }

  void residual() {
    const ValueId before = value_;
    const int64_t channels = channels_;
    ValueId x = activated(normalized(conv(value_, 8, false)));
    x = normalized(conv(x, channels, false));
    value_ = activated(add("AddV2", random_.chance(0.5) ? List2{before, x} : List2{x, before}));
  }

  void pool() {
    if (height_ < 3) return;
    const bool same = random_.chance(0.5);
    value_ = add(random_.chance(0.5) ? "MaxPool" : "AvgPool", {value_},
                 {{"ksize", List{1, 3, 3, 1}},
                  {"strides", List{1, 2, 2, 1}},
                  {"padding", std::string(same ? "SAME" : "VALID")}});
    height_ = same ? (height_ + 1) / 2 : (height_ - 3) / 2 + 1;
  }

  void branches() {
    const int64_t channels = channels_;
    const ValueId left = activated(normalized(conv(value_, 4, false)));
    channels_ = channels;
    const ValueId right = activated(normalized(conv(value_, 6, false)));
    value_ = add("ConcatV2", {left, right, integers({}, {3})});
    channels_ = 10;
  }

  // Squeeze and excite.
  void gate() {
    const ValueId mean = add("Mean", {value_, integers({2}, {1, 2})}, {{"keep_dims", true}});
    const ValueId weights = constant({1, 1, channels_, channels_}, -0.5f, 0.5f);
    const ValueId scores =
        add("Conv2D", {mean, weights}, {{"strides", List{1, 1, 1, 1}}, {"padding", std::string("SAME")}});
    value_ = add("Mul", {value_, add("Sigmoid", {scores})});
  }

  void classifier() {
    const ValueId pooled = add("Mean", {value_, integers({2}, {1, 2})}, {{"keep_dims", false}});
    const ValueId logits = add("MatMul", {pooled, constant({channels_, 5}, -1.0f, 1.0f)});
    const ValueId biased = add("BiasAdd", {logits, constant({5}, -0.1f, 0.1f)});
    graph_.outputs = {{"logits", biased}, {"probabilities", add("Softmax", {biased})}};
  }

  using List2 = std::vector<ValueId>;
  Random& random_;
  ir::Graph graph_;
  ValueId value_ = ir::kNone;
  int64_t height_, channels_;
};

}  // namespace

ir::Graph random_network(Random& random) {
  ir::Graph graph = NetworkBuilder(random).build();
  ops::infer_graph(graph);
  return graph;
}

}  // namespace tfengine::testing
