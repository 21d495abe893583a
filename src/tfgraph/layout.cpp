// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/layout.h"

#include <algorithm>
#include <array>

namespace tfengine::tfgraph {

namespace {

constexpr std::array<std::string_view, 10> kOps = {
    "AvgPool",        "BiasAdd",          "Conv2D",           "DepthToSpace", "DepthwiseConv2dNative",
    "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "MaxPool",      "SpaceToDepth"};

}  // namespace

bool is_nchw(std::string_view op, const ir::Attrs& attrs) {
  const auto found = attrs.find("data_format");
  if (found == attrs.end() || std::find(kOps.begin(), kOps.end(), op) == kOps.end()) return false;
  const auto* format = std::get_if<std::string>(&found->second);
  return format != nullptr && *format == "NCHW";
}

ir::ValueId add_transpose(ir::Graph& graph, ir::ValueId value, const std::vector<int32_t>& perm, std::string name) {
  const ir::ValueId order =
      graph.add_constant(name + "/perm", Tensor::of(DType::S32, {static_cast<int64_t>(perm.size())}, perm));
  const ir::NodeId node = graph.add_node("Transpose", std::move(name), {value, order}, {{"Tperm", DType::S32}});
  return graph.output(node);
}

}  // namespace tfengine::tfgraph
