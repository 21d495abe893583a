// SPDX-License-Identifier: Apache-2.0
#include "compiler/rounding.h"

#include <algorithm>

#include "compiler/sample_run.h"
#include "kernels/outer_products.h"
#include "quantize/facts.h"
#include "quantize/optimal_rounding.h"

namespace tfengine::detail {

namespace {

// Of moments that are collected in one pass over the samples. A layer that needs more has a pass of its own.
constexpr uint64_t kRoundBytes = uint64_t{160} << 20;

struct Layer {
  ir::NodeId node = ir::kNone;
  quantize::WeightLayout layout;
};

std::vector<Layer> find_layers(const ir::Graph& graph, const std::set<std::string>& nodes) {
  std::vector<Layer> layers;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    const int weight_input = quantize::rule_of(node).weight_input;
    if (nodes.count(node.name) == 0 || weight_input == ir::kNone) continue;
    const ir::Value& weights = graph.input_value(node, weight_input);
    const Shape& input = graph.input_value(node, 0).shape;
    if (!weights.is_constant() || weights.dtype != DType::F32 || !input.ranked() || input.rank() < 2) continue;
    const auto layout = quantize::weight_layout(node, weights.constant.shape(), input.back());
    if (layout) layers.push_back({id, *layout});
  }
  return layers;
}

// Where results lie in the input: a convolution's window, or every row of a matrix by itself.
ops::Window window_of(const ir::Node& node, const quantize::WeightLayout& layout, int64_t height, int64_t width) {
  if (node.op != "MatMul") return ops::conv_window(node, height, width, layout.taps_h, layout.taps_w);
  ops::Window window;
  window.out_h = height;
  window.out_w = width;
  return window;
}

class Collector {
 public:
  Collector(const ir::Graph& graph, std::span<const Layer> layers, int threads) : graph_(graph), layers_(layers) {
    for (const Layer& layer : layers) {
      moments_.emplace_back(layer.layout);
      inputs_.push_back(graph.input_value(graph.node(layer.node), 0).name);
    }
    add_outer_ = [threads](const float* rows, int64_t count, int64_t n, float* matrix) {
      kernels::add_outer_products(rows, count, n, matrix, threads);
    };
  }

  void add(size_t index, const plan::TensorDesc& desc, const void* data) {
    if (desc.dtype != DType::F32 || desc.shape.elements() == 0) return;
    const Shape& shape = desc.shape;
    const bool image = shape.rank() == 4 && graph_.node(layers_[index].node).op != "MatMul";
    // The samples of a matrix cannot be told apart: it is one.
    const int64_t samples = image ? shape[0] : 1;
    const int64_t pixels = shape.elements() / shape.back() / samples;
    for (int64_t n = 0; n < samples; ++n) {
      quantize::InputView view;
      view.data = static_cast<const float*>(data) + n * pixels * desc.pixel_stride;
      view.height = image ? shape[1] : 1;
      view.width = image ? shape[2] : pixels;
      view.pixel_stride = desc.pixel_stride;
      const ops::Window window =
          window_of(graph_.node(layers_[index].node), layers_[index].layout, view.height, view.width);
      if (window.out_h > 0 && window.out_w > 0) moments_[index].add_sample(view, window, add_outer_);
    }
  }

  const std::vector<std::string>& inputs() const { return inputs_; }
  const quantize::InputMoments& moments(size_t index) const { return moments_[index]; }

 private:
  const ir::Graph& graph_;
  std::span<const Layer> layers_;
  std::vector<quantize::InputMoments> moments_;
  std::vector<std::string> inputs_;
  quantize::InputMoments::AddOuter add_outer_;
};

// The end of the round that begins at `begin`: as many layers as the bound of memory takes, at least one.
size_t end_of_round(std::span<const Layer> layers, size_t begin) {
  uint64_t bytes = 0;
  size_t end = begin;
  while (end < layers.size()) {
    bytes += quantize::InputMoments::bytes(layers[end].layout);
    if (end > begin && bytes > kRoundBytes) break;
    ++end;
  }
  return end;
}

}  // namespace

quantize::RoundedWeights round_weights(const ir::Graph& graph, const std::set<std::string>& nodes, BatchSource& data,
                                       const runtime::EngineConfig& config, const RoundingOptions& options) {
  quantize::RoundedWeights rounded;
  const std::vector<Layer> layers = find_layers(graph, nodes);
  const std::span<const Layer> all(layers);
  for (size_t begin = 0, end = 0; begin < layers.size(); begin = end) {
    end = end_of_round(all, begin);
    Collector collector(graph, all.subspan(begin, end - begin), config.threads);
    SampleRun run(graph, config);
    for_each_batch(data, options.max_samples, [&](const Batch& batch) {
      run.run(batch, collector.inputs(),
              [&](size_t index, const plan::TensorDesc& desc, const void* at) { collector.add(index, desc, at); });
    });
    for (size_t i = begin; i < end; ++i) {
      const ir::Node& node = graph.node(layers[i].node);
      const Tensor& weights = graph.input_value(node, quantize::rule_of(node).weight_input).constant;
      const quantize::QuantizedWeights nearest =
          quantize::quantize_weights(weights, quantize::channel_axis(node), options.range, node.name);
      rounded[node.name] =
          quantize::round_optimally(weights, nearest, collector.moments(i - begin), options.centered).weights;
      if (options.progress) {
        options.progress("rounding weights", static_cast<int64_t>(i + 1), static_cast<int64_t>(layers.size()));
      }
    }
  }
  return rounded;
}

}  // namespace tfengine::detail
