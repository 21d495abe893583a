// SPDX-License-Identifier: Apache-2.0
#include "passes/fold_pads.h"

#include <algorithm>

#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// top, bottom, left, right; nothing if the node pads with other than zeros, or other axes.
std::optional<std::array<int64_t, 4>> spatial_zero_pad(const Graph& graph, const Node& pad) {
  if (pad.op != "Pad" && pad.op != "PadV2") return std::nullopt;
  if (pad.op == "PadV2" && scalar_constant(graph, pad.inputs[2]) != 0.0f) return std::nullopt;
  const auto p = int_constant(graph, pad.inputs[1]);
  if (!p || p->size() != 8 || !pad.epilogue.empty()) return std::nullopt;
  const bool spatial = (*p)[0] == 0 && (*p)[1] == 0 && (*p)[6] == 0 && (*p)[7] == 0;
  if (!spatial || std::any_of(p->begin(), p->end(), [](int64_t x) { return x < 0; })) return std::nullopt;
  return std::array<int64_t, 4>{(*p)[2], (*p)[3], (*p)[4], (*p)[5]};
}

// A window that saw only padding would give 0 with the Pad, and the least float without.
bool reaches_data(const Node& pool, const std::array<int64_t, 4>& pad) {
  const auto& ksize = pool.attr<std::vector<int64_t>>("ksize");
  return ksize.size() == 4 && pad[0] < ksize[1] && pad[1] < ksize[1] && pad[2] < ksize[2] && pad[3] < ksize[2];
}

bool takes_pad(const Graph& graph, const Node& user, ValueId padded, ValueId source,
               const std::array<int64_t, 4>& pad) {
  if (!may_change(user) || user.inputs[0] != padded || !user.has("padding")) return false;
  if (std::count(user.inputs.begin(), user.inputs.end(), padded) != 1) return false;
  const std::string& padding = user.attr<std::string>("padding");
  if (padding != "VALID" && padding != "EXPLICIT") return false;
  if (padding == "EXPLICIT" && user.attr<std::vector<int64_t>>("explicit_paddings").size() != 8) return false;
  if (user.op == "Conv2D" || user.op == "DepthwiseConv2dNative") return true;
  return user.op == "MaxPool" && padding == "VALID" && reaches_data(user, pad) && is_non_negative(graph, source);
}

void add_padding(Graph& graph, NodeId user, ValueId source, const std::array<int64_t, 4>& pad) {
  Node& node = graph.node(user);
  std::vector<int64_t> explicit_paddings(8, 0);
  if (node.attr<std::string>("padding") == "EXPLICIT") {
    explicit_paddings = node.attr<std::vector<int64_t>>("explicit_paddings");
  }
  for (size_t i = 0; i < 4; ++i) explicit_paddings[i + 2] += pad[i];
  node.attrs.insert_or_assign("padding", ir::Attr(std::string("EXPLICIT")));
  node.attrs.insert_or_assign("explicit_paddings", ir::Attr(explicit_paddings));
  graph.set_input(user, 0, source);
}

}  // namespace

int fold_pads(Graph& graph, PassContext&) {
  int folded = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node) || node.outputs.size() != 1 || graph.is_output(node.outputs[0])) continue;
    const auto pad = spatial_zero_pad(graph, node);
    if (!pad) continue;
    const ValueId padded = node.outputs[0];
    const ValueId source = node.inputs[0];
    const std::vector<NodeId> users = graph.value(padded).users;
    // A Pad that stays for one user costs the same as before, and its input has to be kept longer.
    const bool all = std::all_of(users.begin(), users.end(),
                                 [&](NodeId user) { return takes_pad(graph, graph.node(user), padded, source, *pad); });
    if (users.empty() || !all) continue;
    for (const NodeId user : users) add_padding(graph, user, source, *pad);
    ++folded;
  }
  return folded;
}

}  // namespace tfengine::passes
