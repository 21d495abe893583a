// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/variables.h"

#include <numeric>

#include "tfgraph/dtype.h"
#include "tfgraph/wire.h"

namespace tfengine::tfgraph {

namespace {

// TrackableObjectGraph.TrackableObject.SerializedTensor { name = 1, full_name = 2, checkpoint_key = 3 }
void read_attribute(std::string_view message, std::unordered_map<std::string, std::string>& keys) {
  std::string_view full_name;
  std::string_view key;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(2):
        full_name = get_view(proto);
        break;
      case bytes(3):
        key = get_view(proto);
        break;
      default:
        proto.skip();
    }
  }
  if (!full_name.empty()) keys.emplace(full_name, key);
}

}  // namespace

bool is_variable_op(std::string_view op) { return op == "VarHandleOp" || op == "VariableV2" || op == "Variable"; }

Variables::Variables(Flattener& graph, Bundle* bundle, std::string_view restore_op) : graph_(graph), bundle_(bundle) {
  if (bundle_ == nullptr) return;
  read_assignments(restore_op);
}

void Variables::read_assignments(std::string_view restore_op) {
  std::vector<int> candidates(static_cast<size_t>(graph_.main_node_count()));
  std::iota(candidates.begin(), candidates.end(), 0);
  if (const Ref restore = graph_.find(restore_op); restore.node >= 0) {
    const std::vector<int> body = graph_.inline_call(restore.node);
    candidates.insert(candidates.end(), body.begin(), body.end());
  }
  for (const int id : candidates) {
    const std::string_view op = graph_.node(id).def->op;
    if (op == "AssignVariableOp" || op == "Assign") read_assignment(id);
  }
}

// variable := RestoreV2(prefix, names, slices)[k]; other assignments are initialisers.
void Variables::read_assignment(int assign_node) {
  const std::vector<Ref> inputs = graph_.inputs_of(assign_node);
  if (inputs.size() != 2 || graph_.node(inputs[1].node).def->op != "RestoreV2") return;
  const std::vector<Ref> restore_inputs = graph_.inputs_of(inputs[1].node);
  if (restore_inputs.size() != 3) return;
  const auto names = attr_tensor(*graph_.node(restore_inputs[1].node).def, "value");
  if (!names) return;
  const std::vector<std::string_view> keys = read_strings(*names);
  const auto index = static_cast<size_t>(inputs[1].output);
  if (index < keys.size()) restored_.emplace(inputs[0].node, keys[index]);
}

// TrackableObjectGraph { nodes = 1 }, TrackableObject { attributes = 2 }
void Variables::read_object_graph() {
  Reader proto = reader(bundle_->load_string("_CHECKPOINTABLE_OBJECT_GRAPH"));
  while (proto.next()) {
    if (proto.tag_and_type() != bytes(1)) {
      proto.skip();
      continue;
    }
    Reader object = reader(get_view(proto));
    while (object.next()) {
      if (object.tag_and_type() == bytes(2))
        read_attribute(get_view(object), object_keys_);
      else
        object.skip();
    }
  }
}

std::string Variables::name(int variable_node) const {
  const NodeDef& def = *graph_.node(variable_node).def;
  const std::string_view shared = attr_string(def, "shared_name");
  return std::string(shared.empty() ? def.name : shared);
}

std::string Variables::key(int variable_node) {
  if (const auto found = restored_.find(variable_node); found != restored_.end()) return found->second;
  std::string own_name = name(variable_node);
  if (bundle_->has(own_name)) return own_name;
  if (!object_graph_read_) read_object_graph();
  object_graph_read_ = true;
  if (const auto found = object_keys_.find(own_name); found != object_keys_.end()) return found->second;
  return own_name;
}

Tensor Variables::load(int variable_node, ConstantBudget& budget) {
  if (bundle_ == nullptr) {
    fail<InvalidModel>(
        "variable '{}' has no value: the graph is not frozen and there is no 'variables' folder beside it",
        name(variable_node));
  }
  const std::string stored = key(variable_node);
  if (!bundle_->has(stored)) {
    fail<InvalidModel>("variable '{}' has no value: '{}.index' has no key '{}'", name(variable_node),
                       bundle_->prefix().string(), stored);
  }
  Tensor tensor = bundle_->load(stored, budget);
  const NodeDef& def = *graph_.node(variable_node).def;
  const DType declared = dtype_from_proto(attr_type(def, "dtype"));
  if (declared != tensor.dtype()) {
    fail<InvalidModel>("variable '{}' is {} in the graph and {} in the stored values", name(variable_node),
                       dtype_name(declared), dtype_name(tensor.dtype()));
  }
  return tensor;
}

}  // namespace tfengine::tfgraph
