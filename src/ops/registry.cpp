// SPDX-License-Identifier: Apache-2.0
// All ops, from one ordered list of families.
#include <algorithm>
#include <unordered_map>

#include "ops/families.h"
#include "ops/infer_util.h"

namespace tfengine::ops {

namespace {

struct Registry {
  std::vector<Op> ops;  // sorted by name
  std::unordered_map<std::string_view, const Op*> by_name;
};

Registry make_registry() {
  constexpr std::vector<Op> (*kFamilies[])() = {
      activation_ops,
      arg_reduce_ops,
      attention_ops,
      batch_norm_ops,
      binary_ops,
      bitcast_ops,
      cast_ops,
      combined_suppression_ops,
      concat_ops,
      control_flow_ops,
      conv_ops,
      conv3d_ops,
      crop_and_resize_ops,
      cumulative_ops,
      data_format_ops,
      einsum_ops,
      fake_quant_ops,
      fill_ops,
      fourier_ops,
      fused_elementwise_ops,
      fused_node_ops,
      gather_ops,
      identity_ops,
      layer_norm_ops,
      lrn_ops,
      matmul_ops,
      matrix_band_ops,
      non_max_suppression_ops,
      pad_ops,
      patches_ops,
      pool_ops,
      pool3d_ops,
      quantize_ops,
      range_quantize_ops,
      reduce_ops,
      reorder_ops,
      reshape_ops,
      resize_ops,
      resize_smooth_ops,
      scatter_ops,
      segment_ops,
      select_ops,
      shape_ops,
      slice_ops,
      softmax_ops,
      space_depth_ops,
      split_ops,
      tensor_list_ops,
      topk_ops,
      transpose_ops,
      unary_ops,
      unique_ops,
  };
  Registry registry;
  for (const auto family : kFamilies) append(registry.ops, family());
  std::sort(registry.ops.begin(), registry.ops.end(), [](const Op& a, const Op& b) { return a.name < b.name; });
  const auto enter = [&](std::string_view name, const Op& op) {
    check(registry.by_name.emplace(name, &op).second, "two ops are named {}", name);
  };
  for (const Op& op : registry.ops) {
    enter(op.name, op);
    for (const std::string& alias : op.aliases) enter(alias, op);
  }
  return registry;
}

const Registry& registry() {
  // Moving the vector keeps its elements, so the pointers in the map stay valid.
  static const Registry instance = make_registry();
  return instance;
}

}  // namespace

const Op* find_op(std::string_view name) {
  const auto found = registry().by_name.find(name);
  return found == registry().by_name.end() ? nullptr : found->second;
}

const Op& require_op(const ir::Node& node) {
  const Op* op = find_op(node.op);
  if (op == nullptr) {
    bad_node(node, "the op is not supported; cut the graph before it by choosing other outputs, or remove the node");
  }
  return *op;
}

std::span<const Op> all_ops() { return registry().ops; }

int weight_axis(const Op& op, const ir::Node& node) {
  if (op.name == "MatMul" && node.attr_or<bool>("transpose_b", false)) return 0;
  return op.int8.weight_axis;
}

int own_input_count(const ir::Node& node) {
  auto count = static_cast<int>(node.inputs.size());
  for (const int extra : {node.epilogue.bias, node.epilogue.residual}) {
    if (extra != ir::kNone) count = std::min(count, extra);
  }
  return count;
}

}  // namespace tfengine::ops
