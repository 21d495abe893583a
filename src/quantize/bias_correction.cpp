// SPDX-License-Identifier: Apache-2.0
#include "quantize/bias_correction.h"

#include <algorithm>

#include "ops/geometry.h"
#include "quantize/facts.h"
#include "quantize/weight_layout.h"

namespace tfengine::quantize {

namespace {

// For each tap along one axis, the share of output positions at which it meets the image and not the padding.
std::vector<double> shares(int64_t taps, int64_t in, int64_t out, int64_t stride, int64_t dilation, int64_t pad) {
  std::vector<double> result(static_cast<size_t>(taps), 1.0);
  if (in <= 0 || out <= 0) return result;  // sizes that are not known yet
  for (int64_t tap = 0; tap < taps; ++tap) {
    int64_t inside = 0;
    for (int64_t o = 0; o < out; ++o) {
      const int64_t at = o * stride + tap * dilation - pad;
      inside += at >= 0 && at < in;
    }
    result[static_cast<size_t>(tap)] = static_cast<double>(inside) / static_cast<double>(out);
  }
  return result;
}

struct Coverage {
  std::vector<double> h, w;
};

Coverage coverage_of(const ir::Graph& graph, const ir::Node& node, const WeightLayout& layout) {
  const Shape& image = graph.input_value(node, 0).shape;
  if (node.op == "MatMul" || !image.ranked() || image.rank() != 4) {
    return {std::vector<double>(static_cast<size_t>(layout.taps_h), 1.0),
            std::vector<double>(static_cast<size_t>(layout.taps_w), 1.0)};
  }
  const ops::Window w = ops::conv_window(node, image[1], image[2], layout.taps_h, layout.taps_w);
  return {shares(layout.taps_h, image[1], w.out_h, w.stride_h, w.dilation_h, w.pad_top),
          shares(layout.taps_w, image[2], w.out_w, w.stride_w, w.dilation_w, w.pad_left)};
}

// The sum over all weights, tap by tap; the inner loops vectorise.
struct Rows {
  const float* exact;
  const int8_t* rounded;
  const float* scales;
  const float* means;
  const WeightLayout& layout;
  std::vector<double> shift;

  void add_tap(double share) {
    if (layout.transposed) return add_transposed();
    const int64_t per_group = layout.outputs / layout.groups;
    for (int64_t input = 0; input < layout.inputs; ++input) {
      for (int64_t group = 0; group < layout.groups; ++group) {
        add_row(group * per_group, per_group, share * static_cast<double>(means[group * layout.inputs + input]));
      }
      exact += layout.outputs;
      rounded += layout.outputs;
    }
  }

 private:
  void add_row(int64_t first, int64_t count, double factor) {
    double* to = shift.data() + first;
    for (int64_t i = 0; i < count; ++i) {
      to[i] +=
          factor * static_cast<double>(exact[first + i] - scales[first + i] * static_cast<float>(rounded[first + i]));
    }
  }
  void add_transposed() {
    for (int64_t out = 0; out < layout.outputs; ++out) {
      for (int64_t i = 0; i < layout.inputs; ++i) {
        const float error =
            exact[out * layout.inputs + i] - scales[out] * static_cast<float>(rounded[out * layout.inputs + i]);
        shift[static_cast<size_t>(out)] += static_cast<double>(error) * static_cast<double>(means[i]);
      }
    }
  }
};

}  // namespace

std::vector<ir::ValueId> tensors_to_average(const ir::Graph& graph) {
  std::vector<ir::ValueId> values;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    const ops::Int8Rule& rule = rule_of(node);
    if (rule.kind != ops::Int8Kind::Compute || rule.weight_input == ir::kNone) continue;
    const bool constant = graph.input_value(node, rule.weight_input).is_constant();
    if (constant && is_float_activation(graph.input_value(node, 0))) values.push_back(node.inputs[0]);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

std::vector<double> bias_shift(const ir::Graph& graph, const ir::Node& node, const QuantizedWeights& quantized,
                               const std::vector<float>& means) {
  const Tensor& weights = graph.input_value(node, rule_of(node).weight_input).constant;
  const std::optional<WeightLayout> layout = weight_layout(node, weights.shape(), static_cast<int64_t>(means.size()));
  if (!layout || static_cast<int64_t>(quantized.quant.scales.size()) != layout->outputs) return {};
  Rows rows{
      weights.as<float>(), quantized.tensor.as<int8_t>(), quantized.quant.scales.data(), means.data(), *layout, {}};
  rows.shift.assign(static_cast<size_t>(layout->outputs), 0.0);
  const Coverage coverage = coverage_of(graph, node, *layout);
  for (const double share_h : coverage.h) {
    for (const double share_w : coverage.w) rows.add_tap(share_h * share_w);
  }
  return std::move(rows.shift);
}

}  // namespace tfengine::quantize
