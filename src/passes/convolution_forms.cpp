// SPDX-License-Identifier: Apache-2.0
#include "passes/convolution_forms.h"

#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// Both filters hold [kh, kw, channels * multiplier] with the channel as the slower index: only the shape differs.
bool change_form(Graph& graph, NodeId id, std::string op, const Shape& filter_shape) {
  const ValueId old = graph.node(id).inputs[1];
  const std::string name = graph.unique_name(graph.value(old).name + "/as_filter");
  graph.set_input(id, 1, graph.add_constant(name, graph.value(old).constant.reshaped(filter_shape)));
  graph.node(id).op = std::move(op);
  return true;
}

bool conv_or_depthwise(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  const bool conv = node.op == "Conv2D";
  if (!conv && node.op != "DepthwiseConv2dNative") return false;
  const Tensor* filter = float_constant(graph, node.inputs[1]);
  const int64_t channels = last_dim(graph, node.inputs[0]);
  if (filter == nullptr || filter->shape().rank() != 4 || channels <= 0) return false;
  const Shape& f = filter->shape();
  if (conv && f[2] == 1 && channels > 1 && f[3] % channels == 0) {
    return change_form(graph, id, "DepthwiseConv2dNative", Shape{f[0], f[1], channels, f[3] / channels});
  }
  if (!conv && f[2] == 1) return change_form(graph, id, "Conv2D", Shape{f[0], f[1], 1, f[3]});
  return false;
}

bool is_list(const Node& node, std::string_view key, const std::vector<int64_t>& expected) {
  return node.has(key) && node.attr<std::vector<int64_t>>(key) == expected;
}

bool is_pointwise(const Graph& graph, const Node& conv) {
  const Tensor* filter = float_constant(graph, conv.inputs[1]);
  if (filter == nullptr || filter->shape().rank() != 4 || filter->shape()[0] != 1 || filter->shape()[1] != 1)
    return false;
  const std::string& padding = conv.attr<std::string>("padding");
  return (padding == "VALID" || padding == "SAME") && is_list(conv, "strides", {1, 1, 1, 1});
}

bool stride_into_conv(Graph& graph, NodeId id) {
  const Node& conv = graph.node(id);
  if (conv.op != "Conv2D" || !is_pointwise(graph, conv)) return false;
  const NodeId pool_id = sole_producer(graph, conv.inputs[0]);
  if (pool_id == kNone) return false;
  const Node& pool = graph.node(pool_id);
  const bool pools = pool.op == "MaxPool" || pool.op == "AvgPool";
  if (!pools || !is_list(pool, "ksize", {1, 1, 1, 1}) || pool.attr<std::string>("padding") == "EXPLICIT") return false;
  const auto strides = pool.attr<std::vector<int64_t>>("strides");
  graph.set_input(id, 0, pool.inputs[0]);
  graph.node(id).attrs.insert_or_assign("strides", ir::Attr(strides));
  return true;
}

// Average pooling over the whole map, as TF1 models end, is a Mean.
bool pool_to_mean(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "AvgPool" || node.attr<std::string>("padding") != "VALID") return false;
  const Shape& in = graph.value(node.inputs[0]).shape;
  if (!in.ranked() || in.rank() != 4 || !is_list(node, "ksize", {1, in[1], in[2], 1})) return false;
  const ValueId axes = add_int_vector(graph, node.name + "/axes", {1, 2});
  rewrite_node(graph, id, "Mean", {node.inputs[0], axes}, {{"keep_dims", true}});
  return true;
}

}  // namespace

int convolution_forms(Graph& graph, PassContext&) {
  int changed = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node) || !node.epilogue.empty()) continue;
    changed += stride_into_conv(graph, id) || conv_or_depthwise(graph, id) || pool_to_mean(graph, id);
  }
  return changed;
}

}  // namespace tfengine::passes
