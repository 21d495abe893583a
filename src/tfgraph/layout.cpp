// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/layout.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace tfengine::tfgraph {

namespace {

constexpr std::array<std::string_view, 10> kOps = {
    "AvgPool",        "BiasAdd",          "Conv2D",           "DepthToSpace", "DepthwiseConv2dNative",
    "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "MaxPool",      "SpaceToDepth"};

// `width` numbers per dimension, from N, C, H, W to N, H, W, C.
void reorder(std::string_view node_name, std::string_view key, std::vector<int64_t>& list, size_t width) {
  if (list.empty()) return;
  if (list.size() != 4 * width) {
    fail<InvalidModel>("node '{}': attribute '{}' has {} numbers, expected {}", node_name, key, list.size(), 4 * width);
  }
  std::rotate(list.begin() + static_cast<long>(width), list.begin() + static_cast<long>(2 * width), list.end());
}

}  // namespace

bool is_nchw(std::string_view op, const ir::Attrs& attrs) {
  const auto found = attrs.find("data_format");
  if (found == attrs.end() || std::find(kOps.begin(), kOps.end(), op) == kOps.end()) return false;
  const auto* format = std::get_if<std::string>(&found->second);
  return format != nullptr && *format == "NCHW";
}

void to_nhwc(std::string_view node_name, ir::Attrs& attrs) {
  attrs["data_format"] = std::string("NHWC");
  for (const char* key : {"strides", "dilations", "ksize", "explicit_paddings"}) {
    const auto found = attrs.find(key);
    if (found == attrs.end()) continue;
    if (auto* list = std::get_if<std::vector<int64_t>>(&found->second)) {
      reorder(node_name, key, *list, std::string_view(key) == "explicit_paddings" ? 2 : 1);
    }
  }
}

ir::ValueId add_transpose(ir::Graph& graph, ir::ValueId value, const std::vector<int32_t>& perm, std::string name) {
  const ir::ValueId order =
      graph.add_constant(name + "/perm", Tensor::of(DType::S32, {static_cast<int64_t>(perm.size())}, perm));
  const ir::NodeId node = graph.add_node("Transpose", std::move(name), {value, order}, {{"Tperm", DType::S32}});
  return graph.output(node);
}

}  // namespace tfengine::tfgraph
