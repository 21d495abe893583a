// SPDX-License-Identifier: Apache-2.0
#include "passes/linear.h"

#include <algorithm>

#include "ops/geometry.h"

namespace tfengine::passes {

namespace {

const Tensor& weights_of(const Graph& graph, const Node& node) { return graph.value(node.inputs[1]).constant; }

// Calls f(index into the weights, input channel, output channel).
template <typename F>
void for_each_weight(const Graph& graph, const Node& node, F&& f) {
  const Shape& w = weights_of(graph, node).shape();
  int64_t index = 0;
  if (node.op == "MatMul") {
    const bool transposed = node.attr_or<bool>("transpose_b", false);
    for (int64_t row = 0; row < w[0]; ++row) {
      for (int64_t column = 0; column < w[1]; ++column, ++index) {
        f(index, transposed ? column : row, transposed ? row : column);
      }
    }
    return;
  }
  const bool depthwise = node.op == "DepthwiseConv2dNative";
  const int64_t groups = depthwise ? w[2] : last_dim(graph, node.inputs[0]) / w[2];
  const int64_t outs_per_group = depthwise ? w[3] : w[3] / groups;
  for (int64_t tap = 0; tap < w[0] * w[1]; ++tap) {
    for (int64_t i = 0; i < w[2]; ++i) {
      if (depthwise) {
        for (int64_t o = 0; o < outs_per_group; ++o, ++index) f(index, i, i * outs_per_group + o);
        continue;
      }
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t in = group * w[2] + i;
        const int64_t first_out = group * outs_per_group;
        for (int64_t o = 0; o < outs_per_group; ++o, ++index) f(index, in, first_out + o);
      }
    }
  }
}

}  // namespace

bool is_linear(const Graph& graph, const Node& node) {
  const bool matmul = node.op == "MatMul";
  if (!matmul && node.op != "Conv2D" && node.op != "DepthwiseConv2dNative") return false;
  if (!may_change(node) || !is_float(graph, node.inputs[0]) || graph.value(node.inputs[0]).quant.defined())
    return false;
  const Tensor* weights = float_constant(graph, node.inputs[1]);
  const int64_t channels = last_dim(graph, node.inputs[0]);
  if (weights == nullptr || weights->elements() == 0 || channels <= 0) return false;
  const int bias = node.epilogue.bias;
  if (bias != kNone && float_constant(graph, node.inputs[static_cast<size_t>(bias)]) == nullptr) return false;
  if (matmul) return weights->shape().rank() == 2 && !node.attr_or<bool>("transpose_a", false);
  if (weights->shape().rank() != 4) return false;
  const Shape& w = weights->shape();
  if (node.op == "DepthwiseConv2dNative") return channels == w[2];
  return channels % w[2] == 0 && w[3] % (channels / w[2]) == 0;
}

int64_t linear_out_channels(const Graph& graph, const Node& node) {
  const Shape& w = weights_of(graph, node).shape();
  if (node.op == "MatMul") return w[node.attr_or<bool>("transpose_b", false) ? 0 : 1];
  return node.op == "Conv2D" ? w[3] : w[2] * w[3];
}

bool has_no_padding(const Graph& graph, const Node& node) {
  if (node.op == "MatMul") return true;
  const std::string& padding = node.attr<std::string>("padding");
  if (padding == "VALID") return true;
  const Shape& w = weights_of(graph, node).shape();
  const Shape& in = graph.value(node.inputs[0]).shape;
  if (padding == "SAME" && w[0] == 1 && w[1] == 1) return true;
  if (!in.ranked() || in.rank() != 4) return false;
  if (padding == "SAME" && (in[1] < 0 || in[2] < 0)) return false;
  const ops::Window window = ops::conv_window(node, in[1], in[2], w[0], w[1]);
  return window.pad_top == 0 && window.pad_bottom == 0 && window.pad_left == 0 && window.pad_right == 0;
}

void scale_weights(Graph& graph, NodeId id, const std::vector<double>& in_scale, const std::vector<double>& out_scale) {
  const auto is_one = [](double scale) { return scale == 1.0; };
  if (std::all_of(in_scale.begin(), in_scale.end(), is_one) &&
      std::all_of(out_scale.begin(), out_scale.end(), is_one)) {
    return;
  }
  const Node& node = graph.node(id);
  const Tensor& old = weights_of(graph, node);
  // Tens of millions of weights: no test for an empty vector in the loop.
  std::vector<double> in_factors = in_scale;
  std::vector<double> out_factors = out_scale;
  if (in_factors.empty()) in_factors.assign(static_cast<size_t>(last_dim(graph, node.inputs[0])), 1.0);
  if (out_factors.empty()) out_factors.assign(static_cast<size_t>(linear_out_channels(graph, node)), 1.0);
  Tensor scaled(DType::F32, old.shape());
  for_each_weight(
      graph, node,
      [from = old.as<float>(), to = scaled.mutable_as<float>(), in = in_factors.data(), out = out_factors.data()](
          int64_t index, int64_t i, int64_t o) { to[index] = static_cast<float>(from[index] * in[i] * out[o]); });
  const std::string name = graph.unique_name(graph.value(node.inputs[1]).name + "/folded");
  graph.set_input(id, 1, graph.add_constant(name, std::move(scaled)));
}

std::vector<double> offset_response(const Graph& graph, const Node& node, const std::vector<double>& in_offset) {
  std::vector<double> response(static_cast<size_t>(linear_out_channels(graph, node)), 0.0);
  const float* weights = weights_of(graph, node).as<float>();
  for_each_weight(graph, node, [&](int64_t index, int64_t i, int64_t o) {
    response[static_cast<size_t>(o)] += static_cast<double>(weights[index]) * in_offset[static_cast<size_t>(i)];
  });
  return response;
}

}  // namespace tfengine::passes
