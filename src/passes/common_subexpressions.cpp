// SPDX-License-Identifier: Apache-2.0
#include "passes/common_subexpressions.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "base/check.h"
#include "ir/printer.h"
#include "ops/op.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// Larger constants are weights: equal ones are rare, and comparing them costs a read of the whole file.
constexpr size_t kMaxCompareBytes = 4096;

std::string constant_key(const Tensor& tensor) {
  std::string key = fmt::format("{}{}:", static_cast<int>(tensor.dtype()), tensor.shape().str());
  key.append(static_cast<const char*>(tensor.data()), tensor.bytes());
  return key;
}

int merge_constants(Graph& graph) {
  int merged = 0;
  std::unordered_map<std::string, ValueId> seen;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::Value& value = graph.value(id);
    if (!value.is_constant() || value.users.empty() || value.range || value.quant.defined()) continue;
    if (graph.is_output(id) || value.dtype == DType::String || value.constant.bytes() > kMaxCompareBytes) continue;
    const auto [found, fresh] = seen.emplace(constant_key(value.constant), id);
    if (fresh) continue;
    graph.replace_uses(id, found->second);
    ++merged;
  }
  return merged;
}

std::string node_key(const Node& node) {
  std::string key = fmt::format("{}({})", node.op, fmt::join(node.inputs, ","));
  for (const auto& [name, attr] : node.attrs) key += fmt::format(" {}={}", name, ir::print_attr(attr));
  return key;
}

bool has_tensor_attr(const Node& node) {
  return std::any_of(node.attrs.begin(), node.attrs.end(),
                     [](const auto& attr) { return std::holds_alternative<Tensor>(attr.second); });
}

bool mergeable(const Graph& graph, const Node& node) {
  const ops::Op* op = ops::find_op(node.op);
  // What must not be folded (random numbers, state) must not be shared either.
  return may_change(node) && op != nullptr && op->folds && node.epilogue.empty() && !node.inputs.empty() &&
         !has_tensor_attr(node) && std::none_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
           return graph.value(output).range.has_value() || graph.value(output).quant.defined();
         });
}

}  // namespace

int common_subexpressions(Graph& graph, PassContext&) {
  int merged = merge_constants(graph);
  std::unordered_map<std::string, NodeId> seen;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!mergeable(graph, node)) continue;
    const auto [found, fresh] = seen.emplace(node_key(node), id);
    if (fresh) continue;
    const auto is_output = [&](ValueId output) { return graph.is_output(output); };
    if (std::any_of(node.outputs.begin(), node.outputs.end(), is_output)) continue;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      graph.replace_uses(node.outputs[i], graph.node(found->second).outputs[i]);
    }
    graph.remove(id);
    ++merged;
  }
  return merged;
}

}  // namespace tfengine::passes
