// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/candidates.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/check.h"
#include "compiler/graph_def/control_flow.h"
#include "ops/op.h"
#include "tfgraph/dtype.h"
#include "tfgraph/op_signatures.h"

namespace tfengine::graphdef {

namespace {

using Names = std::unordered_set<std::string_view>;

struct Reason {
  std::string text;
  std::string remedy;
};

constexpr const char* kNothingToDo = "nothing has to be done: TensorFlow runs it";

// They compute nothing, or are no part of what an engine could take over; saying so of each would hide what matters.
bool says_nothing(const ViewNode& node) {
  constexpr std::array<std::string_view, 8> kOps = {"Const", "NoOp",        "Placeholder",    "PlaceholderV2",
                                                    "_Arg",  "VarHandleOp", "ControlTrigger", "_Retval"};
  if (!node.needed || node.constant) return true;
  if (node.is_output && is_identity(node.def->op)) return true;  // the name that the output is fetched by
  return std::find(kOps.begin(), kOps.end(), node.def->op) != kOps.end();
}

bool is_quantization(std::string_view op) {
  return op.substr(0, 9) == "FakeQuant" || op.substr(0, 21) == "QuantizeAndDequantize";
}

// Ops that the importer looks through although they do more than pass a tensor on.
bool has_other_effect(std::string_view op) {
  constexpr std::array<std::string_view, 5> kOps = {"CheckNumerics", "CheckNumericsV2", "DebugIdentity", "EnsureShape",
                                                    "PlaceholderWithDefault"};
  return std::find(kOps.begin(), kOps.end(), op) != kOps.end();
}

bool is_functional(std::string_view op) {
  constexpr std::array<std::string_view, 6> kOps = {"While",       "StatelessWhile", "If",
                                                    "StatelessIf", "Case",           "StatelessCase"};
  return std::find(kOps.begin(), kOps.end(), op) != kOps.end();
}

std::optional<Reason> known_op_reason(const tfgraph::NodeDef& def) {
  if (def.op == "ReadVariableOp" || def.op == "VariableV2" || def.op == "Variable" || def.op == "ResourceGather") {
    return Reason{"it reads a variable, and an engine holds constants only",
                  "freeze the graph first (convert_variables_to_constants)"};
  }
  if (is_control_flow(def.op)) {
    return Reason{"it is control flow of TensorFlow 1, which engines do not have",
                  "nothing has to be done: TensorFlow runs it; engines stand inside of, before and behind it"};
  }
  if (is_functional(def.op)) {
    return Reason{"it runs functions, and engines inside of TensorFlow have none; without TensorFlow tfengine runs it",
                  "nothing has to be done: TensorFlow runs it, and engines stand in its functions"};
  }
  if (has_other_effect(def.op)) {
    return Reason{"it does more than compute: it checks, or stands in for a tensor that is fed", kNothingToDo};
  }
  if (is_identity(def.op)) return std::nullopt;
  if (ops::find_op(def.op) == nullptr && def.op != "Concat" && def.op != "Gather") {
    return Reason{fmt::format("tfengine does not know the op {}", def.op),
                  "nothing has to be done: TensorFlow runs it; docs/adding_an_op.md tells how to add an op"};
  }
  if (!tfgraph::has_signature(def.op)) {
    return Reason{fmt::format("{} is not written into segments", def.op), kNothingToDo};
  }
  return std::nullopt;
}

// Arguments as the op has them, and of types that tfengine has.
std::optional<Reason> argument_reason(const GraphView& view, int id) {
  const ViewNode& node = view.node(id);
  const auto inputs = tfgraph::input_types(*node.def);
  const auto outputs = tfgraph::output_types(*node.def);
  if (inputs->size() != node.inputs.size()) {
    return Reason{fmt::format("it has {} inputs, expected {}", node.inputs.size(), inputs->size()),
                  "check how the graph was made: TensorFlow refuses such a node, too"};
  }
  if (node.outputs_used > static_cast<int>(outputs->size())) {
    return Reason{fmt::format("its output {} is used, and it has {}", node.outputs_used - 1, outputs->size()),
                  "check how the graph was made: TensorFlow refuses such a node, too"};
  }
  for (const auto* types : {&*inputs, &*outputs}) {
    for (const uint64_t type : *types) {
      if (type == 0)
        return Reason{"it does not say of what type its tensors are", "write the graph with its attributes"};
      if (tfgraph::dtype_from_proto(type) == DType::Invalid || tfgraph::dtype_from_proto(type) == DType::String) {
        return Reason{fmt::format("tfengine has no arithmetic for {}", tfgraph::proto_dtype_name(type)), kNothingToDo};
      }
    }
  }
  return std::nullopt;
}

std::optional<Reason> reason_of(const GraphView& view, const GraphTypes& types, int id, const Names& nodes,
                                const Names& ops, bool int8) {
  const ViewNode& node = view.node(id);
  const tfgraph::NodeDef& def = *node.def;
  if (nodes.count(def.name) > 0) {
    return Reason{"it is in nodes_denylist", "take it off the list to have it converted"};
  }
  if (ops.count(def.op) > 0) {
    return Reason{fmt::format("{} is on the list of ops to leave to TensorFlow", def.op),
                  "take the op off the list (TF_TRT_OP_DENYLIST) to have it converted"};
  }
  if (auto reason = known_op_reason(def)) return reason;
  if (is_quantization(def.op) && !int8) {
    return Reason{"quantization nodes are converted with precision_mode INT8 only",
                  "convert with precision_mode INT8, or take the node out of the graph"};
  }
  if (node.is_output && node.outputs_used > 1) {
    return Reason{"it is an output of the graph with several tensors, which can only be fetched by its own name",
                  "put an Identity behind each tensor and fetch those"};
  }
  if (auto reason = argument_reason(view, id)) return reason;
  if (!types.failure(id).empty()) return Reason{types.failure(id), kNothingToDo};
  return std::nullopt;
}

void check_denylist(const GraphView& view, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (view.find(node_name(name)) >= 0) continue;
    fail<InvalidArgument>("nodes_denylist: the graph has no node '{}'", name);
  }
}

}  // namespace

bool crosses_border(uint64_t type) {
  // Plain numbers and bool; no quantized types (11 to 13, 15, 16), which have no meaning outside their own ops.
  constexpr std::array<uint64_t, 11> kTypes = {1, 2, 3, 4, 5, 6, 9, 10, 14, 17, 19};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

void Candidates::refuse(const GraphView& view, int node, std::string reason, std::string remedy) {
  candidate[static_cast<size_t>(node)] = false;
  const tfgraph::NodeDef& def = *view.node(node).def;
  refusals[static_cast<size_t>(node)] =
      segment::RefusedNode{std::string(def.name), std::string(def.op), std::move(reason), std::move(remedy)};
}

Candidates find_candidates(const GraphView& view, const GraphTypes& types, const CandidateOptions& options) {
  check_denylist(view, options.nodes_denylist);
  Names nodes, ops;
  for (const std::string& name : options.nodes_denylist) nodes.insert(node_name(name));
  for (const std::string& op : options.op_denylist) ops.insert(op);
  Candidates result;
  result.candidate.assign(static_cast<size_t>(view.size()), false);
  result.refusals.resize(static_cast<size_t>(view.size()));
  for (const int id : view.order()) {
    if (says_nothing(view.node(id))) continue;
    auto reason = reason_of(view, types, id, nodes, ops, options.int8);
    // An Identity that stays is nothing to tell, unless it was asked for.
    if (reason && is_identity(view.node(id).def->op) && nodes.count(view.node(id).def->name) == 0) continue;
    if (reason)
      result.refuse(view, id, std::move(reason->text), std::move(reason->remedy));
    else
      result.candidate[static_cast<size_t>(id)] = true;
  }
  return result;
}

}  // namespace tfengine::graphdef
